"""Who may call: Basic, bearer tokens, and CSRF tokens that live and die with their cookies.

Nothing here is saved: a restart or ``end_all`` signs everybody out, as a vendor's does.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

import orjson

from sandbox.sap_s4hana.odata.answers import Answer
from sandbox.sap_s4hana.ports import ClockPort
from sandbox.sap_s4hana.settings import SapSettings

__all__ = ["Security"]

#: The oldest sessions go when a client asks for tokens without end.
_SESSIONS_MAX = 10_000


class Security:
    """Sign-in state of one system."""

    def __init__(self, system_id: str, settings: SapSettings, clock: ClockPort) -> None:
        self._system_id = system_id
        self._settings = settings
        self._clock = clock
        self._made = 0
        self._tokens: dict[str, datetime] = {}
        self._sessions: dict[str, tuple[str, datetime]] = {}
        self.cookie_name = f"SAP_SESSIONID_{settings.sid}_{settings.sap_client}"

    def end_all(self) -> None:
        """Every bearer token and every session ends now."""
        self._tokens.clear()
        self._sessions.clear()

    def _secret(self, purpose: str) -> str:
        """A fresh, repeatable secret: the sandbox guards nothing but its own protocol."""
        self._made += 1
        text = f"{self._system_id}/{purpose}/{self._made}"
        return b64encode(sha256(text.encode()).digest()).decode()

    # -- who ----------------------------------------------------------------------------------

    def is_signed_in(self, headers: Mapping[str, str]) -> bool:
        """Whether the Authorization header names our user or a token that is still good."""
        kind, _, value = headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            return _basic(value) == (self._settings.username, self._settings.password)
        if kind.lower() == "bearer":
            expires_at = self._tokens.get(value.strip())
            return expires_at is not None and self._clock.now() < expires_at
        return False

    def unauthorized(self) -> Answer:
        """401 as the web dispatcher says it."""
        settings = self._settings
        realm = f"SAP NetWeaver Application Server [{settings.sid}/{settings.sap_client}]"
        return Answer(
            401,
            b"<html><head><title>Logon Error Message</title></head></html>",
            {"Content-Type": "text/html", "WWW-Authenticate": f'Basic realm="{realm}"'},
        )

    def token(self, headers: Mapping[str, str], body: bytes) -> Answer:
        """``/sap/bc/sec/oauth2/token``: client credentials, in the header or in the form."""
        form = {k: v[0] for k, v in parse_qs(body.decode("latin-1")).items()}
        kind, _, value = headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            given: tuple[str, str] | None = _basic(value)
        else:
            given = (form.get("client_id", ""), form.get("client_secret", ""))
        wanted = (self._settings.client_id, self._settings.client_secret)
        if given != wanted:
            return _token_error(401, "invalid_client")
        if form.get("grant_type") != "client_credentials":
            return _token_error(400, "unsupported_grant_type")
        token = self._secret("token").rstrip("=")
        seconds = self._settings.token_seconds
        self._tokens[token] = self._clock.now() + timedelta(seconds=seconds)
        tree = {"access_token": token, "token_type": "Bearer", "expires_in": str(seconds)}
        return Answer(
            200,
            orjson.dumps(tree),
            {"Content-Type": "application/json;charset=UTF-8", "Cache-Control": "no-store"},
        )

    # -- cross-site request forgery -------------------------------------------------------------

    def _session(self, headers: Mapping[str, str]) -> tuple[str, str] | None:
        """Session id and token of the request's cookies, when they are still good."""
        try:
            cookies = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            return None
        morsel = cookies.get(self.cookie_name)
        found = None if morsel is None else self._sessions.get(morsel.value)
        if morsel is None or found is None or self._clock.now() >= found[1]:
            return None
        return morsel.value, found[0]

    def fetch(self, headers: Mapping[str, str], answer: Answer) -> None:
        """Answer ``x-csrf-token: Fetch``: token in a header, session in cookies."""
        expires_at = self._clock.now() + timedelta(seconds=self._settings.session_seconds)
        session = self._session(headers)
        if session is None:
            session = (self._secret("session").replace("=", "-"), self._secret("csrf"))
            client = f"sap-client={self._settings.sap_client}"
            answer.cookies = [
                f"{self.cookie_name}={session[0]}; path=/; HttpOnly",
                f"sap-usercontext={client}; path=/",
            ]
            if len(self._sessions) >= _SESSIONS_MAX:
                self._sessions.pop(next(iter(self._sessions)))
        self._sessions[session[0]] = (session[1], expires_at)
        answer.headers["x-csrf-token"] = session[1]

    def refuse_forged(self, headers: Mapping[str, str]) -> Answer | None:
        """403 unless the token fits the cookies; None when it does."""
        session = self._session(headers)
        if session is not None and headers.get("x-csrf-token") == session[1]:
            return None
        return Answer(
            403,
            b"CSRF token validation failed",
            {"Content-Type": "text/plain;charset=utf-8", "x-csrf-token": "Required"},
        )


def _basic(value: str) -> tuple[str, str] | None:
    try:
        user, colon, secret = b64decode(value, validate=True).decode("utf-8").partition(":")
    except ValueError:
        return None
    return (user, secret) if colon else None


def _token_error(status: int, error: str) -> Answer:
    return Answer(status, orjson.dumps({"error": error}), {"Content-Type": "application/json"})
