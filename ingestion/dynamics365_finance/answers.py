"""Answers of finance and operations understood: entities, pages, errors. It sends nothing.

Validation texts stand in ``innererror.message``; texts are redacted and name the activity id of the
environment and our request id, which is what Microsoft's support asks for.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any

from ingestion.common.errors import (
    LedgerloopError,
    OutcomeUnknown,
    Reauthenticate,
    RetryLater,
    VendorAnswerInvalid,
    VendorRejected,
)
from ingestion.common.redact import redact
from ingestion.common.transport import Response
from ingestion.dynamics365_finance.settings import Action

__all__ = [
    "REQUEST_ID_HEADER",
    "D365Answer",
    "answer_of",
    "check_page",
    "check_symbols",
    "error_of",
    "json_text",
    "next_link",
    "rows_in",
    "total_of",
    "traced",
]

#: Under this id a request travels; the client puts it on the answer, too.
REQUEST_ID_HEADER = "x-ms-client-request-id"
_ACTIVITY_HEADER = "ms-dyn-aid"
_STRING = rb'"((?:[^"\\]|\\.)*)"'
#: Behind the rows, at the very end; nothing inside a row can look like this.
_NEXT_LAST = re.compile(rb'\]\s*,\s*"@odata\.nextLink"\s*:\s*' + _STRING + rb"\s*\}\s*\Z")
_HEAD = re.compile(rb'\A\s*\{(?:\s*"@odata\.[A-Za-z.]+"\s*:\s*(?:"(?:[^"\\]|\\.)*"|\d+)\s*,)*')
_NEXT_FIRST = re.compile(rb'"@odata\.nextLink"\s*:\s*' + _STRING)
_COUNT = re.compile(rb'"@odata\.count"\s*:\s*(\d+)')
_TAIL_BYTES = 8192
_ROW_MARK = b'"@odata.etag"'
_WRITE_FAILED = re.compile(r"Infolog: (?:Error|Warning): (.+?)\.?\s*\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class D365Answer:
    """A successful answer. ``entity`` is empty for 204; numbers are exact."""

    status: int
    entity: dict[str, Any] = field(default_factory=dict)
    etag: str = ""

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of a collection, or the entity itself as the only row."""
        found = self.entity.get("value")
        if isinstance(found, list):
            return found
        return [self.entity] if self.entity else []

    @property
    def value(self) -> Any:
        """What an action returned."""
        return self.entity.get("value")


