"""Tryton over JSON-RPC: one session, typed values, errors by what to do next. For both directions.

Reads are tried again within bounds. A write is never sent again once bytes left and no answer came:
that is ``OutcomeUnknown`` and only a look-up may resolve it. A log-in is tried once: Tryton answers
each wrong one more slowly and then locks the user out. It knows no object and no effect.
"""

import asyncio
import itertools
import random
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from ingestion.common.config import System
from ingestion.common.errors import (
    ConfigError,
    OutcomeUnknown,
    Reauthenticate,
    RetryLater,
    VendorAnswerInvalid,
    VendorRejected,
)
from ingestion.common.redact import redact
from ingestion.common.retrying import ReadRetries
from ingestion.common.transport import Request, Response, Transport
from ingestion.tryton.settings import (
    LOOPBACK_WAIT_SHARE,
    READ_STATUS_ACTIONS,
    RETRIES_MAX,
    RETRY_SECONDS_MAX,
    TIMEOUT_SECONDS,
    WARNINGS_MAX,
    WRITE_STATUS_ACTIONS,
    Action,
)
from ingestion.tryton.values import decoded, encoded

__all__ = ["TrytonClient"]

#: Errors that Tryton raises by name; everything else with two texts is a bug or a wrong name.
_REFUSALS = frozenset({"UserError", "UserWarning"})


