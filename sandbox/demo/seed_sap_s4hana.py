"""Seeds the ERP through its own protocols: partners, credit, postings, orders, in that order.

OData ``$batch`` for master data and orders, SOAP for journal entries, as any system beside SAP
would do it. The sandbox's clock goes along, so that documents carry the days on which they were
entered and a reader who asks for changes is not shown the whole ledger. Orders come last, on the
as-of date, because the ERP's credit check looks at what is open by then. A refusal stops the
seeding: half a ledger is no demo.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, date, datetime, time
from typing import Any, TypeVar

from ingestion.common.errors import LedgerloopError
from ingestion.sap_s4hana.client import BatchOperation, SapClient
from ingestion.sap_s4hana.settings import BATCH_OPERATIONS_MAX
from reverse_etl.sap_s4hana.confirmations import PostAnswer, parse_post_answer
from reverse_etl.sap_s4hana.messages import POST_ACTION, POST_PATH, JournalEntry, post_envelope
from sandbox.demo.additions import World
from sandbox.demo.credit import CreditAccount, LimitKind, Order
from sandbox.demo.crm import PostedItem
from sandbox.demo.dataset import DatasetError
from sandbox.demo.partners import Partner
from sandbox.demo.postings import entries_of, posted_item

__all__ = ["Client", "Say", "SetClock", "seed_sap_s4hana"]

#: What the seeding opens for this kind.
Client = SapClient

Say = Callable[[str], None]
SetClock = Callable[[date], Awaitable[None]]
_T = TypeVar("_T")

_ENTRIES_PER_MESSAGE = 1_000
_PARTNERS = "API_BUSINESS_PARTNER"
_CREDIT = "API_CRDTMBUSINESSPARTNER"
_ORDERS = "API_SALES_ORDER_SRV"


async def seed_sap_s4hana(
    client: SapClient, world: World, say: Say, set_clock: SetClock
) -> list[PostedItem]:
    """Fill the ERP; its clock stands at the as-of date afterwards.

    Args:
        client: signed in to an empty system.
        world: what it shall hold.
        say: takes a line of progress.
        set_clock: moves the sandbox's clock to a day.

    Returns:
        Every posted customer item, with the document number that the ERP gave it.

    Raises:
        DatasetError: the ERP refused something; its own words are in the message.
    """
    as_of = world.dataset.as_of
    entries = sorted(entries_of(world), key=lambda entry: entry.header.posting_date)
    await set_clock(entries[0].header.posting_date if entries else as_of)
    plan = world.plans[0]
    receivables = plan.options["ar_gl_account"]
    partners = [_partner(partner, receivables) for partner in world.partners.values()]
    await _create(client, _PARTNERS, "A_BusinessPartner", partners)
    say(f"{len(partners)} business partners")
    accounts = [_credit(account) for account in world.credit.accounts]
    await _create(client, _CREDIT, "CreditMgmtBusinessPartner", accounts)
    say(f"{len(accounts)} credit accounts")
    posted = await _post(client, entries, plan.key_prefix, as_of, set_clock)
    say(f"{len(posted)} journal entries")
    await set_clock(as_of)
    orders = [_order(order, as_of) for order in world.credit.orders]
    await _create(client, _ORDERS, "A_SalesOrder", orders)
    say(f"{len(orders)} sales orders")
    return posted


def _chunks(rows: Sequence[_T], size: int) -> Iterator[Sequence[_T]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


async def _create(
    client: SapClient, service: str, entity_set: str, bodies: Sequence[dict[str, Any]]
) -> None:
    """POST every body, 200 in a ``$batch``, each in a change set of its own."""
    for chunk in _chunks(bodies, BATCH_OPERATIONS_MAX):
        operations = [BatchOperation("POST", entity_set, body) for body in chunk]
        answers = await client.batch(service, operations)
        refused = [answer for answer in answers if isinstance(answer, LedgerloopError)]
        if refused:
            raise DatasetError(
                f"{entity_set}: the ERP refused {len(refused)} of {len(chunk)}; the first: "
                f"{refused[0].message}",
                code="seeding_refused",
            )


async def _post(
    client: SapClient,
    entries: Sequence[JournalEntry],
    key_prefix: str,
    as_of: date,
    set_clock: SetClock,
) -> list[PostedItem]:
    """Post in big messages, one after the other so that numbers are the same on every run.

    Each message is entered on the day of its last posting. While the ERP works on one message the
    next one is built.
    """
    created_at = datetime.combine(as_of, time(), UTC)
    posted: list[PostedItem] = []
    chunks = list(_chunks(entries, _ENTRIES_PER_MESSAGE))
    if not chunks:
        return []
    message = await asyncio.to_thread(post_envelope, chunks[0], created_at=created_at)
    for number, chunk in enumerate(chunks):
        await set_clock(min(chunk[-1].header.posting_date, as_of))
        sending = asyncio.create_task(client.soap(POST_PATH, POST_ACTION, message))
        if number + 1 < len(chunks):
            following = chunks[number + 1]
            message = await asyncio.to_thread(post_envelope, following, created_at=created_at)
        answer = await asyncio.to_thread(parse_post_answer, await sending)
        posted += _confirmed(chunk, key_prefix, answer)
    return posted


def _confirmed(
    chunk: Sequence[JournalEntry], key_prefix: str, answer: PostAnswer
) -> list[PostedItem]:
    """The items of a message, joined with their confirmations by id."""
    found = []
    for entry in chunk:
        one = answer.confirmations.get(entry.entry_id)
        if one is None or not one.is_posted:
            notes = [item.note for item in (one.log if one else answer.log)]
            raise DatasetError(
                f"{entry.header.document_type} {entry.header.document_reference} of "
                f"{entry.header.company_code} was not posted: {'; '.join(notes) or 'no reason'}",
                code="seeding_refused",
            )
        found.append(posted_item(entry, key_prefix, one.fiscal_year, one.document))
    return found


def _partner(partner: Partner, receivables: str) -> dict[str, Any]:
    """A business partner with address, tax number, bank account (if known) and customer role."""
    body: dict[str, Any] = {
        "BusinessPartner": partner.customer,
        "BusinessPartnerCategory": "2",
        "BusinessPartnerGrouping": "BP02",
        "OrganizationBPName1": partner.name[:40],
        "SearchTerm1": partner.base_name[:20].upper(),
        "to_BusinessPartnerAddress": {"results": [_address(partner)]},
        "to_BusinessPartnerTax": {
            "results": [{"BPTaxType": partner.tax_type, "BPTaxNumber": partner.tax_number}]
        },
        "to_Customer": {
            "Customer": partner.customer,
            "CustomerAccountGroup": "CUST",
            "to_CustomerCompany": {
                "results": [
                    {
                        "CompanyCode": company,
                        "PaymentTerms": terms,
                        "ReconciliationAccount": receivables,
                    }
                    for company, terms in partner.companies.items()
                ]
            },
        },
    }
    if partner.is_account_known:
        body["to_BusinessPartnerBank"] = {"results": [_bank(partner)]}
    return body


def _address(partner: Partner) -> dict[str, str]:
    return {
        "StreetName": partner.street,
        "HouseNumber": partner.house_number,
        "PostalCode": partner.postal_code,
        "CityName": partner.city,
        "Region": partner.region,
        "Country": partner.country,
        "Language": "EN",
    }


def _bank(partner: Partner) -> dict[str, str]:
    return {
        "BankIdentification": "0001",
        "BankCountryKey": partner.bank_country,
        "BankName": partner.bank_name,
        "BankNumber": partner.bank_code,
        "BankAccount": partner.account[-18:],
        "IBAN": partner.account,
        "BankAccountHolderName": partner.name[:60],
    }


def _credit(account: CreditAccount) -> dict[str, Any]:
    """A credit account: zero means unlimited unless SAP's own flag says the limit *is* zero."""
    return {
        "BusinessPartner": account.customer,
        "CreditRiskClass": account.risk_class,
        "CreditCheckRule": "01",
        "to_CreditMgmtAccountTP": {
            "results": [
                {
                    "CreditSegment": account.credit_segment,
                    "CreditLimitAmount": str(account.limit.amount),
                    "CreditLimitIsZero": account.limit.kind is LimitKind.NONE_GRANTED,
                    "CreditAccountIsBlocked": bool(account.block_reason),
                    "CreditAccountBlockReason": account.block_reason,
                }
            ]
        },
    }


def _order(order: Order, as_of: date) -> dict[str, Any]:
    return {
        "SalesOrderType": "OR",
        "SalesOrganization": order.company_code,
        "DistributionChannel": "10",
        "OrganizationDivision": "00",
        "SoldToParty": order.customer,
        "SalesOrderDate": _odata_date(as_of),
        "RequestedDeliveryDate": _odata_date(order.requested_date),
        "TotalNetAmount": str(order.amount),
        "TransactionCurrency": order.currency_code,
        "PurchaseOrderByCustomer": order.purchase_order,
    }


def _odata_date(day: date) -> str:
    """OData v2 spells a day as milliseconds since 1970 at midnight UTC."""
    return f"/Date({int(datetime.combine(day, time(), UTC).timestamp()) * 1000})/"
