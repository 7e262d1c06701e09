"""Stages 1 and 2 of domain §B1: what the text names sums to the amount, read in one way only.

Each stage answers a match, a stop or nothing. Whatever is repaired or left out must make the amount
exact in one way only, and by accident only with a negligible chance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product

from rapidfuzz.distance import OSA

from reverse_etl.decisions.matching import Item, Match, Stop, applied
from reverse_etl.decisions.matching_case import TAIL, Case

__all__ = ["Reached", "exact_sum", "mistyped", "readings_of", "stray", "told"]

_COMBINATIONS_MAX = 4096


@dataclass(frozen=True, slots=True)
class Reached:
    """One way to read all references together: which items, and their sum."""

    places: frozenset[int]
    total: int


def readings_of(case: Case) -> list[Reached] | None:
    """Every way to read the references; None when there are too many to be worth a search."""
    base = frozenset(case.named)
    total = case.total(tuple(base))
    ways = 1
    for choice in case.choices:
        ways *= len(choice.options)
    if ways > _COMBINATIONS_MAX:
        return None
    found: dict[frozenset[int], Reached] = {}
    for picked in product(*(choice.options for choice in case.choices)):
        extra = {p for option in picked for p in option} - base
        places = base | extra
        if places and places not in found:
            found[places] = Reached(places, total + case.total(tuple(extra)))
    return list(found.values())


def exact_sum(case: Case, readings: Sequence[Reached]) -> Match | Stop | None:
    """All references together are the amount (stages 1 and 2)."""
    hits = [r for r in readings if r.total == case.receipt.units]
    if len(hits) > 1:
        hits = _of_one_head(case, hits) or hits
    # One reading is no search: that its sum is the amount is no accident.
    chance = (len(readings) - 1) / case.room
    stage = _stage(case, next(iter(hits), None))
    return _only_one(case, hits, stage, chance, "the references sum to the receipt")


def _of_one_head(case: Case, hits: Sequence[Reached]) -> list[Reached]:
    """The one reading in which numbers cut to their tails begin as those written in full do.

    ``2960525878/526034``: the payer leaves out what repeats. Only where every full number begins
    alike, and the number so made is also the nearest to them; nothing where that is not so.
    """
    full = [t.key for t in case.named.values() if t.key.isdigit()]
    tails = [c for c in case.choices if c.how == TAIL]
    if not full or not tails:
        return []
    meant: set[int] = set()
    for choice in tails:
        numbers = {
            place: int(key)
            for (place,) in choice.options
            for key in case.item(place).references
            if key.endswith(choice.token.raw) and len(key) == len(full[0])
        }
        if len(numbers) != len(choice.options):
            return []
        cut = -len(choice.token.raw)
        alike = [p for p, n in numbers.items() if all(str(n)[:cut] == key[:cut] for key in full)]
        nearest = sorted(numbers, key=lambda p: min(abs(numbers[p] - int(key)) for key in full))
        if len(alike) != 1 or nearest[0] != alike[0]:
            return []
        meant.add(alike[0])
    options = {p for c in tails for (p,) in c.options}
    only = [r for r in hits if r.places & options == meant]
    return only if len(only) == 1 else []


def _stage(case: Case, hit: Reached | None) -> str:
    if case.choices:
        return "normalised_references"
    return "exact_reference" if hit and len(hit.places) == 1 else "sum_of_references"


def stray(case: Case, readings: Sequence[Reached]) -> Match | Stop | None:
    """All but one or two of the references are the amount: the rest is not paid here.

    References that name nothing open (paid already, another customer's) count as left out before.
    """
    hits: dict[frozenset[int], Reached] = {}
    tried = 0
    credits_may_explain = False
    for one in readings:
        missing = one.total - case.receipt.units
        if missing <= 0:
            continue
        credits_may_explain |= -missing in case.by_units
        most = 2 if len(one.places) <= case.policy.stray_pair_items_max else 1
        for count in range(1, min(most, len(one.places) - 1) + 1):
            for left_out in combinations(sorted(one.places), count):
                tried += 1
                if case.total(left_out) == missing:
                    places = one.places - set(left_out)
                    hits.setdefault(places, Reached(places, case.receipt.units))
    if hits and credits_may_explain:
        return Stop("ambiguous_reference", "a credit explains the difference as well")
    return _only_one(
        case, list(hits.values()), "one_of_references", tried / case.room,
        "of the references these alone have the amount",
    )  # fmt: skip


def mistyped(case: Case, readings: Sequence[Reached]) -> Stop | None:
    """An open item is named, but one a character off has the amount: that is a person's."""
    hits: dict[frozenset[int], Reached] = {}
    for one in readings:
        for place, token in case.named.items():
            if place not in one.places or len(token.key) < case.policy.mistyped_length_min:
                continue
            wanted = case.receipt.units - one.total + case.item(place).units
            for other in case.by_units.get(wanted, ()):
                if other not in one.places and _is_near(case.item(other), token.key):
                    places = one.places - {place} | {other}
                    hits[places] = Reached(places, case.receipt.units)
    if not hits:
        return None
    for hit in hits.values():
        case.suggest(
            "mistyped_reference", tuple(hit.places), "deduction", 0.85 / len(hits),
            "another open item, one character off, has the amount",
        )  # fmt: skip
    return Stop("mistyped_reference", "an open item is named, and one a character off fits better")


def _is_near(item: Item, key: str) -> bool:
    return any(OSA.distance(key, reference, score_cutoff=1) <= 1 for reference in item.references)


def _only_one(
    case: Case, hits: Sequence[Reached], stage: str, chance: float, why: str
) -> Match | Stop | None:
    """A match where there is one way only and it is no accident."""
    if not hits:
        return None
    for hit in hits:
        case.suggest(stage, tuple(hit.places), "deduction", 0.9 / len(hits), why)
    if len(hits) > 1:
        return Stop("ambiguous_reference", f"{len(hits)} readings of the references sum up")
    if chance > case.policy.coincidence_max_referenced:
        return Stop("coincidence", f"{chance:.4f} accidental hits are to be expected")
    items = case.items(tuple(hits[0].places))
    return Match(
        stage,
        applied(items),
        0.99 if stage != "mistyped_reference" else 0.98,
        told(case, items, why),
    )


def told(case: Case, items: Sequence[Item], why: str) -> str:
    """Evidence in plain words: what was named, what was repaired and what was left out."""
    parts = [f"{why}: {_names(items)}"]
    parts += [f"{c.token.key} read as {c.how}" for c in case.choices[:3]]
    out = [*case.dead, *case.foreign, *case.lost]
    if out:
        parts.append(f"{', '.join(t.key for t in out[:3])} names nothing open here")
    return "; ".join(parts)


def _names(items: Sequence[Item]) -> str:
    shown = ", ".join(item.item_id for item in items[:4])
    return shown if len(items) <= 4 else f"{shown} and {len(items) - 4} more"
