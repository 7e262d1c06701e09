"""A sandboxed account in this process with short verbs, for tests of its rules."""

from collections.abc import Callable, Coroutine
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from ingestion.common.config import System
from ingestion.netsuite.client import NetSuiteClient
from sandbox.core.clock import Clock
from sandbox.core.faults import Faults
from sandbox.netsuite import NetSuiteSettings, Subsidiary, create_app
from tests.contract.erp.wires import run
from tests.support.serving import asgi_transport

__all__ = ["SUBSIDIARIES", "Account"]

SUBSIDIARIES = {
    "1": Subsidiary("USD", open_from=date(2026, 1, 1)),
    "2": Subsidiary("CAD", open_from=date(2026, 1, 1)),
}


class Account:
    """One account with customer C0001 (internal id 101) in subsidiary 1."""

    def __init__(self, *, login: str = "tba", **settings: Any) -> None:
        self.clock = Clock(datetime(2026, 5, 22, 8, tzinfo=UTC))
        self.faults = Faults()
        self.app = create_app(
            "ns",
            clock=self.clock,
            faults=self.faults,
            settings=NetSuiteSettings(**{"subsidiaries": SUBSIDIARIES, **settings}),
        )
        self.transport, urls = asgi_transport({"ns": self.app})
        self.system = System(
            system_id="ns",
            kind="netsuite",
            base_url=urls["ns"],
            credentials=dict(self.app.credentials()),
            options={"login": login},
        )
        self.customer = self.make(
            "customer", entityId="C0001", companyName="Acme", subsidiary={"id": "1"}
        )

    def act(self, work: Callable[[NetSuiteClient], Coroutine[Any, Any, Any]]) -> Any:
        """``work(client)`` in virtual time."""
        return run(work(NetSuiteClient(self.system, self.transport)), is_virtual=True)

    def make(self, kind: str, **body: Any) -> str:
        """POST a record; its internal id."""
        found: str = self.act(lambda client: client.change("POST", kind, body))
        return found

    def change(self, method: str, path: str, **body: Any) -> str:
        found: str = self.act(lambda client: client.change(method, path, body or None))
        return found

    def get(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = self.act(lambda client: client.get(path))
        return found

    def rows(self, query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.act(lambda client: client.rows(query))
        return [{k: v for k, v in row.items() if k != "links"} for row in found]

    def invoice(self, amount: str, **body: Any) -> str:
        lines = {"items": [{"item": {"id": "1"}, "amount": Decimal(amount)}]}
        return self.make("invoice", **{"entity": {"id": self.customer}, "item": lines, **body})

    def payment(self, amount: str, *applied: tuple[str, str], **body: Any) -> str:
        lines = [
            {"doc": {"id": doc}, "apply": True, "amount": Decimal(part)} for doc, part in applied
        ]
        sublist = {"apply": {"items": lines}} if lines else {}
        fields = {"customer": {"id": self.customer}, "payment": Decimal(amount), **sublist}
        return self.make("customerPayment", **{**fields, **body})

    def open_of(self, invoice: str) -> str:
        return str(self.get(f"invoice/{invoice}")["amountRemaining"])

    def balance(self, account: str, subsidiary: str = "1") -> Decimal:
        """Of a G/L account, in the books."""
        return self.app.state.ledger.balances.get((subsidiary, account), Decimal(0))
