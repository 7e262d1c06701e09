"""The frames around cash application: columns in, typed rows out, and the answer's schema.

Every refusal names the row or column and what to do (InputRefused): a missing column with the
nearest one there is, money that arrived as a float, a date or an amount that cannot be read.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

import polars as pl

from ingestion.common.errors import InputRefused
from reverse_etl.decisions.matching import Item, Receipt

__all__ = [
    "DECISION_SCHEMA",
    "Why",
    "customer_numbers",
    "decision_row",
    "pairs_of",
    "read_items",
    "read_receipts",
]

_COLUMNS: Mapping[str, pl.DataType] = {
    "receipt_id": pl.String(),
    "decision": pl.String(),
    "rank": pl.Int32(),
    "customer_id": pl.String(),
    "item_id": pl.String(),
    "kind": pl.String(),
    "amount": pl.Decimal(28, 6),
    "stage": pl.String(),
    "confidence": pl.Float64(),
    "reason": pl.String(),
    "currency_code": pl.String(),
}

#: Columns of the answer: DESIGN §9, then the receipt's currency, so that no amount stands alone.
DECISION_SCHEMA = pl.Schema(_COLUMNS)

_RECEIPT_COLUMNS = ("receipt_id", "received_date", "amount", "currency_code")
_ITEM_COLUMNS = ("item_id", "customer_id", "amount_open", "currency_code", "references")


@dataclass(frozen=True, slots=True)
class Why:
    """What a decision rests on. ``confidence`` is 0 to 1."""

    stage: str
    confidence: float
    reason: str


def decision_row(
    receipt: Receipt,
    decision: str,
    rank: int,
    customer_id: str,
    item: Item | None,
    amount: Decimal,
    why: Why,
    kind: str = "",
) -> dict[str, Any]:
    """One row of the answer; without an item it is the on-account row."""
    return {
        "receipt_id": receipt.receipt_id,
        "decision": decision,
        "rank": rank,
        "customer_id": customer_id or None,
        "item_id": item.item_id if item else None,
        "kind": kind or ("apply" if item else "on_account"),
        "amount": amount,
        "stage": why.stage,
        "confidence": why.confidence,
        "reason": why.reason,
        "currency_code": receipt.currency_code,
    }


def read_receipts(frame: pl.DataFrame) -> Iterator[Receipt]:
    """The receipts of a frame. Raises InputRefused, see the module."""
    _require(frame, _RECEIPT_COLUMNS, "receipts")
    for row in frame.iter_rows(named=True):
        where = f"receipt {row['receipt_id']}"
        received = _day(row["received_date"], where)
        if received is None:
            raise InputRefused(f"{where} has no received_date", code="missing_date", where=where)
        yield Receipt(
            receipt_id=_text(row, "receipt_id"),
            received_date=received,
            amount=_amount(row["amount"], where),
            currency_code=_text(row, "currency_code"),
            system_id=_text(row, "system_id"),
            company_code=_text(row, "company_code"),
            payer_account=_text(row, "payer_account"),
            payer_name=_text(row, "payer_name"),
            text=_text(row, "text"),
            known_customer_id=_text(row, "known_customer_id"),
        )


def read_items(frame: pl.DataFrame) -> Iterator[Item]:
    """The open items of a frame. Raises InputRefused, see the module."""
    _require(frame, _ITEM_COLUMNS, "open items")
    for row in frame.iter_rows(named=True):
        where = f"item {row['item_id']}"
        yield Item(
            item_id=_text(row, "item_id"),
            customer_id=_text(row, "customer_id"),
            system_id=_text(row, "system_id"),
            company_code=_text(row, "company_code"),
            amount_open=_amount(row["amount_open"], where),
            currency_code=_text(row, "currency_code"),
            document_date=_day(row.get("document_date"), where),
            due_date=_day(row.get("due_date"), where),
            open_from=_day(row.get("open_from"), where),
            open_until=_day(row.get("open_until"), where),
        )


def customer_numbers(frame: pl.DataFrame) -> Iterator[tuple[str, str]]:
    """Every spelling of a customer's number, with the customer.

    The id itself, the ERP's number inside a hub id (``SAP-0140105686``), and ``customer_number``
    where the frame has one.
    """
    columns = ["customer_id", *(c for c in ("customer_number",) if c in frame.columns)]
    for row in frame.select(columns).unique().iter_rows():
        customer_id = "" if row[0] is None else str(row[0])
        for spelling in (customer_id, customer_id.rpartition("-")[2], *row[1:]):
            if spelling:
                yield str(spelling), customer_id


def pairs_of(
    frame: pl.DataFrame | None, left: str, right: str, what: str
) -> Iterator[tuple[str, str]]:
    """Two columns of a frame as text pairs; none where there is no frame."""
    if frame is None:
        return
    _require(frame, (left, right), what)
    for one, other in frame.select(left, right).iter_rows():
        if one is not None and other is not None:
            yield str(one), str(other)


def _require(frame: pl.DataFrame, columns: Sequence[str], what: str) -> None:
    for column in columns:
        if column not in frame.columns:
            near = difflib.get_close_matches(column, frame.columns, n=1, cutoff=0.5)
            hint = f"; is {near[0]!r} meant?" if near else ""
            raise InputRefused(
                f"{what}: no column {column!r}{hint} (found: {', '.join(frame.columns)})",
                code="missing_column",
                where=what,
            )


def _text(row: dict[str, Any], column: str) -> str:
    value = row.get(column)
    return "" if value is None else str(value)


def _day(value: Any, where: str) -> date | None:
    if value is None or value == "":
        return None
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        raise InputRefused(
            f"{where}: {value!r} is not a date; expected YYYY-MM-DD", code="bad_date", where=where
        ) from None


def _amount(value: Any, where: str) -> Decimal:
    if isinstance(value, float):
        raise InputRefused(
            f"{where}: the amount is a binary float; read the column as text or decimal",
            code="float_money",
            where=where,
        )
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite():
        raise InputRefused(f"{where}: {value!r} is not an amount", code="bad_amount", where=where)
    return amount
