"""When will it be paid: an expected date and two probabilities per open item, as of a day.

Pure: frames in, frames out, no clock, no file. Everything is strictly as of the day: items cleared
on or before it are history, anything cleared later is not known, whatever the file holds. The model
corrects the customer's as-of median and is used only where it beat that median on held-out weeks;
each run says so. One answer row per row of the open items, in their order.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from reverse_etl.decisions.late_comparison import (
    MEDIAN,
    MODEL,
    Comparison,
    Trial,
    segments_of,
    tried,
    untried,
)
from reverse_etl.decisions.late_features import LATE_30_DAYS, Unpaid, snapshot_of
from reverse_etl.decisions.late_history import History
from reverse_etl.decisions.late_items import Floats, Ints, day_number, known_items
from reverse_etl.decisions.late_model import Models, consistent_delay, fitted, one_thread
from reverse_etl.decisions.late_policy import LatePolicy
from reverse_etl.decisions.late_training import observed_on, past_weeks

__all__ = [
    "LATE_PAYMENTS_SCHEMA",
    "PREDICTION_SCHEMA",
    "LatePrediction",
    "learn_late",
    "predict_late",
    "train_and_compare",
]

#: What `ledgerloop decide late` writes.
PREDICTION_SCHEMA = pl.Schema(
    {
        "item_id": pl.String(),
        "expected_pay_date": pl.Date(),
        "p_late": pl.Float64(),
        "p_late_30": pl.Float64(),
    }
)

#: Columns of ``decisions.late_payments``.
LATE_PAYMENTS_SCHEMA = pl.Schema(
    {
        "item_key": pl.String(),
        "customer_id": pl.String(),
        "expected_pay_date": pl.Date(),
        "p_late": pl.Float64(),
        "p_late_30": pl.Float64(),
        "model": pl.String(),
        "as_of_date": pl.Date(),
    }
)

#: Told what is being done and the finished share of the whole, 0 to 1.
Progress = Callable[[str, float], None]

_WEEKS_DONE = 0.5
_TRIED = 0.7
_LEARNED = 0.95


@dataclass(frozen=True, slots=True)
class LatePrediction:
    """The predictions of one day and what they rest on.

    ``rows``: item_id, customer_id, due_date (inferred where it was missing), expected_pay_date,
    p_late, p_late_30, model (``model`` or ``customer_median``), in the order of the open items;
    ``spread``: the customer's own spread of delays in days beside each row. The forecast draws from
    ``errors_days`` (true less predicted, on held-out weeks where there are any) of customers with a
    like spread (``errors_spread_days``).
    """

    as_of: date
    rows: pl.DataFrame
    spread: Floats
    comparison: Comparison
    errors_days: Floats
    errors_spread_days: Floats

    def predictions(self) -> pl.DataFrame:
        """PREDICTION_SCHEMA, one row per open item."""
        return self.rows.select(PREDICTION_SCHEMA.names())

    def late_payments(self) -> pl.DataFrame:
        """Rows of ``decisions.late_payments``; the items' ids are item keys there."""
        keyed = self.rows.rename({"item_id": "item_key"})
        dated = keyed.with_columns(pl.lit(self.as_of).alias("as_of_date"))
        return dated.select(LATE_PAYMENTS_SCHEMA.names())


