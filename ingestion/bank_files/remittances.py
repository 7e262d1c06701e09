"""What a payer says a payment pays, line by line, whatever file it came in.

One rule holds everywhere: the lines' ``amount_paid`` less their ``adjustment_amount`` is the
payment. An adjustment is positive where the payer kept money back and negative where it added
some; a discount is information only, already taken off ``amount_paid``. Lines that break the rule
are kept and reported, and nothing downstream may use them. It must not know any file format.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from enum import StrEnum

from ingestion.bank_files.identity import digest
from ingestion.common.errors import InputRefused
from ingestion.common.money import canonical_text

__all__ = [
    "ReferenceKind",
    "Remittance",
    "RemittanceLine",
    "adds_up",
    "does_not_add_up",
    "gross_lines",
]


class ReferenceKind(StrEnum):
    """What a line's reference names."""

    INVOICE = "invoice"
    PURCHASE_ORDER = "purchase_order"
    CREDIT_MEMO = "credit_memo"
    DELIVERY = "delivery"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class RemittanceLine:
    """One line. Amounts are in the payment's currency; a credit memo's ``amount_paid`` is negative.

    A line without ``reference`` is an adjustment of the whole payment.
    """

    reference: str
    reference_kind: ReferenceKind
    amount_paid: Decimal
    amount_original: Decimal | None = None
    discount_amount: Decimal = Decimal(0)
    adjustment_amount: Decimal = Decimal(0)
    adjustment_code: str = ""
    adjustment_text: str = ""


@dataclass(frozen=True, slots=True)
class Remittance:
    """The advice for one payment. ``trace_reference`` is what travels with the payment."""

    trace_reference: str
    payer_name: str
    payer_account: str
    payment_amount: Decimal
    currency_code: str
    payment_date: date | None
    lines: tuple[RemittanceLine, ...]

    @property
    def remittance_id(self) -> str:
        """Identity: the same advice sent again, in whatever file, is the same."""
        day = self.payment_date.isoformat() if self.payment_date else ""
        return digest(
            "remittance",
            self.trace_reference,
            self.payer_name,
            self.payer_account,
            canonical_text(self.payment_amount),
            self.currency_code,
            day,
        )


def adds_up(lines: Sequence[RemittanceLine], payment_amount: Decimal) -> bool:
    """True where amounts paid less adjustments are the payment."""
    return _total(lines) == payment_amount


def _total(lines: Sequence[RemittanceLine]) -> Decimal:
    return sum((one.amount_paid - one.adjustment_amount for one in lines), Decimal(0))


def gross_lines(
    lines: Sequence[RemittanceLine], payment_amount: Decimal
) -> tuple[RemittanceLine, ...]:
    """Lines whose amounts paid are before adjustments, as the rule wants them.

    Some senders write the amount after a line's own adjustment. Which of the two it is only shows
    in the sum: where the amounts as written add up they stay; where they add up once each line's
    own adjustment is put back, it is put back; otherwise they stay and do not add up.
    """
    if adds_up(lines, payment_amount):
        return tuple(lines)
    put_back = tuple(
        replace(one, amount_paid=one.amount_paid + one.adjustment_amount) if one.reference else one
        for one in lines
    )
    return put_back if adds_up(put_back, payment_amount) else tuple(lines)


def does_not_add_up(remittance: Remittance, where: str) -> InputRefused | None:
    """The warning for lines that are kept and not used; None when they add up."""
    if adds_up(remittance.lines, remittance.payment_amount):
        return None
    return InputRefused(
        f"{where}: remittance {remittance.trace_reference or '(no reference)'} pays "
        f"{remittance.payment_amount} {remittance.currency_code}, its lines less adjustments sum "
        f"to {_total(remittance.lines)}: they are kept and not used; ask the payer for a correct "
        "advice",
        code="remittance_does_not_add_up",
        where=where,
    )
