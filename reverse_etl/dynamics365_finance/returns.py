"""What a returned payment opens again: pure, nothing is sent.

Each invoice that the receipt had paid becomes due again under its own number, with its own due
date: what the bank took back of it, and what its settlement had granted beside the cash (discount,
fee), each against the account that bore it. What a credit note had paid of the invoices stays
settled. A receipt that paid nothing is opened as one item under the bank's reference.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ingestion.common.errors import InputRefused
from ingestion.common.money import canonical_text
from reverse_etl.dynamics365_finance.lines import lines_of
from reverse_etl.dynamics365_finance.settings import D365Options
from reverse_etl.ledger.commands import Value

__all__ = ["Opened", "opened_of"]

ZERO = Decimal(0)
_BANK_FEE = "BANK-FEE"


@dataclass(frozen=True, slots=True)
class Opened:
    """One debit. ``account``: what bears it in place of the bank; empty is the bank.

    ``customer``: whose invoice it is; empty is who had paid.
    """

    number: str
    amount: Decimal
    text: str
    due_date: str = ""
    customer: str = ""
    account: str = ""


def opened_of(
    payload: Mapping[str, Value], amount: Decimal, reference: str, options: D365Options
) -> list[Opened]:
    """The debits of a returned payment.

    Args:
        payload: of the command; ``lines`` says what the receipt had paid.
        amount: what the bank took back.
        reference: the number of what had paid no invoice.
        options: the accounts of discounts and charges.

    Raises:
        InputRefused: lines of another form, or that do not make the amount.
    """
    raw = payload.get("lines")
    if not raw:
        return [Opened(reference, amount, "Returned, was on account")]
    if not isinstance(raw, list) or not all(isinstance(one, dict) for one in raw):
        raise _refused("line_form", "lines is no list of lines")
    lines: list[dict[str, Value]] = [one for one in raw if isinstance(one, dict)]
    named = [one for one in lines if one.get("kind") != "on_account"]
    on_account = sum(
        (Decimal(str(one.get("amount"))) for one in lines if one.get("kind") == "on_account"), ZERO
    )
    cash = _cash_of(named, options)
    if sum(cash, ZERO) + on_account != amount:
        made = canonical_text(sum(cash, ZERO) + on_account)
        raise _refused(
            "not_the_payment", f"the lines open {made}, the bank took {canonical_text(amount)}"
        )
    found = [
        opened
        for one, part in zip(named, cash, strict=True)
        for opened in _opened(one, part, options)
    ]
    if on_account:
        found.append(Opened(reference, on_account, "Returned, was on account"))
    return found


def _cash_of(named: list[dict[str, Value]], options: D365Options) -> list[Decimal]:
    """What cash paid of each line; credits paid the first ones, and stay used."""
    if not named:
        return []
    cash = [line.cash for line in lines_of([*named], options)]
    credits_left = -sum((part for part in cash if part < 0), ZERO)
    left = []
    for part in cash:
        by_credit = min(max(part, ZERO), credits_left)
        credits_left -= by_credit
        left.append(max(part, ZERO) - by_credit)
    return left


def _opened(one: Mapping[str, Value], cash: Decimal, options: D365Options) -> list[Opened]:
    """The debits of one line. Only an invoice was granted anything."""
    number = str(one.get("invoice_number") or one.get("document"))
    due, customer = str(one.get("due_date") or ""), str(one.get("customer") or "")
    found = [Opened(number, cash, f"Returned {number}", due, customer)] if cash else []
    if one.get("discount_amount"):
        back = Decimal(str(one["discount_amount"]))
        text = f"Discount of {number} taken back"
        found.append(Opened(number, back, text, due, customer, options.discount_account))
    differences: Any = one.get("differences") or []
    for difference in differences:
        if difference["kind"] == "fee":
            is_bank_fee = difference.get("reason_code") == _BANK_FEE
            account = options.charges_account if is_bank_fee else options.write_off_account
            text = f"Fee of {number} taken back"
            back = Decimal(str(difference["amount"]))
            found.append(Opened(number, back, text, due, customer, account))
    return found


def _refused(code: str, message: str) -> InputRefused:
    return InputRefused(message, code=code, where="lines")