def json_text(value: Any) -> str:
    """Exact JSON: decimals as numbers with just their digits, never through a float."""
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{json.dumps(k)}:{json_text(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(json_text(one) for one in value) + "]"
    if isinstance(value, Decimal):
        return format(value, "f")
    assert not isinstance(value, float), "a float is no money"
    return json.dumps(value, ensure_ascii=False)


def traced(where: str, response: Response) -> str:
    """The place with the ids of the request."""
    ids = [
        f"{name} {response.headers[header]}"
        for name, header in (("request id", REQUEST_ID_HEADER), ("activity id", _ACTIVITY_HEADER))
        if header in response.headers
    ]
    return f"{where} ({', '.join(ids)})" if ids else where


def answer_of(response: Response, where: str) -> D365Answer:
    """A 2xx answer as values.

    Raises:
        VendorAnswerInvalid: another type, half a body, or an error inside a 200.
    """
    etag = response.headers.get("ETag", "")
    if response.status == 204 or not response.body.strip():
        return D365Answer(response.status, {}, etag)
    where = traced(where, response)
    kind = response.headers.get("Content-Type", "")
    if kind and "json" not in kind:
        raise VendorAnswerInvalid(
            f"{where}: the answer is {kind}, not JSON; it starts "
            f"{redact(response.body[:120].decode('utf-8', 'replace'), length_max=120)!r}",
            code="not_json",
        )
    try:
        tree = json.loads(response.body, parse_float=Decimal)
    except ValueError as error:
        start = redact(response.body[:120].decode("utf-8", "replace"), length_max=120)
        raise VendorAnswerInvalid(
            f"{where}: the answer is not whole JSON ({len(response.body)} bytes, starts {start!r})",
            code="not_json",
        ) from error
    if not isinstance(tree, dict) or "error" in tree:
        raise VendorAnswerInvalid(
            f"{where}: status {response.status} without an entity: "
            f"{redact(response.body.decode('utf-8', 'replace'), length_max=200)}",
            code="error_in_ok",
        )
    own = tree.get("@odata.etag", "")
    return D365Answer(response.status, tree, etag or own)


# Pages as bytes: rows are never parsed here.


def check_page(response: Response, where: str) -> None:
    """Refuse what is not a whole page before anything is made of it.

    Raises:
        VendorAnswerInvalid: another type, half a page, an error inside a 200.
    """
    where = traced(where, response)
    body = response.body.strip()
    kind = response.headers.get("Content-Type", "")
    if "json" not in kind or not body.startswith(b"{") or not body.endswith(b"}"):
        raise VendorAnswerInvalid(
            f"{where}: status {response.status} of type {kind or 'unknown'}, {len(body)} bytes, "
            f"is not a whole page: {redact(body[:120].decode('utf-8', 'replace'), length_max=120)}",
            code="page_invalid",
        )
    if body.startswith(b'{"error"'):
        raise VendorAnswerInvalid(
            f"{where}: an error inside a 200: {redact(body[:400].decode('utf-8', 'replace'))}",
            code="error_in_ok",
        )


def check_symbols(response: Response, where: str, symbols: Mapping[str, frozenset[str]]) -> None:
    """Refuse a symbol that nobody knows: it might mean anything.

    Args:
        response: a whole page.
        where: the place, for the error.
        symbols: field to all that it may say.

    Raises:
        VendorAnswerInvalid: naming field and symbol.
    """
    for name, known in symbols.items():
        mark = re.compile(rb'"%s":\s*"((?:[^"\\]|\\.)*)"' % name.encode())
        strange = {text.decode("utf-8", "replace") for text in mark.findall(response.body)} - known
        if strange:
            raise VendorAnswerInvalid(
                f"{traced(where, response)}: {name} {min(strange)!r} is none of "
                f"{', '.join(sorted(known))}",
                code="unknown_value",
            )


def next_link(page: bytes) -> str:
    """The page's ``@odata.nextLink``; empty on the last page."""
    found = _NEXT_LAST.search(page, max(0, len(page) - _TAIL_BYTES))
    if found is None:
        head = _HEAD.match(page)
        found = _NEXT_FIRST.search(head.group()) if head else None
    if found is None:
        return ""
    text: str = json.loads(b'"' + found.group(1) + b'"')
    return text


def rows_in(page: bytes) -> int:
    """How many rows a page has: each one carries its version."""
    return page.count(_ROW_MARK)


def total_of(page: bytes) -> int | None:
    """``@odata.count`` of a first page, where it was asked for."""
    head = _HEAD.match(page)
    found = _COUNT.search(head.group()) if head else None
    return int(found.group(1)) if found else None


# Errors


def error_of(
    response: Response,
    where: str,
    actions: Mapping[int, Action],
    now: datetime | None = None,
) -> LedgerloopError:
    """The error that a non-2xx answer stands for. ``actions`` is the read or the write table."""
    code, message = _parts(response.body)
    text = redact(message) or f"status {response.status} without an error body"
    full = f"{traced(where, response)}: {text} (status {response.status})"
    action = actions.get(response.status)
    if action is None:
        action = actions[500] if response.status >= 500 else Action.REJECT
    match action:
        case Action.RETRY:
            after = _retry_after_seconds(response, now)
            return RetryLater(full, code=code or str(response.status), after_seconds=after)
        case Action.REAUTHENTICATE:
            return Reauthenticate(f"{full}: check the application's secret", code=code or "401")
        case Action.UNKNOWN:
            return OutcomeUnknown(full, code=code or str(response.status))
        case _:
            return VendorRejected(
                full, code=code or _code_of(message) or str(response.status),
                status=response.status, field=_field_of(message),
            )  # fmt: skip


def _code_of(message: str) -> str:
    """A stable code for refusals, since the product's own code is always empty."""
    known = {
        "already exists": "already_exists",
        "is not open for posting": "period_closed",
        "larger than the open balance": "over_applied",
        "transaction is closed": "not_open",
        "is on hold": "on_hold",
        "does not exist": "not_found",
        "does not allow editing": "read_only",
    }
    return next((code for text, code in known.items() if text in message), "")


def _field_of(message: str) -> str:
    found = re.search(r"[Ff]ield '([^']+)'|property '([^']+)'", message)
    return (found.group(1) or found.group(2)) if found else ""


def _parts(body: bytes) -> tuple[str, str]:
    """Code and message of an error body, whatever its form."""
    text = body.strip()
    try:
        error = json.loads(text)["error"]
    except (ValueError, KeyError, TypeError):
        plain = re.sub(rb"<[^>]*>", b" ", text)
        return "", " ".join(plain.decode("utf-8", "replace").split())[:400]
    if not isinstance(error, dict):
        # The token endpoint: a code beside its description.
        return str(error), str(json.loads(text).get("error_description", error))
    inner = error.get("innererror") or {}
    message = str(inner.get("message") or error.get("message", ""))
    found = _WRITE_FAILED.search(message)
    return str(error.get("code", "")), found.group(1) if found else message


def _retry_after_seconds(response: Response, now: datetime | None) -> float | None:
    """The environment's wish, from seconds or an HTTP date."""
    text = response.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    if now is None:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - now).total_seconds())
