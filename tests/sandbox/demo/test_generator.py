"""The synthetic twin: the same on every run, and shaped like the real extract's profile."""

import polars as pl
import pytest

from sandbox.demo.dataset import DatasetError
from sandbox.demo.generator import generate, raw_extract
from sandbox.demo.settings import load_settings


@pytest.fixture(scope="module")
def settings():
    return load_settings()


@pytest.fixture(scope="module")
def large(settings):
    """Big enough for shares to settle."""
    size = {"customers": 1000, "open_items": 20_000, "closed_items": 20_000}
    return raw_extract(settings.twin.model_copy(update=size), 7)


def test_the_same_seed_gives_the_same_frames_and_another_seed_others(settings):
    one, two, other = (raw_extract(settings.twin, seed) for seed in (3, 3, 4))
    assert one.closed.equals(two.closed)
    assert one.open_items.equals(two.open_items)
    assert one.variants.equals(two.variants)
    assert not one.open_items.equals(other.open_items)


def test_the_default_size_is_small_and_every_receipt_has_its_items(settings):
    dataset = generate(settings)
    assert dataset.customers["customer"].n_unique() == settings.twin.customers
    assert 2000 < dataset.invoices.height < 2600
    assert 350 < dataset.receipts.height < 650
    paid = dataset.invoices.drop_nulls("receipt_number")
    by_receipt = paid.group_by("receipt_number").agg(pl.col("amount").sum())
    joined = dataset.receipts.join(by_receipt, on="receipt_number")
    assert joined.height == dataset.receipts.height
    assert (joined["amount"] == joined["amount_right"]).all()


def test_sizes_can_be_asked_for(settings):
    dataset = generate(settings, customers=200, open_items=10_000, closed_items=500)
    open_items = dataset.invoices.filter(pl.col("receipt_number").is_null())
    assert open_items.height == 10_000


def test_items_are_as_skewed_as_the_profile_says(large):
    counts = large.closed.group_by(pl.col("cust_number").str.zfill(10)).len()["len"].sort()
    assert counts.max() / counts.sum() == pytest.approx(0.24, abs=0.03)
    assert counts.tail(10).sum() / counts.sum() == pytest.approx(0.45, abs=0.04)


def test_payment_delays_follow_the_profile(large):
    delay = large.closed["delay_days"].cast(pl.Int32)
    shares = [(delay < 0).mean(), (delay == 0).mean(), (delay > 5).mean(), (delay > 30).mean()]
    assert shares == pytest.approx([0.364, 0.212, 0.095, 0.022], abs=0.03)


def test_amounts_follow_the_profile(large):
    amounts = large.open_items["total_open_amount"].cast(pl.Float64)
    assert amounts.median() == pytest.approx(17_284, rel=0.06)
    assert amounts.mean() == pytest.approx(32_403, rel=0.08)


def test_many_payments_pay_more_than_one_invoice(settings):
    dataset = generate(settings, customers=1000, open_items=1000, closed_items=20_000)
    items = dataset.receipts["items"]
    assert (items > 1).mean() == pytest.approx(0.36, abs=0.07)
    assert items.quantile(0.95) <= 12
    assert 30 < items.max() <= 2 * settings.twin.invoices_per_payment_max


def test_spellings_duplicates_and_lost_zeros_are_there(large):
    per_customer = large.variants.group_by("cust_number").len()["len"]
    assert 3.5 < per_customer.mean() < 5.5
    assert per_customer.max() <= 11
    duplicates = 1 - large.open_items.unique().height / large.open_items.height
    assert duplicates == pytest.approx(0.022, abs=0.006)
    numeric = large.open_items.filter(pl.col("cust_number").str.contains(r"^\d+$"))
    assert (numeric["cust_number"].str.len_chars() < 10).mean() == pytest.approx(0.046, abs=0.01)


def test_a_quarter_of_the_customers_share_a_base_name_with_another(large):
    base = large.variants.with_columns(
        pl.col("name_customer").str.split(" ").list.head(2).list.join(" ").alias("base")
    )
    sharing = base.group_by("base").agg(pl.col("cust_number").n_unique().alias("n"))
    shared = base.join(sharing.filter(pl.col("n") > 1), on="base", how="semi")
    assert shared["cust_number"].n_unique() / 1000 > 0.2


def test_a_wrong_setting_is_refused_by_name(tmp_path):
    path = tmp_path / "generator.toml"
    path.write_text("seed = 1\nsede = 2\n")
    with pytest.raises(DatasetError, match="sede"):
        load_settings(path)
