"""The model tried on weeks it has not seen, beside the naive rules, before anybody believes it.

The newest weeks whose items are all fully observed are held out; a model learned only from what was
known before them is compared with the customer's median, segment by segment. Where it is not
better, the median is used. The same weeks calibrate the probabilities and give the spread of the
forecast. Nothing here sees the as-of day's own items.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from reverse_etl.decisions.late_features import LATE_30_DAYS, Unpaid
from reverse_etl.decisions.late_items import Floats, Ints
from reverse_etl.decisions.late_measures import Figure, auc, brier, date_figures
from reverse_etl.decisions.late_model import (
    IDENTITY,
    Calibration,
    Models,
    calibrated,
    consistent_delay,
)
from reverse_etl.decisions.late_policy import LatePolicy

__all__ = [
    "LATE_COMPARISON_SCHEMA",
    "MEDIAN",
    "MODEL",
    "Comparison",
    "Segment",
    "Trial",
    "segments_of",
    "tried",
    "untried",
]

MODEL = "model"
MEDIAN = "customer_median"

#: Columns of ``decisions.late_comparison``.
LATE_COMPARISON_SCHEMA = pl.Schema(
    {
        "measure": pl.String(),
        "model": pl.String(),
        "value": pl.Float64(),
        "as_of_date": pl.Date(),
    }
)

#: Segments by what is known of the customer; the first number of paid items of each.
_SEGMENTS = (("no_history", 0), ("items_1_to_4", 1), ("items_5_to_19", 5), ("items_20_up", 20))


@dataclass(frozen=True, slots=True)
class Segment:
    """Mean absolute error in days on the held-out rows of a segment, and what is used for it."""

    name: str
    rows: int
    mae_median_days: float
    mae_model_days: float
    uses: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a run learned from, how it did on held-out weeks, and what it therefore uses."""

    as_of: date
    seed: int
    training_rows: int
    held_out_rows: int
    uses: str
    reason: str
    segments: tuple[Segment, ...]
    figures: tuple[Figure, ...]

    def rows(self) -> pl.DataFrame:
        """Rows of ``decisions.late_comparison``, the segments' errors among them."""
        figures = list(self.figures)
        for one in self.segments:
            figures.append(Figure(f"mae_days.{one.name}", MEDIAN, one.mae_median_days))
            figures.append(Figure(f"mae_days.{one.name}", MODEL, one.mae_model_days))
        return pl.DataFrame(
            [(f.measure, f.model, f.value, self.as_of) for f in figures],
            schema=LATE_COMPARISON_SCHEMA,
            orient="row",
        )

    def metadata(self) -> Mapping[str, str | int | float]:
        """Flat and small, for the page of a run."""
        found: dict[str, str | int | float] = {
            "as_of": self.as_of.isoformat(),
            "seed": self.seed,
            "training_rows": self.training_rows,
            "held_out_rows": self.held_out_rows,
            "uses": self.uses,
            "reason": self.reason,
        }
        found |= {f"{f.measure}.{f.model}": round(f.value, 4) for f in self.figures}
        return found | {f"segment.{one.name}": one.uses for one in self.segments}


@dataclass(frozen=True, slots=True)
class Trial:
    """The comparison with what prediction and forecast need of it.

    ``errors_days``: true less published delay of the held-out rows; ``spread_days``: the customer's
    own spread beside each, by which the forecast chooses errors of like customers.
    """

    comparison: Comparison
    late: Calibration
    late_30: Calibration
    errors_days: Floats
    spread_days: Floats


def segments_of(unpaid: Unpaid) -> NDArray[np.str_]:
    """The segment of each row."""
    firsts = np.asarray([first for _, first in _SEGMENTS])
    names = np.asarray([name for name, _ in _SEGMENTS])
    place = np.searchsorted(firsts, unpaid.paid_items, side="right") - 1
    found: NDArray[np.str_] = names[place]
    return found


