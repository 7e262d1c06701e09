"""Entra's token endpoint and who may call: client credentials, bearer tokens that end.

Nothing here is saved: a restart or ``end_all`` signs everybody out.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from urllib.parse import parse_qs

from sandbox.dynamics365_finance.odata.answers import Answer
from sandbox.dynamics365_finance.ports import ClockPort
from sandbox.dynamics365_finance.settings import D365Settings

__all__ = ["Security"]

_JSON = {"Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store"}


class Security:
    """Sign-in state of one environment."""

    def __init__(self, system_id: str, settings: D365Settings, clock: ClockPort) -> None:
        self._system_id = system_id
        self._settings = settings
        self._clock = clock
        self._made = 0
        self._tokens: dict[str, datetime] = {}
        self.token_path = f"/{settings.tenant}/oauth2/v2.0/token"

    def end_all(self) -> None:
        """Every token ends now."""
        self._tokens.clear()

    def is_signed_in(self, headers: Mapping[str, str]) -> bool:
        """Whether the request carries a token that is still good."""
        kind, _, value = headers.get("authorization", "").partition(" ")
        expires_at = self._tokens.get(value.strip()) if kind.lower() == "bearer" else None
        return expires_at is not None and self._clock.now() < expires_at

    @staticmethod
    def unauthorized() -> Answer:
        """401 as the gateway says it: no body, a challenge."""
        challenge = 'Bearer authorization_uri="https://login.windows.net/common/oauth2/authorize"'
        return Answer(401, b"", {"WWW-Authenticate": challenge})

    def token(self, body: bytes) -> Answer:
        """A token for client credentials; the scope is our own address with ``/.default``."""
        form = {name: values[0] for name, values in parse_qs(body.decode("latin-1")).items()}
        settings = self._settings
        if form.get("grant_type") != "client_credentials":
            return _refused(400, "unsupported_grant_type", "AADSTS70003")
        if not form.get("scope", "").endswith("/.default"):
            return _refused(400, "invalid_scope", "AADSTS1002012")
        given = (form.get("client_id", ""), form.get("client_secret", ""))
        if given != (settings.client_id, settings.client_secret):
            return _refused(401, "invalid_client", "AADSTS7000215")
        self._made += 1
        text = f"{self._system_id}/token/{self._made}"
        token = sha256(text.encode()).hexdigest()
        self._tokens[token] = self._clock.now() + timedelta(seconds=settings.token_seconds)
        tree = {
            "token_type": "Bearer",
            "expires_in": settings.token_seconds,
            "ext_expires_in": settings.token_seconds,
            "access_token": token,
        }
        return Answer(200, json.dumps(tree).encode(), _JSON)


def _refused(status: int, error: str, code: str) -> Answer:
    tree = {
        "error": error,
        "error_description": f"{code}: the request was refused.",
        "error_codes": [int(code.removeprefix("AADSTS"))],
    }
    return Answer(status, json.dumps(tree).encode(), _JSON)
