"""Seeds a NetSuite account through its own protocol: customers, postings, orders, in that order.

Everything goes as asynchronous collections of up to 100 records, as any system beside NetSuite
would load them; idempotency keys and external ids make a second seeding of the same data change
nothing. The sandbox's clock goes along, so that records carry the days on which they were entered.
Orders come last, on the as-of date, because the credit check looks at what is open by then. A
refusal stops the seeding.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

from ingestion.netsuite.client import NetSuiteClient
from ingestion.netsuite.settings import BATCH_MAX
from sandbox.demo.additions import World
from sandbox.demo.credit import CreditAccount, LimitKind, Order
from sandbox.demo.crm import ItemNature, PostedItem
from sandbox.demo.dataset import DatasetError
from sandbox.demo.partners import Partner
from sandbox.demo.payments import Payment, purchase_order

__all__ = ["Client", "Say", "SetClock", "seed_netsuite"]

#: What the seeding opens for this kind.
Client = NetSuiteClient

Say = Callable[[str], None]
SetClock = Callable[[date], Awaitable[None]]

KEY_PREFIX = "NS"
_POSTINGS_PER_DAY_SET = 500
_POLLS_MAX = 200
_POLL_SECONDS = 0.05
_GOODS, _ALLOWANCE = "1", "2"
_BANK = "101"
_BANK_DETAILS = "customrecord_2663_entity_bank_details"


@dataclass(frozen=True, slots=True)
class _Posting:
    """One transaction to make, and what the CRM's seeding wants to know of it."""

    kind: str
    body: dict[str, Any]
    day: date
    item: PostedItem


async def seed_netsuite(
    client: NetSuiteClient,
    world: World,
    say: Say,
    set_clock: SetClock,
    *,
    key_prefix: str = KEY_PREFIX,
) -> list[PostedItem]:
    """Fill the account; its clock stands at the as-of date afterwards.

    Args:
        client: signed in to an empty account whose subsidiaries are the world's companies.
        world: what it shall hold.
        say: takes a line of progress.
        set_clock: moves the sandbox's clock to a day.
        key_prefix: of the system, for the items' keys.

    Returns:
        Every posted customer item, with the internal id that NetSuite gave it.

    Raises:
        DatasetError: NetSuite refused something; its own words are in the message.
    """
    as_of = world.dataset.as_of
    currencies = {
        row["symbol"]: str(row["id"])
        for row in await client.rows("SELECT id, symbol FROM currency")
    }
    postings = sorted(_postings(world, currencies, key_prefix), key=lambda one: one.day)
    await set_clock(postings[0].day if postings else as_of)
    limits = {one.customer: one for one in world.credit.accounts}
    partners = list(world.partners.values())
    await _create(
        client, "customer", [_customer(one, limits.get(one.customer)) for one in partners]
    )
    await _create(client, "customerSubsidiaryRelationship", list(_more_companies(partners)))
    await _create(client, _BANK_DETAILS, [_bank(one) for one in partners if one.is_account_known])
    say(f"{len(partners)} customers")
    posted = await _post(client, postings, as_of, set_clock)
    say(f"{len(posted)} transactions")
    await set_clock(as_of)
    orders = [_order(one, as_of, currencies) for one in world.credit.orders]
    await _create(client, "salesOrder", orders)
    say(f"{len(orders)} sales orders")
    return posted


async def _create(
    client: NetSuiteClient, kind: str, bodies: Sequence[dict[str, Any]]
) -> dict[str, str]:
    """Make records, 100 in a job; internal id by external id."""
    found: dict[str, str] = {}
    for start in range(0, len(bodies), BATCH_MAX):
        chunk = bodies[start : start + BATCH_MAX]
        key = f"seed-{kind}-{chunk[0]['externalId']}"
        job = await client.submit("POST", kind, chunk, idempotency_key=key)
        result = await client.job_result(job)
        for _ in range(_POLLS_MAX):
            if result is not None:
                break
            await client.pause(_POLL_SECONDS)
            result = await client.job_result(job)
        refused = [one for one in result or () if one.get("status") != "succeeded"]
        if result is None or refused or len(result) != len(chunk):
            raise DatasetError(
                f"{kind}: NetSuite refused {len(refused)} of {len(chunk)}; the first: "
                f"{refused[0].get('o:errorDetails') if refused else 'the job does not end'}",
                code="seeding_refused",
            )
        found |= {str(one["externalId"]): str(one["id"]) for one in result}
    return found


async def _post(
    client: NetSuiteClient, postings: Sequence[_Posting], as_of: date, set_clock: SetClock
) -> list[PostedItem]:
    """Transactions in posting order, entered on the day of the last one of each part."""
    posted = []
    for start in range(0, len(postings), _POSTINGS_PER_DAY_SET):
        part = postings[start : start + _POSTINGS_PER_DAY_SET]
        await set_clock(min(part[-1].day, as_of))
        ids: dict[str, str] = {}
        for kind in ("invoice", "creditMemo", "customerPayment"):
            ids |= await _create(client, kind, [one.body for one in part if one.kind == kind])
        posted += [_numbered(one.item, ids[one.body["externalId"]]) for one in part]
    return posted


def _numbered(item: PostedItem, document: str) -> PostedItem:
    return replace(item, item_key=item.item_key.format(document=document))


