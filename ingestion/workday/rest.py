"""REST ``customerAccounts/v1`` and custom reports: JSON, with a token or the user's password.

An API client signs in by OAuth (refresh token, or client credentials where it has none); reports
fall back to the integration user's password. Reads are tried again within bounds, a write is not.
"""

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from ingestion.common.errors import (
    ConfigError,
    OutcomeUnknown,
    Reauthenticate,
    RetryLater,
    VendorAnswerInvalid,
)
from ingestion.common.retrying import ReadRetries
from ingestion.common.transport import Request, Response, Transport
from ingestion.workday.answers import check_json, error_of_status, json_of, new_correlation_id
from ingestion.workday.settings import READ_STATUS_ACTIONS, WRITE_STATUS_ACTIONS

__all__ = ["WorkdayRest"]

_JSON = "application/json"


class WorkdayRest:
    """The JSON half of a connection.

    Args:
        system_id: for messages. ``base_url``, ``tenant``: where.
        credentials: ``client_id``, ``client_secret``, ``refresh_token``; ``password``.
        username: the integration user with its tenant. ``report_owner``: who owns the reports.
        transport, retries: what carries and repeats requests.
    """

    def __init__(
        self,
        system_id: str,
        base_url: str,
        tenant: str,
        credentials: Mapping[str, str],
        *,
        username: str,
        report_owner: str,
        transport: Transport,
        retries: ReadRetries,
    ) -> None:
        self.system_id = system_id
        self._base_url = base_url
        self._tenant = tenant
        self._credentials = credentials
        self._username = username
        self._owner = report_owner
        self._transport = transport
        self._retries = retries
        self._bearer = ""
        self._lock = asyncio.Lock()

    async def report(self, name: str, prompts: Mapping[str, str] | None = None) -> bytes:
        """A custom report as JSON, whole.

        Raises:
            LedgerloopError: as in :meth:`pages`; ``Reauthenticate`` when signing in anew failed.
        """
        body, _ = await self.named_report(name, prompts)
        return body

    async def named_report(
        self, name: str, prompts: Mapping[str, str] | None = None
    ) -> tuple[bytes, str]:
        """As :meth:`report`, with its request's name and correlation id, for errors in rows."""
        query = urlencode({"format": "json", **(prompts or {})}, quote_via=quote)
        path = f"/ccx/service/customreport2/{self._tenant}/{quote(self._owner)}/{quote(name)}"

        async def once() -> tuple[bytes, str]:
            response, where = await self._send("GET", f"{path}?{query}", allows_basic=True)
            if response.status != 200:
                raise error_of_status(response, where, READ_STATUS_ACTIONS)
            check_json(response, where)
            return response.body, where

        return await self._retries.run(once, self._sign_in_again)

    async def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """One object or list of ``customerAccounts/v1``; numbers exact.

        Raises:
            LedgerloopError: as in :meth:`report`; 404 is ``VendorRejected``.
        """
        text = f"?{urlencode(query, quote_via=quote)}" if query else ""

        async def once() -> Any:
            response, where = await self._send("GET", self._rest_path(path) + text)
            if response.status != 200:
                raise error_of_status(response, where, READ_STATUS_ACTIONS)
            return json_of(response, where)

        return await self._retries.run(once, self._sign_in_again)

    async def pages(
        self, path: str, query: Mapping[str, str] | None = None, *, limit: int = 100
    ) -> AsyncIterator[list[Any]]:
        """The ``data`` of a list, page by page, until ``total`` rows came."""
        offset = 0
        while True:
            asked = {**(query or {}), "limit": str(limit), "offset": str(offset)}
            tree = await self.get(path, asked)
            rows = tree["data"]
            yield rows
            offset += len(rows)
            if not rows or offset >= int(tree["total"]):
                return

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Create something once; what was created.

        Raises:
            LedgerloopError: as in :meth:`change`. A refused token had no effect: it is renewed and
                the request sent once more.
        """
        content = json.dumps(body).encode()
        for is_second in (False, True):
            response, where = await self._send("POST", self._rest_path(path), content)
            if response.status != 401 or is_second:
                break
            await self._sign_in_again()
        if response.status not in (200, 201):
            raise error_of_status(response, where, WRITE_STATUS_ACTIONS)
        try:
            return json_of(response, where)
        except VendorAnswerInvalid as error:
            raise OutcomeUnknown(error.message, code=error.code) from error

    @property
    def has_api_client(self) -> bool:
        """Whether an API client is configured; REST needs one."""
        return {"client_id", "client_secret"} <= set(self._credentials)

    def _rest_path(self, path: str) -> str:
        return f"/ccx/api/customerAccounts/v1/{self._tenant}/{path}"

    async def _send(
        self, method: str, path: str, body: bytes | None = None, *, allows_basic: bool = False
    ) -> tuple[Response, str]:
        correlation_id = new_correlation_id()
        headers = {
            "Accept": _JSON,
            "Authorization": await self._authorization(allows_basic=allows_basic),
            "X-Correlation-ID": correlation_id,
        }
        if body is not None:
            headers["Content-Type"] = _JSON
        response = await self._transport.send(Request(method, self._base_url + path, headers, body))
        short = path.partition("?")[0].removeprefix("/ccx/")
        return response, f"{method} {short} (correlation id {correlation_id})"

    async def _authorization(self, *, allows_basic: bool) -> str:
        if not self.has_api_client:
            if not allows_basic:
                raise ConfigError(
                    f"{self.system_id}: REST needs client_id and client_secret of an API client",
                    code="no_credentials",
                )
            return "Basic " + _pair(self._username, self._credentials["password"])
        async with self._lock:
            if not self._bearer:
                self._bearer = await self._fetch_bearer()
            return "Bearer " + self._bearer

    async def _sign_in_again(self) -> None:
        async with self._lock:
            self._bearer = ""

    async def _fetch_bearer(self) -> str:
        """A token by refresh token, or by client credentials where the client has none."""
        refresh = self._credentials.get("refresh_token", "")
        grant = (
            {"grant_type": "refresh_token", "refresh_token": refresh}
            if refresh
            else {"grant_type": "client_credentials"}
        )
        pair = _pair(self._credentials["client_id"], self._credentials["client_secret"])
        request = Request(
            "POST",
            f"{self._base_url}/ccx/oauth2/{self._tenant}/token",
            {
                "Authorization": "Basic " + pair,
                "Content-Type": "application/x-www-form-urlencoded",
                "Accept": _JSON,
            },
            urlencode(grant).encode(),
        )
        try:
            response = await self._transport.send(request)
        except OutcomeUnknown as error:
            # Asking for a token has no effect that could be doubled.
            raise RetryLater(error.message, code="token_no_answer") from error
        if response.status in (400, 401):
            raise Reauthenticate(
                f"{self.system_id}: the API client's credentials were refused", code="token_refused"
            )
        if response.status != 200:
            raise error_of_status(response, "token request", READ_STATUS_ACTIONS)
        token = json_of(response, "token request").get("access_token", "")
        if not token:
            raise VendorAnswerInvalid("token request: no access_token", code="no_token")
        return str(token)


def _pair(name: str, secret: str) -> str:
    return b64encode(f"{name}:{secret}".encode()).decode()
