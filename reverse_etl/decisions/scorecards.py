"""Scorecards of every customer, and the limits that follow from them: frames in, frames out.

Writes down how every class came about (``decisions.scorecards``). A limit is only proposed for an
account with a finite limit, on fresh figures, and only where the policy says so; the proposals are
handed to ``decide_credit``, which puts them beside the approved limits. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import polars as pl

from reverse_etl.decisions.credit_groups import GroupRoom
from reverse_etl.decisions.scorecard import LimitProposal, Score, propose_limit, score
from reverse_etl.planning.policy_credit import ScorecardPolicy

__all__ = ["SCORECARD_SCHEMA", "Scorecards", "decide_scorecards"]

_COLUMNS: Mapping[str, pl.DataType] = {
    "system_id": pl.String(),
    "customer_id": pl.String(),
    "customer": pl.String(),
    "credit_segment": pl.String(),
    "risk_class": pl.String(),
    "points": pl.Decimal(28, 6),
    "known_weight_percent": pl.Int32(),
    "reason_codes": pl.String(),
    "missing_inputs": pl.String(),
    "limit_proposed": pl.Decimal(28, 6),
    "currency_code": pl.String(),
    "reason": pl.String(),
    "as_of_date": pl.Date(),
}

#: Columns of ``decisions.scorecards``.
SCORECARD_SCHEMA = pl.Schema(_COLUMNS)

_Key = tuple[str, str, str]
_DAYS_PER_MONTH = Decimal("30.4375")


@dataclass(frozen=True, slots=True)
class Scorecards:
    """Every scorecard, and the proposals among them by system, customer and segment."""

    frame: pl.DataFrame
    proposals: Mapping[_Key, tuple[Decimal, str]]


def decide_scorecards(
    features: pl.DataFrame,
    fct_credit: pl.DataFrame,
    policy: ScorecardPolicy,
    room: GroupRoom | None = None,
) -> Scorecards:
    """Score every customer in every segment.

    Args:
        features: ``marts.fct_credit_features``; a column that is absent is not known of anybody.
        fct_credit: ``marts.fct_credit``.
        policy: weights, thresholds, and whether limits are proposed at all.
        room: what group limits leave; None where there are none.
    """
    accounts = {
        (row["system_id"], row["customer"], row["credit_segment"]): row
        for row in fct_credit.iter_rows(named=True)
    }
    rows: list[dict[str, Any]] = []
    proposals: dict[_Key, tuple[Decimal, str]] = {}
    ordered = features.sort("system_id", "customer", "credit_segment")
    for known in ordered.iter_rows(named=True):
        key = (known["system_id"], known["customer"], known["credit_segment"])
        inputs = _inputs(known, policy)
        rating = score(inputs, policy)
        answer = _proposal(inputs, rating, accounts.get(key), policy, room)
        if answer.amount is not None:
            proposals[key] = (answer.amount, _reason(rating, answer))
        rows.append(_row(known, rating, answer))
    return Scorecards(pl.DataFrame(rows, schema=SCORECARD_SCHEMA, orient="row"), proposals)


def _inputs(known: Mapping[str, Any], policy: ScorecardPolicy) -> dict[str, Any]:
    """The scorecard's inputs, those that follow from others among them."""
    days = known.get("history_days")
    return {
        **known,
        "tenure_months": None if days is None else Decimal(days) / _DAYS_PER_MONTH,
        "country_risk": policy.country_risk.get(known.get("country") or ""),
    }


def _proposal(
    inputs: Mapping[str, Any],
    rating: Score,
    account: Mapping[str, Any] | None,
    policy: ScorecardPolicy,
    room: GroupRoom | None,
) -> LimitProposal:
    """The limit to propose, or why none is."""
    obstacle = _obstacle(account, policy)
    if obstacle or account is None:
        return LimitProposal(None, obstacle)
    present = account["limit_amount"]
    most, which = (None, "")
    if room is not None:
        most, which = room.most(account["customer_id"], present, account["segment_currency"])
    answer = propose_limit(
        inputs, rating, policy, present=present, group_most=most, group_reason=which
    )
    if answer.amount is not None and answer.amount > present and account["is_blocked"]:
        return LimitProposal(None, "no limit is raised while the customer is on hold")
    return answer


def _obstacle(account: Mapping[str, Any] | None, policy: ScorecardPolicy) -> str:
    """Why nothing is proposed whatever the score; empty when something may be."""
    if not policy.enabled:
        return "limits are not proposed: [credit.scorecard] enabled is false"
    if account is None or account["limit_kind"] != "limited" or not account["limit_amount"]:
        return "there is no finite limit to change"
    if account["feed_is_stale"] is not False:
        return "the ERP feed is stale"
    if account["exposure"] is None:
        return "the exposure is not known"
    return ""


def _reason(rating: Score, answer: LimitProposal) -> str:
    text = f"class {rating.risk_class} ({rating.points} points; {rating.words}), {answer.reason}"
    if rating.missing:
        text += f"; not known: {', '.join(rating.missing)}"
    return text


def _row(known: Mapping[str, Any], rating: Score, answer: LimitProposal) -> dict[str, Any]:
    return {
        "system_id": known["system_id"],
        "customer_id": known["customer_id"],
        "customer": known["customer"],
        "credit_segment": known["credit_segment"],
        "risk_class": rating.risk_class,
        "points": rating.points,
        "known_weight_percent": rating.known_weight_percent,
        "reason_codes": ";".join(rating.reason_codes),
        "missing_inputs": ";".join(rating.missing),
        "limit_proposed": answer.amount,
        "currency_code": known["segment_currency"],
        "reason": _reason(rating, answer),
        "as_of_date": known["as_of_date"],
    }
