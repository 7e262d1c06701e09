"""A sandboxed S/4HANA on a real port with a few customers and invoices, and a writer on it."""

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from ingestion.common.config import System
from ingestion.common.transport import AiohttpTransport
from ingestion.sap_s4hana.client import SapClient
from reverse_etl.planning.governance import load_governance
from reverse_etl.sap_s4hana.confirmations import parse_post_answer
from reverse_etl.sap_s4hana.messages import (
    POST_ACTION,
    POST_PATH,
    DebtorItem,
    EntryHeader,
    GlItem,
    JournalEntry,
    post_envelope,
)
from reverse_etl.writers import create_writer
from sandbox.core.clock import Clock
from sandbox.core.faults import Faults, faulty
from sandbox.sap_s4hana import SapSettings, create_app
from tests.reverse_etl.support import by_key, sending

TODAY = date(2026, 5, 22)
CUSTOMERS = ("0000100001", "0000100002")


@dataclass
class Sap:
    """The served system. Every call uses its own event loop and connection."""

    app: Any
    faults: Faults
    base_url: str
    options: dict[str, Any]

    @property
    def system(self):
        return System(
            system_id="sap_s4hana_test",
            kind="sap_s4hana",
            base_url=self.base_url,
            options=self.options,
            credentials=dict(self.app.credentials()),
        )

    def call(self, verb, batch):
        """``writer.<verb>(batch)`` by business key."""

        async def run():
            writer = create_writer(self.system, AiohttpTransport(), load_governance())
            try:
                return by_key(batch, await getattr(writer, verb)(batch))
            finally:
                await writer.close()

        return asyncio.run(run())

    def limits(self, object_name, operation):
        writer = create_writer(self.system, AiohttpTransport(), load_governance())
        return writer.limits(object_name, operation)

    def with_client(self, work):
        """Run ``work(client)``: what somebody other than the hub does."""

        async def run():
            client = SapClient(self.system, AiohttpTransport())
            try:
                return await work(client)
            finally:
                await client.close()

        return asyncio.run(run())

    def post_invoices(self, *numbers):
        """Post (customer, number, amount); clearing lines that name them."""
        return self.with_client(lambda client: invoices(client, numbers))

    def effects(self, one):
        """How often the books show a command's effect, by the key that travelled."""
        return len(self.app.ledger()["effects"].get(one.external_key, []))


@pytest.fixture
def serve_sap(serve_app):
    """``serve_sap(options={...}, clearing_lag_seconds=0)`` serves a system with master data."""

    def start(options=None, **changes):
        settings = SapSettings(**{"clearing_lag_seconds": 0.0, **changes})
        clock = Clock(datetime(2026, 5, 22, 8, 0, tzinfo=UTC))
        faults = Faults()
        app = create_app("sap_s4hana_test", clock=clock, faults=faults, settings=settings)
        url = serve_app(faulty(app, faults, "sap_s4hana_test"))
        sap = Sap(app, faults, url, options or {})
        sap.with_client(lambda client: seed_customers(client, CUSTOMERS))
        return sap

    return start


@pytest.fixture
def sap(serve_sap):
    return serve_sap()


async def invoices(client, numbers, *, day=TODAY):
    """Post (customer, number, amount) as invoices; clearing lines that name them."""
    entries = [
        JournalEntry(
            hashlib.sha256(number.encode()).hexdigest()[:32],
            EntryHeader("U001", "RV", day, day, document_reference=number),
            "USD",
            (DebtorItem(customer, Decimal(amount), due_base_date=day, net_payment_days=15),),
            (GlItem("41000000", -Decimal(amount)),),
        )
        for customer, number, amount in numbers
    ]
    envelope = post_envelope(entries, created_at=datetime(2026, 5, 22, tzinfo=UTC))
    answer = await client.soap(POST_PATH, POST_ACTION, envelope)
    found = parse_post_answer(answer).confirmations
    return [
        {
            "item_key": f"SAP-U001-2026-{found[entry.entry_id].document}-001",
            "fiscal_year": "2026",
            "document": found[entry.entry_id].document,
            "item": "001",
            "amount": amount,
        }
        for entry, (_, _, amount) in zip(entries, numbers, strict=True)
    ]


async def seed_customers(client, customers):
    """Customers with their company U001 and a credit account."""
    for customer in customers:
        await client.change(
            "POST",
            "API_BUSINESS_PARTNER",
            "A_BusinessPartner",
            {
                "BusinessPartner": customer,
                "BusinessPartnerCategory": "2",
                "OrganizationBPName1": f"Customer {customer}",
                "to_Customer": {
                    "Customer": customer,
                    "to_CustomerCompany": [
                        {
                            "Customer": customer,
                            "CompanyCode": "U001",
                            "ReconciliationAccount": "12100000",
                        }
                    ],
                },
            },
        )
        await client.change(
            "POST",
            "API_CRDTMBUSINESSPARTNER",
            "CreditMgmtBusinessPartner",
            {
                "BusinessPartner": customer,
                "CreditRiskClass": "B",
                "to_CreditMgmtAccountTP": [
                    {
                        "BusinessPartner": customer,
                        "CreditSegment": "1000",
                        "CreditLimitAmount": "1000.00",
                    }
                ],
            },
        )


def receipt(receipt_id, amount, *, customer=CUSTOMERS[0], attempt=1, **changes):
    """A receipt to be posted; without a customer it is unidentified."""
    payload = {
        "company_code": "U001",
        "posting_kind": "customer" if customer else "unidentified",
        "customer": customer,
        "amount": amount,
        "currency_code": "USD",
        "posting_date": "2026-05-22",
        "document_date": "2026-05-21",
        "value_date": "2026-05-21",
        "bank_gl_account": "11001000",
        "bank_reference": f"BK{receipt_id[:12]}",
        "item_text": "Payment from a customer with quite a long name & more",
        **changes,
    }
    return sending("sap_s4hana", "journal_entries", receipt_id, payload, attempt=attempt)


def clearing(receipt_id, lines, *, document=None, after=None, attempt=1, **changes):
    """A clearing of a receipt with invoice lines; the receipt by document or predecessor."""
    payload = {
        "company_code": "U001",
        "customer": CUSTOMERS[0],
        "currency_code": "USD",
        "posting_date": "2026-05-22",
        "receipt_fiscal_year": "2026" if document else None,
        "receipt_document": document,
        "receipt_item": "001" if document else None,
        "lines": lines,
        **changes,
    }
    predecessors = {receipt_id: after} if after else {}
    return sending(
        "sap_s4hana", "clearings", receipt_id, payload, attempt=attempt, after=predecessors
    )


def receipt_id_of(number):
    """Twenty hex characters, as receipts are called."""
    return hashlib.sha256(str(number).encode()).hexdigest()[:20]
