"""A person asks for money to go back to a customer: one command, which another person must approve.

What goes back is a whole receipt that nothing was applied of, such as a second payment of the same
debt. The command is recorded in the name of who asks, so that the same person cannot approve it.
Cash application leaves the receipt alone from then on. It must not send anything: delivery does.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from ingestion.common.errors import InputRefused
from ingestion.common.money import canonical_text
from reverse_etl.ledger.commands import Command, Value, command_id_of, payload_hash_of
from reverse_etl.planning.approvals import posting_verdict
from reverse_etl.planning.governance import Governance

__all__ = ["OBJECT", "refund_command"]

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


def _check(receipt: Mapping[str, Any]) -> None:
    problem = ""
    if receipt["booked_customer_id"] is None or receipt["is_unidentified"]:
        problem = "stands on no customer's account: say first who paid it (`ledgerloop assign`)"
    elif receipt["needs_review_reason"]:
        problem = f"is in doubt ({receipt['needs_review_reason']}): settle that first"
    elif receipt["amount"] <= Decimal(0) or receipt["amount_unapplied"] != receipt["amount"]:
        left = canonical_text(receipt["amount_unapplied"])
        problem = f"has {left} of {canonical_text(receipt['amount'])} left: only a whole receipt"
        problem += " goes back"
    if problem:
        raise InputRefused(
            f"receipt {receipt['receipt_id']} {problem}; nothing was recorded",
            code="not_refundable",
            where=str(receipt["receipt_id"]),
        )
