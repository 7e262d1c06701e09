"""Stage 6 of domain §B1: no references at all; the amount alone must say what is paid.

Only for a payer known by more than its name. Uniqueness is tested on everything the payer has open:
single items, due-date runs, pairs, triples. An equal-amount twin outside a set forbids it.
"""

from collections.abc import Iterable
from decimal import Decimal

import numpy as np

from ingestion.common.money import canonical_text
from reverse_etl.decisions.cash_ledger import Numbers
from reverse_etl.decisions.matching import Line, Match, Stop, applied
from reverse_etl.decisions.matching_case import Case
from reverse_etl.decisions.matching_discounts import is_earned, is_like_discount
from reverse_etl.decisions.matching_habits import likely_sets, proven, weighed
from reverse_etl.decisions.matching_sums import (
    explanations,
    has_twin_outside,
    run_chance,
    runs_between,
)

__all__ = ["amount_alone", "discounted_run"]

#: As many older items may be disputed, or waiting for something, beside twice a run's own length.
_OLDER_MIN = 5

#: How much less likely (natural logarithm) than a payment in full: one less a discount; one in
#: advance that does not say so; one for the second time that the guard does not see.
_DISCOUNT_LESS, _ADVANCE_LESS, _AGAIN_LESS = -3.5, -8.5, -11.0

_FAMILY_STAGE = {
    "single": "exact_amount",
    "run": "due_date_run",
    "pair": "subset",
    "triple": "subset",
}


def amount_alone(case: Case) -> Match | Stop | None:
    """One set only has the amount, by its chance or by the payer's habit."""
    answer = _only_set(case)
    if isinstance(answer, Match):
        return answer
    return _by_habit(case) or answer


def _by_habit(case: Case) -> Match | None:
    """The only set with the amount, where the payer's habit makes it certain."""
    if not case.has_habit:
        return None
    sets = likely_sets(case)
    discounted = {
        frozenset(case.pool[list(run)].tolist()): _DISCOUNT_LESS for run in _discounted_runs(case)
    }
    best = weighed(case, sets, others=discounted)
    if best is not None:
        nothing = _nothing_less(case, tuple(case.positions(best.places)))
        best = weighed(case, sets, others=discounted, nothing=nothing)
    best = proven(case, best, sets)
    if best is None:
        return None
    items = case.items(tuple(best.places))
    return Match(
        "habit", applied(items), 0.96,
        f"only these {len(items)} have the amount, and they are paid now by the habit of "
        f"{best.payments} payments; e^{best.proof:.0f} to 1 against an accident",
    )  # fmt: skip


def _only_set(case: Case) -> Match | Stop | None:
    """One set only of the payer's open items has the amount."""
    units = case.units
    found = explanations(
        units, case.receipt.units, case.step, triple_items_max=case.policy.subset_items_max
    )
    for way in found:
        places = case.pool[list(way.positions)].tolist()
        case.suggest(
            _FAMILY_STAGE[way.family], places, "deduction", round(0.9 / len(found), 4),
            f"a {way.family} of open items has just this amount",
        )  # fmt: skip
    if not found:
        return None
    if len(found) > 1:
        return Stop("ambiguous_amount", f"{len(found)} sets of open items have this amount")
    (way,) = found
    if has_twin_outside(units, way.positions):
        return Stop("ambiguous_amount", "another open item has the amount of one of the set")
    if _has_closed_twin(case, way.positions):
        return Stop(
            "ambiguous_amount", "an item of this amount was paid shortly before, or comes soon"
        )
    places = case.pool[list(way.positions)].tolist()
    if _discounted_runs(case) or is_like_discount(case, places):
        return Stop("ambiguous_amount", "a run of items less a discount has the amount as well")
    if way.family != "run" and _takes_credit(case, places):
        return Stop("coincidence", "a few items less a credit have the amount, but nothing says so")
    if way.family == "run" and _skips_older(way.positions):
        return Stop("coincidence", "the run leaves too many older items open")
    if way.chance > _bound(case, way.family):
        return Stop("coincidence", f"{way.chance:.4f} accidental hits are to be expected")
    items = case.items(places)
    return Match(
        _FAMILY_STAGE[way.family], applied(items), 0.97,
        f"of {len(units)} open items only this {way.family} of {len(items)} has the amount; "
        f"accidental hits to expect: {way.chance:.6f}",
    )  # fmt: skip


