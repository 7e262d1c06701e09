"""One value, three faces: canonical text (diff), payload value (command), the vendor's value.

Canonical: money without exponent or trailing zeros, dates ISO 8601, booleans ``true``/``false``,
an empty text is no value. Nothing here knows an object or a system.
"""

import json
import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from ingestion.common.errors import InputRefused
from ingestion.common.money import canonical_text, parse_amount
from reverse_etl.ledger.commands import Value

__all__ = ["Format", "native_value", "payload_value", "problem_with", "value_of"]


class Format(StrEnum):
    """The form of a governed field."""

    TEXT = "text"
    MONEY = "money"
    DATE = "date"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    JSON = "json"
    ENUM = "enum"


def payload_value(text: str | None, form: Format) -> Value:
    """Canonical text as the diff shows it to the value that stands in a command's payload.

    Money, dates and enums stay text (lossless); booleans, integers and JSON become themselves.
    """
    if text is None or text == "":
        return None
    match form:
        case Format.BOOLEAN:
            return text == "true"
        case Format.INTEGER:
            return int(text)
        case Format.JSON:
            parsed: Value = json.loads(text, parse_float=str)
            return parsed
        case _:
            return text


def value_of(raw: Any, form: Format, values: Mapping[str, str] | None = None) -> Value:
    """A vendor's value to the payload value, so that a read-back equals what was sent.

    Args:
        raw: what the vendor answered (text, number, Decimal, date, bool or None).
        form: the governed field's format.
        values: for an enum, our value to the vendor's.

    Raises:
        InputRefused: a value that is not of this format.
    """
    if raw is None or raw == "":
        return None
    match form:
        case Format.MONEY:
            return _money_text(raw)
        case Format.DATE:
            return _date_text(raw)
        case Format.BOOLEAN:
            return raw if isinstance(raw, bool) else str(raw).strip().lower() in {"true", "x", "1"}
        case Format.INTEGER:
            return _integer(raw)
        case Format.JSON:
            parsed: Value = json.loads(raw, parse_float=str) if isinstance(raw, str) else raw
            return parsed
        case Format.ENUM:
            ours = {theirs: mine for mine, theirs in (values or {}).items()}
            return ours.get(str(raw), str(raw))
        case Format.TEXT:
            return str(raw)


def native_value(value: Value, form: Format, values: Mapping[str, str] | None = None) -> Value:
    """A payload value to the vendor's; only enums change, money and dates stay text."""
    if form is Format.ENUM and isinstance(value, str):
        return (values or {}).get(value, value)
    return value


def problem_with(
    value: Value,
    form: Format,
    *,
    values: Mapping[str, str] | None = None,
    max_length: int | None = None,
    pattern: str = "",
    currency_code: str = "",
) -> str:
    """Why a payload value may not be sent, in plain words; empty when it may."""
    if value is None:
        return ""
    if form is Format.MONEY and currency_code:
        try:
            parse_amount(str(value), currency_code)
        except InputRefused as error:
            return error.message
    if form is Format.ENUM and values and value not in values:
        return f"{value!r} is none of {', '.join(values)}"
    if max_length is not None and isinstance(value, str) and len(value) > max_length:
        return f"{len(value)} characters are more than the {max_length} the target holds"
    if pattern and re.fullmatch(pattern, str(value)) is None:
        return f"{value!r} is not of the form {pattern}"
    return ""


def _money_text(raw: Any) -> str:
    """Exact text of an amount; a float is refused, its digits are already lost."""
    if isinstance(raw, float):
        raise InputRefused(
            f"{raw} arrived as a binary float: read this answer with exact decimals",
            code="float_money",
            where="money field",
        )
    try:
        amount = Decimal(str(raw).strip())
    except InvalidOperation:
        raise InputRefused(
            f"{raw!r} is not an amount", code="bad_amount", where="money field"
        ) from None
    return canonical_text(amount)


def _date_text(raw: Any) -> str:
    if isinstance(raw, datetime):
        return raw.date().isoformat()
    if isinstance(raw, date):
        return raw.isoformat()
    text = str(raw)[:10]
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise InputRefused(
            f"{raw!r} is not an ISO date", code="bad_date", where="date field"
        ) from None


def _integer(raw: Any) -> int:
    """Whole number; vendors write a version as 3, ``3`` or 3.0 (Salesforce numbers)."""
    try:
        amount = Decimal(str(raw))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount != amount.to_integral_value():
        raise InputRefused(f"{raw!r} is not a whole number", code="bad_integer", where="field")
    return int(amount)
