"""One REST target over the transport: addresses, authentication, exact JSON, Retry-After.

It sends what it is told and answers with status and body: what a status means is the caller's
table. It does not retry, and it knows nothing of rows, commands or why something is sent. Numbers
of an answer are ``Decimal`` or whole numbers, never floats.
"""

import copy
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

import orjson

from ingestion.common.config import System
from ingestion.common.errors import ConfigError, VendorAnswerInvalid
from ingestion.common.redact import redact
from ingestion.common.transport import Request, Response, Transport
from ingestion.rest.settings import RestOptions, rest_options

__all__ = ["Answer", "RestClient", "enveloped", "filled", "found_at", "number", "put_at"]

_JSON = "application/json"
#: What of a refusal's body is shown when nothing better is known.
_MESSAGE_CHARACTERS_MAX = 300


def found_at(document: Any, place: Sequence[str]) -> Any:
    """The value at a place of a JSON document; None where nothing stands there."""
    here = document
    for part in place:
        if isinstance(here, dict):
            here = here.get(part)
        elif isinstance(here, list) and part.isdecimal() and int(part) < len(here):
            here = here[int(part)]
        else:
            return None
    return here


def put_at(document: dict[str, Any], place: Sequence[str], value: Any) -> None:
    """Set the value at a place, making the objects on the way; the place is not the whole."""
    here = document
    for part in place[:-1]:
        here = here.setdefault(part, {})
    here[place[-1]] = value


def enveloped(body: Mapping[str, Any], place: Sequence[str], content: Any) -> Any:
    """A request's document: what always stands in it, and the content at its place."""
    if not place:
        return {**body, **content} if body else content
    document: dict[str, Any] = copy.deepcopy(dict(body))
    put_at(document, place, content)
    return document


def number(text: str) -> Any:
    """A decimal text as a JSON number with exactly these digits."""
    return orjson.Fragment(text)


def filled(path: str, **words: str | Sequence[str]) -> str:
    """A path with its words in braces filled in and percent-encoded; lists joined by commas."""
    return path.format(
        **{
            name: quote(word, safe="")
            if isinstance(word, str)
            else ",".join(quote(one, safe="") for one in word)
            for name, word in words.items()
            if f"{{{name}" in path
        }
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. ``where`` names the request in messages."""

    response: Response
    where: str

    @property
    def status(self) -> int:
        return self.response.status

    @property
    def is_ok(self) -> bool:
        return 200 <= self.status < 300

    def tree(self) -> Any:
        """The body as JSON, None when it is empty. Raises VendorAnswerInvalid for anything else."""
        body = self.response.body
        if not body.strip():
            return None
        try:
            return json.loads(body, parse_float=Decimal)
        except ValueError as error:
            raise VendorAnswerInvalid(
                f"{self.where}: the answer is not JSON ({self.status})", code="not_json"
            ) from error

    @property
    def text(self) -> str:
        """The beginning of the body, safe to show."""
        said = self.response.body[: 4 * _MESSAGE_CHARACTERS_MAX].decode("utf-8", "replace")
        return redact(said, length_max=_MESSAGE_CHARACTERS_MAX)

    @property
    def retry_after_seconds(self) -> float | None:
        """The Retry-After header in seconds; a date counts from the answer's own Date."""
        asked = self.response.headers.get("Retry-After", "").strip()
        try:
            return max(0.0, float(asked)) if asked else None
        except ValueError:
            pass
        try:
            until = parsedate_to_datetime(asked)
            since = parsedate_to_datetime(self.response.headers.get("Date", ""))
        except ValueError:
            return None
        return max(0.0, (until - since).total_seconds())


class RestClient:
    """One target.

    Args:
        system: address, ``auth`` options and credentials (``token``, or ``username`` and
            ``password``).
        transport: what carries the requests; the client closes it.

    Raises:
        ConfigError: no address, wrong options, or a credential is missing (named).
    """

    def __init__(self, system: System, transport: Transport) -> None:
        if not system.base_url:
            raise ConfigError(f"systems.{system.system_id}.base_url is not set", code="no_address")
        self.system_id = system.system_id
        self.options: RestOptions = rest_options(system)
        self._base_url = system.base_url.rstrip("/")
        self._transport = transport
        self._headers = {"Accept": _JSON, **_auth_headers(system, self.options)}

    async def close(self) -> None:
        """Close the transport."""
        await self._transport.close()

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout_seconds: float = 60.0,
    ) -> Answer:
        """Send one request.

        Raises:
            RetryLater: ``not_sent``, nothing left this machine.
            OutcomeUnknown: bytes left and no whole answer came.
        """
        sent = {**self._headers, **(headers or {})}
        content = None
        if body is not None:
            content = orjson.dumps(body)
            sent["Content-Type"] = _JSON
        request = Request(method, self._base_url + path, sent, content, timeout_seconds)
        response = await self._transport.send(request)
        return Answer(response, f"{method} {path.partition('?')[0]}")

    def path_of(self, address: str, *, beside: str) -> str:
        """An address that an answer names, as a path of this target.

        Raises:
            VendorAnswerInvalid: it leads elsewhere; our credentials do not follow it.
        """
        here = self._base_url + beside
        parts = urlsplit(urljoin(here, address))
        ours = urlsplit(self._base_url)
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        if (parts.scheme, parts.netloc) != (ours.scheme, ours.netloc) or not path.startswith(
            ours.path
        ):
            raise VendorAnswerInvalid(
                f"{self.system_id}: the next page leads to another server", code="foreign_page"
            )
        return path.removeprefix(ours.path)


def _auth_headers(system: System, options: RestOptions) -> dict[str, str]:
    """The headers that sign every request."""
    match options.auth:
        case "bearer":
            return {"Authorization": f"Bearer {_secret(system, 'token')}"}
        case "basic":
            pair = f"{_secret(system, 'username')}:{_secret(system, 'password')}"
            return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
        case "header":
            return {options.auth_header: _secret(system, "token")}
        case _:
            return {}


def _secret(system: System, name: str) -> str:
    """A credential. Raises ConfigError that names the variable to set."""
    found = system.credentials.get(name, "")
    if not found:
        variable = f"LEDGERLOOP_CREDENTIALS_{system.system_id.upper()}_{name.upper()}"
        raise ConfigError(
            f"systems.{system.system_id}: no {name}: set {variable}", code="no_credentials"
        )
    return found