class TrytonClient:
    """One signed-in connection to one Tryton database.

    Args:
        system: ``base_url`` ends with the database (``https://host/books``); credentials
            ``username`` and ``password``.
        transport: what carries the requests; the client closes it.
        sleep, jitter: waiting and its spread (0 to 1), replaced in simulation.

    Raises:
        ConfigError: no address, no database in it, or no credentials.
    """

    def __init__(
        self,
        system: System,
        transport: Transport,
        *,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        if not urlsplit(system.base_url).path.strip("/"):
            raise ConfigError(
                f"systems.{system.system_id}.base_url is not set or names no database: it must be "
                "like https://host:8000/database (or the server is not running)",
                code="no_address",
            )
        if not {"username", "password"} <= set(system.credentials):
            raise ConfigError(
                f"{system.system_id}: no credentials; set LEDGERLOOP_CREDENTIALS_"
                f"{system.system_id.upper()}_USERNAME and _PASSWORD",
                code="no_credentials",
            )
        self.system_id = system.system_id
        self._url = f"{system.base_url.rstrip('/')}/rpc/"
        self._credentials = system.credentials
        self._transport = transport
        share = LOOPBACK_WAIT_SHARE if system.is_loopback else 1.0

        async def pause(seconds: float) -> None:
            await sleep(seconds * share)

        self._retries = ReadRetries(pause, jitter, RETRIES_MAX, RETRY_SECONDS_MAX)
        self._timeout_seconds = float(system.options.get("timeout_seconds", TIMEOUT_SECONDS))
        self._numbers = itertools.count(1)
        self._session = ""
        self._user = 0
        self._context: dict[str, Any] = {}
        self._lock = asyncio.Lock()

    async def user_id(self) -> int:
        """The signed-in user: questions that Tryton asked are answered in somebody's name.

        Raises:
            LedgerloopError: nobody could sign in.
        """
        await self._signed_in()
        return self._user

    async def close(self) -> None:
        """Close the transport; the session ends by itself."""
        await self._transport.close()

    async def read(
        self, method: str, *parameters: Any, context: Mapping[str, Any] | None = None
    ) -> Any:
        """The result of a call that changes nothing; asked again within bounds.

        Raises:
            LedgerloopError: no good answer within the bounds, or a refusal.
        """

        async def once() -> Any:
            return await self._called(method, parameters, context, READ_STATUS_ACTIONS)

        return await self._retries.run(once, self._sign_in_again)

    async def write(
        self, method: str, *parameters: Any, context: Mapping[str, Any] | None = None
    ) -> Any:
        """The result of a call that changes something; sent once.

        A session that ended is refused before anything is done, so that try counts as none.

        Raises:
            VendorRejected: Tryton refused; nothing was changed.
            RetryLater: certainly no effect.
            OutcomeUnknown, VendorAnswerInvalid: perhaps an effect.
        """
        try:
            return await self._called(method, parameters, context, WRITE_STATUS_ACTIONS)
        except Reauthenticate:
            await self._sign_in_again()
            return await self._called(method, parameters, context, WRITE_STATUS_ACTIONS)

    async def write_knowing(
        self,
        method: str,
        *parameters: Any,
        warnings: Sequence[str],
        context: Mapping[str, Any] | None = None,
    ) -> Any:
        """``write``, and yes to the warnings that are expected: Tryton asks once about each.

        Args:
            method: as ``write``.
            *parameters: as ``write``.
            context: as ``write``.
            warnings: names of the accepted ones, without the hash of their records before them.

        Raises:
            LedgerloopError: as ``write``.
        """
        for _ in range(WARNINGS_MAX):
            try:
                return await self.write(method, *parameters, context=context)
            except VendorRejected as error:
                _, mark, name = error.code.partition("UserWarning:")
                if not mark or name.partition(".")[2] not in warnings:
                    raise
                answer = {"user": self._user, "name": name, "always": False}
                await self.write("model.res.user.warning.create", [answer], context=context)
        return await self.write(method, *parameters, context=context)

    async def search_read(
        self,
        model: str,
        domain: Sequence[Any],
        fields: Sequence[str],
        *,
        limit: int | None = None,
        order: Sequence[tuple[str, str]] = (),
        context: Mapping[str, Any] | None = None,
    ) -> list[dict[str, Any]]:
        """Rows of a model; dotted fields come as nested objects, ``id`` always.

        Raises:
            LedgerloopError: as ``read``; VendorAnswerInvalid when the answer is not rows.
        """
        rows = await self.read(
            f"model.{model}.search_read", list(domain), 0, limit,
            [list(one) for one in order] or None, list(fields), context=context,
        )  # fmt: skip
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise VendorAnswerInvalid(f"{model}: the answer is not a list of rows", code="no_rows")
        return rows

    async def _called(
        self,
        method: str,
        parameters: Sequence[Any],
        context: Mapping[str, Any] | None,
        actions: Mapping[int, Action],
    ) -> Any:
        await self._signed_in()
        session = self._session
        last = {**self._context, **(context or {})}
        request = self._request(method, [*parameters, last])
        request.headers["Authorization"] = f"Session {session}"
        return self._result(method, await self._transport.send(request), actions)

    def _request(self, method: str, parameters: Sequence[Any]) -> Request:
        # Exactly these three keys: with any other Tryton answers errors in its REST style. A large
        # answer is compressed whatever we ask for, so we ask for it (contracts/tryton.md).
        body = encoded({"id": next(self._numbers), "method": method, "params": list(parameters)})
        headers = {"Content-Type": "application/json", "Accept-Encoding": "gzip"}
        # The method in the query is for logs and proxies only: Tryton looks at the body.
        return Request("POST", f"{self._url}?{method}", headers, body, self._timeout_seconds)

    # The session

    async def _signed_in(self) -> None:
        async with self._lock:
            if not self._session:
                await self._sign_in()

    async def _sign_in_again(self) -> None:
        async with self._lock:
            self._session = ""
            await self._sign_in()

    async def _sign_in(self) -> None:
        user = self._credentials["username"]
        asked = [user, {"password": self._credentials["password"]}, "en"]
        answer = await self._transport.send(self._request("common.db.login", asked))
        if answer.status == 401:
            raise ConfigError(
                f"{self.system_id}: Tryton refuses user and password; correct the credentials "
                "(each further try is answered more slowly)",
                code="login_refused",
            )
        result = self._result("common.db.login", answer, READ_STATUS_ACTIONS)
        if not isinstance(result, list) or len(result) < 2:
            raise VendorAnswerInvalid(f"{self.system_id}: a log-in without session", code="login")
        self._user = int(result[0])
        self._session = b64encode(f"{user}:{result[0]}:{result[1]}".encode()).decode()
        request = self._request("model.res.user.get_preferences", [True, {}])
        request.headers["Authorization"] = f"Session {self._session}"
        found = self._result(
            "preferences", await self._transport.send(request), READ_STATUS_ACTIONS
        )
        names = ("company", "companies", "company_filter", "language")
        self._context = {name: found[name] for name in names if found.get(name) is not None}

    # Answers

    def _result(self, method: str, answer: Response, actions: Mapping[int, Action]) -> Any:
        if answer.status != 200:
            raise _of_status(method, answer, actions.get(answer.status, Action.UNKNOWN))
        content_type = answer.headers.get("Content-Type", "")
        if "json" not in content_type:
            raise VendorAnswerInvalid(
                f"{method}: the answer is {content_type or 'of no type'}, not JSON; it starts "
                f"{redact(answer.body[:80].decode('utf-8', 'replace'), length_max=80)!r}",
                code="answer_not_json",
            )
        try:
            content = decoded(answer.body)
        except (ValueError, KeyError, ArithmeticError) as error:
            raise VendorAnswerInvalid(
                f"{method}: the answer is not whole JSON ({len(answer.body)} bytes, it starts "
                f"{redact(answer.body[:80].decode('utf-8', 'replace'), length_max=80)!r})",
                code="answer_not_json",
            ) from error
        if not isinstance(content, dict) or not {"result", "error"} & set(content):
            raise VendorAnswerInvalid(f"{method}: neither result nor error", code="no_envelope")
        if content.get("error") is not None:
            raise _of_error(method, content["error"])
        return content.get("result")


def _of_status(method: str, answer: Response, action: Action) -> Exception:
    """What an HTTP status other than 200 means."""
    said = redact(answer.body[:200].decode("utf-8", "replace"), length_max=200)
    text = f"{method}: HTTP {answer.status}: {said}"
    code = f"http_{answer.status}"
    match action:
        case Action.REAUTHENTICATE:
            return Reauthenticate(text, code=code)
        case Action.RETRY:
            after = answer.headers.get("Retry-After", "")
            return RetryLater(
                text, code=code, after_seconds=float(after) if after.isdigit() else None
            )
        case Action.REJECT:
            return VendorRejected(text, code=code, status=answer.status)
        case _:
            return OutcomeUnknown(text, code=code)


def _of_error(method: str, error: Any) -> Exception:
    """What the ``error`` inside a 200 means: its first text is the name, or what was wrong."""
    words = error if isinstance(error, list) and error else [str(error), ""]
    name, details = str(words[0]), words[1] if len(words) > 1 else ""
    if name == "ConcurrencyException":
        said = details[0] if isinstance(details, list) and details else details
        return RetryLater(f"{method}: {said}: changed meanwhile", code="changed_meanwhile",
                          after_seconds=0.0)  # fmt: skip
    if name in _REFUSALS and isinstance(details, list):
        texts = [str(one) for one in details if isinstance(one, str) and one]
        code = name if name == "UserError" else f"UserWarning:{texts[0] if texts else ''}"
        said = "; ".join(texts if name == "UserError" else texts[1:])
        return VendorRejected(f"{method}: {redact(said, length_max=300)}", code=code, status=200)
    if name.startswith("LoginException"):
        return Reauthenticate(f"{method}: the session ended", code="session")
    return VendorRejected(
        f"{method}: {redact(name, length_max=200)}; no such model, method or field, or a fault in "
        "the server (its log says more)",
        code="server_error",
        status=200,
    )
