"""The stages of cash application: each promise with the smallest receipt that tempts it."""

from decimal import Decimal

import numpy as np
import pytest

from reverse_etl.decisions.matching_sums import explanations
from reverse_etl.planning.policy import Policy
from tests.reverse_etl.decisions.cash_desk import (
    DAY,
    OURS,
    applied,
    days,
    decide,
    others,
    owed,
    paid,
    proposed,
)

A, B, C = "1930659387", "1930659421", "1930701002"
LONG = "X" * 120


@pytest.mark.parametrize(
    "text",
    [
        f"INV-{A}", f"no. 000{A}", "19306 59387", "659387", "PO 4500123456", f"{A} {A}",
        f"Rechnung {A} vom 12.02.2026 über 1.000,00 EUR", "193O659387", "1930695387", "930659387",
        f"{A} TEL 2025550143",
    ],
)  # fmt: skip
def test_a_reference_is_understood_however_it_is_spelled_when_the_amount_proves_it(text):
    items = [owed(f"{A};4500123456", "1000"), owed(B, "700"), owed(C, "250.5")]
    assert applied(decide([paid("1000", text)], items)) == [A]


def test_references_run_together_are_read_and_summed():
    items = [owed(A, "1000"), owed(B, "700"), owed(C, "250.5")]
    assert applied(decide([paid("1700", f"{A}{B}")], items)) == [A, B]


def test_a_tail_of_two_items_with_the_same_amount_is_never_chosen():
    rows = decide([paid("1000", "659387")], [owed(A, "1000"), owed("1920659387", "1000")])
    assert rows[0]["stage"] == "ambiguous_reference"
    assert sorted(proposed(rows)) == [["1920659387"], [A]]


def test_a_tail_takes_the_head_of_the_numbers_beside_it_that_are_written_in_full():
    items = [owed(A, "1000"), owed("1930601111", "50"), owed("1938601111", "50")]
    assert applied(decide([paid("1050", f"{A}/601111")], items)) == ["1930601111", A]
    boundary = [owed("1928998000", "1000"), owed("1929002396", "50"), owed("1928002396", "50")]
    assert applied(decide([paid("1050", "1928998000/002396")], boundary)) == []


def test_an_open_item_that_is_named_is_not_overruled_by_one_a_digit_away():
    rows = decide([paid("700", A)], [owed(A, "1000"), owed("1930659388", "700")])
    assert rows[0]["stage"] == "mistyped_reference"
    assert proposed(rows)[0] == ["1930659388"]


def test_a_mistyped_number_is_not_repaired_to_the_twin_of_an_item_paid_before():
    closed = owed(A, "1000", open_until=DAY - days(3))
    rows = decide([paid("1000", "1930659397")], [closed, owed("1930659297", "1000")])
    assert applied(rows) == []


def test_a_stray_reference_is_left_out_when_only_the_others_sum_up():
    items = [owed(A, "1000"), owed(B, "700"), owed(C, "250.5")]
    assert applied(decide([paid("1250.50", f"{A} {B} {C}")], items)) == [A, C]


# --- discounts and fees ------------------------------------------------------------------------


def test_an_earned_discount_is_taken_off_in_a_row_of_its_own():
    rows = decide([paid("1666", f"{A} {B}")], [owed(A, "1000"), owed(B, "700"), owed(C, "333")])
    assert (applied(rows), others(rows)) == ([A, B], [("discount", Decimal(-34))])


def test_a_discount_taken_late_is_proposed_as_a_deduction():
    rows = decide([paid("980", A)], [owed(A, "1000", due_date=DAY - days(20))])
    assert applied(rows) == []
    assert (proposed(rows)[0], others(rows, 2)) == ([A], [("deduction", Decimal(-20))])


def test_the_items_own_terms_say_which_discount_and_until_when():
    terms = {"discount_percent": "5", "discount_date": DAY}
    assert applied(decide([paid("950", A)], [owed(A, "1000", **terms)])) == [A]
    assert applied(decide([paid("980", A)], [owed(A, "1000", **terms)])) == []
    terms["discount_date"] = DAY - days(30)
    assert applied(decide([paid("950", A)], [owed(A, "1000", **terms)])) == []


def test_a_discount_that_a_credit_explains_as_well_is_a_persons():
    rows = decide([paid("980", A)], [owed(A, "1000"), owed(B, "-20")])
    assert applied(rows) == []
    assert [A, B] in [sorted(found) for found in proposed(rows)]


