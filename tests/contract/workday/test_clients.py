"""Real clients, unmodified, over real sockets: zeep for SOAP, requests for REST and reports."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
import requests
import zeep
from zeep.exceptions import Fault
from zeep.wsse.username import UsernameToken

from tests.sandbox.workday.tenant import Tenant
from tests.support.serving import serve_app

TENANT = "ledgerloop"


@pytest.fixture(scope="module")
def tenant() -> Tenant:
    return Tenant()


@pytest.fixture(scope="module")
def url(tenant: Tenant) -> Iterator[str]:
    with serve_app(tenant.app) as base_url:
        yield base_url


@pytest.fixture(scope="module")
def wsdl(url: str) -> str:
    return f"{url}/ccx/service/{TENANT}/Revenue_Management/v43.0?wsdl"


@pytest.fixture(scope="module")
def service(wsdl: str, tenant: Tenant) -> Any:
    token = UsernameToken(f"ISU_Ledgerloop@{TENANT}", tenant.settings.password)
    found = zeep.Client(wsdl, wsse=token).service
    found.Put_Customer(Customer_Data={"Customer_ID": "C-1", "Customer_Name": "Acme"}, Add_Only=True)
    for place in range(1, 6):
        found.Submit_Customer_Invoice(Customer_Invoice_Data=invoice(f"INV-{place}"), Add_Only=True)
    return found


def ref(kind: str, name: str) -> dict[str, Any]:
    return {"ID": [{"_value_1": name, "type": kind}]}


def invoice(number: str) -> dict[str, Any]:
    return {
        "Customer_Invoice_ID": number,
        "Submit": True,
        "Invoice_Number": number,
        "Company_Reference": ref("Company_Reference_ID", "W100"),
        "Customer_Reference": ref("Customer_ID", "C-1"),
        "Currency_Reference": ref("Currency_ID", "USD"),
        "Invoice_Date": date(2026, 5, 1),
        "Control_Amount_Total": Decimal("100.10"),
    }


def payment(number: str, amount: str, **more: Any) -> dict[str, Any]:
    return {
        "Customer_Payment_for_Invoices_Reference_ID": number,
        "Company_Reference": ref("Organization_Reference_ID", "W100"),
        "Payment_Currency_Reference": ref("Currency_ID", "USD"),
        "Payment_Date": date(2026, 5, 20),
        "Payment_Type_Reference": ref("Payment_Type_ID", "EFT"),
        "Payment_Amount": Decimal(amount),
        "Remitfrom_Customer_Reference": ref("Customer_ID", "C-1"),
        **more,
    }


def test_zeep_reads_every_page_by_response_results(service: Any) -> None:
    numbers, page, pages = [], 1, 1
    while page <= pages:
        answer = service.Get_Customer_Invoices(
            Request_Criteria={"Customers_Reference": [ref("Customer_ID", "C-1")]},
            Response_Filter={"Page": page, "Count": 2},
        )
        pages = int(answer.Response_Results.Total_Pages)
        rows = answer.Response_Data.Customer_Invoice
        assert len(rows) == answer.Response_Results.Page_Results
        numbers += [row.Customer_Invoice_Data.Invoice_Number for row in rows]
        page += 1
    assert numbers == [f"INV-{place}" for place in range(1, 6)]


def test_zeep_pays_an_invoice_with_remittance_advice(service: Any) -> None:
    advice = {
        "Customer_Invoice_Reference": [ref("Customer_Invoice_Reference_ID", "INV-1")],
        "Amount_to_Pay": Decimal("60.10"),
    }
    data = payment(
        "PAY-1",
        "60.10",
        Ready_to_AutoApply=True,
        Customer_Payment_Remittance_Advice_Data=[advice],
    )
    service.Put_Customer_Payment(Customer_Payment_Data=data, Add_Only=True)
    row = service.Get_Customer_Invoices(
        Request_References={
            "Customer_Invoice_Reference": [ref("Customer_Invoice_Reference_ID", "INV-1")]
        }
    ).Response_Data.Customer_Invoice[0]
    assert row.Customer_Invoice_Data.Amount_Due == Decimal("40.00")
    assert row.Customer_Invoice_Data.Payment_Status == "Partially Paid"
    with pytest.raises(Fault, match="already in use") as caught:
        service.Put_Customer_Payment(Customer_Payment_Data=data, Add_Only=True)
    assert caught.value.code == "SOAP-ENV:Client.validationError"
    assert caught.value.detail is not None


def test_zeep_adjusts_disputes_and_sets_a_limit(service: Any, tenant: Tenant) -> None:
    reference = ref("Customer_Invoice_Reference_ID", "INV-2")
    service.Submit_Customer_Invoice_Adjustment(
        Customer_Invoice_Adjustment_Data={
            "Customer_Invoice_Adjustment_ID": "ADJ-1",
            "Submit": True,
            "Company_Reference": ref("Company_Reference_ID", "W100"),
            "Customer_Reference": ref("Customer_ID", "C-1"),
            "Currency_Reference": ref("Currency_ID", "USD"),
            "Adjustment_Reason_Reference": ref("Adjustment_Reason_ID", "PRICE"),
            "Increase_Amount_Due": False,
            "Original_Customer_Invoice_Reference": reference,
            "AutoApply_Adjustment_to_Invoice": True,
            "Adjustment_Date": date(2026, 5, 22),
            "Control_Amount_Total": Decimal("0.10"),
        }
    )
    service.Put_Customer_Invoice_Collection_Information(
        Customer_Invoice_Reference=reference,
        Customer_Invoice_Collection_Information_Data={
            "On_Hold": True,
            "Dispute_Data": {"Dispute_Amount": Decimal(10)},
        },
    )
    service.Put_Customer(
        Customer_Reference=ref("Customer_ID", "C-1"),
        Customer_Data={
            "Customer_Name": "Acme",
            "Credit_Limit_Currency_Reference": ref("Currency_ID", "USD"),
            "Credit_Limit": Decimal(9000),
        },
    )
    assert tenant.open_amount("INV-2") == Decimal("100.00")
    assert tenant.record("invoice", "INV-2").values["On_Hold"] is True
    assert tenant.record("customer", "C-1").values["Credit_Limit"] == Decimal(9000)


def test_zeep_refunds_what_is_on_account_of_a_payment(service: Any, tenant: Tenant) -> None:
    service.Put_Customer_Payment(Customer_Payment_Data=payment("PAY-BACK", "12.50"), Add_Only=True)
    paid = ref("Customer_Payment_for_Invoices_Reference_ID", "PAY-BACK")
    answer = service.Submit_Customer_Refund(
        Customer_Refund_Data={
            "Customer_Refund_Reference_ID": "REFUND-1",
            "Submit": True,
            "Company_Reference": ref("Company_Reference_ID", "W100"),
            "Customer_Reference": ref("Customer_ID", "C-1"),
            "Currency_Reference": ref("Currency_ID", "USD"),
            "Customer_Refund_Date": date(2026, 5, 22),
            "Total_Refund_Amount": Decimal("12.50"),
            "Payment_Type_Reference": ref("Payment_Type_ID", "EFT"),
            "On_Account_Payments": [{"Customer_Payment_Reference": paid}],
        },
        Add_Only=True,
    )
    (row,) = service.Get_Customer_Refunds(
        Request_References={"Customer_Refund_Reference": [answer.Customer_Refund_Reference]}
    ).Response_Data.Customer_Refund
    assert row.Customer_Refund_Data.Total_Refund_Amount == Decimal("12.50")
    assert tenant.app.state.open_amount(tenant.record("payment", "PAY-BACK")) == 0


def test_zeep_is_told_of_a_wrong_password_and_of_page_zero(wsdl: str, service: Any) -> None:
    stranger = zeep.Client(wsdl, wsse=UsernameToken("nobody@nowhere", "x")).service
    with pytest.raises(Fault, match="invalid username or password"):
        stranger.Get_Customers()
    with pytest.raises(Fault, match="Page number cannot be zero"):
        service.Get_Customers(Response_Filter={"Page": 0})


@pytest.fixture(scope="module")
def session(url: str, tenant: Tenant, service: Any) -> Iterator[requests.Session]:
    assert service is not None, "REST shows what SOAP made"
    settings = tenant.settings
    with requests.Session() as found:
        for grant in (
            {"grant_type": "client_credentials"},
            {"grant_type": "refresh_token", "refresh_token": settings.refresh_token},
        ):
            answer = found.post(
                f"{url}/ccx/oauth2/{TENANT}/token",
                data=grant,
                auth=(settings.client_id, settings.client_secret),
                timeout=5,
            )
            assert answer.status_code == 200, answer.text
        found.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield found


def test_rest_lists_pays_and_remits(url: str, session: requests.Session, tenant: Tenant) -> None:
    root = f"{url}/ccx/api/customerAccounts/v1/{TENANT}"
    listed = session.get(
        f"{root}/invoices", params={"limit": 2, "offset": 4, "company": "W100"}, timeout=5
    ).json()
    assert (listed["total"], len(listed["data"])) == (5, 1)
    one = listed["data"][0]
    assert one["dueAmount"] == {"value": "100.10", "currency": "USD"}
    body: dict[str, Any] = {
        "company": {"id": "Company_Reference_ID=W100"},
        "type": {"id": "Payment_Type_ID=EFT"},
        "amount": {"currency": "USD", "value": "100.10"},
        "date": "2026-05-22",
        "readyToAutoApply": True,
    }
    refused = session.post(f"{root}/payments", json=body, timeout=5)
    assert refused.status_code == 400
    assert "A145" in refused.json()["errors"][0]["error"]
    body["remitFromCustomer"] = {"id": "Customer_ID=C-1"}
    paid = session.post(f"{root}/payments", json=body, timeout=5)
    assert paid.status_code == 201, paid.text
    remittance = {"invoice": {"id": one["id"]}, "amountToPay": {"value": "100.10"}}
    target = f"{root}/payments/{paid.json()['id']}/remittanceDetails"
    assert session.post(target, json=remittance, timeout=5).status_code == 201
    assert tenant.open_amount(one["invoiceNumber"]) == 0
    assert session.post(target, json=remittance, timeout=5).status_code == 400
    customers = session.get(f"{root}/customers", params={"search": "acm"}, timeout=5).json()
    assert [row["descriptor"] for row in customers["data"]] == ["Acme"]
    assert session.get(f"{root}/payments/{'0' * 32}", timeout=5).status_code == 404


def test_a_report_answers_json_and_csv_to_a_password_or_a_token(
    url: str, session: requests.Session, tenant: Tenant
) -> None:
    root = f"{url}/ccx/service/customreport2/{TENANT}/ISU_Ledgerloop"
    report = f"{root}/Ledgerloop_Ledger_Account_Balances"
    by_token = session.get(report, params={"format": "json"}, timeout=5).json()["Report_Entry"]
    password = ("ISU_Ledgerloop", tenant.settings.password)
    by_password = requests.get(report, params={"format": "csv"}, auth=password, timeout=5)
    assert len(by_password.text.splitlines()) == len(by_token) + 1
    assert sum(Decimal(row["Ending_Balance"]) for row in by_token) == 0
    assert requests.get(report, timeout=5).status_code == 401
    tenant.app.security.end_sessions()
    assert session.get(report, timeout=5).status_code == 401
