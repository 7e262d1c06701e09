"""Dynamics 365 Finance: the sandbox app in this process, three rows a page, posted at once."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import duckdb

from ingestion.common.config import Company, System
from ingestion.common.transport import Response, Transport
from ingestion.dynamics365_finance.client import D365Client, Operation, keyed
from reverse_etl.delivery.writer import Sending
from sandbox.core.clock import Clock
from sandbox.core.faults import Faults
from sandbox.dynamics365_finance import D365Company, D365Settings, create_app
from tests.contract.erp.bench import NOW, TODAY, Books, Shape, Write
from tests.contract.erp.books import books_of
from tests.ingestion.support import answer
from tests.reverse_etl.support import sending
from tests.support.serving import asgi_transport

KIND = "dynamics365_finance"
NOON = f"{TODAY}T12:00:00Z"
ERROR = {"error": {"code": "", "message": "An error has occurred."}}


class Bench:
    """See ``tests.contract.erp.bench.ErpBench``."""

    kind = KIND
    customer = "C0001"
    company_code = "USMF"
    shape = Shape(
        read_path="/data/CustTransOpenEntities",
        write_path="/data/$batch",
        has_etags=True,
        state_path="/data/CustomersV3",
        has_deletes=False,
        item_objects=("customer_transactions",),
        effect_writes=dict.fromkeys(
            ("returned_payments", "refunds", "debit_memos"), (Write("/data/$batch"),)
        ),
        effect_values={"bank_gl_account": "OPER-01"},
        uses_up_receipts=False,
        bad_answers={
            "an error inside a 200": answer(200, ERROR),
            "no rows at all": answer(200, {"@odata.context": "x"}),
        },
    )

    def __init__(self) -> None:
        settings = D365Settings(
            companies={"usmf": D365Company("USD", open_from=date(2026, 1, 1))},
            page_size=3,
            posting_lag_seconds=0,
        )
        self._clock = Clock(NOW)
        self._app = create_app(
            f"{KIND}_test", clock=self._clock, faults=Faults(), settings=settings
        )
        self._transport, urls = asgi_transport({f"{KIND}_test": self._app})
        self._base_url = urls[f"{KIND}_test"]

    @property
    def system(self) -> System:
        return System(
            system_id=f"{KIND}_test",
            kind=KIND,
            base_url=self._base_url,
            key_prefix="D365",
            companies={"USMF": Company(currency_code="USD", credit_segment="USMF")},
            credentials=dict(self._app.credentials()),
        )

    def transport(self) -> Transport:
        return self._transport

    def _client(self) -> D365Client:
        return D365Client(self.system, self._transport)

    async def start(self) -> None:
        body = {"dataAreaId": "usmf", "CustomerAccount": self.customer, "OrganizationName": "Acme"}
        await self._client().change("POST", "CustomersV3", body)

    async def stop(self) -> None:
        return None

    async def post_invoice(
        self, number: str, amount: Decimal, currency_code: str = "USD"
    ) -> dict[str, Any]:
        header = {
            "dataAreaId": "usmf",
            "CustomerAccount": self.customer,
            "InvoiceId": number,
            "ExternalInvoiceId": number,
            "CurrencyCode": currency_code,
            "InvoiceDate": NOON,
        }
        line = {
            "dataAreaId": "usmf",
            "ExternalInvoiceId": number,
            "MainAccountDisplayValue": "401100",
            "TransactionCurrencyAmount": amount,
        }
        client = self._client()
        await client.batch(
            [
                [
                    Operation("POST", "FreeTextInvoiceHeaders", header),
                    Operation("POST", "FreeTextInvoiceLines", line),
                ]
            ]
        )
        (row,) = await client.rows("CustTransOpenEntities", f"Invoice eq '{number}'")
        return {
            "item_key": f"D365-USMF-{TODAY.year}-{row['RecId']}-001",
            "fiscal_year": str(TODAY.year),
            "document": str(row["RecId"]),
            "item": "001",
            "amount": str(amount),
        }

    def _row(self, number: str) -> dict[str, Any]:
        items = self._app.state.d365.tables["CustTransOpenEntities"].rows.values()
        found: dict[str, Any] = next(row for row in items if row["Invoice"] == number)
        return found

    async def touch_invoice(self, number: str) -> None:
        items = self._app.state.d365.tables["CustTransOpenEntities"]
        items.update(self._row(number), Txt="touched", ModifiedDateTime=self._clock.now())

    async def remove_invoice(self, number: str) -> None:
        self._app.books.reverse(self._row(number))

    async def end_sessions(self) -> None:
        self._app.security.end_all()

    async def change_limit(self, amount: Decimal) -> None:
        path = keyed("CustomersV3", dataAreaId="usmf", CustomerAccount=self.customer)
        await self._client().change("PATCH", path, {"CreditLimit": amount})

    def throttled(self) -> Response:
        kind, body = self._app.fault_answer(429)
        return answer(429, body, Content_Type=kind, Retry_After="1")

    def items(self, warehouse: duckdb.DuckDBPyConnection) -> dict[str, Decimal]:
        rows = warehouse.execute(
            "SELECT Invoice, AmountCur FROM dynamics365_finance_raw.customer_transactions "
            "WHERE TransType = 'Cust' AND IsReversed = 'No' AND IsReversal = 'No'"
        ).fetchall()
        return dict(rows)

    def payment(self, receipt_id: str, amount: str, **changes: Any) -> Sending:
        payload = {
            "company_code": "USMF",
            "posting_kind": "customer",
            "customer": self.customer,
            "amount": amount,
            "currency_code": "USD",
            "posting_date": TODAY.isoformat(),
            "bank_account": "OPER-01",
            "bank_reference": f"BK{receipt_id[:12]}",
            "item_text": f"{receipt_id[:18]} Acme",
        }
        known = {name: value for name, value in changes.items() if name in payload}
        return sending(KIND, "payments", receipt_id, {**payload, **known})

    def application(
        self, receipt_id: str, lines: Sequence[Mapping[str, Any]], payment_native_id: str
    ) -> Sending:
        payload = {
            "company_code": "USMF",
            "customer": self.customer,
            "currency_code": "USD",
            "posting_date": TODAY.isoformat(),
            "payment_document": str(self._payment_of(receipt_id)["RecId"]),
            "lines": [dict(line) for line in lines],
        }
        after = {receipt_id: payment_native_id}
        return sending(KIND, "applications", receipt_id, payload, after=after)

    def credit_limit(self, amount: str) -> Sending:
        payload = {"limit_kind": "limited", "limit_amount": amount}
        return sending(KIND, "credit_limits", f"{self.customer}/USMF", payload)

    def effects(self, sending: Sending) -> int:
        return len(self._app.ledger()["effects"].get(sending.external_key, []))

    def _payment_of(self, receipt_id: str) -> dict[str, Any]:
        key = self.payment(receipt_id, "1").external_key
        items = self._app.state.d365.tables["CustTransOpenEntities"].rows.values()
        found: dict[str, Any] = next(row for row in items if row["PaymReference"] == key)
        return found

    async def open_amount(self, number: str) -> Decimal:
        self._app.work()
        items = self._app.state.d365.tables["CustTransOpenEntities"].rows.values()
        amounts = (row["OpenAmountCur"] for row in items if row["Invoice"] == number)
        return sum(amounts, Decimal(0))

    async def unapplied_amount(self, receipt_id: str) -> Decimal:
        found: Decimal = -self._payment_of(receipt_id)["OpenAmountCur"]
        return found

    async def books(self) -> Books:
        self._app.work()
        return books_of(
            self._app.state.d365.ledger,
            "usmf",
            bank_account="110110",
            receivables_account="130100",
        )

    def move_clock(self, seconds: float) -> None:
        self._clock.set(self._clock.now() + timedelta(seconds=seconds))
