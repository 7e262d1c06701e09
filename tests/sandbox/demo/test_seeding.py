"""Seeding: what every system holds afterwards, read back through its own protocol."""

import asyncio
import csv
import json
import tomllib
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal

import polars as pl
import pytest
import requests

from sandbox.demo import load_dataset
from sandbox.demo.books import read_books
from sandbox.demo.dataset import DatasetError
from sandbox.demo.highradius import OPEN_FILE
from sandbox.demo.systems import WORLD_PLANS
from tests.flow import independent_erps
from tests.sandbox.demo.conftest import SIZES

ERPS = {"sap_emea", "netsuite_na", "d365_apac", "workday_services"}


@pytest.fixture(scope="module")
def books(seeded):
    return read_books(seeded.config, seeded.as_of)


@pytest.fixture(scope="module")
def about(seeded):
    return json.loads((seeded.home / "demo" / "dataset.json").read_text())


def test_the_erps_hold_every_item_and_their_own_bookings_to_the_cent(seeded, books, about):
    assert set(books.items["system_id"]) == ERPS
    assert books.items.height == about["counts"]["items_posted"]
    owed = books.items.filter(pl.col("nature") == "receivable")
    sums = owed.group_by("currency_code").agg(pl.col("amount").sum())
    assert dict(sums.iter_rows()) == {c: Decimal(a) for c, a in about["money"]["posted"].items()}
    booked = {
        (one["system_id"], one["customer"], one["bank_reference"][:16], Decimal(one["amount"]))
        for one in seeded.truth["receipts"]
        if one["booked_by"]
    }
    payments = books.items.filter(pl.col("nature") == "payment").select(
        "system_id", "customer", pl.col("bank_reference").str.slice(0, 16), -pl.col("amount")
    )
    assert set(payments.iter_rows()) == booked
    assert books.items.filter(pl.col("amount_open") != pl.col("amount")).is_empty()


def test_invoices_keep_the_number_that_remittances_quote_and_their_due_date(seeded, books):
    numbers: dict[str, set[str]] = {}
    for system_id, references in books.items.select("system_id", "references").iter_rows():
        numbers.setdefault(system_id, set()).update(references.split(";"))
    for receipt in seeded.truth["receipts"]:
        assert set(receipt["pays"]) <= numbers[receipt["system_id"]]
    owed = books.items.filter(pl.col("item_class") == "invoice")
    assert owed["due_date"].null_count() == 0
    assert owed.filter(pl.col("due_date") > pl.col("document_date")).height > owed.height / 2


def test_documents_were_entered_after_their_posting_date_and_before_the_as_of_date(seeded):
    """All ERPs are seeded at once, and still each document on its own day."""
    sap = seeded.endpoints["systems"]["sap_emea"]
    rows = requests.get(
        f"{sap['base_url']}/sap/opu/odata/sap/API_OPLACCTGDOCITEMCUBE_SRV"
        "/A_OperationalAcctgDocItemCube?$select=PostingDate,LastChangeDate&$format=json",
        auth=(sap["credentials"]["username"], sap["credentials"]["password"]),
        timeout=30,
    ).json()["d"]["results"]
    days = [(int(row["PostingDate"][6:-2]), int(row["LastChangeDate"][6:-2])) for row in rows]
    assert all(posted_on <= entered_on for posted_on, entered_on in days)
    last = max(entered_on for _, entered_on in days)
    assert datetime.fromtimestamp(last / 1000, UTC).date() < seeded.as_of


def test_a_customer_may_be_known_to_the_crm_under_several_erps_and_is_keyed_by_their_documents(
    seeded, books
):
    accounts = books.crm["accounts"]
    linked = accounts.filter(pl.col("ERP_Customer_Id__c").fill_null("") != "")
    several = linked.filter(pl.col("ERP_Customer_Id__c").str.contains(";"))
    assert 0 < several.height < linked.height < accounts.height
    invoices = books.crm["ar_invoices"]
    assert invoices.height > 100
    assert set(invoices["ERP_Invoice_Key__c"]) <= set(books.items["item_key"])
    assert set(invoices["Account__c"]) <= set(linked["Id"])


def test_the_bank_dropped_every_receipt_and_they_read_back_whole(seeded, books, about):
    assert books.receipts.height == about["counts"]["receipts"]
    sums = books.receipts.group_by("currency_code").agg(pl.col("amount").sum())
    assert dict(sums.iter_rows()) == {c: Decimal(a) for c, a in about["money"]["received"].items()}


