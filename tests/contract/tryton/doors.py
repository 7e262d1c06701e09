"""A way to Tryton for one process alone, which shuts behind a request that has had its effect.

The process then waits for an answer that never comes: the moment between two steps, at which a test
may kill it.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ingestion.common.transport import AiohttpTransport
from ingestion.common.transport import Request as Onward
from tests.support.serving import serve_app

__all__ = ["Door", "door"]

_PASSED_ON = ("authorization", "content-type", "accept-encoding")


class Door:
    """Where it leads, and whether it is shut.

    Attributes:
        url: to be used instead of Tryton's own, database included.
        is_shut: whether the request behind which it shuts has had its effect.
    """

    def __init__(self, base_url: str, last: str) -> None:
        parts = urlsplit(base_url)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._path = parts.path
        self._last = last
        self.url = ""
        self.is_shut = False

    async def pass_on(self, request: Request) -> Response:
        """Forward a request; after the last one nothing is answered any more."""
        query = request.url.query
        headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
        onward = Onward(
            request.method,
            f"{self._origin}{request.url.path}?{query}",
            headers,
            await request.body(),
        )
        transport = AiohttpTransport()
        try:
            answer = await transport.send(onward)
        finally:
            await transport.close()
        if query == self._last and b'"result"' in answer.body:
            self.is_shut = True
        if self.is_shut:
            await asyncio.Event().wait()
        content_type = answer.headers.get("Content-Type")
        return Response(answer.body, answer.status, media_type=content_type)

    def leads_from(self, address: str) -> None:
        """Take the address at which it is served."""
        self.url = f"{address}{self._path}"


@contextmanager
def door(base_url: str, last: str) -> Iterator[Door]:
    """A door to Tryton's ``base_url`` that shuts behind the first call of the method ``last``."""
    made = Door(base_url, last)
    app = Starlette(routes=[Route("/{path:path}", made.pass_on, methods=["GET", "POST"])])
    with serve_app(app) as address:
        made.leads_from(address)
        yield made
