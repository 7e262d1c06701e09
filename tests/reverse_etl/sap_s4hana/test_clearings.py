"""Clearing over real sockets: only what nets to zero is asked for, only what is cleared counts."""

from dataclasses import replace
from datetime import date

import pytest

from reverse_etl.delivery.verifying import differences
from reverse_etl.delivery.writer import (
    Absent,
    Accepted,
    CannotTell,
    Found,
    Rejected,
    Retry,
    Unknown,
)
from sandbox.core.faults import Fault, Point
from tests.reverse_etl.sap_s4hana.conftest import (
    CUSTOMERS,
    clearing,
    invoices,
    receipt,
    receipt_id_of,
)
from tests.reverse_etl.support import sending

CLEAR = "journalentrybulkclearingreques"


@pytest.fixture
def paid(sap):
    """Two invoices of 60 and 40.5, a receipt of 100.5: (lines, receipt id, its document)."""
    return _paid(sap)


def _paid(sap, total="100.5"):
    lines = sap.post_invoices((CUSTOMERS[0], "INV-1", "60"), (CUSTOMERS[0], "INV-2", "40.5"))
    key = receipt_id_of("paid")
    posted = sap.call("send", [receipt(key, total)])[key]
    return lines, key, posted.native_id


def test_a_clearing_after_its_journal_entry_finds_the_receipt_by_its_document(sap, paid):
    lines, key, document = paid
    one = clearing(key, lines, after=document)
    assert sap.call("send", [one])[key] == Accepted()
    held = sap.call("read_back", [one])[key]
    assert differences(one.command.payload, held.fields, frozenset()) == {}
    assert sap.call("look_up", [one])[key] == Found(held.native_id)
    assert sap.effects(one) == 1


def test_a_clearing_with_the_receipts_line_reads_back_every_field(sap, paid):
    lines, key, document = paid
    one = clearing(key, lines, document=document.split("-")[2])
    assert sap.call("send", [one])[key] == Accepted()
    held = sap.call("read_back", [one])[key]
    assert differences(one.command.payload, held.fields, frozenset()) == {}


def test_until_sap_has_worked_the_clearing_is_pending_and_not_absent(serve_sap):
    sap = serve_sap(clearing_lag_seconds=3600.0)
    lines, key, document = _paid(sap)
    one = clearing(key, lines, after=document)
    assert isinstance(sap.call("look_up", [one])[key], Absent)
    sap.call("send", [one])
    assert sap.call("read_back", [one])[key].is_pending
    assert isinstance(sap.call("look_up", [one])[key], CannotTell)


def test_without_a_clearing_log_the_items_alone_tell(serve_sap):
    sap = serve_sap(clearing_lag_seconds=3600.0, clearing_log_service="")
    lines, key, document = _paid(sap)
    one = clearing(key, lines, after=document)
    sap.call("send", [one])
    assert sap.call("read_back", [one])[key].is_pending
    assert isinstance(sap.call("look_up", [one])[key], Absent)


def test_a_clearing_that_does_not_net_to_zero_never_leaves(sap):
    lines, key, document = _paid(sap, total="100.49")
    outcome = sap.call("send", [clearing(key, lines, after=document)])[key]
    assert (outcome.code, outcome.message.split()[3]) == ("not_zero", "0.01")
    assert sap.app.ledger()["waiting_clearings"] == 0


def test_items_of_another_customer_or_nobody_never_leave(sap):
    lines = sap.post_invoices((CUSTOMERS[1], "INV-9", "100.5"))
    key = receipt_id_of("other")
    document = sap.call("send", [receipt(key, "100.5")])[key].native_id
    other = sap.call("send", [clearing(key, lines, after=document)])[key]
    missing = [{**lines[0], "document": "1899999999"}]
    nobody = sap.call("send", [clearing(key, missing, after=document)])[key]
    assert (other.code, nobody.code) == ("item_of_another", "item_missing")


def test_one_bad_clearing_takes_no_other_with_it(sap, paid):
    lines, key, document = paid
    bad = receipt_id_of("bad")
    bad_document = sap.call("send", [receipt(bad, "7")])[bad].native_id
    batch = [
        clearing(bad, [lines[0]], after=bad_document),
        clearing(key, lines, after=document),
        clearing(receipt_id_of("none"), lines),
    ]
    outcomes = sap.call("send", batch)
    assert isinstance(outcomes[key], Accepted)
    assert outcomes[bad].code == "not_zero"
    assert outcomes[receipt_id_of("none")].code == "no_receipt_document"


def test_items_cleared_by_somebody_else_end_the_waiting_with_a_reason(serve_sap):
    sap = serve_sap(clearing_lag_seconds=0.0)
    lines, key, document = _paid(sap)
    rival_key = receipt_id_of("rival")
    rival_document = sap.call("send", [receipt(rival_key, "60")])[rival_key].native_id
    ours = clearing(key, lines, after=document)
    sap.call("send", [clearing(rival_key, lines[:1], after=rival_document)])
    held = sap.call("read_back", [ours])[key]
    assert held.rejection.code == "item_cleared"
    assert sap.call("send", [ours])[key].code == "item_cleared"


