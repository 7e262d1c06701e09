"""NetSuite's answers understood, and bodies written exactly: errors, pages, references, numbers.

The taxonomy of ``ingestion.common.errors`` comes out of it; texts are redacted and name path, code
and correlation id. It sends nothing.
"""

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
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
from ingestion.netsuite.settings import Action

__all__ = ["check_page", "error_of", "exact_json", "has_more", "last_values", "parse_json"]

#: NetSuite's own number of a request [from memory]; its support asks for it.
_OPERATION_HEADER = "x-n-operationid"
_MARKED = re.compile(r'"\\u0000(-?[0-9.]+)\\u0000"')
_HAS_MORE = re.compile(rb'(?<!\\)"hasMore"\s*:\s*(true|false)')


def exact_json(tree: Any) -> bytes:
    """JSON with money as exact numbers: a Decimal is written with its own digits, never a float."""

    def marked(value: object) -> str:
        if isinstance(value, Decimal):
            return f"\x00{value:f}\x00"
        raise TypeError(f"not for JSON: {type(value).__name__}")

    return _MARKED.sub(r"\1", json.dumps(tree, default=marked, ensure_ascii=True)).encode()


def parse_json(body: bytes, where: str) -> Any:
    """Exact JSON (no float). Raises VendorAnswerInvalid for anything else."""
    try:
        return json.loads(body, parse_float=Decimal)
    except ValueError as error:
        start = redact(body[:120].decode("utf-8", "replace"), length_max=120)
        raise VendorAnswerInvalid(
            f"{where}: the answer is not whole JSON ({len(body)} bytes, starts {start!r})",
            code="not_json",
        ) from error


def error_of(
    response: Response, where: str, correlation_id: str, actions: Mapping[int, Action]
) -> LedgerloopError:
    """The error that a non-2xx answer stands for. ``actions`` is the read or the write table."""
    code, message, path = _parts(response.body)
    text = redact(message) or f"status {response.status} without an error body"
    known = ", ".join(
        f"{name} {value}"
        for name, value in (
            ("status", response.status),
            ("code", code),
            ("field", path),
            ("operation", response.headers.get(_OPERATION_HEADER, "")),
            ("correlation id", correlation_id),
        )
        if value
    )
    full = f"{where}: {text} ({known})"
    action = actions.get(response.status)
    if action is None:
        action = actions.get(500, Action.UNKNOWN) if response.status >= 500 else Action.REJECT
    match action:
        case Action.RETRY:
            after = response.headers.get("Retry-After", "")
            seconds = float(after) if re.fullmatch(r"\d+(\.\d+)?", after) else None
            return RetryLater(full, code=code or str(response.status), after_seconds=seconds)
        case Action.REAUTHENTICATE:
            return Reauthenticate(
                f"{full}: check the token, or whether other integrations use up the account's "
                "concurrency",
                code=code or "401",
            )
        case Action.UNKNOWN:
            return OutcomeUnknown(full, code=code or str(response.status))
        case _:
            return VendorRejected(
                full, code=code or str(response.status), status=response.status, field=path
            )


def _parts(body: bytes) -> tuple[str, str, str]:
    """Code, message and field of an error body, whatever its form."""
    try:
        tree = json.loads(body)
    except ValueError:
        plain = re.sub(rb"<[^>]*>", b" ", body)
        return "", " ".join(plain.decode("utf-8", "replace").split())[:400], ""
    if not isinstance(tree, dict):
        return "", str(tree)[:400], ""
    details = tree.get("o:errorDetails")
    first = details[0] if isinstance(details, list) and details else {}
    if not isinstance(first, dict):
        first = {}
    message = str(first.get("detail") or tree.get("title") or tree.get("error") or "")
    return str(first.get("o:errorCode", "")), message, str(first.get("o:errorPath", ""))


def check_page(response: Response, where: str) -> None:
    """Refuse what is not a whole page before anything is made of it."""
    body = response.body.strip()
    kind = response.headers.get("Content-Type", "")
    if "json" not in kind or not body.startswith(b"{") or not body.endswith(b"}"):
        raise VendorAnswerInvalid(
            f"{where}: status {response.status} of type {kind or 'unknown'}, {len(body)} bytes, "
            f"is not a whole page: {redact(body[:120].decode('utf-8', 'replace'), length_max=120)}",
            code="page_invalid",
        )
    if b'"o:errorDetails"' in body[:4096] and b'"items"' not in body:
        raise VendorAnswerInvalid(
            f"{where}: an error inside a 200: {redact(body[:400].decode('utf-8', 'replace'))}",
            code="error_in_ok",
        )
    if _HAS_MORE.search(body) is None:
        raise VendorAnswerInvalid(f"{where}: the page does not say hasMore", code="page_invalid")


def has_more(page: bytes) -> bool:
    """Whether rows follow, without parsing them. Only for a page that was checked."""
    found = _HAS_MORE.search(page)
    return found is not None and found.group(1) == b"true"


def last_values(page: bytes, names: Sequence[str], where: str) -> list[str]:
    """Values of the last row: rows are flat, so a name's last place on the page is that row's.

    Raises:
        VendorAnswerInvalid: the page has none of a name.
    """
    found = []
    for name in names:
        pattern = rb'(?<!\\)"%s"\s*:\s*("(?:[^"\\]|\\.)*"|-?[0-9.]+)' % re.escape(name.encode())
        matches = list(re.finditer(pattern, page))
        if not matches:
            raise VendorAnswerInvalid(
                f"{where}: more rows were promised, but the last one has no {name}",
                code="page_invalid",
            )
        found.append(str(json.loads(matches[-1].group(1))))
    return found
