"""Approvals: bound to the exact payload, in time, by others than the proposer, two when large."""

from decimal import Decimal

import pytest

from reverse_etl.ledger.approvals import ApprovalTerms, ApprovedLimit
from reverse_etl.ledger.clock import text_of
from reverse_etl.ledger.gate import apply_modes
from reverse_etl.ledger.modes import Modes
from tests.reverse_etl.ledger.acts import send, settle
from tests.reverse_etl.ledger.commands import NOW, posting, state

TERMS = ApprovalTerms(expires_days=14, second_person_from=Decimal(100000))


def limit(amount="500", **more):
    values = {
        "system_id": "erp", "object_name": "credit_accounts", "approval_rule": "credit_limit",
        "amount_text": amount, "currency_code": "USD", "subject": {"customer": "SAP-42"},
    }  # fmt: skip
    payload = {"limit_kind": "limited", "limit_amount": amount}
    return state("0000000042/1000", payload, **values | more)


def approve(store, command, by="anna", os_user="anna", payload_hash=None):
    return store.approve(
        command.command_id, payload_hash or command.payload_hash, by=by, os_user=os_user,
        reason="reviewed", terms=TERMS,
    )  # fmt: skip


def test_a_command_that_needs_a_person_waits_and_holds_nobody_up(store):
    command = limit(lane="L")
    store.record_plan([command, posting("R1", lane="L")], os_user="cron")

    assert [one.command.business_key for one in send(store, "erp")] == ["R1"]
    assert [one.command.command_id for one in store.awaiting_approval()] == [command.command_id]


def test_a_granted_command_may_go(store):
    command = limit()
    store.record_plan([command], os_user="cron")

    assert approve(store, command).code == "granted"
    assert store.command(command.command_id).state == "ready"


def test_a_persons_no_ends_it_and_is_remembered(store):
    command = limit()
    store.record_plan([command], os_user="cron")

    assert store.reject(command.command_id, by="anna", os_user="a", reason="too much").is_done

    assert store.command(command.command_id).state == "void"
    assert store.declined("erp", "credit_accounts", ["0000000042/1000"]) == {
        "0000000042/1000": {command.payload_hash}
    }
    assert approve(store, command).code == "stale"


def test_what_waits_for_a_declined_command_is_taken_back(store):
    command = limit()
    shown = state("001A", {"credit_limit": "500"}, after=(command.command_id,))
    store.record_plan([command, shown], os_user="cron")

    store.reject(command.command_id, by="anna", os_user="a", reason="too much")

    assert store.command(shown.command_id).state == "superseded"


def test_another_payload_than_the_person_saw_is_stale(store):
    command = limit()
    store.record_plan([command], os_user="cron")

    assert approve(store, command, payload_hash="0" * 64).code == "stale"


def test_an_approval_of_a_superseded_payload_is_void(store, execute):
    old = limit("500")
    store.record_plan([old], os_user="cron")
    assert approve(store, old).is_done
    new = limit("900", revision=2)
    store.record_plan([new], supersede=[(old.command_id, "newer")], os_user="cron")

    assert approve(store, old).code == "stale"
    assert store.command(new.command_id).state == "awaiting_approval"
    assert execute("SELECT is_void FROM approvals") == [(1,)]


def test_a_large_amount_needs_two_different_people(store):
    command = limit("100000")
    store.record_plan([command], os_user="cron")

    assert approve(store, command, by="anna").code == "needs_second"
    assert store.command(command.command_id).state == "awaiting_approval"
    assert approve(store, command, by="Anna").code == "same_person"
    assert [one.approvals for one in store.awaiting_approval()] == [("anna",)]
    assert approve(store, command, by="ben").code == "granted"


@pytest.mark.parametrize(
    ("by", "os_user", "code"),
    [
        ("carl", "someone", "self_approval"),
        ("CARL", "someone", "self_approval"),
        ("anna", "carl-account", "self_approval"),
        ("anna", "anna-account", "granted"),
    ],
)
def test_who_proposed_never_approves_under_any_name(store, by, os_user, code):
    command = limit(proposed_by="carl")
    store.record_plan([command], os_user="carl-account")

    assert approve(store, command, by=by, os_user=os_user).code == code


def test_what_the_hub_proposed_may_be_approved_from_its_own_account(store):
    command = limit()
    store.record_plan([command], os_user="service")

    assert approve(store, command, os_user="service").code == "granted"


def test_an_approval_runs_out(store, clock):
    command = limit()
    store.record_plan([command], os_user="cron")
    approve(store, command)
    clock.advance(days=15)

    with store.unit() as unit:
        apply_modes(store.database, unit, Modes(), ["erp"])

    assert store.command(command.command_id).state == "awaiting_approval"
    assert approve(store, command, by="anna").code == "granted"


def test_an_approval_is_valid_for_its_payload_and_no_other(store, clock):
    command = limit()
    store.record_plan([command], os_user="cron")
    approve(store, command)

    with store.unit() as unit:
        assert store.is_approval_valid(unit, 1, command.payload)
        assert not store.is_approval_valid(unit, 1, {**command.payload, "limit_amount": "501"})
    clock.advance(days=15)
    with store.unit() as unit:
        assert not store.is_approval_valid(unit, 1, command.payload)


def test_money_of_a_customer_adds_up_over_twelve_months_by_currency(store, clock):
    usd = limit("100.10")
    store.record_plan([usd], os_user="cron")
    euro = posting("W1", amount_text="-7", currency_code="EUR", object_name="credit_accounts",
                   subject={"customer_id": "SAP-42"})  # fmt: skip
    lost = posting("W2", amount_text="1000", currency_code="USD", object_name="credit_accounts",
                   subject={"customer": "SAP-42"})  # fmt: skip
    store.record_plan([euro, lost, posting("R9", amount_text="5", currency_code="USD")])
    settle(store, "erp", lost, "rejected")

    assert store.cumulative_amounts("SAP-42", "credit_accounts") == {
        "USD": Decimal("100.10"), "EUR": Decimal(7),
    }  # fmt: skip
    clock.advance(days=370)
    assert store.cumulative_amounts("SAP-42", "credit_accounts") == {}


def test_an_approved_limit_is_the_newest_approved_limit(store):
    imported = ApprovedLimit(
        "erp", "0000000042", "1000", "limited", "400", "USD", "import", text_of(NOW)
    )
    store.record_approved_limits([imported])
    command = limit("500")
    store.record_plan([command], os_user="cron")
    assert _limits(store) == [("limited", "400", "import")]

    approve(store, command)

    assert _limits(store) == [("limited", "500", "anna")]


def _limits(store):
    rows = [row for page in store.mirror.approved_limits() for row in page]
    return [(row[3], row[4], row[6]) for row in rows]
