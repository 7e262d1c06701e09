"""The account as one ASGI app: record, query, async, system and token services over one state.

A request is worked on without a pause, from its last byte to its answer; how long it occupies one
of the account's places is ``request_seconds``.
"""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote

from sandbox.core import Receive, Scope, Send
from sandbox.core.clock import Clock
from sandbox.core.faults import Faults
from sandbox.netsuite.auth import TOKEN_PARTS, Auth, invalid_login
from sandbox.netsuite.effects import effects_of
from sandbox.netsuite.errors import ERROR_TYPE, RequestRefused, error_body
from sandbox.netsuite.jobs import Jobs
from sandbox.netsuite.records import Records
from sandbox.netsuite.services import RestServices
from sandbox.netsuite.settings import NetSuiteSettings
from sandbox.netsuite.state import NetSuiteState
from sandbox.netsuite.suiteql import SuiteQl
from sandbox.netsuite.web import Answer, Call

__all__ = ["NetSuiteApp", "create_app"]

_ROOT = "/services/rest/"


class NetSuiteApp:
    """One NetSuite account. ``state`` is its data, for tests in the same process."""

    def __init__(
        self,
        system_id: str,
        *,
        clock: Clock,
        faults: Faults,
        settings: NetSuiteSettings,
        state: NetSuiteState,
    ) -> None:
        self.system_id = system_id
        self.settings = settings
        self.state = state
        self.auth = Auth(settings, clock, faults)
        self.requests_at_once_max = 0
        self._at_once = 0
        self._faults = faults
        self._services = RestServices(
            settings, Records(state, clock, faults), SuiteQl(state), Jobs(settings.job_polls)
        )

    # -- what the server asks -------------------------------------------------------------------

    def credentials(self) -> Mapping[str, str]:
        """Sign-in data for the endpoints file: both ways."""
        return self.auth.credentials()

    def ledger(self) -> Mapping[str, Any]:
        """The books as tests read them."""
        return effects_of(self.state)

    def snapshot(self) -> Mapping[str, Any]:
        """All state, for ``sandbox.core.state``."""
        return self.state.snapshot()

    def fault_answer(self, status: int) -> tuple[str, bytes]:
        """NetSuite's own error form for 429; everything else comes from what stands before it."""
        if status == 429:
            return ERROR_TYPE, error_body(_too_many())
        return "text/html", f"<html><body><h1>{status}</h1></body></html>".encode()

    # -- requests -------------------------------------------------------------------------------

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if message["type"] == "http.disconnect" or not message.get("more_body"):
                break
        answer = await self._placed(scope, body)
        headers = {"Content-Length": str(len(answer.body)), **answer.headers}
        await send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in headers.items()],
            }
        )
        await send({"type": "http.response.body", "body": answer.body})

    async def _placed(self, scope: Scope, body: bytes) -> Answer:
        """One of the account's places, or the refusal of one too many."""
        settings = self.settings
        if self._at_once >= settings.concurrency_limit:
            too_many = invalid_login() if settings.concurrency_answer == "401" else _too_many()
            return _refused(too_many)
        self._at_once += 1
        self.requests_at_once_max = max(self.requests_at_once_max, self._at_once)
        try:
            answer = self._answer(scope, body)
            if settings.request_seconds:
                await asyncio.sleep(settings.request_seconds)
            return answer
        finally:
            self._at_once -= 1

    def _answer(self, scope: Scope, body: bytes) -> Answer:
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        raw = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1").partition("?")[0]
        host = f"{scope.get('scheme', 'http')}://{headers.get('host', 'localhost')}"
        query = scope["query_string"].decode("latin-1")
        if not raw.startswith(_ROOT):
            return _refused(RequestRefused(404, "NONEXISTENT_ID", "Not found"))
        call = Call(
            scope["method"],
            tuple(unquote(part) for part in raw.removeprefix(_ROOT).strip("/").split("/")),
            dict(parse_qsl(query, keep_blank_values=True)),
            headers,
            body,
            f"{host}/services/rest",
        )
        try:
            if call.parts == TOKEN_PARTS and call.method == "POST":
                return self.auth.token(call, host + raw)
            self.auth.check(call, host + raw, query)
            return self._services.answer(call)
        except RequestRefused as refused:
            return _refused(refused)


def _refused(refused: RequestRefused) -> Answer:
    return Answer(
        refused.status, error_body(refused), {"Content-Type": ERROR_TYPE, **refused.headers}
    )


def _too_many() -> RequestRefused:
    return RequestRefused(
        429, "CONCURRENCY_LIMIT_EXCEEDED", "Concurrent request limit exceeded. Request blocked."
    )


def create_app(
    system_id: str,
    *,
    clock: Clock,
    faults: Faults,
    settings: NetSuiteSettings,
    state: Mapping[str, Any] | NetSuiteState | None = None,
) -> NetSuiteApp:
    """Make one account: empty, or from a snapshot, or around a state made before."""
    if state is None:
        found = NetSuiteState(settings)
    elif isinstance(state, NetSuiteState):
        found = state
    else:
        found = NetSuiteState.restored(state, settings)
    return NetSuiteApp(system_id, clock=clock, faults=faults, settings=settings, state=found)
