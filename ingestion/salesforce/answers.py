"""Salesforce's answers understood: error arrays, sign-in refusals, SOAP faults. Sends nothing.

Classification goes by ``errorCode`` first and by status only where there is none.
"""

import json
import re
from collections.abc import Mapping
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
from ingestion.salesforce.settings import ERROR_ACTIONS, Action

__all__ = ["error_of", "parse_json"]

_SOAP_CODE = re.compile(r"exceptionCode>([^<]*)<")
_SOAP_MESSAGE = re.compile(r"exceptionMessage>([^<]*)<")


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


def error_of(response: Response, where: str, statuses: Mapping[int, Action]) -> LedgerloopError:
    """The error that a non-2xx answer stands for. ``statuses`` is the read or the write table."""
    code, message, fields = _parts(response)
    field = ", ".join(fields)
    text = redact(message) or f"status {response.status} without an error body"
    full = f"{where}: {text} (status {response.status}, code {code or 'none'}" + (
        f", field {field})" if field else ")"
    )
    action = ERROR_ACTIONS.get(code) or statuses.get(response.status)
    if action is None:
        is_server = response.status >= 500
        action = statuses.get(500, Action.UNKNOWN) if is_server else Action.REJECT
    match action:
        case Action.RETRY:
            after = response.headers.get("Retry-After", "")
            seconds = float(after) if after.replace(".", "", 1).isdigit() else None
            return RetryLater(full, code=code or str(response.status), after_seconds=seconds)
        case Action.REAUTHENTICATE:
            return Reauthenticate(full, code=code or "401")
        case Action.UNKNOWN:
            return OutcomeUnknown(full, code=code or str(response.status))
        case Action.REJECT:
            return VendorRejected(
                full, code=code or str(response.status), status=response.status, field=field
            )


def _parts(response: Response) -> tuple[str, str, list[str]]:
    """Code, message and fields, whatever the body's form."""
    text = response.body.decode("utf-8", "replace").strip()
    if response.status == 300:
        return "MORE_THAN_ONE_RECORD", f"the external id is not unique: {text[:300]}", []
    if text.startswith("<"):
        code, message = _SOAP_CODE.search(text), _SOAP_MESSAGE.search(text)
        if code:
            return code.group(1), message.group(1) if message else "", []
        return "", " ".join(re.sub(r"<[^>]*>", " ", text).split())[:400], []
    try:
        tree = json.loads(text)
    except ValueError:
        return "", text[:400], []
    first = tree[0] if isinstance(tree, list) and tree else tree
    if not isinstance(first, dict):
        return "", text[:400], []
    code_text = str(first.get("errorCode") or first.get("error") or "")
    message_text = str(first.get("message") or first.get("error_description") or "")
    fields = first.get("fields")
    return code_text, message_text, [str(one) for one in fields] if isinstance(fields, list) else []
