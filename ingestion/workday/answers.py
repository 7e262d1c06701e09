"""Workday's answers beyond SOAP understood: statuses, REST's error bodies, exact JSON.

The taxonomy of ``ingestion.common.errors`` comes out of it; texts are redacted and name the request
with its correlation id. It sends nothing.
"""

import json
import random
import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from lxml import etree

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
from ingestion.workday.settings import Action

__all__ = ["check_json", "error_of_status", "json_of", "new_correlation_id"]


def new_correlation_id() -> str:
    """A fresh id that a request travels under."""
    return str(uuid.UUID(int=random.getrandbits(128), version=4))


def check_json(response: Response, where: str) -> None:
    """Whether a good answer looks like one whole JSON object; it is not parsed for that.

    Raises:
        VendorAnswerInvalid: another type, or half of it.
    """
    body, kind = response.body.strip(), response.headers.get("Content-Type", "")
    if (kind and "json" not in kind) or not body.startswith(b"{") or not body.endswith(b"}"):
        raise VendorAnswerInvalid(
            f"{where}: the answer, {kind or 'of no type'}, is not whole JSON ({len(body)} bytes); "
            f"it starts {redact(body[:80].decode('utf-8', 'replace'))!r}",
            code="not_json",
        )


def json_of(response: Response, where: str) -> Any:
    """The object of a good answer, numbers exact.

    Raises:
        VendorAnswerInvalid: no whole JSON object, or one with an error inside.
    """
    check_json(response, where)
    try:
        tree = json.loads(response.body, parse_float=Decimal)
    except ValueError as error:
        raise VendorAnswerInvalid(
            f"{where}: the answer is not whole JSON ({len(response.body)} bytes)", code="not_json"
        ) from error
    if not isinstance(tree, dict) or "error" in tree:
        raise VendorAnswerInvalid(
            f"{where}: status {response.status} with an error inside", code="error_inside"
        )
    return tree


def error_of_status(
    response: Response, where: str, actions: Mapping[int, Action]
) -> LedgerloopError:
    """The error that a status stands for, whatever the body is; ``actions`` by read or write."""
    status = response.status
    text, field = _words(response.body)
    full = f"{where}: status {status}: {text}"
    action = actions.get(status)
    if action is None:
        action = actions[500] if status >= 500 or status < 300 else Action.REJECT
    wish = response.headers.get("Retry-After", "").strip()
    match action:
        case Action.RETRY:
            after = float(wish) if wish.isdigit() else None
            return RetryLater(full, code=str(status), after_seconds=after)
        case Action.REAUTHENTICATE:
            return Reauthenticate(full, code=str(status))
        case Action.UNKNOWN:
            return OutcomeUnknown(full, code=str(status))
        case _:
            return VendorRejected(full, code=str(status), status=status, field=field)


def _words(body: bytes) -> tuple[str, str]:
    """Text and field of an error body: REST's JSON, else its start."""
    try:
        tree = json.loads(body)
        errors = tree.get("errors") or [{}]
        text = "; ".join([tree.get("error", ""), *(one.get("error", "") for one in errors)])
        return redact(text.strip("; ")), str(errors[0].get("field", ""))
    except (ValueError, AttributeError):
        plain = etree.HTML(body) if body.strip().startswith(b"<") else None
        parts = [] if plain is None else [str(part) for part in plain.itertext()]
        text = " ".join(" ".join(parts).split())
        return redact(text or body[:200].decode("utf-8", "replace"), length_max=200), ""
