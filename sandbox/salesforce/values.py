"""Values in and out: what a field accepts, what it stores, how it is written.

Stored forms: text, bool, ``Decimal`` at the field's scale, dates as ISO text, instants as whole
milliseconds since 1970, references as 18-character ids. Money never passes through a float.
"""

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from sandbox.salesforce.errors import RequestError, RowError
from sandbox.salesforce.ids import full_id
from sandbox.salesforce.schema import Field, FieldType

__all__ = [
    "Parser",
    "Renderer",
    "csv_text",
    "instant_of",
    "instant_text",
    "parser_of",
    "renderer_of",
]

Parser = Callable[[Any], Any]
Renderer = Callable[[Any], str]

_NUMBERS = (FieldType.CURRENCY, FieldType.DOUBLE)
_DATE = re.compile(r"\d{4}-\d\d-\d\d\Z")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_quoted = json.encoder.encode_basestring


def instant_of(text: str) -> int:
    """Milliseconds since 1970 of an ISO instant. Raises ValueError without a zone."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return (instant - _EPOCH) // timedelta(milliseconds=1)


@lru_cache(maxsize=8192)
def instant_text(milliseconds: int) -> str:
    """The vendor's spelling: ``2026-01-02T03:04:05.000+0000``."""
    seconds, rest = divmod(milliseconds, 1000)
    instant = _EPOCH + timedelta(seconds=seconds)
    return f"{instant:%Y-%m-%dT%H:%M:%S}.{rest:03d}+0000"


def parser_of(field: Field) -> Parser:
    """The function that turns a JSON value or CSV text into the stored form.

    It raises ``RowError`` for a value the field refuses and ``RequestError`` for a JSON type that
    the vendor's own parser would refuse before looking at any row.
    """
    if field.type is FieldType.BOOLEAN:
        return lambda value: _boolean(field, value)
    if field.type in _NUMBERS:
        unit = Decimal(1).scaleb(-field.scale)
        bound = Decimal(10) ** (field.precision - field.scale)
        return lambda value: _number(field, value, unit, bound)
    if field.type is FieldType.DATE:
        return lambda value: _date(field, value)
    if field.type is FieldType.DATETIME:
        return lambda value: _datetime(field, value)
    if field.type in (FieldType.REFERENCE, FieldType.ID):
        return lambda value: _reference(field, value)
    return lambda value: _text(field, value)


def _json_error(field: Field, value: object) -> RequestError:
    kind = {bool: "VALUE_TRUE", int: "VALUE_NUMBER_INT", Decimal: "VALUE_NUMBER_FLOAT"}.get(
        type(value), "START_OBJECT" if isinstance(value, dict) else "VALUE_STRING"
    )
    return RequestError(
        400,
        "JSON_PARSER_ERROR",
        f"Cannot deserialize instance of {field.type} from {kind} value {value} or request may "
        "be missing a required field",
    )


def _text(field: Field, value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise _json_error(field, value)
    text = value.strip()
    if len(text) > field.length:
        raise RowError(
            "STRING_TOO_LONG",
            f"{field.name}: data value too large: {text} (max length={field.length})",
            (field.name,),
        )
    if field.is_restricted and text and text not in field.values:
        raise RowError(
            "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
            f"{field.name}: bad value for restricted picklist field: {text}",
            (field.name,),
        )
    return text or None


def _number(field: Field, value: object, unit: Decimal, bound: Decimal) -> Decimal | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise _json_error(field, value)
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise _wrong_type(field, value) from None
    if not number.is_finite():
        raise _wrong_type(field, value)
    if not -bound < number < bound:
        raise RowError(
            "NUMBER_OUTSIDE_VALID_RANGE",
            f"{field.name}: value outside of valid range on numeric field: {value}",
            (field.name,),
        )
    return number.quantize(unit, ROUND_HALF_UP)


def _wrong_type(field: Field, value: object) -> RowError:
    return RowError(
        "INVALID_TYPE_ON_FIELD_IN_RECORD",
        f"{field.name}: value not of required type: {value}",
        (field.name,),
    )


def _boolean(field: Field, value: object) -> bool:
    if isinstance(value, bool):
        return value
    if value is None:
        return False
    if not isinstance(value, str):
        raise _json_error(field, value)
    if value.lower() not in ("true", "false"):
        raise _wrong_type(field, value)
    return value.lower() == "true"


def _date(field: Field, value: object) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise _json_error(field, value)
    try:
        if not _DATE.match(value):
            raise ValueError(value)
        date.fromisoformat(value)
    except ValueError:
        raise _wrong_type(field, value) from None
    return value


def _datetime(field: Field, value: object) -> int | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise _json_error(field, value)
    try:
        return instant_of(value)
    except ValueError:
        raise _wrong_type(field, value) from None


def _reference(field: Field, value: object) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise _json_error(field, value)
    found = full_id(value)
    if found is None:
        raise RowError(
            "MALFORMED_ID", f"{field.name}: id value of incorrect type: {value}", (field.name,)
        )
    return found


def renderer_of(field: Field, *, is_scientific: bool = False) -> Renderer:
    """The function that writes a stored value as JSON text."""
    if field.type is FieldType.BOOLEAN:
        return lambda value: "true" if value else "false"
    if field.type in _NUMBERS:
        if is_scientific:
            return lambda value: "null" if value is None else _scientific(value)
        return lambda value: "null" if value is None else str(value)
    if field.type is FieldType.DATETIME:
        return lambda value: "null" if value is None else f'"{instant_text(value)}"'
    if field.type in (FieldType.DATE, FieldType.ID, FieldType.REFERENCE):
        return lambda value: "null" if value is None else f'"{value}"'
    return lambda value: "null" if value is None else _quoted(value)


def _scientific(number: Decimal) -> str:
    """As a Java double prints itself: an exponent from ten million on."""
    if number and not -3 <= number.adjusted() < 7:
        sign, digits, _ = number.normalize().as_tuple()
        mantissa = f"{digits[0]}.{''.join(map(str, digits[1:])) or '0'}"
        return f"{'-' if sign else ''}{mantissa}E{number.adjusted()}"
    text = format(number.normalize(), "f")
    return text if "." in text else f"{text}.0"


def csv_text(field: Field, value: Any) -> str:
    """A stored value as a cell of a bulk query's result."""
    if value is None:
        return ""
    if field.type is FieldType.BOOLEAN:
        return "true" if value else "false"
    if field.type is FieldType.DATETIME:
        return instant_text(value).replace("+0000", "Z")
    return str(value)
