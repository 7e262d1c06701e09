"""Receipts and items in a line each, and the rows that were decided: for the tests of cash."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from reverse_etl.decisions.cash import decide_cash
from reverse_etl.planning.policy import Policy

DAY = date(2026, 3, 2)
OURS = "C-100001"
MONEY = pl.Decimal(28, 6)
_RECEIPTS = {
    "receipt_id": pl.String(), "received_date": pl.Date(), "amount": MONEY,
    "currency_code": pl.String(), "payer_account": pl.String(), "payer_name": pl.String(),
    "text": pl.String(), "virtual_account": pl.String(),
}  # fmt: skip
_ITEMS = {
    "item_id": pl.String(), "customer_id": pl.String(), "customer_name": pl.String(),
    "document_date": pl.Date(), "due_date": pl.Date(), "amount_open": MONEY,
    "currency_code": pl.String(), "references": pl.String(), "open_from": pl.Date(),
    "open_until": pl.Date(), "discount_percent": pl.String(), "discount_date": pl.Date(),
}  # fmt: skip


def days(number: int) -> timedelta:
    return timedelta(days=number)


def paid(amount: str, text: str = "", **more: Any) -> dict[str, Any]:
    return {
        "receipt_id": "R1", "received_date": DAY, "amount": Decimal(amount), "currency_code": "USD",
        "payer_account": "ACC1", "payer_name": None, "text": text, "virtual_account": None, **more,
    }  # fmt: skip


def owed(number: str, amount: str, **more: Any) -> dict[str, Any]:
    return {
        "item_id": number.partition(";")[0], "customer_id": OURS, "customer_name": "Corner Shop",
        "document_date": DAY - days(20), "due_date": DAY, "amount_open": Decimal(amount),
        "currency_code": "USD", "references": number, "open_from": None, "open_until": None,
        "discount_percent": None, "discount_date": None, **more,
    }  # fmt: skip


def decide(
    receipts: list[dict[str, Any]],
    items: list[dict[str, Any]],
    *,
    payers: list[dict[str, Any]] | None = None,
    lines: list[dict[str, Any]] | None = None,
    aliases: list[tuple[str, str]] | None = None,
    settled: pl.DataFrame | None = None,
    policy: Policy | None = None,
) -> list[dict[str, Any]]:
    rows = decide_cash(
        pl.DataFrame(receipts, schema=_RECEIPTS),
        pl.DataFrame(items, schema=_ITEMS),
        pl.DataFrame(payers or [{"payer_account": "ACC1", "customer_id": OURS}]),
        pl.DataFrame(aliases, schema=["payer_name", "customer_id"], orient="row")
        if aliases
        else None,
        policy or Policy(),
        remittance_lines=pl.DataFrame(lines) if lines else None,
        settled=settled,
    ).to_dicts()
    amounts = {receipt["receipt_id"]: receipt["amount"] for receipt in receipts}
    for receipt_id, rank in {(row["receipt_id"], row["rank"]) for row in rows}:
        found = [r["amount"] for r in rows if (r["receipt_id"], r["rank"]) == (receipt_id, rank)]
        assert sum(found) == amounts[receipt_id], "every rank sums to the receipt"
    return rows


def applied(rows: list[dict[str, Any]], receipt_id: str = "R1") -> list[str]:
    """Items applied by itself; empty for a proposal."""
    return [
        row["item_id"]
        for row in rows
        if row["receipt_id"] == receipt_id and (row["decision"], row["kind"]) == ("auto", "apply")
    ]


def proposed(rows: list[dict[str, Any]]) -> list[list[str]]:
    """The proposed sets of items in their order, from rank 2."""
    assert rows[0]["kind"] == "on_account"
    assert rows[0]["decision"] in {"proposal", "unidentified"}
    ranks = sorted({row["rank"] for row in rows} - {1})
    return [[r["item_id"] for r in rows if r["rank"] == k and r["kind"] == "apply"] for k in ranks]


def others(rows: list[dict[str, Any]], rank: int = 1) -> list[tuple[str, Decimal]]:
    """Kind and amount of what is no application of an item."""
    return [(r["kind"], r["amount"]) for r in rows if r["rank"] == rank and r["kind"] != "apply"]
