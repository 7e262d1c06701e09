"""Who may ask: WS-Security for SOAP, OAuth tokens or Basic for the rest."""

import binascii
import hmac
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from urllib.parse import parse_qs

from lxml import etree

from sandbox.core.faults import Fault, Faults
from sandbox.workday.books import ClockPort
from sandbox.workday.settings import WorkdaySettings
from sandbox.workday.trees import SOAP, ServiceFault

__all__ = ["Security"]

_WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
_TEXT = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0"


@dataclass
class Security:
    """One integration user and one API client of a tenant."""

    settings: WorkdaySettings
    clock: ClockPort
    faults: Faults
    tokens: dict[str, datetime] = field(default_factory=dict)
    """Token to the instant it ends."""
    issued: int = 0

    @property
    def username(self) -> str:
        """The integration user as SOAP and Basic name it."""
        return f"{self.settings.username}@{self.settings.tenant}"

    def credentials(self) -> Mapping[str, str]:
        """Sign-in data for the endpoints file."""
        settings = self.settings
        return {
            "username": settings.username,
            "password": settings.password,
            "tenant": settings.tenant,
            "client_id": settings.client_id,
            "client_secret": settings.client_secret,
            "refresh_token": settings.refresh_token,
        }

    def end_sessions(self) -> None:
        """Every token ends now."""
        self.tokens.clear()

    def check_soap(self, envelope: etree._Element) -> None:
        """Raises ServiceFault unless the header holds the user's name and password."""
        token = f"{{{SOAP}}}Header/{{{_WSSE}}}Security/{{{_WSSE}}}UsernameToken"
        name = envelope.findtext(f"{token}/{{{_WSSE}}}Username") or ""
        password = envelope.find(f"{token}/{{{_WSSE}}}Password")
        given = (password.text or "") if password is not None else ""
        kind = (password.get("Type") or f"{_TEXT}#PasswordText") if password is not None else ""
        is_known = hmac.compare_digest(name.strip(), self.username)
        is_right = hmac.compare_digest(given, self.settings.password)
        if not (is_known and is_right and kind.endswith("#PasswordText")):
            raise ServiceFault("Client.authenticationError", "invalid username or password")

    def is_let_in(self, headers: Mapping[str, str], *, allows_basic: bool, where: str) -> bool:
        """Whether a request has a living token, or, for reports, the user's password."""
        if self.faults.take(Fault.TOKEN_EXPIRY, where):
            self.end_sessions()
        scheme, _, value = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            ends_at = self.tokens.get(value.strip())
            return ends_at is not None and ends_at > self.clock.now()
        if scheme.lower() == "basic" and allows_basic:
            name, password = _basic(value)
            names = (self.username, self.settings.username)
            return name in names and hmac.compare_digest(password, self.settings.password)
        return False

    def token(self, headers: Mapping[str, str], body: bytes) -> tuple[int, dict[str, object]]:
        """An answer of the token endpoint: refresh token or client credentials."""
        form = {name: values[0] for name, values in parse_qs(body.decode("latin-1")).items()}
        scheme, _, value = headers.get("authorization", "").partition(" ")
        client = (
            _basic(value)
            if scheme.lower() == "basic"
            else (form.get("client_id", ""), form.get("client_secret", ""))
        )
        settings = self.settings
        if client != (settings.client_id, settings.client_secret):
            return 401, {"error": "invalid_client"}
        grant = form.get("grant_type", "")
        if grant == "refresh_token" and form.get("refresh_token") != settings.refresh_token:
            return 400, {"error": "invalid_grant"}
        if grant not in ("refresh_token", "client_credentials"):
            return 400, {"error": "unsupported_grant_type"}
        self.issued += 1
        token = f"wd-token-{self.issued:06}"
        self.tokens[token] = self.clock.now() + timedelta(seconds=settings.token_seconds)
        return 200, {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": settings.token_seconds,
        }


def _basic(value: str) -> tuple[str, str]:
    try:
        name, _, password = b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, password
