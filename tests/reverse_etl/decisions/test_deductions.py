"""Deductions: evidence opens disputes, people decide, bands and open amounts hold."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reverse_etl.decisions.deductions import DEDUCTIONS_SCHEMA, decision_id_of
from reverse_etl.planning.policy import Policy
from reverse_etl.planning.tables import TABLES
from tests.reverse_etl.decisions.deductions_desk import (
    AT,
    POLICY,
    RATES,
    brief,
    decide,
    decided,
    dispute,
    item,
    opening,
    row,
    said,
)


def test_the_declared_table_has_these_columns() -> None:
    assert TABLES["decisions.deductions"].names == DEDUCTIONS_SCHEMA.names()


# ---- opening -------------------------------------------------------------------------------------


def test_a_short_payment_with_a_reason_opens_a_dispute_under_our_code() -> None:
    (one,) = decide([row("apply", "100"), row("deduction", "-10")], [said("10", "pr")])
    assert brief([one]) == [("open_dispute", "PROMO", Decimal(10))]
    assert (one["status"], one["version"], one["approved"]) == ("new", 0, False)
    assert one["due_at"] == datetime(2026, 4, 1, tzinfo=UTC)
    assert one["reason"] == ("kept back by the payment: code pr is PROMO, this customer's own code")


def test_one_short_payment_splits_into_its_reasons_and_an_unexplained_rest() -> None:
    rows = decide(
        [row("apply", "100"), row("deduction", "-10")], [said("4", "PR"), said("5", "54")]
    )
    assert sorted(brief(rows)) == [
        ("open_dispute", "FREIGHT", Decimal(5)),
        ("open_dispute", "OTHER", Decimal(1)),
        ("open_dispute", "PROMO", Decimal(4)),
    ]
    assert len({one["dispute_id"] for one in rows}) == 3


def test_several_short_payments_for_one_reason_are_one_case() -> None:
    rows = decide(
        [row("apply", "100"), row("apply", "50", "I2"), row("deduction", "-4"),
         row("deduction", "-5", "I2")],
        [said("4", "54"), said("5", "54", "I2")],
        [item(), item("I2", "50")],
    )  # fmt: skip
    assert brief(rows) == [
        ("open_dispute", "FREIGHT", Decimal(4)), ("open_dispute", "FREIGHT", Decimal(5)),
    ]  # fmt: skip
    assert len({one["dispute_id"] for one in rows}) == 1
    assert len({one["decision_id"] for one in rows}) == 2


def test_an_unknown_code_is_other_and_says_so() -> None:
    (one,) = decide([row("deduction", "-10")], [said("10", "Z9")])
    assert one["reason_code"] == "OTHER"
    assert "Z9 is unknown" in one["reason"]
    assert one["external_code"] == "Z9"


def test_what_people_made_of_a_customers_code_is_learned_unless_they_disagree() -> None:
    before = decided(
        dispute_id="DSP-0", receipt_id="R0", external_code="Z9", reason_code="DAMAGE",
        status="closed",
    )  # fmt: skip
    rows = decide([row("deduction", "-10")], [said("10", "z9")], disputes=[before])
    assert [one["reason_code"] for one in rows] == ["DAMAGE"]
    other = before | {"dispute_id": "DSP-00", "reason_code": "QTY"}
    rows = decide([row("deduction", "-10")], [said("10", "z9")], disputes=[before, other])
    assert [one["reason_code"] for one in rows] == ["OTHER"]
    rows = decide(
        [row("deduction", "-10", "J", customer_id="SAP-2")], [said("10", "z9", "INV-J")],
        [item("J", customer_id="SAP-2")], [before],
    )  # fmt: skip
    assert [one["reason_code"] for one in rows] == ["OTHER"], "another customer's code"


def test_a_discount_that_was_not_granted_is_a_case_of_its_own_beside_what_was_claimed() -> None:
    lines = [said("4", "PR"), said("0", discount_amount=Decimal(6))]
    rows = decide([row("apply", "100"), row("deduction", "-10")], lines)
    assert sorted(brief(rows)) == [
        ("open_dispute", "PROMO", Decimal(4)),
        ("open_dispute", "UNEARNED-DISC", Decimal(6)),
    ]
    assert decide([row("apply", "100"), row("discount", "-6")], lines[1:]) == []


def test_a_dispute_closes_with_its_credit_memo_when_nothing_is_open_of_it() -> None:
    line = decided()
    done = decision_id_of(line["dispute_id"], line["item_key"], line["receipt_id"], 1)
    for left, status in (("0", "closed"), ("5", "posted")):
        (one,) = decide(disputes=[line], items=[item(open_=left)], posted=(done,))
        assert one["status"] == status


def test_a_proposal_opens_nothing() -> None:
    assert decide([row("deduction", "-10", decision="proposal")], [said("10", "PR")]) == []
    assert decide([row("deduction", "-10", rank=2)]) == []


def test_an_adjustment_on_an_item_that_was_not_paid_opens_a_dispute_too() -> None:
    rows = decide([row("apply", "100")], [said("7", "PR", "I2")], [item(), item("I2", "50")])
    assert [(one["item_key"], one["amount"]) for one in rows] == [("I2", Decimal(7))]
    two = [item(), item("I2", "50", references="X"), item("I3", "50", references="X")]
    assert decide([row("apply", "100")], [said("7", "PR", "X")], two) == [], "X names two items"


def test_what_names_no_item_belongs_to_the_largest_that_was_paid() -> None:
    rows = decide(
        [row("apply", "50", "I2"), row("apply", "100"), row("deduction", "-9", None)],
        [said("9", "54", "")], [item(), item("I2", "50")],
    )  # fmt: skip
    assert [(one["item_key"], one["reason_code"]) for one in rows] == [("I1", "FREIGHT")]


def test_a_deduction_without_any_item_waits_for_a_person() -> None:
    (one,) = decide([row("deduction", "-9", None)])
    assert (one["action"], one["status"]) == ("none", "triage")
    assert "nothing says on which item" in one["reason"]


@pytest.mark.parametrize(("open_", "currency"), [("9.99", "USD"), ("100", "EUR")])
def test_no_dispute_is_opened_above_what_is_open_or_in_another_currency(
    open_: str, currency: str
) -> None:
    (one,) = decide([row("deduction", "-10")], items=[item(open_=open_, currency_code=currency)])
    assert (one["action"], one["status"]) == ("none", "triage")


def test_disputes_of_one_invoice_never_sum_above_what_is_open() -> None:
    known = dispute(amount="95", dispute_id="DSP-0", receipt_id="R0")
    rows = decide([row("deduction", "-10")], disputes=[known])
    assert [one["action"] for one in rows] == ["none", "none"]
    assert "only 5 USD is open undisputed" in rows[1]["reason"]


def test_a_void_dispute_is_not_opened_again_and_later_evidence_gets_its_own() -> None:
    rows = decide([row("deduction", "-10")], [said("10", "54")])
    known = opening(rows)
    known[0]["status"] = "void"
    assert decide([row("deduction", "-10")], [said("10", "54")], disputes=known) == []
    later = decide(
        [row("deduction", "-10"), row("deduction", "-3", "I2")],
        [said("10", "54"), said("3", "54", "I2")], [item(), item("I2")], known,
    )  # fmt: skip
    assert [(one["item_key"], one["action"]) for one in later] == [("I2", "open_dispute")]
    assert later[0]["dispute_id"] != known[0]["dispute_id"]


# ---- what follows --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "text"),
    [("new", "nobody has looked"), ("denied", "ask the customer"), ("posted", "is posted")],
)
def test_until_somebody_acts_nothing_happens(status: str, text: str) -> None:
    (one,) = decide(disputes=[dispute(status)])
    assert (one["action"], one["status"]) == ("none", status)
    assert text in one["reason"]


def test_a_dispute_past_its_day_says_so() -> None:
    (one,) = decide(disputes=[dispute(due_at=AT - timedelta(days=1))])
    assert "due since 2026-02-28" in one["reason"]


def test_a_valid_dispute_within_the_band_is_an_approved_credit_memo() -> None:
    (one,) = decide(disputes=[decided("50")])
    assert (one["action"], one["status"], one["approved"]) == (
        "propose_credit_memo", "approved", True,
    )  # fmt: skip
    assert one["decision_id"] == decision_id_of("DSP-1", "I1", "R1", 1)
    assert one["decision_id"].replace("-", "").isalnum()


@pytest.mark.parametrize(
    ("amount", "people", "approved"),
    [
        ("50.01", [], False),
        ("60", ["bob"], True),
        ("60", ["ada"], False),
        ("999", ["bob"], True),
        ("1000", ["bob"], False),
        ("1000", ["bob", "Bob"], False),
        ("1000", ["bob", "cyd"], True),
    ],
)
def test_above_the_band_others_than_who_decided_must_agree(
    amount: str, people: list[str], approved: bool
) -> None:
    word = json.dumps([[who, "2026-03-01T09:00:00.000000Z"] for who in people])
    (one,) = decide(items=[item(open_="5000")], disputes=[decided(amount, approvals=word)])
    assert one["approved"] is approved
    assert one["status"] == ("approved" if approved else "credit_memo_proposed")


def test_an_old_word_has_run_out() -> None:
    word = json.dumps([["bob", "2026-02-15T09:00:00.000000Z"]])
    (one,) = decide(disputes=[decided("60", approvals=word)])
    assert not one["approved"]


def test_roles_bound_what_a_person_may_agree_to() -> None:
    values = POLICY.model_dump()
    values["deductions"] |= {
        "role_amount_max": {"supervisor": "500", "manager": "5000"},
        "roles": {"bob": "supervisor", "cyd": "manager"},
    }
    policy = Policy.model_validate(values)
    for who, approved in (("bob", False), ("cyd", True), ("eve", False)):
        word = json.dumps([[who, "2026-03-01T09:00:00.000000Z"]])
        (one,) = decide(
            items=[item(open_="900")], disputes=[decided("600", approvals=word)], policy=policy
        )
        assert one["approved"] is approved, who
    assert "manager or higher" in one["reason"] or one["approved"]


def test_splitting_does_not_evade_the_sum_of_twelve_months() -> None:
    cases = [
        decided("40", dispute_id=f"DSP-{n}", item_key=f"I{n}", receipt_id=f"R{n}") for n in range(3)
    ]
    rows = decide(items=[item(f"I{n}") for n in range(3)], disputes=cases)
    assert [one["approved"] for one in rows] == [True, True, False], "40 + 40 fill the 80"
    spent = decided("70", dispute_id="DSP-0", receipt_id="R0", status="closed", closed_at=AT)
    (one,) = decide(disputes=[spent, decided("20")])
    assert not one["approved"]
    long_ago = spent | {"closed_at": AT - timedelta(days=400)}
    (one,) = decide(disputes=[long_ago, decided("20")])
    assert one["approved"]


def test_the_lines_of_a_dispute_are_judged_together() -> None:
    lines = [decided("30", item_key=key) for key in ("I1", "I2")]
    rows = decide(items=[item(), item("I2")], disputes=lines)
    assert [one["approved"] for one in rows] == [False, False], "60 in one dispute, not twice 30"


def test_an_amount_without_a_rate_is_never_small() -> None:
    (one,) = decide(
        items=[item(currency_code="JPY")], disputes=[decided("5", currency_code="JPY")], rates=RATES
    )
    assert not one["approved"]


def test_nothing_is_credited_above_what_is_open() -> None:
    (one,) = decide(items=[item(open_="29.99")], disputes=[decided("30")])
    assert (one["action"], one["status"]) == ("none", "valid")
    assert "only 29.99 is open: decide it again" in one["reason"]
    rows = decide(
        items=[item(open_="50")],
        disputes=[decided("30"), decided("30", dispute_id="DSP-2", receipt_id="R2")],
    )
    assert [one["action"] for one in rows] == ["propose_credit_memo", "none"]


def test_a_settled_item_ends_its_dispute_and_an_unknown_one_does_not() -> None:
    (one,) = decide(items=[item(open_="0")], disputes=[dispute()])
    assert (one["action"], one["status"]) == ("none", "closed")
    (one,) = decide(items=[], disputes=[dispute()])
    assert (one["action"], one["status"]) == ("none", "new")
    (one,) = decide(items=[item(open_="0")], disputes=[dispute(is_item_unclear=True)])
    assert (one["action"], one["status"]) == ("none", "new")


def test_the_rest_that_a_clearing_left_is_what_the_credit_memo_is_for() -> None:
    (one,) = decide(
        items=[item(open_="0"), item("N1", "30")], disputes=[decided("30", current_item_key="N1")]
    )
    assert (one["action"], one["item_key"]) == ("propose_credit_memo", "N1")
    assert one["decision_id"] == decision_id_of("DSP-1", "I1", "R1", 1), "still the same decision"


def test_what_a_target_confirmed_is_not_proposed_again() -> None:
    done = decision_id_of("DSP-1", "I1", "R1", 1)
    (one,) = decide(disputes=[decided("30")], posted=(done,))
    assert (one["action"], one["status"]) == ("none", "posted")
    (one,) = decide(disputes=[decided("30", version=2)], posted=(done,))
    assert one["action"] == "propose_credit_memo", "another decision is another credit memo"


def test_a_requested_write_off_is_one_and_a_trifle_is_written_off_by_itself() -> None:
    asked = decided("15", status="write_off_requested", verdict="write_off")
    (one,) = decide(disputes=[asked])
    assert (one["action"], one["approved"]) == ("write_off", True)
    (one,) = decide(disputes=[asked | {"amount_accepted": Decimal(25)}])
    assert (one["action"], one["approved"]) == ("write_off", False)
    (one,) = decide(disputes=[dispute(amount="2")])
    assert (one["action"], one["approved"]) == ("write_off", True)
    assert "too small to argue about" in one["reason"]
    (one,) = decide(disputes=[dispute(amount="2.01")])
    assert one["action"] == "none"


# ---- properties ----------------------------------------------------------------------------------

_cents = st.integers(1, 5_000).map(lambda cents: Decimal(cents) / 100)
_codes = st.sampled_from(["", "PR", "54", "Z9"])
_story = st.lists(
    st.tuples(st.integers(0, 3), _cents, st.lists(st.tuples(_cents, _codes), max_size=3)),
    max_size=6,
)


def _told(
    story: list[tuple[int, Decimal, list[tuple[Decimal, str]]]],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Receipts R0, R1, … each short on one item, with what its remittance says."""
    applications, lines = [], []
    for number, (place, amount, claims) in enumerate(story):
        receipt = {"receipt_id": f"R{number}"}
        applications.append(row("apply", "100", f"I{place}", **receipt))
        applications.append(row("deduction", str(-amount), f"I{place}", **receipt))
        lines += [
            said(str(claim), code, f"I{place}", position=n, **receipt)
            for n, (claim, code) in enumerate(claims)
        ]
    return applications, lines


