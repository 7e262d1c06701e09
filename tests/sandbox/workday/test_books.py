"""The tenant's rules: put replaces, Add_Only refuses, remittances are applied and never exceed."""

import asyncio
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from ingestion.common.errors import VendorRejected
from ingestion.workday.client import add, add_reference
from sandbox.core.state import load_state, save_state
from sandbox.workday import create_app
from tests.sandbox.workday.tenant import Tenant


@pytest.fixture
def tenant() -> Tenant:
    made = Tenant()
    asyncio.run(made.customer())
    return made


def payment(
    tenant: Tenant,
    amount: str,
    advice: dict[str, str],
    *,
    reference: str = "P-1",
    customer: str = "C-100",
    day: str = "2026-05-22",
    **flags: bool,
) -> str:
    """Put a payment with remittance lines; its WID."""
    content = tenant.client.request("Put_Customer_Payment", add_only=flags.get("add_only", False))
    data = add(content, "Customer_Payment_Data")
    add(data, "Customer_Payment_for_Invoices_Reference_ID", reference)
    add_reference(data, "Company_Reference", "Company_Reference_ID", "W100")
    add_reference(data, "Payment_Currency_Reference", "Currency_ID", "USD")
    add(data, "Payment_Date", day)
    add_reference(data, "Payment_Type_Reference", "Payment_Type_ID", "EFT")
    add(data, "Payment_Amount", amount)
    if customer:
        add_reference(data, "Remitfrom_Customer_Reference", "Customer_ID", customer)
    if advice:
        add(data, "Ready_to_AutoApply", "true")
    for wid, paid in advice.items():
        line = add(data, "Customer_Payment_Remittance_Advice_Data")
        add_reference(line, "Customer_Invoice_Reference", "WID", wid)
        add(line, "Amount_to_Pay", paid)
    response = asyncio.run(tenant.client.change(content))
    return str(response[0][0].text)


def credit(tenant: Tenant, number: str, amount: str) -> str:
    """A credit on account; its WID."""
    content = tenant.client.request("Submit_Customer_Invoice_Adjustment", add_only=True)
    data = add(content, "Customer_Invoice_Adjustment_Data")
    add(data, "Customer_Invoice_Adjustment_ID", number)
    add_reference(data, "Company_Reference", "Company_Reference_ID", "W100")
    add_reference(data, "Customer_Reference", "Customer_ID", "C-100")
    add_reference(data, "Currency_Reference", "Currency_ID", "USD")
    add_reference(data, "Adjustment_Reason_Reference", "Adjustment_Reason_ID", "OTHER")
    add(data, "Increase_Amount_Due", "false")
    add(data, "Adjustment_Date", "2026-05-22")
    add(data, "Control_Amount_Total", amount)
    response = asyncio.run(tenant.client.change(content))
    return str(response[0][0].text)


def refused(work: Any, code: str) -> VendorRejected:
    with pytest.raises(VendorRejected) as caught:
        work()
    assert caught.value.code == code, caught.value.message
    return caught.value


def test_a_remittance_is_applied_and_the_books_balance(tenant: Tenant) -> None:
    wid = asyncio.run(tenant.invoice("INV-1", "100"))
    payment(tenant, "80", {wid: "60"})
    assert tenant.open_amount("INV-1") == Decimal(40)
    totals = tenant.app.ledger()["journals"]["W100"]["USD"]
    assert totals["debit"] == totals["credit"]
    receivable = tenant.app.state.ledger.balances["W100", "12100000"]
    assert receivable == Decimal(40) - Decimal(20)


def test_the_same_reference_id_is_refused_with_add_only(tenant: Tenant) -> None:
    payment(tenant, "80", {}, add_only=True)
    error = refused(lambda: payment(tenant, "80", {}, add_only=True), "duplicate_reference")
    assert error.field == "Customer_Payment_for_Invoices_Reference"
    assert len(tenant.app.state.of_kind("payment")) == 1


