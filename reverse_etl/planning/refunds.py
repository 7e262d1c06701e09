"""A person asks for money to go back to a customer: one command, which another person must approve.

What goes back is a whole receipt that nothing was applied of, such as a second payment of the same
debt. The command is recorded in the name of who asks, so that the same person cannot approve it.
Cash application leaves the receipt alone from then on; what somebody applied in the ERP meanwhile
takes an unsent refund back. It must not send anything: delivery does.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import duckdb

from ingestion.common.errors import InputRefused
from ingestion.common.money import canonical_text
from reverse_etl.ledger.commands import Command, Value, command_id_of, payload_hash_of
from reverse_etl.ledger.exceptions import BUSINESS, NewException
from reverse_etl.ledger.plan import SUPERSEDABLE, Unfinished
from reverse_etl.ledger.store import Store
from reverse_etl.planning.approvals import posting_verdict
from reverse_etl.planning.governance import Governance

__all__ = ["OBJECT", "refund_command", "withdraw_overtaken"]

OBJECT = "refunds"
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
        receipt: a row of ``planning.published.receipt``.
        governance: names the object and the rule that must agree.
        kind: the ERP's kind.
        revision: one more than what was withdrawn or reversed on this receipt.
        by: who asks.
        reason: why, in words; it stands in the ERP's item.
        now: the instant.

    Raises:
        InputRefused: the receipt stands on no customer, or something of it was applied.
        ConfigError: the kind has no refunds.
    """
    _check(receipt)
    target = governance.object(kind, OBJECT)
    receipt_id, amount = str(receipt["receipt_id"]), canonical_text(receipt["amount"])
    day = receipt["as_of_date"].isoformat()
    payload: dict[str, Value] = {
        "company_code": receipt["company_code"],
        "customer": receipt["customer"],
        "amount": amount,
        "currency_code": receipt["currency_code"],
        "posting_date": day,
        "document_date": day,
        "value_date": day,
        "bank_gl_account": receipt["gl_account"],
        "bank_reference": f"R-{receipt['bank_reference'] or receipt_id}"[:_REFERENCE_LENGTH],
        "item_text": f"Refund: {reason}"[:50],
    }
    verdict = posting_verdict(target, {name: str(value) for name, value in payload.items()})
    subject = {
        "customer_id": receipt["booked_customer_id"],
        "customer_name": receipt["customer_name"],
        "company_code": receipt["company_code"],
        "why": verdict.reason,
    }
    system_id = str(receipt["system_id"])
    return Command(
        command_id=command_id_of(system_id, OBJECT, receipt_id, target.operation, revision),
        correlation_id=str(receipt["correlation_id"]),
        system_id=system_id,
        kind=kind,
        object_name=OBJECT,
        business_key=receipt_id,
        operation=target.operation,
        revision=revision,
        command_class=target.command_class,
        payload=payload,
        payload_hash=payload_hash_of(payload),
        lane=f"{system_id}/{receipt['company_code']}/{receipt['customer']}",
        flow=target.flow,
        planned_at=now,
        priority=target.priority,
        approval_rule=verdict.rule,
        proposed_by=by,
        amount_text=amount,
        currency_code=str(receipt["currency_code"]),
        subject={name: str(text) for name, text in subject.items() if text},
    )


def withdraw_overtaken(
    connection: duckdb.DuckDBPyConnection, store: Store, system_ids: Iterable[str]
) -> int:
    """Take back unsent refunds of receipts that are not whole any more; whoever asked is told.

    Args:
        connection: the warehouse, built on what the ERPs hold now.
        store: the operations database.
        system_ids: the ERPs.

    Returns:
        How many were taken back.
    """
    found = [
        (system_id, one, problem)
        for system_id in system_ids
        for one in store.unfinished(system_id, OBJECT)
        if one.state in SUPERSEDABLE and (problem := _problem_now(connection, one))
    ]
    if found:
        store.record_plan([], supersede=[(one.command_id, problem) for _, one, problem in found])
        store.open_exceptions(
            NewException(
                BUSINESS,
                "refund_overtaken",
                f"the refund of receipt {one.business_key} was taken back: it {problem}",
                is_retryable=False,
                system_id=system_id,
                object_name=OBJECT,
                object_key=one.business_key,
                correlation_id=one.correlation_id,
            )
            for system_id, one, problem in found
        )
    return len(found)


def _problem_now(connection: duckdb.DuckDBPyConnection, refund: Unfinished) -> str:
    rows = connection.execute(
        "select booked_customer_id, is_unidentified, needs_review_reason, amount, amount_unapplied"
        " from marts.fct_receipts where receipt_id = ?",
        [refund.business_key],
    )
    names = [column[0] for column in rows.description]
    row = rows.fetchone()
    return _problem(dict(zip(names, row, strict=True))) if row else "is in no statement any more"


def _problem(receipt: Mapping[str, Any]) -> str:
    """Why a receipt cannot go back; empty when it can."""
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
