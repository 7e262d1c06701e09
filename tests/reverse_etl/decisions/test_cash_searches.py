"""The searches that save time find just what looking at everything finds."""

from itertools import combinations

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

from reverse_etl.decisions.cash_ledger import Ledger
from reverse_etl.decisions.matching_sums import explanations, has_twin_outside
from reverse_etl.planning.policy import Policy
from tests.reverse_etl.decisions.cash_desk import OURS

_DIGITS = st.text("0123", min_size=5, max_size=9)


def _ledger(references: list[str]) -> Ledger:
    items = pl.DataFrame(
        {
            "item_id": [f"I{n:03d}" for n in range(len(references))],
            "customer_id": OURS,
            "amount_open": "1.00",
            "currency_code": "USD",
            "references": references,
        }
    )
    return Ledger(items, Policy().cash)


@settings(max_examples=60, deadline=None)
@given(st.lists(_DIGITS, min_size=1, max_size=20), _DIGITS.filter(lambda key: key[0] != "0"))
def test_every_reference_one_edit_away_is_found_and_no_other(references: list[str], key: str):
    ledger = _ledger(references)
    near = {
        place
        for place, item in enumerate(ledger.items)
        if any(OSA.distance(key, reference) <= 1 for reference in item.references)
    }
    assert set(ledger.payables(frozenset({OURS})).near(key)) == near


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=3, max_size=12), st.integers(10, 90))
def test_singles_pairs_and_triples_with_an_amount_are_found_with_their_chance(
    amounts: list[int], target: int
):
    units = np.array(amounts, dtype=np.int64)
    found = {
        one.positions: one for one in explanations(units, target, 1, triple_items_max=50, most=999)
    }
    for size in (1, 2, 3):
        for positions in combinations(range(len(amounts)), size):
            assert (positions in found) == (sum(amounts[n] for n in positions) == target)
    usable = [amount for amount in amounts if amount < target]
    pairs = [one + other for one, other in combinations(usable, 2)]
    thirds = [pair + third for pair in pairs for third in usable]
    near = [max(sum(abs(s - target) <= target * 0.2 for s in sums), 1) for sums in (pairs, thirds)]
    for one in found.values():
        if one.family == "triple":
            assert one.chance == (near[0] + near[1] / 3) / max(target * 0.4, 1.0)


def test_a_twin_is_an_item_outside_with_the_amount_of_one_inside():
    units = np.array([5, 7, 5, 9])
    assert has_twin_outside(units, (0, 1))
    assert not has_twin_outside(units, (1, 3))
    assert not has_twin_outside(units, (0, 2))
