"""The planner on limits, holds and releases: what waits for a person, what goes out by itself."""

import json

from reverse_etl.ledger.store import ApprovedLimit
from reverse_etl.planning.approvals import terms_of
from reverse_etl.planning.policy import load_policy
from tests.reverse_etl.planning.desk import SAP, Desk
from tests.reverse_etl.planning.wishes import (
    LIMITS,
    ORDERS,
)


def _limit(amount: str, customer: str = "0000000001", ctx: str = "USD") -> dict[str, object]:
    return {
        "limit_kind": "limited", "limit_amount": amount, "ctx_customer_id": f"SAP-{customer}",
        "ctx_currency_code": ctx, "ctx_amount": amount,
    }  # fmt: skip


def _approve(desk: Desk, amount: str) -> None:
    desk.store.record_approved_limits(
        [
            ApprovedLimit(
                SAP, "0000000001", "1000", "limited", amount, "USD", "cfo", desk.now.isoformat()
            )
        ]
    )


def test_a_first_limit_waits_for_a_person(desk: Desk) -> None:
    desk.wants(LIMITS, "0000000001/1000", **_limit("500"))
    desk.holds(LIMITS, "0000000001/1000", limit_kind="limited", limit_amount="400")
    made = desk.plan(LIMITS)
    (command,) = desk.commands()
    assert (command["state"], command["approval_rule"]) == ("awaiting_approval", "credit_limit")
    assert command["amount"] == "100"
    assert made.counts["awaiting_approval"] == 1
    assert "never wrote" in made.rows[0].approval
    again = desk.plan(LIMITS)
    assert (again.counts["review"], again.counts["awaiting_approval"]) == (1, 0), "nothing new"


def test_whoever_wants_a_limit_does_not_approve_it(desk: Desk) -> None:
    desk.wants(LIMITS, "0000000001/1000", **_limit("500"))
    desk.holds(LIMITS, "0000000001/1000", limit_kind="limited", limit_amount="400")
    desk.plan(LIMITS, actor="anna")
    (one,) = desk.store.awaiting_approval()
    command, terms = one.command, terms_of(desk.policy, one.command.approval_rule)

    def approve(by: str) -> str:
        return desk.store.approve(
            command.command_id, command.payload_hash, by=by, os_user=by, reason="", terms=terms
        ).code

    assert (approve("Anna"), approve("carl")) == ("self_approval", "granted")


def test_a_limit_that_equals_its_imported_approval_goes_out(desk: Desk) -> None:
    _approve(desk, "500")
    desk.wants(LIMITS, "0000000001/1000", **_limit("500"))
    desk.holds(LIMITS, "0000000001/1000", limit_kind="unlimited")
    desk.plan(LIMITS)
    (command,) = desk.commands()
    assert command["state"] == "ready"
    assert json.loads(str(command["payload"])) == {"limit_kind": "limited", "limit_amount": "500"}


def test_a_limit_that_ends_has_a_rule_of_its_own_that_asks_two_people(desk: Desk) -> None:
    desk.wants(LIMITS, "0000000001/1000", limit_kind="unlimited")
    desk.holds(LIMITS, "0000000001/1000", limit_kind="limited", limit_amount="400")
    desk.plan(LIMITS)
    (command,) = desk.commands()
    assert command["approval_rule"] == "credit_limit_kind"
    assert terms_of(load_policy(), "credit_limit_kind").second_person_from == 0
    assert terms_of(load_policy(), "mode_approve_all").second_person_from is None


def test_a_persons_edit_of_a_limit_is_reviewed_even_when_ours_is_approved(desk: Desk) -> None:
    _approve(desk, "500")
    desk.wants(LIMITS, "0000000001/1000", **_limit("500"))
    desk.holds(LIMITS, "0000000001/1000", limit_kind="limited", limit_amount="400")
    desk.plan(LIMITS)
    desk.verify_all()
    desk.next_run()
    desk.holds(LIMITS, "0000000001/1000", limit_kind="limited", limit_amount="600")
    desk.plan(LIMITS)
    command = desk.commands(state="awaiting_approval")[0]
    assert command["revision"] == 2
    assert ("0000000001/1000", "limit_amount", "500", "500", "600", "foreign_edit", "review") in (
        desk.differences()
    )


def test_from_a_to_b_to_a_makes_three_commands(desk: Desk) -> None:
    key = "0000000001/1000"
    desk.holds(LIMITS, key, limit_kind="limited", limit_amount="0.5")
    for amount in ("100", "200", "100"):
        _approve(desk, amount)
        desk.wants(LIMITS, key, **_limit(amount))
        desk.plan(LIMITS)
        desk.verify_all()
        desk.next_run()
        desk.holds(LIMITS, key, limit_kind="limited", limit_amount=amount)
    assert [(one["revision"], one["state"]) for one in desk.commands()] == [
        (1, "verified"), (2, "verified"), (3, "verified"),
    ]  # fmt: skip


def test_a_small_change_within_the_bands_needs_nobody(desk: Desk) -> None:
    desk.policy = desk.policy.model_validate(
        {
            "approvals": {
                "credit_limit": {
                    "change_percent_max": "10", "change_amount_max": "100",
                    "cumulative_12_months_max": "120", "second_person_from": "1000",
                }
            }
        }
    )  # fmt: skip
    key = "0000000001/1000"
    desk.holds(LIMITS, key, limit_kind="limited", limit_amount="1000")
    desk.wants(LIMITS, key, **_limit("1000"))
    assert desk.plan(LIMITS).counts["adopted"] == 1, "both agree: known without a write"
    for amount, state in (("1090", "ready"), ("1150", "awaiting_approval")):
        desk.next_run()
        desk.wants(LIMITS, key, **_limit(amount))
        desk.plan(LIMITS)
        assert desk.commands()[-1]["state"] == state, amount
        desk.verify_all()
        desk.holds(LIMITS, key, limit_kind="limited", limit_amount=amount)


def test_no_opinion_on_a_hold_leaves_it_alone(desk: Desk) -> None:
    key = "0000000001/1000"
    desk.holds(LIMITS, key, limit_kind="limited", limit_amount="1", is_blocked="true")
    desk.wants(LIMITS, key, **_limit("1"))
    made = desk.plan(LIMITS)
    assert made.drift_rows == 0
    assert {row[3] for page in desk.store.mirror.acknowledged() for row in page} == {
        "limit_kind", "limit_amount",
    }  # fmt: skip


def test_a_release_waits_for_the_limit_of_its_customer(desk: Desk) -> None:
    _approve(desk, "500")
    desk.wants(LIMITS, "0000000001/1000", **_limit("500"))
    desk.holds(LIMITS, "0000000001/1000", limit_kind="limited", limit_amount="400")
    for order, customer in (("77", "0000000001"), ("78", "0000000002")):
        desk.wants(ORDERS, order, is_credit_blocked="false", ctx_customer_id=f"SAP-{customer}")
        desk.holds(ORDERS, order, is_credit_blocked="true")
    desk.plan(LIMITS, ORDERS)
    limit, first, second = desk.commands()
    after = [desk.store.command(str(one["command_id"])).command.after for one in (first, second)]
    assert after == [(limit["command_id"],), ()]


# ---- guards and modes ----------------------------------------------------------------------------
