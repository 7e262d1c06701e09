"""Delays that are still possible: counted as by hand, from nothing but what was known."""

from datetime import date, timedelta

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from reverse_etl.decisions.late_history import Delays, weekday
from reverse_etl.decisions.late_items import STILL_OPEN, Items, day_number, known_items
from reverse_etl.decisions.late_policy import LatePolicy
from reverse_etl.decisions.late_training import observed_on, past_weeks

POLICY = LatePolicy(history_days_min=30)
DAYS = st.integers(-90, 300)


def items(*rows: tuple[int, int, int, int]) -> Items:
    """Customer, document, due and cleared day."""
    columns = np.asarray(rows, dtype=np.int64).reshape(-1, 4).T
    return Items(*columns, np.ones(len(rows)))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), DAYS), max_size=30), st.integers(0, 3), DAYS)
def test_conditional_figures_are_those_of_the_longer_delays(pairs, group, waited):
    columns = np.asarray(pairs, dtype=np.int64).reshape(-1, 2).T
    delays = Delays(columns[0], columns[1], 4)
    asked, after = np.asarray([group]), np.asarray([waited])
    possible = [delay for one, delay in pairs if one == group and delay > waited]
    assert delays.count_beyond(asked, after)[0] == len(possible)
    found = delays.median(asked, after)[0]
    if possible:
        assert found == np.median(possible)
        assert found > waited
    else:
        assert np.isnan(found)


def test_weekdays_are_counted_from_monday():
    days = [date(2019, 10, 7) + timedelta(days=n) for n in range(7)]
    found = weekday(np.asarray([day_number(one) for one in days]))
    assert found.tolist() == [one.weekday() for one in days]


def test_rows_are_chosen_by_document_date_so_the_late_ones_stay():
    early = [(0, day, day + 15, day + 16) for day in range(0, 140, 2)]
    never_paid = [(0, day, day + 15, STILL_OPEN) for day in range(60, 140, 4)]
    weeks = past_weeks(items(*early), items(*never_paid), 1, 160, POLICY)
    assert weeks is not None
    rows = observed_on(weeks, 160, POLICY)
    assert rows.items.document.max() <= 160 - POLICY.document_age_days_min
    unpaid = rows.items.cleared == STILL_OPEN
    assert unpaid.any()
    assert (rows.delay_known_on(160)[unpaid] > 0).all()


def test_a_past_week_knows_only_what_was_paid_until_then():
    paid = [(0, day, day + 15, day + 16) for day in range(0, 140, 2)]
    late = [(0, day, day + 15, day + 40) for day in range(0, 100, 3)]
    before = past_weeks(items(*paid, *late), items(), 1, 160, POLICY)
    changed = [
        (c, d, due, cleared + 20 if cleared > 100 else cleared) for c, d, due, cleared in late
    ]
    after = past_weeks(items(*paid, *changed), items(), 1, 160, POLICY)
    assert before is not None
    assert after is not None
    for weeks in (before, after):
        assert (weeks.day < 160).all()
        assert (weeks.items.cleared > weeks.day).all()
    first, second = (one.take(one.day <= 100) for one in (before, after))
    assert np.array_equal(first.features, second.features, equal_nan=True)


def test_prepaid_and_repeated_items_are_no_history():
    day = date(2019, 5, 1)
    row = {
        "item_id": "A",
        "customer_id": "C",
        "document_date": day,
        "due_date": day + timedelta(days=15),
        "cleared_date": day + timedelta(days=20),
        "amount": "10.00",
        "currency_code": "USD",
    }
    prepaid = {**row, "item_id": "B", "cleared_date": day - timedelta(days=1)}
    closed = pl.DataFrame([row, row, prepaid])
    paid, _, customers = known_items(
        closed, closed.drop("cleared_date").clear(), date(2019, 6, 1), POLICY
    )
    assert len(paid) == 1
    assert customers == 1
