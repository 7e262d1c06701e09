"""SAP S/4HANA: the sandbox app in this process, three rows a page, clearings worked on at once."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb

from ingestion.common.config import System
from ingestion.common.transport import Response, Transport
from ingestion.sap_s4hana.client import SapClient
from reverse_etl.delivery.writer import Sending
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
from sandbox.core.clock import Clock
from sandbox.core.faults import Faults
from sandbox.sap_s4hana import SapCompany, SapSettings, create_app
from sandbox.sap_s4hana.books import ITEMS, EntryDraft
from sandbox.sap_s4hana.books import Books as SapBooks
from tests.contract.erp.bench import NOW, TODAY, Books, Shape, Write
from tests.contract.erp.books import books_of
from tests.ingestion.support import answer
from tests.reverse_etl.support import sending
from tests.support.serving import asgi_transport

KIND = "sap_s4hana"
SERVICE = "API_CRDTMBUSINESSPARTNER"


class Bench:
    """See ``tests.contract.erp.bench.ErpBench``."""

    kind = KIND
    customer = "0000100001"
    company_code = "U001"
    shape = Shape(
        read_path="A_OperationalAcctgDocItemCube",
        write_path="journalentrycreaterequestconfi",
        item_objects=("operational_items",),
        has_etags=True,
        state_path="CreditManagementAccount",
        applies_parts=False,
        has_deletes=False,
        effect_writes=dict.fromkeys(
            ("returned_payments", "refunds", "debit_memos"),
            (Write("journalentrycreaterequestconfi"),),
        ),
        uses_up_receipts=False,
        bad_answers={
            "an error inside a 200": answer(200, {"error": {"code": "X/1", "message": "wrong"}}),
            "no rows at all": answer(200, {"d": {"nothing": 1}}),
        },
    )

    def __init__(self) -> None:
        settings = SapSettings(
            page_size=3,
            clearing_lag_seconds=0.0,
            companies={"U001": SapCompany("USD", open_from=date(2026, 1, 1))},
        )
        self._clock = Clock(NOW)
        self._app = create_app(
            f"{KIND}_test", clock=self._clock, faults=Faults(), settings=settings
        )
        self._transport, urls = asgi_transport({f"{KIND}_test": self._app})
        self._base_url = urls[f"{KIND}_test"]
        self._documents: dict[str, str] = {}

    @property
    def system(self) -> System:
        return System(
            system_id=f"{KIND}_test",
            kind=KIND,
            base_url=self._base_url,
            key_prefix="SAP",
            credentials=dict(self._app.credentials()),
            # Not loopback by name, yet nothing waits here.
            options={"settle_seconds": 1, "clearing_seconds": 10},
        )

    def transport(self) -> Transport:
        return self._transport

    def _client(self) -> SapClient:
        return SapClient(self.system, self._transport)

    async def start(self) -> None:
        client = self._client()
        company = {"CompanyCode": "U001", "ReconciliationAccount": "12100000"}
        await client.change(
            "POST",
            "API_BUSINESS_PARTNER",
            "A_BusinessPartner",
            {
                "BusinessPartner": self.customer,
                "BusinessPartnerCategory": "2",
                "OrganizationBPName1": "Acme",
                "to_Customer": {"Customer": self.customer, "to_CustomerCompany": [company]},
            },
        )
        account = {"CreditSegment": "1000", "CreditLimitAmount": "1000.00"}
        await client.change(
            "POST",
            SERVICE,
            "CreditMgmtBusinessPartner",
            {"BusinessPartner": self.customer, "to_CreditMgmtAccountTP": [account]},
        )

    async def stop(self) -> None:
        return None

    async def post_invoice(
        self, number: str, amount: Decimal, currency_code: str = "USD"
    ) -> dict[str, Any]:
        entry = JournalEntry(
            hashlib.sha256(number.encode()).hexdigest()[:32],
            EntryHeader("U001", "RV", TODAY, TODAY, document_reference=number),
            currency_code,
            (DebtorItem(self.customer, amount, due_base_date=TODAY, net_payment_days=15),),
            (GlItem("41000000", -amount),),
        )
        envelope = post_envelope([entry], created_at=datetime(2026, 5, 22, tzinfo=UTC))
        body = await self._client().soap(POST_PATH, POST_ACTION, envelope)
        confirmed = parse_post_answer(body).confirmations[entry.entry_id]
        assert confirmed.is_posted, confirmed
        self._documents[number] = confirmed.document
        return {
            "item_key": f"SAP-U001-{TODAY.year}-{confirmed.document}-001",
            "fiscal_year": str(TODAY.year),
            "document": confirmed.document,
            "item": "001",
            "amount": str(amount),
        }

    async def touch_invoice(self, number: str) -> None:
        table = self._app.state.sap.tables[ITEMS]
        row = table.get("U001", str(TODAY.year), self._documents[number], "001")
        changes = {"DocumentItemText": "touched", "LastChangeDate": self._clock.today()}
        table.update(row, changes)

    async def remove_invoice(self, number: str) -> None:
        draft = EntryDraft("U001", "AB", TODAY, TODAY, "USD", [])
        key = ("U001", TODAY.year, self._documents[number])
        SapBooks(self._app.state.sap, self._clock).reverse(key, draft)

    async def end_sessions(self) -> None:
        self._app.security.end_all()

    async def change_limit(self, amount: Decimal) -> None:
        client = self._client()
        path = f"CreditManagementAccount(BusinessPartner='{self.customer}',CreditSegment='1000')"
        etag = (await client.get(f"{SERVICE}/{path}")).etag
        await client.change("PATCH", SERVICE, path, {"CreditLimitAmount": str(amount)}, etag=etag)

    def throttled(self) -> Response:
        kind, body = self._app.fault_answer(429)
        return answer(429, body, Content_Type=kind, Retry_After="1")

    def items(self, warehouse: duckdb.DuckDBPyConnection) -> dict[str, Decimal]:
        rows = warehouse.execute(
            "SELECT DocumentReferenceID, AmountInTransactionCurrency "
            "FROM sap_s4hana_raw.operational_items "
            "WHERE AccountingDocumentType IN ('RV', 'DR') AND NOT IsReversed"
        ).fetchall()
        return dict(rows)

    def payment(self, receipt_id: str, amount: str, **changes: Any) -> Sending:
        payload = {
            "company_code": "U001",
            "posting_kind": "customer",
            "customer": self.customer,
            "amount": amount,
            "currency_code": "USD",
            "posting_date": TODAY.isoformat(),
            "document_date": TODAY.isoformat(),
            "value_date": TODAY.isoformat(),
            "bank_gl_account": "11001000",
            "bank_reference": f"BK{receipt_id[:12]}",
            "item_text": "Acme",
        }
        known = {name: value for name, value in changes.items() if name in payload}
        return sending(KIND, "journal_entries", receipt_id, {**payload, **known})

    def application(
        self, receipt_id: str, lines: Sequence[Mapping[str, Any]], payment_native_id: str
    ) -> Sending:
        payload = {
            "company_code": "U001",
            "customer": self.customer,
            "currency_code": "USD",
            "posting_date": TODAY.isoformat(),
            "receipt_fiscal_year": str(TODAY.year),
            "receipt_document": payment_native_id.rpartition("-")[2],
            "receipt_item": "001",
            "lines": [dict(line) for line in lines],
        }
        return sending(KIND, "clearings", receipt_id, payload)

    def credit_limit(self, amount: str) -> Sending:
        payload = {"limit_kind": "limited", "limit_amount": amount}
        return sending(KIND, "credit_accounts", f"{self.customer}/1000", payload)

    def effects(self, sending: Sending) -> int:
        return len(self._app.ledger()["effects"].get(sending.external_key, []))

    async def open_amount(self, number: str) -> Decimal:
        self._app.ledger()  # works on what waits
        return sum(
            (
                self._open(row)
                for row in self._app.state.sap.tables[ITEMS].rows.values()
                # What was opened again names the invoice in the item, not in the header.
                if number in (row["DocumentReferenceID"], row["Reference1IDByBusinessPartner"])
                and row["FinancialAccountType"] == "D"
            ),
            Decimal(0),
        )

    def _open(self, row: Mapping[str, Any]) -> Decimal:
        key = (
            row["CompanyCode"],
            int(row["FiscalYear"]),
            row["AccountingDocument"],
            int(row["AccountingDocumentItem"]),
        )
        return self._app.state.sap.ledger.line(key).amount_open

    async def unapplied_amount(self, receipt_id: str) -> Decimal:
        self._app.ledger()  # works on what waits
        key = self.payment(receipt_id, "1").external_key
        rows = self._app.state.sap.tables[ITEMS].rows.values()
        return -sum(
            (self._open(row) for row in rows if row["Reference3IDByBusinessPartner"] == key),
            Decimal(0),
        )

    async def books(self) -> Books:
        self._app.ledger()  # works on what waits
        return books_of(self._app.state.sap.ledger, "U001")

    def move_clock(self, seconds: float) -> None:
        self._clock.set(self._clock.now() + timedelta(seconds=seconds))
