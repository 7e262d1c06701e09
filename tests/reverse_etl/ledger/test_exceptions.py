"""Exceptions: lossless, counted up, never cut, closed by what mends them."""

from datetime import timedelta

import pytest

from reverse_etl.ledger.exceptions import NewException, age_seconds
from tests.reverse_etl.ledger.acts import finish, settle
from tests.reverse_etl.ledger.commands import NOW, posting, state

SUBJECT = {
    "customer": "SAP-0000000042",
    "customer_name": "Acme",
    "invoice": "9001",
    "region": "EMEA",
    "team": "cash",
}


def test_a_rejected_command_opens_an_exception_in_plain_words(store, clock):
    command = posting("R1", subject=SUBJECT, amount_text="12.50", currency_code="USD")
    store.record_plan([command])
    settle(store, "erp", command, "rejected")

    (found,) = store.exceptions(state="open")

    assert (found.exception_class, found.code, found.field) == ("business", "BAD", "amount")
    assert (found.customer_name, found.invoice, found.region, found.team) == (
        "Acme", "9001", "EMEA", "cash",
    )  # fmt: skip
    assert (found.amount_text, found.currency_code) == ("12.50", "USD")
    assert found.payload == command.payload
    assert found.command_id == command.command_id
    clock.advance(hours=1)
    assert age_seconds(found, clock.now()) == 3600


def test_the_same_open_exception_counts_up(store, clock):
    new = NewException("technical", "bad_file", "refused", object_key="a.xml")
    first = store.open_exception(new)
    clock.advance(minutes=5)

    assert store.open_exception(new) == first
    assert store.open_exception(NewException("technical", "bad_file", "x", object_key="b")) != first

    found = store.exception(first)
    assert (found.occurrences, found.last_seen_at > found.opened_at) == (2, True)


def test_a_payload_without_a_command_is_kept_whole_and_not_in_the_log(store, execute):
    payload = {"amount": "0.10", "iban": "DE89370400440532013000", "date": "2026-01-31"}
    exception_id = store.open_exception(
        NewException("business", "unknown_currency", "ZZZ", payload=payload)
    )

    assert store.exception(exception_id).payload == payload
    assert "0532013000" not in str(execute("SELECT data FROM events"))


def test_a_list_is_never_cut(store):
    store.open_exceptions(
        NewException("technical", "bad_row", "no", object_key=f"row {number}")
        for number in range(6_000)
    )

    assert sum(1 for _ in store.exceptions(code="bad_row")) == 6_000


def test_exceptions_are_found_by_any_filter_and_a_wrong_filter_is_named(store):
    command = posting("R1", subject=SUBJECT)
    store.record_plan([command])
    settle(store, "erp", command, "rejected")
    store.open_exception(NewException("technical", "bad_file", "refused"))

    assert [one.code for one in store.exceptions(exception_class="technical")] == ["bad_file"]
    assert [one.code for one in store.exceptions(customer_id="SAP-0000000042")] == ["BAD"]
    assert list(store.exceptions(team="nobody")) == []
    with pytest.raises(ValueError, match="no filter"):
        list(store.exceptions(colour="red"))


def test_a_business_exception_closes_itself_when_the_corrected_command_is_verified(store):
    wrong = state("A1", {"status": "?"})
    store.record_plan([wrong])
    settle(store, "crm", wrong, "rejected")
    right = state("A1", {"status": "Current"}, revision=2)
    store.record_plan([right])
    finish(store, "crm", right)

    (found,) = store.exceptions()

    assert (found.state, found.closed_by) == ("closed", "ledgerloop")


def test_a_retry_sends_the_same_command_again_when_it_had_no_effect(store):
    command = posting("R1")
    store.record_plan([command])
    settle(store, "erp", command, "rejected")
    (found,) = store.exceptions()

    (result,) = store.retry_exceptions([found.exception_id], by="anna", reason="unlocked")

    assert (result.is_done, result.code) == (True, "reopened")
    assert store.command(command.command_id).state == "ready"
    finish(store, "erp", command)
    assert [one.state for one in store.exceptions()] == ["closed"]


def test_a_retry_of_what_may_be_there_looks_first(store):
    command = posting("R1")
    store.record_plan([command])
    one = settle(store, "erp", command, "accepted")
    with store.unit() as unit:
        store.outcomes.died(unit, one, code="read_back_differs", message="", may_have_effect=True)
    (found,) = store.exceptions()

    (result,) = store.retry_exceptions([found.exception_id], by="anna", reason="look")

    assert "looked up" in result.message
    assert store.command(command.command_id).state == "unknown"


def test_a_retry_is_refused_when_a_newer_command_took_the_place(store):
    old = state("A1", {"status": "?"})
    store.record_plan([old])
    settle(store, "crm", old, "rejected")
    store.record_plan([state("A1", {"status": "Current"}, revision=2)])
    (found,) = store.exceptions()

    (result,) = store.retry_exceptions([found.exception_id], by="anna", reason="again")

    assert (result.is_done, result.code) == (False, "overtaken")


def test_resolving_closes_and_keeps(store):
    exception_id = store.open_exception(NewException("technical", "bad_file", "refused"))

    (result,) = store.resolve_exceptions([exception_id], by="anna", reason="file was a test")
    (again,) = store.resolve_exceptions([exception_id], by="anna", reason="twice")

    assert (result.code, again.code) == ("resolved", "not_open")
    found = store.exception(exception_id)
    assert (found.state, found.closed_by, found.resolution) == ("closed", "anna", "file was a test")


@pytest.mark.parametrize(
    ("verdict", "state_after"),
    [("has_effect", "accepted"), ("no_effect", "ready"), ("void", "void"), ("", "unknown")],
)
def test_a_persons_verdict_settles_an_unknown_outcome(store, verdict, state_after):
    command = posting("R1")
    store.record_plan([command])
    one = settle(store, "erp", command, "unknown")
    with store.unit() as unit:
        store.outcomes.open_about(unit, one, "technical", code="outcome_unknown", message="?")
        store.outcomes.parked(unit, [one])
    (found,) = store.exceptions()

    (result,) = store.resolve_exceptions(
        [found.exception_id], by="anna", reason="seen in the target", verdict=verdict
    )

    assert result.is_done
    assert store.command(command.command_id).state == state_after


def test_a_verdict_on_what_is_not_unknown_is_refused(store):
    command = posting("R1")
    store.record_plan([command])
    settle(store, "erp", command, "rejected")
    (found,) = store.exceptions()

    (result,) = store.resolve_exceptions(
        [found.exception_id], by="anna", reason="", verdict="has_effect"
    )

    assert (result.is_done, result.code) == (False, "verdict_refused")
    with pytest.raises(ValueError, match="none of"):
        store.resolve_exceptions([found.exception_id], by="anna", reason="", verdict="maybe")


def test_vendor_messages_are_masked(store, execute):
    command = posting("R1")
    store.record_plan([command])
    one = settle(store, "erp", command, "accepted")
    with store.unit() as unit:
        store.outcomes.died(
            unit, one, code="x", message="no account DE89370400440532013000", may_have_effect=True,
            differences={"iban": ["DE89370400440532013000", None]},
        )  # fmt: skip

    assert "37040044" not in str(execute("SELECT data FROM events"))
    assert "37040044" not in str(execute("SELECT message FROM exceptions"))


def test_age_counts_until_it_closed(store, clock):
    exception_id = store.open_exception(NewException("technical", "x", "y"))
    clock.advance(hours=2)
    store.resolve_exceptions([exception_id], by="anna", reason="")

    assert age_seconds(store.exception(exception_id), NOW + timedelta(days=9)) == 7200