@settings(max_examples=60, deadline=None)
@given(_story, st.lists(st.integers(0, 10_000), min_size=4, max_size=4))
def test_money_is_conserved_never_above_open_and_a_rerun_opens_nothing(
    story: list[tuple[int, Decimal, list[tuple[Decimal, str]]]], opens: list[int]
) -> None:
    applications, lines = _told(story)
    items = [item(f"I{n}", str(Decimal(cents) / 100)) for n, cents in enumerate(opens)]
    rows = decide(applications, lines, items)
    for number, (_place, amount, _claims) in enumerate(story):
        parts = [one["amount"] for one in rows if one["receipt_id"] == f"R{number}"]
        assert sum(parts) == amount
    for one in items:
        disputed = sum(
            r["amount"]
            for r in rows
            if r["item_key"] == one["item_key"] and r["action"] == "open_dispute"
        )
        assert disputed <= one["amount_open"]
    assert len({one["decision_id"] for one in rows}) == len(rows)
    known = opening(rows)
    again = decide(applications, lines, items, known)
    assert not [one for one in again if one["action"] == "open_dispute"]
    assert decide(applications[::-1], lines[::-1], items, known) == again


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 2), _cents, st.sampled_from(["valid", "new", "denied"])),
        max_size=7,
    ),
    st.integers(0, 8_000),
)  # fmt: skip
def test_credit_memos_and_write_offs_of_an_item_never_sum_above_what_is_open(
    cases: list[tuple[int, Decimal, str]], open_cents: int
) -> None:
    known = [
        (decided if status == "valid" else dispute)(
            amount=str(amount), status=status, dispute_id=f"DSP-{n}", item_key=f"I{place}",
            receipt_id=f"R{n}",
        )
        for n, (place, amount, status) in enumerate(cases)
    ]  # fmt: skip
    open_ = Decimal(open_cents) / 100
    rows = decide(items=[item(f"I{n}", str(open_)) for n in range(3)], disputes=known)
    for key in ("I0", "I1", "I2"):
        acting = [r["amount"] for r in rows if r["item_key"] == key and r["action"] != "none"]
        assert sum(acting) <= open_
    free = [one for one in rows if one["approved"]]
    for purpose, most in (("propose_credit_memo", 80), ("write_off", 30)):
        assert sum(one["amount"] for one in free if one["action"] == purpose) <= most
