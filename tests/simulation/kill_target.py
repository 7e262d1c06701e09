"""Vendors on real ports that kill whoever calls them, at a chosen moment; and count what arrives.

SAP and Salesforce are the sandbox's own apps; ``desk`` is a REST target that creates a record at
every call and recognises nothing. In front of each stands a door that counts write requests over
all vendors and, at the chosen one, kills the process that sent it.
"""

import asyncio
import os
import re
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import orjson

from ingestion.common.transport import AsgiTransport, Request
from sandbox.core.admin import Hosted, create_admin
from sandbox.core.clock import Clock
from sandbox.core.faults import Faults
from sandbox.salesforce import Settings as OrgSettings
from sandbox.salesforce import create_app as create_org
from sandbox.sap_s4hana import create_app as create_sap
from tests.reverse_etl.rest.books import Books
from tests.simulation.vendor_books import ORG, SAP, SAP_SETTINGS, template
from tests.support.serving import serve_app

DESK = "desk"
_SIGN_IN = ("/oauth2/", "/services/Soap/")
_READS = ("/search",)
#: Hub keys that travel, Salesforce ids and external ids of rows, the desk's keys.
_KEYS = re.compile(rb"\b(?:[A-Z2-7]{20}|001[A-Za-z0-9]{15}|SAP-U001-[A-Z0-9-]+|D-\d+)\b")


class Phase(Enum):
    """When the caller dies, seen from the request that was chosen."""

    ARRIVED = "arrived"  # the target has it and has not begun
    APPLIED = "applied"  # the effect is there, no answer left
    ANSWERED = "answered"  # the answer is on the wire or just read


@dataclass(frozen=True, slots=True)
class Moment:
    """Kill at the n-th write request from now on (from 1), ``seconds`` after the phase."""

    request: int
    phase: Phase
    seconds: float


@dataclass
class Vendors:
    """What is served, how often each key was sent, and whom to kill."""

    urls: dict[str, str]
    desk: Books
    sent: Counter[str] = field(default_factory=Counter)
    is_struck: threading.Event = field(default_factory=threading.Event)
    hold_answers_seconds: float = 0.0
    """How long every answer to a write waits, after its effect."""
    _admin: AsgiTransport | None = None
    _left: int = 0
    _moment: Moment | None = None
    _pid: int = 0

    def arm(self, pid: int, moment: Moment) -> None:
        """Kill this process at this moment."""
        self.is_struck.clear()
        self._pid, self._left, self._moment = pid, moment.request, moment

    def disarm(self) -> None:
        self._moment = None

    def take(self) -> Moment | None:
        """Count a write request; the moment, when it is the chosen one."""
        if self._moment is None:
            return None
        self._left -= 1
        return self._moment if self._left == 0 else None

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        self._moment = None
        self.is_struck.set()

    async def ledger(self, name: str) -> dict[str, Any]:
        """A vendor's own books, as tests read them."""
        assert self._admin is not None
        answer = await self._admin.send(Request("GET", f"http://admin/ledger/{name}"))
        tree: dict[str, Any] = orjson.loads(answer.body)
        return tree


class _Door:
    """One vendor's app behind the count; bodies of writes are searched for keys."""

    def __init__(self, app: Any, vendors: Vendors) -> None:
        self._app = app
        self._vendors = vendors

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        if scope["method"] == "GET" or any(one in path for one in (*_SIGN_IN, *_READS)):
            await self._app(scope, receive, send)
            return
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return  # It never arrived whole: no vendor would work on it.
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        # A path names a single row; a key that stands in a row twice was sent once.
        keys = set(_KEYS.findall(body)) | set(_KEYS.findall(path.encode()))
        self._vendors.sent.update(key.decode() for key in keys)
        moment = self._vendors.take()
        await self._strike(moment, Phase.ARRIVED)
        answers: list[Any] = []
        given = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def again() -> Any:
            return next(given, None) or await receive()

        async def keep(message: Any) -> None:
            answers.append(message)

        await self._app(scope, again, keep)
        await self._strike(moment, Phase.APPLIED)
        await asyncio.sleep(self._vendors.hold_answers_seconds)
        for message in answers:
            await send(message)
        await self._strike(moment, Phase.ANSWERED)

    async def _strike(self, moment: Moment | None, phase: Phase) -> None:
        if moment is not None and moment.phase is phase:
            await asyncio.sleep(moment.seconds)
            self._vendors.kill()


@contextmanager
def serving() -> Iterator[Vendors]:
    """SAP, Salesforce and the desk on ports of their own, until the block ends."""
    books = template()
    clock = Clock()
    apps = {
        SAP: create_sap(
            SAP, clock=clock, faults=Faults(), settings=SAP_SETTINGS, state=books.sap_books()
        ),
        ORG: create_org(
            ORG, clock=clock, faults=Faults(), settings=OrgSettings(), state=books.org_books()
        ),
    }
    hosted = {name: Hosted(name, name, app, Faults()) for name, app in apps.items()}
    vendors = Vendors({}, Books())
    vendors._admin = AsgiTransport({"admin": create_admin(hosted, clock, None)})
    with ExitStack() as stack:
        for name, app in {**apps, DESK: vendors.desk}.items():
            vendors.urls[name] = stack.enter_context(serve_app(_Door(app, vendors)))
        yield vendors
