"""An environment in this process, in virtual time, with a customer; and a writer on it."""

import dataclasses
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from ingestion.common.config import Company, System
from ingestion.dynamics365_finance.client import D365Client, Operation
from reverse_etl.planning.governance import load_governance
from reverse_etl.writers import create_writer
from sandbox.core.clock import Clock
from sandbox.core.faults import Faults, faulty
from sandbox.dynamics365_finance import D365Company, D365Settings, create_app
from tests.contract.erp.wires import run
from tests.reverse_etl.support import sending
from tests.support.serving import asgi_transport

KIND = "dynamics365_finance"
NOW = datetime(2026, 5, 22, 8, tzinfo=UTC)
NOON = "2026-05-22T12:00:00Z"


class Environment:
    """Options of the system and settings of the sandbox as a test wants them."""

    def __init__(self, settings=None, **options):
        known = {
            "companies": {"usmf": D365Company("USD", open_from=date(2026, 1, 1))},
            "posting_lag_seconds": 0,
        }
        self.clock = Clock(NOW, monotonic=lambda: 0.0)
        self.faults = Faults()
        self.app = create_app(
            "d365", clock=self.clock, faults=self.faults,
            settings=D365Settings(**{**known, **(settings or {})}),
        )  # fmt: skip
        self.transport, urls = asgi_transport({"d365": faulty(self.app, self.faults, "d365")})
        self.system = System(
            system_id=f"{KIND}_test",
            kind=KIND,
            base_url=urls["d365"],
            key_prefix="D365",
            companies={"USMF": Company(currency_code="USD", credit_segment="USMF")},
            options=options,
            credentials=dict(self.app.credentials()),
        )
        self.client = D365Client(self.system, self.transport)
        self.make("CustomersV3", CustomerAccount="C1", OrganizationName="Acme")

    def make(self, entity_set, **values):
        return self.run(self.client.change("POST", entity_set, {"dataAreaId": "usmf", **values}))

    def run(self, work):
        return run(work, is_virtual=True)

    def call(self, verb, *batch):
        async def work():
            writer = create_writer(self.system, self.transport, load_governance())
            found = await getattr(writer, verb)(batch)
            return [found[one.command.command_id] for one in batch]

        return self.run(work())

    def pass_time(self, seconds):
        self.clock.set(self.clock.now() + timedelta(seconds=seconds))

    def rows(self, entity_set, text):
        return self.run(self.client.rows(entity_set, text))

    def invoice(self, number, amount):
        """Post an invoice; its line for an application."""
        common = {"dataAreaId": "usmf", "ExternalInvoiceId": number}
        header = {**common, "CustomerAccount": "C1", "InvoiceId": number, "CurrencyCode": "USD",
                  "InvoiceDate": NOON}  # fmt: skip
        line = {**common, "MainAccountDisplayValue": "401100",
                "TransactionCurrencyAmount": Decimal(amount)}  # fmt: skip
        operations = [
            Operation("POST", "FreeTextInvoiceHeaders", header),
            Operation("POST", "FreeTextInvoiceLines", line),
        ]
        self.run(self.client.batch([operations]))
        record = str(self.item(number)["RecId"])
        return {"item_key": f"D365-USMF-2026-{record}-001", "fiscal_year": "2026",
                "document": record, "item": "001", "amount": amount}  # fmt: skip

    def item(self, number):
        """The transaction of an invoice as the books hold it."""
        self.app.work()
        rows = self.app.state.d365.tables["CustTransOpenEntities"].rows.values()
        return next(row for row in rows if row["Invoice"] == number)


def payment(receipt_id, amount="60", **changes):
    payload = {
        "company_code": "USMF", "posting_kind": "customer", "customer": "C1", "amount": amount,
        "currency_code": "USD", "posting_date": "2026-05-22", "bank_account": "OPER-01",
        "bank_reference": "BANKREF", "item_text": f"{receipt_id} Acme",
    }  # fmt: skip
    return sending(KIND, "payments", receipt_id, {**payload, **changes})


def application(receipt_id, native_id, *lines, document=None):
    payload = {
        "company_code": "USMF", "customer": "C1", "currency_code": "USD",
        "posting_date": "2026-05-22", "payment_document": document, "lines": list(lines),
    }  # fmt: skip
    return sending(KIND, "applications", receipt_id, payload, after={receipt_id: native_id})


def again(one, attempt=2):
    """The same command on its next attempt."""
    return dataclasses.replace(one, attempt=attempt)
