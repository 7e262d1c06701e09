"""Money stays exact, and a field takes only what it can hold."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.salesforce.errors import RequestError, RowError
from sandbox.salesforce.schema import Field, FieldType
from sandbox.salesforce.values import csv_text, instant_of, instant_text, parser_of, renderer_of

MONEY = Field("Amount__c", FieldType.CURRENCY)
CENTS = st.integers(-(10**18) + 1, 10**18 - 1).map(lambda cents: Decimal(cents).scaleb(-2))


@given(amount=CENTS, is_scientific=st.booleans(), is_text=st.booleans())
def test_every_amount_comes_back_exactly(
    amount: Decimal, is_scientific: bool, is_text: bool
) -> None:
    stored = parser_of(MONEY)(str(amount) if is_text else amount)
    rendered = renderer_of(MONEY, is_scientific=is_scientific)(stored)
    assert json.loads(rendered, parse_float=Decimal, parse_int=Decimal) == amount
    assert Decimal(csv_text(MONEY, stored)) == amount


def test_scientific_numbers_look_like_a_java_double() -> None:
    render = renderer_of(MONEY, is_scientific=True)
    shown = [render(Decimal(text)) for text in ("12345678901.23", "-10000000", "7.50", "0", "0.01")]
    assert shown == ["1.234567890123E10", "-1.0E7", "7.5", "0.0", "0.01"]


@given(text=st.text(max_size=40))
def test_every_text_is_valid_json(text: str) -> None:
    field = Field("Name")
    stored = parser_of(field)(text)
    assert json.loads(renderer_of(field)(stored)) == (text.strip() or None)


@given(at=st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_instants_keep_their_milliseconds(at: datetime) -> None:
    milliseconds = instant_of(at.isoformat())
    assert instant_of(instant_text(milliseconds)) == milliseconds


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        (MONEY, "abc", "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        (MONEY, "NaN", "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        (MONEY, 10**16, "NUMBER_OUTSIDE_VALID_RANGE"),
        (Field("D", FieldType.DATE), "2026-02-30", "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        (Field("D", FieldType.DATE), "2026-02-03T00:00:00Z", "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        (Field("T", FieldType.DATETIME), "2026-02-03T00:00:00", "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        (Field("B", FieldType.BOOLEAN), "yes", "INVALID_TYPE_ON_FIELD_IN_RECORD"),
        (Field("S", length=3), "four", "STRING_TOO_LONG"),
        (Field("R", FieldType.REFERENCE), "12", "MALFORMED_ID"),
    ],
)
def test_a_field_refuses_what_it_cannot_hold(field: Field, value: Any, code: str) -> None:
    with pytest.raises(RowError) as refused:
        parser_of(field)(value)
    assert refused.value.code == code
    assert refused.value.fields == (field.name,)


@pytest.mark.parametrize(
    ("field", "value"), [(Field("S"), 5), (MONEY, True), (MONEY, {}), (Field("S"), {"a": 1})]
)
def test_a_wrong_json_type_refuses_the_whole_call(field: Field, value: Any) -> None:
    with pytest.raises(RequestError) as refused:
        parser_of(field)(value)
    assert refused.value.code == "JSON_PARSER_ERROR"


def test_more_decimals_than_the_field_has_are_rounded_half_up() -> None:
    assert parser_of(MONEY)("1.005") == Decimal("1.01")
    assert parser_of(MONEY)(Decimal("-1.005")) == Decimal("-1.01")
