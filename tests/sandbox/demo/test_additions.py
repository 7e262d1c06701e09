"""What is added to the extract: consistent with it, from one seed, and honest in the truth."""

import json
import tomllib
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from sandbox.demo.additions import make_world, truth_of
from sandbox.demo.credit import LimitKind
from sandbox.demo.files import config_text, write_files
from sandbox.demo.generator import generate
from sandbox.demo.identifiers import is_valid_iban
from sandbox.demo.payments import PaymentKind
from sandbox.demo.postings import entries_of
from sandbox.demo.settings import load_settings
from sandbox.demo.systems import world_plans


@pytest.fixture(scope="module")
def settings():
    return load_settings()


@pytest.fixture(scope="module")
def world(settings):
    dataset = generate(settings, customers=300, open_items=3000, closed_items=4000)
    return make_world(dataset, settings)


def test_the_same_seed_makes_the_same_world(settings):
    dataset = generate(settings)
    one, two = (truth_of(make_world(dataset, settings, seed=5)) for _ in range(2))
    assert one == two
    assert one != truth_of(make_world(dataset, settings, seed=6))


def test_exact_payments_pay_just_what_they_name(world):
    for payment in world.payments.payments:
        paid = sum(payment.pays.values(), Decimal(0))
        if payment.kind is PaymentKind.SHORT:
            assert payment.amount < paid
        elif payment.kind is PaymentKind.OVER:
            assert payment.amount > paid
        elif payment.kind is not PaymentKind.DUPLICATE:
            assert payment.amount == paid
        assert payment.amount > 0
        if payment.kind.is_exact:
            named = " ".join([*payment.text_lines, *payment.structured])
            assert all(number in named for number in payment.pays)


def test_no_item_is_paid_twice_and_every_paid_item_is_in_the_ledger(world):
    paid = [number for payment in world.payments.payments for number in payment.pays]
    assert len(paid) == len(set(paid))
    assert set(paid) <= set(world.items["invoice_number"])


def test_every_kind_of_flaw_and_of_erp_booking_occurs(world):
    assert {p.kind for p in world.payments.payments} == set(PaymentKind)
    assert {p.booked_by for p in world.payments.payments} == {"", "clerk", "erp"}
    erp_accounts = {a.account for a in world.payments.accounts if a.bank_line == "erp"}
    for payment in world.payments.payments:
        assert (payment.booked_by == "erp") == (payment.account in erp_accounts)


def test_payer_accounts_are_valid_and_known_about_as_often_as_asked(world, settings):
    partners = world.partners.values()
    assert all(is_valid_iban(partner.account) for partner in partners)
    known = sum(partner.is_account_known for partner in partners) / len(world.partners)
    assert known == pytest.approx(settings.payers.account_known_share, abs=0.07)
    assert len({partner.account for partner in partners}) < len(world.partners)


def test_limits_say_their_kind_and_some_are_stale(world):
    accounts = world.credit.accounts
    assert {a.limit.kind for a in accounts} >= {LimitKind.LIMITED, LimitKind.UNLIMITED}
    for account in accounts:
        assert (account.limit.kind is LimitKind.LIMITED) == (account.limit.amount > 0)
    stale = sum(account.is_stale for account in accounts) / len(accounts)
    assert 0.05 < stale < 0.25
    assert any(account.block_reason for account in accounts)


def test_orders_that_should_go_out_fit_their_limit(world):
    limits = {a.customer: a for a in world.credit.accounts}
    expected = [o for o in world.credit.orders if o.is_expected_released]
    assert expected
    for customer in {o.customer for o in expected}:
        account, standing = limits[customer], world.credit.standings[customer]
        limit = account.approval.limit if account.approval else account.limit
        rate = world.settings.rates
        mine = [o for o in expected if o.customer == customer]
        total = sum(o.amount * rate.get(o.currency_code, Decimal(1)) for o in mine)
        if limit.kind is LimitKind.LIMITED:
            assert standing.after + total <= limit.amount
        assert not account.block_reason
        assert standing.overdue_days_max <= 30


def test_crm_accounts_use_real_spellings_and_most_carry_the_number(world, settings):
    linked = [a for a in world.crm_accounts if a.is_linked]
    assert len(linked) / len(world.partners) == pytest.approx(settings.crm.linked_share, abs=0.07)
    numbers = [a.fields["ERP_Customer_Id__c"] for a in linked]
    assert len({str(n).zfill(10) for n in numbers}) == len(numbers)
    assert any(len(str(n)) < 10 and str(n).isdigit() for n in numbers)
    for account in world.crm_accounts:
        assert account.fields["Name"] in world.partners[account.customers[0]].spellings


def test_every_posting_balances_and_has_its_own_id(world):
    entries = list(entries_of(world))
    assert len({entry.entry_id for entry in entries}) == len(entries)
    booked = sum(bool(p.booked_by) for p in world.payments.payments)
    assert len(entries) == world.items.height + booked
    for entry in entries:
        amounts = [i.amount for i in entry.debtor_items] + [i.amount for i in entry.gl_items]
        assert sum(amounts) == 0
        assert not entry.debtor_items[0].reference_3


def test_due_dates_survive_the_way_into_the_erp(world):
    rows = {
        (r["company_code"], r["customer"], r["invoice_number"]): r["due_date"]
        for r in world.items.iter_rows(named=True)
    }
    for entry in entries_of(world):
        debtor, header = entry.debtor_items[0], entry.header
        if header.document_type != "DZ":
            key = (header.company_code, debtor.customer, header.document_reference)
            days = (rows[key] - debtor.due_base_date).days
            assert days == debtor.net_payment_days


def test_the_files_fit_the_dataset_and_the_truth_is_whole(world, tmp_path):
    write_files(world, tmp_path, {})
    config = tomllib.loads((tmp_path / "sandbox" / "ledgerloop.toml").read_text())
    assert set(config["systems"]["sap_emea"]["companies"]) == set(world.dataset.companies)
    assert len(config["systems"]["bank"]["accounts"]) == len(world.payments.accounts)
    truth = json.loads((tmp_path / "demo" / "truth.json").read_text())
    assert len(truth["receipts"]) == len(world.payments.payments)
    approvals = pl.read_csv(tmp_path / "demo" / "approved_limits.csv", infer_schema=False)
    limited = approvals.filter(pl.col("limit_kind") == "limited")
    assert limited["limit_amount"].null_count() == 0
    assert approvals["customer"].str.len_chars().max() == 10
    assert config_text(world) == (tmp_path / "sandbox" / "ledgerloop.toml").read_text()


def test_the_committed_configuration_is_the_synthetic_ones(settings):
    committed = Path(__file__).parents[3] / "ledgerloop.toml"
    plans = world_plans()
    for seed in (settings.seed, 7):
        world = make_world(generate(settings, plans, seed=seed), settings, plans, seed=seed)
        assert config_text(world) == committed.read_text()
