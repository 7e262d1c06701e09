"""The scorecard: a risk class A to E with its reasons, and the limit that goes with it.

Each input costs 0 (best) to 100 points by the policy's thresholds; the weighted mean of what is
known gives the class. What is not known takes no part and is named: it is never taken for good nor
for bad, and where too little is known nobody gets a class. The limit is the least of what sales,
net worth and insurance bear, bounded by the group's, and only proposed: people or the policy's
bands approve it (domain §B4). Pure; it must not look at anything but its inputs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Any

from ingestion.common.money import canonical_text
from reverse_etl.planning.policy_credit import ScorecardPolicy

__all__ = ["CLASSES", "LimitProposal", "Score", "propose_limit", "score"]

CLASSES = ("A", "B", "C", "D", "E")
_STEPS = (25, 50, 75, 100)
_ZERO, _HUNDRED, _MONTH_DAYS = Decimal(0), Decimal(100), Decimal(30)
_WORDS: Mapping[str, str] = {
    "days_late_trend": "days late, lately against before",
    "late_by_value_percent": "percent of invoices late, by value",
    "days_late_average": "days late on average, by value",
    "days_late_max": "days late at most",
    "utilisation_percent": "percent of the limit used",
    "disputed_percent": "percent of open invoices disputed",
    "returned_payments": "payments returned in a year",
    "broken_promises": "promises broken",
    "tenure_months": "months a customer",
    "external_score": "score of an agency",
    "country_risk": "risk of the country",
}


@dataclass(frozen=True, slots=True)
class Score:
    """What the scorecard says.

    Attributes:
        risk_class: A to E; None when too little is known.
        points: weighted mean of what is known, 0 to 100; None when nothing is.
        known_weight_percent: how much of the weights is known.
        reason_codes: ``input:points`` of every known input, the dearest first.
        missing: inputs that are not known.
        words: the dearest inputs in plain words.
    """

    risk_class: str | None
    points: Decimal | None
    known_weight_percent: int
    reason_codes: tuple[str, ...]
    missing: tuple[str, ...]
    words: str


@dataclass(frozen=True, slots=True)
class LimitProposal:
    """A limit to propose. ``amount`` None: nothing is proposed, and ``reason`` says why."""

    amount: Decimal | None
    reason: str


def score(features: Mapping[str, Any], policy: ScorecardPolicy) -> Score:
    """Score one customer.

    Args:
        features: an input's value by name; None or absent is not known.
        policy: weights and thresholds; an input without both takes no part.
    """
    costs: list[tuple[int, int, str, Decimal]] = []
    missing: list[str] = []
    weights = {name: w for name, w in policy.weights.items() if w > 0 and name in policy.thresholds}
    for name, weight in weights.items():
        value = features.get(name)
        if value is None:
            missing.append(name)
        else:
            costs.append((_points(Decimal(value), policy.thresholds[name]), weight, name, value))
    total = sum(weights.values())
    known = sum(weight for _points_, weight, _name, _value in costs)
    percent = known * 100 // total if total else 0
    costs.sort(key=lambda cost: (-cost[0] * cost[1], cost[2]))
    codes = tuple(f"{name}:{points}" for points, _weight, name, _value in costs)
    words = _in_words(costs)
    if not known:
        return Score(None, None, 0, codes, tuple(missing), "nothing is known")
    mean = Decimal(sum(points * weight for points, weight, _n, _v in costs)) / known
    mean = mean.quantize(Decimal("0.1"), ROUND_HALF_UP)
    risk_class: str | None = None
    if percent >= policy.known_weight_percent_min:
        risk_class = next(
            (c for c, most in zip(CLASSES, policy.class_points_max, strict=False) if mean <= most),
            CLASSES[-1],
        )
    return Score(risk_class, mean, percent, codes, tuple(missing), words)


def _points(value: Decimal, thresholds: tuple[Decimal, ...]) -> int:
    """Points of a value; falling thresholds mean that more is better."""
    is_more_worse = thresholds[-1] >= thresholds[0]
    reached = [
        step
        for step, mark in zip(_STEPS, thresholds, strict=True)
        if (value >= mark if is_more_worse else value < mark)
    ]
    return max(reached, default=0)


def _in_words(costs: list[tuple[int, int, str, Decimal]]) -> str:
    """The three inputs that cost most."""
    dear = [
        f"{_WORDS.get(name, name.replace('_', ' '))}: {_short(value)}"
        for points, _weight, name, value in costs[:3]
        if points
    ]
    return "; ".join(dear) if dear else "nothing speaks against it"


def _short(value: Decimal) -> str:
    return canonical_text(Decimal(value).quantize(Decimal("0.1"), ROUND_HALF_UP))


def propose_limit(
    features: Mapping[str, Any],
    rating: Score,
    policy: ScorecardPolicy,
    *,
    present: Decimal,
    group_most: Decimal | None = None,
    group_reason: str = "",
) -> LimitProposal:
    """The limit a customer's class and business bear, in the currency of its segment.

    Args:
        features: sales_monthly, terms_days, history_days, net_worth, insured_amount; None where not
            known.
        rating: its score.
        policy: multiples, parts, rounding.
        present: the limit that holds.
        group_most: the most that a group limit leaves for this account; None: unbounded.
        group_reason: which group, in words.
    """
    if rating.risk_class is None:
        return LimitProposal(
            None, f"only {rating.known_weight_percent} % of the scorecard is known"
        )
    if rating.risk_class == CLASSES[-1]:
        return LimitProposal(_ZERO, "class E: no credit")
    history = features.get("history_days")
    if history is None or history < policy.history_days_min:
        return LimitProposal(None, f"known for less than {policy.history_days_min} days")
    bounds = _bounds(features, rating.risk_class, policy)
    if not bounds:
        return LimitProposal(None, "neither sales nor net worth nor insurance is known")
    if group_most is not None:
        bounds.append((group_most, group_reason))
    least, why = min(bounds, key=lambda bound: bound[0])
    step = policy.rounding_amount
    amount = (max(least, _ZERO) / step).to_integral_value(ROUND_DOWN) * step
    if amount == 0:
        return LimitProposal(None, f"{why} bears less than {canonical_text(step)}")
    if abs(amount - present) * _HUNDRED < present * policy.change_percent_min or amount == present:
        return LimitProposal(None, f"within {policy.change_percent_min} % of the present limit")
    return LimitProposal(amount, f"the least is {why}")


def _bounds(
    features: Mapping[str, Any], risk_class: str, policy: ScorecardPolicy
) -> list[tuple[Decimal, str]]:
    """What each measure bears; a measure that is not known bounds nothing."""
    bounds: list[tuple[Decimal, str]] = []
    sales = features.get("sales_monthly")
    multiple = policy.sales_multiple_by_class.get(risk_class)
    if sales is not None and sales > 0 and multiple is not None:
        terms = Decimal(features.get("terms_days") or policy.terms_days_default)
        months = max(terms, Decimal(1)) / _MONTH_DAYS
        text = f"{canonical_text(multiple)} × monthly sales × {terms}/30 days"
        bounds.append((multiple * sales * months, text))
    worth = features.get("net_worth")
    if worth is not None:
        text = f"{canonical_text(policy.net_worth_percent)} % of the net worth"
        bounds.append((worth * policy.net_worth_percent / _HUNDRED, text))
    insured = features.get("insured_amount")
    if insured is not None:
        own = policy.self_retained_by_class.get(risk_class, _ZERO)
        bounds.append((insured + own, "the insured sum and what we bear ourselves"))
    return bounds
