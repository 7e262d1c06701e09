"""Values between wire and memory: ``/Date()/``, decimals as text, literals in addresses.

In memory a date is a ``date``, an instant an aware ``datetime`` in UTC, money a ``Decimal``. A JSON
number with a fraction is refused where a decimal is expected: a float is not money.
"""

import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from sandbox.sap_s4hana.odata.model import EdmKind, Property

__all__ = ["ValueRefused", "alpha", "from_json", "from_literal", "literal_text", "to_json"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_JSON_DATE = re.compile(r"/Date\((-?\d+)(?:[+-]\d+)?\)/$")
_DURATION = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.\d+)?S)?$")


class ValueRefused(ValueError):
    """Text or JSON that is no value of the property's type."""


def alpha(text: str, length: int) -> str:
    """SAP's ALPHA conversion: numeric text is padded with zeros to the full length."""
    return text.zfill(length) if text.isdigit() else text


@lru_cache(maxsize=20_000)
def _date_json(value: date) -> str:
    return f"/Date({(value.toordinal() - 719_163) * 86_400_000})/"


def _milliseconds(value: datetime) -> int:
    return (value - _EPOCH) // timedelta(milliseconds=1)


def _time_json(value: time) -> str:
    return f"PT{value.hour:02d}H{value.minute:02d}M{value.second:02d}S"


def to_json(kind: EdmKind, value: Any) -> Any:
    """A value as it stands in a JSON answer."""
    if value is None:
        return None
    if kind is EdmKind.DATE:
        return _date_json(value)
    if kind is EdmKind.INSTANT:
        return f"/Date({_milliseconds(value)}+0000)/"
    if kind is EdmKind.DECIMAL:
        return format(value, "f")
    return _time_json(value) if kind is EdmKind.TIME else value


def from_json(prop: Property, value: Any) -> Any:
    """A value of a JSON request in memory. Raises ValueRefused."""
    if value is None:
        return prop.empty
    kind = prop.kind
    if kind is EdmKind.BOOL:
        if not isinstance(value, bool):
            raise ValueRefused(f"{value!r} is no boolean")
        return value
    if kind is EdmKind.INT:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueRefused(f"{value!r} is no integer")
        return value
    if kind is EdmKind.DECIMAL and isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise ValueRefused(f"{value!r} is not given as text")
    return from_text(prop, value)


def from_text(prop: Property, text: str) -> Any:
    """Text (JSON or a stripped literal) as a value of the property. Raises ValueRefused."""
    kind = prop.kind
    if kind in (EdmKind.TEXT, EdmKind.GUID):
        if prop.is_alpha:
            text = alpha(text, prop.length)
        if prop.length and len(text) > prop.length:
            raise ValueRefused(f"{text!r} is longer than {prop.length}")
        return text
    if kind is EdmKind.DECIMAL:
        return _decimal(text, prop)
    if kind is EdmKind.TIME:
        match = _DURATION.match(text)
        if match is None:
            raise ValueRefused(f"{text!r} is no time")
        hours, minutes, seconds = (int(part or 0) for part in match.groups())
        return time(hours, minutes, seconds)
    if kind not in (EdmKind.DATE, EdmKind.INSTANT):
        raise ValueRefused(f"{text!r} is no {kind}")
    instant = _instant(text)
    return instant.date() if kind is EdmKind.DATE else instant


def _decimal(text: str, prop: Property) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueRefused(f"{text!r} is no decimal") from None
    if not value.is_finite():
        raise ValueRefused(f"{text!r} is no decimal")
    if value != round(value, prop.scale) or abs(value) >= Decimal(10) ** (prop.length - prop.scale):
        raise ValueRefused(f"{text!r} does not fit ({prop.length},{prop.scale})")
    return value


def _instant(text: str) -> datetime:
    match = _JSON_DATE.match(text)
    if match is not None:
        return _EPOCH + timedelta(milliseconds=int(match.group(1)))
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ValueRefused(f"{text!r} is no date and time") from None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


_PREFIXED = re.compile(r"(datetime|datetimeoffset|time|guid|X|binary)'([^']*)'$")
_NUMBER = re.compile(r"(-?\d+(?:\.\d+)?)[mMlLdDfF]?$")


def from_literal(prop: Property, literal: str) -> Any:
    """An OData literal of an address as a value of the property. Raises ValueRefused."""
    if literal == "null":
        return None
    if literal.startswith("'"):
        if prop.kind not in (EdmKind.TEXT, EdmKind.GUID):
            raise ValueRefused(f"{literal} is no {prop.kind}")
        return from_text(prop, literal[1:-1].replace("''", "'"))
    match = _PREFIXED.match(literal)
    if match is not None:
        _check_prefix(prop, match.group(1), literal)
        return from_text(prop, match.group(2))
    if literal in ("true", "false"):
        if prop.kind is not EdmKind.BOOL:
            raise ValueRefused(f"{literal} is no {prop.kind}")
        return literal == "true"
    number = _NUMBER.match(literal)
    if number is None or prop.kind not in (EdmKind.DECIMAL, EdmKind.INT):
        raise ValueRefused(f"{literal} is no {prop.kind}")
    return int(number.group(1)) if prop.kind is EdmKind.INT else Decimal(number.group(1))


_PREFIXES = {
    EdmKind.DATE: ("datetime", "datetimeoffset"),
    EdmKind.INSTANT: ("datetimeoffset", "datetime"),
    EdmKind.TIME: ("time",),
    EdmKind.GUID: ("guid",),
}


def _check_prefix(prop: Property, prefix: str, literal: str) -> None:
    if prefix not in _PREFIXES.get(prop.kind, ()):
        raise ValueRefused(f"{literal} is no {prop.kind}")


def literal_text(kind: EdmKind, value: Any) -> str:
    """A key value as an OData literal, not yet percent-encoded."""
    if kind is EdmKind.DATE:
        return f"datetime'{value.isoformat()}T00:00:00'"
    if kind is EdmKind.TEXT:
        return "'" + str(value).replace("'", "''") + "'"
    return f"guid'{value}'" if kind is EdmKind.GUID else str(value)
