"""Line-level remittances: the payer says for each reference what was paid and what was taken off.

This is the evidence that allows a deduction by itself (domain §B1, stage 7): every line names one
open item, what was paid, discounted and deducted is just what is open, and all lines are the
receipt. Anything less is left to the other stages or to a person.
"""

from collections.abc import Sequence

from reverse_etl.decisions.matching import Item, Line, Match, RemittanceLine, Stop
from reverse_etl.decisions.matching_case import Case
from reverse_etl.decisions.matching_discounts import is_earned

__all__ = ["by_lines"]


def by_lines(case: Case, lines: Sequence[RemittanceLine]) -> Match | Stop | None:
    """What the lines say, when every one of them fits; nothing where they do not."""
    if not lines or sum(line.paid for line in lines) != case.receipt.units:
        return None
    items = [_item_of(case, line.key) for line in lines]
    found = [item for item in items if item is not None]
    if len(found) != len(lines) or len({item.item_id for item in found}) != len(found):
        return None
    rows: list[Line] = []
    told: list[str] = []
    is_partial = False
    for item, line in zip(found, lines, strict=True):
        taken_off = item.units - line.paid - abs(line.discount)
        if taken_off not in {0, abs(line.adjustment)}:
            is_partial = True
            rows.append(Line(item, "apply", line.paid))
            continue
        rows.append(Line(item, "apply", item.units))
        if line.discount:
            is_granted = _is_granted(case, item, abs(line.discount))
            rows.append(Line(item, "discount" if is_granted else "deduction", -abs(line.discount)))
            if not is_granted:
                told.append(f"{item.item_id} a discount that was not earned")
        if taken_off:
            rows.append(Line(item, "deduction", -taken_off))
            told.append(f"{item.item_id} {line.code} {line.text}".strip())
    return _judged(tuple(rows), told, is_partial=is_partial)


def _judged(rows: tuple[Line, ...], told: Sequence[str], *, is_partial: bool) -> Match | Stop:
    reason = "every line of the remittance names one open item and what was paid for it"
    if told:
        reason += f"; taken off: {', '.join(told[:3])}"
    stage = "remittance_deduction" if told else "remittance_lines"
    match = Match(stage, rows, 0.99, reason)
    if is_partial:
        again = Match("partial_payment", rows, 0.8, "the lines pay a part of what is open")
        return Stop("partial_payment", "a line pays a part of its item only", suggestions=(again,))
    return match


def _is_granted(case: Case, item: Item, discount: int) -> bool:
    """Whether a discount that a line states is one that the terms grant, to the cent and in time.

    Any other is kept back like a deduction: what the payer says of it is all there is.
    """
    own = item.discount_percent
    percents = case.policy.discount_percents if own is None else [own]
    is_usual = any(
        abs(int(item.units * percent / 100) - discount) <= case.minor for percent in percents
    )
    return is_usual and is_earned(case, item)


def _item_of(case: Case, key: str) -> Item | None:
    """The one open item of the payer that carries a line's reference."""
    open_places = set(case.pool.tolist())
    found = [p for p in case.ledger.by_key.get(key, ()) if p in open_places]
    return case.item(found[0]) if len(found) == 1 else None
