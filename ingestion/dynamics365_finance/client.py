"""Dynamics 365 Finance over OData v4: sign-in, paging, batches, actions, packages. Both directions.

Every request asks for all companies: without that the product silently answers for the user's
default company only. Reads are tried again within bounds. A write is never sent again once bytes
left and no answer came: that is ``OutcomeUnknown`` and only a look-up may resolve it. It knows
nothing of dlt, of what is read, or of why something is written.
"""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from multidict import CIMultiDict, CIMultiDictProxy

from ingestion.common.config import System
from ingestion.common.errors import (
    ConfigError,
    LedgerloopError,
    OutcomeUnknown,
    Reauthenticate,
    RetryLater,
    VendorAnswerInvalid,
)
from ingestion.common.retrying import ReadRetries
from ingestion.common.transport import Request, Response, Transport
from ingestion.dynamics365_finance.answers import (
    REQUEST_ID_HEADER,
    D365Answer,
    answer_of,
    check_page,
    check_symbols,
    error_of,
    json_text,
    next_link,
    rows_in,
    total_of,
    traced,
)
from ingestion.dynamics365_finance.batch import Operation, batch_body, batch_responses
from ingestion.dynamics365_finance.settings import (
    BATCH_OPERATIONS_MAX,
    DATA_ROOT,
    LOGIN_URL,
    NAMESPACE,
    PAGES_MAX,
    READ_AGAIN_MAX,
    READ_STATUS_ACTIONS,
    RETRIES_MAX,
    RETRY_SECONDS_MAX,
    WRITE_STATUS_ACTIONS,
    Action,
)

__all__ = ["D365Answer", "D365Client", "Operation", "keyed", "literal"]

_JSON = "application/json"
#: What a change set became: its answers in order, or the one error that took it back.
ChangeSetResult = list[D365Answer] | LedgerloopError


def literal(value: str) -> str:
    """An OData string literal: quoted, inner quotes doubled."""
    return "'" + value.replace("'", "''") + "'"


def keyed(entity_set: str, **keys: str | int) -> str:
    """The address of one entity; the product wants every key property, the company included."""
    parts = ",".join(f"{k}={literal(v) if isinstance(v, str) else v}" for k, v in keys.items())
    return f"{entity_set}({quote(parts, safe=chr(39) + '=,')})"


