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
    folder = home / "published"
    folder.mkdir()
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.execute("create schema marts")
        connection.execute(
            "create table marts.fct_receipts as select 'r1' as receipt_id, 'sap' as system_id,"
            " 'key1' as payer_account_key, 'One Ltd' as payer_name"
        )
        connection.execute("create table marts.dim_customers as select 'SAP-1' as customer_id")


def test_assigning_a_receipt_teaches_its_bank_account_and_its_payers_name(home: Path) -> None:
    _published(home)
    assert run("assign", "r1", "--customer", "SAP-1", "--as", "anna").exit_code == 0
    found = json.loads(run("links", "list", "--json").output)
    assert {(one["relation"], one["native_id"]) for one in found} == {
        ("payer_account", "key1"),
        ("payer_name", "One Ltd"),
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("r9", "--customer", "SAP-1"), "no receipt r9"),
        (("r1", "--customer", "SAP-9"), "no customer SAP-9"),
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
