"""Ranked proposals: what a person may want to look at when nothing is applied by itself.

Rank 1 is the receipt on account; item sets follow from rank 2, the likeliest first, each set once.
A proposal never applies anything and may come from a name that is only similar.
"""

from datetime import date

import numpy as np

from reverse_etl.decisions.matching import Line, Match, applied
from reverse_etl.decisions.matching_case import Case
from reverse_etl.decisions.matching_sums import runs_between

__all__ = ["ranked"]

_NEAREST_ITEMS_MAX = 200
_LESS_ONE_MAX = 3


def ranked(case: Case, limit: int) -> list[Match]:
    """The sets worth showing, at most ``limit``."""
    found: dict[frozenset[str], Match] = {}
    for match in [
        *sorted(case.suggestions, key=lambda one: _order(one, case.receipt.received_date)),
        *_discounted_rest(case),
        *_less_one(case),
        *_fallbacks(case),
        *_nearest(case),
    ]:
        items = frozenset(item.item_id for item in match.items)
        if items and sum(line.units for line in match.lines) == case.receipt.units:
            found.setdefault(items, match)
    return list(found.values())[:limit]


def _order(match: Match, received: date) -> tuple[float, float, list[str]]:
    """Surest first; twins by due dates near the receipt, for most payers pay about when it is due.

    Then by id, so that the order of input says nothing.
    """
    days = [abs((received - item.due_date).days) for item in match.items if item.due_date]
    ids = [item.item_id for item in match.items]
    return (-match.confidence, sum(days) / max(len(days), 1), ids)


def _fallbacks(case: Case) -> list[Match]:
    """What the text names as it stands, then items of just this amount."""
    found = []
    places = list(case.named)
    foreign = set(case.foreign)
    options = [choice.options[0] for choice in case.choices if choice.token not in foreign]
    everything = list(dict.fromkeys([*places, *(p for option in options for p in option)]))
    for chosen, confidence in ((everything, 0.4), (places, 0.3)):
        if chosen:
            items = case.items(chosen)
            lines = list(applied(items))
            rest = case.receipt.units - sum(line.units for line in lines)
            if rest:
                lines.append(Line(None, "on_account" if rest > 0 else "deduction", rest))
            found.append(Match("named_items", tuple(lines), confidence, "what the text names"))
    others = [
        case.item(place)
        for token in case.foreign
        for place in token.places
        if case.item(place).is_open_on(case.receipt.received_date)
        and case.item(place).currency_code == case.receipt.currency_code
    ]
    if others and sum(item.units for item in others) == case.receipt.units:
        found.append(Match("foreign_items", applied(others), 0.3, "items of another customer"))
    for place in case.by_units.get(case.receipt.units, ())[:3]:
        item = case.item(place)
        found.append(Match("equal_amount", applied([item]), 0.3, f"{item.item_id} has this amount"))
    return found


def _discounted_rest(case: Case) -> list[Match]:
    """What the text names and one more item or run, all of it less a usual discount."""
    base = tuple(case.named)
    if not base or len(base) > _NEAREST_ITEMS_MAX:
        return []
    others = case.pool[~np.isin(case.pool, base)][:_NEAREST_ITEMS_MAX]
    paid, total, found = case.receipt.units, case.total(base), []
    for percent in case.policy.discount_percents:
        factor = 1 - percent / 100
        low, high = (int((paid + slack) / factor) - total for slack in (-case.minor, case.minor))
        if high <= 0:
            continue
        for run in runs_between(case.ledger.units[others], low, high, 2):
            places = [*base, *others[list(run)].tolist()]
            rest = paid - case.total(places)
            lines = (*applied(case.items(places)), Line(None, "discount", rest))
            found.append(Match("discounted_rest", lines, 0.4, "named and other items, discounted"))
    return found


def _less_one(case: Case) -> list[Match]:
    """Runs that without one of their items have the amount: one may be in dispute."""
    if case.named or case.choices:
        return []
    units = case.units[:_NEAREST_ITEMS_MAX]
    sums = np.concatenate(([0], np.cumsum(units)))
    first, last = np.triu_indices(len(sums), 1)
    over = sums[last] - sums[first] - case.receipt.units
    found = []
    for index in np.flatnonzero(np.isin(over, units)).tolist():
        start, end = int(first[index]), int(last[index])
        for left_out in np.flatnonzero(units[start:end] == over[index]).tolist():
            places = [p for n, p in enumerate(case.pool[start:end].tolist()) if n != left_out]
            lines = applied(case.items(places))
            found.append(Match("run_less_one", lines, 0.35, "a run of items without one"))
            if len(found) >= _LESS_ONE_MAX:
                return found
    return found


def _nearest(case: Case) -> list[Match]:
    """Due-date runs whose sum is a little more than the receipt, then a little less."""
    if case.named or case.choices:
        return []
    paid = case.receipt.units
    sums = np.concatenate(([0], np.cumsum(case.units[:_NEAREST_ITEMS_MAX])))
    first, last = np.triu_indices(len(sums), 1)
    totals = sums[last] - sums[first]
    is_possible = (totals * 100 >= paid * 90) & (totals * 100 <= paid * 130)
    over = totals - paid
    # A difference like a bank's fee first, then what is least short, then what is least over-paid.
    is_fee = (over >= 0) & (over <= case.policy.fee_limit(case.receipt.currency_code))
    rank = np.where(is_fee, 0, np.where(over >= 0, 1, 2))
    order = np.lexsort((np.abs(over), last - first > 1, rank))
    found = []
    for index in order[is_possible[order]][:3].tolist():
        places = case.pool[int(first[index]) : int(last[index])].tolist()
        lines = list(applied(case.items(places)))
        rest = paid - sum(line.units for line in lines)
        if rest:
            lines.append(Line(None, "on_account" if rest > 0 else "deduction", rest))
        found.append(Match("nearest_amount", tuple(lines), 0.2, "a run of about this amount"))
    return found
