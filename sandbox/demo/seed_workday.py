"""Seeds a Workday tenant through its own protocol: customers, then postings in their order.

One request per object, as Workday takes them; reference ids with ``Add_Only`` make a second seeding
of the same data a refusal. The sandbox's clock goes along, so that documents carry the days on
which they were entered. The world's orders are left out: Workday has none that a credit check
holds. A refusal stops the seeding.
"""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from lxml import etree

from ingestion.common.errors import LedgerloopError
from ingestion.workday.client import WorkdayClient, add, add_reference, id_of
from sandbox.demo.additions import World
from sandbox.demo.credit import CreditAccount, LimitKind
from sandbox.demo.crm import ItemNature, PostedItem
from sandbox.demo.dataset import DatasetError
from sandbox.demo.partners import Partner
from sandbox.demo.payments import Payment, purchase_order

__all__ = ["Client", "Say", "SetClock", "seed_workday"]

#: What the seeding opens for this kind.
Client = WorkdayClient

Say = Callable[[str], None]
SetClock = Callable[[date], Awaitable[None]]

KEY_PREFIX = "WD"
_TERMS = ("NET_0", "NET_15", "NET_30", "NET_60")


@dataclass(frozen=True, slots=True)
class _Posting:
    """One document to make and the day it is posted."""

    day: date
    content: etree._Element
    item: PostedItem


async def seed_workday(
    client: WorkdayClient,
    world: World,
    say: Say,
    set_clock: SetClock,
    *,
    key_prefix: str = KEY_PREFIX,
) -> list[PostedItem]:
    """Fill the tenant; its clock stands at the as-of date afterwards.

    Args:
        client: signed in to an empty tenant whose companies are the world's.
        world: what it shall hold.
        say: takes a line of progress.
        set_clock: moves the sandbox's clock to a day.
        key_prefix: of the system, for the items' keys.

    Returns:
        Every posted customer item, keyed by the Workday id that it got.

    Raises:
        DatasetError: Workday refused something; its own words are in the message.
    """
    as_of = world.dataset.as_of
    postings = sorted(_postings(client, world), key=lambda one: one.day)
    await set_clock(postings[0].day if postings else as_of)
    limits = {one.customer: one for one in world.credit.accounts}
    for partner in world.partners.values():
        await _made(client, _customer(client, partner, limits.get(partner.customer)))
    say(f"{len(world.partners)} customers")
    posted = []
    today: date | None = None
    for one in postings:
        if one.day != today:
            today = one.day
            await set_clock(min(today, as_of))
        wid = await _made(client, one.content)
        posted.append(_keyed(one.item, wid, key_prefix))
    say(f"{len(posted)} transactions")
    if world.credit.orders:
        say(f"{len(world.credit.orders)} sales orders left out: Workday has none")
    await set_clock(as_of)
    return posted


async def _made(client: WorkdayClient, content: etree._Element) -> str:
    """Send one request; the Workday id of what it made. Raises DatasetError."""
    try:
        response = await client.change(content)
    except LedgerloopError as error:
        raise DatasetError(f"Workday refused: {error.message}", code="seeding_refused") from error
    return id_of(response[0], "WID")


def _keyed(item: PostedItem, wid: str, key_prefix: str) -> PostedItem:
    year = item.document_date.year
    key = f"{key_prefix}-{item.company_code}-{year}-{wid.upper()}-001"
    return PostedItem(
        key, item.customer, item.company_code, item.nature, item.invoice_number,
        item.amount, item.currency_code, item.document_date, item.due_date,
    )  # fmt: skip


def _customer(
    client: WorkdayClient, partner: Partner, credit: CreditAccount | None
) -> etree._Element:
    """A customer with limit, address, bank account and status. No limit is no element."""
    content = client.request("Put_Customer", add_only=True)
    data = add(content, "Customer_Data")
    add(data, "Customer_ID", partner.customer)
    add(data, "Customer_Name", partner.name)
    terms = partner.companies[min(partner.companies)]
    known = terms if terms in _TERMS else "NET_30"
    add_reference(data, "Payment_Terms_Reference", "Payment_Terms_ID", known)
    if credit is not None and credit.limit.kind is not LimitKind.UNLIMITED:
        add_reference(data, "Credit_Limit_Currency_Reference", "Currency_ID", "USD")
        add(data, "Credit_Limit", str(credit.limit.amount))
    tax = add(data, "Tax_ID_Data")
    add(tax, "Tax_ID_Text", partner.tax_number)
    if partner.is_account_known:
        account = add(data, "Settlement_Account_Data")
        add(account, "Settlement_Account_ID", f"BANK-{partner.customer}")
        add(account, "Bank_Name", partner.bank_name)
        add(account, "IBAN", partner.account)
    contact = add(add(data, "Business_Entity_Data"), "Contact_Data")
    address = add(contact, "Address_Data")
    add_reference(address, "Country_Reference", "ISO_3166-1_Alpha-2_Code", partner.country)
    add(address, "Address_Line_Data", f"{partner.house_number} {partner.street}")
    add(address, "Municipality", partner.city)
    add(address, "Postal_Code", partner.postal_code)
    status = add(data, "Customer_Status_Data")
    is_held = credit is not None and bool(credit.block_reason)
    add_reference(
        status,
        "Customer_Status_Value_Reference",
        "Customer_Status_Value_ID",
        "HOLD" if is_held else "ACTIVE",
    )
    if credit is not None and is_held:
        add_reference(
            status,
            "Reason_for_Customer_Status_Change_Reference",
            "Reason_for_Customer_Status_Change_ID",
            credit.block_reason,
        )
    add_reference(data, "Currency_Reference", "Currency_ID", "USD")
    return content


