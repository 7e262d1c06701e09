"""Requests and answers of the account's REST services, apart from any framework."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sandbox.netsuite.errors import RequestRefused

__all__ = ["Answer", "Call", "dumped", "instant_text", "json_answer"]

_NUMBER = re.compile(r'"\\u0000(-?[0-9.]+)"')


@dataclass(frozen=True, slots=True)
class Call:
    """One request: path parts below ``/services/rest``, query, lower-case headers, body."""

    method: str
    parts: tuple[str, ...]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    root: str
    """``https://host/services/rest``: what links start with."""

    def json(self) -> Any:
        """The body as exact JSON. Raises RequestRefused for anything else."""
        try:
            return json.loads(self.body, parse_float=Decimal)
        except ValueError:
            raise RequestRefused(
                400, "INVALID_CONTENT", "Invalid content in the request body. Expected JSON."
            ) from None

    @property
    def is_async(self) -> bool:
        """Whether the caller wants a job instead of an answer."""
        return "respond-async" in self.headers.get("prefer", "")


@dataclass(slots=True)
class Answer:
    """What goes back."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


def _plain(value: object) -> str:
    if isinstance(value, Decimal):
        return f"\x00{value:f}"
    if isinstance(value, datetime):
        return instant_text(value)
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"not for JSON: {type(value).__name__}")


def instant_text(instant: datetime) -> str:
    """``2026-01-31T12:00:00Z``."""
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def dumped(tree: Any) -> bytes:
    """JSON with money as exact numbers."""
    return _NUMBER.sub(r"\1", json.dumps(tree, default=_plain, ensure_ascii=True)).encode()


def json_answer(
    tree: Any,
    *,
    status: int = 200,
    kind: str = "singular",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """An answer of NetSuite's own media type."""
    content_type = f"application/vnd.oracle.resource+json; type={kind}; charset=UTF-8"
    return Answer(status, dumped(tree), {"Content-Type": content_type, **(headers or {})})