def test_a_lost_answer_is_unknown_then_found_and_a_resend_asks_for_nothing(sap, paid):
    lines, key, document = paid
    one = clearing(key, lines, after=document)
    sap.faults.configure(points=[Point(Fault.LOST_ANSWER, path=CLEAR)])
    assert isinstance(sap.call("send", [one])[key], Unknown)
    found = sap.call("look_up", [one])[key]
    assert isinstance(found, Found)
    assert sap.call("send", [replace(one, attempt=2)])[key] == Accepted(found.native_id)
    assert len(sap.app.ledger()["clearings"]) == 1


def test_a_swallowed_request_stays_pending_and_may_go_again(sap, paid):
    lines, key, document = paid
    one = clearing(key, lines, after=document)
    sap.faults.configure(points=[Point(Fault.SWALLOW, name="SOAP clearing")])
    assert sap.call("send", [one])[key] == Accepted()
    assert sap.call("read_back", [one])[key].is_pending
    assert isinstance(sap.call("look_up", [one])[key], Absent)
    assert sap.call("send", [replace(one, attempt=2)])[key] == Accepted()
    assert isinstance(sap.call("look_up", [one])[key], Found)


def test_a_refusal_that_only_the_log_shows_becomes_a_rejection(sap, paid):
    lines, key, document = paid
    one = clearing(key, lines, after=document, posting_date="2031-01-15")
    assert sap.call("send", [one])[key] == Accepted()
    held = sap.call("read_back", [one])[key]
    assert isinstance(held.rejection, Rejected)
    assert held.rejection.code == "clearing_refused"


def test_when_the_items_cannot_be_read_nothing_is_sent(sap, paid):
    lines, key, document = paid
    sap.faults.configure(
        points=[Point(Fault.THROTTLED, path="OperationalAcctgDocItemCube", times=9, seconds=0)]
    )
    outcome = sap.call("send", [clearing(key, lines, after=document)])[key]
    assert isinstance(outcome, Retry)
    assert sap.app.ledger()["clearings"] == {}


def test_a_receipt_that_pays_a_hundred_invoices_is_cleared_in_one_request(sap):
    lines = sap.post_invoices(*((CUSTOMERS[0], f"M-{n:03}", f"{n}.11") for n in range(1, 107)))
    total = f"{sum(range(1, 107)) + 106 * 11 // 100}.{106 * 11 % 100:02}"
    key = receipt_id_of("many")
    document = sap.call("send", [receipt(key, total)])[key].native_id
    one = clearing(key, lines, after=document)
    assert sap.call("send", [one])[key] == Accepted()
    held = sap.call("read_back", [one])[key]
    assert differences(one.command.payload, held.fields, frozenset()) == {}


@pytest.mark.parametrize("reads", range(1, 7))
def test_clearing_between_two_queries_of_one_reading_is_never_taken_for_a_refusal(serve_sap, reads):
    sap = serve_sap(clearing_lag_reads=reads)
    lines = sap.with_client(
        lambda client: invoices(client, [(CUSTOMERS[0], "OLD-1", "60")], day=date(2025, 3, 3))
    )
    lines = [{**line, "fiscal_year": "2025"} for line in lines]
    lines += sap.post_invoices((CUSTOMERS[0], "NEW-1", "40.5"))
    key = receipt_id_of("straddled")
    document = sap.call("send", [receipt(key, "100.5")])[key].native_id
    one = clearing(key, lines, after=document)
    assert sap.call("send", [one])[key] == Accepted()
    held = sap.call("read_back", [one])[key]
    while held.is_pending:
        held = sap.call("read_back", [one])[key]
    assert held.rejection is None
    assert held.native_id


def test_the_lines_that_a_moved_receipt_leaves_on_the_unidentified_account_close_each_other(sap):
    key = receipt_id_of("nobodys")
    first, moved = (
        receipt(key, "80", customer=None),
        receipt(f"{key}-moved", "80", bank_gl_account="21650000", bank_reference="1400000000"),
    )
    booked = sap.call("send", [first])[key].native_id
    document = sap.call("send", [moved])[f"{key}-moved"].native_id
    line = {
        "item_key": "SAP-U001", "fiscal_year": "2026", "document": booked.split("-")[2],
        "item": "001", "amount": "-80",
    }  # fmt: skip
    payload = {
        "company_code": "U001", "gl_account": "21650000", "currency_code": "USD",
        "posting_date": "2026-05-22", "receipt_fiscal_year": None, "receipt_document": None,
        "receipt_item": None, "lines": [line],
    }  # fmt: skip
    one = sending(
        "sap_s4hana", "unidentified_clearings", key, payload, after={f"{key}-moved": document}
    )
    assert isinstance(sap.call("look_up", [one])[key], Absent)
    assert sap.call("send", [one])[key] == Accepted()
    held = sap.call("read_back", [one])[key]
    assert differences(one.command.payload, held.fields, frozenset()) == {}
    assert sap.call("send", [one])[key] == Accepted(held.native_id)
    assert sap.effects(one) == 1
