"""``ledgerloop debit-memo``: a charge beside the invoices; one person asks, another agrees."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from ingestion.common.clock import SystemClock
from ingestion.common.config import home_path, load_config
from ingestion.common.errors import InputRefused
from ingestion.common.money import parse_amount
from orchestration.commands.asking import AS_JSON, kind_of, record_asked, say_asked
from orchestration.delivering import modes_of, open_store

__all__ = ["debit_memo"]


@click.command("debit-memo")
@click.argument("customer")
@click.option("--company", required=True, help="Company code or legal entity, such as U001.")
@click.option("--amount", required=True, help="What the customer owes more, such as 35.00.")
@click.option("--currency", required=True, help="ISO code of the amount, such as USD.")
@click.option("--reason", required=True, metavar="CODE", help="Reason code of the policy.")
@click.option("--text", required=True, help="What it is for, at most 50 characters.")
@click.option("--reference", required=True, help="The number the customer will quote, at most 16.")
@click.option("--invoice", metavar="NUMBER", help="The invoice that it concerns.")
@click.option("--due", type=click.DateTime(["%Y-%m-%d"]), help="Due date; else due at once.")
@click.option("--as", "user", required=True, metavar="USER", help="Who asks.")
@AS_JSON
def debit_memo(
    customer: str, company: str, due: datetime | None, user: str, as_json: bool, **said: str | None
) -> None:
    """Ask a customer to pay something beside its invoices: an open item of its own in the ERP.

    It waits for another person (`ledgerloop approve`) unless the policy's [approvals.debit_memo]
    lets it go; the next loop posts it once. The same number again is the same debit memo.

    \b
    ledgerloop debit-memo SAP-0140105686 --company U001 --amount 35.00 --currency USD \\
        --reason BANK-FEE --text "Returned payment" --reference DM-2026-0001 --as anna
    """
    from reverse_etl.planning.asked import is_within
    from reverse_etl.planning.debit_memos import (
        OBJECT,
        RULE,
        NewDebitMemo,
        debit_memo_command,
        debit_memo_id,
    )
    from reverse_etl.planning.governance import load_governance
    from reverse_etl.planning.policy import load_policy
    from reverse_etl.planning.published import group_rates

    config, home = load_config(), home_path()
    policy = load_policy(config.hub.policy or None)
    account = _account(home, customer, company)
    currency_code = str(said["currency"])
    memo = NewDebitMemo(
        amount=_amount(str(said["amount"]), currency_code),
        currency_code=currency_code,
        reason_code=_reason(str(said["reason"]), set(policy.deductions.codes.values())),
        text=str(said["text"]),
        reference=str(said["reference"]),
        invoice_number=said["invoice"],
        due_date=due.date() if due else None,
    )
    system_id = str(account["system_id"])
    key = debit_memo_id(system_id, company, str(account["customer"]), memo.reference)
    modes = modes_of(config, policy)
    with open_store(home) as store:
        _check_numbers(
            home,
            account,
            memo.reference,
            memo.invoice_number,
            is_new=not store.standing(system_id, OBJECT, [key]),
        )
        earlier = store.cumulative_amounts(customer, OBJECT)
        bands = policy.bands(RULE)
        command = debit_memo_command(
            account,
            memo,
            load_governance(),
            kind=kind_of(config, system_id),
            revision=store.posting_revisions(system_id, OBJECT, [key])[key],
            by=user,
            is_agreed=is_within(bands, memo.amount, currency_code, earlier, group_rates(home)),
            now=SystemClock().now(),
        )
        known = store.command(command.command_id)
        if known and _said(known.command.payload) != _said(command.payload):
            raise InputRefused(
                f"{memo.reference} was asked for already with other values: take another number, "
                f"or reject that first (`ledgerloop reject {command.command_id[:12]}`)",
                code="number_taken",
                where="reference",
            )
        recorded, state = record_asked(store, command, modes, user)
    say_asked(recorded, state, as_json=as_json)


def _account(home: Path, customer: str, company: str) -> dict[str, Any]:
    """The customer in the company. Raises InputRefused where there is none."""
    from reverse_etl.planning.published import customer_account

    account = customer_account(home, customer, company)
    if account is None:
        raise InputRefused(
            f"no customer {customer}: customers are named like SAP-0140105686, see "
            "marts.dim_customers",
            code="no_customer",
            where=customer,
        )
    if account["company_code"] is None:
        raise InputRefused(
            f"{customer} is a customer of {account['system_id']}, which has no company {company}: "
            "see its companies in ledgerloop.toml",
            code="no_company",
            where=company,
        )
    return account


def _amount(text: str, currency_code: str) -> Decimal:
    """An amount of a currency. Raises InputRefused for what a person mistyped."""
    try:
        return parse_amount(text, currency_code)
    except InputRefused as refused:
        problem = refused.message.partition(":")[0]
        where = "currency" if refused.code == "unknown_currency" else "amount"
        raise InputRefused(
            f"--{where}: {problem}; nothing was recorded", code=refused.code, where=where
        ) from None


def _reason(code: str, known: set[str]) -> str:
    """A reason code of the policy. Raises InputRefused for any other."""
    if code not in known:
        raise InputRefused(
            f"--reason: {code!r} is none of {', '.join(sorted(known))} (policy.toml "
            "[deductions.codes])",
            code="no_reason",
            where="reason",
        )
    return code


def _check_numbers(
    home: Path, account: dict[str, Any], reference: str, invoice: str | None, *, is_new: bool
) -> None:
    """Raises InputRefused for a number that is taken, or an invoice that the customer has not."""
    from reverse_etl.planning.published import items_numbered

    place = (account["customer_id"], account["company_code"])
    taken = items_numbered(home, *place, reference) if is_new else []
    if taken:
        raise InputRefused(
            f"--reference: {place[0]} has an item of the number {reference} already ({taken[0]}): "
            "take another one",
            code="number_taken",
            where="reference",
        )
    if invoice and not items_numbered(home, *place, invoice):
        raise InputRefused(
            f"--invoice: {place[0]} has no item {invoice} in {place[1]}: see marts.fct_open_items, "
            "or leave it out",
            code="no_invoice",
            where="invoice",
        )


def _said(payload: Mapping[str, Any]) -> dict[str, Any]:
    """What the person said, without the days that follow from when it was said."""
    days = ("posting_date", "document_date", "due_date")
    return {name: value for name, value in payload.items() if name not in days}
