"""``links``, ``assign``, ``disputes``: what people say is recorded; errors say what to do."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

from ingestion.common.errors import ConfigError, InputRefused
from orchestration.cli import cli
from orchestration.delivering import open_store
from reverse_etl.ledger.dispute_forms import DisputeLine, NewDispute
from reverse_etl.ledger.disputes import Disputes
from reverse_etl.planning.overtaken import withdraw_overtaken
from reverse_etl.planning.policy import default_path
from tests.reverse_etl.ledger.commands import posting

DUE = datetime(2026, 7, 1, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LEDGERLOOP_HOME", str(tmp_path))
    monkeypatch.delenv("LEDGERLOOP_OPS_URL", raising=False)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def test_a_link_that_a_person_made_and_took_back_stays_in_the_list(home: Path) -> None:
    one = ("--system", "crm", "--id", "001A", "--customer", "SAP-1", "--as", "anna")
    assert run("links", "add", *one).exit_code == 0
    assert run("links", "remove", *one).exit_code == 0
    (link,) = json.loads(run("links", "list", "--json").output)
    assert link["customer_id"] == "SAP-1"
    assert link["unlinked_at"]


def test_a_link_that_a_number_made_can_be_taken_back_too(home: Path) -> None:
    run("links", "remove", "--system", "crm", "--id", "001A", "--customer", "SAP-1", "--as", "anna")
    (link,) = json.loads(run("links", "list", "--json").output)
    assert link["unlinked_at"]


def _published(home: Path) -> None:
    """Receipts as a loop publishes them: r1 of nobody, r2 on a customer, r3 applied."""
    folder = home / "published"
    folder.mkdir()
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.execute("""
            create schema marts;
            create table marts.fct_receipts as
            select *, 'sap_emea' as system_id, 'U001' as company_code, 10.50 as amount,
                '1400000001' as booked_document,
                'USD' as currency_code, date '2026-05-23' as as_of_date, 'BK1' as bank_reference,
                '11001000' as gl_account, 'rcpt-1' as correlation_id,
                cast(null as varchar) as needs_review_reason, 'key1' as payer_account_key,
                'One Ltd' as payer_name
            from (values
                ('r1', null, true, 10.50), ('r2', 'SAP-1', false, 10.50), ('r3', 'SAP-1', false, 0)
            ) as t(receipt_id, booked_customer_id, is_unidentified, amount_unapplied);
            create table marts.dim_customers as
            select 'SAP-1' as customer_id, 'sap_emea' as system_id, '1' as customer,
                'One Ltd' as name
            union all select 'SAP-2', 'sap_emea', '2', 'Two Ltd';
            create table marts.fct_open_items as
            select 'SAP-U001-2026-1800000007-001' as item_key, 'sap_emea' as system_id,
                'SAP-1' as customer_id, '1' as customer, 'U001' as company_code,
                'INV-7' as invoice_number;
            create schema intermediate;
            create table intermediate.int_returned_payments_wanted (receipt_key varchar);
            create schema config;
            create table config.companies as
            select 'sap_emea' as system_id, 'U001' as company_code, date '2026-05-23' as as_of_date;
            create table config.rates as
            select 'USD' as currency_code, cast(1 as decimal(18, 8)) as rate_to_group;
        """)


def test_assigning_a_receipt_teaches_its_bank_account_and_its_payers_name(home: Path) -> None:
    _published(home)
    assert run("assign", "r1", "--customer", "SAP-1", "--as", "anna").exit_code == 0
    found = json.loads(run("links", "list", "--json").output)
    assert {(one["relation"], one["native_id"]) for one in found} == {
        ("receipt", "r1"),
        ("payer_account", "key1"),
        ("payer_name", "One Ltd"),
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("r9", "--customer", "SAP-1"), "no receipt r9"),
        (("r1", "--customer", "SAP-9"), "no customer SAP-9"),
        (("r2", "--customer", "SAP-2"), "stands on SAP-1 in the ERP"),
    ],
)
def test_assigning_what_is_not_there_is_refused_and_records_nothing(
    home: Path, arguments: tuple[str, ...], said: str
) -> None:
    _published(home)
    done = run("assign", *arguments, "--as", "anna")
    assert isinstance(done.exception, InputRefused)
    assert said in done.exception.message
    assert json.loads(run("links", "list", "--json").output) == []


def test_a_refund_waits_for_another_person_and_is_asked_for_once(home: Path) -> None:
    _published(home)
    (home / "ledgerloop.toml").write_text(
        '[systems.sap_emea]\nkind = "sap_s4hana"\nbase_url = "http://127.0.0.1:9"\n'
    )
    config = {"LEDGERLOOP_CONFIG": str(home / "ledgerloop.toml"), "LOGNAME": "anna"}
    ask = ["refund", "r2", "--reason", "paid twice", "--as", "anna"]
    for _ in range(2):
        done = CliRunner(env=config).invoke(cli, ask)
        assert done.exit_code == 0, done.output
        assert "10.5 USD to SAP-1: awaiting_approval" in done.output
    with open_store(home) as store:
        (waiting,) = store.awaiting_approval()
    assert waiting.command.payload["item_text"] == "Refund: paid twice"
    for person, code in (("anna", 1), ("berta", 0)):
        agree = ["approve", waiting.command.command_id[:12], "--reason", "seen", "--as", person]
        done = CliRunner(env={**config, "LOGNAME": person}).invoke(cli, agree)
        assert done.exit_code == code, done.output
    for receipt, said in (("r1", "no customer's account"), ("r3", "has 0 of 10.5 left")):
        done = CliRunner(env=config).invoke(cli, ["refund", receipt, *ask[2:]])
        assert isinstance(done.exception, InputRefused)
        assert said in done.exception.message


def test_money_that_was_applied_since_the_last_loop_does_not_go_back(home: Path) -> None:
    """The published warehouse still shows the receipt whole; the log knows better."""
    _published(home)
    (home / "ledgerloop.toml").write_text(
        '[systems.sap_emea]\nkind = "sap_s4hana"\nbase_url = "http://127.0.0.1:9"\n'
    )
    with open_store(home) as store:
        store.record_plan([posting("r2", system_id="sap_emea", object_name="clearings")])
        assert store.standing("sap_emea", "clearings", ["r2", "r3"]) == {"r2"}
    ask = ["refund", "r2", "--reason", "paid twice", "--as", "anna"]
    done = CliRunner(env={"LEDGERLOOP_CONFIG": str(home / "ledgerloop.toml")}).invoke(cli, ask)
    assert isinstance(done.exception, InputRefused)
    assert "was applied or is on its way" in done.exception.message
    with open_store(home) as store:
        assert list(store.awaiting_approval()) == []


def test_a_refund_is_taken_back_when_the_erp_applied_the_receipt_meanwhile(home: Path) -> None:
    _published(home)
    (home / "ledgerloop.toml").write_text(
        '[systems.sap_emea]\nkind = "sap_s4hana"\nbase_url = "http://127.0.0.1:9"\n'
    )
    ask = ["refund", "r2", "--reason", "paid twice", "--as", "anna"]
    done = CliRunner(env={"LEDGERLOOP_CONFIG": str(home / "ledgerloop.toml")}).invoke(cli, ask)
    assert done.exit_code == 0, done.output
    with (
        open_store(home) as store,
        duckdb.connect(str(home / "published" / "warehouse.duckdb")) as connection,
    ):
        assert withdraw_overtaken(connection, store, ["sap_emea"]) == 0
        connection.execute("update marts.fct_receipts set amount_unapplied = 4 where true")
        assert withdraw_overtaken(connection, store, ["sap_emea"]) == 1
        assert withdraw_overtaken(connection, store, ["sap_emea"]) == 0
        assert store.counts() == {"superseded": 1}
        (told,) = store.exceptions(state="open")
    assert (told.code, told.object_key) == ("refund_overtaken", "r2")
    assert "has 4 of 10.5 left" in told.message


CHARGE = {
    "--company": "U001",
    "--amount": "35.00",
    "--currency": "USD",
    "--reason": "BANK-FEE",
    "--text": "Returned payment",
    "--reference": "DM-1",
    "--as": "anna",
}


def charge(home: Path, customer: str = "SAP-1", **changes: str) -> Result:
    """``ledgerloop debit-memo`` with an option or two said otherwise, against one SAP system."""
    kind = changes.pop("kind", "sap_s4hana")
    policy = changes.pop("policy", "")
    (home / "ledgerloop.toml").write_text(
        f'[hub]\npolicy = "{policy}"\n'
        f'[systems.sap_emea]\nkind = "{kind}"\nbase_url = "http://127.0.0.1:9"\n'
    )
    said = CHARGE | {f"--{name}": value for name, value in changes.items()}
    arguments = [part for pair in said.items() for part in pair]
    config = {"LEDGERLOOP_CONFIG": str(home / "ledgerloop.toml"), "LOGNAME": said["--as"]}
    return CliRunner(env=config).invoke(cli, ["debit-memo", customer, *arguments, "--json"])


def test_a_debit_memo_waits_for_another_person_and_one_number_is_asked_for_once(
    home: Path,
) -> None:
    _published(home)
    for _ in range(2):
        done = charge(home, invoice="INV-7")
        assert done.exit_code == 0, done.output
        found = json.loads(done.output)
        assert (found["state"], found["approval_rule"]) == ("awaiting_approval", "debit_memo")
    with open_store(home) as store:
        (waiting,) = store.awaiting_approval()
    payload = waiting.command.payload
    assert (payload["document_reference"], payload["invoice_number"]) == ("DM-1", "INV-7")
    assert (payload["amount"], payload["due_date"]) == ("35", "2026-05-23")
    for person, code in (("anna", 1), ("berta", 0)):
        agree = ["approve", found["command_id"][:12], "--reason", "seen", "--as", person]
        config = {"LEDGERLOOP_CONFIG": str(home / "ledgerloop.toml"), "LOGNAME": person}
        done = CliRunner(env=config).invoke(cli, agree)
        assert done.exit_code == code, done.output


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"customer": "SAP-9"}, "no customer SAP-9"),
        ({"company": "U009"}, "which has no company U009"),
        ({"amount": "-1"}, "is not above zero"),
        ({"amount": "1.005"}, "more than 2 decimals"),
        ({"currency": "QQQ"}, "unknown currency"),
        ({"reason": "MOOD"}, "'MOOD' is none of"),
        ({"reference": "12345678901234567"}, "1 to 16 characters"),
        ({"reference": "INV-7"}, "has an item of the number INV-7 already"),
        ({"invoice": "INV-8"}, "has no item INV-8"),
        ({"due": "2026-05-01"}, "lies before 2026-05-23"),
        ({"text": "x" * 51}, "1 to 50 characters"),
        ({"kind": "salesforce"}, "the hub writes no debit memos to salesforce"),
    ],
)
def test_a_debit_memo_that_cannot_be_is_refused_with_what_to_do_and_records_nothing(
    home: Path, changes: dict[str, str], said: str
) -> None:
    _published(home)
    done = charge(home, **changes)
    assert isinstance(done.exception, InputRefused), done.output
    assert said in done.exception.message
    with open_store(home) as store:
        assert store.counts() == {}


def test_a_number_that_was_asked_for_with_another_amount_is_refused(home: Path) -> None:
    _published(home)
    assert charge(home).exit_code == 0
    done = charge(home, amount="36.00")
    assert isinstance(done.exception, InputRefused)
    assert "was asked for already with other values" in done.exception.message


def test_a_policy_lets_small_debit_memos_go_and_only_so_many_of_a_customer_within_a_year(
    home: Path,
) -> None:
    _published(home)
    text = default_path().read_text(encoding="utf-8")
    before, _, after = text.partition("[approvals.debit_memo]")
    after = after.replace('change_amount_max = "0"', 'change_amount_max = "40"', 1)
    after = after.replace('cumulative_12_months_max = "0"', 'cumulative_12_months_max = "60"', 1)
    policy = home / "policy.toml"
    policy.write_text(f"{before}[approvals.debit_memo]{after}", encoding="utf-8")
    states = [
        json.loads(charge(home, policy=str(policy), reference=f"DM-{n}").output)["state"]
        for n in range(2)
    ]
    assert states == ["ready", "awaiting_approval"]


def test_a_debit_memo_is_taken_back_when_its_number_appears_in_the_erp(home: Path) -> None:
    _published(home)
    assert charge(home).exit_code == 0
    with (
        open_store(home) as store,
        duckdb.connect(str(home / "published" / "warehouse.duckdb")) as connection,
    ):
        assert withdraw_overtaken(connection, store, ["sap_emea"]) == 0
        connection.execute("update marts.fct_open_items set invoice_number = 'DM-1' where true")
        assert withdraw_overtaken(connection, store, ["sap_emea"]) == 1
        (told,) = store.exceptions(state="open")
    assert told.code == "debit_memo_overtaken"
    assert "holds an item of that number already" in told.message


def test_what_the_bank_took_back_is_not_given_back_as_well(home: Path) -> None:
    _published(home)
    (home / "ledgerloop.toml").write_text(
        '[systems.sap_emea]\nkind = "sap_s4hana"\nbase_url = "http://127.0.0.1:9"\n'
    )
    runner = CliRunner(env={"LEDGERLOOP_CONFIG": str(home / "ledgerloop.toml")})
    ask = ["refund", "r2", "--reason", "paid twice", "--as", "anna"]
    assert runner.invoke(cli, ask).exit_code == 0
    with (
        open_store(home) as store,
        duckdb.connect(str(home / "published" / "warehouse.duckdb")) as connection,
    ):
        connection.execute("insert into intermediate.int_returned_payments_wanted values ('r2')")
        assert withdraw_overtaken(connection, store, ["sap_emea"]) == 1
        (told,) = store.exceptions(state="open")
    assert "was taken back by the bank already" in told.message
    done = runner.invoke(cli, ask)
    assert isinstance(done.exception, InputRefused)
    assert "was taken back by the bank already" in done.exception.message


def test_before_the_first_sync_people_are_told_to_run_one(home: Path) -> None:
    done = run("links", "proposals")
    assert isinstance(done.exception, ConfigError)
    assert "ledgerloop sync" in done.exception.message


def test_a_dispute_is_decided_by_one_person_and_approved_by_another(home: Path) -> None:
    line = DisputeLine("SAP-U1-2026-1-001", "r1", Decimal("25.00"))
    new = NewDispute("DSP-1", "sap", "U1", "SAP-1", "1", "PRICE", "USD", [line], DUE)
    with open_store(home) as store:
        Disputes(store).open([new])
    decide = ("disputes", "decide", "DSP-1", "valid", "--reason", "agreed", "--as", "anna")
    done = run(*decide)
    assert done.exit_code == 0, done.output
    (found,) = json.loads(run("disputes", "list", "--json").output)
    assert (found["amount"], found["decided_by"]) == ("25", "anna")
    agree = ("disputes", "approve", "DSP-1", str(found["version"]), "--reason", "ok", "--as")
    assert run(*agree, "anna").exit_code == 1
    assert run(*agree, "berta").exit_code == 0


def test_a_dispute_that_is_not_there_is_said_plainly(home: Path) -> None:
    done = run("disputes", "move", "DSP-9", "triage", "--reason", "x", "--as", "anna")
    assert done.exit_code == 1
    assert "DSP-9" in done.output
