"""``$batch``: multipart bodies taken apart and put together; the parts are run elsewhere."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from sandbox.sap_s4hana.odata.answers import Answer, ODataError

__all__ = ["BatchRequest", "ChangeSet", "batch_answer", "change_set_part", "http_part", "parse"]

_BOUNDARY = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)
#: SAP Gateway has no published bound; this one keeps a mistake from filling the memory.
PARTS_MAX = 5_000


@dataclass(slots=True)
class BatchRequest:
    """One request inside a batch. ``target`` is what stood in its request line."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    content_id: str = ""


@dataclass(slots=True)
class ChangeSet:
    """Writes that apply all or not at all."""

    requests: list[BatchRequest] = field(default_factory=list)


def _bad(message: str) -> ODataError:
    return ODataError(400, "/IWFND/CM_MGW/005", f"Invalid batch request: {message}")


def _boundary(content_type: str) -> bytes:
    match = _BOUNDARY.search(content_type)
    if not content_type.lower().startswith("multipart/mixed") or match is None:
        raise _bad("multipart/mixed with a boundary is expected")
    return match.group(1).strip().encode()


def _split_head(block: bytes) -> tuple[dict[str, str], bytes]:
    """MIME or HTTP headers and what follows the blank line."""
    head, separator, rest = block.partition(b"\r\n\r\n")
    if not separator:
        head, _, rest = block.partition(b"\n\n")
    headers = {}
    for line in head.decode("latin-1").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return headers, rest


def _parts(content_type: str, body: bytes) -> list[bytes]:
    pieces = (b"\n" + body).split(b"\n--" + _boundary(content_type))
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise _bad("the closing boundary is missing")
    if len(pieces) - 2 > PARTS_MAX:
        raise _bad(f"more than {PARTS_MAX} parts")
    return [piece.lstrip(b"\r\n").removesuffix(b"\r") for piece in pieces[1:-1]]


def parse(content_type: str, body: bytes) -> list[BatchRequest | ChangeSet]:
    """Take a batch body apart.

    Raises:
        ODataError: 400 for a body that is no batch, a write outside a change set or a read in one.
    """
    found: list[BatchRequest | ChangeSet] = []
    for part in _parts(content_type, body):
        headers, content = _split_head(part)
        inner = headers.get("content-type", "")
        if inner.lower().startswith("multipart/mixed"):
            change_set = ChangeSet([_request(piece) for piece in _parts(inner, content)])
            if any(request.method == "GET" for request in change_set.requests):
                raise _bad("a change set holds no GET")
            found.append(change_set)
        else:
            request = _request(part)
            if request.method != "GET":
                raise _bad("changes belong into a change set")
            found.append(request)
    return found


def _request(part: bytes) -> BatchRequest:
    mime, content = _split_head(part)
    line, _, rest = content.lstrip(b"\r\n").partition(b"\n")
    words = line.decode("latin-1").split()
    if len(words) < 2:
        raise _bad("a part has no request line")
    # A request without headers has its blank line right after the request line.
    stripped = rest.removeprefix(b"\r")
    if stripped.startswith(b"\n"):
        rest = b"\n\n" + stripped[1:]
    headers, body = _split_head(rest)
    content_id = mime.get("content-id") or headers.get("content-id", "")
    return BatchRequest(words[0].upper(), words[1], headers, body.strip(b"\r\n"), content_id)


def http_part(answer: Answer, content_id: str = "") -> bytes:
    """One answer as a part of a batch answer, without boundaries."""
    reason = HTTPStatus(answer.status).phrase
    headers = dict(answer.headers)
    headers["Content-Length"] = str(len(answer.body))
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    message = f"HTTP/1.1 {answer.status} {reason}\r\n{lines}\r\n".encode() + answer.body
    mark = f"Content-ID: {content_id}\r\n" if content_id else ""
    return (
        f"Content-Type: application/http\r\nContent-Length: {len(message)}\r\n"
        f"content-transfer-encoding: binary\r\n{mark}\r\n"
    ).encode() + message


def change_set_part(parts: Sequence[bytes], boundary: str) -> bytes:
    """The answers of a change set as one part of a batch answer."""
    body = _joined(parts, boundary)
    head = f"Content-Type: multipart/mixed; boundary={boundary}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def _joined(parts: Sequence[bytes], boundary: str) -> bytes:
    mark = f"--{boundary}".encode()
    return b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts) + mark + b"--\r\n"


def batch_answer(parts: Sequence[bytes], boundary: str) -> Answer:
    """The whole answer: 202 Accepted, multipart."""
    return Answer(
        202,
        _joined(parts, boundary),
        {"Content-Type": f"multipart/mixed; boundary={boundary}", "dataserviceversion": "2.0"},
    )