@pytest.mark.parametrize(
    ("amount", "is_applied"), [("9975", True), ("9986.77", True), ("9930", False), ("9800", True)]
)
def test_a_fee_is_small_in_money_and_in_percent(amount, is_applied):
    rows = decide([paid(amount, A)], [owed(A, "10000")])
    assert (applied(rows) == [A]) is is_applied
    if is_applied and amount != "9800":
        assert others(rows) == [("fee", Decimal(amount) - 10000)]


def test_an_odd_difference_is_no_fee_where_a_small_item_may_be_missing_from_the_text():
    items = [owed(A, "10000"), owed(B, "900")]
    assert applied(decide([paid("9986.77", A)], items)) == []
    assert applied(decide([paid("9985", A)], items)) == [A]


def test_a_fee_is_not_taken_where_a_small_credit_that_is_named_may_be_stray():
    items = [owed(A, "10000"), owed("1700001948", "-15")]
    assert applied(decide([paid("9965", f"{A} 1700001948")], items)) == []


def test_a_mistyped_number_that_the_amount_does_not_prove_takes_no_fee():
    """Domain B1: one character off only where the amount proves it; a fee is no proof."""
    items = [owed("1930659297", "10000")]
    assert applied(decide([paid("9975", "1930659297")], items)) == ["1930659297"]
    assert applied(decide([paid("10000", "1930659397")], items)) == ["1930659297"]
    assert applied(decide([paid("9975", "1930659397")], items)) == []


# --- rests, over- and under-payments -----------------------------------------------------------


@pytest.mark.parametrize(("chosen", "factor"), [((0, 4, 9), 1), ((5,), 4)])
def test_three_items_beside_a_number_nobody_can_read_must_be_surer_than_one(chosen, factor):
    """A text that hides something does not say how much: three that fit may be an accident."""
    cents = [90_001 + 7_919 * n * n for n in range(12)]
    others = [
        owed(f"17000{n:05d}", f"{amount / 100:.2f}", due_date=DAY + days(n))
        for n, amount in enumerate(cents)
    ]
    rest = sum(cents[n] for n in chosen)
    units = np.array(cents, dtype=np.int64)
    (way,) = explanations(units, rest, 1, triple_items_max=150)
    receipt = paid(f"{10_000 + rest / 100:.2f}", f"{A} 9999999999")
    for share, is_applied in ((1.01, True), (0.99, False)):
        bound = Decimal(way.chance * share / factor)
        policy = Policy.model_validate({"cash": {"coincidence_max_rest": str(bound)}})
        rows = decide([receipt], [owed(A, "10000"), *others], policy=policy)
        assert bool(applied(rows)) is is_applied


def test_a_rest_is_filled_by_the_only_other_item_that_fits():
    items = [owed(A, "1000"), owed(B, "7000.17"), owed(C, "250.5")]
    rows = decide([paid("8000.17", A)], items)
    assert (applied(rows), rows[0]["stage"]) == ([A, B], "references_and_rest")


def test_a_rest_is_not_filled_when_a_twin_is_open():
    items = [owed(A, "1000"), owed(B, "7000.17"), owed(C, "7000.17")]
    assert applied(decide([paid("8000.17", A)], items)) == []


@pytest.mark.parametrize(("text", "is_applied"), [(A, False), (f"{A} {C}", True)])
def test_three_items_fill_a_rest_only_where_the_text_shows_that_something_is_missing(
    text: str, is_applied: bool
):
    amounts = ("3187.11", "6920.43", "4405.97", "5511.03", "3666.29", "6043.81", "4999.67",
               "5820.59", "3301.73", "6477.37")  # fmt: skip
    items = [owed(f"80000{n:02d}", amount) for n, amount in enumerate(amounts)]
    three = ["8000001", "8000004", "8000007"]
    found = applied(decide([paid("26407.31", text)], [owed(A, "10000"), *items]))
    assert sorted(found) == (sorted([*three, A]) if is_applied else [])


def test_a_rest_among_round_prices_is_measured_in_their_steps():
    prices = (50, 250, 7500, 7675, 7875, 8300, 9700, 9950, 10050, 10950, 11600, 13200, 14550,
              14850, 16900, 17950, 18250, 19150, 19600, 42850, 49425, 49950)  # fmt: skip
    items = [owed(f"19307{n:05d}", str(p), due_date=DAY + days(n)) for n, p in enumerate(prices)]
    rest = 7675 + 10050 + 49425
    named = owed(A, "64725")
    assert applied(decide([paid(str(64725 + rest), A)], [*items, named])) == []


