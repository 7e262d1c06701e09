"""Pages of OData v2 as bytes: is it a whole page, and where does the next one lie?

Rows are never parsed here: a page of megabytes costs microseconds.
"""

import json
import re

from ingestion.common.errors import VendorAnswerInvalid
from ingestion.common.redact import redact
from ingestion.common.transport import Response
from ingestion.sap_s4hana.answers import traced

__all__ = ["check_page", "next_link"]

_STRING = rb'"((?:[^"\\]|\\.)*)"'
#: After the rows, at the very end of the page; nothing inside a row can look like this.
_NEXT_LAST = re.compile(rb'\]\s*,(?:\s*"__count"\s*:\s*"\d+"\s*,)?\s*"__next"\s*:\s*' + _STRING)
_NEXT_FIRST = re.compile(
    rb'\A\s*\{\s*"d"\s*:\s*\{\s*(?:"__count"\s*:\s*"\d+"\s*,\s*)?"__next"\s*:\s*' + _STRING
)
_TAIL_BYTES = 8192


def next_link(page: bytes) -> str:
    """The page's ``__next`` without parsing its rows; empty on the last page."""
    tail = list(_NEXT_LAST.finditer(page, max(0, len(page) - _TAIL_BYTES)))
    found = tail[-1] if tail else None
    if found is None or page[found.end() :].strip(b" \r\n\t}"):
        found = _NEXT_FIRST.match(page)
    if found is None:
        return ""
    text: str = json.loads(b'"' + found.group(1) + b'"')
    return text


def check_page(response: Response, where: str) -> None:
    """Refuse what is not a whole page before anything is made of it."""
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
