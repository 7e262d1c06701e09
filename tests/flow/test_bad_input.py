"""Bad input gets a clear error, nothing is lost, and the rest of the batch goes on.

One loop on books that nobody looped yet, with a folder of broken statements, an item whose customer
nobody knows and sessions that end in mid-run; before it, one with a column that vanished.
"""

import json
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.flow.between import gateway
from tests.flow.camt import Movement, statement
from tests.flow.scene import CRM, ERP, ROOT, Finished, Scene
from tests.flow.stage import Stage, story

VANISHED = "NetDueDate"
ITEMS = "A_OperationalAcctgDocItemCube"
GOOD = Movement("GOOD-RECEIPT-1", "123.45")


@dataclass(frozen=True)
class Told:
    """Two runs: one without a column, one with everything else that is wrong."""

    scene: Scene
    hidden_customer: str
    without_column: Finished
    first_report: dict[str, Any]
    crm_writes_first: int
    exceptions_first: list[dict[str, Any]]
    sap_before: dict[str, Any]
    sap_first: dict[str, Any]
    second: Finished
    second_report: dict[str, Any]
    exceptions: list[dict[str, Any]]
    sessions_ended: tuple[int, int]

    def exception(self, code: str) -> dict[str, Any]:
        """The one open exception with this code."""
        (found,) = (
            one for one in self.exceptions if one["code"] == code and one["state"] == "open"
        )
        return found


@story
def bad_input(stage: Stage) -> Told:
    scene = stage.scene(stage.seeded_home, "bad-input")
    hidden = min(scene.credit_accounts())
    ready = {"column": False}

    def change(path: str, row: dict[str, Any]) -> dict[str, Any] | None:
        if path.endswith(ITEMS) and not ready["column"]:
            row.pop(VANISHED, None)
        is_master = "API_BUSINESS_PARTNER" in path
        return (
            None
            if is_master and hidden in (row.get("Customer"), row.get("BusinessPartner"))
            else row
        )

    address = stage.enter(gateway(scene.endpoints["systems"][ERP]["base_url"], change))
    _through(scene, address)
    sap_before = scene.ledger(ERP)
    first, first_report = scene.sync("--initial")
    crm_writes_first, exceptions_first = scene.crm_writes(), scene.exceptions()
    sap_first = scene.ledger(ERP)

    ready["column"] = True
    drop_broken_files(scene)
    scene.faults(CRM, points=[{"fault": "token_expiry", "skip": n} for n in (3, 12)])
    scene.faults(ERP, points=[{"fault": "token_expiry", "name": "POST"}])
    second, second_report = scene.sync("--initial")
    ended = tuple(scene.struck(one).get("token_expiry", 0) for one in (CRM, ERP))
    return Told(
        scene, hidden, first, first_report, crm_writes_first, exceptions_first, sap_before,
        sap_first, second, second_report, scene.exceptions(), (ended[0], ended[1]),
    )  # fmt: skip


def _through(scene: Scene, address: str) -> None:
    """Let the product reach SAP through the gateway."""
    tree = json.loads(json.dumps(scene.endpoints))
    tree["systems"][ERP]["base_url"] = address
    file = scene.home / "gateway.json"
    file.write_text(json.dumps(tree), encoding="utf-8")
    scene.environment["LEDGERLOOP_ENDPOINTS"] = str(file)


def drop_broken_files(scene: Scene) -> None:
    """One good statement and one of each kind of trouble, all dropped a while ago."""
    account = next(
        one["account"] for one in scene.truth["receipts"] if one["currency_code"] == "USD"
    )
    day = scene.as_of
    one = Movement("BAD-RECEIPT", "100.00")
    texts = {
        "good.xml": statement(account, 901, day, GOOD, opening="0", closing="123.45"),
        "wrong-balance.xml": statement(account, 902, day, one, opening="0", closing="90.00"),
        "truncated.xml": statement(account, 903, day, one, opening="0", closing="100.00")[:900],
        "unknown-currency.xml": statement(
            account, 904, day, one, opening="0", closing="100.00", currency="XQX"
        ),
        "too-many-decimals.xml": statement(
            account, 905, day, Movement("BAD-DECIMALS", "100.001"), opening="0", closing="100.001"
        ),
    }
    for name, text in texts.items():
        (scene.inbox / name).write_text(text, encoding="utf-8")
    first = min(scene.inbox.glob("camt053_*.xml"))
    shutil.copyfile(first, scene.inbox / "duplicate.xml")
    long_ago = time.time() - 3600
    for name in (*texts, "duplicate.xml"):
        os.utime(scene.inbox / name, (long_ago, long_ago))