def predict_late(
    closed: pl.DataFrame,
    open_items: pl.DataFrame,
    as_of: date,
    policy: LatePolicy,
    *,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """Predict when each open item will be paid.

    Args:
        closed: item_id, customer_id, document_date, due_date, cleared_date, amount,
            currency_code. Rows cleared after ``as_of`` are not known then and change nothing.
        open_items: the same without cleared_date. Dates may be missing.
        as_of: the last day whose payments are known; expected dates lie after it.
        policy: the [late] section.
        progress: told what is being done and the finished share.

    Returns:
        PREDICTION_SCHEMA, one row per row of ``open_items`` in its order; p_late ≥ p_late_30.

    Raises:
        InputRefused: a column is missing or holds no dates or amounts.
    """
    return learn_late(closed, open_items, as_of, policy, progress=progress).predictions()


def train_and_compare(closed: pl.DataFrame, as_of: date, policy: LatePolicy) -> Comparison:
    """Only the comparison on held-out weeks; see ``learn_late`` for both at once.

    Raises:
        InputRefused: a column is missing or holds no dates or amounts.
    """
    nothing_open = closed.drop("cleared_date").clear()
    return learn_late(closed, nothing_open, as_of, policy).comparison


def learn_late(
    closed: pl.DataFrame,
    open_items: pl.DataFrame,
    as_of: date,
    policy: LatePolicy,
    *,
    progress: Progress | None = None,
) -> LatePrediction:
    """The same as ``predict_late`` with the comparison it rests on.

    Raises:
        InputRefused: a column is missing or holds no dates or amounts.
    """
    with one_thread():
        return _learned(closed, open_items, as_of, policy, progress or _tell_nobody)


def _learned(
    closed: pl.DataFrame, open_items: pl.DataFrame, as_of: date, policy: LatePolicy, tell: Progress
) -> LatePrediction:
    paid, still_open, customers = known_items(closed, open_items, as_of, policy)
    day = day_number(as_of)
    history = History(paid, customers)
    now = snapshot_of(still_open, history, day, policy)
    weeks = past_weeks(
        paid, still_open, customers, day, policy,
        lambda share: tell("describing past weeks", share * _WEEKS_DONE),
    )  # fmt: skip
    training = None if weeks is None else observed_on(weeks, day, policy)
    models: Models | None = None
    if weeks is None or training is None or len(training) < policy.training_rows_min:
        rows = 0 if training is None else len(training)
        trial = untried(as_of, rows, f"only {rows} rows to learn from", policy)
    else:
        tell("trying the model on held-out weeks", _WEEKS_DONE)
        trial = _trial(weeks, training, as_of, day, policy)
        if trial.comparison.held_out_rows:
            tell("learning from all weeks", _TRIED)
            models = fitted(training, day, policy)
    tell("predicting", _LEARNED)
    predicted = _predicted(open_items, now, as_of, models, trial)
    errors = trial.errors_days, trial.spread_days
    if not len(trial.errors_days):
        errors = (
            history.delay - history.of_customer.median(paid.customer),
            history.spread(paid.customer),
        )
    tell("done", 1.0)
    return LatePrediction(as_of, predicted, now.spread, trial.comparison, *errors)


def _tell_nobody(_what: str, _share: float) -> None:
    """Progress that nobody asked for."""


def _trial(weeks: Unpaid, training: Unpaid, as_of: date, day: int, policy: LatePolicy) -> Trial:
    """Learn as on the day before the held-out weeks, and compare on them."""
    observed = np.unique(weeks.day[weeks.day <= day - policy.document_age_days_min])
    days = observed[-policy.held_out_weeks :]
    cut = int(days[0]) if len(days) else day
    earlier = observed_on(weeks, cut, policy)
    held_out = weeks.take(np.isin(weeks.day, days))
    if len(earlier) < policy.training_rows_min or len(held_out) < policy.held_out_rows_min:
        reason = f"only {len(earlier)} rows to learn from before the held-out weeks"
        return untried(as_of, len(training), reason, policy)
    return tried(fitted(earlier, cut, policy), held_out, as_of, day, len(training), policy)


def _predicted(
    open_items: pl.DataFrame, now: Unpaid, as_of: date, models: Models | None, trial: Trial
) -> pl.DataFrame:
    """Dates and probabilities of the as-of day's items."""
    uses = np.full(len(now), MEDIAN)
    late, late_30 = now.p_late, now.p_late_30
    delay: Ints = np.rint(now.base).astype(np.int64)
    if models is not None and len(now):
        is_learned = now.waited <= 0
        late = np.where(is_learned, trial.late.apply(models.p_late(now)), late)
        late_30 = np.where(is_learned, trial.late_30.apply(models.p_late_30(now)), late_30)
        segments = [one.name for one in trial.comparison.segments if one.uses == MODEL]
        is_model = is_learned & np.isin(segments_of(now), segments)
        uses = np.where(is_model, MODEL, MEDIAN)
        delay = np.where(is_model, consistent_delay(models.delay(now), late, now.waited), delay)
    late = np.where(now.waited >= 0, 1.0, late)
    late_30 = np.where(now.waited >= LATE_30_DAYS, 1.0, np.minimum(late_30, late))
    pay_day = np.maximum(now.items.due + delay, day_number(as_of) + 1)
    return pl.DataFrame(
        {
            "item_id": open_items["item_id"].cast(pl.String),
            "customer_id": open_items["customer_id"].cast(pl.String),
            "due_date": _dates(now.items.due),
            "expected_pay_date": _dates(pay_day),
            "p_late": np.clip(late, 0.0, 1.0),
            "p_late_30": np.clip(late_30, 0.0, 1.0),
            "model": uses.tolist(),
        }
    )


def _dates(days: Ints) -> pl.Series:
    return pl.Series(values=days.astype(np.int32), dtype=pl.Int32).cast(pl.Date)
