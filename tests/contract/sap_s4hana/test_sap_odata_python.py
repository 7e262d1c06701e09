"""sap-odata-python, and plain ``requests`` as a generic client, unmodified against the sandbox."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import requests

from tests.sandbox.sap_s4hana.system import BLOCKED, CUSTOMER, ITEMS, SapSystem, invoice, receipt

sap_odata = pytest.importorskip("sap_odata")
PARTNERS = "API_BUSINESS_PARTNER"


@pytest.fixture
def client(system: SapSystem) -> Iterator[Any]:
    settings = system.settings
    host = system.odata.partition("/sap/opu")[0]
    with sap_odata.ODataClient(
        host, settings.username, settings.password, client=settings.sap_client
    ) as found:
        yield found


def test_metadata_counts_and_keys_are_understood(client: Any, system: SapSystem) -> None:
    assert "A_CustomerCompany" in client.metadata(PARTNERS, version="v2")
    assert client.count(PARTNERS, "A_Customer", version="v2") == 1
    one = client.get(PARTNERS, f"A_Customer('{CUSTOMER}')", version="v2")
    assert one["d"]["CustomerName"] == "Sysco Foods"
    with pytest.raises(sap_odata.ODataError, match="HTTP 404"):
        client.get(PARTNERS, "A_Customer('9')", version="v2")


def test_pages_are_followed_and_amounts_are_exact(make_system: Any) -> None:
    system = make_system(page_size=4)
    system.make_customer()
    system.post_entries(*(invoice(f"E{n}", f"{n}.10") for n in range(1, 11)))
    settings = system.settings
    host = system.odata.partition("/sap/opu")[0]
    with sap_odata.ODataClient(host, settings.username, settings.password) as client:
        service, _, entity = ITEMS.partition("/")
        page = client.get(
            service,
            entity,
            version="v2",
            filter="FinancialAccountType eq 'D' and IsCleared eq false",
            select="AccountingDocument,AmountInTransactionCurrency",
            orderby="AccountingDocument",
        )
        rows = client.get_value(page, version="v2")
        while link := client.get_next_link(page, version="v2"):
            page = client.session.get(link, headers={"Accept": "application/json"}).json()
            rows += client.get_value(page, version="v2")
    amounts = [Decimal(row["AmountInTransactionCurrency"]) for row in rows]
    assert (len(amounts), sum(amounts)) == (10, Decimal("56.00"))


def test_a_customer_is_created_deep_and_its_parts_are_read(client: Any) -> None:
    body = {
        "BusinessPartner": "4711",
        "BusinessPartnerCategory": "2",
        "OrganizationBPName1": "Made by another client",
        "to_Customer": {"to_CustomerCompany": [{"CompanyCode": "U001"}]},
    }
    made = client.post(PARTNERS, "A_BusinessPartner", body, version="v2")
    assert made["d"]["Customer"].lstrip("0") == "4711"
    companies = client.get(PARTNERS, "A_CustomerCompany", version="v2", filter="CompanyCode ne ''")
    assert len(client.get_value(companies, version="v2")) == 2


def test_a_client_that_sends_no_etag_is_told_so(client: Any, system: SapSystem) -> None:
    change = {"OrderIsBlockedForCustomer": "01"}
    place = f"A_Customer('{CUSTOMER}')"
    if system.settings.needs_if_match:
        with pytest.raises(sap_odata.ODataError, match="HTTP 428"):
            client.patch(PARTNERS, place, change, version="v2")
    else:
        assert client.patch(PARTNERS, place, change, version="v2") == {"d": []}
        row = client.get(PARTNERS, place, version="v2")["d"]
        assert row["OrderIsBlockedForCustomer"] == "01"


def test_a_wrong_password_is_no_odata_answer(system: SapSystem) -> None:
    host = system.odata.partition("/sap/opu")[0]
    with (
        sap_odata.ODataClient(host, "nobody", "wrong") as client,
        pytest.raises(sap_odata.ODataAuthError),
    ):
        client.get(PARTNERS, "A_Customer", version="v2")


def test_a_generic_client_reads_filters_and_calls_functions(system: SapSystem) -> None:
    """Nothing but HTTP and the OData v2 conventions: token and cookies, percent-encoded keys."""
    system.make_credit_account(CreditLimitAmount="1.00")
    system.post_entries(invoice("E1", "100.00"), receipt("E2", "60.00"))
    with requests.Session() as session:
        session.auth = (system.settings.username, system.settings.password)
        session.headers["Accept"] = "application/json"
        fetch = {"x-csrf-token": "Fetch"}
        first = session.get(f"{system.odata}/API_SALES_ORDER_SRV/", headers=fetch)
        session.headers["x-csrf-token"] = first.headers["x-csrf-token"]
        order = session.post(
            f"{system.odata}/API_SALES_ORDER_SRV/A_SalesOrder",
            json={"SalesOrganization": "U001", "SoldToParty": CUSTOMER, "TotalNetAmount": "5.00"},
        ).json()["d"]
        assert order["TotalCreditCheckStatus"] == "B"
        released = session.post(
            f"{system.odata}/{BLOCKED}/ReleaseCreditBlock?SalesDocument='{order['SalesOrder']}'"
        )
        assert released.ok
        key = f"A_SalesOrder%28%27{order['SalesOrder']}%27%29"
        again = session.get(f"{system.odata}/API_SALES_ORDER_SRV/{key}").json()["d"]
        assert again["TotalCreditCheckStatus"] == "D"
        query = f"%24filter=Customer%20eq%20'{CUSTOMER}'&$top=1&$inlinecount=allpages"
        page = session.get(f"{system.odata}/{ITEMS}?{query}").json()["d"]
        assert (len(page["results"]), page["__count"]) == (1, "2")
