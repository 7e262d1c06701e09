"""NetSuite's SuiteTalk REST services: sign-in, SuiteQL, records, jobs. For both directions.

Reads are tried again within bounds, whatever went wrong on the way. A write is never sent again
once bytes left and no answer came: that is ``OutcomeUnknown`` and only a look-up may resolve it. A
401 had no effect: the token is renewed where there is one, then, once, the request waits and is
sent again, because NetSuite says "invalid login" when the account's concurrency is used up, too.
It knows nothing of dlt, of what is read, or of why something is written.
"""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from ingestion.common.clock import SystemClock
from ingestion.common.config import System
from ingestion.common.errors import (
    ConfigError,
    OutcomeUnknown,
    Reauthenticate,
    RetryLater,
    VendorAnswerInvalid,
)
from ingestion.common.retrying import ReadRetries
from ingestion.common.transport import Request, Response, Transport
from ingestion.netsuite.answers import (
    check_page,
    error_of,
    exact_json,
    has_more,
    last_values,
    parse_json,
)
from ingestion.netsuite.authorization import TOKEN_PATH, login_way, signed_header, token_form
from ingestion.netsuite.settings import (
    BATCH_MAX,
    DEFAULT_OPTIONS,
    PAGES_MAX,
    READ_STATUS_ACTIONS,
    RETRIES_MAX,
    RETRY_SECONDS_MAX,
    TOO_MANY_WAIT_SECONDS,
    WRITE_STATUS_ACTIONS,
    Action,
)

__all__ = ["Job", "NetSuiteClient", "Window", "quoted", "record_path"]

_RECORDS = "/services/rest/record/v1/"
_SUITEQL = "/services/rest/query/v1/suiteql"
_JSON = "application/json"
_COLLECTION = "application/vnd.oracle.resource+json; type=collection"


def quoted(value: str) -> str:
    """A SuiteQL string literal: inner quotes doubled."""
    return "'" + value.replace("'", "''") + "'"


@dataclass(frozen=True, slots=True)
class Window:
    """How the rows of a query are ordered and where the next window opens.

    Attributes:
        expressions: what stands in ORDER BY and in the condition, most significant first.
        names: under which names the same values stand in a row.
        are_numbers: whether each is compared as a number.
    """

    expressions: tuple[str, ...]
    names: tuple[str, ...]
    are_numbers: tuple[bool, ...]

    def after(self, values: Sequence[str]) -> str:
        """The condition for rows behind the given key."""
        shown = [
            value if is_number and value.lstrip("-").isdigit() else quoted(value)
            for value, is_number in zip(values, self.are_numbers, strict=True)
        ]
        found = []
        for place, expression in enumerate(self.expressions):
            equal = [f"{self.expressions[i]} = {shown[i]}" for i in range(place)]
            found.append("(" + " AND ".join([*equal, f"{expression} > {shown[place]}"]) + ")")
        return "(" + " OR ".join(found) + ")"


@dataclass(frozen=True, slots=True)
class Job:
    """An accepted asynchronous request. ``is_repeated``: its key had been used before."""

    path: str
    is_repeated: bool = False