@pytest.fixture(scope="module")
def told(stage: Stage) -> Told:
    return stage.of(bad_input)


@pytest.mark.parametrize(
    ("code", "file", "what_to_do"),
    [
        ("balances_do_not_add_up", "wrong-balance.xml", "ask the bank to send the statement again"),
        ("truncated", "truncated.xml", "again"),
        ("duplicate_file", "duplicate.xml", "remove it"),
        ("unknown_currency", "unknown-currency.xml", "ISO 4217"),
        ("too_many_decimals", "too-many-decimals.xml", "ask the sender for a correct file"),
    ],
)
def test_a_broken_statement_is_kept_as_an_exception_that_says_what_where_and_what_to_do(
    told: Told, code: str, file: str, what_to_do: str
) -> None:
    found = told.exception(code)
    assert found["object_key"] == file
    assert file in found["message"]
    assert what_to_do in found["message"]
    assert found["system_id"] == "bank"
    assert (told.scene.inbox / file).exists()


def test_the_person_who_ran_the_loop_reads_the_same_words(told: Told) -> None:
    for code in ("balances_do_not_add_up", "truncated", "duplicate_file", "unknown_currency"):
        beginning = told.exception(code)["message"][:40]
        assert beginning in " ".join(told.second.out.split())


def test_the_good_statement_beside_them_is_taken_and_posted(told: Told) -> None:
    bookings = told.scene.ledger(ERP)["bookings_by_bank_reference"]
    posted = {place: documents for place, documents in bookings.items() if GOOD.reference in place}
    assert [len(set(documents)) for documents in posted.values()] == [1]
    assert not [place for place in bookings if "BAD-" in place]


def test_an_item_without_a_customer_is_an_exception_with_its_money(told: Told) -> None:
    found = [one for one in told.exceptions if one["code"] == "missing_customer"]
    assert found
    for one in found:
        assert told.hidden_customer in one["message"]
        assert "customer master" in one["message"]
        assert one["amount_text"] not in ("", "0")
        assert one["currency_code"] in ("CAD", "USD")


def test_sessions_that_end_in_mid_run_are_renewed_without_anybody_noticing(told: Told) -> None:
    assert all(told.sessions_ended)
    assert told.second_report["writes"] == told.second_report["verified"] > 0


def test_a_run_that_opened_exceptions_ends_partial(told: Told) -> None:
    assert told.second.code == 3, told.second.err
    assert told.second_report["status"] == "partial"
    assert told.second_report["exceptions"] >= 5


def test_a_vanished_column_stops_writing_and_is_named(told: Told) -> None:
    assert told.without_column.code == 3, told.without_column.err
    (found,) = (one for one in told.exceptions_first if one["code"] == "vanished_column")
    assert VANISHED in found["message"]
    assert "writing stops" in found["message"]
    assert told.first_report["writes"] == told.crm_writes_first == 0
    assert told.sap_first == told.sap_before


def test_when_the_column_is_back_its_exception_closes_and_writing_goes_on(told: Told) -> None:
    (found,) = (one for one in told.exceptions if one["code"] == "vanished_column")
    assert found["state"] == "closed"
    assert told.second_report["writes"] > 0
    still_open = [one for one in told.exceptions if one["state"] == "open"]
    assert not [one for one in still_open if one["code"].startswith("guard_")]


def test_exceptions_are_listed_by_state_and_shown_whole(told: Told) -> None:
    listed = told.scene.ledgerloop("exceptions", "list", "--state", "closed", "--json").json()
    assert {"vanished_column", "guard_source"} <= {one["code"] for one in listed}
    assert all(one["closed_by"] == "ledgerloop" for one in listed)
    identity = told.exception("truncated")["exception_id"]
    shown = told.scene.ledgerloop("exceptions", "show", identity, "--json").json()
    assert shown["message"] == told.exception("truncated")["message"]


def test_a_wrong_config_key_is_named_with_the_nearest_right_one(tmp_path: Path) -> None:
    text = (ROOT / "ledgerloop.toml").read_text(encoding="utf-8")
    config = tmp_path / "ledgerloop.toml"
    config.write_text(text.replace("key_prefix", "key_prefx"), encoding="utf-8")
    finished = Scene(tmp_path, {}).ledgerloop("sync", LEDGERLOOP_CONFIG=str(config))
    assert finished.code == 1
    assert "systems.sap_emea.key_prefx" in finished.err
    assert "did you mean 'key_prefix'?" in finished.err
    assert str(config) in finished.err
    assert "Traceback" not in finished.err
