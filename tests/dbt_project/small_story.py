"""The story that the small warehouse tells; amounts are chosen so that each sum has one reading.

As of 2020-06-01. Customer 1 (linked, limit 1,000, blocked) owes two invoices, has a credit memo and
paid both; customer 2 (linked, nothing granted) is overdue in CAD; customer 3 has two CRM accounts;
customer 4 has only what was cleared. Item 900 belongs to a customer that the master data lacks, and
the CAD control account is one cent off.
"""

from datetime import UTC, date, datetime
from decimal import Decimal

from tests.support.warehouse import CRM, ERP, SmallWarehouse

__all__ = ["RECEIPT_BY_ERP", "RECEIPT_CLEARED", "RECEIPT_NEW", "RECEIPT_STRANGER", "tell"]

ONE, TWO, THREE, FOUR = "0000000001", "0000000002", "0000000003", "0000000004"
RECEIPT_NEW = "a1" * 10
RECEIPT_BY_ERP = "b2" * 10
RECEIPT_CLEARED = "c3" * 10
RECEIPT_STRANGER = "d4" * 10


def tell(w: SmallWarehouse) -> None:
    """Insert the whole story."""
    _master_data(w)
    _items(w)
    _bank(w)
    _crm(w)
    _hub(w)


def _master_data(w: SmallWarehouse) -> None:
    for customer, name in ((ONE, "One Inc"), (TWO, "Two Ltd"), (THREE, "Three"), (FOUR, "Four")):
        w.customer(customer, name)
    w.raw(
        "sap_s4hana_raw.bank_accounts",
        BusinessPartner=ONE,
        BankIdentification="1",
        IBAN="US99 1111",
    )
    w.credit_account(ONE, "1000", CreditAccountIsBlocked=True, CreditAccountBlockReason="01")
    w.credit_account(TWO, "0", CreditLimitIsZero=True)
    w.order("5001", ONE, "40")
    w.order("5002", ONE, "500", TotalCreditCheckStatus="B")


def _items(w: SmallWarehouse) -> None:
    w.item("101", ONE, "300.10", NetDueDate=date(2020, 6, 1))
    w.item("102", ONE, "200.20", NetDueDate=date(2020, 5, 31))
    w.item("103", ONE, "-50.05")
    w.item("104", ONE, "90", PostingDate=date(2020, 6, 2))
    canadian = {"CompanyCode": "CA02", "CompanyCodeCurrency": "CAD", "TransactionCurrency": "CAD"}
    w.item("201", TWO, "80", NetDueDate=date(2020, 1, 31), **canadian)
    w.item("202", TWO, "20", NetDueDate=None, **canadian)
    cleared = {
        "IsCleared": True,
        "ClearingDate": date(2020, 5, 20),
        "ClearingAccountingDocument": "990",
        "ClearingDocFiscalYear": "2020",
    }
    w.item("401", FOUR, "70", **cleared)
    w.payment("402", FOUR, "70", AssignmentReference=RECEIPT_CLEARED[:18], **cleared)
    w.payment("105", ONE, "200.20", DocumentReferenceID="BANKREF-B2B2")
    w.item("900", "0000000009", "1.01")
    # The control account holds everything posted so far, later postings included.
    for company, currency, balance in (
        ("U001", "USD", "341.06"),  # 300.10 + 200.20 - 50.05 + 90 - 200.20 + 1.01
        ("CA02", "CAD", "100.01"),  # one cent too much
    ):
        w.raw(
            "sap_s4hana_raw.gl_balances",
            CompanyCode=company,
            GLAccount="12100000",
            CompanyCodeCurrency=currency,
            AmountInCompanyCodeCurrency=Decimal(balance),
        )


def _bank(w: SmallWarehouse) -> None:
    w.receipt(RECEIPT_NEW, "250.05", payer_account="us991111", payer_name="ONE INC")
    w.receipt(RECEIPT_BY_ERP, "200.20", account_servicer_reference="BANKREF-B2B2")
    w.receipt(RECEIPT_CLEARED, "70", value_date=date(2020, 5, 19), booking_date=date(2020, 5, 19))
    w.receipt(RECEIPT_STRANGER, "33", payer_name="Nobody")
    w.receipt("e5" * 10, "5", account="UNKNOWN-1")
    w.receipt("f6" * 10, "6", account="US-ERP")


def _crm(w: SmallWarehouse) -> None:
    w.account("001A", "1")
    w.account("001B", "0000000002")
    w.account("001C", "3")
    w.account("001D", "0000000003")
    w.account("001E", "4")
    w.account("001F", None)
    w.raw(
        "salesforce_raw.ar_balances",
        Id="a1",
        ERP_Balance_Key__c=f"SAP-U001-{FOUR}-USD",
        Account__c="001E",
        Company_Code__c="U001",
        CurrencyIsoCode="USD",
        AR_Current__c=Decimal(70),
        AR_Net__c=Decimal(70),
        IsDeleted=False,
    )
    w.raw(
        "salesforce_raw.ar_invoices",
        Id="i1",
        ERP_Invoice_Key__c="SAP-U001-2020-401-001",
        Account__c="001E",
        Company_Code__c="U001",
        Open_Amount__c=Decimal(70),
        Status__c="Open",
        IsDeleted=False,
    )


def _hub(w: SmallWarehouse) -> None:
    w.decide(RECEIPT_NEW, "auto", f"SAP-{ONE}", item_key="SAP-U001-2020-101-001", amount="300.10")
    w.decide(RECEIPT_NEW, "auto", f"SAP-{ONE}", item_key="SAP-U001-2020-103-001", amount="-50.05")
    w.decide(
        RECEIPT_BY_ERP, "auto", f"SAP-{ONE}", item_key="SAP-U001-2020-102-001", amount="200.20"
    )
    w.decide(RECEIPT_STRANGER, "unidentified", None, kind="on_account", amount="33")
    w.decide("f6" * 10, "unidentified", None, kind="on_account", amount="6")
    w.insert(
        "decisions.credit",
        system_id=ERP,
        customer_id=f"SAP-{ONE}",
        customer=ONE,
        credit_segment="1000",
        action="set_limit",
        limit_kind="limited",
        limit_amount=Decimal("2500.50"),
        currency_code="USD",
    )
    w.insert(
        "plan.differences",
        system_id=CRM,
        kind="salesforce",
        object_name="accounts",
        object_key="001A",
        field="status",
        desired="On Hold",
        observed="Current",
        **{"class": "foreign_edit"},
        action="send",
        amount=Decimal("250.05"),
        currency_code="USD",
        planned_at=datetime(2020, 6, 1, 5, 0, tzinfo=UTC),
    )
