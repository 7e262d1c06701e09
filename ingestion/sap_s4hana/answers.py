"""SAP's answers understood: error bodies in three forms, statuses, parsed entities.

The taxonomy of ``ingestion.common.errors`` comes out of it; texts are redacted and name service,
code, transaction and correlation id, which is what SAP's support asks for. It sends nothing.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import parsedate_to_datetime
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
from ingestion.sap_s4hana.settings import Action

__all__ = [
    "CORRELATION_HEADER",
    "SapAnswer",
    "answer_of",
    "check_xml",
    "error_of",
    "parse_json",
    "retry_after_seconds",
    "traced",
]

#: Under this id a request travels; the client puts it on the answer, too.
CORRELATION_HEADER = "X-CorrelationID"

_XML = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)


@dataclass(frozen=True, slots=True)
class SapAnswer:
    """A successful answer.

    ``entity`` is the content of ``d`` (numbers exact), empty for 204; ``etag`` is the header's or
    the entity's own; ``warning`` is the text of the ``sap-message`` header, empty when none.
    """

    status: int
    entity: dict[str, Any] = field(default_factory=dict)
    etag: str = ""
    warning: str = ""

    @property
    def results(self) -> list[dict[str, Any]]:
        """The rows of a collection, or the entity itself as the only row."""
        found = self.entity.get("results")
        if isinstance(found, list):
            return found
        return [self.entity] if self.entity else []


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


def traced(where: str, response: Response) -> str:
    """The place with the id of the request, which SAP's support asks for."""
    correlation_id = response.headers.get(CORRELATION_HEADER, "")
    return f"{where} (correlation id {correlation_id})" if correlation_id else where


def answer_of(response: Response, where: str) -> SapAnswer:
    """A 2xx answer as values.

    Raises:
        VendorAnswerInvalid: HTML, half a body, no ``d``, or an error inside a 200.
    """
    etag = response.headers.get("ETag", "")
    warning = redact(response.headers.get("sap-message", ""))
    if response.status == 204 or not response.body.strip():
        return SapAnswer(response.status, {}, etag, warning)
    where = traced(where, response)
    tree = parse_json(response.body, where)
    if not isinstance(tree, dict) or "d" not in tree:
        inside = "an error inside" if isinstance(tree, dict) and "error" in tree else "no 'd'"
        raise VendorAnswerInvalid(
            f"{where}: status {response.status} with {inside}: "
            f"{redact(response.body.decode('utf-8', 'replace'), length_max=200)}",
            code="answer_without_content",
        )
    entity = tree["d"]
    if not isinstance(entity, dict | list):
        raise VendorAnswerInvalid(
            f"{where}: 'd' is neither an entity nor a collection", code="answer_without_content"
        )
    if isinstance(entity, list):
        entity = {"results": entity}
    own_etag = entity.get("__metadata", {}).get("etag", "") if isinstance(entity, dict) else ""
    return SapAnswer(response.status, entity, etag or own_etag, warning)


def check_xml(response: Response, where: str) -> None:
    """Refuse what is no whole XML message; an empty body (202) is none and is fine.

    Raises:
        OutcomeUnknown: plain text, half a message, or a page of some gateway: the message may have
            been worked on.
    """
    body = response.body.strip()
    if not body:
        return
    try:
        name = etree.QName(etree.fromstring(body, _XML)).localname.lower()
    except etree.XMLSyntaxError:
        name = ""
    if name in ("", "html"):
        shown = redact(body[:200].decode("utf-8", "replace"), length_max=200)
        raise OutcomeUnknown(
            f"{where}: status {response.status} without a whole XML message: {shown}",
            code="not_xml",
        )


def error_of(
    response: Response,
    where: str,
    correlation_id: str,
    actions: Mapping[int, Action],
    now: datetime | None = None,
) -> LedgerloopError:
    """The error that a non-2xx answer stands for. ``actions`` is the read or the write table."""
    code, message, target, transaction = _parts(response.body)
    text = redact(message) or f"status {response.status} without an error body"
    known = ", ".join(
        f"{name} {value}"
        for name, value in (
            ("status", response.status),
            ("code", code),
            ("field", target),
            ("transaction", transaction),
            ("correlation id", correlation_id),
        )
        if value
    )
    full = f"{where}: {text} ({known})"
    action = actions.get(response.status)
    if action is None:
        is_server = response.status >= 500
        action = actions.get(500, Action.UNKNOWN) if is_server else Action.REJECT
    match action:
        case Action.RETRY:
            return RetryLater(
                full,
                code=code or str(response.status),
                after_seconds=retry_after_seconds(response, now),
            )
        case Action.REAUTHENTICATE:
            return Reauthenticate(
                f"{full}: check the communication user's credentials", code=code or "401"
            )
        case Action.UNKNOWN:
            return OutcomeUnknown(full, code=code or str(response.status))
        case _:
            return VendorRejected(
                full, code=code or str(response.status), status=response.status, field=target
            )


def retry_after_seconds(response: Response, now: datetime | None = None) -> float | None:
    """The vendor's wish, from seconds or an HTTP date (``now`` is needed for the latter)."""
    text = response.headers.get("Retry-After", "").strip()
    if not text:
        return None
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


def _parts(body: bytes) -> tuple[str, str, str, str]:
    """Code, message, field and transaction id of an error body, whatever its form."""
    text = body.strip()
    if text.startswith(b"{"):
        return _json_parts(text)
    if text.startswith(b"<"):
        return _xml_parts(text)
    return "", text[:400].decode("utf-8", "replace"), "", ""


def _json_parts(body: bytes) -> tuple[str, str, str, str]:
    try:
        error = json.loads(body).get("error", {})
    except (ValueError, AttributeError):
        return "", body[:400].decode("utf-8", "replace"), "", ""
    if not isinstance(error, dict):
        return "", str(error), "", ""
    message = error.get("message", "")
    if isinstance(message, dict):
        message = message.get("value", "")
    inner = error.get("innererror") or {}
    details = inner.get("errordetails") or []
    target = ""
    for detail in details:
        if isinstance(detail, dict):
            target = target or str(detail.get("propertyref") or detail.get("target") or "")
    return str(error.get("code", "")), str(message), target, str(inner.get("transactionid", ""))


def _xml_parts(body: bytes) -> tuple[str, str, str, str]:
    """OData's XML error, a SOAP fault, or an HTML page of some gateway."""
    try:
        root = etree.fromstring(body, _XML)
    except etree.XMLSyntaxError:
        plain = re.sub(rb"<[^>]*>", b" ", body)
        return "", " ".join(plain.decode("utf-8", "replace").split())[:400], "", ""
    found: dict[str, str] = {}
    for element in root.iter():
        if isinstance(element.tag, str) and element.text and element.text.strip():
            found.setdefault(etree.QName(element).localname.lower(), element.text.strip())
    code = found.get("code") or found.get("faultcode") or found.get("value") or ""
    message = found.get("message") or found.get("faultstring") or found.get("text") or ""
    if not message:
        message = " ".join(" ".join(str(part) for part in root.itertext()).split())[:400]
    return code, message, "", found.get("transactionid", "")
