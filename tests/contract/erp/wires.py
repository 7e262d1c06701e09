"""A transport between the product and a vendor on which the suite lets things go wrong."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ingestion.common.errors import OutcomeUnknown
from ingestion.common.transport import Request, Response, Transport
from tests.simulation.virtual import VirtualLoop

__all__ = ["Disturbed", "run"]

T = TypeVar("T")


@dataclass
class Disturbed:
    """Passes requests on; those with ``path`` in their address, of ``method``, are disturbed.

    Attributes:
        content: text that must also stand in the body, where one address serves all.
        before: acts before the request of that number (counted from 1) goes out.
        answers: what requests get instead of the vendor's answer, by number.
        lost: numbers whose answer is lost after the vendor had its effect.
        spoils: changes the vendor's own answer, by number; 0 means every one.
    """

    inner: Transport
    path: str
    method: str = ""
    before: dict[int, Callable[[], Awaitable[None]]] = field(default_factory=dict)
    answers: dict[int, Response] = field(default_factory=dict)
    lost: frozenset[int] = frozenset()
    spoils: dict[int, Callable[[Response], Response]] = field(default_factory=dict)
    content: str = ""
    seen: int = 0

    async def send(self, request: Request) -> Response:
        is_meant = (
            self.path in request.url
            and self.method in ("", request.method)
            and self.content.encode() in (request.body or b"")
        )
        if not is_meant:
            return await self.inner.send(request)
        self.seen += 1
        number = self.seen
        if number in self.before:
            await self.before[number]()
        if number in self.answers:
            return self.answers[number]
        response = await self.inner.send(request)
        if number in self.lost:
            raise OutcomeUnknown("the answer was lost", code="no_answer")
        spoil = self.spoils.get(number) or self.spoils.get(0)
        return spoil(response) if spoil else response

    async def close(self) -> None:
        return None


def run(work: Coroutine[Any, Any, T], *, is_virtual: bool) -> T:
    """Run a coroutine; in virtual time nothing is waited for."""
    factory = VirtualLoop if is_virtual else None
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(work)
