"""A reading is old once any run may have posted after it."""

import pytest

from reverse_etl.ledger.events import EventName
from reverse_etl.planning.freshness import posted_since
from tests.reverse_etl.planning.desk import Desk

RECEIPT = {
    "company_code": "U001",
    "posting_kind": "customer",
    "customer": "0000000001",
    "amount": "10",
    "currency_code": "USD",
    "posting_date": "2026-03-02",
    "ctx_lane": "sap_emea/U001/0000000001",
    "ctx_company_code": "U001",
    "ctx_amount": "10",
    "ctx_currency_code": "USD",
}


@pytest.fixture
def posting(desk: Desk) -> str:
    """A journal entry that is ready to go."""
    desk.tie("U001")
    desk.wants("sap_s4hana.journal_entries", "r1", **RECEIPT)
    desk.plan("sap_s4hana.journal_entries")
    (command,) = desk.commands("journal_entries", "ready")
    return str(command["command_id"])


def test_a_planned_posting_is_nowhere_yet(desk: Desk, posting: str) -> None:
    assert posting
    assert not posted_since(desk.store, desk.now)


@pytest.mark.parametrize(
    "events",
    [
        [EventName.SENDING],
        [EventName.SENDING, EventName.ACCEPTED],
        [EventName.SENDING, EventName.ACCEPTED, EventName.VERIFIED],
    ],
)
def test_a_posting_that_left_makes_earlier_readings_old(
    desk: Desk, posting: str, events: list[EventName]
) -> None:
    read_at = desk.now
    desk.bring(posting, *events)
    assert posted_since(desk.store, read_at)
    desk.next_run()
    assert not posted_since(desk.store, desk.now)


def test_a_change_of_state_in_a_target_makes_no_reading_old(desk: Desk) -> None:
    read_at = desk.now
    desk.wants("salesforce.accounts", "001", open_balance="10", status="Current")
    desk.holds("salesforce.accounts", "001", open_balance="5", status="Current")
    desk.plan("salesforce.accounts")
    desk.verify_all("accounts")
    assert desk.commands("accounts", "verified")
    assert not posted_since(desk.store, read_at)
