"""``$batch`` of OData v4 as bytes: change sets out, answers in, joined by content id."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from multidict import CIMultiDict, CIMultiDictProxy

from ingestion.common.errors import VendorAnswerInvalid
from ingestion.common.transport import Response
from ingestion.dynamics365_finance.answers import json_text

__all__ = ["Operation", "batch_body", "batch_responses"]

_BOUNDARY = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)
_OUTER, _INNER = "batch_ledgerloop", "changeset_ledgerloop"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation. ``path`` is below ``/data/`` and percent-encoded."""

    method: str
    path: str
    body: Mapping[str, Any] = field(default_factory=dict)
    etag: str = ""


def batch_body(root: str, change_sets: Sequence[Sequence[Operation]]) -> tuple[str, bytes]:
    """Content type and body. A change set of one GET stands by itself; addresses are absolute."""
    pieces: list[str] = []
    for number, operations in enumerate(change_sets):
        if len(operations) == 1 and operations[0].method == "GET":
            pieces.append(f"--{_OUTER}\r\n{_part(root, operations[0], '')}")
            continue
        inner = f"{_INNER}_{number}"
        parts = "".join(
            f"--{inner}\r\n{_part(root, one, f'{number}.{place}')}"
            for place, one in enumerate(operations)
        )
        head = f"Content-Type: multipart/mixed; boundary={inner}\r\n\r\n"
        pieces.append(f"--{_OUTER}\r\n{head}{parts}--{inner}--\r\n")
    text = "".join(pieces) + f"--{_OUTER}--\r\n"
    return f"multipart/mixed; boundary={_OUTER}", text.encode()


def _part(root: str, operation: Operation, content_id: str) -> str:
    mark = f"Content-ID: {content_id}\r\n" if content_id else ""
    etag = f"If-Match: {operation.etag}\r\n" if operation.etag else ""
    body = json_text(operation.body) if operation.method != "GET" else ""
    kind = "Content-Type: application/json; type=entry\r\n" if body else ""
    return (
        "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"
        f"{mark}\r\n{operation.method} {root}{operation.path} HTTP/1.1\r\n"
        f"{kind}{etag}Accept: application/json\r\n\r\n{body}\r\n"
    )


def batch_responses(content_type: str, body: bytes, count: int) -> list[list[Response]]:
    """The answers per change set, in the order they were asked.

    A change set that was taken back has one answer, its refusal.

    Raises:
        VendorAnswerInvalid: the answer is no multipart body, or has another number of parts.
    """
    found: list[list[Response]] = []
    for piece in _pieces(content_type, body):
        headers, content = _head(piece)
        inner = headers.get("Content-Type", "")
        if inner.lower().startswith("multipart/mixed"):
            found.append([_response(one) for one in _pieces(inner, content)])
        else:
            found.append([_response(piece)])
    if len(found) != count:
        raise VendorAnswerInvalid(
            f"the batch answer has {len(found)} parts for {count} change sets", code="batch_parts"
        )
    return found


def _pieces(content_type: str, body: bytes) -> list[bytes]:
    match = _BOUNDARY.search(content_type)
    if match is None:
        raise VendorAnswerInvalid(
            f"the batch answer is {content_type or 'of no type'}, not multipart", code="batch_type"
        )
    pieces = (b"\n" + body).split(b"\n--" + match.group(1).strip().encode())
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise VendorAnswerInvalid("the batch answer is cut short", code="batch_cut")
    return [piece.lstrip(b"\r\n").removesuffix(b"\r") for piece in pieces[1:-1]]


def _head(block: bytes) -> tuple[CIMultiDict[str], bytes]:
    head, _, rest = block.partition(b"\r\n\r\n")
    headers: CIMultiDict[str] = CIMultiDict()
    for line in head.decode("latin-1").split("\r\n"):
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip()] = value.strip()
    return headers, rest


def _response(piece: bytes) -> Response:
    _, content = _head(piece)
    line, _, rest = content.lstrip(b"\r\n").partition(b"\r\n")
    words = line.split()
    if len(words) < 2 or not words[1].isdigit():
        raise VendorAnswerInvalid("a part of the batch answer has no status", code="batch_part")
    headers, body = _head(rest) if not rest.startswith(b"\r\n") else (CIMultiDict(), rest[2:])
    return Response(int(words[1]), CIMultiDictProxy(headers), body.strip(b"\r\n"))
