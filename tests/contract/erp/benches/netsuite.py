"""NetSuite: the sandbox app in this process, signed in with a certificate, three rows a page."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import duckdb

from ingestion.common.config import System
from ingestion.common.transport import Response, Transport
from ingestion.netsuite.client import NetSuiteClient
from reverse_etl.delivery.writer import Sending
from sandbox.core.clock import Clock
from sandbox.core.faults import Faults
from sandbox.netsuite import NetSuiteSettings, Subsidiary, create_app
from tests.contract.erp.bench import NOW, TODAY, Books, Shape, Write
from tests.contract.erp.books import books_of
from tests.ingestion.support import answer
from tests.reverse_etl.support import sending
from tests.support.serving import asgi_transport

KIND = "netsuite"
ERROR = {
    "title": "Bad Request",
    "status": 400,
    "o:errorDetails": [{"detail": "wrong", "o:errorCode": "INVALID_CONTENT"}],
}


class Bench:
    """See ``tests.contract.erp.bench.ErpBench``."""

    kind = KIND
    customer = "C0001"
    company_code = "1"
    shape = Shape(
        read_path="/query/v1/suiteql",
        write_path="/record/v1/customerPayment",
        write_method="PUT",
        item_objects=("transaction_lines", "deleted_records"),
        effect_writes={
            "returned_payments": (
                Write("/record/v1/journalEntry", "PUT"),
                Write("/record/v1/customerPayment", "PATCH"),
            ),
            "refunds": (Write("/record/v1/customerRefund", "PUT"),),
            "debit_memos": (Write("/record/v1/invoice", "PUT"),),
        },
        bad_answers={
            "an error inside a 200": answer(200, ERROR),
            "no rows at all": answer(200, {"count": 0, "hasMore": False}),
        },
    )

    def __init__(self) -> None:
        settings = NetSuiteSettings(
            page_rows_max=3,
            subsidiaries={"1": Subsidiary("USD", open_from=date(2026, 1, 1))},
        )
        self._clock = Clock(NOW)
        self._app = create_app(
            f"{KIND}_test", clock=self._clock, faults=Faults(), settings=settings
        )
        self._transport, urls = asgi_transport({f"{KIND}_test": self._app})
        self._base_url = urls[f"{KIND}_test"]
        self._customer_id = ""
        self._ids: dict[str, str] = {}

    @property
    def system(self) -> System:
        return System(
            system_id=f"{KIND}_test",
            kind=KIND,
            base_url=self._base_url,
            key_prefix="NS",
            credentials=dict(self._app.credentials()),
            options={"login": "m2m"},
        )

    def transport(self) -> Transport:
        return self._transport

    def _client(self) -> NetSuiteClient:
        tba = self.system.model_copy(update={"options": {"login": "tba"}})
        return NetSuiteClient(tba, self._transport)

    async def start(self) -> None:
        self._customer_id = await self._client().change(
            "POST",
            "customer",
            {"entityId": self.customer, "companyName": "Acme", "subsidiary": {"id": "1"}},
        )

    async def stop(self) -> None:
        return None

    async def post_invoice(
        self, number: str, amount: Decimal, currency_code: str = "USD"
    ) -> dict[str, Any]:
        document = await self._client().change(
            "POST",
            "invoice",
            {
                "entity": {"id": self._customer_id},
                "tranId": number,
                "tranDate": TODAY.isoformat(),
                "currency": {"id": self._app.state.currency_ids[currency_code]},
                "item": {"items": [{"item": {"id": "1"}, "amount": amount}]},
            },
        )
        self._ids[number] = document
        return {
            "item_key": f"NS-1-{TODAY.year}-{document}-001",
            "fiscal_year": str(TODAY.year),
            "document": document,
            "item": "001",
            "amount": str(amount),
        }

    async def touch_invoice(self, number: str) -> None:
        await self._client().change("PATCH", f"invoice/{self._ids[number]}", {"memo": "touched"})

    async def remove_invoice(self, number: str) -> None:
        await self._client().change("DELETE", f"invoice/{self._ids[number]}")

    async def end_sessions(self) -> None:
        self._app.auth.expire_all()

    async def change_limit(self, amount: Decimal) -> None:
        await self._client().change(
            "PATCH", f"customer/{self._customer_id}", {"creditLimit": amount}
        )

    def throttled(self) -> Response:
        kind, body = self._app.fault_answer(429)
        return answer(429, body, Content_Type=kind)

    def items(self, warehouse: duckdb.DuckDBPyConnection) -> dict[str, Decimal]:
        rows = warehouse.execute(
            "SELECT tranid, sum(foreignamount) FROM netsuite_raw.transaction_lines AS lines "
            "ANTI JOIN netsuite_raw.deleted_records AS gone ON gone.recordid = lines.transaction "
            "WHERE type = 'CustInvc' GROUP BY tranid"
        ).fetchall()
        return dict(rows)

    def payment(self, receipt_id: str, amount: str, **changes: Any) -> Sending:
        payload = {
            "company_code": "1",
            "posting_kind": "customer",
            "customer": self.customer,
            "amount": amount,
            "currency_code": "USD",
            "posting_date": TODAY.isoformat(),
            "bank_gl_account": "11001000",
            "bank_reference": f"BK{receipt_id[:12]}",
            "item_text": f"{receipt_id[:18]} Acme",
        }
        known = {name: value for name, value in changes.items() if name in payload}
        return sending(KIND, "payments", receipt_id, {**payload, **known})

    def application(
        self, receipt_id: str, lines: Sequence[Mapping[str, Any]], payment_native_id: str
    ) -> Sending:
        payload = {
            "company_code": "1",
            "customer": self.customer,
            "currency_code": "USD",
            "payment_document": payment_native_id,
            "lines": [dict(line) for line in lines],
        }
        return sending(KIND, "applications", receipt_id, payload)

    def credit_limit(self, amount: str) -> Sending:
        payload = {"limit_kind": "limited", "limit_amount": amount}
        return sending(KIND, "credit_limits", f"{self.customer}/1000", payload)

    def effects(self, sending: Sending) -> int:
        return len(self._app.ledger()["effects"].get(sending.external_key, []))

    async def open_amount(self, number: str) -> Decimal:
        state = self._app.state
        return sum(
            (
                state.open_amount(one)
                for one in state.of_kind("invoice").values()
                if one.values["tranId"] == number
            ),
            Decimal(0),
        )

    async def unapplied_amount(self, receipt_id: str) -> Decimal:
        state = self._app.state
        external_id = f"LLP-{self.payment(receipt_id, '1').external_key}"
        return state.open_amount(
            state.of_kind("customerPayment")[state.by_external["customerPayment", external_id]]
        )

    async def books(self) -> Books:
        return books_of(self._app.state.ledger, "1")

    def move_clock(self, seconds: float) -> None:
        self._clock.set(self._clock.now() + timedelta(seconds=seconds))