def discounted_run(case: Case) -> Match | Stop | None:
    """One run only, less an earned standard discount, has the amount."""
    paid = case.receipt.units
    found = _discounted_runs(case)
    for positions, (percent, _total) in found.items():
        case.suggest(
            "discounted_run", case.pool[list(positions)].tolist(), "discount", 0.7 / len(found),
            f"a run of open items less {canonical_text(percent)} %",
        )  # fmt: skip
    if not found:
        return None
    # Each percentage is another amount to hit, each sum may be a coin off.
    chance = 2 * len(case.policy.discount_percents) * run_chance(case.units, paid, case.step)
    ((positions, (percent, total)),) = list(found.items())[:1]
    items = case.items(case.pool[list(positions)].tolist())
    if (
        len(found) > 1
        or chance > case.policy.coincidence_max_run
        or _skips_older(positions)
        or (paid - total) in case.by_units
        or has_twin_outside(case.units, positions)
        or not all(is_earned(case, item, percent) for item in items)
        or not _is_paid_by_habit(case, positions)
    ):
        return Stop("ambiguous_amount", "a discounted run has the amount, but not surely")
    lines = (*applied(items), Line(None, "discount", paid - total))
    return Match(
        "discounted_run", lines, 0.96,
        f"only this run of {len(items)} less {canonical_text(percent)} % has the amount",
    )  # fmt: skip


def _takes_credit(case: Case, places: Iterable[int]) -> bool:
    """Whether a set takes a credit off: with those every short payment has a set somewhere."""
    return any(case.item(place).units < 0 for place in places)


def _is_paid_by_habit(case: Case, positions: tuple[int, ...]) -> bool:
    """Whether the payer's habit proves a run against an accident, a discount being seldom."""
    if not case.has_habit:
        return False
    best = weighed(case, [frozenset(case.pool[list(positions)].tolist())])
    needed = float(case.policy.habit_proof_min) - _DISCOUNT_LESS
    return best is not None and best.proof >= needed


def _has_closed_twin(case: Case, positions: tuple[int, ...]) -> bool:
    """Whether items that are not open, but near in time, have the amounts of a whole set.

    They may be what is paid: a second time, or in advance.
    """
    days = case.policy.twin_window_days
    closed = case.ledger.payables(case.customers).closed_near(case.receipt.received_date, days)
    return _all_among(case, positions, closed)


def _nothing_less(case: Case, positions: tuple[int, ...]) -> float | None:
    """How likely it is that nothing open is paid, but an item with the amount of a whole set."""
    if not _has_closed_twin(case, positions):
        return None
    later = case.ledger.payables(case.customers).invoiced_after(case.receipt.received_date)
    return _ADVANCE_LESS if _all_among(case, positions, later) else _AGAIN_LESS


def _all_among(case: Case, positions: tuple[int, ...], amounts: Numbers) -> bool:
    """Whether the amount of every item of a set is one of some amounts."""
    return all(
        bool((amounts == units).any()) for units in set(case.units[list(positions)].tolist())
    )


def _bound(case: Case, family: str) -> float:
    """Accidental hits tolerated: few for runs, fewer for subsets or when only a name is known."""
    policy = case.policy
    bound = {"single": policy.coincidence_max, "run": policy.coincidence_max_run}.get(
        family, policy.coincidence_max_subset
    )
    return float(min(bound, policy.coincidence_max_subset) if case.is_by_name else bound)


def _skips_older(positions: tuple[int, ...]) -> bool:
    """Whether a run passes over many older open items: payers pay what is oldest."""
    return positions[0] > _OLDER_MIN + 2 * len(positions)


def _discounted_runs(case: Case) -> dict[tuple[int, ...], tuple[Decimal, int]]:
    """Runs that less a standard discount have the amount, with the percent and their sum."""
    paid, slack = case.receipt.units, case.minor
    is_debit = case.units > 0
    debits = np.flatnonzero(is_debit)
    found: dict[tuple[int, ...], tuple[Decimal, int]] = {}
    for percent in case.policy.discount_percents:
        factor = 1 - percent / 100
        low, high = int((paid - slack) / factor), int((paid + slack) / factor)
        for run in runs_between(case.units[is_debit], low, high, 8):
            positions = tuple(debits[list(run)].tolist())
            total = int(case.units[list(positions)].sum())
            if abs(int(total * percent / 100) - (total - paid)) <= slack * len(positions) // 2:
                found.setdefault(positions, (percent, total))
    return found
