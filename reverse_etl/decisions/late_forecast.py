"""Cash by week: what the open items will bring in, with an interval.

Each item's day is its expected day plus an error drawn from the held-out errors of customers with
a like spread, never before the day after the as-of date. All items of one customer share a draw,
since a customer in trouble is late with everything, and the interval is widened by what past weeks
showed to be missing still: shocks that all customers share. Money is conserved: per currency the
weeks sum to the open items, to the cent. Currencies are never added up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import polars as pl

from ingestion.common.errors import InputRefused
from reverse_etl.decisions.late import LatePrediction
from reverse_etl.decisions.late_items import Floats, Ints, day_number
from reverse_etl.decisions.late_policy import LatePolicy

__all__ = ["CASH_FORECAST_SCHEMA", "forecast_cash"]

_MONEY = pl.Decimal(28, 6)
_CENT = Decimal("0.01")

#: Columns of ``decisions.cash_forecast``; weeks begin on Monday (ISO).
CASH_FORECAST_SCHEMA = pl.Schema(
    {
        "week_start": pl.Date(),
        "currency_code": pl.String(),
        "amount_expected": _MONEY,
        "amount_low": _MONEY,
        "amount_high": _MONEY,
        "as_of_date": pl.Date(),
    }
)

_WEEK = 7
#: Customers are alike when their spread of delays (days) lies between the same two of these.
_SPREADS = (0.0, 2.5, 7.5, 20.5)
_ERRORS_MIN = 30


@dataclass(frozen=True, slots=True)
class _Errors:
    """Sorted errors in days of every class of spread, one after the other."""

    values: Floats
    start: Ints
    rows: Ints

    def drawn(self, kind: Ints, share: Floats) -> Ints:
        """The error at ``share`` (0 to 1) of each class, in whole days."""
        place = self.start[kind] + np.floor(share * self.rows[kind]).astype(np.int64)
        found: Ints = np.rint(self.values[place]).astype(np.int64)
        return found


def forecast_cash(
    prediction: LatePrediction, open_items: pl.DataFrame, policy: LatePolicy
) -> pl.DataFrame:
    """Forecast the cash of the open items by ISO week and currency.

    Args:
        prediction: made from these very open items.
        open_items: the frame given to ``learn_late``; its amounts, in its order.
        policy: how wide the interval is, how many draws, how many weeks.

    Returns:
        CASH_FORECAST_SCHEMA, sorted by currency and week; the last week holds what comes later.

    Raises:
        InputRefused: the frame is not the one that was predicted, or an amount is missing.
    """
    if open_items.height != prediction.rows.height:
        raise InputRefused(
            f"{prediction.rows.height} predictions for {open_items.height} open items",
            code="late_rows",
            where="open items",
        )
    amounts = open_items["amount"]
    if amounts.dtype == pl.String:
        amounts = amounts.str.strip_chars()
    amounts = amounts.cast(_MONEY)
    if amounts.null_count():
        raise InputRefused("an open item has no amount", code="late_values", where="open items")
    drawn = _drawn_weeks(prediction, policy)
    rows = []
    currencies = open_items["currency_code"].cast(pl.String).fill_null("")
    for currency in sorted(currencies.unique().to_list()):
        mine = (currencies == currency).to_numpy()
        exact = amounts.filter(pl.Series(mine))
        rows += _weeks_of(currency, exact, drawn[:, mine], prediction.as_of, policy)
    return pl.DataFrame(rows, schema=CASH_FORECAST_SCHEMA, orient="row")


def _drawn_weeks(prediction: LatePrediction, policy: LatePolicy) -> Ints:
    """Draws × items: the number of weeks after the as-of date's week each item is paid in."""
    rows = prediction.rows
    today = day_number(prediction.as_of)
    monday = today - prediction.as_of.weekday()
    expected = rows["expected_pay_date"].to_physical().to_numpy().astype(np.int64)
    together = rows.select(pl.col("customer_id").rank("dense").cast(pl.Int64) - 1)
    cluster = together.to_series().to_numpy()
    errors = _errors(prediction.errors_days, prediction.errors_spread_days)
    kind = _kind(prediction.spread)
    random = np.random.default_rng(policy.seed)
    weeks = np.zeros((policy.forecast_draws, rows.height), dtype=np.int64)
    clusters = int(cluster.max()) + 1 if len(cluster) else 0
    for number in range(policy.forecast_draws):
        share = random.random(clusters)[cluster]
        paid_on = np.maximum(expected + errors.drawn(kind, share), today + 1)
        weeks[number] = np.minimum((paid_on - monday) // _WEEK, policy.forecast_weeks_max - 1)
    return weeks


def _kind(spread: Floats) -> Ints:
    found: Ints = np.searchsorted(np.asarray(_SPREADS), spread, side="right").astype(np.int64)
    return found


def _errors(errors: Floats, spread: Floats) -> _Errors:
    """A class with few errors uses everybody's; without any, items are paid as expected."""
    everybody = np.sort(errors) if len(errors) else np.zeros(1)
    kinds = _kind(spread)
    values: list[Floats] = []
    for one in range(len(_SPREADS) + 1):
        own = np.sort(errors[kinds == one])
        values.append(own if len(own) >= _ERRORS_MIN else everybody)
    rows = np.asarray([len(one) for one in values], dtype=np.int64)
    start = np.concatenate([[0], np.cumsum(rows)[:-1]]).astype(np.int64)
    return _Errors(np.concatenate(values), start, rows)


def _weeks_of(
    currency: str, amounts: pl.Series, drawn: Ints, as_of: date, policy: LatePolicy
) -> list[tuple[date, str, Decimal, Decimal, Decimal, date]]:
    """The weeks of one currency; the largest takes the rounding, so that all sum to the items."""
    count = policy.forecast_weeks_max
    weights = amounts.cast(pl.Float64).to_numpy()
    totals = np.stack([np.bincount(one, weights, count) for one in drawn])
    tail = (100 - policy.interval_percent) / 2
    middle = totals.mean(axis=0)
    widened = middle + (totals - middle) * policy.interval_widening_percent / 100
    possible = weights[weights < 0].sum(), weights[weights > 0].sum()
    low, high = np.percentile(widened, [tail, 100 - tail], axis=0).clip(*possible)
    expected = [_cents(one) for one in totals.mean(axis=0)]
    largest = int(np.argmax(np.abs(totals.mean(axis=0))))
    expected[largest] += _sum(amounts.to_list()) - _sum(expected)
    monday = as_of - timedelta(days=as_of.weekday())
    last = max((number for number in range(count) if totals[:, number].any()), default=-1)
    return [
        (
            monday + timedelta(weeks=number),
            currency,
            expected[number],
            min(_cents(low[number]), expected[number]),
            max(_cents(high[number]), expected[number]),
            as_of,
        )
        for number in range(last + 1)
    ]


def _cents(value: float) -> Decimal:
    return Decimal(repr(float(value))).quantize(_CENT)


def _sum(values: Sequence[Decimal]) -> Decimal:
    return sum(values, Decimal(0))
