"""Tryton's typed values in JSON: decimals, dates and instants are small objects with a class.

Going out, Python's own values become those objects; coming in, they become Python values again, so
no amount is ever a float. It knows no model and no method.
"""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from ingestion.common.errors import InputRefused

__all__ = ["decoded", "encoded"]


def encoded(value: Any) -> bytes:
    """A request body. Raises InputRefused for a float: money must never have been one."""
    return json.dumps(_outgoing(value), ensure_ascii=False, separators=(",", ":")).encode()


def decoded(body: bytes) -> Any:
    """An answer's content. Raises ValueError when it is not whole JSON."""
    return json.loads(body, object_hook=_incoming, parse_float=Decimal)


def _outgoing(value: Any) -> Any:
    if isinstance(value, float):
        raise InputRefused(f"{value!r} is a float", code="float", where="request")
    if isinstance(value, Decimal):
        return {"__class__": "Decimal", "decimal": format(value, "f")}
    if isinstance(value, datetime):
        instant = value.astimezone(UTC) if value.tzinfo else value
        return {"__class__": "datetime", **_day(instant), "hour": instant.hour,
                "minute": instant.minute, "second": instant.second,
                "microsecond": instant.microsecond}  # fmt: skip
    if isinstance(value, date):
        return {"__class__": "date", **_day(value)}
    if isinstance(value, dict):
        return {key: _outgoing(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_outgoing(one) for one in value]
    return value


def _day(value: date) -> dict[str, int]:
    return {"year": value.year, "month": value.month, "day": value.day}


def _incoming(value: dict[str, Any]) -> Any:
    match value.get("__class__"):
        case "Decimal":
            return Decimal(value["decimal"])
        case "date":
            return date(value["year"], value["month"], value["day"])
        case "datetime":
            # Tryton keeps naive instants; its server and database run in UTC.
            return datetime(
                value["year"], value["month"], value["day"], value["hour"], value["minute"],
                value["second"], value["microsecond"], tzinfo=UTC,
            )  # fmt: skip
    return value
