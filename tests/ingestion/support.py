"""A vendor of few words for client tests: answers in turn what the test says, keeps what was asked.

An answer may be ``LOST``: the request is seen, and no answer comes back.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from multidict import CIMultiDict, CIMultiDictProxy

from ingestion.common.errors import OutcomeUnknown, RetryLater
from ingestion.common.transport import Request, Response

LOST = "lost"
NOT_SENT = "not_sent"


def answer(status: int, body: Any = b"", **headers: str) -> Response:
    """A response; a dict or list becomes JSON. ``x_y`` names the header ``x-y``."""
    found: CIMultiDict[str] = CIMultiDict()
    if isinstance(body, dict | list):
        found["Content-Type"] = "application/json"
        body = json.dumps(body).encode()
    elif isinstance(body, str):
        body = body.encode()
    for name, value in headers.items():
        found[name.replace("_", "-")] = value
    return Response(status, CIMultiDictProxy(found), body)


@dataclass
class Vendor:
    """A transport that answers from a script, or by a function of the request."""

    script: list[Any] = field(default_factory=list)
    rule: Callable[[Request], Any] | None = None
    asked: list[Request] = field(default_factory=list)
    is_closed: bool = False

    async def send(self, request: Request) -> Response:
        self.asked.append(request)
        found = self.rule(request) if self.rule else None
        if found is None:
            assert self.script, f"nothing left to answer {request.method} {request.url}"
            found = self.script.pop(0)
        if found == LOST:
            raise OutcomeUnknown("the answer was lost", code="no_answer")
        if found == NOT_SENT:
            raise RetryLater("no connection", code="not_sent")
        assert isinstance(found, Response)
        return found

    async def close(self) -> None:
        self.is_closed = True

    def methods(self) -> list[str]:
        return [request.method for request in self.asked]


@dataclass
class Sleeper:
    """Counts waits instead of waiting."""

    seconds: list[float] = field(default_factory=list)

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)
