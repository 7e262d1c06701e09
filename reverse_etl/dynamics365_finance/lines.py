"""The lines of an application: what each settles, what is discount, written off, or left open.

A line that settles a whole item is ``{item_key, fiscal_year, document, item, amount}``; its
document is the transaction's record id. More stands only where it is needed: ``kind`` ``partial``
with ``open_amount``, ``discount_amount``, ``differences``. A fee is written off; a deduction stays
open on the invoice, where it is disputed. Amounts carry the item's sign. Pure: nothing is sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from ingestion.common.errors import InputRefused
from reverse_etl.dynamics365_finance.settings import D365Options
from reverse_etl.ledger.commands import Value

__all__ = ["ApplicationLine", "lines_of"]

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class ApplicationLine:
    """One item. ``cash`` is what the payment gives; discount and write-offs close more of it."""

    record: int
    cash: Decimal
    discount: Decimal = ZERO
    write_offs: tuple[tuple[str, Decimal], ...] = ()

    @property
    def settled(self) -> Decimal:
        """What of the item is closed by all of it."""
        return self.cash + self.discount + sum((amount for _, amount in self.write_offs), ZERO)

    def native(self) -> dict[str, Any]:
        """The line as the settle action takes it."""
        return {
            "transRecId": self.record,
            "amount": self.cash,
            "cashDiscount": self.discount,
            "writeOffs": [{"reasonCode": code, "amount": a} for code, a in self.write_offs],
        }


def lines_of(raw: Value, options: D365Options) -> tuple[ApplicationLine, ...]:
    """Item lines; what stays on account needs no settlement.

    Raises:
        InputRefused: no lines, a line of an unknown kind or without its item, an amount that does
            not fit, an item named twice.
    """
    if not isinstance(raw, list):
        raise _refused("line_form", "lines is no list")
    found = []
    for one in raw:
        if not isinstance(one, dict):
            raise _refused("line_form", f"{one!r} is no line")
        kind = one.get("kind", "apply")
        if kind == "on_account":
            continue
        if kind not in ("apply", "partial"):
            raise _refused("line_kind", f"lines are apply, partial or on_account, not {kind!r}")
        found.append(_line(one, options))
    if not found:
        raise _refused("no_lines", "there is nothing to settle")
    if len({line.record for line in found}) != len(found):
        raise _refused("named_twice", "an item is named twice")
    return tuple(found)


def _line(one: Mapping[str, Value], options: D365Options) -> ApplicationLine:
    document = str(one.get("document") or "")
    if not document.isdigit():
        raise _refused("no_item", f"document {document!r} is no record id")
    amount, discount = _money(one, "amount"), ZERO
    if one.get("discount_amount"):
        discount = _money(one, "discount_amount")
    kept, write_offs = ZERO, []
    for name, difference in _differences(one.get("differences") or []):
        part = _money(difference, "amount")
        kept += part
        if name == "fee":
            code = options.native_reason(str(difference.get("reason_code") or "OTHER"))
            write_offs.append((code, part))
    cash = amount - discount - kept
    if not cash or (cash > 0) != (amount > 0) or discount < 0 or kept < 0:
        raise _refused("line_amount", f"{amount} less {discount} and {kept} is no payment")
    return ApplicationLine(int(document), cash, discount, tuple(write_offs))


def _differences(raw: Value) -> list[tuple[str, Mapping[str, Value]]]:
    if not isinstance(raw, list):
        raise _refused("line_form", "differences is no list")
    found: list[tuple[str, Mapping[str, Value]]] = []
    for one in raw:
        if not isinstance(one, dict) or one.get("kind") not in ("fee", "deduction"):
            raise _refused("difference_kind", f"{one!r} is neither fee nor deduction")
        found.append((str(one["kind"]), one))
    return found


def _money(one: Mapping[str, Value], name: str) -> Decimal:
    try:
        return Decimal(str(one.get(name)))
    except InvalidOperation:
        raise _refused("line_amount", f"{name} {one.get(name)!r} is no amount") from None


def _refused(code: str, message: str) -> InputRefused:
    return InputRefused(message, code=code, where="lines")
