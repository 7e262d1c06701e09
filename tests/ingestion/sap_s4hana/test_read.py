"""The read against the sandbox over real sockets: what is written by protocol is read back."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ingestion import sap_s4hana
from ingestion.common.config import System
from ingestion.common.errors import VendorRejected
from ingestion.common.report import ReadReport
from ingestion.common.transport import AiohttpTransport
from ingestion.common.warehouse import open_warehouse
from ingestion.sap_s4hana.client import SapClient
from ingestion.sap_s4hana.settings import OBJECTS
from sandbox.core.clock import Clock
from sandbox.core.faults import Faults
from sandbox.sap_s4hana import Settings, create_app
from tests.ingestion.support import Vendor, answer

STARTED_AT = datetime(2026, 5, 4, 6, tzinfo=UTC)
SERVICE = "API_BUSINESS_PARTNER"


@pytest.fixture
def system(serve_app: Callable[..., str]) -> System:
    app = create_app("sap_emea", clock=Clock(STARTED_AT), faults=Faults(0), settings=Settings())
    return System(
        system_id="sap_emea",
        kind="sap_s4hana",
        base_url=serve_app(app),
        credentials=dict(app.credentials()),
    )


def customer(number: str, name: str) -> dict[str, Any]:
    return {
        "BusinessPartner": number,
        "BusinessPartnerCategory": "2",
        "OrganizationBPName1": name,
        "to_BusinessPartnerAddress": {"results": [{"Country": "DE", "CityName": "Köln"}]},
        "to_BusinessPartnerTax": {"results": [{"BPTaxType": "DE0", "BPTaxNumber": "DE1"}]},
        "to_Customer": {
            "CustomerAccountGroup": "KUNA",
            "to_CustomerCompany": {
                "results": [{"CompanyCode": "U001", "ReconciliationAccount": "12100000"}]
            },
        },
    }


def act(system: System, work: Callable[[SapClient], Any]) -> None:
    async def run() -> None:
        client = SapClient(system, AiohttpTransport())
        try:
            await work(client)
        finally:
            await client.close()

    asyncio.run(run())


def read(system: System, tmp_path: Path, **options: Any) -> ReadReport:
    return sap_s4hana.read(system, tmp_path / "w.duckdb", run_started_at=STARTED_AT, **options)


def rows(tmp_path: Path, sql: str) -> list[tuple]:
    with open_warehouse(tmp_path / "w.duckdb") as connection:
        return connection.execute(sql).fetchall()


def test_master_data_written_by_protocol_is_read_and_a_second_read_brings_no_news(
    system: System, tmp_path: Path
) -> None:
    act(
        system,
        lambda client: client.change(
            "POST", SERVICE, "A_BusinessPartner", customer("0140105686", "Ärger & Söhne")
        ),
    )
    report = read(system, tmp_path)
    assert not report.drift
    assert {one.name for one in report.objects} == {spec.name for spec in OBJECTS}
    found = rows(
        tmp_path,
        """select c.Customer, c.CustomerName, a.CityName, t.BPTaxNumber, k.CompanyCode
        from sap_s4hana_raw.customers c
        join sap_s4hana_raw.addresses a on a.BusinessPartner = c.Customer
        join sap_s4hana_raw.tax_numbers t on t.BusinessPartner = c.Customer
        join sap_s4hana_raw.customer_companies k using (Customer)""",
    )
    assert found == [("0140105686", "Ärger & Söhne", "Köln", "DE1", "U001")]
    again = read(system, tmp_path)
    assert again.rows > 0
    assert again.rows_changed == 0


def test_many_customers_come_in_pages(system: System, tmp_path: Path) -> None:
    async def create(client: SapClient) -> None:
        for number in range(30):
            await client.change(
                "POST", SERVICE, "A_BusinessPartner", customer(f"{number:010d}", f"C{number}")
            )

    act(system, create)
    report = read(system, tmp_path, only_objects=["customers"])
    assert [one.rows_read for one in report.objects] == [30]
    assert rows(
        tmp_path, "select count(*), count(distinct Customer) from sap_s4hana_raw.customers"
    ) == [(30, 30)]


def test_a_service_that_refuses_a_field_ends_the_read_and_loads_nothing(tmp_path: Path) -> None:
    refusal = {"error": {"code": "X/1", "message": {"lang": "en", "value": "Property not found"}}}
    vendor = Vendor(rule=lambda request: answer(400, refusal))
    system = System(
        system_id="sap_emea",
        kind="sap_s4hana",
        base_url="https://sap.example",
        credentials={"username": "u", "password": "p"},
    )
    with pytest.raises(VendorRejected, match="Property not found"):
        read(system, tmp_path, transport=vendor)
    assert vendor.is_closed


def test_what_is_asked_names_every_declared_field_and_the_overlap(tmp_path: Path) -> None:
    vendor = Vendor(rule=lambda request: answer(200, {"d": {"results": []}}))
    system = System(
        system_id="sap_emea",
        kind="sap_s4hana",
        base_url="https://sap.example",
        credentials={"username": "u", "password": "p"},
        options={"unidentified_gl_account": "99", "gl_balance_service": "ZZ_CDS/ZZ_Balance"},
    )
    read(system, tmp_path, transport=vendor)
    urls = {
        request.url.partition("?")[0].rpartition("/")[2]: request.url for request in vendor.asked
    }
    assert "ZZ_Balance" in urls
    assert "GLAccount%20eq%20%2799%27" in urls["A_OperationalAcctgDocItemCube"]
    for spec in OBJECTS:
        if spec.name != "gl_balances":
            assert f"{spec.fields[-1].name}" in urls[spec.path.rpartition("/")[2]]
    with open_warehouse(tmp_path / "w.duckdb") as connection:
        connection.execute(
            "insert into sap_s4hana_raw.operational_items (system_id, CompanyCode, FiscalYear, "
            "AccountingDocument, AccountingDocumentItem, LastChangeDate) "
            "values ('sap_emea', 'U001', '2026', '1', '001', '2026-05-04')"
        )
        connection.execute(
            "insert into sap_s4hana_raw.sales_orders (system_id, SalesOrder, LastChangeDateTime) "
            "values ('sap_emea', '1', '2026-05-04 10:00:00+00')"
        )
    vendor.asked.clear()
    read(system, tmp_path, transport=vendor, only_objects=["operational_items", "sales_orders"])
    items, orders = sorted((request.url for request in vendor.asked), key=len, reverse=True)
    assert "LastChangeDate%20ge%20datetime%272026-05-02T00%3A00%3A00%27" in items
    assert "LastChangeDateTime%20ge%20datetimeoffset%272026-05-04T09%3A00%3A00Z%27" in orders


def test_an_installation_without_a_balance_service_reads_everything_else(tmp_path: Path) -> None:
    vendor = Vendor(rule=lambda request: answer(200, {"d": {"results": []}}))
    system = System(
        system_id="sap_emea",
        kind="sap_s4hana",
        base_url="https://sap.example",
        credentials={"username": "u", "password": "p"},
        options={"gl_balance_service": ""},
    )
    report = read(system, tmp_path, transport=vendor)
    assert {spec.name for spec in OBJECTS} - {one.name for one in report.objects} == {"gl_balances"}


def test_a_change_later_on_a_day_that_was_read_is_read_and_the_rest_of_the_day_is_no_news(
    system: System, tmp_path: Path
) -> None:
    """``LastChangeDate`` knows no time: the whole day is read again, and compared."""
    numbers = [f"{number:010d}" for number in range(1, 6)]

    async def create(client: SapClient) -> None:
        for number in numbers:
            await client.change("POST", SERVICE, "A_BusinessPartner", customer(number, "Before"))

    async def rename(client: SapClient) -> None:
        place = f"A_BusinessPartner('{numbers[2]}')"
        await client.change("PATCH", SERVICE, place, {"OrganizationBPName1": "After"}, etag="*")

    act(system, create)
    read(system, tmp_path, only_objects=["business_partners"])
    act(system, rename)
    report = read(system, tmp_path, only_objects=["business_partners"])
    assert (report.rows, report.rows_changed) == (5, 1)
    found = rows(
        tmp_path,
        "select BusinessPartnerName, count(*) from sap_s4hana_raw.business_partners group by 1",
    )
    assert sorted(found) == [("After", 1), ("Before", 4)]


def test_dunning_blocks_of_customers_are_read(system: System, tmp_path: Path) -> None:
    async def block(client: SapClient) -> None:
        number = "0000000001"
        await client.change("POST", SERVICE, "A_BusinessPartner", customer(number, "Slow Payer"))
        body = {"Customer": number, "CompanyCode": "U001", "DunningArea": "", "DunningBlock": "B"}
        await client.change("POST", SERVICE, "A_CustomerDunning", body)

    act(system, block)
    read(system, tmp_path, only_objects=["customer_dunning"])
    found = rows(tmp_path, "select CompanyCode, DunningBlock from sap_s4hana_raw.customer_dunning")
    assert found == [("U001", "B")]
