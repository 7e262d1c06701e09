"""The measures, against counting by hand."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.common.errors import ConfigError
from reverse_etl.decisions.late_measures import (
    auc,
    brier,
    calibration_rows,
    date_figures,
    weekly_cash_error,
)
from reverse_etl.decisions.late_model import IDENTITY, calibrated, consistent_delay
from reverse_etl.decisions.late_policy import LatePolicy, load_late_policy

MONDAY = 4  # 1970-01-05


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=20))
def test_auc_is_the_share_of_pairs_in_the_right_order(rows):
    score = np.asarray([float(one) for one, _ in rows])
    is_true = np.asarray([one for _, one in rows])
    pairs = list(product(score[is_true], score[~is_true]))
    expected = sum((a > b) + (a == b) / 2 for a, b in pairs) / len(pairs) if pairs else 0.5
    assert auc(score, is_true) == pytest.approx(expected)


def test_weekly_cash_counts_what_came_in_another_week():
    due = np.full(3, MONDAY)
    error = weekly_cash_error(
        np.asarray([0.0, 0.0, 6.4]),
        np.asarray([6, 7, 6]),
        due=due,
        day=np.zeros(3, dtype=np.int64),
        weights=np.asarray([100.0, 50.0, 50.0]),
    )
    assert error == pytest.approx(2 * 50 / 200)


def test_errors_are_weighed_by_value_only_where_they_say_so():
    figures = date_figures(
        "rule",
        np.asarray([0.0, 0.0]),
        np.asarray([1, 5]),
        due=np.full(2, MONDAY),
        day=np.zeros(2, dtype=np.int64),
        weights=np.asarray([3.0, 1.0]),
    )
    found = {one.measure: one.value for one in figures}
    assert found["mae_days"] == 3
    assert found["value_weighted_mae_days"] == 2
    assert found["within_3_days"] == 0.5


def test_probabilities_are_calibrated_on_enough_rows_only():
    random = np.random.default_rng(1)
    truth = random.random(4000)
    happened = random.random(4000) < truth
    said = np.clip(0.5 + (truth - 0.5) * 2.5, 0.01, 0.99)
    mended = calibrated(said, happened, LatePolicy()).apply(said)
    assert brier(mended, happened) < brier(said, happened)
    assert (np.argsort(mended, kind="stable") == np.argsort(said, kind="stable")).all()
    assert calibrated(said[:50], happened[:50], LatePolicy()) == IDENTITY
    for mean, seen, rows in calibration_rows(mended, happened):
        assert rows < 200 or abs(mean - seen) < 0.1


def test_a_date_follows_its_probability_and_never_lies_in_the_past():
    days = consistent_delay(
        np.asarray([-2.0, 3.2, 0.4, -5.0]),
        np.asarray([0.9, 0.1, 0.2, 0.1]),
        np.asarray([-9, -9, -9, -2]),
    )
    assert days.tolist() == [1, 0, 0, -1]


def test_the_policy_of_the_product_holds_every_setting_and_refuses_others():
    assert load_late_policy() == LatePolicy()
    with pytest.raises(ConfigError, match="did you mean 'iterations'"):
        LatePolicy.from_section({"iteration": 5})
    with pytest.raises(ConfigError, match="whole number"):
        LatePolicy.from_section({"iterations": "5"})
    with pytest.raises(ConfigError, match="too small"):
        LatePolicy.from_section({"iterations": 0})
    with pytest.raises(ConfigError, match="below 100"):
        LatePolicy.from_section({"interval_percent": 100})
