"""A person asks for money to go back to a customer: one command, which another person must approve.

What goes back is a whole receipt that nothing was applied of, such as a second payment of the same
debt. Cash application leaves the receipt alone from then on. What somebody applied in the ERP, or
the bank took back, meanwhile takes an unsent refund back.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import duckdb

from ingestion.common.errors import InputRefused
from ingestion.common.money import canonical_text
from reverse_etl.ledger.commands import Command
from reverse_etl.ledger.plan import Unfinished
from reverse_etl.planning.asked import Asked, asked_command, asked_object
from reverse_etl.planning.governance import Governance

__all__ = ["APPLYING", "OBJECT", "problem_now", "refund_command"]

OBJECT = "refunds"
#: The objects whose commands use a receipt up, of every ERP kind.
APPLYING = ("clearings", "applications")
_REFERENCE_LENGTH = 16


def refund_command(
    receipt: Mapping[str, Any],
    governance: Governance,
    *,
    kind: str,
    revision: int,
    by: str,
    reason: str,
    now: datetime,
) -> Command:
    """The command that gives one receipt back.

    Args:
        receipt: a row of ``planning.published.receipt_row``.
        governance: names the object and the rule that must agree.
        kind: the ERP's kind.
        revision: one more than what was withdrawn or reversed on this receipt.
        by: who asks.
        reason: why, in words; it stands in the ERP's item.
        now: the instant.

    Raises:
        InputRefused: the hub writes no refunds to this kind, the receipt stands on no customer, or
            something of it was applied.
    """
    target = asked_object(governance, kind, OBJECT)
    _check(receipt)
    receipt_id = str(receipt["receipt_id"])
    day = receipt["as_of_date"].isoformat()
    asked = Asked(
        system_id=str(receipt["system_id"]),
        kind=kind,
        key=receipt_id,
        correlation_id=str(receipt["correlation_id"]),
        values={
            "company_code": receipt["company_code"],
            "customer": receipt["customer"],
            "amount": canonical_text(receipt["amount"]),
            "currency_code": receipt["currency_code"],
            "posting_date": day,
            "document_date": day,
            "value_date": day,
            "bank_gl_account": receipt["gl_account"],
            "bank_reference": f"R-{receipt['bank_reference'] or receipt_id}"[:_REFERENCE_LENGTH],
            "item_text": f"Refund: {reason}"[:50],
            "receipt_document": receipt["booked_document"],
            "receipt_key": receipt_id,
        },
        customer_id=str(receipt["booked_customer_id"]),
        customer_name=str(receipt["customer_name"] or ""),
    )
    return asked_command(asked, target, revision=revision, by=by, now=now)


def problem_now(connection: duckdb.DuckDBPyConnection, refund: Unfinished) -> str:
    """Why a recorded refund should not go out any more; empty when it may.

    Args:
        connection: the warehouse, built on what the ERPs hold now.
        refund: the command.
    """
    rows = connection.execute(
        "select booked_customer_id, is_unidentified, needs_review_reason, amount, amount_unapplied,"
        " receipt_id in (select receipt_key from intermediate.int_returned_payments_wanted)"
        " as is_returned from marts.fct_receipts where receipt_id = ?",
        [refund.business_key],
    )
    names = [column[0] for column in rows.description]
    row = rows.fetchone()
    found = _problem(dict(zip(names, row, strict=True))) if row else "is in no statement any more"
    return found and f"its receipt {found}"


def _problem(receipt: Mapping[str, Any]) -> str:
    """Why a receipt cannot go back; empty when it can."""
    if receipt["is_returned"]:
        return "was taken back by the bank already"
    if receipt["booked_customer_id"] is None or receipt["is_unidentified"]:
        return "stands on no customer's account: say first who paid it (`ledgerloop assign`)"
    if receipt["needs_review_reason"]:
        return f"is in doubt ({receipt['needs_review_reason']}): settle that first"
    if receipt["amount"] <= Decimal(0) or receipt["amount_unapplied"] != receipt["amount"]:
        left = canonical_text(receipt["amount_unapplied"])
        whole = canonical_text(receipt["amount"])
        return f"has {left} of {whole} left: only a whole receipt goes back"
    return ""


def _check(receipt: Mapping[str, Any]) -> None:
    problem = _problem(receipt)
    if problem:
        raise InputRefused(
            f"receipt {receipt['receipt_id']} {problem}; nothing was recorded",
            code="not_refundable",
            where=str(receipt["receipt_id"]),
        )
