"""Ids carry the vendor's check characters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.salesforce.ids import IdSource, full_id


def test_a_published_pair_of_short_and_long_id_agrees() -> None:
    assert full_id("001A0000006Vm9r") == "001A0000006Vm9rIAC"


@given(number=st.integers(0, 62**6 - 2))
def test_long_ids_survive_the_loss_of_their_case(number: int) -> None:
    found = IdSource(number).next("a02")
    assert len(found) == 18
    assert full_id(found[:15]) == found
    assert full_id(found.lower()) == found
    assert full_id(found.upper()) == found


def test_ids_never_repeat() -> None:
    source = IdSource()
    assert len({source.next("001") for _ in range(500)}) == 500


@pytest.mark.parametrize("text", ["", "001", "001A0000006Vm9!", "001A0000006Vm9rZZZ", "é" * 15])
def test_what_is_no_id_is_none(text: str) -> None:
    assert full_id(text) is None
