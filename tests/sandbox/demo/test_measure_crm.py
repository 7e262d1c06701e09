"""One CRM account for customers of several ERPs: what it must show, and whose it is."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from ingestion.common.config import Config, Hub, System
from sandbox.demo.books import Books
from sandbox.demo.measure_cash import customer_items
from sandbox.demo.measure_crm import CrmFigures, crm_figures
from sandbox.demo.reading.frames import Credit, ErpBooks, Item, LimitKind, Nature, items_frame

AS_OF = date(2026, 5, 23)
LATE, EARLY = date(2026, 5, 3), date(2026, 6, 3)
RATES = {"EUR": Decimal("1.10"), "USD": Decimal(1)}
CONFIG = Config(hub=Hub(group_currency="USD", rates=RATES))
SAP = System(system_id="sap", kind="sap_s4hana", key_prefix="SAP")
NETSUITE = System(system_id="ns", kind="netsuite", key_prefix="NS")
MONEY = pl.Decimal(18, 2)

#: What an account of both customers shows: 100 EUR late and 50 of 80 USD not due.
ACCOUNT: Mapping[str, Any] = {
    "Id": "A1", "IsDeleted": False, "ERP_Customer_Id__c": "SAP-0000000007; NS-8",
    "AR_Open_Balance__c": Decimal("160.00"), "AR_Overdue_Amount__c": Decimal("110.00"),
    "AR_Credit_Limit__c": Decimal("1100.00"), "AR_Credit_Limit_Kind__c": "Limited",
    "AR_Credit_Hold__c": False, "AR_Status__c": "Past Due",
}  # fmt: skip
COLUMNS = ("AR_Current__c", "AR_1_30__c", "AR_31_60__c", "AR_61_90__c", "AR_91_120__c",
           "AR_Over_120__c", "AR_Credits__c", "AR_Unapplied_Cash__c", "AR_Net__c")  # fmt: skip


def erp(customer: str, company: str, currency: str, kind: LimitKind, owed: Item) -> ErpBooks:
    limit = Decimal(1000) if kind is LimitKind.LIMITED else Decimal(0)
    credit = Credit(customer, company, currency, kind, limit, is_blocked=False)
    return ErpBooks(items_frame([owed]), (), [customer], credit=[credit])


def invoice(
    customer: str, company: str, currency: str, amount: str, still_open: str, due: date
) -> Item:
    return Item(
        company, "1", "001", Nature.RECEIVABLE, customer, Decimal(amount), Decimal(still_open),
        Decimal(amount), currency, currency, LATE, LATE, due,
    )  # fmt: skip


def balance(company: str, currency: str, column: str, amount: str) -> dict[str, Any]:
    sums = {name: Decimal(amount) if name in (column, "AR_Net__c") else 0 for name in COLUMNS}
    place = {"Company_Code__c": company, "CurrencyIsoCode": currency}
    return {"IsDeleted": False, "Account__c": "A1", **place, **sums}


def shown_invoice(key: str, amount: str, still_open: str, due: date, **more: str) -> dict[str, Any]:
    return {
        "IsDeleted": False, "ERP_Invoice_Key__c": key, "Account__c": "A1", "Due_Date__c": due,
        "Amount__c": Decimal(amount), "Open_Amount__c": Decimal(still_open), **more,
    }  # fmt: skip


def figures(*accounts: Mapping[str, Any]) -> CrmFigures:
    owed = {
        "sap": invoice("0000000007", "DE01", "EUR", "100", "100", LATE),
        "ns": invoice("8", "2", "USD", "80", "50", EARLY),
    }
    erps = [
        (SAP, erp("0000000007", "DE01", "EUR", LimitKind.LIMITED, owed["sap"])),
        (NETSUITE, erp("8", "2", "USD", LimitKind.NONE_GRANTED, owed["ns"])),
    ]
    balances = [
        balance("DE01", "EUR", "AR_1_30__c", "100"),
        balance("2", "USD", "AR_Current__c", "50"),
    ]
    invoices = [
        shown_invoice("SAP-DE01-2026-1-001", "100", "100", LATE,
                      Status__c="Overdue", Aging_Bucket__c="1-30"),
        shown_invoice("NS-2-2026-1-001", "80", "50", EARLY,
                      Status__c="Open", Aging_Bucket__c="Current"),
    ]  # fmt: skip
    money = dict.fromkeys((*COLUMNS, "Amount__c", "Open_Amount__c"), MONEY)
    crm = {
        "accounts": pl.DataFrame(list(accounts)),
        "ar_balances": pl.DataFrame(balances, schema_overrides=money),
        "ar_invoices": pl.DataFrame(invoices, schema_overrides=money),
    }
    books = Books.of(erps, crm=crm, receipts=pl.DataFrame(), as_of=AS_OF)
    return crm_figures(books, CONFIG, customer_items(books))


def test_money_of_several_erps_adds_up_in_the_group_currency_and_stands_by_company() -> None:
    assert figures(ACCOUNT) == CrmFigures(accounts=0, balances=0, invoices=0, unlinked=0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"AR_Open_Balance__c": Decimal("150.00")},  # euros and dollars added up as if they were one
        {"AR_Credit_Limit__c": Decimal("1000.00")},
        {"AR_Credit_Limit_Kind__c": "None Granted"},
        {"AR_Credit_Hold__c": True},
        {"AR_Status__c": "Current"},
    ],
)
def test_an_account_that_shows_anything_else_is_wrong(wrong: dict[str, Any]) -> None:
    assert figures({**ACCOUNT, **wrong}).accounts == 1


@pytest.mark.parametrize("name", ["7;8", "0000000007;NS-8", "sap-7 ; 8;;"])
def test_numbers_link_with_or_without_zeros_and_prefix(name: str) -> None:
    assert figures({**ACCOUNT, "ERP_Customer_Id__c": name}).unlinked == 0
    assert figures({**ACCOUNT, "ERP_Customer_Id__c": name}).wrong == 0


def test_a_customer_that_two_live_accounts_name_belongs_to_neither() -> None:
    other = {**ACCOUNT, "Id": "A2"}
    assert figures(ACCOUNT, other).unlinked == 2
    deleted = {**other, "IsDeleted": True}
    assert figures(ACCOUNT, deleted) == CrmFigures(0, 0, 0, 0)
