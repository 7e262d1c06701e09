"""The ERP's books before the loop, as journal entries to be posted through its own protocol.

Invoices, credit memos and the receipts that a clerk or the ERP itself booked. Ids are a function of
the content, so posting the same dataset twice is refused by the ERP instead of doubling it.
"""

import hashlib
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

from reverse_etl.sap_s4hana.messages import DebtorItem, EntryHeader, GlItem, JournalEntry
from sandbox.demo.additions import World
from sandbox.demo.crm import ItemNature, PostedItem
from sandbox.demo.payments import Payment, purchase_order

__all__ = ["entries_of", "posted_item"]

_REVENUE = "41000000"
_NATURES = {"RV": ItemNature.INVOICE, "DZ": ItemNature.PAYMENT}
_BILLING_USER = "BILLING"
_CLERK = "CLERK01"
_BANK_USER = "BANKSTMT"
_PURCHASE_ORDER_LENGTH = 12


def entries_of(world: World) -> Iterator[JournalEntry]:
    """Every posting of the seeded books of one ERP, invoices first, in posting-date order."""
    bank = world.plans[0].bank_gl_account
    for row in world.items.iter_rows(named=True):
        yield _invoice(row)
    for payment in world.payments.payments:
        if payment.booked_by:
            yield _receipt(payment, bank)


def _invoice(row: dict[str, Any]) -> JournalEntry:
    """An invoice (RV), or a credit memo (RG) where the amount is negative."""
    amount: Decimal = row["amount"]
    number: str = row["invoice_number"]
    is_credit = amount < 0
    order = purchase_order(number)
    return JournalEntry(
        entry_id=_entry_id("item", row["company_code"], row["customer"], number),
        header=EntryHeader(
            company_code=row["company_code"],
            document_type="RG" if is_credit else "RV",
            document_date=row["document_date"],
            posting_date=row["posting_date"],
            created_by=_BILLING_USER,
            document_reference=number,
        ),
        currency_code=row["currency_code"],
        debtor_items=(
            DebtorItem(
                customer=row["customer"],
                amount=amount,
                assignment="" if is_credit else order,
                reference_1="" if is_credit else order[:_PURCHASE_ORDER_LENGTH],
                due_base_date=_base_date(row["due_date"], row["net_days"]),
                net_payment_days=row["net_days"],
            ),
        ),
        gl_items=(GlItem(_REVENUE, -amount),),
    )


def _base_date(due_date: date, net_days: int) -> date:
    """From where the ERP counts the net days to arrive at the due date."""
    return date.fromordinal(due_date.toordinal() - net_days)


def _receipt(payment: Payment, bank: str) -> JournalEntry:
    """A receipt on the customer's account, booked without the hub: Reference3 stays empty."""
    user = _CLERK if payment.booked_by == "clerk" else _BANK_USER
    return JournalEntry(
        entry_id=_entry_id("receipt", payment.account, payment.bank_reference),
        header=EntryHeader(
            company_code=payment.company_code,
            document_type="DZ",
            document_date=payment.value_date,
            posting_date=payment.value_date,
            created_by=user,
            document_reference=payment.bank_reference[:16],
        ),
        currency_code=payment.currency_code,
        debtor_items=(
            DebtorItem(
                customer=payment.customer,
                amount=-payment.amount,
                text=f"Payment {payment.payer_name}",
                due_base_date=payment.value_date,
                net_payment_days=0,
            ),
        ),
        gl_items=(GlItem(bank, payment.amount, value_date=payment.value_date),),
    )


def _entry_id(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(("demo", *parts)).encode()).hexdigest()[:32]


def posted_item(
    entry: JournalEntry, key_prefix: str, fiscal_year: str, document: str
) -> PostedItem:
    """What the ERP confirmed of an entry's customer line: always item 001."""
    debtor, header = entry.debtor_items[0], entry.header
    base = debtor.due_base_date or header.document_date
    return PostedItem(
        item_key=f"{key_prefix}-{header.company_code}-{fiscal_year}-{document}-001",
        customer=debtor.customer,
        company_code=header.company_code,
        nature=_NATURES.get(header.document_type, ItemNature.CREDIT_MEMO),
        invoice_number=header.document_reference,
        amount=debtor.amount,
        currency_code=entry.currency_code,
        document_date=header.document_date,
        due_date=date.fromordinal(base.toordinal() + (debtor.net_payment_days or 0)),
    )