def _customer(partner: Partner, credit: CreditAccount | None) -> dict[str, Any]:
    """A customer with address, limit and hold. No limit is no value; zero grants nothing."""
    body: dict[str, Any] = {
        "externalId": f"C-{partner.customer}",
        "entityId": partner.customer,
        "companyName": partner.name[:80],
        "isPerson": False,
        "subsidiary": {"id": min(partner.companies)},
        "terms": {"id": partner.companies[min(partner.companies)]},
        "vatRegNumber": partner.tax_number,
        "addressBook": {
            "items": [
                {
                    "defaultBilling": True,
                    "addressBookAddress": {
                        "addr1": f"{partner.house_number} {partner.street}",
                        "city": partner.city,
                        "state": partner.region,
                        "zip": partner.postal_code,
                        "country": {"id": partner.country},
                    },
                }
            ]
        },
    }
    if credit is not None:
        if credit.limit.kind is not LimitKind.UNLIMITED:
            body["creditLimit"] = credit.limit.amount
        body["creditHoldOverride"] = {"id": "ON" if credit.block_reason else "AUTO"}
    return body


def _more_companies(partners: Sequence[Partner]) -> Iterator[dict[str, Any]]:
    for partner in partners:
        for company in sorted(partner.companies)[1:]:
            yield {
                "externalId": f"R-{partner.customer}-{company}",
                "entity": {"externalId": f"C-{partner.customer}"},
                "subsidiary": {"id": company},
            }


def _bank(partner: Partner) -> dict[str, Any]:
    return {
        "externalId": f"B-{partner.customer}",
        "name": partner.bank_name,
        "custrecord_2663_parent_customer": {"externalId": f"C-{partner.customer}"},
        "custrecord_2663_entity_iban": partner.account,
    }


def _postings(world: World, currencies: dict[str, str], key_prefix: str) -> Iterator[_Posting]:
    """Every transaction of the seeded books: items first, then the receipts others booked."""
    for row in world.items.iter_rows(named=True):
        yield _invoice(row, currencies, key_prefix)
    for payment in world.payments.payments:
        if payment.booked_by:
            yield _receipt(payment, currencies, key_prefix)


def _invoice(row: dict[str, Any], currencies: dict[str, str], key_prefix: str) -> _Posting:
    """An invoice, or a credit memo where the amount is negative."""
    amount: Decimal = row["amount"]
    number, day = row["invoice_number"], row["posting_date"]
    is_credit = amount < 0
    body: dict[str, Any] = {
        "externalId": f"I-{row['company_code']}-{row['customer']}-{number}",
        "entity": {"externalId": f"C-{row['customer']}"},
        "subsidiary": {"id": row["company_code"]},
        "currency": {"id": currencies[row["currency_code"]]},
        "tranId": number,
        "tranDate": day.isoformat(),
        "item": {
            "items": [{"item": {"id": _ALLOWANCE if is_credit else _GOODS}, "amount": abs(amount)}]
        },
    }
    if not is_credit:
        body |= {"dueDate": row["due_date"].isoformat(), "otherRefNum": purchase_order(number)}
    item = PostedItem(
        item_key=f"{key_prefix}-{row['company_code']}-{day.year}-{{document}}-001",
        customer=row["customer"],
        company_code=row["company_code"],
        nature=ItemNature.CREDIT_MEMO if is_credit else ItemNature.INVOICE,
        invoice_number=number,
        amount=amount,
        currency_code=row["currency_code"],
        document_date=day,
        due_date=day if is_credit else row["due_date"],
    )
    return _Posting("creditMemo" if is_credit else "invoice", body, day, item)


def _receipt(payment: Payment, currencies: dict[str, str], key_prefix: str) -> _Posting:
    """A customer payment that a clerk or the bank feed booked, not applied to anything."""
    day = payment.value_date
    reference = payment.bank_reference[:16]
    body: dict[str, Any] = {
        "externalId": f"P-{payment.account[-6:]}-{payment.bank_reference}",
        "customer": {"externalId": f"C-{payment.customer}"},
        "subsidiary": {"id": payment.company_code},
        "currency": {"id": currencies[payment.currency_code]},
        "payment": payment.amount,
        "account": {"id": _BANK},
        "tranDate": day.isoformat(),
        "checkNumber": reference,
        "memo": f"Payment {payment.payer_name}",
        "autoApply": False,
    }
    item = PostedItem(
        item_key=f"{key_prefix}-{payment.company_code}-{day.year}-{{document}}-001",
        customer=payment.customer,
        company_code=payment.company_code,
        nature=ItemNature.PAYMENT,
        invoice_number=reference,
        amount=-payment.amount,
        currency_code=payment.currency_code,
        document_date=day,
        due_date=day,
    )
    return _Posting("customerPayment", body, day, item)


def _order(order: Order, as_of: date, currencies: dict[str, str]) -> dict[str, Any]:
    return {
        "externalId": f"O-{order.customer}-{order.purchase_order}",
        "entity": {"externalId": f"C-{order.customer}"},
        "subsidiary": {"id": order.company_code},
        "currency": {"id": currencies[order.currency_code]},
        "tranDate": as_of.isoformat(),
        "shipDate": order.requested_date.isoformat(),
        "otherRefNum": order.purchase_order,
        "item": {"items": [{"item": {"id": _GOODS}, "amount": order.amount}]},
    }
