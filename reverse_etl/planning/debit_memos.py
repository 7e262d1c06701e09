"""A person asks a customer to pay something beside its invoices: one command, one open item.

A charge for a returned payment, a discount that was taken and not granted, freight that was left
out: the ERP gets a debit under the number that the customer will quote, and reads back like every
open item, so that aging, CRM and cash application see it. One number is asked for once: the same
again is the same command. While unsent it is taken back when the number appears in the ERP.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import duckdb

from ingestion.common.errors import InputRefused
from ingestion.common.money import canonical_text
from reverse_etl.ledger.commands import Command
from reverse_etl.ledger.plan import Unfinished
from reverse_etl.planning.asked import Asked, asked_command, asked_object
from reverse_etl.planning.governance import Governance

__all__ = ["OBJECT", "RULE", "NewDebitMemo", "debit_memo_command", "debit_memo_id", "problem_now"]

OBJECT = "debit_memos"
RULE = "debit_memo"
REFERENCE_LENGTH = 16
_TEXT_LENGTH = 50


@dataclass(frozen=True, slots=True)
class NewDebitMemo:
    """What a person says. ``reference`` is the number the customer will quote."""

    amount: Decimal
    currency_code: str
    reason_code: str
    text: str
    reference: str
    invoice_number: str | None = None
    due_date: date | None = None
    """None: due at once."""


def debit_memo_id(system_id: str, company_code: str, customer: str, reference: str) -> str:
    """The business key: one number of one customer in one company is one debit memo."""
    return f"DM-{system_id}-{company_code}-{customer}-{reference}"


def debit_memo_command(
    account: Mapping[str, Any],
    memo: NewDebitMemo,
    governance: Governance,
    *,
    kind: str,
    revision: int,
    by: str,
    is_agreed: bool,
    now: datetime,
) -> Command:
    """The command that debits one customer.

    Args:
        account: a row of ``planning.published.customer_account``.
        memo: what is asked for.
        governance: names the object and the rule that must agree.
        kind: the ERP's kind.
        revision: one more than what was withdrawn or reversed under this number.
        by: who asks.
        is_agreed: whether the policy lets it go without another person.
        now: the instant.

    Raises:
        InputRefused: the hub writes no debit memos to this kind, or a value does not fit.
    """
    target = asked_object(governance, kind, OBJECT)
    _check(memo, account["as_of_date"])
    day = account["as_of_date"].isoformat()
    system_id, customer = str(account["system_id"]), str(account["customer"])
    key = debit_memo_id(system_id, str(account["company_code"]), customer, memo.reference)
    asked = Asked(
        system_id=system_id,
        kind=kind,
        key=key,
        correlation_id=f"dbm-{memo.reference}",
        values={
            "company_code": account["company_code"],
            "customer": customer,
            "amount": canonical_text(memo.amount),
            "currency_code": memo.currency_code,
            "posting_date": day,
            "document_date": day,
            "due_date": memo.due_date.isoformat() if memo.due_date else day,
            "document_reference": memo.reference,
            "invoice_number": memo.invoice_number,
            "reason_code": memo.reason_code,
            "item_text": memo.text,
        },
        customer_id=str(account["customer_id"]),
        customer_name=str(account["customer_name"] or ""),
        is_agreed=is_agreed,
    )
    return asked_command(asked, target, revision=revision, by=by, now=now)


def _check(memo: NewDebitMemo, today: date) -> None:
    problems = (
        (memo.amount <= 0, "amount", f"{memo.amount} is not above zero"),
        (
            not memo.reference or len(memo.reference) > REFERENCE_LENGTH,
            "reference",
            f"{memo.reference!r} must have 1 to {REFERENCE_LENGTH} characters",
        ),
        (
            not memo.text or len(memo.text) > _TEXT_LENGTH,
            "text",
            f"must have 1 to {_TEXT_LENGTH} characters",
        ),
        (
            memo.due_date is not None and memo.due_date < today,
            "due",
            f"{memo.due_date} lies before {today}, the day it would be posted",
        ),
    )
    for is_wrong, where, text in problems:
        if is_wrong:
            raise InputRefused(
                f"--{where}: {text}; nothing was recorded", code="bad_value", where=where
            )


def problem_now(connection: duckdb.DuckDBPyConnection, system_id: str, memo: Unfinished) -> str:
    """Why a recorded debit memo should not go out any more; empty when it may.

    Args:
        connection: the warehouse, built on what the ERPs hold now.
        system_id: the ERP.
        memo: the command.
    """
    found = connection.execute(
        "select items.item_key from marts.fct_open_items as items"
        " where items.system_id = $1 and concat_ws("
        "'-', 'DM', items.system_id, items.company_code, items.customer, items.invoice_number"
        ") = $2",
        [system_id, memo.business_key],
    ).fetchone()
    return f"the ERP holds an item of that number already ({found[0]})" if found else ""
