"""The org as an ASGI app: routes in any case and with or without a last slash, limits, sessions."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from sandbox.core import Receive, Scope, Send
from sandbox.core.clock import Clock
from sandbox.core.faults import Fault, Faults
from sandbox.salesforce.auth import Auth
from sandbox.salesforce.bulk import Bulk
from sandbox.salesforce.composite import Composite
from sandbox.salesforce.errors import RequestError, not_found
from sandbox.salesforce.org import Org
from sandbox.salesforce.query import Queries
from sandbox.salesforce.settings import Settings
from sandbox.salesforce.sobjects import SObjects
from sandbox.salesforce.web import Answer, Call, json_answer, read_call, send_answer

__all__ = ["SalesforceApp", "create_app"]

_VERSION_MIN = 50
_HOUR_MILLISECONDS = 3_600_000
_PAGE_ROWS = 2000
_WRITES = ("POST", "PATCH", "PUT", "DELETE")


class SalesforceApp:
    """One org. See ``sandbox.core.SandboxApp`` for what the server asks of it.

    Args:
        system_id: the connected instance's id, for messages.
        clock: now. ``faults``: what goes wrong. ``settings``: this org's limits and switches.
        state: a snapshot to go on from.
    """

    def __init__(
        self,
        system_id: str,
        *,
        clock: Clock,
        faults: Faults,
        settings: Settings,
        state: Mapping[str, Any] | None = None,
    ) -> None:
        self.system_id = system_id
        self.org = Org(settings, clock, faults)
        if state is not None:
            self.org.restore(state)
        self.auth = Auth(settings, clock, faults)
        self._queries = Queries(self.org)
        self._sobjects = SObjects(self.org)
        self._bulk = Bulk(self.org)
        self._composite = Composite(self.org, self._answer_inner)
        self._used_by_hour: Counter[int] = Counter()
        self.calls: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"{self.system_id} speaks http only, not {scope['type']}")
        call = await read_call(scope, receive)
        settings = self.org.settings
        if len(scope["raw_path"]) + len(scope["query_string"]) > settings.url_characters_max:
            answer = _refusal(RequestError(414, "URI_TOO_LONG", "URI too long"))
        else:
            answer = self._answer(call)
        usage = ("Sforce-Limit-Info", f"api-usage={self._used()}/{settings.api_requests_max}")
        answer = Answer(answer.status, answer.body, answer.content_type, (*answer.headers, usage))
        await send_answer(send, answer, is_head=call.method == "HEAD")

    def credentials(self) -> Mapping[str, str]:
        """What clients sign in with."""
        return self.auth.credentials()

    def ledger(self) -> Mapping[str, Any]:
        """Effects per object and external key, and calls by kind; an org keeps no journals."""
        return {"journals": [], "effects": self.org.effects(), "calls": dict(self.calls)}

    def effects(self) -> Mapping[str, Any]:
        """Per object and external key: creates, updates, deletes and live records."""
        return self.org.effects()

    def snapshot(self) -> Mapping[str, Any]:
        """The records; sessions, cursors and bulk jobs end with the process."""
        return self.org.snapshot()

    def fault_answer(self, status: int) -> tuple[str, bytes]:
        """The org's own words for a fault of the wire."""
        code = {429: "REQUEST_LIMIT_EXCEEDED", 503: "SERVER_UNAVAILABLE"}.get(
            status, "UNKNOWN_EXCEPTION"
        )
        return "application/json", _refusal(RequestError(status, code, "try again later")).body

    def _answer(self, call: Call) -> Answer:
        """Answer one request of the wire: signing in, or a counted call of the API."""
        try:
            lower = tuple(part.lower() for part in call.parts)
            if lower == ("services", "oauth2", "token") and call.method == "POST":
                return self.auth.token(call)
            if lower[:3] == ("services", "soap", "u") and call.method == "POST":
                return self.auth.soap_login(call)
            if lower == ("services", "data"):
                return json_answer([_version_entry(version) for version in (50, 59, 60)])
            self._count(call, lower)
            self.auth.check(call)
            if self._used() > self.org.settings.api_requests_max or self.org.faults.take(
                Fault.DAILY_LIMIT, "/".join(call.parts)
            ):
                raise RequestError(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
            self._bulk.tick()
            return self._route(call, lower)
        except RequestError as error:
            return _refusal(error)

    def _answer_inner(self, call: Call) -> Answer:
        """Answer a subrequest of a composite call."""
        try:
            return self._route(call, tuple(part.lower() for part in call.parts))
        except RequestError as error:
            return _refusal(error)

    def _route(self, call: Call, lower: tuple[str, ...]) -> Answer:
        if lower[:2] != ("services", "data") or not _is_served(call.version):
            raise not_found()
        rest = call.parts[3:]
        word = lower[3] if rest else ""
        if word == "sobjects":
            return self._sobjects.answer(call, rest[1:])
        if word in ("query", "queryall"):
            return self._query(call, rest)
        if word == "composite":
            return self._composite.answer(call, rest[1:])
        if word == "jobs":
            return self._bulk.answer(call, rest[1:])
        if word == "limits" and call.method == "GET":
            return json_answer(self._limits())
        if not rest:
            base = f"/services/data/v{call.version}"
            words = ("composite", "jobs", "limits", "query", "queryAll", "sobjects")
            return json_answer({name: f"{base}/{name}" for name in words})
        raise not_found()

    def _query(self, call: Call, rest: tuple[str, ...]) -> Answer:
        if call.method != "GET":
            raise RequestError(
                405, "METHOD_NOT_ALLOWED", f"HTTP Method '{call.method}' not allowed"
            )
        page_rows = min(_page_rows(call), self.org.settings.page_rows_max)
        if len(rest) > 1:
            text = self._queries.next_page(rest[1], version=call.version, page_rows=page_rows)
        else:
            if "q" not in call.query:
                raise RequestError(400, "MALFORMED_QUERY", "A query string has to be specified")
            text = self._queries.first_page(
                call.query["q"],
                version=call.version,
                page_rows=page_rows,
                with_deleted=rest[0].lower() == "queryall",
            )
        return Answer(200, text.encode())

    def _count(self, call: Call, lower: tuple[str, ...]) -> None:
        """Count a call against the day's limit, and by what it is."""
        self._used_by_hour[self._hour()] += 1
        self.calls[f"{call.method} {'/'.join(lower[3:5])}"] += 1
        is_read = lower[3:5] in (("jobs", "query"), ("composite", "sobjects")) and (
            call.method == "POST" and (lower[3] == "jobs" or len(lower) == 6)
        )
        if call.method in _WRITES and not is_read:
            self.calls["writes"] += 1

    def _hour(self) -> int:
        return self.org.clock.epoch_milliseconds() // _HOUR_MILLISECONDS

    def _used(self) -> int:
        """Calls in the last 24 hours, by the hour; older hours are forgotten."""
        now = self._hour()
        for hour in [hour for hour in self._used_by_hour if not now - 24 < hour <= now]:
            del self._used_by_hour[hour]
        return sum(self._used_by_hour.values())

    def _limits(self) -> dict[str, dict[str, int]]:
        most = self.org.settings.api_requests_max
        return {
            "DailyApiRequests": {"Max": most, "Remaining": max(0, most - self._used())},
            "DailyBulkV2QueryJobs": {"Max": 10_000, "Remaining": 10_000},
            "DailyBulkApiBatches": {"Max": 15_000, "Remaining": 15_000},
        }


def _is_served(version: str) -> bool:
    major, _, minor = version.partition(".")
    return major.isdigit() and minor.isdigit() and int(major) >= _VERSION_MIN


def _version_entry(version: int) -> dict[str, str]:
    return {
        "label": f"v{version}",
        "url": f"/services/data/v{version}.0",
        "version": f"{version}.0",
    }


def _page_rows(call: Call) -> int:
    """The asked page size, within what the vendor allows."""
    for option in call.headers.get("sforce-query-options", "").split(","):
        name, _, value = option.strip().partition("=")
        if name.lower() == "batchsize" and value.strip().isdigit():
            return min(max(int(value), 200), _PAGE_ROWS)
    return _PAGE_ROWS


def _refusal(error: RequestError) -> Answer:
    return json_answer(error.body(), error.status)


def create_app(
    system_id: str,
    *,
    clock: Clock,
    faults: Faults,
    settings: Settings,
    state: Mapping[str, Any] | None = None,
) -> SalesforceApp:
    """One org, ready to serve; see ``SalesforceApp``."""
    return SalesforceApp(system_id, clock=clock, faults=faults, settings=settings, state=state)
