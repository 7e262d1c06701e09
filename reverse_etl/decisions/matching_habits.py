"""Sets with just the amount, weighed by the payer's habit (domain §C1: due dates carry the yield).

Two questions are asked of a set before it is applied, both with a bound. Is it far likelier than
every other set with the amount, twins and discounted runs included? And is it far likelier that
the payer paid this set than that some payment came to the amount by accident? The second is the
coincidence bound with the payer's own chances in the place of the number of sets searched: a run
that a payer always clears whole proves itself with any number of items.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import exp, log

import numpy as np

from reverse_etl.decisions.cash_ledger import Numbers
from reverse_etl.decisions.matching_case import Case
from reverse_etl.decisions.matching_discounts import is_like_discount
from reverse_etl.decisions.matching_sums import changes, sets_of, subsets

__all__ = ["Weighed", "likely_sets", "proven", "weighed"]

Places = frozenset[int]

#: Items that a payer is likeliest to pay now: every part of so many of them is looked at.
_LIKELY_MAX = 16
#: An item less likely than this (odds, natural logarithm) is in no part that is looked at.
_LIKELY_ODDS = -5.0
#: Items whose place in or out of the likeliest set is tried to be changed.
_CHANGED_MAX = 120
_SETS_MAX = 30
#: So many payments that a full history lacks ask for one more power of e.
_SCARCE_PAYMENTS = 5


@dataclass(frozen=True, slots=True)
class Weighed:
    """The likeliest set.

    Attributes:
        places: the set.
        lead: natural logarithm of how much likelier it is than all the others together.
        proof: the same against an accident.
        payments: from how many payments the habit was learned.
    """

    places: Places
    lead: float
    proof: float
    payments: int

    def is_sure(self, case: Case) -> bool:
        """Whether it may be applied."""
        policy = case.policy
        # Who was seen seldom may yet show another habit: so much more must be against the others.
        scarce = max(policy.habit_payments_full - self.payments, 0) / _SCARCE_PAYMENTS
        return (
            self.payments >= policy.habit_payments_min
            and self.lead >= float(policy.habit_lead_min) + scarce
            and self.proof >= policy.habit_proof_min
        )


def proven(case: Case, best: Weighed | None, sets: Collection[Places]) -> Weighed | None:
    """The likeliest set if it is the only one, sure by the habit, and no discount in disguise.

    A habit does not choose between several: one payment in some ten thousand is unusual just where
    a twin is usual.
    """
    if best is None or len(sets) > 1 or not best.is_sure(case):
        return None
    return None if is_like_discount(case, best.places) else best


def weighed(
    case: Case,
    sets: Collection[Places],
    base: Places = frozenset(),
    others: Mapping[Places, float] | None = None,
    nothing: float | None = None,
) -> Weighed | None:
    """The likeliest of several sets that explain a receipt; nothing where there are none.

    Args:
        case: the receipt.
        sets: each with just the amount.
        base: what the text names: it is in every set and proves nothing.
        others: sets that explain the amount in another way, with how much less likely (natural
            logarithm) that way is by itself.
        nothing: how likely it is that nothing of what is open is paid, where that explains it too.
    """
    if not sets:
        return None
    habit = case.habit
    scores = {one: habit.score(case.positions(one - base)) for one in sets}
    best = min(scores, key=lambda one: (-scores[one], sorted(one)))
    against = [score for one, score in scores.items() if one != best]
    against += [
        habit.score(case.positions(one - base)) + less
        for one, less in (others or {}).items()
        if one != best
    ]
    against += [] if nothing is None else [nothing]
    lead = scores[best] - _log_sum(against)
    rest = max(abs(case.receipt.units - case.total(tuple(base))), case.minor)
    inside = case.positions(base)
    none = habit.none + float(np.log1p(np.exp(habit.odds[inside])).sum())
    proof = scores[best] + none + log(max(rest / case.step_of(rest), 1.0))
    return Weighed(best, lead, proof, habit.payments)


def _log_sum(values: Sequence[float]) -> float:
    if not values:
        return -50.0
    top = max(values)
    return max(top + log(sum(exp(value - top) for value in values)), -50.0)


def likely_sets(
    case: Case, base: Places = frozenset(), *, triple_items_max: int | None = None
) -> dict[Places, str]:
    """Sets of the payer's open items with the amount that is left beside ``base``, and how found.

    Singles, runs, pairs and triples as ever; every part of the items that are likeliest now; and
    the likeliest set of all with up to three items changed. Every set holds the base.
    ``triple_items_max``: among so many items triples are searched, else as many as the policy says.
    """
    target = case.receipt.units - case.total(tuple(base))
    outside = case.outside(base)
    if len(outside) == 0 or target <= 0:
        return {}
    others, units, odds = case.pool[outside], case.units[outside], case.habit.odds[outside]
    found: dict[Places, str] = {}
    most = triple_items_max or case.policy.subset_items_max
    for family, positions in _searched(units, odds, target, most):
        found.setdefault(frozenset(others[list(positions)].tolist()) | base, family)
    for places in list(found):
        for twin in _swapped(case, places, base):
            found.setdefault(twin, "twin")
    return found


def _searched(
    units: Numbers, odds: np.ndarray, target: int, most: int
) -> Iterator[tuple[str, tuple[int, ...]]]:
    known = sets_of(units, target, pair_items_max=4 * most, triple_items_max=most, most=_SETS_MAX)
    for positions, family in known.items():
        yield family, positions
    order = np.argsort(-odds, kind="stable")
    likely = order[odds[order] >= _LIKELY_ODDS][:_LIKELY_MAX]
    for part in subsets(units[likely], target, _SETS_MAX):
        yield "habit", tuple(sorted(likely[list(part)].tolist()))
    is_in = odds > 0
    near = np.argsort(np.abs(odds), kind="stable")[:_CHANGED_MAX]
    signed = np.where(is_in, -units, units)[near]
    for change in changes(signed, target - int(units[is_in].sum()), _SETS_MAX):
        chosen = is_in.copy()
        chosen[near[list(change)]] ^= True
        if chosen.any():
            yield "habit", tuple(np.flatnonzero(chosen).tolist())


def _swapped(case: Case, places: Places, base: Places) -> Iterator[Places]:
    """The set with one item replaced by another of the same amount."""
    for place in places - base:
        for twin in case.by_units.get(case.item(place).units, ())[:_SETS_MAX]:
            if twin not in places:
                yield places - {place} | {twin}
