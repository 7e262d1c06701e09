"""Ranked proposals: what a person may want to look at when nothing is applied by itself.

Rank 1 is the receipt on account; item sets follow from rank 2, the likeliest first, each set once:
sets that explain the receipt to the cent, what the text names, then what the payer would pay now by
its habit with a difference that payments usually have. A proposal never applies anything and may
come from a name that is only similar.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import exp, log

import numpy as np
import numpy.typing as npt

from reverse_etl.decisions.cash_ledger import Numbers
from reverse_etl.decisions.matching import Line, Match, applied
from reverse_etl.decisions.matching_case import Case
from reverse_etl.decisions.matching_habits import likely_sets
from reverse_etl.decisions.matching_sums import pairs_among

__all__ = ["ranked"]

Floats = npt.NDArray[np.float64]

#: Items in the order of their due dates whose runs are looked at, and the likeliest ones of which
#: every part is.
_RUN_ITEMS_MAX = 160
_LIKELY_MAX = 12
_FOUND_MAX = 4
#: Up to so many items pairs and triples are worth a look where a person decides.
_TRIPLE_ITEMS_MAX = 300
#: How often payments differ from what they pay (natural logarithm of the share of payments): a
#: usual discount, a round fee, less for a reason, more by mistake.
_DISCOUNT, _FEE, _SHORT, _OVER = log(0.02), log(0.02), log(0.06), log(0.014)
_SHORT_PERCENT, _OVER_PERCENT = 25, 15
#: How often a reference too much stands in a text; up to so many are left out, and sets shown.
_STRAY, _STRAY_MAX, _STRAY_SHOWN = log(0.03), 2, 2


def ranked(case: Case, limit: int) -> list[Match]:
    """The sets worth showing, at most ``limit``."""
    found: dict[frozenset[str], Match] = {}
    suggested = sorted(case.suggestions, key=lambda one: _order(case, one))
    for match in (*suggested, *_less_stray(case), *_fallbacks(case), *_likely(case)):
        items = frozenset(item.item_id for item in match.items)
        if items and sum(line.units for line in match.lines) == case.receipt.units:
            found.setdefault(items, match)
    return list(found.values())[:limit]


def _order(case: Case, match: Match) -> tuple[float, float, float, list[str]]:
    """Surest first; twins as the payer's habit has them, then by due dates near the receipt.

    Where the text names nothing each set is as good as another until the habit is asked. Ids come
    last, so that the order of input says nothing.
    """
    ids = [item.item_id for item in match.items]
    inside = case.positions_of(match.items)
    score = round(case.habit.score(inside), 3)
    if not (case.named or case.choices) and match.lines[-1].item is None:
        score += _DISCOUNT
    sure = match.confidence if case.named or case.choices else 0.0
    return -sure, -score, float(np.abs(case.delays[inside]).mean()) if inside else 0.0, ids


def _everything(case: Case) -> list[int]:
    """All that the text names, a choice as its first option."""
    foreign = set(case.foreign)
    options = [choice.options[0] for choice in case.choices if choice.token not in foreign]
    return list(dict.fromkeys([*case.named, *(p for option in options for p in option)]))


def _less_stray(case: Case) -> list[Match]:
    """What the text names but for one or two, where all of it is beyond what payments differ by."""
    everything = _everything(case)
    sets = [
        [place for place in everything if place not in out]
        for count in range(min(_STRAY_MAX + 1, len(everything)))
        for out in combinations(everything, count)
    ]
    fit = _difference(case, np.array([case.total(places) for places in sets], dtype=np.int64))
    if not sets or np.isfinite(fit[0]):
        return []
    value = fit + _STRAY * np.array([len(everything) - len(places) for places in sets])
    best = [n for n in np.argsort(-value, kind="stable").tolist() if np.isfinite(value[n])]
    why = "what the text names but for what seems to be stray"
    return [_match(case, "less_stray", sets[n], 0.4, why) for n in best[:_STRAY_SHOWN]]


def _fallbacks(case: Case) -> list[Match]:
    """What the text names as it stands, and items of another customer with just the amount."""
    found = []
    places = list(case.named)
    everything = _everything(case)
    for chosen, confidence in ((everything, 0.4), (places, 0.3)):
        if chosen:
            found.append(_match(case, "named_items", chosen, confidence, "what the text names"))
    others = [
        case.item(place)
        for token in case.foreign
        for place in token.places
        if case.item(place).is_open_on(case.receipt.received_date)
        and case.item(place).currency_code == case.receipt.currency_code
    ]
    if others and sum(item.units for item in others) == case.receipt.units:
        found.append(Match("foreign_items", applied(others), 0.3, "items of another customer"))
    return found


@dataclass(frozen=True, slots=True)
class _Sets:
    """Many sets of items at once: sum, habit's score, and how to say which items they are."""

    totals: Numbers
    scores: Floats
    first: Numbers
    last: Numbers


