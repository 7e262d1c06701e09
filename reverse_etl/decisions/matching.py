"""The words of matching: items, receipts, what explains a receipt, and what forbids to go on.

Amounts are whole numbers of a millionth of the currency inside matching (``units``), so that sums
are exact and fast; they leave it as ``Decimal`` again. Nothing here searches or decides.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from ingestion.common.money import MINOR_DIGITS

__all__ = [
    "Earlier",
    "Item",
    "Line",
    "Match",
    "Receipt",
    "RemittanceLine",
    "Stop",
    "amount_of",
    "applied",
    "minor_unit",
    "units_of",
]

_SCALE = 6
_UNIT = Decimal(1).scaleb(-_SCALE)


def units_of(amount: Decimal) -> int:
    """An amount in millionths; more decimals than six are beyond every table of the hub."""
    return int(amount.scaleb(_SCALE))


def amount_of(units: int) -> Decimal:
    """Millionths as an amount."""
    return Decimal(units) * _UNIT


def minor_unit(currency_code: str) -> int:
    """The smallest coin of a currency in millionths; two decimals where the code is unknown."""
    return int(10 ** (_SCALE - MINOR_DIGITS.get(currency_code, 2)))


@dataclass(frozen=True, slots=True)
class Item:
    """One open item; credits have a negative ``amount_open``.

    ``discount_percent`` until ``discount_date`` is what the item's own terms grant; None: unknown.
    """

    item_id: str
    customer_id: str
    system_id: str
    company_code: str
    amount_open: Decimal
    units: int
    currency_code: str
    document_date: date | None
    due_date: date | None
    open_from: date | None
    open_until: date | None
    references: tuple[str, ...] = ()
    discount_percent: Decimal | None = None
    discount_date: date | None = None

    def is_open_on(self, day: date) -> bool:
        """Whether the item may be applied to a receipt of that day."""
        return (self.open_from is None or self.open_from <= day) and (
            self.open_until is None or day <= self.open_until
        )


@dataclass(frozen=True, slots=True)
class Receipt:
    """One receipt to be applied; ``company_code`` is empty when the bank account is unknown."""

    receipt_id: str
    received_date: date
    amount: Decimal
    units: int
    currency_code: str
    system_id: str
    company_code: str
    payer_account: str
    payer_name: str
    text: str
    known_customer_id: str
    virtual_account: str = ""


@dataclass(frozen=True, slots=True)
class Earlier:
    """A receipt that was applied before this run."""

    receipt_id: str
    received_date: date
    units: int
    currency_code: str
    customer_id: str
    text: str


@dataclass(frozen=True, slots=True)
class RemittanceLine:
    """One line of a remittance; amounts in units, ``adjustment`` with the payer's own sign."""

    key: str
    paid: int
    discount: int
    adjustment: int
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """A part of a decision: an item or none, ``kind`` as in the answer, signed units."""

    item: Item | None
    kind: str
    units: int


@dataclass(frozen=True, slots=True)
class Match:
    """What explains a receipt to the cent. ``lines`` sum to the receipt."""

    stage: str
    lines: tuple[Line, ...]
    confidence: float
    reason: str

    @property
    def items(self) -> tuple[Item, ...]:
        """The items applied, each once."""
        return tuple(line.item for line in self.lines if line.item and line.kind == "apply")


@dataclass(frozen=True, slots=True)
class Stop:
    """Nothing may be applied by itself, and why. ``may_suggest``: proposals make sense."""

    stage: str
    reason: str
    may_suggest: bool = True
    suggestions: tuple[Match, ...] = field(default=())


def applied(items: Iterable[Item]) -> tuple[Line, ...]:
    """Items closed wholly."""
    return tuple(Line(item, "apply", item.units) for item in items)
