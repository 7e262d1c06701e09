"""SAP S/4HANA over OData v2 and SOAP: sign-in, paging, CSRF, batches, errors. For both directions.

Reads are tried again within bounds, whatever went wrong on the way. A write is never sent again
once bytes left and no answer came: that is ``OutcomeUnknown`` and only a look-up may resolve it.
It knows nothing of dlt, of what is read, or of why something is written.
"""

import asyncio
import json
import random
import uuid
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
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
    VendorRejected,
)
from ingestion.common.retrying import ReadRetries
from ingestion.common.transport import Request, Response, Transport, has_client_certificate
from ingestion.sap_s4hana.answers import (
    CORRELATION_HEADER,
    SapAnswer,
    answer_of,
    check_xml,
    error_of,
    parse_json,
    traced,
)
from ingestion.sap_s4hana.batch import BatchOperation, batch_body, batch_responses
from ingestion.sap_s4hana.paging import check_page, next_link
from ingestion.sap_s4hana.settings import (
    BATCH_OPERATIONS_MAX,
    ODATA_ROOT,
    PAGES_MAX,
    READ_STATUS_ACTIONS,
    RETRIES_MAX,
    RETRY_SECONDS_MAX,
    WRITE_STATUS_ACTIONS,
    Action,
)

__all__ = ["BatchOperation", "SapAnswer", "SapClient", "literal", "next_link"]

_JSON = "application/json"


def literal(value: str) -> str:
    """An OData string literal: quoted, inner quotes doubled."""
    return "'" + value.replace("'", "''") + "'"


