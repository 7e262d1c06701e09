"""A payer's habit: what it may decide among sets with just the amount, and what it may not."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from reverse_etl.decisions.cash_habits import Habits, working_day
from tests.reverse_etl.decisions.cash_desk import DAY, applied, days, decide, owed, paid, proposed

PUNCTUAL = 60


def history(payments):
    """Payments with exact references, a week apart, each on its due date."""
    receipts, items = [], []
    for n in range(payments):
        due = DAY - days(7 * (n + 1))
        number, amount = f"18000{n:05d}", f"{100 + n}.{n % 100:02d}"
        items.append(owed(number, amount, due_date=due, document_date=due - days(20)))
        receipts.append(paid(amount, number, receipt_id=f"H{n}", received_date=due))
    return receipts, items


TWINS = [
    owed("1930659387", "1234.56", due_date=DAY),
    owed("1930701002", "1234.56", due_date=DAY + days(14)),
]


def once_paid(**more):
    """The only open item of an amount, and one of the same amount that was paid before."""
    before = owed("1930701002", "1234.56", due_date=DAY - days(10), open_until=DAY - days(3))
    return [{**TWINS[0], **more}, before]


def test_the_only_open_item_of_an_amount_is_applied_where_it_is_paid_by_habit():
    receipts, items = history(PUNCTUAL)
    rows = decide([*receipts, paid("1234.56")], [*items, *once_paid()])
    assert applied(rows) == ["1930659387"]
    assert {row["stage"] for row in rows if row["receipt_id"] == "R1"} == {"habit"}
    unusual = once_paid(due_date=DAY + days(14))
    assert applied(decide([*receipts, paid("1234.56")], [*items, *unusual])) == []
    assert applied(decide([paid("1234.56")], once_paid())) == []


def test_of_two_equal_amounts_no_habit_chooses_one():
    receipts, items = history(PUNCTUAL)
    assert applied(decide([*receipts, paid("1234.56")], [*items, *TWINS])) == []


def test_what_a_habit_does_not_prove_it_ranks_the_likelier_first():
    receipts, items = history(8)
    rows = decide([*receipts, paid("1234.56")], [*items, *TWINS])
    assert proposed([row for row in rows if row["receipt_id"] == "R1"])[0] == ["1930659387"]


def test_a_habit_never_chooses_between_twins_beside_a_named_item():
    receipts, items = history(PUNCTUAL)
    named = owed("1930700001", "5000.07", due_date=DAY)
    twins = [*TWINS, named]
    assert applied(decide([*receipts, paid("6234.63", "1930700001")], [*items, *twins])) == []


def test_a_habit_fills_a_small_rest_that_only_one_item_has():
    receipts, items = history(PUNCTUAL)
    named = owed("1930700001", "50000.07", due_date=DAY)
    rest = [named, owed("1930700002", "1034.56", due_date=DAY)]
    late = [named, owed("1930700002", "1034.56", due_date=DAY + days(30))]
    receipt = paid("51034.63", "1930700001")
    assert applied(decide([*receipts, receipt], [*items, *rest])) == ["1930700001", "1930700002"]
    assert applied(decide([*receipts, receipt], [*items, *late])) == []


def test_a_habit_never_chooses_what_a_discounted_run_explains_as_well():
    receipts, items = history(PUNCTUAL)
    run = owed("1930700002", "1259.76", due_date=DAY)
    assert applied(decide([*receipts, paid("1234.56")], [*items, *once_paid(), run])) == []


def test_a_habit_of_one_payer_is_nobody_elses():
    receipts, items = history(PUNCTUAL)
    theirs = [{**one, "customer_id": "C-200002"} for one in once_paid()]
    payers = [{"payer_account": "ACC1", "customer_id": "C-100001"},
              {"payer_account": "ACC2", "customer_id": "C-200002"}]  # fmt: skip
    silent = paid("1234.56", payer_account="ACC2")
    assert applied(decide([*receipts, silent], [*items, *theirs], payers=payers)) == []


def test_a_due_date_on_a_weekend_counts_as_the_monday_after():
    friday, saturday, monday = date(2026, 2, 27), date(2026, 2, 28), date(2026, 3, 2)
    assert working_day(saturday) == working_day(monday) == working_day(friday) + 1


def test_chances_follow_what_was_paid_and_stay_between_never_and_always():
    habits, payer = Habits(), frozenset({"C-1"})
    delays = np.array([0, -5, -400, 10**6])
    for _ in range(40):
        habits.learn(payer, delays, [0])
    odds = habits.of(payer, delays, DAY).odds
    assert odds[0] > 2
    assert (odds[1:] < -4).all()
    assert np.isfinite(odds).all()
    assert habits.payments(payer, DAY) == 40
    assert habits.payments(frozenset({"C-2"}), DAY) == 0


SETTLED = {
    "customer_id": "C-100001", "due_date": DAY, "open_from": DAY - days(30), "paid_on": DAY,
    "known_on": DAY,
}  # fmt: skip


def weeks_of(count, known_on=None):
    """Settled items of a payer that was punctual week by week, and one it had open meanwhile."""
    rows = []
    for n in range(1, count + 1):
        due = DAY - days(7 * n)
        known = known_on or due
        rows.append({**SETTLED, "due_date": due, "open_from": due - days(30), "paid_on": due,
                     "known_on": known})  # fmt: skip
    return pl.DataFrame(rows)


@pytest.mark.parametrize(("known_on", "is_applied"), [(None, True), (DAY, False)])
def test_a_habit_is_learned_from_what_was_known_to_be_settled_before_the_receipt(
    known_on, is_applied
):
    rows = decide([paid("1234.56")], once_paid(), settled=weeks_of(PUNCTUAL, known_on))
    assert (applied(rows) == ["1930659387"]) is is_applied
