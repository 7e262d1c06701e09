"""How good a prediction of payment dates is, measured the same way for a model and for a rule.

Errors in days, cash by week, ranking, calibration. Plain numpy, so that the tests and the measuring
need no library that learns. Weights stand for amounts in their own currency and are never money.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reverse_etl.decisions.late_items import Floats, Ints

__all__ = ["Figure", "auc", "brier", "calibration_rows", "date_figures", "weekly_cash_error"]

_CLOSE_DAYS = 3
_WEEK = 7
_MONDAY_SHIFT = 3


@dataclass(frozen=True, slots=True)
class Figure:
    """One measure of one model (or naive rule); a row of ``decisions.late_comparison``."""

    measure: str
    model: str
    value: float


def date_figures(
    model: str, delay: Floats, truth: Ints, *, due: Ints, day: Ints, weights: Floats
) -> list[Figure]:
    """Errors of predicted delays in days, plain and by value, and of the cash they mean per week.

    Args:
        model: its name in the figures.
        delay: predicted days from due date to payment.
        truth: the true ones.
        due: due dates as day numbers.
        day: the as-of day of each row; weeks are compared within one as-of day.
        weights: amounts.
    """
    error = np.abs(delay - truth)
    return [
        Figure("mae_days", model, float(error.mean())),
        Figure("rmse_days", model, float(np.sqrt((error**2).mean()))),
        Figure("within_3_days", model, float((error <= _CLOSE_DAYS).mean())),
        Figure("value_weighted_mae_days", model, float((error * weights).sum() / weights.sum())),
        Figure(
            "weekly_cash_wape",
            model,
            weekly_cash_error(delay, truth, due=due, day=day, weights=weights),
        ),
    ]


def weekly_cash_error(
    delay: Floats, truth: Ints, *, due: Ints, day: Ints, weights: Floats
) -> float:
    """Sum of absolute weekly errors over all cash, weeks from Monday, summed over as-of days."""
    wrong, total = 0.0, 0.0
    for one in np.unique(day):
        rows = day == one
        predicted = _week(due[rows] + np.rint(delay[rows]).astype(np.int64))
        true = _week(due[rows] + truth[rows])
        weeks, place = np.unique(np.concatenate([predicted, true]), return_inverse=True)
        both = np.concatenate([weights[rows], -weights[rows]])
        wrong += float(np.abs(np.bincount(place, both, len(weeks))).sum())
        total += float(weights[rows].sum())
    return wrong / total if total else 0.0


def _week(days: Ints) -> Ints:
    found: Ints = (days + _MONDAY_SHIFT) // _WEEK
    return found


def auc(score: Floats, is_true: NDArray[np.bool_]) -> float:
    """Area under the ROC curve, ties counted half; 0.5 where one outcome is missing."""
    positives = int(is_true.sum())
    negatives = len(is_true) - positives
    if not positives or not negatives:
        return 0.5
    _, place, counts = np.unique(score, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts - 1) / 2
    ranks = middle[place][is_true].sum()
    return float((ranks - positives * (positives + 1) / 2) / (positives * negatives))


def brier(probability: Floats, is_true: NDArray[np.bool_]) -> float:
    """Mean squared error of a probability."""
    return float(((probability - is_true) ** 2).mean())


def calibration_rows(
    probability: Floats, is_true: NDArray[np.bool_], bins: int = 10
) -> list[tuple[float, float, int]]:
    """Mean probability, observed share and rows, per tenth of the probability that has rows."""
    place = np.minimum((probability * bins).astype(np.int64), bins - 1)
    found = []
    for one in range(bins):
        rows = place == one
        if rows.any():
            found.append(
                (float(probability[rows].mean()), float(is_true[rows].mean()), int(rows.sum()))
            )
    return found
