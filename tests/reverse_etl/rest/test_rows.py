"""Rows on the wire and back: exact money, named places, nothing guessed."""

import json
from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.common.errors import InputRefused
from ingestion.common.money import canonical_text
from ingestion.rest.settings import RestObject
from reverse_etl.delivery.verifying import differences
from reverse_etl.rest.rows import RowForm
from tests.reverse_etl.rest.commands import a_sending

OBJECT = {
    "key_field": "/ref/id",
    "key_format": "integer",
    "external_key_field": "hub_key",
    "fields": {
        "amount": {"native": "/sums/open", "format": "money", "wire": "number"},
        "fee": {"format": "money", "wire": "text"},
        "due_date": {"native": "dueDate", "format": "date"},
        "seen_at": {"format": "timestamp"},
        "is_open": {"format": "boolean"},
        "level": {"format": "integer"},
    },
    "upsert": {"path": "/x/{key}"},
    "read_back": {"path": "/x/{key}"},
}
FORM = RowForm(RestObject.model_validate(OBJECT))

amounts = st.decimals(
    min_value=Decimal(-9999999999999999999999),
    max_value=Decimal(9999999999999999999999),
    places=6,
    allow_nan=False,
    allow_infinity=False,
)


def on_the_wire(payload, **given):
    row = FORM.row(a_sending("7", payload), **{"has_key": True, "has_nulls": True, **given})
    return orjson.dumps(row)


def test_a_row_goes_where_the_configuration_says() -> None:
    sent = json.loads(on_the_wire({"amount": "12.5", "due_date": "2026-02-01", "other": None}))
    key = sent.pop("hub_key")
    assert len(key) == 20
    assert sent == {
        "ref": {"id": 7},
        "sums": {"open": 12.5},
        "dueDate": "2026-02-01",
        "other": None,
    }


def test_a_new_row_leaves_out_what_has_no_value_and_a_path_may_hold_the_key() -> None:
    sent = json.loads(on_the_wire({"amount": "1", "fee": None}, has_key=False, has_nulls=False))
    assert set(sent) == {"hub_key", "sums"}


@given(amounts)
def test_money_keeps_every_digit_there_and_back(amount) -> None:
    payload = {"amount": canonical_text(amount), "fee": canonical_text(amount)}
    body = on_the_wire(payload)
    there = json.loads(body, parse_float=Decimal, parse_int=Decimal)
    assert there["sums"]["open"] == amount
    assert Decimal(there["fee"]) == amount
    back = FORM.held(payload, json.loads(body, parse_float=Decimal))
    assert differences(payload, back, frozenset()) == {}


@pytest.mark.parametrize("text", ["abc", "1e5", "NaN", "1,5", "", "--1"])
def test_what_is_no_amount_is_refused_before_it_is_sent(text) -> None:
    with pytest.raises(InputRefused) as refused:
        on_the_wire({"amount": text})
    assert (refused.value.code, refused.value.where) == ("bad_amount", "amount")


def test_a_key_that_is_no_number_is_refused_where_the_target_wants_one() -> None:
    with pytest.raises(InputRefused):
        FORM.row(a_sending("A7", {}), has_key=True, has_nulls=True)


@pytest.mark.parametrize(
    ("column", "sent", "found"),
    [
        ("amount", "12.5", Decimal("12.500")),
        ("amount", "12", "12.00"),
        ("fee", "3", 3),
        ("due_date", "2026-02-01", "2026-02-01T00:00:00Z"),
        ("seen_at", "2026-02-01T10:00:00Z", "2026-02-01T11:00:00.000+01:00"),
        ("is_open", True, "true"),
        ("level", 3, Decimal("3.0")),
        ("undeclared", "a", "a"),
        ("undeclared", 3, Decimal("3.0")),
        ("undeclared", "2026-02-01T10:00:00Z", "2026-02-01T10:00:00+00:00"),
        ("undeclared", None, None),
        ("undeclared", True, True),
    ],
)
def test_the_same_value_in_another_form_is_the_same(column, sent, found) -> None:
    row: dict = {}
    place = FORM.place_of(column)
    here = row
    for part in place[:-1]:
        here = here.setdefault(part, {})
    here[place[-1]] = found
    assert differences({column: sent}, FORM.held({column: sent}, row), frozenset()) == {}


@pytest.mark.parametrize(
    ("column", "sent", "found"),
    [
        ("amount", "12.5", Decimal("12.51")),
        ("amount", "12.5", "a lot"),
        ("due_date", "2026-02-01", "01/02/2026"),
        ("undeclared", "007", 7),
        ("undeclared", "12", "12.0"),
        ("undeclared", "a", None),
        ("is_open", True, None),
    ],
)
def test_another_value_is_a_difference(column, sent, found) -> None:
    place = FORM.place_of(column)
    row: dict = {"sums": {}}
    (row["sums"] if len(place) > 1 else row)[place[-1]] = found
    assert set(differences({column: sent}, FORM.held({column: sent}, row), frozenset())) == {column}


def test_a_refusal_s_field_is_named_as_our_column() -> None:
    assert FORM.column_of("/sums/open") == "amount"
    assert FORM.column_of("dueDate") == "due_date"
    assert FORM.column_of("theirs") == "theirs"