def test_a_remittance_never_exceeds_invoice_or_payment(tenant: Tenant) -> None:
    wid = asyncio.run(tenant.invoice("INV-1", "100"))
    other = asyncio.run(tenant.invoice("INV-2", "100"))
    refused(lambda: payment(tenant, "300", {wid: "100.01"}), "over_applied")
    refused(lambda: payment(tenant, "150", {wid: "100", other: "51"}), "over_applied")
    assert tenant.app.state.of_kind("payment") == []


def test_what_was_applied_cannot_be_put_away(tenant: Tenant) -> None:
    wid = asyncio.run(tenant.invoice("INV-1", "100"))
    payment(tenant, "100", {wid: "100"})
    refused(lambda: payment(tenant, "100", {}), "validation_error")
    payment(tenant, "100", {wid: "100"})
    assert tenant.open_amount("INV-1") == 0


def test_a_credit_pays_its_part_of_an_invoice(tenant: Tenant) -> None:
    wid = asyncio.run(tenant.invoice("INV-1", "100"))
    memo = credit(tenant, "CM-1", "30")
    payment(tenant, "70", {wid: "100", memo: "-30"})
    assert tenant.open_amount("INV-1") == 0
    assert tenant.app.state.open_amount(tenant.record("adjustment", "CM-1")) == 0
    assert tenant.app.state.open_amount(tenant.record("payment", "P-1")) == 0
    payment(tenant, "70", {wid: "100", memo: "-30"})
    assert len(tenant.app.ledger()["applications"]) == 2


def refund(tenant: Tenant, payment: str, amount: str, customer: str = "C-100") -> None:
    """Refund what is on account of a payment."""
    content = tenant.client.request("Submit_Customer_Refund", add_only=True)
    data = add(content, "Customer_Refund_Data")
    add(data, "Customer_Refund_Reference_ID", "R-1")
    add_reference(data, "Company_Reference", "Company_Reference_ID", "W100")
    add_reference(data, "Customer_Reference", "Customer_ID", customer)
    add_reference(data, "Currency_Reference", "Currency_ID", "USD")
    add(data, "Customer_Refund_Date", "2026-05-22")
    add(data, "Total_Refund_Amount", amount)
    add_reference(data, "Payment_Type_Reference", "Payment_Type_ID", "EFT")
    if payment:
        line = add(data, "On_Account_Payments")
        add_reference(line, "Customer_Payment_Reference", "WID", payment)
    asyncio.run(tenant.client.change(content))


def test_a_refund_is_of_all_that_is_on_account_of_its_own_customers_payment(
    tenant: Tenant,
) -> None:
    asyncio.run(tenant.customer("C-200"))
    wid = payment(tenant, "50", {})
    for wrong, words in (
        (("", "50"), "leaves some"),
        ((wid, "49"), "leaves some"),
        ((wid, "51"), "exceeds"),
        ((wid, "50", "C-200"), "of another customer"),
    ):
        with pytest.raises(VendorRejected, match=words):
            refund(tenant, *wrong)
    refund(tenant, wid, "50")
    balances = tenant.app.state.ledger.balances
    assert (balances["W100", "12100000"], balances["W100", "11001000"]) == (0, 0)
    with pytest.raises(VendorRejected, match="already in use"):
        refund(tenant, wid, "50")
    rows = asyncio.run(tenant.client.get("Get_Customer_Refunds", ["R-1"]))
    assert len(rows) == 1


def test_an_invoice_credits_what_its_lines_categories_are_posted_to(tenant: Tenant) -> None:
    def raised(total: str) -> None:
        content = tenant.client.request("Submit_Customer_Invoice", add_only=True)
        data = add(content, "Customer_Invoice_Data")
        add_reference(data, "Company_Reference", "Company_Reference_ID", "W100")
        add_reference(data, "Customer_Reference", "Customer_ID", "C-100")
        add_reference(data, "Currency_Reference", "Currency_ID", "USD")
        add(data, "Invoice_Date", "2026-05-22")
        add(data, "Control_Amount_Total", total)
        for category, amount in (("RETURNED_PAYMENT", "7"), ("DEBIT_MEMO", "2"), ("SERVICES", "1")):
            line = add(data, "Customer_Invoice_Line_Replacement_Data")
            add_reference(line, "Revenue_Category_Reference", "Revenue_Category_ID", category)
            add(line, "Extended_Amount", amount)
        asyncio.run(tenant.client.change(content))

    with pytest.raises(VendorRejected, match="not the sum of the lines"):
        raised("11")
    raised("10")
    balances = tenant.app.state.ledger.balances
    accounts = ("11001000", "44100000", "41000000", "12100000")
    assert [balances["W100", one] for one in accounts] == [-7, -2, -1, 10]


