"""Stages 3 and 4 of domain §B1: the references less a cash discount, or less what a bank kept.

A difference is a discount only where a usual or granted percentage gives it to the cent, and a fee
only where it is small and no item can hide behind it. What was not earned is a person's.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal

from ingestion.common.money import canonical_text
from reverse_etl.decisions.matching import Item, Line, Match, Stop, amount_of, applied
from reverse_etl.decisions.matching_case import NEAR, Case
from reverse_etl.decisions.matching_references import Reached, told

__all__ = [
    "discounted",
    "is_earned",
    "is_like_discount",
    "is_swappable",
    "with_discount",
    "with_fee",
]


def with_discount(case: Case, readings: Sequence[Reached]) -> Match | Stop | None:
    """The references less a cash discount that was earned (stage 3)."""
    hits, late = _discounts(case, readings)
    case.suggestions.extend(hits.values())
    for one in late:
        case.suggest("late_discount", tuple(one.places), "deduction", 0.7, "a discount taken late")
    if len(hits) > 1 or (hits and late):
        return Stop("ambiguous_discount", "several readings fit a discount")
    if late:
        return Stop("late_discount", "the difference is a usual discount, but it was not earned")
    chance = len(readings) * 3 * len(case.policy.discount_percents) / case.room
    # In a text that is cut off items are missing: what is named is more than was discounted.
    if not hits or chance > case.policy.coincidence_max_referenced or case.reading.is_truncated:
        return None
    ((places, match),) = hits.items()
    difference = match.lines[-1].units
    if not is_swappable(case, match.items, difference):
        return match
    for credit in case.by_units.get(difference, ()):
        case.suggest("credit", (*places, credit), "deduction", 0.6, "the references and a credit")
    return Stop("ambiguous_discount", "another open item explains the difference as well")


def _discounts(
    case: Case, readings: Sequence[Reached]
) -> tuple[dict[frozenset[int], Match], list[Reached]]:
    """Readings that a discount fits: earned ones as matches, and those that came too late."""
    hits: dict[frozenset[int], Match] = {}
    late: list[Reached] = []
    for one in readings:
        for percent, total in discounted(case, one):
            items = case.items(tuple(one.places))
            if not all(is_earned(case, item, percent) for item in items):
                late.append(one)
                continue
            why = told(case, items, f"the references less {canonical_text(percent)} % discount")
            lines = (*applied(items), Line(None, "discount", case.receipt.units - total))
            hits.setdefault(one.places, Match("discount", lines, 0.98, why))
    return hits, late


def discounted(case: Case, one: Reached) -> Iterator[tuple[Decimal, int]]:
    """Percents whose discount on a sum gives the receipt, rounded per item or once."""
    missing = one.total - case.receipt.units
    if missing <= 0:
        return
    own = {case.item(p).discount_percent for p in one.places}
    slack = case.minor * len(one.places) // 2
    for percent in sorted({p for p in own if p} | set(case.policy.discount_percents)):
        if abs(int(one.total * percent / 100) - missing) <= slack:
            yield percent, one.total


def is_like_discount(case: Case, places: Collection[int]) -> bool:
    """Whether a set takes a credit where a usual discount on its other items would do as well."""
    debits = [units for p in places if (units := case.item(p).units) > 0]
    total, slack = sum(debits), case.minor * max(len(debits) // 2, 1)
    missing = total - case.receipt.units
    return len(debits) < len(places) and any(
        abs(int(total * percent / 100) - missing) <= slack
        for percent in case.policy.discount_percents
    )


def is_earned(case: Case, item: Item, percent: Decimal | None = None) -> bool:
    """Whether a discount on an item may be taken on the receipt's day, with grace.

    Where the item's terms say how much and until when, that counts; else its due date does.
    """
    if percent is not None and item.discount_percent not in {None, percent}:
        return False
    until = item.discount_date or item.due_date
    if until is None:
        return False
    grace = timedelta(days=case.policy.discount_grace_days)
    return case.receipt.received_date <= until + grace


def with_fee(case: Case, readings: Sequence[Reached]) -> Match | Stop | None:
    """The references less what a bank keeps: small in money and in percent (stage 4)."""
    if len(readings) != 1 or not case.is_fully_read:
        return None
    if any(choice.how.startswith(NEAR) for choice in case.choices):
        # Only the amount proves a mistyped number (domain B1), and here it does not agree.
        return None
    (one,) = readings
    missing = one.total - case.receipt.units
    limit = case.policy.fee_limit(case.receipt.currency_code)
    if not 0 < missing <= limit or missing * 100 > one.total * case.policy.fee_percent_max:
        return None
    items = case.items(tuple(one.places))
    if is_swappable(case, items, -missing) or _may_hide_an_item(case, one, missing):
        return None
    if any(0 <= missing - item.units <= limit for item in items):
        # One of them, a small credit above all, may be stray: without it the rest is a fee as well.
        return None
    why = f"the references less {canonical_text(amount_of(missing))} that a bank kept"
    lines = (*applied(items), Line(None, "fee", -missing))
    return Match("fee", lines, 0.97, told(case, items, why))


def _may_hide_an_item(case: Case, one: Reached, missing: int) -> bool:
    """Whether the difference may be an item that the text left out, paid short.

    A bank keeps round fees; where small items are open, a difference that is not round is no fee.
    """
    others = [abs(case.item(p).units) for p in case.pool.tolist() if p not in one.places]
    if any(units <= missing for units in others) or bool((abs(case.units) <= missing).any()):
        return True
    has_small = any(
        units * 100 <= case.policy.small_item_percent * case.receipt.units for units in others
    )
    return has_small and missing % (case.policy.fee_step * case.minor) != 0


def is_swappable(case: Case, items: Sequence[Item], difference: int) -> bool:
    """Whether one more open item, or another in the place of one, would make the sum exact."""
    if difference in case.by_units:
        return True
    inside = {item.item_id for item in items}
    return any(
        case.item(place).item_id not in inside
        for item in items
        for place in case.by_units.get(item.units + difference, ())
    )