class NetSuiteClient:
    """One signed-in connection to one account.

    Args:
        system: address, credentials and options: ``login`` (``tba`` or ``m2m``),
            ``concurrency_max``.
        transport: what carries the requests; the client closes it.
        sleep, jitter: waiting and its spread (0 to 1), replaced in simulation.
        now: the clock that dates signatures; the machine's when None.

    Raises:
        ConfigError: no address or no credentials.
    """

    def __init__(
        self,
        system: System,
        transport: Transport,
        *,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        if not system.base_url:
            raise ConfigError(
                f"systems.{system.system_id}.base_url is not set (or the sandbox is not running)",
                code="no_address",
            )
        self.system_id = system.system_id
        self._base_url = system.base_url.rstrip("/")
        self._credentials = system.credentials
        self._way = login_way(system)
        self._transport = transport
        self._sleep = sleep
        self._jitter = jitter
        self._retries = ReadRetries(sleep, jitter, RETRIES_MAX, RETRY_SECONDS_MAX)
        self._now = now or SystemClock().now
        self._bearer = ""
        self._lock = asyncio.Lock()
        places = system.options.get("concurrency_max", DEFAULT_OPTIONS["concurrency_max"])
        self._places = asyncio.Semaphore(max(1, int(places)))

    async def close(self) -> None:
        """Close the transport."""
        await self._transport.close()

    async def pause(self, seconds: float) -> None:
        """Let time pass: a job is being worked on."""
        await self._sleep(seconds)

    # -- reading --------------------------------------------------------------------------------

    async def pages(
        self,
        select: str,
        source: str,
        window: Window,
        *,
        conditions: Sequence[str] = (),
        group_by: str = "",
        page_size: int = 1000,
    ) -> AsyncIterator[bytes]:
        """The rows of a query as pages, window after window of its key.

        Each page is a query of its own behind the last key seen: no page depends on what the others
        showed, so a row that changes meanwhile is neither lost nor doubled, and the 100,000 rows
        that one query can reach are never a bound.

        Raises:
            RetryLater, OutcomeUnknown: the account did not answer within the bounds for retries.
            VendorRejected: it refused (unknown column, no permission).
            VendorAnswerInvalid: HTML, half a page, an error inside a 200, or endless paging.
        """
        order = ", ".join(window.expressions)
        grouped = f" GROUP BY {group_by}" if group_by else ""
        values: list[str] = []
        for _ in range(PAGES_MAX):
            asked = [*conditions, *([window.after(values)] if values else [])]
            where = f" WHERE {' AND '.join(asked)}" if asked else ""
            text = f"SELECT {select} FROM {source}{where}{grouped} ORDER BY {order}"  # noqa: S608
            page = await self._query(" ".join(text.split()), page_size)
            yield page
            if not has_more(page):
                return
            following = last_values(page, window.names, "SuiteQL")
            if following == values:
                break
            values = following
        raise VendorAnswerInvalid(
            f"{source.split(maxsplit=1)[0]}: the pages do not end", code="endless_paging"
        )

    async def rows(self, query: str) -> list[dict[str, Any]]:
        """All rows of a small query (at most one page of 1,000). Errors as in :meth:`pages`."""
        page = await self._query(query, 1000)
        tree = parse_json(page, "SuiteQL")
        if tree.get("hasMore"):
            raise VendorAnswerInvalid(
                "SuiteQL: more than 1,000 rows where few were expected", code="too_many_rows"
            )
        found: list[dict[str, Any]] = tree.get("items", [])
        return found

    async def _query(self, text: str, limit: int) -> bytes:
        path = f"{_SUITEQL}?limit={limit}&offset=0"
        headers = {"Prefer": "transient", "Content-Type": _JSON}
        response = await self._read("POST", path, headers, exact_json({"q": text}), check_page)
        return response.body

    async def get(self, path: str) -> dict[str, Any]:
        """One record or job. ``path`` is below ``record/v1/``, or absolute.

        Raises:
            VendorRejected: 404 and other refusals; the rest as in :meth:`pages`.
        """
        full = path if path.startswith("/") else _RECORDS + path
        response = await self._read("GET", full, {}, None, _check_object)
        tree: dict[str, Any] = parse_json(response.body, _where("GET", full))
        return tree

    async def _read(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
        check: Callable[[Response, str], None],
    ) -> Response:
        """A request without effect, with bounded retry; ``check`` may refuse a body."""

        async def once() -> Response:
            response, correlation_id = await self._signed_in(
                method, path, headers, body, READ_STATUS_ACTIONS
            )
            check(response, f"{_where(method, path)} (correlation id {correlation_id})")
            return response

        return await self._retries.run(once)

    # -- writing --------------------------------------------------------------------------------

    async def change(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> str:
        """POST, PATCH, PUT or DELETE once; the internal id that ``Location`` names, or empty.

        Args:
            method: the verb.
            path: below ``record/v1/``, with its query.
            body: money as Decimal.

        Raises:
            RetryLater: certainly no effect (not sent, 429).
            VendorRejected: refused, with code and field.
            Reauthenticate: refused twice as an invalid login: no effect.
            OutcomeUnknown: bytes left and no certain answer came.
        """
        content = None if body is None else exact_json(body)
        headers = {"Content-Type": _JSON} if content is not None else {}
        response, _ = await self._signed_in(
            method, _RECORDS + path, headers, content, WRITE_STATUS_ACTIONS
        )
        where = _where(method, _RECORDS + path)
        if response.status not in (200, 201, 204):
            raise OutcomeUnknown(
                f"{where}: status {response.status}, which says neither done nor refused",
                code="unexpected_status",
            )
        if response.body.strip() and b'"o:errorDetails"' in response.body[:4096]:
            raise OutcomeUnknown(f"{where}: an error inside a 2xx", code="error_in_ok")
        if "text/html" in response.headers.get("Content-Type", ""):
            raise OutcomeUnknown(f"{where}: HTML instead of an answer", code="not_json")
        return _last_part(response.headers.get("Location", ""))

    async def submit(
        self, method: str, kind: str, items: Sequence[Mapping[str, Any]], *, idempotency_key: str
    ) -> Job:
        """Send a collection as an asynchronous job; with the same key it is never done twice.

        Raises:
            RetryLater, VendorRejected, OutcomeUnknown: as in :meth:`change`; after an unknown
                outcome the same call with the same key finds the job.
        """
        assert 0 < len(items) <= BATCH_MAX, "the caller keeps to the limit"
        headers = {
            "Content-Type": _COLLECTION,
            "Prefer": "respond-async",
            "X-NetSuite-Idempotency-Key": idempotency_key,
        }
        path = _RECORDS + kind
        response, correlation_id = await self._signed_in(
            method,
            path,
            headers,
            exact_json({"items": list(items)}),
            {**WRITE_STATUS_ACTIONS, 400: Action.REJECT},
            is_job=True,
        )
        location = response.headers.get("Location", "")
        where = f"{_where(method, path)} (correlation id {correlation_id})"
        if response.status == 400:
            if b"IDEMPOTENCY_ERROR" in response.body and location:
                return Job(urlsplit(location).path, is_repeated=True)
            raise error_of(response, where, correlation_id, WRITE_STATUS_ACTIONS)
        if response.status != 202 or not location:
            raise OutcomeUnknown(
                f"{where}: status {response.status} instead of a job", code="no_job"
            )
        return Job(urlsplit(location).path)

    async def job_result(self, job: Job) -> list[dict[str, Any]] | None:
        """The items of a finished job's first task; None while it works. Errors as in ``get``."""
        shown = await self.get(job.path)
        if not shown.get("completed"):
            return None
        result = await self.get(f"{job.path}/task/1/result")
        found: list[dict[str, Any]] = result.get("items", [])
        return found

    # -- sending --------------------------------------------------------------------------------

    async def _signed_in(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
        actions: Mapping[int, Action],
        *,
        is_job: bool = False,
    ) -> tuple[Response, str]:
        """One request; a 401 renews the token once, then waits once, because neither had effect."""
        has_renewed, has_waited = self._way == "tba", False
        while True:
            used = self._bearer
            try:
                return await self._send(method, path, headers, body, actions, is_job)
            except Reauthenticate:
                if not has_renewed:
                    has_renewed = True
                    await self._forget_bearer(used)
                elif not has_waited:
                    has_waited = True
                    await self._sleep(TOO_MANY_WAIT_SECONDS * (0.5 + self._jitter()))
                else:
                    raise

    async def _send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
        actions: Mapping[int, Action],
        is_job: bool,
    ) -> tuple[Response, str]:
        """Take one of our places at the account and send; raises for every non-2xx.

        With ``is_job`` a 400 is handed back: the caller reads its Location.
        """
        correlation_id = str(uuid.UUID(int=random.getrandbits(128), version=4))
        url = self._base_url + path
        async with self._places:
            full = {
                "Accept": _JSON,
                "Authorization": await self._authorization(method, url),
                "X-Correlation-ID": correlation_id,
                **headers,
            }
            response = await self._transport.send(Request(method, url, full, body))
        if 200 <= response.status < 300 or (is_job and response.status == 400):
            return response, correlation_id
        raise error_of(response, _where(method, path), correlation_id, actions)

    async def _authorization(self, method: str, url: str) -> str:
        if self._way == "tba":
            nonce = f"{random.getrandbits(128):032x}"
            return signed_header(self._credentials, method, url, nonce=nonce, now=self._now())
        async with self._lock:
            if not self._bearer:
                self._bearer = await self._fetch_bearer()
            return f"Bearer {self._bearer}"

    async def _forget_bearer(self, used: str) -> None:
        """Drop a refused token, unless another request renewed it meanwhile."""
        async with self._lock:
            if self._bearer == used:
                self._bearer = ""

    async def _fetch_bearer(self) -> str:
        """A token for an assertion signed with the certificate's key."""
        url = self._base_url + TOKEN_PATH
        request = Request(
            "POST",
            url,
            {"Content-Type": "application/x-www-form-urlencoded", "Accept": _JSON},
            token_form(self._credentials, url, self._now()),
        )
        try:
            response = await self._transport.send(request)
        except OutcomeUnknown as error:
            # Asking for a token has no effect that could be doubled.
            raise RetryLater(error.message, code="token_no_answer") from error
        if response.status != 200:
            raise error_of(
                response, "token request", "", {**READ_STATUS_ACTIONS, 400: Action.REJECT}
            )
        token = parse_json(response.body, "token request").get("access_token", "")
        if not token:
            raise VendorAnswerInvalid("token request: no access_token", code="no_token")
        return str(token)


def _check_object(response: Response, where: str) -> None:
    """Refuse what is not a JSON object."""
    tree = parse_json(response.body, where)
    if not isinstance(tree, dict) or "o:errorDetails" in tree:
        raise VendorAnswerInvalid(
            f"{where}: no record in the answer", code="answer_without_content"
        )


def _last_part(location: str) -> str:
    return urlsplit(location).path.rstrip("/").rpartition("/")[2]


def _where(method: str, path: str) -> str:
    """Method and path for messages: the query may hold names and numbers of customers."""
    return f"{method} {path.partition('?')[0].removeprefix('/services/rest/')}"


def record_path(kind: str, key: str, **options: str) -> str:
    """``kind/key?…`` with the key encoded."""
    query = f"?{urlencode(options)}" if options else ""
    return f"{kind}/{quote(key, safe=':')}{query}"
