"""Which of a payer's open items sum to an amount, and how likely that is by accident.

Searched are single items, runs in due-date order, pairs and triples. The coincidence bound (domain
§C1): sets searched, divided by the amounts they could have had, is the number of accidental hits to
expect. A run is one of n²/2, a subset one of 2ⁿ: that is why runs of many items still prove much.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

__all__ = [
    "Explained",
    "changes",
    "coarseness",
    "explanations",
    "has_twin_outside",
    "pairs_among",
    "run_chance",
    "runs_between",
    "sets_of",
    "subsets",
]

_COARSE = (
    10**6, 500_000, 250_000, 10**5, 50_000, 25_000, 10_000, 5_000, 2_500, 1_000, 500, 250, 100, 50,
    25, 10, 5,
)  # fmt: skip
#: Fewer prices than this do not show in which steps they move.
_PRICES_MIN = 5
#: Sums within this part of the target count as near it.
_NEAR = 0.2
#: So many amounts are compared with all others at once sooner than by sorting.
_FEW_CHOSEN = 16


@dataclass(frozen=True, slots=True)
class Explained:
    """One set that sums to the target: ``family`` is how it was found, positions ascend."""

    family: str
    positions: tuple[int, ...]
    chance: float


def coarseness(units: np.ndarray, target: int, minor: int) -> int:
    """The step in which amounts really move, in units: round prices coincide more often.

    The coarsest step that the target and most of the payer's amounts are multiples of.
    """
    if len(units) < _PRICES_MIN:
        return minor * _COARSE[-1]
    for step in _COARSE:
        size = step * minor
        if target % size == 0 and np.mean(units % size == 0) >= 0.6:
            return size
    return minor


def explanations(
    units: np.ndarray, target: int, step: int, *, triple_items_max: int, most: int = 8
) -> list[Explained]:
    """Every set of the families that sums to the target, at most ``most`` of each family.

    Args:
        units: amounts in due-date order.
        target: the sum looked for, positive.
        step: ``coarseness``.
        triple_items_max: above this many items pairs and triples are not searched: they would
            coincide too often to say anything.
        most: enough to know that a solution is not unique.
    """
    small = {"pair_items_max": triple_items_max, "triple_items_max": triple_items_max}
    found = sets_of(units, target, most=most, **small)
    # Amounts as near as a fifth of the target, in the steps in which amounts move.
    room = max(abs(target) * _NEAR * 2 / step, 1.0)
    chance = {family: _HITS_NEAR[family](units, target) / room for family in set(found.values())}
    return [Explained(family, positions, chance[family]) for positions, family in found.items()]


def sets_of(
    units: np.ndarray, target: int, *, pair_items_max: int, triple_items_max: int, most: int
) -> dict[tuple[int, ...], str]:
    """Singles, runs, and among so many items pairs and triples with a sum; and their family."""
    found: dict[tuple[int, ...], str] = {}
    for position in np.flatnonzero(units == target)[:most].tolist():
        found[(position,)] = "single"
    for run in _runs(_sums(units), target, most):
        found.setdefault(run, "run")
    if 2 <= len(units) <= pair_items_max:
        for pair in _pairs(units, target, most):
            found.setdefault(pair, "pair")
    if 2 <= len(units) <= triple_items_max:
        for triple in _triples(units, target, most):
            found.setdefault(triple, "triple")
    return found


def _near(sums: np.ndarray, target: int) -> float:
    """How many sums come as near to the target as counts; at least the one that may hit."""
    return max(float((np.abs(sums - target) <= abs(target) * _NEAR).sum()), 1.0)


def _runs_near(units: np.ndarray, target: int) -> float:
    """How many runs come as near to the target; all of them where credits mix in."""
    sums = _sums(units)
    if bool((np.diff(sums) < 0).any()):
        return len(sums) * len(sums) / 2
    low = np.searchsorted(sums, sums + int(target * (1 - _NEAR)), side="left")
    high = np.searchsorted(sums, sums + int(target * (1 + _NEAR)), side="right")
    return max(float((high - low).sum()), 1.0)


def run_chance(units: np.ndarray, target: int, step: int) -> float:
    """Accidental hits of runs to expect at one amount."""
    return _runs_near(units, target) / max(abs(target) * _NEAR * 2 / step, 1.0)


def _pairs_near(units: np.ndarray, target: int) -> float:
    """How many pairs come as near to the target."""
    return _near(_pair_sums(units, target)[1], target)


def _triples_near(units: np.ndarray, target: int) -> float:
    """How many pairs and triples come as near to the target."""
    positive, pairs = _pair_sums(units, target)
    near = _near(pairs, target)
    if not len(pairs):
        return near
    # Each pair has as many thirds as there are items; about as many of them come as near.
    ordered, reach = np.sort(pairs), int(abs(target) * _NEAR)
    low = np.searchsorted(ordered, target - reach - positive, side="left")
    high = np.searchsorted(ordered, target + reach - positive, side="right")
    return near + max(float((high - low).sum()), 1.0) / 3


def _pair_sums(units: np.ndarray, target: int) -> tuple[np.ndarray, np.ndarray]:
    positive = units[(units > 0) & (units < target)]
    first, second = pairs_among(len(positive))
    return positive, positive[first] + positive[second]


@lru_cache(maxsize=32)
def pairs_among(count: int) -> tuple[np.ndarray, np.ndarray]:
    """The first and the second position of every pair of so many, in order; not to be changed."""
    return np.triu_indices(count, 1)


def _sums(units: np.ndarray) -> np.ndarray:
    """The sum of all amounts before each, and of all."""
    sums = np.zeros(len(units) + 1, dtype=np.int64)
    np.cumsum(units, out=sums[1:])
    return sums


#: Per family: how many of its sets come as near to an amount as counts.
_HITS_NEAR: Mapping[str, Callable[[np.ndarray, int], float]] = {
    "single": _near,
    "run": _runs_near,
    "pair": _pairs_near,
    "triple": _triples_near,
}


def _runs(sums: np.ndarray, target: int, most: int) -> list[tuple[int, ...]]:
    """Runs of two and more neighbours, of the sums before each item."""
    wanted = sums + target
    order = np.argsort(sums, kind="stable")
    ordered = sums[order]
    left = np.searchsorted(ordered, wanted, side="left")
    right = np.searchsorted(ordered, wanted, side="right")
    found: list[tuple[int, ...]] = []
    for start in np.flatnonzero(right > left):
        for end in order[left[start] : right[start]]:
            if end >= start + 2:
                found.append(tuple(range(int(start), int(end))))
                if len(found) >= most:
                    return found
    return found


def runs_between(units: np.ndarray, low: int, high: int, most: int) -> list[tuple[int, ...]]:
    """Runs (one item included) whose sum lies between two amounts; none where credits mix in."""
    if len(units) == 0 or bool((units <= 0).any()):
        return []
    sums = _sums(units)
    left = np.searchsorted(sums, sums + low, side="left")
    right = np.searchsorted(sums, sums + high, side="right")
    found: list[tuple[int, ...]] = []
    for start in np.flatnonzero(right > left):
        for end in range(int(left[start]), int(right[start])):
            found.append(tuple(range(int(start), end)))
            if len(found) >= most:
                return found
    return found


def _pairs(units: np.ndarray, target: int, most: int) -> list[tuple[int, ...]]:
    where: dict[int, list[int]] = {}
    for position, amount in enumerate(units.tolist()):
        where.setdefault(amount, []).append(position)
    found: list[tuple[int, ...]] = []
    for position, amount in enumerate(units.tolist()):
        for other in where.get(target - amount, ()):
            if other > position:
                found.append((position, other))
                if len(found) >= most:
                    return found
    return found


def _triples(units: np.ndarray, target: int, most: int) -> list[tuple[int, ...]]:
    count = len(units)
    if count < 3:
        return []
    first, second = pairs_among(count)
    missing = target - (units[first] + units[second])
    ordered = np.sort(units)
    nearest = np.searchsorted(ordered, missing)
    nearest[nearest == count] = 0
    hits = np.flatnonzero(ordered[nearest] == missing)
    if not len(hits):
        return []
    where: dict[int, list[int]] = {}
    for position, amount in enumerate(units.tolist()):
        where.setdefault(amount, []).append(position)
    found: dict[tuple[int, ...], None] = {}
    for hit in hits.tolist():
        one, two = int(first[hit]), int(second[hit])
        for three in where[int(missing[hit])]:
            if three > two:
                found[one, two, three] = None
                if len(found) >= most:
                    return list(found)
    return list(found)


def subsets(units: np.ndarray, target: int, most: int) -> list[tuple[int, ...]]:
    """Every part of a few items (at most 20 or so) that sums to the target."""
    sums = np.zeros(1, dtype=np.int64)
    for amount in units.tolist():
        sums = np.concatenate((sums, sums + amount))
    hits = np.flatnonzero(sums == target)[:most].tolist()
    return [tuple(i for i in range(len(units)) if hit >> i & 1) for hit in hits if hit]


def changes(units: np.ndarray, target: int, most: int) -> list[tuple[int, ...]]:
    """None, one, two or three of some signed amounts that sum to the target."""
    if target == 0:
        return [()]
    found = [(int(p),) for p in np.flatnonzero(units == target)[:most]]
    return [*found, *_pairs(units, target, most), *_triples(units, target, most)][:most]


def has_twin_outside(units: np.ndarray, chosen: Sequence[int]) -> bool:
    """Whether an item that was not chosen has the amount of one that was."""
    inside = np.zeros(len(units), dtype=bool)
    inside[list(chosen)] = True
    if len(chosen) <= _FEW_CHOSEN:
        return bool((units[inside][:, None] == units[~inside]).any())
    return bool(np.isin(units[inside], units[~inside]).any())
