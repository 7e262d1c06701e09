"""pyodata, unmodified, against the sandbox: parse metadata, read, filter, page, change, create."""

import warnings
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.sandbox.sap_s4hana.system import (
    BLOCKED,
    CUSTOMER,
    ITEMS,
    SapSystem,
    clearing,
    invoice,
    receipt,
)

pyodata = pytest.importorskip("pyodata")


def client(system: SapSystem, service: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own, about its dependencies
        return pyodata.Client(f"{system.odata}/{service}", system.session)


def test_every_service_is_understood(system: SapSystem) -> None:
    for name, service in system.app.state.sap.services.items():
        schema = client(system, name).schema
        found = {s.name: {p.name for p in s.entity_type.proprties()} for s in schema.entity_sets}
        assert found == {
            entity.name: {p.name for p in entity.properties} for entity in service.entities
        }


def test_customers_are_read_by_key_filter_and_navigation(system: SapSystem) -> None:
    service = client(system, "API_BUSINESS_PARTNER")
    customers = service.entity_sets.A_Customer
    assert customers.get_entity(CUSTOMER).execute().CustomerName == "Sysco Foods"
    partners = service.entity_sets.A_BusinessPartner
    request = partners.get_entities().filter("LastChangeDate ge datetime'2020-03-15T00:00:00'")
    (partner,) = request.execute()
    assert partner.LastChangeDate == datetime(2020, 3, 15, tzinfo=UTC)
    companies = customers.get_entity(CUSTOMER).nav("to_CustomerCompany").get_entities().execute()
    assert [c.CompanyCode for c in companies] == ["U001"]
    expanded = partners.get_entities().expand("to_Customer").execute()
    assert [p.to_Customer.Customer for p in expanded] == [CUSTOMER]
    company = service.entity_sets.A_CustomerCompany.get_entity(
        Customer=CUSTOMER, CompanyCode="U001"
    )
    assert company.execute().ReconciliationAccount == "12100000"


def test_items_are_filtered_counted_paged_and_exact(make_system: Any) -> None:
    system = make_system(page_size=4)
    system.make_customer()
    system.post_entries(*(invoice(f"E{n}", f"{n}.10") for n in range(1, 11)))
    items = client(system, "API_OPLACCTGDOCITEMCUBE_SRV").entity_sets.A_OperationalAcctgDocItemCube
    request = items.get_entities()
    wanted = "FinancialAccountType eq 'D' and IsCleared eq false"
    page = request.filter(wanted).count(inline=True).execute()
    assert page.total_count == 10
    rows = list(page)
    while page.next_url:
        page = items.get_entities().next_url(page.next_url).execute()
        rows += page
    assert len({row.AccountingDocument for row in rows}) == len(rows) == 10
    total = sum(Decimal(row.AmountInTransactionCurrency) for row in rows)
    assert total == Decimal("56.00")
    limited = items.get_entities().filter(wanted).top(3).skip(1).select("Customer").execute()
    assert [row.Customer for row in limited] == [CUSTOMER] * 3


def test_a_change_goes_through_with_token_and_tag(system: SapSystem) -> None:
    customers = client(system, "API_BUSINESS_PARTNER").entity_sets.A_Customer
    if system.settings.needs_if_match:
        with pytest.raises(pyodata.exceptions.HttpError) as caught:
            customers.update_entity(CUSTOMER).set(OrderIsBlockedForCustomer="01").execute()
        assert caught.value.response.status_code == 428
    tag = system.get(f"API_BUSINESS_PARTNER/A_Customer('{CUSTOMER}')").headers["ETag"]
    change = customers.update_entity(CUSTOMER).set(OrderIsBlockedForCustomer="01")
    change.add_headers({"If-Match": tag})
    change.execute()
    assert customers.get_entity(CUSTOMER).execute().OrderIsBlockedForCustomer == "01"


def test_an_order_is_created_blocked_and_released(system: SapSystem) -> None:
    system.make_credit_account(CreditLimitAmount="1.00")
    orders = client(system, "API_SALES_ORDER_SRV").entity_sets.A_SalesOrder
    made = (
        orders.create_entity()
        .set(
            SalesOrganization="U001",
            SoldToParty=CUSTOMER,
            TotalNetAmount="5.00",
            TransactionCurrency="USD",
        )
        .execute()
    )
    assert made.TotalCreditCheckStatus == "B"
    blocked = client(system, BLOCKED)
    listed = blocked.entity_sets.A_CreditBlockedSalesDocument.get_entities().execute()
    assert [row.SalesDocument for row in listed] == [made.SalesOrder]
    answer = blocked.functions.ReleaseCreditBlock.parameter("SalesDocument", made.SalesOrder)
    answer.execute()
    assert blocked.entity_sets.A_CreditBlockedSalesDocument.get_entities().execute() == []
    assert orders.get_entity(made.SalesOrder).execute().TotalCreditCheckStatus == "D"


def test_a_batch_of_changes_is_rolled_back_as_one(system: SapSystem) -> None:
    service = client(system, "API_BUSINESS_PARTNER")

    def change(number: str) -> Any:
        request = service.entity_sets.A_Customer.update_entity(number).set(DeliveryIsBlocked="09")
        request.add_headers({"If-Match": "*"})
        return request

    def send(*numbers: str) -> None:
        changes = service.create_changeset("changes")
        for number in numbers:
            changes.add_request(change(number))
        batch = service.create_batch("batch")
        batch.add_request(changes)
        batch.execute()

    with pytest.raises(pyodata.exceptions.PyODataException):
        send(CUSTOMER, "9")
    customer = service.entity_sets.A_Customer.get_entity(CUSTOMER)
    assert customer.execute().DeliveryIsBlocked == ""
    send(CUSTOMER)
    customer = service.entity_sets.A_Customer.get_entity(CUSTOMER)
    assert customer.execute().DeliveryIsBlocked == "09"


def test_a_clearing_shows_in_items_and_ties_to_the_general_ledger(system: SapSystem) -> None:
    system.post_entries(invoice("E1", "100.00"), receipt("E2", "100.00"), invoice("E3", "40.00"))
    system.clear(clearing("R1", ("1800000000", "001"), ("1400000000", "001")))
    system.wait()
    system.rows(ITEMS)  # a lag may be counted in reads
    items = client(system, "API_OPLACCTGDOCITEMCUBE_SRV").entity_sets.A_OperationalAcctgDocItemCube
    wanted = "FinancialAccountType eq 'D' and IsCleared eq false"
    rows = items.get_entities().filter(wanted).execute()
    assert len(rows) == 1
    subledger = sum(Decimal(row.AmountInCompanyCodeCurrency) for row in rows)
    service, _, name = system.settings.gl_balance_service.partition("/")
    balances = getattr(client(system, service).entity_sets, name)
    (balance,) = balances.get_entities().filter("GLAccount eq '12100000'").execute()
    assert Decimal(balance.AmountInCompanyCodeCurrency) == subledger == Decimal("40.00")