def test_the_only_credit_of_the_difference_is_netted_though_the_text_does_not_name_it():
    items = [owed(A, "1000"), owed(B, "7000.17"), owed(C, "-423.11")]
    assert applied(decide([paid("7577.06", f"{A} {B}")], items)) == [A, B, C]
    assert applied(decide([paid("7577.06", f"{A} {B}")], [*items, owed("17", "-423.11")])) == []


def test_a_credit_or_a_stray_reference_is_never_chosen_silently():
    items = [owed(A, "1000"), owed(B, "7000.17"), owed(C, "-1000")]
    assert applied(decide([paid("7000.17", f"{A} {B}")], items)) == []


def test_a_credit_that_equals_a_discount_on_what_is_paid_is_never_netted_by_itself():
    items = [owed(A, "59005.95"), owed(B, "33185.08"), owed("17", "-1843.82")]
    assert applied(decide([paid("90347.21", A)], items)) == []
    assert applied(decide([paid("90347.21")], items)) == []


def test_a_small_rest_may_be_an_over_payment_and_is_not_filled():
    items = [owed(A, "90000"), owed(B, "700.17")]
    assert applied(decide([paid("90700.17", A)], items)) == []


def test_a_cut_text_infers_few_items_unless_all_is_one_run():
    numbers = [f"19307{n:05d}" for n in range(0, 1200, 100)]
    items = [
        owed(n, f"{1000 + k * k}.{k:02d}", due_date=DAY + days(k)) for k, n in enumerate(numbers)
    ]
    items.append(owed(C, "555.55", due_date=DAY + days(6)))
    skipping = [i for i in items[:9] if i["item_id"] != C]
    total = str(sum(i["amount_open"] for i in skipping))
    text = f"{LONG} {numbers[0]} {numbers[1]}"
    assert applied(decide([paid(total, text)], items)) == []
    assert len(applied(decide([paid(total, text)], items[:-1]))) == 9


def test_a_surplus_goes_on_account_where_nothing_else_is_open():
    rows = decide([paid("1030", A)], [owed(A, "1000")])
    assert (applied(rows), others(rows)) == ([A], [("on_account", Decimal(30))])


def test_a_surplus_is_no_over_payment_where_another_item_in_the_place_of_a_named_one_leaves_none():
    items = [owed(A, "1000"), owed(B, "5000"), owed(C, "5023.21")]
    assert applied(decide([paid("6023.21", f"{A}, {B}")], items)) == []
    items = [owed(A, "1000"), owed(B, "5000"), owed(C, "5023.22")]
    assert applied(decide([paid("6023.21", f"{A}, {B}")], items)) == [A, B]


def test_a_surplus_over_a_named_credit_is_no_over_payment():
    items = [owed(A, "10000"), owed("1700000093", "-678.13")]
    assert applied(decide([paid("10000", f"{A}/1700000093")], items)) == []


def test_a_surplus_that_may_be_an_item_left_out_is_proposed_with_the_rest_on_account():
    rows = decide([paid("1030", A)], [owed(A, "1000"), owed(B, "300")])
    assert (proposed(rows)[0], others(rows, 2)) == ([A], [("on_account", Decimal(30))])


@pytest.mark.parametrize(("other", "is_applied"), [("2000", True), ("370", False), ("-50", False)])
def test_an_item_too_large_to_be_in_a_surplus_does_not_hold_it_up(other, is_applied):
    rows = decide([paid("1030", A)], [owed(A, "1000"), owed(B, other)])
    assert (applied(rows) == [A]) is is_applied


def test_a_short_payment_is_only_proposed_unless_the_text_says_what_was_taken_off():
    assert applied(decide([paid("880", A)], [owed(A, "1000")])) == []
    rows = decide([paid("880", f"{A} less damage 120.00")], [owed(A, "1000")])
    assert (applied(rows), others(rows)) == ([A], [("deduction", Decimal(-120))])


# --- line-level remittances --------------------------------------------------------------------


def line(reference, amount_paid, **more):
    return {"receipt_id": "R1", "position": 1, "reference": reference, "amount_paid": amount_paid,
            "discount_amount": None, "adjustment_amount": None, "adjustment_code": "",
            "adjustment_text": "", "currency_code": "USD", **more}  # fmt: skip


def test_lines_with_a_deduction_apply_and_open_it_on_the_item():
    lines = [
        line(A, "900", adjustment_amount="-100", adjustment_code="06", adjustment_text="DAMAGE"),
        line(B, "686", discount_amount="14"),
    ]
    rows = decide([paid("1586")], [owed(A, "1000"), owed(B, "700")], lines=lines)
    assert applied(rows) == [A, B]
    assert [(r["item_id"], r["kind"], r["amount"]) for r in rows if r["kind"] != "apply"] == [
        (A, "deduction", Decimal(-100)), (B, "discount", Decimal(-14)),
    ]  # fmt: skip
    assert "06 DAMAGE" in rows[0]["reason"]


