"""The one small network interface under every client: a request in, a response out.

Production uses ``AiohttpTransport``; simulation and fast tests call a sandbox's ASGI app directly
through ``AsgiTransport``. Clients never import aiohttp. A transport does not retry, does not parse
and does not know what a request means; it only tells *not sent* from *no answer*:

* ``RetryLater(code="not_sent")``: the connection could not be made, no byte left this machine.
* ``OutcomeUnknown``: bytes left, and no complete answer came back.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote, urlsplit

import aiohttp
from multidict import CIMultiDict, CIMultiDictProxy

from ingestion.common.errors import ConfigError, OutcomeUnknown, RetryLater

if TYPE_CHECKING:
    import ssl

    from ingestion.common.config import System

__all__ = [
    "AiohttpTransport",
    "AsgiTransport",
    "ClientCertificate",
    "Request",
    "Response",
    "Transport",
    "has_client_certificate",
    "transport_of",
]

_NO_HEADERS: CIMultiDictProxy[str] = CIMultiDictProxy(CIMultiDict())


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. ``url`` is absolute and already percent-encoded."""

    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    timeout_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response, body read whole. Headers are case-insensitive and may repeat."""

    status: int
    headers: CIMultiDictProxy[str] = field(default_factory=lambda: _NO_HEADERS)
    body: bytes = b""


class Transport(Protocol):
    """Sends one request. Raises ``RetryLater`` (not sent) or ``OutcomeUnknown`` (no answer)."""

    async def send(self, request: Request) -> Response: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """PEM files that say who we are in TLS; an empty ``key_file``: the key stands in the same."""

    certificate_file: str
    key_file: str = ""
    passphrase: str = field(default="", repr=False)

    def secret(self) -> str:
        """The passphrase, as OpenSSL asks for it."""
        return self.passphrase


def has_client_certificate(system: "System") -> bool:
    """Whether TLS itself signs us in there (credential ``client_certificate_file``)."""
    return bool(system.credentials.get("client_certificate_file"))


def transport_of(system: "System", *, connections_max: int = 64) -> "AiohttpTransport":
    """The production transport of one system: its authority, and our certificate if it has one."""
    given = system.credentials
    certificate = ClientCertificate(
        given.get("client_certificate_file", ""),
        given.get("client_key_file", ""),
        given.get("client_key_passphrase", ""),
    )
    return AiohttpTransport(
        connections_max=connections_max,
        ca_bundle=system.ca_bundle or None,
        certificate=certificate if has_client_certificate(system) else None,
    )


class AiohttpTransport:
    """The production transport: one aiohttp session, connections reused, no cookies kept.

    Args:
        connections_max: open connections at once, over all hosts.
        ca_bundle: PEM file that verifies TLS instead of the system's, for private authorities.
        certificate: what we show where the server asks who we are.
    """

    def __init__(
        self,
        *,
        connections_max: int = 64,
        ca_bundle: str | None = None,
        certificate: ClientCertificate | None = None,
    ) -> None:
        self._connections_max = connections_max
        self._ca_bundle = ca_bundle
        self._certificate = certificate
        self._session: aiohttp.ClientSession | None = None

    def _tls(self) -> "ssl.SSLContext | bool":
        """What verifies the server and shows our certificate; True: aiohttp's own default.

        Raises:
            ConfigError: a file is missing, is no PEM, or the passphrase is wrong.
        """
        if not (self._ca_bundle or self._certificate):
            return True
        import ssl

        one = self._certificate
        try:
            context = ssl.create_default_context(cafile=self._ca_bundle)
            if one:
                # Without a passphrase OpenSSL would ask on the terminal and wait.
                context.load_cert_chain(one.certificate_file, one.key_file or None, one.secret)
        except OSError as error:
            named = (self._ca_bundle or "", *((one.certificate_file, one.key_file) if one else ()))
            files = ", ".join(path for path in named if path)
            raise ConfigError(
                f"TLS cannot use {files}: {error.strerror or error}; check the files, that the "
                "key fits the certificate, and the credential CLIENT_KEY_PASSPHRASE",
                code="client_certificate",
            ) from error
        return context

    async def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            context = self._tls()
            connector = aiohttp.TCPConnector(limit=self._connections_max, ssl=context)
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=True
            )
        return self._session

    async def send(self, request: Request) -> Response:
        session = await self._open()
        from yarl import URL

        timeout = aiohttp.ClientTimeout(total=request.timeout_seconds)
        try:
            async with session.request(
                request.method,
                URL(request.url, encoded=True),
                headers=request.headers,
                data=request.body,
                timeout=timeout,
                allow_redirects=False,
            ) as answer:
                body = await answer.read()
                return Response(answer.status, answer.headers, body)
        except aiohttp.ClientConnectorError as error:
            if _asks_for_certificate(error):
                raise _no_certificate(request) from error
            raise RetryLater(
                f"no connection to {urlsplit(request.url).netloc}: {error.strerror or error}",
                code="not_sent",
            ) from error
        except (TimeoutError, aiohttp.ClientError, ConnectionError) as error:
            if _asks_for_certificate(error):
                raise _no_certificate(request) from error
            raise OutcomeUnknown(
                f"{request.method} {urlsplit(request.url).path}: no complete answer "
                f"({type(error).__name__})",
                code="no_answer",
            ) from error

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


#: What a server's TLS alert says of a client's certificate: none, a stranger's, or a bad one.
_CERTIFICATE_ALERTS = ("HANDSHAKE_FAILURE", "CERTIFICATE", "UNKNOWN_CA")


def _asks_for_certificate(error: BaseException) -> bool:
    """TLS 1.3 tells this only after the handshake; the server has read nothing of the request."""
    text = f"{error} {error.__cause__ or ''}".upper()
    return "ALERT" in text and any(alert in text for alert in _CERTIFICATE_ALERTS)


def _no_certificate(request: Request) -> ConfigError:
    return ConfigError(
        f"{urlsplit(request.url).netloc} wants a client certificate that it trusts: set the "
        "credential CLIENT_CERTIFICATE_FILE (and CLIENT_KEY_FILE)",
        code="client_certificate",
    )


AsgiApp = Callable[
    [
        MutableMapping[str, Any],
        Callable[[], Awaitable[MutableMapping[str, Any]]],
        Callable[[MutableMapping[str, Any]], Awaitable[None]],
    ],
    Awaitable[None],
]


class AsgiTransport:
    """Calls ASGI apps in this process: ``apps`` maps ``host:port`` to an app. No sockets."""

    def __init__(self, apps: dict[str, AsgiApp]) -> None:
        self._apps = apps

    async def send(self, request: Request) -> Response:
        parts = urlsplit(request.url)
        app = self._apps.get(parts.netloc)
        if app is None:
            raise RetryLater(f"no app is mounted at {parts.netloc}", code="not_sent")
        headers = [(k.lower().encode(), v.encode()) for k, v in request.headers.items()]
        headers.append((b"host", parts.netloc.encode()))
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": parts.scheme,
            "path": unquote(parts.path),
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 0),
            "server": ("127.0.0.1", parts.port or 80),
        }
        sent: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": request.body or b"", "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        try:
            async with asyncio.timeout(request.timeout_seconds):
                await app(scope, receive, send)
        except TimeoutError as error:
            raise OutcomeUnknown(
                f"{request.method} {parts.path}: no answer in time", code="no_answer"
            ) from error
        if not sent:
            raise OutcomeUnknown(
                f"{request.method} {parts.path}: the answer was lost", code="no_answer"
            )
        found: CIMultiDict[str] = CIMultiDict()
        for name, value in sent[0].get("headers", []):
            found.add(name.decode("latin-1"), value.decode("latin-1"))
        body = b"".join(bytes(m.get("body", b"")) for m in sent[1:])
        return Response(int(sent[0]["status"]), CIMultiDictProxy(found), body)

    async def close(self) -> None:
        return None
