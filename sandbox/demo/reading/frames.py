"""What an ERP holds, in the shape that measuring wants: the same rows for every vendor.

A reader fills these rows from its ERP's own protocol; nothing that counts knows a vendor. Amounts
are signed, debit +. What is open is what the vendor says is open, never worked out from what the
product did. It reads nothing itself.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum
from typing import Any

import polars as pl

from ingestion.common.money import minor_digits

__all__ = [
    "ITEMS",
    "MONEY",
    "Balance",
    "Closing",
    "Credit",
    "ErpBooks",
    "Item",
    "LimitKind",
    "Nature",
    "Order",
    "PayerAccount",
    "closed_by_last",
    "frame_of_rows",
    "items_frame",
    "normal_account",
    "references_of",
]

MONEY = pl.Decimal(28, 6)
ZERO = Decimal(0)


class Nature(StrEnum):
    """What an item is: owed (or a credit against it), a customer's money, or nobody's yet."""

    RECEIVABLE = "receivable"
    PAYMENT = "payment"
    UNIDENTIFIED = "unidentified"


class LimitKind(StrEnum):
    """What a credit limit means; zero never means unlimited by itself."""

    LIMITED = "limited"
    UNLIMITED = "unlimited"
    NONE_GRANTED = "none_granted"


@dataclass(frozen=True, slots=True)
class Closing:
    """That an item is wholly closed.

    Attributes:
        on: the day.
        by: what closed it; the same text for all items that the same thing closed.
        paid_on: the day on which the money came that closed it.
    """

    on: date
    by: str
    paid_on: date


@dataclass(frozen=True, slots=True)
class Item:
    """A customer item, or a receipt that is held as unidentified.

    Attributes:
        document, item: the vendor's ids as the item's key shows them.
        customer: None on an unidentified receipt.
        amount_open: what is left of ``amount``, with its sign.
        amount_company: in the company's own currency.
        references: what a remittance may call it, ``;`` between them.
        bank_reference: the bank's reference of a payment; empty where it has none.
        assignment: the receipt id's beginning, where the hub's booking carries it.
        discount_percent, discount_date: what the terms grant; dates as the item says.
    """

    company_code: str
    document: str
    item: str
    nature: Nature
    customer: str | None
    amount: Decimal
    amount_open: Decimal
    amount_company: Decimal
    company_currency_code: str
    currency_code: str
    posting_date: date
    document_date: date
    due_date: date
    references: str = ""
    bank_reference: str = ""
    assignment: str = ""
    is_reversed: bool = False
    closing: Closing | None = None


#: Columns of the items' frame; ``system_id``, keys and flags are worked out here.
ITEMS = pl.Schema(
    {
        "company_code": pl.String(),
        "fiscal_year": pl.String(),
        "document": pl.String(),
        "item": pl.String(),
        "nature": pl.String(),
        "customer": pl.String(),
        "amount": MONEY,
        "amount_open": MONEY,
        "amount_open_company": MONEY,
        "currency_code": pl.String(),
        "posting_date": pl.Date(),
        "document_date": pl.Date(),
        "due_date": pl.Date(),
        "references": pl.String(),
        "bank_reference": pl.String(),
        "assignment": pl.String(),
        "discount_percent": MONEY,
        "discount_date": pl.Date(),
        "is_reversed": pl.Boolean(),
        "closed_on": pl.Date(),
        "closed_by": pl.String(),
        "paid_on": pl.Date(),
    }
)


@dataclass(frozen=True, slots=True)
class Balance:
    """The general ledger's balance of the receivables account of a company, debit +."""

    company_code: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class PayerAccount:
    """A bank account of the ERP's master data, normalised."""

    customer: str
    account: str


@dataclass(frozen=True, slots=True)
class Credit:
    """A credit account: limit, and the hold that a person or the hub switched on."""

    customer: str
    credit_segment: str
    segment_currency: str
    limit_kind: LimitKind
    limit_amount: Decimal
    is_blocked: bool
    valid_until: date | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """An open sales order; ``other_block`` names what holds it beside credit."""

    sales_order: str
    company_code: str
    customer: str
    requested_date: date | None
    amount: Decimal
    currency_code: str
    is_blocked: bool
    other_block: str = ""


@dataclass(frozen=True, slots=True)
class ErpBooks:
    """What one ERP holds. ``items`` as ``ITEMS``; reversed and closed ones included."""

    items: pl.DataFrame
    balances: Sequence[Balance]
    customers: Sequence[str]
    payers: Sequence[PayerAccount] = ()
    credit: Sequence[Credit] = ()
    orders: Sequence[Order] = field(default=())


_TYPES: Mapping[Any, pl.DataType] = {
    Decimal: MONEY,
    date: pl.Date(),
    date | None: pl.Date(),
    bool: pl.Boolean(),
}


def frame_of_rows(kind: type[Any], system_id: str, rows: Iterable[Any]) -> pl.DataFrame:
    """Dataclass rows as a frame with ``system_id`` before their own columns."""
    columns = {one.name: _TYPES.get(one.type, pl.String()) for one in fields(kind)}
    values = [[system_id, *(getattr(row, name) for name in columns)] for row in rows]
    schema = pl.Schema({"system_id": pl.String(), **columns})
    return pl.DataFrame(values, schema=schema, orient="row")


def items_frame(items: Iterable[Item]) -> pl.DataFrame:
    """Items as a frame; the fiscal year is the posting date's."""
    rows = []
    for one in items:
        closing = one.closing
        rows.append(
            {
                **{name: getattr(one, name) for name in ITEMS if name in Item.__dataclass_fields__},
                "nature": one.nature.value,
                "fiscal_year": str(one.posting_date.year),
                "amount_open_company": _open_company(one),
                "discount_percent": ZERO,
                "discount_date": None,
                "closed_on": closing.on if closing else None,
                "closed_by": closing.by if closing else None,
                "paid_on": closing.paid_on if closing else None,
            }
        )
    return pl.DataFrame(rows, schema=ITEMS)


def _open_company(item: Item) -> Decimal:
    """The open part in the company's currency: its share, exact where all or nothing is open."""
    if item.amount_open == item.amount:
        return item.amount_company
    if not item.amount_open:
        return ZERO
    share = item.amount_company * item.amount_open / item.amount
    digits = minor_digits(item.company_currency_code)
    return share.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN)


def closed_by_last(parts: Iterable[Closing]) -> Closing | None:
    """The closing of an item that parts closed one after the other: the last one closed it."""
    return max(parts, key=lambda one: (one.on, one.by), default=None)


def normal_account(*candidates: str | None) -> str:
    """The first account number that is there, without what people put between characters."""
    given = next((one for one in candidates if one and one.strip()), "")
    return "".join(character for character in given if character.isalnum()).upper()


def references_of(*words: str | None) -> str:
    """What a remittance may call an item, each word once."""
    return ";".join(dict.fromkeys(word.strip() for word in words if word and word.strip()))