@pytest.mark.parametrize(
    ("terms", "discount", "kind"),
    [
        ({"discount_percent": "2", "discount_date": DAY}, "14", "discount"),
        ({"discount_percent": "2", "discount_date": DAY - days(30)}, "14", "deduction"),
        ({"discount_percent": "0"}, "14", "deduction"),
        ({"discount_percent": "2", "discount_date": DAY}, "70", "deduction"),
        ({"due_date": DAY - days(60)}, "14", "deduction"),
    ],
)
def test_a_discount_on_a_line_that_the_terms_do_not_grant_is_kept_back_like_a_deduction(
    terms, discount, kind
):
    amount = str(700 - Decimal(discount))
    lines = [line(B, amount, discount_amount=discount)]
    rows = decide([paid(amount)], [owed(B, "700", **terms)], lines=lines)
    assert applied(rows) == [B]
    assert others(rows) == [(kind, -Decimal(discount))]


def test_an_advice_whose_lines_are_the_receipt_says_who_paid_where_nothing_else_does():
    lines = [line(A, "1000"), line(B, "700")]
    items = [owed(A, "1000"), owed(B, "700")]
    stranger = {"payer_account": "", "payer_name": ""}
    assert applied(decide([paid("1700", **stranger)], items, lines=lines)) == [A, B]
    rows = decide([paid("1701", **stranger)], items, lines=lines)
    assert rows[0]["decision"] == "unidentified"


def test_a_line_that_pays_a_part_is_proposed_with_just_that_part():
    lines = [line(A, "400"), line(B, "700")]
    rows = decide([paid("1100")], [owed(A, "1000"), owed(B, "700")], lines=lines)
    assert rows[0]["stage"] == "partial_payment"
    assert [(r["item_id"], r["amount"]) for r in rows if r["rank"] == 2] == [
        (A, Decimal(400)), (B, Decimal(700)),
    ]  # fmt: skip


# --- no references -----------------------------------------------------------------------------


def test_the_only_item_of_an_amount_is_applied_without_a_reference():
    assert applied(decide([paid("1234.56")], [owed(A, "1234.56"), owed(B, "700")])) == [A]


def test_equal_amounts_are_never_chosen_between_and_both_are_proposed():
    rows = decide([paid("1234.56")], [owed(A, "1234.56"), owed(B, "1234.56")])
    assert sorted(proposed(rows)) == [[A], [B]]


def test_of_equal_amounts_the_one_due_about_now_is_proposed_first():
    items = [owed(A, "1000", due_date=DAY - days(30)), owed(B, "1000", due_date=DAY - days(1))]
    rows = decide([paid("1000")], items)
    assert [row["item_id"] for row in rows if row["kind"] == "apply"] == [B, A]


def test_a_run_in_due_date_order_is_applied_when_it_is_the_only_one():
    items = [
        owed(f"19307{n:05d}", f"{1000 + n * n}.{n:02d}", due_date=DAY + days(n)) for n in range(9)
    ]
    rows = decide([paid(str(sum(i["amount_open"] for i in items[2:7])))], items)
    assert (len(applied(rows)), rows[0]["stage"]) == (5, "due_date_run")


def test_a_few_items_less_credits_are_not_applied_by_their_amount_alone():
    items = [owed(A, "117608.16", due_date=DAY - days(9)), owed(B, "7000.17"),
             owed("17", "-6478.80", due_date=DAY + days(9)), owed("18", "-1.01"),
             owed("19", "-15585.25", due_date=DAY + days(19))]  # fmt: skip
    rows = decide([paid("95544.11")], items)
    assert applied(rows) == []
    assert sorted(proposed(rows)[0]) == ["17", "19", A]


@pytest.mark.parametrize("text", ["1928000001", "PREPAYMENT", "deposit 4500", "on account", A])
def test_the_amount_alone_does_not_decide_against_the_text(text):
    items = [owed(B, "1234.56"), owed(A, "99", open_until=DAY - days(1))]
    assert applied(decide([paid("1234.56", text)], items)) == []


def test_an_amount_that_was_just_paid_or_comes_soon_is_no_proof():
    closed = owed(A, "1234.56", open_until=DAY - days(1))
    assert applied(decide([paid("1234.56")], [closed, owed(B, "1234.56")])) == []


# --- guards ------------------------------------------------------------------------------------


