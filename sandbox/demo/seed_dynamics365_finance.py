"""Seeds a Dynamics 365 environment through its own protocol: customers, postings, orders.

Everything goes in ``$batch`` with a change set per document, as any system beside the product would
load it; external ids make a second seeding of the same data a refusal. The sandbox's clock goes
along, so that transactions carry the days on which they were entered. Orders come last, on the
as-of date, because the credit check looks at what is open by then. A refusal stops the seeding.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from ingestion.common.errors import LedgerloopError
from ingestion.dynamics365_finance.client import D365Client, Operation
from ingestion.dynamics365_finance.settings import DEFAULT_OPTIONS
from sandbox.demo.additions import World
from sandbox.demo.credit import CreditAccount, LimitKind, Order
from sandbox.demo.crm import ItemNature, PostedItem
from sandbox.demo.dataset import DatasetError
from sandbox.demo.partners import Partner
from sandbox.demo.payments import Payment, purchase_order

__all__ = ["Client", "Say", "SetClock", "seed_dynamics365_finance"]

#: What the seeding opens for this kind.
Client = D365Client

Say = Callable[[str], None]
SetClock = Callable[[date], Awaitable[None]]

KEY_PREFIX = "D365"
_CHANGE_SETS_PER_BATCH = 500
_REVENUE, _BANK = "401100", "OPER-01"
_POLLS_MAX, _POLL_SECONDS = 100, 0.2


@dataclass(frozen=True, slots=True)
class _Posting:
    """One document to make; ``reference`` finds its transaction again."""

    change_set: tuple[Operation, ...]
    day: date
    reference: str
    item: PostedItem


async def seed_dynamics365_finance(
    client: D365Client,
    world: World,
    say: Say,
    set_clock: SetClock,
    *,
    key_prefix: str = KEY_PREFIX,
) -> list[PostedItem]:
    """Fill the environment; its clock stands at the as-of date afterwards.

    Args:
        client: signed in to an empty environment whose legal entities are the world's companies
            (``dataAreaId`` is the company code in small letters).
        world: what it shall hold.
        say: takes a line of progress.
        set_clock: moves the sandbox's clock to a day.
        key_prefix: of the system, for the items' keys.

    Returns:
        Every posted customer item, with the record id that the product gave its transaction.

    Raises:
        DatasetError: the product refused something; its own words are in the message.
    """
    as_of = world.dataset.as_of
    postings = sorted(_postings(world, key_prefix), key=lambda one: one.day)
    await set_clock(postings[0].day if postings else as_of)
    limits = {one.customer: one for one in world.credit.accounts}
    partners = list(world.partners.values())
    customers = [
        (Operation("POST", "CustomersV3", _customer(one, company, limits.get(one.customer))),)
        for one in partners
        for company in sorted(one.companies)
    ]
    await _create(client, customers)
    banks = [
        (Operation("POST", DEFAULT_OPTIONS["bank_accounts_entity"], _bank(one, company)),)
        for one in partners
        if one.is_account_known
        for company in sorted(one.companies)
    ]
    await _create(client, banks)
    say(f"{len(customers)} customers of {len(partners)} partners")
    for start in range(0, len(postings), _CHANGE_SETS_PER_BATCH):
        part = postings[start : start + _CHANGE_SETS_PER_BATCH]
        await set_clock(min(part[-1].day, as_of))
        await _create(client, [one.change_set for one in part])
    await set_clock(as_of)
    posted = await _numbered(client, postings)
    say(f"{len(posted)} transactions")
    orders = [_order(one, number) for number, one in enumerate(world.credit.orders, 1)]
    await _create(client, orders)
    say(f"{len(orders)} sales orders")
    return posted


async def _create(client: D365Client, change_sets: Sequence[Sequence[Operation]]) -> None:
    for start in range(0, len(change_sets), _CHANGE_SETS_PER_BATCH):
        chunk = change_sets[start : start + _CHANGE_SETS_PER_BATCH]
        results = await client.batch(chunk)
        refused = [one for one in results if isinstance(one, LedgerloopError)]
        if refused:
            raise DatasetError(
                f"{chunk[0][0].path}: Dynamics 365 refused {len(refused)} of {len(chunk)}; the "
                f"first: {refused[0].message}",
                code="seeding_refused",
            )


async def _numbered(client: D365Client, postings: Sequence[_Posting]) -> list[PostedItem]:
    """The items with their record ids, once the product has posted them all."""
    entity_set = DEFAULT_OPTIONS["open_transactions_entity"]
    records: dict[tuple[str, str, str], str] = {}
    for _ in range(_POLLS_MAX):
        rows = await client.rows(
            entity_set,
            "IsReversed eq Microsoft.Dynamics.DataEntities.NoYes'No'",
            select=("dataAreaId", "RecId", "AccountNum", "Invoice", "PaymId", "TransType"),
        )
        for row in rows:
            reference = row["PaymId"] if row["TransType"] == "Payment" else row["Invoice"]
            records[row["dataAreaId"], row["AccountNum"], reference] = str(row["RecId"])
        if len(rows) >= len(postings):
            break
        await asyncio.sleep(_POLL_SECONDS)
    found = []
    for one in postings:
        place = (one.item.company_code.lower(), one.item.customer, one.reference)
        if place not in records:
            raise DatasetError(f"{one.reference} was not posted", code="seeding_refused")
        key = one.item.item_key.format(document=records[place])
        found.append(replace(one.item, item_key=key))
    return found


def _customer(partner: Partner, company: str, credit: CreditAccount | None) -> dict[str, Any]:
    """A customer of one company. A limit of zero grants nothing only where it is mandatory."""
    body: dict[str, Any] = {
        "dataAreaId": company.lower(),
        "CustomerAccount": partner.customer,
        "OrganizationName": partner.name[:100],
        "PartyNumber": partner.customer,
        "PaymentTerms": partner.companies[company],
        "TaxExemptNumber": partner.tax_number,
        "AddressStreet": f"{partner.house_number} {partner.street}",
        "AddressCity": partner.city,
        "AddressState": partner.region,
        "AddressZipCode": partner.postal_code,
        "AddressCountryRegionId": partner.country,
    }
    if credit is not None:
        kind = credit.limit.kind
        body["CreditLimit"] = credit.limit.amount
        body["CreditLimitIsMandatory"] = "No" if kind is LimitKind.UNLIMITED else "Yes"
        body["CredManCustUnlimitedCredit"] = "Yes" if kind is LimitKind.UNLIMITED else "No"
        body["OnHoldStatus"] = "Invoice" if credit.block_reason else "No"
        body["CreditRating"] = credit.risk_class
    return body


def _bank(partner: Partner, company: str) -> dict[str, Any]:
    return {
        "dataAreaId": company.lower(),
        "CustomerAccountNumber": partner.customer,
        "BankAccountId": "MAIN",
        "BankName": partner.bank_name,
        "IBAN": partner.account,
    }


def _postings(world: World, key_prefix: str) -> Iterator[_Posting]:
    """Every transaction of the seeded books: items first, then the receipts others booked."""
    for row in world.items.iter_rows(named=True):
        yield _invoice(row, key_prefix)
    for number, payment in enumerate(world.payments.payments, 1):
        if payment.booked_by:
            yield _receipt(payment, number, key_prefix)


def _invoice(row: dict[str, Any], key_prefix: str) -> _Posting:
    """A free text invoice, or a credit note where the amount is negative."""
    amount: Decimal = row["amount"]
    number, day, company = row["invoice_number"], row["posting_date"], row["company_code"]
    external = hashlib.sha256(
        "\x1f".join(("demo", company, row["customer"], number)).encode()
    ).hexdigest()[:20]
    header = {
        "dataAreaId": company.lower(),
        "CustomerAccount": row["customer"],
        "InvoiceId": number,
        "ExternalInvoiceId": external,
        "CurrencyCode": row["currency_code"],
        "InvoiceDate": _noon(day),
        "DocumentDate": _noon(row["document_date"]),
        "DueDate": _noon(row["due_date"]),
        "CustomerReference": "" if amount < 0 else purchase_order(number),
    }
    line = {
        "dataAreaId": company.lower(),
        "ExternalInvoiceId": external,
        "LineNumber": Decimal(1),
        "MainAccountDisplayValue": _REVENUE,
        "TransactionCurrencyAmount": amount,
    }
    item = PostedItem(
        item_key=f"{key_prefix}-{company}-{day.year}-{{document}}-001",
        customer=row["customer"],
        company_code=company,
        nature=ItemNature.CREDIT_MEMO if amount < 0 else ItemNature.INVOICE,
        invoice_number=number,
        amount=amount,
        currency_code=row["currency_code"],
        document_date=row["document_date"],
        due_date=row["due_date"],
    )
    operations = (
        Operation("POST", "FreeTextInvoiceHeaders", header),
        Operation("POST", "FreeTextInvoiceLines", line),
    )
    return _Posting(operations, day, number, item)


def _receipt(payment: Payment, number: int, key_prefix: str) -> _Posting:
    """A customer payment that a clerk or the bank feed booked, not settled with anything."""
    day, company = payment.value_date, payment.company_code
    reference = payment.bank_reference[:20]
    journal = {"dataAreaId": company.lower(), "JournalBatchNumber": f"B{number:08d}"}
    line = {
        **journal,
        "LineNumber": Decimal(1),
        "AccountType": "Cust",
        "AccountDisplayValue": payment.customer.replace("-", "\\-"),
        "CreditAmount": payment.amount,
        "CurrencyCode": payment.currency_code,
        "TransactionDate": _noon(day),
        "TransactionText": f"Payment {payment.payer_name}"[:60],
        "PaymentId": reference,
        "OffsetAccountType": "Bank",
        "OffsetAccountDisplayValue": _BANK.replace("-", "\\-"),
    }
    item = PostedItem(
        item_key=f"{key_prefix}-{company}-{day.year}-{{document}}-001",
        customer=payment.customer,
        company_code=company,
        nature=ItemNature.PAYMENT,
        invoice_number=reference,
        amount=-payment.amount,
        currency_code=payment.currency_code,
        document_date=day,
        due_date=day,
    )
    header = {**journal, "JournalName": "CustPay", "Description": payment.booked_by}
    operations = (
        Operation("POST", "CustomerPaymentJournalHeaders", header),
        Operation("POST", "CustomerPaymentJournalLines", line),
    )
    return _Posting(operations, day, reference, item)


def _order(order: Order, number: int) -> tuple[Operation, ...]:
    company, order_number = order.company_code.lower(), f"SO{number:06d}"
    header = {
        "dataAreaId": company,
        "SalesOrderNumber": order_number,
        "OrderingCustomerAccountNumber": order.customer,
        "InvoiceCustomerAccountNumber": order.customer,
        "CurrencyCode": order.currency_code,
        "RequestedShippingDate": _noon(order.requested_date),
        "CustomersOrderReference": order.purchase_order,
    }
    line = {
        "dataAreaId": company,
        "SalesOrderNumber": order_number,
        "LineAmount": order.amount,
    }
    return (
        Operation("POST", DEFAULT_OPTIONS["orders_entity"], header),
        Operation("POST", DEFAULT_OPTIONS["order_lines_entity"], line),
    )


def _noon(day: date) -> str:
    return f"{day}T12:00:00Z"
