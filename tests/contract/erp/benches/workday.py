"""Workday: the sandbox app in this process, three rows a page. SOAP has one address for all."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import duckdb

from ingestion.common.config import System
from ingestion.common.transport import Response, Transport
from ingestion.workday.client import add, add_reference
from reverse_etl.delivery.writer import Sending
from tests.contract.erp.bench import TODAY, Books, Shape, Write
from tests.contract.erp.books import books_of
from tests.ingestion.support import answer
from tests.reverse_etl.support import sending
from tests.sandbox.workday.tenant import Tenant

KIND = "workday"
XML = "text/xml; charset=utf-8"
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
FAULT = (
    f'<s:Envelope xmlns:s="{SOAP}"><s:Body><s:Fault><faultcode>s:Server</faultcode>'
    "<faultstring>Internal error</faultstring></s:Fault></s:Body></s:Envelope>"
)
OTHER = (
    f'<s:Envelope xmlns:s="{SOAP}"><s:Body>'
    '<w:Get_Workers_Response xmlns:w="urn:com.workday/bsvc"/></s:Body></s:Envelope>'
)


def _submits(what: str) -> Write:
    return Write("/Revenue_Management/", content=f"Submit_{what}_Request")


class Bench:
    """See ``tests.contract.erp.bench.ErpBench``."""

    kind = KIND
    customer = "C-100"
    company_code = "W100"
    shape = Shape(
        read_path="/Revenue_Management/",
        write_path="/Revenue_Management/",
        has_sessions=False,
        has_deletes=False,
        item_objects=("customer_invoices",),
        effect_writes={
            "returned_payments": (_submits("Customer_Invoice"),),
            "refunds": (_submits("Customer_Refund"),),
            "debit_memos": (_submits("Customer_Invoice"),),
        },
        bad_answers={
            "a fault inside a 200": answer(200, FAULT, Content_Type=XML),
            "the answer to another question": answer(200, OTHER, Content_Type=XML),
        },
    )

    def __init__(self) -> None:
        self._tenant = Tenant(f"{KIND}_test", page_rows_max=3)
        self._wids: dict[str, str] = {}

    @property
    def system(self) -> System:
        return self._tenant.system

    def transport(self) -> Transport:
        return self._tenant.transport()

    async def start(self) -> None:
        await self._tenant.customer(self.customer, limit="5000")

    async def stop(self) -> None:
        return None

    async def post_invoice(
        self, number: str, amount: Decimal, currency_code: str = "USD"
    ) -> dict[str, Any]:
        wid = await self._tenant.invoice(number, str(amount), currency=currency_code, day=TODAY)
        self._wids[number] = wid
        return {
            "item_key": f"WD-W100-{TODAY.year}-{wid.upper()}-001",
            "fiscal_year": str(TODAY.year),
            "document": wid.upper(),
            "item": "001",
            "amount": str(amount),
        }

    async def touch_invoice(self, number: str) -> None:
        values = self._tenant.record("invoice", number).values
        await self._tenant.invoice(
            number,
            str(values["Control_Amount_Total"]),
            currency=values["Currency_Reference"]["id"],
            memo="touched",
        )

    async def remove_invoice(self, number: str) -> None:
        await self._tenant.cancel(number)

    async def end_sessions(self) -> None:
        self._tenant.app.security.end_sessions()

    async def change_limit(self, amount: Decimal) -> None:
        content = self._tenant.client.request("Put_Customer")
        data = add(content, "Customer_Data")
        add(data, "Customer_ID", self.customer)
        add(data, "Customer_Name", "Changed by a person")
        add_reference(data, "Credit_Limit_Currency_Reference", "Currency_ID", "USD")
        add(data, "Credit_Limit", str(amount))
        await self._tenant.client.change(content)

    def throttled(self) -> Response:
        kind, body = self._tenant.app.fault_answer(429)
        return answer(429, body, Content_Type=kind, Retry_After="1")

    def items(self, warehouse: duckdb.DuckDBPyConnection) -> dict[str, Decimal]:
        rows = warehouse.execute(
            "SELECT Invoice_Number, Control_Amount_Total FROM workday_raw.customer_invoices "
            "WHERE Document_Status = 'Approved'"
        ).fetchall()
        return dict(rows)

    def payment(self, receipt_id: str, amount: str, **changes: Any) -> Sending:
        payload = {
            "company_code": self.company_code,
            "posting_kind": "customer",
            "customer": self.customer,
            "amount": amount,
            "currency_code": "USD",
            "posting_date": TODAY.isoformat(),
            "bank_reference": f"BK{receipt_id}",
            "item_text": "Acme",
        }
        known = {name: value for name, value in changes.items() if name in payload}
        return sending(KIND, "payments", receipt_id, {**payload, **known})

    def application(
        self, receipt_id: str, lines: Sequence[Mapping[str, Any]], payment_native_id: str
    ) -> Sending:
        payload = {
            "company_code": self.company_code,
            "customer": self.customer,
            "currency_code": "USD",
            "payment_document": payment_native_id.upper(),
            "lines": [dict(line) for line in lines],
        }
        return sending(KIND, "applications", receipt_id, payload)

    def credit_limit(self, amount: str) -> Sending:
        payload = {"limit_kind": "limited", "limit_amount": amount}
        return sending(KIND, "credit_limits", f"{self.customer}/1000", payload)

    def effects(self, sending: Sending) -> int:
        found = self._tenant.app.ledger()["effects"].get(sending.external_key, [])
        if sending.command.object_name != "returned_payments":
            return len(found)
        # An invoice for each that had been paid, and the payment's own application to one of them.
        return max((found.count(one) for one in found), default=0)

    async def open_amount(self, number: str) -> Decimal:
        state = self._tenant.app.state
        return sum(
            (
                state.open_amount(one)
                for one in state.of_kind("invoice")
                if number in (one.values["Invoice_Number"], one.values.get("Customer_PO_Number"))
            ),
            Decimal(0),
        )

    async def unapplied_amount(self, receipt_id: str) -> Decimal:
        self._tenant.app.ledger()  # applies what waits
        key = f"LLP-{self.payment(receipt_id, '1').external_key}"
        return self._tenant.app.state.open_amount(self._tenant.record("payment", key))

    async def books(self) -> Books:
        self._tenant.app.ledger()  # applies what waits
        return books_of(self._tenant.app.state.ledger, "W100")

    def move_clock(self, seconds: float) -> None:
        self._tenant.seconds += seconds
