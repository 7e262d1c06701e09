"""Rows and a call in one line each, for the tests of deductions."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from reverse_etl.decisions.deductions import DEDUCTIONS_SCHEMA, decide_deductions
from reverse_etl.decisions.deductions_codes import CodeMap
from reverse_etl.planning.policy import Policy

DAY = date(2026, 3, 2)
AT = datetime(2026, 3, 1, 9, tzinfo=UTC)
MONEY = pl.Decimal(28, 6)
POLICY = Policy.model_validate(
    {
        "deductions": {
            "sla_days": 30,
            "sla_days_by_reason": {"TAX": 10},
            "small_amount_max": "2",
            "codes": {"PR": "PRICE", "054": "FREIGHT"},
            "customer_codes": {"SAP-1": {"PR": "PROMO"}},
        },
        "approvals": {
            "credit_memo": {
                "change_amount_max": "50", "cumulative_12_months_max": "80",
                "second_person_from": "1000", "expires_days": 14,
            },
            "write_off": {
                "change_amount_max": "20", "cumulative_12_months_max": "30",
                "second_person_from": "500",
            },
        },
    }
)  # fmt: skip
RATES = {"USD": Decimal(1), "EUR": Decimal("1.1")}
APPLICATIONS = {
    "receipt_id": pl.String(), "system_id": pl.String(), "company_code": pl.String(),
    "decision": pl.String(), "rank": pl.Int32(), "customer_id": pl.String(),
    "item_key": pl.String(), "kind": pl.String(), "amount": MONEY, "currency_code": pl.String(),
}  # fmt: skip
LINES = {
    "receipt_id": pl.String(), "position": pl.Int64(), "reference": pl.String(),
    "discount_amount": MONEY, "adjustment_amount": MONEY, "adjustment_code": pl.String(),
    "adjustment_text": pl.String(),
}  # fmt: skip
ITEMS = {
    "item_key": pl.String(), "system_id": pl.String(), "company_code": pl.String(),
    "customer_id": pl.String(), "customer": pl.String(), "currency_code": pl.String(),
    "amount_open": MONEY, "references": pl.String(),
}  # fmt: skip
AT_TYPE = pl.Datetime("us", "UTC")
DISPUTES = {
    "dispute_id": pl.String(), "item_key": pl.String(), "receipt_id": pl.String(),
    "system_id": pl.String(), "company_code": pl.String(), "customer_id": pl.String(),
    "customer": pl.String(), "reason_code": pl.String(), "external_code": pl.String(),
    "amount": MONEY, "currency_code": pl.String(), "status": pl.String(), "version": pl.Int32(),
    "verdict": pl.String(), "amount_accepted": MONEY, "decided_by": pl.String(),
    "decided_at": AT_TYPE, "approvals": pl.String(), "opened_at": AT_TYPE, "due_at": AT_TYPE,
    "closed_at": AT_TYPE, "current_item_key": pl.String(), "is_item_unclear": pl.Boolean(),
}  # fmt: skip


def item(key: str = "I1", open_: str = "100", **more: Any) -> dict[str, Any]:
    return {
        "item_key": key, "system_id": "sap", "company_code": "U001", "customer_id": "SAP-1",
        "customer": "1", "currency_code": "USD", "amount_open": Decimal(open_),
        "references": f"INV-{key};{key}", **more,
    }  # fmt: skip


def row(kind: str, amount: str, key: str | None = "I1", **more: Any) -> dict[str, Any]:
    return {
        "receipt_id": "R1", "system_id": "sap", "company_code": "U001", "decision": "auto",
        "rank": 1, "customer_id": "SAP-1", "item_key": key, "kind": kind,
        "amount": Decimal(amount), "currency_code": "USD", **more,
    }  # fmt: skip


def said(amount: str, code: str = "", reference: str = "INV-I1", **more: Any) -> dict[str, Any]:
    return {
        "receipt_id": "R1", "position": 1, "reference": reference,
        "adjustment_amount": Decimal(amount), "adjustment_code": code, "adjustment_text": "",
        **more,
    }  # fmt: skip


def dispute(status: str = "new", amount: str = "30", **more: Any) -> dict[str, Any]:
    values = {
        "dispute_id": "DSP-1", "item_key": "I1", "receipt_id": "R1", "system_id": "sap",
        "company_code": "U001", "customer_id": "SAP-1", "customer": "1", "reason_code": "PRICE",
        "external_code": "PR", "amount": Decimal(amount), "currency_code": "USD",
        "status": status, "version": 0, "verdict": "", "amount_accepted": None, "decided_by": "",
        "decided_at": None, "approvals": "[]", "opened_at": AT, "due_at": AT + timedelta(days=30),
        "closed_at": None, "current_item_key": None, "is_item_unclear": False,
    }  # fmt: skip
    return {**values, **more}


def decided(amount: str = "30", accepted: str | None = None, **more: Any) -> dict[str, Any]:
    """A dispute that ada found valid in its first version."""
    return dispute(
        **{
            "status": "valid", "amount": amount, "version": 1, "verdict": "valid",
            "amount_accepted": Decimal(accepted or amount), "decided_by": "ada", "decided_at": AT,
            **more,
        }
    )  # fmt: skip


def decide(
    applications: list[dict[str, Any]] | None = None,
    lines: list[dict[str, Any]] | None = None,
    items: list[dict[str, Any]] | None = None,
    disputes: list[dict[str, Any]] | None = None,
    *,
    policy: Policy = POLICY,
    posted: tuple[str, ...] = (),
    rates: Mapping[str, Decimal] = RATES,
) -> list[dict[str, Any]]:
    known = pl.DataFrame(disputes or [], schema=pl.Schema(DISPUTES))
    frame = decide_deductions(
        pl.DataFrame(applications or [], schema=pl.Schema(APPLICATIONS)),
        pl.DataFrame(lines or [], schema=pl.Schema(LINES)),
        pl.DataFrame([item()] if items is None else items, schema=pl.Schema(ITEMS)),
        known,
        CodeMap.of(policy.deductions, known),
        policy,
        as_of=DAY,
        rates=rates,
        posted=posted,
    )
    assert frame.schema == DEDUCTIONS_SCHEMA
    return frame.to_dicts()


def brief(rows: list[dict[str, Any]]) -> list[tuple[str, str, Decimal]]:
    return [(one["action"], one["reason_code"], one["amount"]) for one in rows]


def opening(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the operations database holds after these rows were recorded."""
    return [
        dispute(amount=str(one["amount"]), **{
            name: one[name]
            for name in (
                "dispute_id", "item_key", "receipt_id", "customer_id", "customer", "reason_code",
                "external_code", "currency_code", "due_at",
            )
        })
        for one in rows
        if one["action"] == "open_dispute"
    ]  # fmt: skip
