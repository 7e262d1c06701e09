"""``$batch``: multipart bodies taken apart and put together; the parts are run elsewhere."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus

from sandbox.dynamics365_finance.odata.answers import Answer, ODataError

__all__ = ["ChangeSet", "Part", "batch_answer", "parse"]

_BOUNDARY = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)


@dataclass(slots=True)
class Part:
    """One request inside a batch; ``target`` is its address as written, absolute or relative."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    content_id: str


@dataclass(slots=True)
class ChangeSet:
    """Writes that apply all or not at all."""

    parts: list[Part] = field(default_factory=list)


def _refused(message: str) -> ODataError:
    return ODataError(400, "An error has occurred.", inner=f"The batch is invalid: {message}")


def _pieces(content_type: str, body: bytes) -> list[bytes]:
    match = _BOUNDARY.search(content_type)
    if not content_type.lower().startswith("multipart/mixed") or match is None:
        raise _refused("multipart/mixed with a boundary is expected.")
    pieces = (b"\n" + body).split(b"\n--" + match.group(1).strip().encode())
    if len(pieces) < 2 or not pieces[-1].startswith(b"--"):
        raise _refused("the closing boundary is missing.")
    return [piece.lstrip(b"\r\n").removesuffix(b"\r") for piece in pieces[1:-1]]


def _head(block: bytes) -> tuple[dict[str, str], bytes]:
    """MIME or HTTP headers and what follows the blank line."""
    block = block.replace(b"\r\n", b"\n") if b"\r\n\r\n" not in block else block
    separator = b"\r\n\r\n" if b"\r\n\r\n" in block else b"\n\n"
    head, _, rest = block.partition(separator)
    headers = {}
    for line in head.decode("latin-1").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return headers, rest


def parse(content_type: str, body: bytes, *, operations_max: int) -> list[Part | ChangeSet]:
    """Take a batch apart.

    Raises:
        ODataError: 400 for a body that is no batch, holds a write outside a change set or a read in
            one, or has more operations than the product takes.
    """
    found: list[Part | ChangeSet] = []
    count = 0
    for piece in _pieces(content_type, body):
        headers, content = _head(piece)
        inner = headers.get("content-type", "")
        if inner.lower().startswith("multipart/mixed"):
            change_set = ChangeSet([_part(one) for one in _pieces(inner, content)])
            if any(part.method == "GET" for part in change_set.parts):
                raise _refused("a change set holds no GET.")
            found.append(change_set)
            count += len(change_set.parts)
        else:
            found.append(_part(piece))
            count += 1
    if count > operations_max:
        raise _refused(f"more than {operations_max} operations.")
    return found


def _part(piece: bytes) -> Part:
    mime, content = _head(piece)
    line, _, rest = content.lstrip(b"\r\n").partition(b"\n")
    words = line.decode("latin-1").split()
    if len(words) < 2:
        raise _refused("a part has no request line.")
    headers: dict[str, str] = {}
    stripped = rest.removeprefix(b"\r")
    if stripped.startswith(b"\n"):  # no headers: the blank line comes at once
        body = stripped[1:]
    else:
        headers, body = _head(rest)
    content_id = mime.get("content-id") or headers.get("content-id", "")
    return Part(words[0].upper(), words[1], headers, body.strip(b"\r\n"), content_id)


def _http(answer: Answer, content_id: str) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
    status = f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}\r\n"
    mark = f"Content-ID: {content_id}\r\n" if content_id else ""
    head = f"Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n{mark}\r\n"
    return (head + status + lines + "\r\n").encode() + answer.body


def _joined(parts: Sequence[bytes], boundary: str) -> bytes:
    mark = f"--{boundary}".encode()
    return b"".join(mark + b"\r\n" + part + b"\r\n" for part in parts) + mark + b"--\r\n"


def batch_answer(answers: Sequence[tuple[bool, list[tuple[Answer, str]]]]) -> Answer:
    """The whole answer.

    Args:
        answers: per part of the request whether it was a change set, and its answers with their
            content ids; a change set that was taken back has one.
    """
    parts = []
    for number, (is_change_set, found) in enumerate(answers):
        texts = [_http(answer, content_id) for answer, content_id in found]
        if not is_change_set:
            parts += texts
            continue
        boundary = f"changesetresponse_{number}"
        head = f"Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n".encode()
        parts.append(head + _joined(texts, boundary))
    boundary = "batchresponse_1"
    headers = {
        "Content-Type": f"multipart/mixed; boundary={boundary}",
        "OData-Version": "4.0",
    }
    return Answer(200, _joined(parts, boundary), headers)