def untried(as_of: date, training_rows: int, reason: str, policy: LatePolicy) -> Trial:
    """No held-out weeks: nothing was proven, so the medians are used."""
    comparison = Comparison(as_of, policy.seed, training_rows, 0, MEDIAN, reason, (), ())
    nothing = np.zeros(0)
    return Trial(comparison, IDENTITY, IDENTITY, nothing, nothing)


def tried(
    models: Models, held_out: Unpaid, as_of: date, day: int, training_rows: int, policy: LatePolicy
) -> Trial:
    """Compare models with the medians on rows they have not seen, labelled as known on ``day``."""
    truth = held_out.delay_known_on(day)
    raw = models.p_late(held_out), models.p_late_30(held_out)
    is_late = truth > 0, truth > LATE_30_DAYS
    late = calibrated(raw[0], is_late[0], policy)
    late_30 = calibrated(raw[1], is_late[1], policy)
    delay = consistent_delay(models.delay(held_out), late.apply(raw[0]), held_out.waited)
    segments, uses = _segments(held_out, delay, truth, policy)
    is_model = np.isin(segments_of(held_out), [one.name for one in segments if one.uses == MODEL])
    published = np.where(is_model, delay, np.rint(held_out.base)).astype(np.float64)
    figures = [
        *_date_figures(held_out, truth, {MODEL: delay.astype(np.float64), "published": published}),
        *_probability_figures(held_out, is_late, (late.apply(raw[0]), late_30.apply(raw[1]))),
    ]
    reason = f"{len(held_out)} held-out rows of {policy.held_out_weeks} weeks"
    comparison = Comparison(
        as_of, policy.seed, training_rows, len(held_out), uses, reason, segments, tuple(figures)
    )
    errors = truth - published
    return Trial(comparison, late, late_30, errors, held_out.spread)


def _segments(
    held_out: Unpaid, delay: Ints, truth: Ints, policy: LatePolicy
) -> tuple[tuple[Segment, ...], str]:
    """Per segment the errors and what wins; a segment with few rows follows the whole."""
    model = np.abs(delay - truth)
    median = np.abs(held_out.base - truth)
    overall = MODEL if model.mean() < median.mean() else MEDIAN
    names = segments_of(held_out)
    found = []
    for name, _ in _SEGMENTS:
        rows = names == name
        count = int(rows.sum())
        errors = (float(median[rows].mean()), float(model[rows].mean())) if count else (0.0, 0.0)
        uses = overall
        if count >= policy.segment_rows_min:
            uses = MODEL if errors[1] < errors[0] else MEDIAN
        found.append(Segment(name, count, *errors, uses))
    return tuple(found), overall


def _date_figures(held_out: Unpaid, truth: Ints, models: Mapping[str, Floats]) -> list[Figure]:
    """Errors of the dates beside every naive rule."""
    overall = float(np.median(held_out.median)), float(np.median(held_out.mean))
    named = {
        "due_date": np.zeros(len(held_out)),
        "global_median": np.full(len(held_out), overall[0]),
        "global_mean": np.full(len(held_out), overall[1]),
        "customer_mean": held_out.mean,
        MEDIAN: held_out.median,
        "possible_median": held_out.base,
        **models,
    }
    weights = np.exp(held_out.items.size)
    due, day = held_out.items.due, held_out.day
    return [
        figure
        for name, delay in named.items()
        for figure in date_figures(name, delay, truth, due=due, day=day, weights=weights)
    ]


def _probability_figures(
    held_out: Unpaid,
    is_late: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    published: tuple[Floats, Floats],
) -> list[Figure]:
    shares = held_out.p_late, held_out.p_late_30
    found = []
    for name, truth, share, ours in zip(
        ("late", "late_30"), is_late, shares, published, strict=True
    ):
        found += [
            Figure(f"auc_{name}", MEDIAN, auc(held_out.median, truth)),
            Figure(f"auc_{name}", "customer_share", auc(share, truth)),
            Figure(f"auc_{name}", "published", auc(ours, truth)),
            Figure(f"brier_{name}", "customer_share", brier(share, truth)),
            Figure(f"brier_{name}", "published", brier(ours, truth)),
        ]
    return found
