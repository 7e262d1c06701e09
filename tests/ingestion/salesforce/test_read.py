"""Client and read against the sandbox over real sockets."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ingestion import salesforce
from ingestion.common.config import System
from ingestion.common.report import ReadReport
from ingestion.common.transport import AiohttpTransport
from ingestion.common.warehouse import open_warehouse
from ingestion.salesforce.client import SalesforceClient
from sandbox.core.clock import Clock
from sandbox.core.faults import Faults
from sandbox.salesforce import Settings, create_app

STARTED_AT = datetime(2026, 5, 4, 6, tzinfo=UTC)


class Org:
    """A sandbox org and a client's short visits to it."""

    def __init__(self, serve_app: Callable[..., str]) -> None:
        self.clock = Clock(STARTED_AT)
        self.app = create_app("crm", clock=self.clock, faults=Faults(0), settings=Settings())
        self.base_url = serve_app(self.app)

    def system(self, **options: str) -> System:
        return System(
            system_id="crm",
            kind="salesforce",
            base_url=self.base_url,
            credentials=dict(self.app.credentials()),
            options=options,
        )

    def act(self, work: Callable[[SalesforceClient], Awaitable[Any]], **options: str) -> Any:
        async def run() -> Any:
            client = SalesforceClient(self.system(**options), AiohttpTransport())
            try:
                return await work(client)
            finally:
                await client.close()

        return asyncio.run(run())

    def read(self, tmp_path: Path) -> ReadReport:
        path = tmp_path / "w.duckdb"
        return salesforce.read(self.system(), path, run_started_at=self.clock.now())


@pytest.fixture
def org(serve_app: Callable[..., str]) -> Org:
    return Org(serve_app)


def rows(tmp_path: Path, sql: str) -> list[tuple]:
    with open_warehouse(tmp_path / "w.duckdb") as connection:
        return connection.execute(sql).fetchall()


async def seed(client: SalesforceClient) -> str:
    account = await client.create("Account", {"Name": "Ärger", "ERP_Customer_Id__c": "140105686"})
    for number in range(0, 2400, 200):
        records = [
            {"ERP_Invoice_Key__c": f"K{n}", "Account__c": account, "Amount__c": f"{n}.10"}
            for n in range(number, number + 200)
        ]
        await client.upsert_collection("AR_Invoice__c", "ERP_Invoice_Key__c", records)
    return account


@pytest.mark.parametrize("way", ["jwt", "client_credentials", "password", "soap"])
def test_all_four_logins_open_the_org(org: Org, way: str) -> None:
    assert org.act(lambda client: client.limits(), login=way)


def test_everything_is_read_in_pages_with_exact_money_and_a_second_read_brings_no_news(
    org: Org, tmp_path: Path
) -> None:
    org.act(seed)
    report = org.read(tmp_path)
    assert {one.name: (one.rows_read, one.pages) for one in report.objects} == {
        "accounts": (1, 1),
        "ar_balances": (0, 1),
        "ar_invoices": (2400, 2),
    }
    sums = "select count(*), sum(Amount__c) from salesforce_raw.ar_invoices"
    total = sum(Decimal(f"{n}.10") for n in range(2400))
    assert rows(tmp_path, sums) == [(2400, total)]
    assert org.read(tmp_path).rows_changed == 0


def test_a_change_and_a_delete_are_seen_and_the_deleted_row_stays_marked(
    org: Org, tmp_path: Path
) -> None:
    account = org.act(seed)
    org.read(tmp_path)

    async def change(client: SalesforceClient) -> None:
        await client.update("Account", account, {"AR_Status__c": "Past Due"})
        found = await client.query_rows(
            "SELECT Id FROM AR_Invoice__c WHERE ERP_Invoice_Key__c = 'K7'"
        )
        await client.request(
            "DELETE", f"sobjects/AR_Invoice__c/{found[0]['Id']}", None, "application/json"
        )

    org.clock.set(STARTED_AT + timedelta(hours=3))
    org.act(change)
    org.clock.set(STARTED_AT + timedelta(hours=4))
    report = org.read(tmp_path)
    assert {one.name: one.rows_changed for one in report.objects} == {
        "accounts": 1,
        "ar_balances": 0,
        "ar_invoices": 1,
    }
    assert rows(tmp_path, "select AR_Status__c from salesforce_raw.accounts") == [("Past Due",)]
    deleted = "select ERP_Invoice_Key__c, Amount__c from salesforce_raw.ar_invoices where IsDeleted"
    assert rows(tmp_path, deleted) == [("K7", Decimal("7.100000"))]
    assert org.read(tmp_path).rows_changed == 0


def test_after_a_long_pause_all_ids_are_compared(org: Org, tmp_path: Path) -> None:
    org.act(seed)
    org.read(tmp_path)

    async def remove(client: SalesforceClient) -> None:
        found = await client.query_rows(
            "SELECT Id FROM AR_Invoice__c WHERE ERP_Invoice_Key__c = 'K9'"
        )
        await client.request(
            "DELETE", f"sobjects/AR_Invoice__c/{found[0]['Id']}", None, "application/json"
        )

    org.clock.set(STARTED_AT + timedelta(days=40))
    org.act(remove)
    org.clock.set(STARTED_AT + timedelta(days=60))
    assert org.read(tmp_path).rows_changed == 1
    deleted = "select ERP_Invoice_Key__c from salesforce_raw.ar_invoices where IsDeleted"
    assert rows(tmp_path, deleted) == [("K9",)]


def test_a_bulk_job_fails_its_bad_row_only(org: Org) -> None:
    async def work(client: SalesforceClient) -> Any:
        account = await client.create("Account", {"Name": "A"})
        content = f"ERP_Invoice_Key__c,Amount__c,Account__c\nB1,3.25,{account}\nB2,many,{account}\n"
        return await client.bulk_ingest(
            "AR_Invoice__c",
            "upsert",
            "ERP_Invoice_Key__c",
            content.encode(),
            interval_seconds=0.01,
        )

    found = org.act(work)
    assert found.state == "JobComplete"
    assert b'"B1"' in found.successful
    assert b'"B2"' in found.failed
    assert b"INVALID_TYPE_ON_FIELD_IN_RECORD" in found.failed


def test_a_bulk_query_brings_what_pages_bring(org: Org) -> None:
    org.act(seed)

    async def work(client: SalesforceClient) -> int:
        pieces = [one async for one in client.bulk_query("SELECT Id FROM AR_Invoice__c")]
        return sum(len(piece.splitlines()) - 1 for piece in pieces)

    assert org.act(work) == 2400
