"""The evaluation of cash application on a small twin: it finds errors, and there are none."""

import random
from datetime import date

import polars as pl
import pytest

from bench.decisions_cash import decided
from bench.decisions_families import FAMILIES
from bench.decisions_noise import Case, Noise, make_case
from bench.decisions_scores import score
from bench.decisions_world import World, half_of, twin_world
from reverse_etl.decisions.cash import decide_cash
from reverse_etl.planning.policy import load_policy


@pytest.fixture(scope="module")
def world() -> World:
    return twin_world(seed=7, customers=40, open_items=250, closed=700)


@pytest.fixture(scope="module")
def case(world: World) -> Case:
    return make_case(world, 7, Noise(duplicate=0.2, prepayment=0.1, no_reference=0.3))


@pytest.fixture(scope="module")
def rows(case: Case) -> pl.DataFrame:
    return decided(case)


def test_nothing_is_applied_wrongly_and_every_cent_is_conserved(case: Case, rows: pl.DataFrame):
    found = score("twin", case, rows)
    assert found.wrong == []
    assert found.not_conserved == 0
    assert (found.kinds_automatic["duplicate"], found.kinds_automatic["prepayment"]) == (0, 0)
    assert found.rates[0] > 0.5


def test_a_wrong_decision_and_a_lost_cent_are_found(case: Case, rows: pl.DataFrame):
    first = rows.filter(pl.col("decision") == "auto")["receipt_id"][0]
    is_it = pl.col("receipt_id") == first
    items = case.open_items["item_id"]
    spoiled = rows.with_columns(
        pl.when(is_it).then(pl.lit(items[0])).otherwise("item_id").alias("item_id"),
        pl.when(is_it).then(pl.col("amount") + 1).otherwise("amount").alias("amount"),
    )
    found = score("twin", case, spoiled)
    assert [wrong.where for wrong in found.wrong] == [f"twin {first}"]
    assert found.not_conserved == 1


def test_a_rerun_that_knows_what_was_applied_applies_nothing_more(case: Case, rows: pl.DataFrame):
    applied = rows.filter(pl.col("decision") == "auto", pl.col("kind") == "apply")
    paid = applied.group_by("receipt_id").agg(pl.col("customer_id").first())
    is_paid = pl.col("item_id").is_in(applied["item_id"].implode())
    again = decide_cash(
        case.receipts.join(paid, on="receipt_id", how="anti"),
        case.open_items.with_columns(
            pl.when(is_paid).then(date(1990, 1, 1)).otherwise("open_until").alias("open_until")
        ),
        case.payers,
        case.aliases,
        load_policy(),
        earlier=case.receipts.join(paid, on="receipt_id"),
    )
    assert "auto" not in set(again["decision"])


@pytest.mark.parametrize("name", ["foreign", "odd_dense", "credits_silent", "shared_lumps"])
def test_other_families_of_noise_are_not_applied_wrongly_either(world: World, name: str):
    family = next(family for family in FAMILIES if family.name == name)
    changed = family.world(world, random.Random(3))
    case = make_case(changed, 3, family.noise, dense=family.is_dense)
    assert score(name, case, decided(case)).wrong == []


def test_the_same_seed_gives_the_same_payments_and_halves_share_no_customer(world: World):
    one, two = make_case(world, 5), make_case(world, 5)
    assert one.receipts.equals(two.receipts)
    assert {half_of(c) for c in world.half("A").by_customer} == {"A"}
    assert set(world.half("A").by_customer) | set(world.half("B").by_customer) == set(
        world.by_customer
    )
