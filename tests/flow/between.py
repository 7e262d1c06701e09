"""A gateway between the product and a vendor that changes what the vendor answers to a read.

For what the sandbox does not do by itself: a column that vanished with an upgrade, rows that the
technical user may no longer see. It forwards everything else unchanged.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import requests
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.support.serving import serve_app

__all__ = ["gateway"]

Row = dict[str, Any]
#: Called with the path and each row of a read; None leaves the row out.
Change = Callable[[str, Row], Row | None]
_METHODS = ["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"]
_HOP_BY_HOP = {"transfer-encoding", "connection", "content-length", "content-encoding"}


@contextmanager
def gateway(base_url: str, change: Change) -> Iterator[str]:
    """Forward to ``base_url``; the address to use instead, until the block ends."""
    with requests.Session() as session:
        session.trust_env = False

        async def forward(request: Request) -> Response:
            body = await request.body()
            # The host stays the gateway's own, so that links to next pages lead back to it.
            kept = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP}
            headers = {**kept, "accept-encoding": "identity"}
            query = request.url.query
            answer = await run_in_threadpool(
                session.request,
                request.method,
                f"{base_url}{request.url.path}" + (f"?{query}" if query else ""),
                headers=headers,
                data=body,
                allow_redirects=False,
            )
            content = answer.content
            if request.method == "GET" and answer.status_code == 200:
                content = _changed(request.url.path, content, change)
            response = Response(content, answer.status_code)
            for name, value in answer.raw.headers.items():  # a name may stand twice (Set-Cookie)
                if name.lower() not in _HOP_BY_HOP:
                    response.headers.append(name, value)
            return response

        app = Starlette(routes=[Route("/{path:path}", forward, methods=_METHODS)])
        with serve_app(app) as address:
            yield address


def _changed(path: str, content: bytes, change: Change) -> bytes:
    """The rows of an OData v2 answer, changed; anything else as it is."""
    try:
        tree = json.loads(content)
        rows = tree["d"]["results"]
    except (ValueError, KeyError, TypeError):
        return content
    tree["d"]["results"] = [one for row in rows if (one := change(path, row)) is not None]
    return json.dumps(tree, separators=(",", ":")).encode()
