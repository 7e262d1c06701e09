"""Tryton: the real server on PostgreSQL, a database of its own; skipped loudly where it is absent.

What a real server cannot be made to do, the suite does at the transport: lost answers, throttling,
broken answers. Its clock cannot be moved, and nothing here needs it to.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from ingestion.common.config import System
from ingestion.common.transport import AiohttpTransport, Request, Response, Transport
from ingestion.tryton.client import TrytonClient
from reverse_etl.delivery.writer import Sending
from sandbox.tryton.people import People
from sandbox.tryton.server import missing_parts, running_server
from tests.contract.erp.bench import CLOSED_DAY, TODAY, Books, Shape, Write
from tests.ingestion.support import answer
from tests.reverse_etl.support import sending

KIND = "tryton"
BANK, RECEIVABLES = "1.1.1", "1.2.1"
#: Posted lines of the ledger with what they stand on.
_LINES = (
    "SELECT line.*, account.code, move.description AS text, line.debit - line.credit AS amount, "
    'EXISTS (SELECT FROM "account_invoice-account_move_line" AS beside '
    "WHERE beside.line = line.id) AS is_beside "
    "FROM account_move_line AS line JOIN account_move AS move ON move.id = line.move "
    "JOIN account_account AS account ON account.id = line.account WHERE move.state = 'posted'"
)


class Bench:
    """See ``tests.contract.erp.bench.ErpBench``."""

    kind = KIND
    customer = "C0001"
    company_code = "1"
    shape = Shape(
        read_path="model.account.move.line.search_read",
        write_path="model.account.move.post",
        has_etags=True,
        state_path="model.party.party.write",
        state_method="POST",
        is_virtual=False,
        item_objects=("move_lines", "invoices"),
        # One of each sort: tests/reverse_etl/tryton lets hubs die behind every write.
        effect_writes={
            "returned_payments": (
                Write("model.account.move.post"),
                Write("move.unreconcile_lines.execute"),
            ),
            "refunds": (
                Write("model.account.move.create"),
                Write("move.reconcile_lines.execute"),
            ),
            "debit_memos": (
                Write("model.account.invoice.create"),
                Write("model.account.invoice.post"),
            ),
        },
        effect_values={"bank_gl_account": BANK},
        bad_answers={
            "neither result nor error": answer(200, {"id": 1}),
            "no rows": answer(200, {"id": 1, "result": {"rows": []}}),
            "a decimal of another form": answer(
                200, {"id": 1, "result": [{"id": 1, "debit": {"__class__": "Decimal"}}]}
            ),
        },
    )

    def __init__(self) -> None:
        url = os.environ.get("LEDGERLOOP_TEST_POSTGRES_URL")
        if missing := missing_parts(url):
            pytest.skip(f"TRYTON IS NOT TESTED: {missing}")
        assert url is not None
        self._stack = ExitStack()
        self._server = self._stack.enter_context(running_server(url))
        self._database = f"tryton_bench_{os.getpid()}"
        self._server.copy(self._server.base(), self._database)
        self._stack.callback(self._server.drop, self._database)
        self._invoices: dict[str, dict[str, Any]] = {}

    @property
    def system(self) -> System:
        system = self._server.system(self._database, f"{KIND}_test")
        return system.model_copy(update={"options": {**system.options, "page_rows_max": 3}})

    def transport(self) -> Transport:
        return _OneConnection()

    async def start(self) -> None:
        async with _Visit(self.system) as people:
            await people.create_party(self.customer, "Acme")
            year = ["fiscalyear.name", "=", str(CLOSED_DAY.year)]
            periods = [row["id"] for row in await people.rows("account.period", [year], "id")]
            await people.call("account.period.close", periods)

    async def stop(self) -> None:
        self._stack.close()

    async def post_invoice(
        self, number: str, amount: Decimal, currency_code: str = "USD"
    ) -> dict[str, Any]:
        async with _Visit(self.system) as people:
            made = await people.post_invoice(
                self.customer, amount, TODAY, reference=number, currency_code=currency_code
            )
        self._invoices[number] = made
        document, line = str(made["move"]), str(made["lines_to_pay"][0])
        return {
            "item_key": f"TRY-1-{TODAY.year}-{document}-{line}",
            "fiscal_year": str(TODAY.year),
            "document": document,
            "item": line,
            "amount": str(amount),
        }

    async def touch_invoice(self, number: str) -> None:
        async with _Visit(self.system) as people:
            (line,) = self._invoices[number]["lines_to_pay"]
            await people.call("account.move.line.write", [line], {"maturity_date": TODAY})

    async def remove_invoice(self, number: str) -> None:
        async with _Visit(self.system) as people:
            # Tryton lets nobody cancel a posted customer invoice until the company says so.
            await people.call("company.company.write", [1], {"cancel_invoice_out": True})
            await people.call("account.invoice.cancel", [self._invoices[number]["id"]])

    async def end_sessions(self) -> None:
        self._server.execute(self._database, "DELETE FROM ir_session")

    async def change_limit(self, amount: Decimal) -> None:
        async with _Visit(self.system) as people:
            await people.set_limit(self.customer, amount)

    def throttled(self) -> Response:
        return answer(429, "Too Many Requests", Content_Type="text/html")

    def items(self, warehouse: duckdb.DuckDBPyConnection) -> dict[str, Decimal]:
        rows = warehouse.execute(
            "SELECT invoices.reference, sum(coalesce(amount_second_currency, debit - credit)) "
            "FROM tryton_raw.invoices JOIN tryton_raw.move_lines USING (move) "
            "WHERE invoices.state <> 'cancelled' GROUP BY 1"
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
            "document_date": TODAY.isoformat(),
            "value_date": TODAY.isoformat(),
            "bank_gl_account": BANK,
            "bank_reference": f"BK{receipt_id[:12]}",
            "item_text": "Acme",
        }
        made: Sending = sending(KIND, "payments", receipt_id, {**payload, **changes})
        return made

    def application(
        self, receipt_id: str, lines: Sequence[Mapping[str, Any]], payment_native_id: str
    ) -> Sending:
        _, year, document = payment_native_id.split("/")
        payload = {
            "company_code": "1",
            "customer": self.customer,
            "currency_code": "USD",
            "posting_date": TODAY.isoformat(),
            "receipt_fiscal_year": year,
            "receipt_document": document,
            "lines": [dict(line) for line in lines],
        }
        made: Sending = sending(KIND, "applications", receipt_id, payload)
        return made

    def credit_limit(self, amount: str) -> Sending:
        payload = {"limit_kind": "limited", "limit_amount": amount}
        made: Sending = sending(KIND, "credit_limits", f"{self.customer}/1", payload)
        return made

    def effects(self, sending: Sending) -> int:
        return int(
            self._number(
                "SELECT (SELECT count(*) FROM account_move WHERE state = 'posted' AND description "
                "LIKE %s) + (SELECT count(*) FROM account_invoice WHERE move IS NOT NULL AND "
                "description LIKE %s)",
                *[f"{sending.external_key}%"] * 2,
            )
        )

    async def open_amount(self, number: str) -> Decimal:
        async with _Visit(self.system) as people:
            rows = await people.rows(
                "account.invoice", [["reference", "=", number]], "amount_to_pay"
            )
        return sum((row["amount_to_pay"] for row in rows), Decimal(0))

    async def unapplied_amount(self, receipt_id: str) -> Decimal:
        key = self.payment(receipt_id, "1").external_key
        return -self._number(
            f"SELECT sum(amount) FROM ({_LINES}) AS line WHERE text LIKE %s AND code = %s "
            "AND reconciliation IS NULL AND NOT is_beside",
            f"{key}%",
            RECEIVABLES,
        )

    async def books(self) -> Books:
        every = f"SELECT sum(amount) FROM ({_LINES}) AS line"
        owed = f"{every} WHERE code = %s"
        return Books(
            bank=self._number(owed, BANK),
            receivables=self._number(owed, RECEIVABLES),
            items=self._number(f"{owed} AND reconciliation IS NULL", RECEIVABLES),
            is_balanced=self._number(every) == 0,
        )

    def _number(self, statement: str, *values: Any) -> Decimal:
        """One number of Tryton's own tables, zero where there is none."""
        ((found,),) = self._server.query(self._database, statement, *values)
        return Decimal(found or 0)

    def move_clock(self, seconds: float) -> None:
        """A real server's clock goes by itself."""


class _OneConnection:
    """A connection for each request: the suite lets go of transports without closing them."""

    async def send(self, request: Request) -> Response:
        transport = AiohttpTransport()
        try:
            return await transport.send(request)
        finally:
            await transport.close()

    async def close(self) -> None:
        return None


class _Visit:
    """Somebody at a desk in Tryton, signed in for a moment."""

    def __init__(self, system: System) -> None:
        self._client = TrytonClient(system, AiohttpTransport())

    async def __aenter__(self) -> People:
        return People(self._client)

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()
