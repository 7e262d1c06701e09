"""How a receipt pays invoices in Tryton: which lines, and what is still to be done. Pure.

Tryton has two ways to apply: lines that add up to nothing are *reconciled*, and a line may *stand
beside* an invoice (``payment_lines``) and pay a part of it. A line can do only one of them, once.
So a receipt that pays exactly one part, or exactly whole items, is used as it is; for all else an
*allocation* divides it: a move that takes the receipt's amount off the account in one line and
puts it back in one line for each invoice (and one for what stays on account), so that nothing that
is owed changes. What the payer kept as discount or fee goes to its account in the same move.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from ingestion.common.errors import InputRefused
from reverse_etl.tryton.books import amount_of, currency_of

__all__ = [
    "ALLOCATION",
    "ON_ACCOUNT",
    "Due",
    "Kept",
    "Wanted",
    "check_due",
    "is_allocation",
    "lines_in",
    "open_of",
    "wanted_of",
]

ZERO = Decimal(0)
#: Ends the text of a move that divides a receipt; the feeds look for it too.
ALLOCATION = " allocation"
#: The text of its line that pays nothing.
ON_ACCOUNT = "on account"


@dataclass(frozen=True, slots=True)
class Kept:
    """What the payer kept of an invoice and the company gives up: ``discount`` or ``fee``."""

    kind: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Due:
    """One line of an application: so much of that receivable line is paid and given up.

    A deduction is neither: it stays open on the invoice, which is then paid in part.
    """

    line: int
    amount: Decimal
    kept: tuple[Kept, ...] = ()

    @property
    def paid(self) -> Decimal:
        """What of the receipt goes to this line."""
        return self.amount - sum((one.amount for one in self.kept), ZERO)


@dataclass(frozen=True, slots=True)
class Wanted:
    """An application: due lines, and what of the receipt stays on account."""

    due: tuple[Due, ...]
    on_account: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        return sum((one.paid for one in self.due), ZERO) + self.on_account


def is_allocation(move: Mapping[str, Any]) -> bool:
    """Whether a move that names a receipt as its origin divides it."""
    return str(move["description"] or "").endswith(ALLOCATION)


def lines_in(payload: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The payload's lines, as a list or as JSON text.

    Raises:
        InputRefused: neither.
    """
    lines = payload.get("lines")
    if isinstance(lines, str):
        lines = json.loads(lines)
    if not isinstance(lines, list) or not lines:
        raise InputRefused("an application has lines", code="no_lines", where="lines")
    return lines


def _amount(value: Any) -> Decimal:
    try:
        return Decimal(str(value if value is not None else 0))
    except InvalidOperation as error:
        raise InputRefused(
            f"{value!r} is no amount", code="not_an_amount", where="lines"
        ) from error


def wanted_of(payload: Mapping[str, Any]) -> Wanted:
    """What a payload wants.

    Raises:
        InputRefused: a line without a receivable line of Tryton, or with a wrong amount.
    """
    due: list[Due] = []
    on_account = ZERO
    for line in lines_in(payload):
        if line.get("kind") == "on_account":
            on_account += _amount(line.get("amount"))
            continue
        number = str(line.get("item") or "")
        if not number.isdigit():
            raise InputRefused(f"{number!r} is no line of Tryton", code="line_key", where="lines")
        amount, kept = _amount(line.get("amount")), []
        if discount := _amount(line.get("discount_amount")):
            kept.append(Kept("discount", discount))
        for difference in line.get("differences") or ():
            part = _amount(difference.get("amount"))
            if difference.get("kind") == "fee":
                kept.append(Kept("fee", part))
            else:
                amount -= part
        due.append(Due(int(number), amount, tuple(kept)))
    return Wanted(tuple(due), on_account)


def check_due(
    wanted: Wanted, lines: Mapping[int, dict[str, Any]], receipt: dict[str, Any], currency_code: str
) -> None:
    """Whether the lines can be paid by this receipt at all.

    Raises:
        InputRefused: a line is missing, of another account, party or currency, or the amounts do
            not make the receipt.
    """
    for one in wanted.due:
        line = lines.get(one.line)
        if line is None or line["move."]["state"] != "posted":
            raise InputRefused(f"line {one.line} is not there", code="no_such_line", where="lines")
        if (line["account"], line["party"]) != (receipt["account"], receipt["party"]):
            raise InputRefused(
                f"line {one.line} is of another party or account than the receipt",
                code="other_account",
                where="lines",
            )
        if {currency_of(line), currency_of(receipt)} != {currency_code}:
            raise InputRefused(
                f"line {one.line} is not in {currency_code}", code="other_currency", where="lines"
            )
        if one.paid * amount_of(line) <= 0:
            raise InputRefused(
                f"{one.paid} does not pay line {one.line}", code="wrong_sign", where="lines"
            )
    if wanted.total != -amount_of(receipt):
        raise InputRefused(
            f"the lines add up to {wanted.total}, the receipt is {-amount_of(receipt)}",
            code="does_not_add_up",
            where="lines",
        )


def open_of(line: dict[str, Any], beside: Sequence[dict[str, Any]]) -> Decimal:
    """What of a line is open: its amount less what stands beside its invoice unreconciled."""
    return amount_of(line) + sum((amount_of(one) for one in beside), ZERO)
