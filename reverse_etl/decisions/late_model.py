"""The models of late payment: a correction of the median, and two probabilities.

Gradient-boosted trees of scikit-learn, which is loaded only when something is learned: a process
that sends must not carry it. The correction is learned with absolute error, since the aim is the
median day; the probabilities are calibrated on weeks the model has not seen. A fixed seed makes a
run repeatable.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reverse_etl.decisions.late_features import LATE_30_DAYS, Unpaid
from reverse_etl.decisions.late_items import Floats, Ints
from reverse_etl.decisions.late_policy import LatePolicy

__all__ = [
    "IDENTITY",
    "Calibration",
    "Models",
    "calibrated",
    "consistent_delay",
    "fitted",
    "one_thread",
]

_SMALLEST = 1e-4
_EVEN = 0.5
_LOGIT_MAX = 30.0
_SLOPES = np.linspace(0.2, 2.0, 37)


@dataclass(frozen=True, slots=True)
class Calibration:
    """How far to believe the model: the logit's distance from its usual level, times ``slope``.

    It keeps the order of the items, and the level: how many are late in one month says little about
    the next, and moving the level from one to the other made both order and error worse.
    """

    slope: float = 1.0
    level: float = 0.0

    def apply(self, probability: Floats) -> Floats:
        """Calibrated probabilities."""
        return _inverse(self.level + self.slope * (_logit(probability) - self.level))


IDENTITY = Calibration()


def one_thread() -> AbstractContextManager[Any]:
    """Learn and ask within this: on a busy machine several threads cost twenty times the CPU."""
    # Only what is already loaded can be limited.
    import sklearn.ensemble  # type: ignore[import-untyped]  # noqa: F401
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    limits: AbstractContextManager[Any] = threadpool_limits(1, "openmp")
    return limits


@dataclass(frozen=True, slots=True)
class Models:
    """What was learned. A list of classifiers is empty where one outcome is too rare to learn."""

    residual: Sequence[Any]
    late: Sequence[Any]
    late_30: Sequence[Any]

    def delay(self, unpaid: Unpaid) -> Floats:
        """Expected delay in days (the median), at least one day from the row's day."""
        moved = np.mean([one.predict(unpaid.features) for one in self.residual], axis=0)
        found: Floats = np.maximum(unpaid.base + moved, unpaid.waited + 1.0)
        return found

    def p_late(self, unpaid: Unpaid) -> Floats:
        """Not yet calibrated; the customer's own share where nothing was learned."""
        return _probability(self.late, unpaid) if self.late else unpaid.p_late

    def p_late_30(self, unpaid: Unpaid) -> Floats:
        """Not yet calibrated: half way, on the logit, between the model and the customer's share.

        So rare an event ranks better with both; the share alone where nothing was learned.
        """
        if not self.late_30:
            return unpaid.p_late_30
        halfway = (_logit(_probability(self.late_30, unpaid)) + _logit(unpaid.p_late_30)) / 2
        return _inverse(halfway)


def fitted(rows: Unpaid, known_on: int, policy: LatePolicy) -> Models:
    """Learn from rows with the delays known on a day; the same rows give the same models."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    delay = rows.delay_known_on(known_on)
    limit = policy.residual_days_max
    residual = np.clip(delay - rows.base, -limit, limit)
    learned: dict[int, list[Any]] = {0: [], LATE_30_DAYS: []}
    residuals = []
    for number in range(policy.models_averaged):
        settings = _settings(policy, policy.seed + number)
        coarse = {**settings, "max_leaf_nodes": policy.probability_leaf_nodes_max}
        regressor = HistGradientBoostingRegressor(loss="absolute_error", **settings)
        residuals.append(regressor.fit(rows.features, residual))
        for days, found in learned.items():
            is_late = delay > days
            events = min(int(is_late.sum()), int((~is_late).sum()))
            if events >= policy.events_min:
                classifier = HistGradientBoostingClassifier(**coarse)
                found.append(classifier.fit(rows.features, is_late))
    return Models(residuals, learned[0], learned[LATE_30_DAYS])


def _settings(policy: LatePolicy, seed: int) -> dict[str, Any]:
    return {
        "max_iter": policy.iterations,
        "max_leaf_nodes": policy.leaf_nodes_max,
        "min_samples_leaf": policy.leaf_rows_min,
        "max_features": policy.features_percent / 100,
        "learning_rate": policy.learning_rate_percent / 100,
        "l2_regularization": float(policy.leaf_penalty),
        "early_stopping": False,
        "random_state": seed,
    }


def _probability(models: Sequence[Any], unpaid: Unpaid) -> Floats:
    found: Floats = np.mean([one.predict_proba(unpaid.features)[:, 1] for one in models], axis=0)
    return found


def consistent_delay(delay: Floats, p_late: Floats, waited: Ints) -> Ints:
    """Whole days that say the same as the probability: after the due date when late is likelier."""
    days = np.rint(delay).astype(np.int64)
    days = np.where((p_late > _EVEN) & (days <= 0), 1, days)
    days = np.where((p_late <= _EVEN) & (days > 0), 0, days)
    found: Ints = np.maximum(days, waited + 1)
    return found


def calibrated(probability: Floats, is_late: NDArray[np.bool_], policy: LatePolicy) -> Calibration:
    """Fit the slope on held-out rows; where they show few events, leave the probability as it is.

    The best slope of a fixed set by log loss: one number, needing neither gradient nor tolerance.
    """
    events = min(int(is_late.sum()), int((~is_late).sum()))
    if events < policy.calibration_events_min:
        return IDENTITY
    level = float(_logit(np.asarray([probability.mean()]))[0])
    choices = [Calibration(float(slope), level) for slope in _SLOPES]
    return min(choices, key=lambda one: _log_loss(one.apply(probability), is_late))


def _log_loss(probability: Floats, is_true: NDArray[np.bool_]) -> float:
    """Mean of minus the logarithm of what was said about what came true."""
    return float(-np.log(np.where(is_true, probability, 1 - probability)).mean())


def _inverse(logit: Floats) -> Floats:
    found: Floats = 1 / (1 + np.exp(-np.clip(logit, -_LOGIT_MAX, _LOGIT_MAX)))
    return found


def _logit(probability: Floats) -> Floats:
    bounded = np.clip(probability, _SMALLEST, 1 - _SMALLEST)
    found: Floats = np.log(bounded / (1 - bounded))
    return found