def _likely(case: Case) -> Iterator[Match]:
    """What is named and what the payer is likely to pay besides, whatever the difference."""
    base = tuple(case.named)
    others = case.outside(base)
    if len(others) == 0:
        return
    likely = others[np.argsort(-case.habit.odds[others], kind="stable")][:_LIKELY_MAX]
    runs = others[:_RUN_ITEMS_MAX]
    found: list[tuple[float, tuple[int, ...]]] = []
    for sets, items in ((_runs(case, runs), runs), (_parts(case, likely), likely)):
        totals = sets.totals + case.total(base)
        near = _near(case, totals)
        value = sets.scores[near] + _difference(case, totals[near])
        for place in np.argsort(-value, kind="stable")[:_FOUND_MAX].tolist():
            if np.isfinite(value[place]):
                index = int(near[place])
                start, end = int(sets.first[index]), int(sets.last[index])
                chosen = range(start, end) if start >= 0 else _bits(end)
                positions = tuple(items[list(chosen)].tolist())
                found.append((float(value[place]), positions))
    found += _exact(case, base)
    found.sort(key=lambda pair: (-pair[0], pair[1]))
    for value_found, positions in found:
        places = [*base, *case.pool[list(positions)].tolist()]
        confidence = round(0.3 * exp(min(value_found - found[0][0], 0.0)), 4)
        why = "what this payer is likely to pay now"
        yield _match(case, "likely_items", places, confidence, why)


def _exact(case: Case, base: tuple[int, ...]) -> list[tuple[float, tuple[int, ...]]]:
    """Sets of any sort that leave nothing over, the likeliest: their score and what they add."""
    sets = likely_sets(case, frozenset(base), triple_items_max=_TRIPLE_ITEMS_MAX)
    added = [tuple(case.positions(places.difference(base))) for places in sets]
    found = [(case.habit.score(positions), positions) for positions in added]
    return sorted(found, key=lambda pair: (-pair[0], pair[1]))[:_FOUND_MAX]


def _runs(case: Case, positions: Numbers) -> _Sets:
    """Every run of neighbours in due-date order."""
    totals = np.concatenate(([0], np.cumsum(case.units[positions])))
    scores = np.concatenate(([0.0], np.cumsum(case.habit.odds[positions])))
    first, last = pairs_among(len(totals))
    return _Sets(totals[last] - totals[first], scores[last] - scores[first], first, last)


def _parts(case: Case, positions: Numbers) -> _Sets:
    """Every part of a few items; ``first`` is -1 and ``last`` says which, bit by bit."""
    totals, scores = np.zeros(1, dtype=np.int64), np.zeros(1)
    for position in positions.tolist():
        totals = np.concatenate((totals, totals + case.units[position]))
        scores = np.concatenate((scores, scores + case.habit.odds[position]))
    last = np.arange(len(totals), dtype=np.int64)
    return _Sets(totals[1:], scores[1:], np.full(len(totals) - 1, -1), last[1:])


def _bits(number: int) -> list[int]:
    return [place for place in range(number.bit_length()) if number >> place & 1]


def _near(case: Case, totals: Numbers) -> Numbers:
    """Sums that a payment could differ from at all: by half, or by a fee."""
    reach = np.abs(totals) // 2 + case.policy.fee_limit(case.receipt.currency_code)
    return np.flatnonzero(np.abs(totals - case.receipt.units) <= reach)


def _difference(case: Case, totals: Numbers) -> Floats:
    """Natural logarithm of how likely sums are paid with just this receipt; minus infinity: not."""
    missing = totals - case.receipt.units
    coins = np.maximum(np.abs(totals) // case.minor, 1)
    value = np.full(len(totals), -np.inf)
    is_short = (missing > 0) & (missing * 100 <= totals * _SHORT_PERCENT)
    is_over = (missing < 0) & (-missing * 100 <= totals * _OVER_PERCENT)
    value[is_short] = _SHORT - np.log(coins[is_short] * _SHORT_PERCENT / 100)
    value[is_over] = _OVER - np.log(coins[is_over] * _OVER_PERCENT / 100)
    fee_max = case.policy.fee_limit(case.receipt.currency_code)
    step = case.policy.fee_step * case.minor
    is_fee = (missing > 0) & (missing <= fee_max) & (missing % step == 0)
    value[is_fee] = _FEE - log(max(fee_max // step, 1))
    for percent in case.policy.discount_percents:
        off = np.abs((totals * float(percent) / 100) - missing)
        value[(missing > 0) & (off <= 2 * case.minor)] = _DISCOUNT - log(4)
    value[missing == 0] = 0.0
    return value


def _match(case: Case, stage: str, places: list[int], confidence: float, why: str) -> Match:
    """A set, and what it leaves of the receipt or what is missing."""
    lines = list(applied(case.items(places)))
    rest = case.receipt.units - sum(line.units for line in lines)
    if rest:
        lines.append(Line(None, "on_account" if rest > 0 else "deduction", rest))
    return Match(stage, tuple(lines), confidence, why)
