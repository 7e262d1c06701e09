"""Payments with their remittance lines, as 820 and 823 both write them (BPR, TRN, RMR, ADX).

``RMR04`` is what is paid, ``RMR05`` the original, ``RMR06`` the discount; ``ADX`` adjusts the line
it follows, or the payment where none came before it. Senders differ in the sign of ADX and in
whether RMR04 is before or after it: the sum that must be BPR02 tells which.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

from ingestion.bank_files.remittances import (
    ReferenceKind,
    Remittance,
    RemittanceLine,
    adds_up,
    gross_lines,
)
from ingestion.bank_files.x12.segments import Segment
from ingestion.common.errors import InputRefused
from ingestion.common.money import parse_amount

__all__ = ["amount", "day", "payments"]

_KINDS = {
    "IV": ReferenceKind.INVOICE,
    "IN": ReferenceKind.INVOICE,
    "OI": ReferenceKind.INVOICE,
    "PO": ReferenceKind.PURCHASE_ORDER,
    "CM": ReferenceKind.CREDIT_MEMO,
    "CR": ReferenceKind.OTHER,
    "CN": ReferenceKind.CREDIT_MEMO,
    "BM": ReferenceKind.DELIVERY,
    "SI": ReferenceKind.DELIVERY,
    "DO": ReferenceKind.DELIVERY,
    "DJ": ReferenceKind.DELIVERY,
    "PK": ReferenceKind.DELIVERY,
}


@dataclass(slots=True)
class _Payment:
    """A payment as its segments come in."""

    amount: Decimal
    payer_account: str
    payment_date: date | None
    trace: str = ""
    check_number: str = ""
    payer_name: str = ""
    lines: list[RemittanceLine] = field(default_factory=list)


def payments(segments: Iterable[Segment], currency_code: str, where: str) -> list[Remittance]:
    """Every payment of a transaction set (or of a part of one) with its lines.

    Args:
        segments: from the first BPR on.
        currency_code: until a CUR segment names another.
        where: for messages.

    Raises:
        InputRefused: an amount or date is none.
    """
    found: list[_Payment] = []
    for one in segments:
        if one.name == "CUR":
            currency_code = one[2] or currency_code
        elif one.name == "BPR":
            found.append(_payment(one, currency_code, where))
        elif found:
            _add(one, found[-1], currency_code, where)
    return [_finished(one, currency_code) for one in found]


def _payment(one: Segment, currency_code: str, where: str) -> _Payment:
    total = amount(one[2], currency_code, where)
    account = "/".join(part for part in (one[7], one[9]) if part)
    return _Payment(-total if one[3] == "D" else total, account, day(one[16], where))


def _add(one: Segment, payment: _Payment, currency_code: str, where: str) -> None:
    match one.name:
        case "TRN":
            payment.trace = payment.trace or one[2]
        case "REF" if one[1] in ("CK", "CKN"):
            payment.check_number = one[2]
        case "REF" if one[1] in ("TN", "ZZ", "EF") and not payment.trace:
            payment.trace = one[2]
        case "N1" if one[1] in ("PR", "PE6", "RM", "RE") and not payment.payer_name:
            payment.payer_name = one[2]
        case "DTM" if payment.payment_date is None:
            payment.payment_date = day(one[2], where)
        case "RMR":
            payment.lines.append(_line(one, currency_code, where))
        case "REF" if one[1] == "PO" and payment.lines and not payment.lines[-1].reference:
            payment.lines[-1] = replace(
                payment.lines[-1],
                reference=one[2],
                reference_kind=ReferenceKind.PURCHASE_ORDER,
            )
        case "ADX":
            _adjust(one, payment, currency_code, where)
        case "ENT" | "BAT":
            pass


def _line(one: Segment, currency_code: str, where: str) -> RemittanceLine:
    kind = _KINDS.get(one[1], ReferenceKind.OTHER)
    original = amount(one[5], currency_code, where) if one[5] else None
    discount = amount(one[6], currency_code, where) if one[6] else Decimal(0)
    due = (original or Decimal(0)) - discount
    paid = amount(one[4], currency_code, where) if one[4] else due
    if kind is ReferenceKind.CREDIT_MEMO:
        paid = -abs(paid)
    return RemittanceLine(one[2], kind, paid, original, discount)


def _adjust(one: Segment, payment: _Payment, currency_code: str, where: str) -> None:
    """The last line's adjustment, or a line of its own where there is none or it has one."""
    kept_back = -amount(one[1], currency_code, where)
    words = " ".join(part for part in (one[3], one[4]) if part)
    last = payment.lines[-1] if payment.lines else None
    if last is None or not last.reference or last.adjustment_code:
        payment.lines.append(
            RemittanceLine(
                "",
                ReferenceKind.OTHER,
                Decimal(0),
                adjustment_amount=kept_back,
                adjustment_code=one[2],
                adjustment_text=words,
            )
        )
        return
    payment.lines[-1] = replace(
        last, adjustment_amount=kept_back, adjustment_code=one[2], adjustment_text=words
    )


def _finished(payment: _Payment, currency_code: str) -> Remittance:
    return Remittance(
        trace_reference=payment.trace or payment.check_number,
        payer_name=payment.payer_name,
        payer_account=payment.payer_account,
        payment_amount=payment.amount,
        currency_code=currency_code,
        payment_date=payment.payment_date,
        lines=_signed(payment.lines, payment.amount),
    )


def _signed(lines: Sequence[RemittanceLine], total: Decimal) -> tuple[RemittanceLine, ...]:
    """Lines that add up, with adjustments of either sign; as written where neither does."""
    turned = tuple(_turned(one) for one in lines)
    for several in (tuple(lines), turned):
        if adds_up(several, total):
            return several
    # Amounts paid are after adjustments, so the sum says nothing of a sign: the original does.
    return gross_lines([_turned(one) if _is_turned(one) else one for one in lines], total)


def _turned(line: RemittanceLine) -> RemittanceLine:
    return replace(line, adjustment_amount=-line.adjustment_amount)


def _is_turned(line: RemittanceLine) -> bool:
    """True where the original amount shows that the adjustment's sign means the opposite."""
    if line.amount_original is None:
        return False
    missing = line.amount_original - line.discount_amount - line.amount_paid
    return bool(missing) and missing == -line.adjustment_amount


def amount(text: str, currency_code: str, where: str) -> Decimal:
    """An X12 amount: a decimal number with a point. Raises InputRefused."""
    return parse_amount(text, currency_code, where=where)


def day(text: str, where: str) -> date | None:
    """A date as CCYYMMDD or YYMMDD; None for no text.

    Raises:
        InputRefused: it is no date.
    """
    if not text:
        return None
    full = f"20{text}" if len(text) == 6 else text
    try:
        return date(int(full[:4]), int(full[4:6]), int(full[6:8]))
    except ValueError:
        raise InputRefused(
            f"{where}: {text!r} is not a date: ask the sender for a correct file",
            code="bad_date",
            where=where,
        ) from None
