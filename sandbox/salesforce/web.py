"""Requests and answers of the org, between ASGI and the handlers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, unquote

from sandbox.core import Receive, Scope, Send
from sandbox.salesforce.errors import RequestError

__all__ = ["Answer", "Call", "json_answer", "read_call", "send_answer"]


@dataclass(frozen=True, slots=True)
class Call:
    """One request.

    Attributes:
        parts: path segments, decoded one by one, so that an encoded ``/`` stays in its key.
        base_url: scheme and host as the client addressed them.
    """

    method: str
    parts: tuple[str, ...]
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    base_url: str = ""

    @classmethod
    def of_url(
        cls, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes
    ) -> "Call":
        """A call by its encoded path and query."""
        parts = tuple(unquote(part) for part in path.split("/") if part)
        base_url = f"http://{headers.get('host', '127.0.0.1')}"
        pairs = dict(parse_qsl(query, keep_blank_values=True))
        return cls(method, parts, pairs, headers, body, base_url)

    @property
    def version(self) -> str:
        """The API version of the path, such as ``59.0``."""
        return self.parts[2].lower().removeprefix("v") if len(self.parts) > 2 else ""

    def json(self) -> Any:
        """The body, numbers as int or Decimal. Raises RequestError JSON_PARSER_ERROR."""
        try:
            return json.loads(self.body, parse_float=Decimal, parse_constant=_no_constant)
        except ValueError as error:
            raise RequestError(400, "JSON_PARSER_ERROR", str(error)) from None

    def json_object(self) -> dict[str, Any]:
        """The body as an object. Raises RequestError when it is anything else."""
        tree = self.json()
        if not isinstance(tree, dict):
            raise RequestError(400, "JSON_PARSER_ERROR", "The HTTP entity body is not an object")
        return tree

    def form(self) -> dict[str, str]:
        """The body as a form."""
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


@dataclass(frozen=True, slots=True)
class Answer:
    """One response."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json;charset=UTF-8"
    headers: tuple[tuple[str, str], ...] = ()


def json_answer(tree: Any, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """An answer from a tree without money; rows with money are rendered by ``query``."""
    text = json.dumps(tree, ensure_ascii=False, separators=(",", ":"))
    return Answer(status, text.encode(), headers=headers)


async def read_call(scope: Scope, receive: Receive) -> Call:
    """Read one request whole."""
    chunks = []
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    headers = {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
    }
    raw_path: bytes = scope["raw_path"]
    parts = tuple(unquote(part) for part in raw_path.decode("ascii").split("/") if part)
    query_text = scope["query_string"].decode("ascii", "replace")
    return Call(
        scope["method"],
        parts,
        dict(parse_qsl(query_text, keep_blank_values=True)),
        headers,
        b"".join(chunks),
        f"{scope['scheme']}://{headers.get('host', '127.0.0.1')}",
    )


async def send_answer(send: Send, answer: Answer, *, is_head: bool = False) -> None:
    """Send one answer."""
    headers = [(b"content-length", str(len(answer.body)).encode())]
    if answer.body:
        headers.append((b"content-type", answer.content_type.encode()))
    headers.extend((name.encode(), value.encode()) for name, value in answer.headers)
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if is_head else answer.body})