def _postings(client: WorkdayClient, world: World) -> Iterator[_Posting]:
    """Every posting of the seeded books: items, then the receipts that others booked."""
    for row in world.items.iter_rows(named=True):
        yield _adjustment(client, row) if row["amount"] < 0 else _invoice(client, row)
    for payment in world.payments.payments:
        if payment.booked_by:
            yield _receipt(client, payment)


def _parties(data: etree._Element, row: dict[str, Any]) -> None:
    add_reference(data, "Company_Reference", "Company_Reference_ID", row["company_code"])
    add_reference(data, "Customer_Reference", "Customer_ID", row["customer"])
    add_reference(data, "Currency_Reference", "Currency_ID", row["currency_code"])


def _invoice(client: WorkdayClient, row: dict[str, Any]) -> _Posting:
    number, day = row["invoice_number"], row["posting_date"]
    content = client.request("Submit_Customer_Invoice", add_only=True)
    data = add(content, "Customer_Invoice_Data")
    add(data, "Customer_Invoice_ID", f"I-{row['company_code']}-{row['customer']}-{number}")
    add(data, "Submit", "true")
    add(data, "Invoice_Number", number)
    _parties(data, row)
    add(data, "Invoice_Date", day.isoformat())
    add(data, "Due_Date_Override", row["due_date"].isoformat())
    add(data, "Control_Amount_Total", str(row["amount"]))
    add(data, "Customer_PO_Number", purchase_order(number))
    return _Posting(day, content, _item(row, ItemNature.INVOICE, row["due_date"]))


def _adjustment(client: WorkdayClient, row: dict[str, Any]) -> _Posting:
    """A credit on account: an adjustment that lowers, applied to nothing yet."""
    number, day = row["invoice_number"], row["posting_date"]
    amount: Decimal = -row["amount"]
    content = client.request("Submit_Customer_Invoice_Adjustment", add_only=True)
    data = add(content, "Customer_Invoice_Adjustment_Data")
    name = f"A-{row['company_code']}-{row['customer']}-{number}"
    add(data, "Customer_Invoice_Adjustment_ID", name)
    add(data, "Submit", "true")
    add(data, "Invoice_Number", number)
    _parties(data, row)
    add_reference(data, "Adjustment_Reason_Reference", "Adjustment_Reason_ID", "OTHER")
    add(data, "Increase_Amount_Due", "false")
    add(data, "Adjustment_Date", day.isoformat())
    add(data, "Control_Amount_Total", str(amount))
    return _Posting(day, content, _item(row, ItemNature.CREDIT_MEMO, day))


def _item(row: dict[str, Any], nature: ItemNature, due_date: date) -> PostedItem:
    return PostedItem(
        "", row["customer"], row["company_code"], nature, row["invoice_number"],
        row["amount"], row["currency_code"], row["posting_date"], due_date,
    )  # fmt: skip


def _receipt(client: WorkdayClient, payment: Payment) -> _Posting:
    """A payment that a clerk or the bank feed booked, not applied to anything."""
    day, reference = payment.value_date, payment.bank_reference[:16]
    content = client.request("Put_Customer_Payment", add_only=True)
    data = add(content, "Customer_Payment_Data")
    name = f"P-{payment.account[-6:]}-{payment.bank_reference}"
    add(data, "Customer_Payment_for_Invoices_Reference_ID", name)
    add_reference(data, "Company_Reference", "Company_Reference_ID", payment.company_code)
    add_reference(data, "Payment_Currency_Reference", "Currency_ID", payment.currency_code)
    add(data, "Payment_Date", day.isoformat())
    add_reference(data, "Payment_Type_Reference", "Payment_Type_ID", "EFT")
    add(data, "Payment_Number", reference)
    add(data, "Payment_Amount", str(payment.amount))
    add_reference(data, "Remitfrom_Customer_Reference", "Customer_ID", payment.customer)
    add(data, "Payment_Memo", f"Payment {payment.payer_name}")
    item = PostedItem(
        "", payment.customer, payment.company_code, ItemNature.PAYMENT, reference, -payment.amount,
        payment.currency_code, day, day,
    )  # fmt: skip
    return _Posting(day, content, item)