def test_a_payment_without_customer_gets_one_later(tenant: Tenant) -> None:
    payment(tenant, "80", {}, customer="")
    ledger = tenant.app.state.ledger
    assert ledger.balances["W100", "21650000"] == Decimal(-80)
    payment(tenant, "80", {}, customer="C-100")
    assert ledger.balances["W100", "21650000"] == 0
    assert ledger.balances["W100", "12100000"] == Decimal(-80)


def test_auto_apply_needs_a_customer_and_an_open_period(tenant: Tenant) -> None:
    wid = asyncio.run(tenant.invoice("INV-1", "100"))
    refused(lambda: payment(tenant, "80", {wid: "80"}, customer=""), "field_missing")
    refused(lambda: payment(tenant, "80", {}, day="2025-12-31"), "period_closed")
    assert tenant.open_amount("INV-1") == 100
    assert not tenant.app.ledger()["applications"]


def test_a_put_replaces_what_it_does_not_name(tenant: Tenant) -> None:
    content = tenant.client.request("Put_Customer")
    data = add(content, "Customer_Data")
    add(data, "Customer_ID", "C-100")
    add(data, "Customer_Name", "Only a name")
    asyncio.run(tenant.client.change(content))
    values = tenant.record("customer", "C-100").values
    assert set(values) == {"Customer_ID", "Customer_Name"}


def test_elements_out_of_order_and_unknown_references_are_refused(tenant: Tenant) -> None:
    content = tenant.client.request("Put_Customer")
    data = add(content, "Customer_Data")
    add(data, "Customer_Name", "First the name")
    add(data, "Customer_ID", "C-200")
    error = refused(lambda: asyncio.run(tenant.client.change(content)), "invalid_message")
    assert error.field == "Customer_ID"
    error = refused(
        lambda: asyncio.run(tenant.invoice("INV-1", "1", customer="NOBODY")), "invalid_reference"
    )
    assert error.field == "Customer_Reference"


def test_a_canceled_invoice_owes_nothing_and_a_paid_one_cannot_be_canceled(tenant: Tenant) -> None:
    asyncio.run(tenant.invoice("INV-1", "100"))
    wid = asyncio.run(tenant.invoice("INV-2", "100"))
    asyncio.run(tenant.cancel("INV-1"))
    assert tenant.open_amount("INV-1") == 0
    payment(tenant, "10", {wid: "10"})
    refused(lambda: asyncio.run(tenant.cancel("INV-2")), "validation_error")


def test_application_waits_as_long_as_the_switch_says() -> None:
    tenant = Tenant(auto_apply_seconds=60)
    asyncio.run(tenant.customer())
    wid = asyncio.run(tenant.invoice("INV-1", "100"))
    payment(tenant, "100", {wid: "100"})
    assert tenant.open_amount("INV-1") == Decimal(100)
    tenant.seconds += 61
    assert tenant.app.ledger()["waiting_clearings"] == 0
    assert tenant.open_amount("INV-1") == 0


def test_saved_state_comes_back_whole(tenant: Tenant, tmp_path: Any) -> None:
    wid = asyncio.run(tenant.invoice("INV-1", "100.25", day=date(2026, 5, 1)))
    payment(tenant, "80", {wid: "60"})
    save_state(tmp_path, "workday", tenant.app.snapshot())
    again = create_app(
        "again",
        clock=tenant.clock,
        faults=tenant.faults,
        settings=tenant.settings,
        state=load_state(tmp_path, "workday"),
    )
    assert again.ledger() == tenant.app.ledger()
    assert again.snapshot() == tenant.app.snapshot()
    assert again.state.open_amount(again.state.records[wid]) == Decimal("40.25")
