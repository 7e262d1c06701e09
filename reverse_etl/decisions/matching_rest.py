"""Stages 5, 7 and 8 of domain §B1: the references explain a part, or more than was paid.

What is more than the references must be a unique set of other open items, or it goes on account;
what is less is a deduction only where the remittance itself says so.
"""

from collections.abc import Sequence

from ingestion.common.money import canonical_text
from reverse_etl.decisions.matching import Line, Match, Stop, amount_of, applied
from reverse_etl.decisions.matching_case import Case
from reverse_etl.decisions.matching_discounts import is_like_discount, is_swappable
from reverse_etl.decisions.matching_habits import likely_sets, proven, weighed
from reverse_etl.decisions.matching_references import Reached
from reverse_etl.decisions.matching_sums import explanations, has_twin_outside

__all__ = ["netted", "other_items", "over_paid", "short_paid"]

#: Percent by which a payment may be short without a word: more is no part of the same payment.
_SHORT_PERCENT = 25
#: More readings of the references than this are not worth a search by habit.
_HABIT_READINGS_MAX = 4


def other_items(case: Case, readings: Sequence[Reached]) -> Match | Stop | None:
    """References and the only set of other open items that makes up the rest (stage 5)."""
    answer = _only_rest(case, readings)
    if isinstance(answer, Match):
        return answer
    return _habitual_rest(case, readings) or answer


def _habitual_rest(case: Case, readings: Sequence[Reached]) -> Match | None:
    """References and the only set of other items, where the payer's habit makes it certain.

    A habit does not choose between several: what is paid beside a named item is often just the one
    that is unusual, or the payer would not have paid two.
    """
    if len(readings) > _HABIT_READINGS_MAX or not case.has_habit:
        return None
    sets: dict[frozenset[int], str] = {}
    for one in readings:
        if one.total < case.receipt.units:
            sets |= likely_sets(case, one.places)
    best = weighed(case, sets, frozenset.intersection(*(one.places for one in readings)))
    best = proven(case, best, sets)
    if best is None:
        return None
    items = case.items(tuple(best.places))
    return Match(
        "habit_of_rest", applied(items), 0.95,
        f"only one set of other items explains the rest, and it is paid now by the habit of "
        f"{best.payments} payments; e^{best.proof:.0f} to 1 against an accident",
    )  # fmt: skip


def _only_rest(case: Case, readings: Sequence[Reached]) -> Match | Stop | None:
    found: dict[frozenset[int], tuple[Reached, float, str]] = {}
    twins = False
    for one in readings[: case.policy.readings_max]:
        rest = case.receipt.units - one.total
        if rest <= 0:
            continue
        outside = case.outside(one.places)
        others, units = case.pool[outside], case.units[outside]
        for way in explanations(
            units, rest, case.step_of(rest),
            triple_items_max=case.policy.subset_items_max,
        ):  # fmt: skip
            places = frozenset(others[list(way.positions)].tolist()) | one.places
            twins |= has_twin_outside(units, way.positions)
            found.setdefault(places, (one, way.chance * len(readings), way.family))
    for places, (_one, _chance, family) in found.items():
        case.suggest(
            "references_and_rest", tuple(places), "deduction", 0.8 / len(found),
            f"the references and a {family} of other items",
        )  # fmt: skip
    if not found:
        return None
    if len(found) > 1 or twins:
        return Stop("ambiguous_rest", f"{len(found)} sets of other items explain the rest")
    if any(is_like_discount(case, places) for places in found):
        return Stop("ambiguous_rest", "a credit is just a usual discount on the other items")
    ((places, (one, chance, family)),) = found.items()
    inferred = len(places) - len(one.places)
    hinted = len(case.lost) + case.reading.is_truncated
    is_run = family == "run" and _is_one_run(case, places)
    is_small = (case.receipt.units - one.total) * 100 < (
        case.receipt.units * case.policy.rest_percent_min
    )
    bound = _bound(case, family, is_hinted=bool(hinted))
    is_long = hinted and inferred > case.policy.inferred_items_max
    if chance > bound or is_small or (is_long and not is_run):
        return Stop("coincidence", f"a {family} of {inferred} explains the rest, but not surely")
    items = case.items(tuple(places))
    left = canonical_text(amount_of(case.receipt.units - one.total))
    return Match(
        "references_and_rest", applied(items), 0.96,
        f"{len(one.places)} referenced items, and only {inferred} other open items sum to the "
        f"remaining {left}",
    )  # fmt: skip


