"""The ERPs of a world: who has which company, and each ERP's part of the whole."""

import re
from decimal import Decimal
from itertools import chain

import polars as pl
import pytest

from sandbox.core.state import save_state
from sandbox.demo.additions import make_world, truth_of
from sandbox.demo.camt import make_statements
from sandbox.demo.dataset import DatasetError
from sandbox.demo.generator import generate
from sandbox.demo.serving import systems_and_settings
from sandbox.demo.settings import load_settings
from sandbox.demo.systems import (
    WORLD_PLANS,
    is_extract,
    plan_of_company,
    plans_of,
    world_plans,
)

PLANS = world_plans([plan.system_id for plan in WORLD_PLANS])


@pytest.fixture(scope="module")
def world():
    settings = load_settings()
    dataset = generate(settings, PLANS, customers=120, open_items=500, closed_items=600, seed=4)
    return make_world(dataset, settings, PLANS, seed=4)


def test_a_company_belongs_to_one_erp():
    assert plan_of_company(PLANS)["JPMF"].system_id == "d365_apac"
    with pytest.raises(DatasetError, match="DE01 stands in"):
        plan_of_company([PLANS[0], PLANS[0]])


def test_an_extract_is_one_sap_system_with_limits_in_dollars():
    (plan,) = plans_of({"U001": "USD", "CA02": "CAD"})
    assert (plan.system_id, plan.kind) == ("sap_emea", "sap_s4hana")
    assert {one.limit_currency for one in plan.companies.values()} == {"USD"}
    assert is_extract({"sap_emea", "crm", "bank"})
    assert not is_extract({"sap_emea", "netsuite_na", "crm"})


def test_three_hundred_companies_are_spread_over_five_erps_with_codes_of_four_characters():
    plans = world_plans([plan.system_id for plan in WORLD_PLANS], 300)
    # Tryton comes with the company of its own books.
    assert [len(plan.companies) for plan in plans] == [75, 75, 75, 74, 1]
    codes = list(chain.from_iterable(plan.companies for plan in plans))
    assert len(set(codes)) == 300
    assert all(re.fullmatch(r"[A-Z0-9]{1,4}", code) for code in codes)
    settings = load_settings()
    sizes = {"customers": 300, "open_items": 300, "closed_items": 50}
    dataset = generate(settings, plans, **sizes)
    assert set(dataset.invoices["company_code"]) == set(codes)
    more = generate(settings, plans, **{**sizes, "customers": 700}).customers
    assert more.group_by("company_code").len()["len"].max() < 100
    with pytest.raises(DatasetError, match="300 customers or more"):
        generate(settings, plans, customers=299)


def test_the_parts_of_the_erps_are_the_whole_world(world):
    parts = [world.of_system(plan) for plan in PLANS]
    assert sum(part.items.height for part in parts) == world.items.height
    for name in ("payments", "accounts"):
        joined = [one for part in parts for one in getattr(part.payments, name)]
        assert sorted(map(repr, joined)) == sorted(map(repr, getattr(world.payments, name)))
    for name in ("accounts", "orders"):
        joined = [one for part in parts for one in getattr(part.credit, name)]
        assert sorted(map(repr, joined)) == sorted(map(repr, getattr(world.credit, name)))
    assert {key for part in parts for key in part.partners} == set(world.partners)
    for part, plan in zip(parts, PLANS, strict=True):
        assert set(part.dataset.companies) == set(plan.companies)


def test_numbers_have_each_vendors_own_form(world):
    forms = {
        "sap_emea": (r"\d{10}|CC\d+", r"\d{10}"),
        "netsuite_na": (r"\d+", r"INV\d{10}"),
        "d365_apac": (r"AP-\d+", r"FTI-\d{10}"),
        "workday_services": (r"CUST-\d+", r"CI-\d{10}"),
        "tryton_works": (r"\d+", r"\d{10}"),
    }
    for plan in PLANS:
        customer, invoice = forms[plan.system_id]
        part = world.of_system(plan).dataset
        assert all(re.fullmatch(customer, one) for one in part.customers["customer"])
        assert all(re.fullmatch(invoice, one) for one in part.invoices["invoice_number"])


def test_amounts_are_exact_to_the_unit_of_their_currency(world):
    yen = world.items.filter(pl.col("currency_code") == "JPY")
    assert yen.height > 10
    assert all(amount % 1 == 0 for amount in yen["amount"])
    assert yen["amount"].median() > 100_000
    paid = world.dataset.invoices.drop_nulls("receipt_number")
    sums = paid.group_by("receipt_number").agg(pl.col("amount").sum().alias("sum"))
    joined = world.dataset.receipts.join(sums, on="receipt_number")
    assert joined.height == world.dataset.receipts.height
    assert (joined["amount"] == joined["sum"]).all()
    in_yen = [one for one in world.payments.payments if one.currency_code == "JPY"]
    assert in_yen
    assert all("." not in str(one.amount) for one in in_yen)
    own = [one for one in world.payments.accounts if one.currency_code == "JPY"]
    for file in make_statements(in_yen, own):
        assert not re.search(rb"<Amt [^>]*>\d+\.\d", file.body)


def test_limits_are_in_the_currency_of_the_customers_segment(world):
    companies = {code: one for plan in PLANS for code, one in plan.companies.items()}
    for account in world.credit.accounts:
        home = companies[min(world.partners[account.customer].companies)]
        assert account.credit_segment == home.credit_segment
        assert account.currency_code == home.limit_currency
        least = 1_000_000 if account.currency_code == "JPY" else 10_000
        assert account.limit.amount in (0, *(n for n in [account.limit.amount] if n >= least))


def test_every_erp_has_a_stale_limit_and_a_hold_where_it_knows_holds(world):
    for plan in PLANS:
        credit = world.of_system(plan).credit
        assert any(account.is_stale for account in credit.accounts)
        assert any(account.block_reason for account in credit.accounts) == plan.has_holds
        assert bool(credit.orders) == plan.has_orders


def test_some_accounts_are_customers_of_several_erps_and_name_each_behind_its_prefix(world):
    shared = [one for one in world.crm_accounts if len(one.customers) > 1]
    assert {len(one.customers) for one in shared} == {2, 3}
    systems = {code: plan for plan in PLANS for code in plan.companies}
    for account in shared:
        plans = [systems[min(world.partners[one].companies)] for one in account.customers]
        assert len({plan.system_id for plan in plans}) == len(plans)
        ids = [f"{p.key_prefix}-{one}" for p, one in zip(plans, account.customers, strict=True)]
        assert account.fields["ERP_Customer_Id__c"] == ";".join(ids)
        assert len({world.partners[one].name for one in account.customers}) == 1
    links = truth_of(world)["links"]
    numbers = {one.fields["AccountNumber"] for one in shared}
    assert sum(link["crm_account_number"] in numbers for link in links) == sum(
        len(one.customers) for one in shared
    )


def test_the_truth_says_of_everything_which_system_it_is_in(world):
    truth = truth_of(world)
    systems = {plan.system_id for plan in PLANS}
    for name in ("receipts", "links", "limits", "orders"):
        found = {one["system_id"] for one in truth[name]}
        assert found <= systems
        assert len(found) > 2
    received = sum(Decimal(one["amount"]) for one in truth["receipts"])
    assert received == sum(payment.amount for payment in world.payments.payments)


def test_saved_books_come_back_into_the_systems_they_were_saved_from(tmp_path):
    one_sap, _ = systems_and_settings(True, None, tmp_path)
    save_state(tmp_path, "sap_emea", {})
    assert systems_and_settings(False, 300, tmp_path)[0] == one_sap
