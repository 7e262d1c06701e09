"""OData v2 ``$batch``: operations to multipart bytes and back, one change set per operation.

A change set is atomic and answers as one part, so one per operation means that a refused operation
takes nothing else with it. Answers are joined by ``Content-ID`` where SAP echoes it, else by place,
and only when there are exactly as many answers as operations. Pure: it sends nothing.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from multidict import CIMultiDict, CIMultiDictProxy

from ingestion.common.errors import VendorAnswerInvalid
from ingestion.common.transport import Response

__all__ = ["BatchOperation", "batch_body", "batch_responses"]

_BOUNDARY = "batch_ledgerloop"
_LINE = "\r\n"


@dataclass(frozen=True, slots=True)
class BatchOperation:
    """One operation of a batch. ``path`` is relative to the service, with its query."""

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    etag: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_read(self) -> bool:
        """Reads stand alone; writes need a change set."""
        return self.method == "GET"


def batch_body(operations: Sequence[BatchOperation]) -> tuple[str, bytes]:
    """Content type and body of a batch request."""
    parts = []
    for number, operation in enumerate(operations):
        parts.append(f"--{_BOUNDARY}{_LINE}")
        if operation.is_read:
            parts.append(_part(operation, number))
            continue
        inner = f"changeset_{number}"
        parts.append(f"Content-Type: multipart/mixed; boundary={inner}{_LINE}{_LINE}")
        parts.append(f"--{inner}{_LINE}{_part(operation, number)}--{inner}--{_LINE}{_LINE}")
    parts.append(f"--{_BOUNDARY}--{_LINE}")
    return f"multipart/mixed; boundary={_BOUNDARY}", "".join(parts).encode()


def _part(operation: BatchOperation, number: int) -> str:
    headers = {"Accept": "application/json", **operation.headers}
    body = ""
    if operation.body is not None:
        body = json.dumps(operation.body, ensure_ascii=False)
        headers["Content-Type"] = "application/json"
        headers["Content-Length"] = str(len(body.encode()))
    if operation.etag:
        headers["If-Match"] = operation.etag
    lines = [
        "Content-Type: application/http",
        "Content-Transfer-Encoding: binary",
        f"Content-ID: {number}",
        "",
        f"{operation.method} {operation.path} HTTP/1.1",
        *(f"{name}: {value}" for name, value in headers.items()),
        "",
        body,
        "",
    ]
    return _LINE.join(lines)


def batch_responses(content_type: str, body: bytes, count: int) -> list[Response]:
    """One response per operation, in the order of the operations.

    Raises:
        VendorAnswerInvalid: not multipart, cut off, or another number of answers than operations.
    """
    found: list[tuple[str, Response]] = []
    for part in _parts(content_type, body):
        headers, content = _unwrapped(*part)
        response, own = _http(content)
        number = headers.get("Content-ID") or own.get("Content-ID") or ""
        found.append((number, response))
    if len(found) != count:
        raise _invalid(f"{count} operations got {len(found)} answers")
    by_id = dict(found)
    if set(by_id) == {str(number) for number in range(count)}:
        return [by_id[str(number)] for number in range(count)]
    return [response for _, response in found]


def _unwrapped(headers: CIMultiDict[str], content: bytes) -> tuple[CIMultiDict[str], bytes]:
    """The only part of a change set's answer; a part that is none stays as it is."""
    kind = headers.get("Content-Type", "")
    if not kind.lower().startswith("multipart/"):
        return headers, content
    inner = _parts(kind, content)
    if len(inner) != 1:
        raise _invalid(f"a change set answered with {len(inner)} parts instead of one")
    return inner[0]


def _parts(content_type: str, body: bytes) -> list[tuple[CIMultiDict[str], bytes]]:
    """Headers and content of each part of a multipart body."""
    _, _, rest = content_type.partition("boundary=")
    boundary = rest.split(";")[0].strip().strip('"')
    if not boundary:
        raise _invalid(f"the answer is {content_type or 'without a type'}, not multipart")
    marker = b"--" + boundary.encode()
    pieces = (b"\r\n" + body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")).split(
        b"\r\n" + marker
    )
    if not pieces[-1].startswith(b"--"):
        raise _invalid("the answer is cut off")
    return [_headed(piece.removeprefix(b"\r\n")) for piece in pieces[1:-1]]


def _headed(piece: bytes) -> tuple[CIMultiDict[str], bytes]:
    head, _, content = piece.partition(b"\r\n\r\n")
    headers: CIMultiDict[str] = CIMultiDict()
    for line in head.decode("latin-1").split("\r\n"):
        name, separator, value = line.partition(":")
        if separator:
            headers.add(name.strip(), value.strip())
    return headers, content


def _http(content: bytes) -> tuple[Response, CIMultiDict[str]]:
    """An ``application/http`` part as a response."""
    status_line, _, rest = content.lstrip(b"\r\n").partition(b"\r\n")
    words = status_line.split(b" ")
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        raise _invalid(f"a part starts with {status_line[:60]!r}, not with a status line")
    headers, body = _headed(rest) if not rest.startswith(b"\r\n") else (CIMultiDict(), rest[2:])
    return Response(int(words[1]), CIMultiDictProxy(headers), body.strip()), headers


def _invalid(what: str) -> VendorAnswerInvalid:
    return VendorAnswerInvalid(f"$batch: {what}; look every operation up", code="batch_answer")