def _bound(case: Case, family: str, *, is_hinted: bool) -> float:
    """Accidental hits tolerated in a rest.

    A text that is cut off or cannot be read whole says that something is missing, but not how much:
    three items that happen to fit must be surer than one, or than a run. Where nothing in the text
    says that something is missing the rest may as well be an over-payment, any amount at all: then
    a pair or triple is held to what holds without references.
    """
    if is_hinted:
        return (1 if family == "triple" else 4) * float(case.policy.coincidence_max_rest)
    is_subset = family in {"pair", "triple"}
    policy = case.policy
    return float(policy.coincidence_max_subset if is_subset else policy.coincidence_max_rest)


def netted(case: Case, readings: Sequence[Reached]) -> Match | Stop | None:
    """The references less one open credit that the text does not name (stage 5)."""
    found: dict[frozenset[int], tuple[Reached, int]] = {}
    for one in readings[: case.policy.readings_max]:
        missing = case.receipt.units - one.total
        if missing < 0:
            for credit in case.by_units.get(missing, ()):
                if credit not in one.places:
                    found[one.places | {credit}] = (one, missing)
    for places in found:
        case.suggest("netted", tuple(places), "deduction", 0.8 / len(found), "less an open credit")
    if not found:
        return None
    ((places, (one, missing)),) = list(found.items())[:1]
    credits_open = int((case.units < 0).sum())
    chance = credits_open * len(readings) * case.minor / -missing
    if len(found) > 1 or chance > case.policy.coincidence_max_rest or not case.is_fully_read:
        return Stop("ambiguous_rest", "an open credit explains the difference, but not surely")
    items = case.items(tuple(places))
    less = canonical_text(amount_of(-missing))
    reason = f"{len(one.places)} referenced items less the only open credit of {less}"
    return Match("netted", applied(items), 0.96, reason)


def _is_one_run(case: Case, places: frozenset[int]) -> bool:
    """Whether references and inferred items together are one run in due-date order."""
    inside = case.positions(places)
    return bool(inside[-1] - inside[0] + 1 == len(places))


def over_paid(case: Case, readings: Sequence[Reached]) -> Match | None:
    """Every reference applied and a surplus that is no other item: it goes on account (stage 8)."""
    for one in readings:
        if one.total < case.receipt.units:
            case.suggest("over_payment", tuple(one.places), "deduction", 0.5, "paid too much")
    if len(readings) != 1 or not case.is_fully_read or case.choices:
        return None
    (one,) = readings
    surplus = case.receipt.units - one.total
    if not 0 < surplus * 100 <= one.total * case.policy.over_percent_max:
        return None
    if any(case.item(p).units < 0 for p in one.places) or _may_hide_in_surplus(case, one, surplus):
        # The credit that is named was not taken, or another item was and is not named.
        return None
    items = case.items(tuple(one.places))
    if is_swappable(case, items, surplus):
        # One that is named may be stray: with another in its place nothing is left over.
        return None
    lines = (*applied(items), Line(None, "on_account", surplus))
    return Match(
        "over_payment", lines, 0.96,
        f"every reference is applied; {canonical_text(amount_of(surplus))} more was paid, which "
        "no other open item explains",
    )  # fmt: skip


def _may_hide_in_surplus(case: Case, one: Reached, surplus: int) -> bool:
    """Whether the surplus may be another open item, paid short, or items less a credit."""
    others = [case.item(p).units for p in case.pool.tolist() if p not in one.places]
    reach = surplus * 100 + one.total * _SHORT_PERCENT
    return any(units * (100 - _SHORT_PERCENT) < reach for units in others)


def short_paid(case: Case, readings: Sequence[Reached]) -> Match | None:
    """Less was paid: applied only where the text itself states the deduction (stage 7)."""
    for one in readings:
        if one.total > case.receipt.units:
            case.suggest("short_payment", tuple(one.places), "deduction", 0.75, "paid too little")
    if len(readings) != 1 or not case.is_fully_read or "deduction" not in case.reading.tells:
        return None
    (one,) = readings
    missing = one.total - case.receipt.units
    if missing <= 0 or missing not in case.reading.amounts:
        return None
    items = case.items(tuple(one.places))
    lines = (*applied(items), Line(None, "deduction", -missing))
    return Match(
        "deduction", lines, 0.96,
        f"the text takes {canonical_text(amount_of(missing))} off and names every item",
    )  # fmt: skip