class D365Client:
    """One signed-in connection to one environment.

    Args:
        system: address and credentials ``client_id``, ``client_secret`` and ``tenant`` (or
            ``token_url``; a path alone is on the environment's own address, as in the sandbox).
        transport: what carries the requests; the client closes it.
        sleep, jitter: waiting and its spread (0 to 1), replaced in simulation.

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
    ) -> None:
        if not system.base_url:
            raise ConfigError(
                f"systems.{system.system_id}.base_url is not set (or the sandbox is not running)",
                code="no_address",
            )
        self.system_id = system.system_id
        self._base_url = system.base_url.rstrip("/")
        self._credentials = system.credentials
        self._token_url = self._token_address(system)
        self._transport = transport
        self._retries = ReadRetries(sleep, jitter, RETRIES_MAX, RETRY_SECONDS_MAX)
        self._bearer = ""
        self._lock = asyncio.Lock()

    def _token_address(self, system: System) -> str:
        name = system.system_id.upper()
        given = {**{k: str(v) for k, v in system.options.items()}, **system.credentials}
        url = given.get("token_url", "")
        if not url and given.get("tenant"):
            url = LOGIN_URL.format(tenant=given["tenant"])
        if not url or not {"client_id", "client_secret"} <= set(system.credentials):
            raise ConfigError(
                f"{system.system_id}: no credentials; set LEDGERLOOP_CREDENTIALS_{name}_CLIENT_ID "
                "and _CLIENT_SECRET, and the option tenant",
                code="no_credentials",
            )
        return url if "://" in url else self._base_url + url

    async def close(self) -> None:
        """Close the transport."""
        await self._transport.close()

    # Reading

    async def pages(
        self,
        entity_set: str,
        *,
        select: Sequence[str] = (),
        filter: str = "",  # noqa: A002 # the vendor's word
        orderby: str = "",
        page_size: int = 5_000,
        symbols: Mapping[str, frozenset[str]] = MappingProxyType({}),
    ) -> AsyncIterator[bytes]:
        """The pages of a set over all companies as bytes, following ``@odata.nextLink``.

        The next page may be found by counting rows, so that a row which vanishes meanwhile hides
        another one. Therefore the set says first how many rows there are; when fewer came, it is
        read once more from its start (what comes twice is loaded once). ``symbols``: what an
        enumerated field may say, by field.

        Raises:
            RetryLater, OutcomeUnknown: no answer within the bounds for retries.
            VendorRejected: it refused (unknown field, no rights).
            VendorAnswerInvalid: HTML, half a page, an error inside a 200, an unknown symbol,
                endless paging.
        """
        options = {"cross-company": "true", "$count": "true"}
        options |= {"$select": ",".join(select)} if select else {}
        options |= {"$filter": filter} if filter else {}
        options |= {"$orderby": orderby} if orderby else {}
        start = f"{DATA_ROOT}{entity_set}?{urlencode(options, quote_via=quote, safe='$')}"
        headers = {"Prefer": f"odata.maxpagesize={page_size}"}
        for _ in range(READ_AGAIN_MAX):
            expected: int | None = None
            received = 0
            async for page in self._following(start, headers, entity_set, symbols):
                if expected is None:
                    expected = total_of(page)
                received += rows_in(page)
                yield page
            if expected is None or received >= expected:
                return

    async def _following(
        self,
        path: str,
        headers: Mapping[str, str],
        entity_set: str,
        symbols: Mapping[str, frozenset[str]],
    ) -> AsyncIterator[bytes]:
        for _ in range(PAGES_MAX):
            response = await self._read(path, headers, check=check_page)
            check_symbols(response, _where("GET", path), symbols)
            yield response.body
            link = next_link(response.body)
            if not link:
                return
            # Credentials never follow a link elsewhere: only its path counts.
            parts = urlsplit(link)
            path = f"{DATA_ROOT}{parts.path.rpartition('/')[2]}?{parts.query}"
        raise VendorAnswerInvalid(
            f"{entity_set}: more than {PAGES_MAX} pages: the next-link does not end",
            code="endless_paging",
        )

    async def get(self, path: str) -> D365Answer:
        """One entity, below ``/data/``.

        Raises:
            VendorRejected: 404 and other refusals; the rest as in :meth:`pages`.
        """
        full = _crossed(DATA_ROOT + path)
        response = await self._read(full, {}, check=None)
        return answer_of(response, _where("GET", full))

    async def rows(
        self,
        entity_set: str,
        filter: str,  # noqa: A002
        *,
        select: Sequence[str] = (),
    ) -> list[dict[str, Any]]:
        """The rows that fit a filter, over all companies. Raises as :meth:`pages`."""
        found: dict[str, dict[str, Any]] = {}
        async for page in self.pages(entity_set, filter=filter, select=select):
            answer = answer_of(Response(200, body=page), entity_set)
            for number, row in enumerate(answer.rows):
                found[json_text({k: v for k, v in row.items() if "@" not in k}) or str(number)] = (
                    row
                )
        return list(found.values())

    async def _read(
        self,
        path: str,
        headers: Mapping[str, str],
        check: Callable[[Response, str], None] | None,
    ) -> Response:
        """GET with bounded retry; ``check`` may refuse a body, which is then read again."""

        async def once() -> Response:
            response = await self._send("GET", path, headers, None, READ_STATUS_ACTIONS)
            if check is not None:
                check(response, _where("GET", path))
            return response

        return await self._retries.run(once, self._forget_bearer)

    # Writing

    async def change(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, etag: str = ""
    ) -> D365Answer:
        """POST, PATCH or DELETE once, below ``/data/``. Decimals in ``body`` stay exact.

        A token that is refused had no effect, so it is renewed and the change sent once more;
        nothing else is sent again.

        Raises:
            RetryLater: certainly no effect (not sent, 429).
            VendorRejected: refused; 412 is the ETag's.
            OutcomeUnknown: bytes left and no certain answer came, broken answers included.
        """
        full = _crossed(DATA_ROOT + path)
        headers = {"Content-Type": _JSON} if body is not None else {}
        if etag:
            headers["If-Match"] = etag
        content = None if body is None else json_text(body).encode()
        response = await self._write(method, full, headers, content)
        return _written(response, _where(method, full))

    async def call(self, path: str, action: str, parameters: Mapping[str, Any]) -> D365Answer:
        """A bound action of a set or entity. Raises as :meth:`change`."""
        return await self.change("POST", f"{path}/{NAMESPACE}.{action}", parameters)

    async def batch(self, change_sets: Sequence[Sequence[Operation]]) -> list[ChangeSetResult]:
        """Change sets in one ``$batch``, each all or nothing; their results in order.

        Raises:
            OutcomeUnknown: the batch as a whole got no usable answer: look every row up.
            RetryLater, VendorRejected: the batch as a whole was refused, without effect.
        """
        assert 0 < sum(map(len, change_sets)) <= BATCH_OPERATIONS_MAX, "the caller keeps to it"
        crossed = [
            [replace(one, path=_crossed(one.path)) for one in operations]
            for operations in change_sets
        ]
        content_type, content = batch_body(self._base_url + DATA_ROOT, crossed)
        path = f"{DATA_ROOT}$batch"
        headers = {"Content-Type": content_type, "Accept": "multipart/mixed"}
        response = await self._write("POST", path, headers, content)
        try:
            found = batch_responses(
                response.headers.get("Content-Type", ""), response.body, len(change_sets)
            )
        except VendorAnswerInvalid as error:
            where = traced(f"POST {path}", response)
            raise OutcomeUnknown(f"{where}: {error.message}", code=error.code) from error
        return [
            _result(operations, responses, response.headers[REQUEST_ID_HEADER])
            for operations, responses in zip(change_sets, found, strict=True)
        ]

    async def put_blob(self, url: str, content: bytes) -> None:
        """Put a package where the product said it may be put.

        Raises:
            RetryLater, VendorRejected, OutcomeUnknown: nothing is imported yet in any case.
        """
        headers = {"x-ms-blob-type": "BlockBlob", "Content-Type": "application/zip"}
        response = await self._transport.send(Request("PUT", url, headers, content, 300.0))
        if not 200 <= response.status < 300:
            raise error_of(response, "PUT of a package", READ_STATUS_ACTIONS)

    async def _write(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None
    ) -> Response:
        try:
            return await self._send(method, path, headers, body, WRITE_STATUS_ACTIONS)
        except Reauthenticate:
            await self._forget_bearer()
            return await self._send(method, path, headers, body, WRITE_STATUS_ACTIONS)

    # Session

    async def _forget_bearer(self) -> None:
        async with self._lock:
            self._bearer = ""

    async def _authorization(self) -> str:
        async with self._lock:
            if not self._bearer:
                self._bearer = await self._fetch_bearer()
            return "Bearer " + self._bearer

    async def _fetch_bearer(self) -> str:
        """A token of Entra by client credentials, for this environment alone."""
        form = {
            "grant_type": "client_credentials",
            "client_id": self._credentials["client_id"],
            "client_secret": self._credentials["client_secret"],
            "scope": f"{self._base_url}/.default",
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": _JSON}
        request = Request("POST", self._token_url, headers, urlencode(form).encode())
        try:
            response = await self._transport.send(request)
        except OutcomeUnknown as error:
            # Asking for a token has no effect that could be doubled.
            raise RetryLater(error.message, code="token_no_answer") from error
        if response.status != 200:
            actions = {**READ_STATUS_ACTIONS, 400: Action.REAUTHENTICATE}
            raise error_of(response, "token request", actions)
        token = answer_of(response, "token request").entity.get("access_token", "")
        if not token:
            raise VendorAnswerInvalid(
                "token request: no access_token in the answer", code="no_token"
            )
        return str(token)

    async def _send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
        actions: Mapping[int, Action],
    ) -> Response:
        """One request with sign-in and request id; raises for every non-2xx."""
        request_id = str(uuid.UUID(int=random.getrandbits(128), version=4))
        full = {
            "Accept": _JSON,
            "Authorization": await self._authorization(),
            "OData-Version": "4.0",
            REQUEST_ID_HEADER: request_id,
            **headers,
        }
        response = await self._transport.send(Request(method, self._base_url + path, full, body))
        response = _identified(response, request_id)
        if 200 <= response.status < 300:
            return response
        raise error_of(response, _where(method, path), actions, _date_of(response))


def _crossed(path: str) -> str:
    """The address with the option that lets it reach every company."""
    return f"{path}{'&' if '?' in path else '?'}cross-company=true"


def _written(response: Response, where: str) -> D365Answer:
    """A write's answer; one that cannot be read leaves the outcome unknown."""
    try:
        return answer_of(response, where)
    except VendorAnswerInvalid as error:
        raise OutcomeUnknown(error.message, code=error.code) from error


