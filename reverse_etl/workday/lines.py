"""The lines of an application: what of the cash goes to which invoice, and what the payer kept.

A line is ``{item_key, fiscal_year, document, item, amount}``; ``document`` is the invoice's Workday
id in capitals. More stands only where it is needed: ``customer`` (another account's invoice),
``kind`` ``partial``, ``discount_amount``, ``differences`` (kind ``fee`` or ``deduction``, reason,
amount). A credit's line is negative and pays the others. A line of kind ``on_account`` has no
invoice: its amount stays on the payment. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from ingestion.common.errors import InputRefused
from ingestion.common.money import parse_amount
from reverse_etl.delivery.writer import Sending
from reverse_etl.ledger.commands import Value
from reverse_etl.workday.forms import needed

__all__ = ["ApplyLine", "lines_of"]

_DISCOUNT = "EARNED-DISC"


@dataclass(frozen=True, slots=True)
class ApplyLine:
    """One invoice. ``cash``: the part of the payment; the rest by reason."""

    invoice: str
    customer: str
    cash: Decimal
    charged_off: tuple[tuple[str, Decimal], ...] = ()
    """Discounts and fees: closed by an adjustment each."""
    deductions: tuple[tuple[str, Decimal], ...] = ()
    """What stays open, disputed."""


def lines_of(sending: Sending) -> list[ApplyLine]:
    """The lines of a command that name an invoice.

    Raises:
        InputRefused: a line of another form, an invoice named twice, or nothing to apply.
    """
    payload = sending.command.payload
    raw = payload.get("lines")
    currency_code = needed(payload.get("currency_code"), "currency_code")
    customer = needed(payload.get("customer"), "customer")
    if not isinstance(raw, list) or not all(isinstance(one, dict) for one in raw):
        raise _refused("lines is no list of lines")
    found = [
        _line(one, currency_code, customer)
        for one in raw
        if isinstance(one, dict) and one.get("kind") != "on_account"
    ]
    if not found:
        raise _refused("no line names an invoice")
    if len({line.invoice for line in found}) != len(found):
        raise _refused("an invoice is named twice")
    return found


def _line(raw: Mapping[str, Value], currency_code: str, customer: str) -> ApplyLine:
    if raw.get("kind") not in (None, "partial"):
        raise _refused(f"kind {raw.get('kind')!r} is unknown")
    amount = parse_amount(needed(raw.get("amount"), "lines"), currency_code, where="lines")
    if not amount:
        raise _refused("a line of nothing")
    charged_off: list[tuple[str, Decimal]] = []
    deductions: list[tuple[str, Decimal]] = []
    if raw.get("discount_amount"):
        charged_off.append((_DISCOUNT, _part(raw["discount_amount"])))
    differences = raw.get("differences")
    for one in differences if isinstance(differences, list) else []:
        if not isinstance(one, dict) or one.get("kind") not in ("fee", "deduction"):
            raise _refused(f"difference {one!r} is unknown")
        place = charged_off if one["kind"] == "fee" else deductions
        place.append((str(one.get("reason_code") or "OTHER"), _part(one.get("amount"))))
    kept = sum((part for _, part in (*charged_off, *deductions)), Decimal(0))
    if kept and kept >= amount:
        raise _refused(f"what is kept ({kept}) leaves nothing of {amount}")
    return ApplyLine(
        needed(raw.get("document"), "lines").lower(),
        str(raw.get("customer") or customer),
        amount - kept,
        tuple(charged_off),
        tuple(deductions),
    )


def _part(value: Value) -> Decimal:
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        raise _refused(f"{value!r} is no amount") from None
    if amount <= 0:
        raise _refused(f"{amount} is not positive")
    return amount


def _refused(words: str) -> InputRefused:
    return InputRefused(words, code="line_form", where="lines")
