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
from reverse_etl.decisions.matching import (
    Earlier,
    Item,
    Match,
    Receipt,
    RemittanceLine,
    amount_of,
    units_of,
)
from reverse_etl.decisions.references import normalise

__all__ = [
    "DECISION_SCHEMA",
    "Why",
    "customer_names",
    "customer_numbers",
    "day_of",
    "match_rows",
    "on_account_row",
    "pairs_of",
    "read_earlier",
    "read_items",
    "read_lines",
    "read_receipts",
    "require",
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


def on_account_row(
    receipt: Receipt, decision: str, rank: int, customer_id: str, why: Why
) -> dict[str, Any]:
    """The whole receipt on account, of a customer or of nobody."""
    return _row(receipt, decision, rank, customer_id, None, "on_account", receipt.amount, why)


def match_rows(
    receipt: Receipt, decision: str, rank: int, payer: str, match: Match, confidence: float
) -> Iterator[dict[str, Any]]:
    """The rows of a match: items with their own customer, the rest with the payer."""
    why = Why(match.stage, min(confidence, match.confidence), match.reason)
    for line in match.lines:
        customer = line.item.customer_id if line.item else payer
        item_id = line.item.item_id if line.item else None
        amount = amount_of(line.units)
        yield _row(receipt, decision, rank, customer, item_id, line.kind, amount, why)


def _row(
    receipt: Receipt,
    decision: str,
    rank: int,
    customer_id: str,
    item_id: str | None,
    kind: str,
    amount: Decimal,
    why: Why,
) -> dict[str, Any]:
    return {
        "receipt_id": receipt.receipt_id,
        "decision": decision,
        "rank": rank,
        "customer_id": customer_id or None,
        "item_id": item_id,
        "kind": kind,
        "amount": amount,
        "stage": why.stage,
        "confidence": round(why.confidence, 4),
        "reason": why.reason,
        "currency_code": receipt.currency_code,
    }


def read_receipts(frame: pl.DataFrame) -> Iterator[Receipt]:
    """The receipts of a frame. Raises InputRefused, see the module."""
    require(frame, _RECEIPT_COLUMNS, "receipts")
    for row in frame.iter_rows(named=True):
        where = f"receipt {row['receipt_id']}"
        received = day_of(row["received_date"], where)
        if received is None:
            raise InputRefused(f"{where} has no received_date", code="missing_date", where=where)
        amount = _amount(row["amount"], where)
        yield Receipt(
            receipt_id=_text(row, "receipt_id"),
            received_date=received,
            amount=amount,
            units=units_of(amount),
            currency_code=_text(row, "currency_code"),
            system_id=_text(row, "system_id"),
            company_code=_text(row, "company_code"),
            payer_account=_text(row, "payer_account"),
            payer_name=_text(row, "payer_name"),
            text=_text(row, "text"),
            known_customer_id=_text(row, "known_customer_id"),
            virtual_account=_text(row, "virtual_account"),
        )


def read_items(frame: pl.DataFrame) -> Iterator[Item]:
    """The open items of a frame. Raises InputRefused, see the module."""
    require(frame, _ITEM_COLUMNS, "open items")
    for row in frame.iter_rows(named=True):
        where = f"item {row['item_id']}"
        amount = _amount(row["amount_open"], where)
        percent = row.get("discount_percent")
        spelled = dict.fromkeys(normalise(r) for r in _text(row, "references").split(";"))
        yield Item(
            item_id=_text(row, "item_id"),
            customer_id=_text(row, "customer_id"),
            system_id=_text(row, "system_id"),
            company_code=_text(row, "company_code"),
            amount_open=amount,
            units=units_of(amount),
            currency_code=_text(row, "currency_code"),
            document_date=day_of(row.get("document_date"), where),
            due_date=day_of(row.get("due_date"), where),
            open_from=day_of(row.get("open_from"), where),
            open_until=day_of(row.get("open_until"), where),
            references=tuple(key for key in spelled if key),
            discount_percent=None if percent in (None, "") else _amount(percent, where),
            discount_date=day_of(row.get("discount_date"), where),
        )


def read_lines(frame: pl.DataFrame | None) -> dict[str, list[RemittanceLine]]:
    """Remittance lines by receipt, in their order. Raises InputRefused, see the module."""
    found: dict[str, list[RemittanceLine]] = {}
    if frame is None:
        return found
    require(frame, ("receipt_id", "reference", "amount_paid"), "remittance lines")
    ordered = frame.sort("position", maintain_order=True) if "position" in frame.columns else frame
    for row in ordered.iter_rows(named=True):
        where = f"remittance line of {row['receipt_id']}"
        found.setdefault(_text(row, "receipt_id"), []).append(
            RemittanceLine(
                key=normalise(_text(row, "reference")),
                paid=units_of(_amount(row["amount_paid"], where)),
                discount=_units(row.get("discount_amount"), where),
                adjustment=_units(row.get("adjustment_amount"), where),
                code=_text(row, "adjustment_code"),
                text=_text(row, "adjustment_text"),
            )
        )
    return found


def read_earlier(frame: pl.DataFrame | None) -> Iterator[Earlier]:
    """Receipts applied before this run. Raises InputRefused, see the module."""
    if frame is None:
        return
    require(frame, (*_RECEIPT_COLUMNS, "customer_id"), "earlier receipts")
    for row in frame.iter_rows(named=True):
        where = f"earlier receipt {row['receipt_id']}"
        received = day_of(row["received_date"], where)
        if received is not None:
            yield Earlier(
                receipt_id=_text(row, "receipt_id"),
                received_date=received,
                units=units_of(_amount(row["amount"], where)),
                currency_code=_text(row, "currency_code"),
                customer_id=_text(row, "customer_id"),
                text=_text(row, "text"),
            )


def _units(value: Any, where: str) -> int:
    return 0 if value is None or value == "" else units_of(_amount(value, where))


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


def customer_names(frame: pl.DataFrame) -> Iterator[tuple[str, str]]:
    """Names of customers where the frame has them."""
    if "customer_name" in frame.columns:
        for name, customer in frame.select("customer_name", "customer_id").unique().iter_rows():
            if name is not None and customer is not None:
                yield str(name), str(customer)


def pairs_of(
    frame: pl.DataFrame | None, left: str, right: str, what: str
) -> Iterator[tuple[str, str]]:
    """Two columns of a frame as text pairs; none where there is no frame."""
    if frame is None:
        return
    require(frame, (left, right), what)
    for one, other in frame.select(left, right).iter_rows():
        if one is not None and other is not None:
            yield str(one), str(other)


def require(frame: pl.DataFrame, columns: Sequence[str], what: str) -> None:
    """Refuse a frame that lacks a column, naming the nearest one."""
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


def day_of(value: Any, where: str) -> date | None:
    """A date, an ISO text, or nothing. Raises InputRefused for anything else."""
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
    if isinstance(value, Decimal) and value.is_finite():
        return value
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