def _result(
    operations: Sequence[Operation], responses: Sequence[Response], request_id: str
) -> ChangeSetResult:
    """What a change set became. A refusal takes all of it back."""
    answers: list[D365Answer] = []
    is_read = operations[0].method == "GET"
    table = READ_STATUS_ACTIONS if is_read else WRITE_STATUS_ACTIONS
    for operation, bare in zip(operations, responses, strict=False):
        response = _identified(bare, request_id)
        where = (
            f"{operation.method} {operation.path.partition('(')[0].partition('?')[0]} in a batch"
        )
        if response.status >= 300:
            return error_of(response, where, table)
        try:
            answers.append(_written(response, where))
        except LedgerloopError as error:
            return error
    if len(answers) != len(operations):
        return OutcomeUnknown(
            f"a change set of {len(operations)} got {len(answers)} answers", code="batch_parts"
        )
    return answers


def _where(method: str, path: str) -> str:
    """Method and set for messages: keys and filters may hold names and numbers of customers."""
    return f"{method} {path.partition('?')[0].partition('(')[0].removeprefix(DATA_ROOT)}"


def _identified(response: Response, request_id: str) -> Response:
    """The answer with the id its request travelled under, for whoever finds it wrong."""
    headers = CIMultiDict(response.headers)
    headers.popall(REQUEST_ID_HEADER, None)
    headers[REQUEST_ID_HEADER] = request_id
    return replace(response, headers=CIMultiDictProxy(headers))


def _date_of(response: Response) -> datetime | None:
    """The server's own clock, which a ``Retry-After`` date is to be compared with."""
    from email.utils import parsedate_to_datetime

    try:
        at = parsedate_to_datetime(response.headers.get("Date", ""))
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