class SapClient:
    """One signed-in connection to one S/4HANA system.

    Args:
        system: address, credentials and options. ``username``/``password`` sign in with Basic;
            option or credential ``token_url`` with ``client_id``/``client_secret`` with a bearer
            token; ``client_certificate_file`` in TLS itself, which is the transport's.
        transport: what carries the requests; the client closes it.
        sleep, jitter: waiting and its spread (0 to 1), replaced in simulation.
        now: the clock, for ``Retry-After`` dates only.

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
        self._token_url = system.credentials.get("token_url") or str(
            system.options.get("token_url", "")
        )
        self._client_number = str(system.options.get("sap_client", ""))
        self._transport = transport
        self._retries = ReadRetries(sleep, jitter, RETRIES_MAX, RETRY_SECONDS_MAX)
        self._now = now
        self._bearer = ""
        self._csrf_token = ""
        self._cookies: dict[str, str] = {}
        self._lock = asyncio.Lock()
        self._has_password = {"username", "password"} <= set(self._credentials)
        if not (self._token_url or self._has_password or has_client_certificate(system)):
            raise ConfigError(
                f"{system.system_id}: no credentials; set LEDGERLOOP_CREDENTIALS_"
                f"{system.system_id.upper()}_USERNAME and _PASSWORD, or token_url with client_id "
                "and client_secret, or client_certificate_file",
                code="no_credentials",
            )

    async def close(self) -> None:
        """Close the transport."""
        await self._transport.close()

    # Reading

    async def pages(
        self,
        service: str,
        entity_set: str,
        *,
        select: Sequence[str] = (),
        filter: str = "",  # noqa: A002 # the vendor's word
        orderby: str = "",
        page_size: int = 5000,
    ) -> AsyncIterator[bytes]:
        """The pages of a set as bytes, following ``__next`` until there is none.

        Raises:
            RetryLater, OutcomeUnknown: the system did not answer within the bounds for retries.
            VendorRejected: it refused (unknown field, no authorisation).
            VendorAnswerInvalid: HTML, half a page, an error inside a 200, or endless paging.
        """
        options = {"$format": "json"}
        if select:
            options["$select"] = ",".join(select)
        if filter:
            options["$filter"] = filter
        if orderby:
            options["$orderby"] = orderby
        path = f"{ODATA_ROOT}{service}/{entity_set}?{urlencode(options, quote_via=quote)}"
        headers = {"Prefer": f"odata.maxpagesize={page_size}"}
        for _ in range(PAGES_MAX):
            response = await self._read(path, headers, check=check_page)
            yield response.body
            link = next_link(response.body)
            if not link:
                return
            path = self._own_path(link, service)
        raise VendorAnswerInvalid(
            f"{service}/{entity_set}: more than {PAGES_MAX} pages: the next-link does not end",
            code="endless_paging",
        )

    async def get(self, path: str) -> SapAnswer:
        """One entity or small collection. ``path`` is below the OData root, or absolute.

        Raises:
            VendorRejected: 404 and other refusals; the rest as in :meth:`pages`.
        """
        full = path if path.startswith("/") else ODATA_ROOT + path
        response = await self._read(full, {}, check=None)
        return answer_of(response, _where("GET", full))

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

        return await self._retries.run(once, self._forget_session)

    def _own_path(self, link: str, service: str) -> str:
        """A next-link as a path on our own address: credentials never follow it elsewhere."""
        parts = urlsplit(link)
        path = parts.path if parts.path.startswith("/") else f"{ODATA_ROOT}{service}/{parts.path}"
        path = path.removeprefix(urlsplit(self._base_url).path)
        return f"{path}?{parts.query}" if parts.query else path

    # Writing

    async def change(
        self,
        method: str,
        service: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        etag: str = "",
    ) -> SapAnswer:
        """POST, PATCH, PUT or DELETE once. Money in ``body`` is text.

        A session or token that is refused (401, 403 with ``x-csrf-token: Required``) had no
        effect, so it is renewed and the change sent once more; nothing else is sent again.

        Raises:
            RetryLater: certainly no effect (not sent, 429).
            VendorRejected: refused; 412 and 428 are the ETag's.
            OutcomeUnknown: bytes left and no certain answer came, broken answers included.
        """
        headers = {"Content-Type": _JSON} if body is not None else {}
        if etag:
            headers["If-Match"] = etag
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        full = f"{ODATA_ROOT}{service}/{path}"
        response = await self._write(method, service, full, headers, content)
        return self._written(response, _where(method, full))

    async def call_function(
        self, service: str, name: str, parameters: Mapping[str, str], *, method: str = "POST"
    ) -> SapAnswer:
        """A function import; parameters travel in the query as literals."""
        query = urlencode({k: literal(v) for k, v in parameters.items()}, quote_via=quote)
        path = f"{name}?{query}" if query else name
        if method == "GET":
            return await self.get(f"{service}/{path}")
        return await self.change(method, service, path)

    async def batch(
        self, service: str, operations: Sequence[BatchOperation]
    ) -> list[SapAnswer | LedgerloopError]:
        """Operations in one ``$batch``; per operation its answer or its error, in their order.

        Raises:
            OutcomeUnknown: the batch as a whole got no usable answer: look every operation up.
            RetryLater, VendorRejected: the batch as a whole was refused, without effect.
        """
        assert 0 < len(operations) <= BATCH_OPERATIONS_MAX, "the caller keeps to the limit"
        content_type, content = batch_body(operations)
        path = f"{ODATA_ROOT}{service}/$batch"
        headers = {"Content-Type": content_type, "Accept": "multipart/mixed"}
        response = await self._write("POST", service, path, headers, content)
        try:
            parts = batch_responses(
                response.headers.get("Content-Type", ""), response.body, len(operations)
            )
        except VendorAnswerInvalid as error:
            where = traced(f"POST {path}", response)
            raise OutcomeUnknown(f"{where}: {error.message}", code=error.code) from error
        correlation_id = response.headers[CORRELATION_HEADER]
        return [
            self._outcome(one, _identified(part, correlation_id), service)
            for one, part in zip(operations, parts, strict=True)
        ]

    def _outcome(
        self, operation: BatchOperation, response: Response, service: str
    ) -> SapAnswer | LedgerloopError:
        where = f"{operation.method} {service}/{operation.path.partition('?')[0]} in a batch"
        if response.status >= 300:
            table = READ_STATUS_ACTIONS if operation.is_read else WRITE_STATUS_ACTIONS
            return error_of(response, where, response.headers[CORRELATION_HEADER], table)
        try:
            return self._written(response, where)
        except LedgerloopError as error:
            return error

    async def soap(self, path: str, action: str, envelope: bytes) -> bytes:
        """One SOAP 1.1 call; the answer's bytes, empty for a 202. Never sent twice.

        Raises:
            VendorRejected: a SOAP fault: refused before processing.
            RetryLater, OutcomeUnknown: as in :meth:`change`.
        """
        headers = {
            "Content-Type": "text/xml; charset=utf-8",
            "SOAPAction": f'"{action}"',
            "Accept": "text/xml",
        }
        try:
            response = await self._send("POST", path, headers, envelope, WRITE_STATUS_ACTIONS)
        except Reauthenticate:
            await self._forget_session()
            response = await self._send("POST", path, headers, envelope, WRITE_STATUS_ACTIONS)
        check_xml(response, traced(f"POST {path}", response))
        return response.body

    async def _write(
        self, method: str, service: str, path: str, headers: dict[str, str], body: bytes | None
    ) -> Response:
        """Send a change with token and cookies; renew a refused session once."""
        for is_second in (False, True):
            token = await self._csrf(service)
            try:
                return await self._send(
                    method, path, {**headers, "x-csrf-token": token}, body, WRITE_STATUS_ACTIONS
                )
            except Reauthenticate:
                if is_second:
                    raise
                await self._forget_session()
            except VendorRejected as error:
                if is_second or error.code != "csrf_required":
                    raise
                await self._forget_csrf(token)
        raise AssertionError("unreachable: the second attempt returns or raises")

    @staticmethod
    def _written(response: Response, where: str) -> SapAnswer:
        """A write's answer; one that cannot be read leaves the outcome unknown."""
        try:
            return answer_of(response, where)
        except VendorAnswerInvalid as error:
            raise OutcomeUnknown(error.message, code=error.code) from error

    # Session

    async def _csrf(self, service: str) -> str:
        """The session's token, fetched with its cookies when there is none."""
        async with self._lock:
            if not self._csrf_token:
                response = await self._read(
                    f"{ODATA_ROOT}{service}/", {"x-csrf-token": "Fetch"}, check=None
                )
                self._csrf_token = response.headers.get("x-csrf-token", "")
                if not self._csrf_token:
                    raise VendorAnswerInvalid(
                        f"{traced(service, response)}: the server gave no CSRF token; check that "
                        "the address is the S/4HANA API host",
                        code="no_csrf_token",
                    )
            return self._csrf_token

    async def _forget_csrf(self, token: str) -> None:
        """Drop a refused token, unless another request renewed it meanwhile."""
        async with self._lock:
            if self._csrf_token == token:
                self._csrf_token = ""

    async def _forget_session(self) -> None:
        async with self._lock:
            self._bearer, self._csrf_token = "", ""
            self._cookies.clear()

    async def _authorization(self) -> dict[str, str]:
        """The header that signs in; none where our certificate does it."""
        if self._token_url:
            if not self._bearer:
                self._bearer = await self._fetch_bearer()
            return {"Authorization": "Bearer " + self._bearer}
        if not self._has_password:
            return {}
        pair = f"{self._credentials['username']}:{self._credentials['password']}"
        return {"Authorization": "Basic " + b64encode(pair.encode()).decode()}

    async def _fetch_bearer(self) -> str:
        """A token by client credentials from the configured address."""
        pair = (
            f"{self._credentials.get('client_id', '')}:{self._credentials.get('client_secret', '')}"
        )
        url = self._token_url
        request = Request(
            "POST",
            url if "://" in url else self._base_url + url,
            {
                "Authorization": "Basic " + b64encode(pair.encode()).decode(),
                "Content-Type": "application/x-www-form-urlencoded",
                "Accept": _JSON,
            },
            b"grant_type=client_credentials",
        )
        try:
            response = await self._transport.send(request)
        except OutcomeUnknown as error:
            # Asking for a token has no effect that could be doubled.
            raise RetryLater(error.message, code="token_no_answer") from error
        if response.status != 200:
            raise error_of(
                response, "token request", "", {**READ_STATUS_ACTIONS, 400: Action.REAUTHENTICATE}
            )
        token = parse_json(response.body, "token request").get("access_token", "")
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
        """One request with sign-in, cookies and correlation id; raises for every non-2xx."""
        correlation_id = str(uuid.UUID(int=random.getrandbits(128), version=4))
        full = {
            "Accept": _JSON,
            **await self._authorization(),
            CORRELATION_HEADER: correlation_id,
            **headers,
        }
        if self._client_number:
            full["sap-client"] = self._client_number
        if self._cookies:
            full["Cookie"] = "; ".join(f"{k}={v}" for k, v in self._cookies.items())
        response = await self._transport.send(Request(method, self._base_url + path, full, body))
        self._keep_cookies(response)
        if 200 <= response.status < 300:
            return _identified(response, correlation_id)
        where = _where(method, path)
        needs_token = response.headers.get("x-csrf-token", "").lower() == "required"
        if response.status == 403 and needs_token:
            raise VendorRejected(
                f"{where}: the CSRF token was refused", code="csrf_required", status=403
            )
        if response.status == 500 and actions is WRITE_STATUS_ACTIONS and _is_fault(response.body):
            actions = {**actions, 500: Action.REJECT}
        now = self._now() if self._now else _date_of(response)
        raise error_of(response, where, correlation_id, actions, now)

    def _keep_cookies(self, response: Response) -> None:
        for line in response.headers.getall("Set-Cookie", []):
            name, separator, value = line.partition(";")[0].partition("=")
            if separator:
                self._cookies[name.strip()] = value.strip()


def _where(method: str, path: str) -> str:
    """Method and path for messages: the query may hold names and numbers of customers."""
    return f"{method} {path.partition('?')[0].removeprefix(ODATA_ROOT)}"


def _identified(response: Response, correlation_id: str) -> Response:
    """The answer with the id its request travelled under, for whoever finds it wrong."""
    headers = CIMultiDict(response.headers)
    headers.popall(CORRELATION_HEADER, None)
    headers[CORRELATION_HEADER] = correlation_id
    return replace(response, headers=CIMultiDictProxy(headers))


def _is_fault(body: bytes) -> bool:
    """True for a SOAP fault: the message was refused before it was processed."""
    head = body[:4096]
    return b"Fault" in head and b"nvelope" in head


def _date_of(response: Response) -> datetime | None:
    """The server's own clock, which a ``Retry-After`` date is to be compared with."""
    from email.utils import parsedate_to_datetime

    try:
        at = parsedate_to_datetime(response.headers.get("Date", ""))
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