def test_every_erp_holds_the_limits_and_the_holds_of_the_world_in_its_own_form(seeded, books):
    held = {
        (row["system_id"], row["customer"], row["credit_segment"]): row
        for row in books.credit.iter_rows(named=True)
    }
    right = [one for one in seeded.truth["limits"] if not one["is_stale_in_erp"]]
    assert {one["system_id"] for one in right} == ERPS
    for one in right:
        found = held[one["system_id"], one["customer"], one["credit_segment"]]
        assert found["limit_kind"] == one["limit_kind"]
        assert found["segment_currency"] == one["currency_code"]
        if one["limit_kind"] == "limited":
            assert found["limit_amount"] == Decimal(one["limit_amount"])
    blocked = {row["customer"] for row in held.values() if row["is_blocked"]}
    assert blocked == {
        one["customer"] if isinstance(one, dict) else one for one in seeded.truth["manual_blocks"]
    }


def test_orders_stand_in_the_erps_that_have_them_and_credit_holds_some(seeded, books):
    assert books.orders.height == len(seeded.truth["orders"])
    assert set(books.orders["is_blocked"]) == {True, False}


def test_other_peoples_clients_see_the_same_receipts_and_balanced_books(seeded, books):
    """``netsuite``, zeep, pyodata and requests: nothing of ours between them and the ERPs."""
    seen = independent_erps.read_books(seeded.endpoints)
    assert set(seen) == ERPS
    for system_id, found in seen.items():
        booked = Counter(
            (one["bank_reference"][:16], Decimal(one["amount"]), one["currency_code"])
            for one in seeded.truth["receipts"]
            if one["booked_by"] and one["system_id"] == system_id
        )
        held = Counter((one.reference[:16], one.amount, one.currency) for one in found.postings)
        assert held == booked
        assert set(found.sums.values()) == {0}


def test_a_dataset_that_cannot_be_used_fails_with_its_reason(seeded, tmp_path, capfd):
    (tmp_path / OPEN_FILE).write_text("cust_number\n1\n")
    with pytest.raises(DatasetError, match="seeding ended"):
        asyncio.run(load_dataset(tmp_path, seeded.endpoints, tmp_path / "home"))
    assert "column invoice_id is missing" in capfd.readouterr().err


def test_seeding_twice_is_refused_by_the_erps_and_doubles_nothing(seeded, books):
    with pytest.raises(DatasetError):
        asyncio.run(load_dataset(None, seeded.endpoints, seeded.home, **SIZES))
    again = read_books(seeded.config, seeded.as_of)
    assert again.items.height == books.items.height


def _ledger(seeded, system_id):
    return requests.get(f"{seeded.admin_url}/ledger/{system_id}", timeout=30).json()


def test_every_company_has_its_ledger_in_its_own_currency(seeded):
    for plan in WORLD_PLANS[:-1]:
        journals = _ledger(seeded, plan.system_id)["journals"]
        found = {(code.upper(), currency) for code, sums in journals.items() for currency in sums}
        assert found == {(code, one.currency_code) for code, one in plan.companies.items()}


def test_the_configuration_names_every_erp_its_companies_and_accounts(seeded):
    config = tomllib.loads((seeded.home / "sandbox" / "ledgerloop.toml").read_text())
    systems = config["systems"]
    for plan in WORLD_PLANS[:-1]:
        assert systems[plan.system_id]["kind"] == plan.kind
        assert set(systems[plan.system_id]["companies"]) == set(plan.companies)
        accounts = [a for a in systems["bank"]["accounts"] if a["system_id"] == plan.system_id]
        assert {a["company_code"] for a in accounts} == set(plan.companies)
        assert {a["gl_account"] for a in accounts} == {plan.bank_gl_account}
    used = {one["currency_code"] for one in systems["bank"]["accounts"]}
    assert used <= set(config["hub"]["rates"])


def test_approvals_name_their_system_segment_and_currency(seeded):
    segments = {
        (plan.system_id, one.credit_segment, one.limit_currency)
        for plan in WORLD_PLANS
        for one in plan.companies.values()
    }
    with (seeded.home / "demo" / "approved_limits.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {(r["system_id"], r["credit_segment"], r["currency_code"]) for r in rows} <= segments
    assert len({row["system_id"] for row in rows}) == len(WORLD_PLANS) - 1


def test_the_clock_stands_at_the_as_of_date_of_all(seeded):
    about = json.loads((seeded.home / "demo" / "dataset.json").read_text())
    now = requests.get(f"{seeded.admin_url}/health", timeout=10).json()["now"]
    assert now[:10] == about["as_of"]
