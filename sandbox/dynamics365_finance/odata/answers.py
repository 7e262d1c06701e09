"""Answers and errors in the words of finance and operations."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = [
    "JSON_TYPE",
    "Answer",
    "ODataError",
    "bad_request",
    "error_body",
    "json_answer",
    "write_failed",
]

JSON_TYPE = "application/json; odata.metadata=minimal"


@dataclass(slots=True)
class Answer:
    """Status, headers, bytes."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class ODataError(Exception):
    """A refused request. Validation texts stand in ``innererror``, as the product does it."""

    def __init__(self, status: int, message: str, *, inner: str = "", kind: str = "") -> None:
        super().__init__(inner or message)
        self.status = status
        self.message = message
        self.inner = inner
        self.kind = kind

    @property
    def answer(self) -> Answer:
        """The error as an answer."""
        body = error_body(self.message, self.inner, self.kind)
        return Answer(self.status, body, {"Content-Type": JSON_TYPE})


def error_body(message: str, inner: str = "", kind: str = "") -> bytes:
    """The error's JSON; ``inner`` is the validation text."""
    error: dict[str, object] = {"code": "", "message": message}
    if inner:
        error["innererror"] = {
            "message": inner,
            "type": kind or "System.InvalidOperationException",
            "stacktrace": "   at Microsoft.Dynamics.Platform.Integration.Services.OData",
        }
    return json.dumps({"error": error}, ensure_ascii=False).encode()


def bad_request(inner: str) -> ODataError:
    """400: the content was understood and refused."""
    return ODataError(400, "An error has occurred.", inner=inner)


def write_failed(entity: str, text: str) -> ODataError:
    """400 as a data entity's validation says it."""
    return bad_request(f"Write failed for table row of type '{entity}'. Infolog: Error: {text}.")


def json_answer(status: int, text: str, headers: Mapping[str, str] | None = None) -> Answer:
    """JSON text as an answer."""
    return Answer(status, text.encode(), {"Content-Type": JSON_TYPE, **(headers or {})})