def test_the_same_amount_again_is_guarded_unless_other_open_items_are_named():
    items = [owed(A, "1000"), owed(B, "1000"), owed(C, "1000")]
    again = paid("1000", receipt_id="R2", received_date=DAY + days(4))
    assert applied(decide([paid("1000", A), again], items[:2]), "R2") == []
    assert applied(decide([paid("1000", A), {**again, "text": B}], items), "R2") == [B]


def test_the_same_amount_from_an_account_that_nobody_knew_is_guarded_too():
    stranger = paid("1000", payer_account="NEW", receipt_id="R0", received_date=DAY - days(3))
    items = [owed(A, "1000"), owed(B, "777")]
    assert applied(decide([stranger, paid("1000")], items)) == []
    assert applied(decide([stranger, paid("1000", A)], items)) == [A]
    assert applied(decide([stranger, paid("777")], items)) == [B]


def test_money_that_comes_back_proposes_to_open_again_what_it_had_closed():
    back = paid("-1000", "RETURNED NSF", receipt_id="R2", received_date=DAY + days(3))
    rows = decide([paid("1000", A), back], [owed(A, "1000")])
    back_rows = [row for row in rows if row["receipt_id"] == "R2"]
    assert [(r["decision"], r["kind"], r["item_id"], r["amount"]) for r in back_rows] == [
        ("proposal", "on_account", None, Decimal(-1000)),
        ("proposal", "apply", A, Decimal(-1000)),
    ]  # fmt: skip


def test_nothing_but_open_or_not_is_read_from_the_bounds_of_an_item():
    later = [None, DAY, DAY + days(1), DAY + days(400)]
    tables = [
        decide(
            [paid("1000"), paid("1700.17", A, receipt_id="R2")],
            [owed(A, "1000", open_until=a), owed(B, "700.17", open_until=b), owed(C, "55")],
        )
        for a, b in zip(later, reversed(later), strict=True)
    ]
    assert all(table == tables[0] for table in tables)


# --- payers ------------------------------------------------------------------------------------

THEIRS = {"customer_id": "C-200002", "customer_name": "Harbor Mart"}


def test_an_account_counts_only_on_its_days():
    payers = [
        {
            "payer_account": "ACC1",
            "customer_id": OURS,
            "valid_from": None,
            "valid_to": DAY - days(1),
        },
        {"payer_account": "acc 1", "customer_id": "C-200002", "valid_from": DAY, "valid_to": None},
    ]
    items = [owed(A, "1000"), owed(B, "1000", **THEIRS)]
    assert applied(decide([paid("1000")], items, payers=payers)) == [B]
    before = paid("1000", received_date=DAY - days(9))
    assert applied(decide([before], items, payers=payers)) == [A]


def test_a_virtual_account_names_the_payer():
    payers = [{"payer_account": "VA-77", "customer_id": OURS}]
    receipt = paid("1000", payer_account="NEW", virtual_account="VA-77")
    assert applied(decide([receipt], [owed(A, "1000")], payers=payers)) == [A]


def test_a_shared_account_pays_for_every_customer_its_references_name():
    payers = [{"payer_account": "ACC1", "customer_id": c} for c in (OURS, "C-200002", "C-300003")]
    items = [owed(A, "1000"), owed(B, "700", **THEIRS)]
    rows = decide([paid("1700", f"{A} {B}")], items, payers=payers)
    assert [(row["item_id"], row["customer_id"]) for row in rows] == [(A, OURS), (B, "C-200002")]
    assert decide([paid("1000")], items, payers=payers)[0]["decision"] == "unidentified"
    stranger = owed(C, "700", customer_id="C-900009")
    rows = decide([paid("1700", f"{A} {C}")], [*items, stranger], payers=payers)
    assert rows[0]["stage"] == "payer_conflict"


def test_a_similar_name_suggests_and_never_names_anybody():
    receipt = paid("1000", payer_account="NEW", payer_name="CORNR SHOP llc")
    rows = decide([receipt], [owed(A, "1000"), owed(B, "700", **THEIRS)])
    assert (rows[0]["decision"], rows[0]["customer_id"]) == ("unidentified", None)
    assert proposed(rows) == [[A]]


def test_an_unknown_account_is_proven_by_tails_and_the_amount_for_one_customer_only():
    stranger = paid("1000", "659387", payer_account="NEW")
    twin = owed("1920659387", "1000", **THEIRS)
    assert applied(decide([stranger], [owed(A, "1000"), {**twin, "amount_open": Decimal(5)}])) == [
        A
    ]
    assert decide([stranger], [owed(A, "1000"), twin])[0]["decision"] == "unidentified"
