"""Seeding: what the systems hold afterwards, read back through their protocols."""

import asyncio
import json
from decimal import Decimal

import polars as pl
import pytest

from sandbox.demo import load_dataset
from sandbox.demo.books import read_books
from sandbox.demo.dataset import DatasetError
from sandbox.demo.highradius import OPEN_FILE


@pytest.fixture(scope="module")
def books(seeded):
    return read_books(seeded.config, seeded.as_of)


@pytest.fixture(scope="module")
def about(seeded):
    return json.loads((seeded.home / "demo" / "dataset.json").read_text())


def test_the_erp_holds_every_item_and_its_own_bookings_to_the_cent(seeded, books, about):
    items = books.sap["operational_items"]
    assert items.height == about["counts"]["journal_entries"]
    invoiced = items.filter(pl.col("AccountingDocumentType") != "DZ")
    sums = invoiced.group_by("TransactionCurrency").agg(pl.col("AmountInTransactionCurrency").sum())
    assert dict(sums.iter_rows()) == {c: Decimal(a) for c, a in about["money"]["posted"].items()}
    booked = [r for r in seeded.truth["receipts"] if r["booked_by"]]
    payments = items.filter(pl.col("AccountingDocumentType") == "DZ")
    assert sorted(payments["DocumentReferenceID"]) == sorted(r["bank_reference"] for r in booked)
    assert set(payments["Reference3IDByBusinessPartner"].fill_null("")) == {""}


def test_invoices_keep_the_number_that_remittances_quote_and_their_due_date(seeded, books):
    numbers = set(books.sap["operational_items"]["DocumentReferenceID"])
    for receipt in seeded.truth["receipts"]:
        assert set(receipt["pays"]) <= numbers
    assert books.sap["operational_items"]["NetDueDate"].null_count() == 0


def test_documents_were_entered_after_their_posting_date_and_before_the_as_of_date(seeded, books):
    items = books.sap["operational_items"]
    assert items.filter(pl.col("LastChangeDate") < pl.col("PostingDate")).is_empty()
    assert items["LastChangeDate"].max() < seeded.as_of


def test_most_crm_accounts_carry_the_number_and_their_invoices_are_keyed_by_erp_documents(
    seeded, books
):
    accounts = books.crm["accounts"]
    linked = accounts.filter(pl.col("ERP_Customer_Id__c").fill_null("") != "")
    assert linked.height == round(0.8 * 25)
    keys = books.sap["operational_items"].select(
        pl.format(
            "SAP-{}-{}-{}-{}",
            *("CompanyCode", "FiscalYear", "AccountingDocument", "AccountingDocumentItem"),
        )
    )
    invoices = books.crm["ar_invoices"]
    assert invoices.height > 100
    assert set(invoices["ERP_Invoice_Key__c"]) <= set(keys.to_series())
    assert set(invoices["Account__c"]) <= set(linked["Id"])


def test_the_bank_dropped_every_receipt_and_they_read_back_whole(seeded, books, about):
    assert books.receipts.height == about["counts"]["receipts"]
    sums = books.receipts.group_by("currency_code").agg(pl.col("amount").sum())
    assert dict(sums.iter_rows()) == {c: Decimal(a) for c, a in about["money"]["received"].items()}


def test_people_block_some_customers_and_the_erp_blocks_some_orders(seeded, books):
    blocked = books.sap["credit_accounts"].filter("CreditAccountIsBlocked")
    assert sorted(blocked["BusinessPartner"]) == sorted(seeded.truth["manual_blocks"])
    orders = books.sap["sales_orders"]
    assert orders.height == len(seeded.truth["orders"])
    assert set(orders["TotalCreditCheckStatus"]) == {"A", "B"}
    held = orders.filter(pl.col("SoldToParty").is_in(seeded.truth["manual_blocks"]))
    assert set(held["TotalCreditCheckStatus"]) == {"B"}


def test_a_dataset_that_cannot_be_used_fails_with_its_reason(seeded, tmp_path, capfd):
    (tmp_path / OPEN_FILE).write_text("cust_number\n1\n")
    with pytest.raises(DatasetError, match="seeding ended"):
        asyncio.run(load_dataset(tmp_path, seeded.endpoints, tmp_path / "home"))
    assert "column invoice_id is missing" in capfd.readouterr().err


def test_seeding_twice_is_refused_by_the_erp_and_doubles_nothing(seeded, books):
    sizes = {"customers": 25, "open_items": 160, "closed_items": 240}
    with pytest.raises(DatasetError):
        asyncio.run(load_dataset(None, seeded.endpoints, seeded.home, seed=11, **sizes))
    again = read_books(seeded.config, seeded.as_of)
    assert again.sap["operational_items"].height == books.sap["operational_items"].height
