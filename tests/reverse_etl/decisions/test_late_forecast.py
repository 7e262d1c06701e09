"""The cash forecast: every cent of the open items, in weeks, with an interval around it."""

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.common.errors import InputRefused
from reverse_etl.decisions.late import LatePrediction
from reverse_etl.decisions.late_comparison import Comparison
from reverse_etl.decisions.late_forecast import CASH_FORECAST_SCHEMA, forecast_cash
from reverse_etl.decisions.late_policy import LatePolicy
from reverse_etl.planning.tables import TABLES

AS_OF = date(2019, 10, 2)
POLICY = LatePolicy(forecast_draws=40)
CENTS = st.decimals(-100_000, 100_000, places=2, allow_nan=False).filter(bool)


def predicted(days: list[int], errors: list[int]) -> LatePrediction:
    count = len(days)
    rows = pl.DataFrame(
        {
            "item_id": [f"I{n}" for n in range(count)],
            "customer_id": [f"C{n % 3}" for n in range(count)],
            "due_date": [AS_OF + timedelta(days=n) for n in days],
            "expected_pay_date": [AS_OF + timedelta(days=n) for n in days],
        },
        schema_overrides={"due_date": pl.Date, "expected_pay_date": pl.Date},
    )
    comparison = Comparison(AS_OF, 1, 0, 0, "customer_median", "", (), ())
    spread = np.zeros(len(errors))
    return LatePrediction(
        AS_OF, rows, np.zeros(count), comparison, np.asarray(errors, dtype=float), spread
    )


def opened(amounts: list[Decimal], currencies: list[str]) -> pl.DataFrame:
    return pl.DataFrame(
        {"amount": amounts, "currency_code": currencies},
        schema_overrides={"amount": pl.Decimal(28, 6)},
    )


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(CENTS, st.sampled_from(["USD", "CAD"]), st.integers(1, 60)), max_size=12),
    st.lists(st.integers(-20, 60), max_size=40),
)
def test_every_cent_of_the_open_items_stands_in_some_week(items, errors):
    amounts, currencies, days = (
        (list(one) for one in zip(*items, strict=True)) if items else ([],) * 3
    )
    forecast = forecast_cash(predicted(days, errors), opened(amounts, currencies), POLICY)
    assert forecast.schema == CASH_FORECAST_SCHEMA
    for currency in set(currencies):
        mine = forecast.filter(pl.col("currency_code") == currency)
        owed = sum(
            (a for a, c in zip(amounts, currencies, strict=True) if c == currency), Decimal(0)
        )
        assert sum(mine["amount_expected"], Decimal(0)) == owed
    assert (forecast["amount_low"] <= forecast["amount_expected"]).all()
    assert (forecast["amount_expected"] <= forecast["amount_high"]).all()


def test_weeks_begin_on_monday_and_never_before_the_as_of_dates_week():
    forecast = forecast_cash(
        predicted([1, 9, 30], [-40, 0, 40] * 20), opened([Decimal(5)] * 3, ["USD"] * 3), POLICY
    )
    assert set(forecast["week_start"].dt.weekday()) == {1}
    assert forecast["week_start"][0] == date(2019, 9, 30)
    assert TABLES["decisions.cash_forecast"].names == CASH_FORECAST_SCHEMA.names()


def test_without_known_errors_the_money_comes_on_the_expected_day():
    forecast = forecast_cash(predicted([9], []), opened([Decimal("12.34")], ["USD"]), POLICY)
    came = forecast.filter(pl.col("amount_expected") != 0)
    assert came["week_start"].to_list() == [date(2019, 10, 7)]
    assert came.select("amount_low", "amount_high").row(0) == (Decimal("12.34"),) * 2


def test_items_of_one_customer_come_together_and_no_more_than_is_open():
    days, errors = [9] * 8, [0] * 50 + [14] * 50
    prediction = predicted(days, errors)
    rows = prediction.rows.with_columns(customer_id=pl.lit("C"))
    together = LatePrediction(
        AS_OF, rows, np.zeros(8), prediction.comparison, prediction.errors_days,
        prediction.errors_spread_days,
    )  # fmt: skip
    forecast = forecast_cash(together, opened([Decimal(10)] * 8, ["USD"] * 8), POLICY)
    first = forecast.filter(pl.col("week_start") == date(2019, 10, 7))
    assert first.select("amount_low", "amount_high").row(0) == (Decimal(0), Decimal(80))


def test_a_frame_that_was_not_predicted_is_refused():
    with pytest.raises(InputRefused, match="1 predictions for 2 open items"):
        forecast_cash(predicted([3], []), opened([Decimal(1)] * 2, ["USD"] * 2), POLICY)
    with pytest.raises(InputRefused, match="no amount"):
        forecast_cash(predicted([3], []), opened([None], ["USD"]), POLICY)
