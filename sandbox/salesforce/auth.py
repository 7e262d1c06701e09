"""Sessions and the four ways to get one: client credentials, JWT, password, SOAP (contract §1.1).

A session ends after ``session_seconds`` or when the fault ``token_expiry`` strikes; the next call
with it is answered 401 INVALID_SESSION_ID.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from lxml import etree

from sandbox.core.clock import Clock
from sandbox.core.faults import Fault, Faults
from sandbox.salesforce.errors import RequestError
from sandbox.salesforce.settings import Settings
from sandbox.salesforce.web import Answer, Call, json_answer

__all__ = ["Auth"]

_JWT_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_SOAP_FAULT = """<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns:sf="urn:fault.partner.soap.sforce.com"><soapenv:Body><soapenv:Fault>
<faultcode>sf:{code}</faultcode><faultstring>{code}: {message}</faultstring>
<detail><sf:LoginFault><sf:exceptionCode>{code}</sf:exceptionCode>
<sf:exceptionMessage>{message}</sf:exceptionMessage></sf:LoginFault></detail>
</soapenv:Fault></soapenv:Body></soapenv:Envelope>"""
_SOAP_REPLY = """<?xml version="1.0" encoding="UTF-8"?>
<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns="urn:partner.soap.sforce.com"><soapenv:Body><loginResponse><result>
<serverUrl>{server_url}</serverUrl><sessionId>{session_id}</sessionId>
<userId>{user_id}</userId><passwordExpired>false</passwordExpired>
<userInfo><organizationId>{organization_id}</organizationId>
<sessionSecondsValid>{seconds}</sessionSecondsValid></userInfo>
</result></loginResponse></soapenv:Body></soapenv:Envelope>"""


class Auth:
    """The org's sessions."""

    def __init__(self, settings: Settings, clock: Clock, faults: Faults) -> None:
        self._settings = settings
        self._clock = clock
        self._faults = faults
        self._ends_at: dict[str, int] = {}
        self._opened = 0
        self._public_key = settings.jwt_public_key
        self._private_key = ""
        self._host_clock = Clock()

    def credentials(self) -> dict[str, str]:
        """Everything a client may sign in with; a JWT key pair is made on the first call."""
        settings = self._settings
        if not self._public_key:
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            self._private_key = key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ).decode()
            self._public_key = (
                key.public_key()
                .public_bytes(
                    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
                )
                .decode()
            )
        return {
            "client_id": settings.client_id,
            "client_secret": settings.client_secret,
            "username": settings.username,
            "password": settings.password,
            "security_token": settings.security_token,
            "private_key": self._private_key,
        }

    def check(self, call: Call) -> None:
        """Let a call with a living session pass. Raises RequestError 401 otherwise."""
        scheme, _, session_id = call.headers.get("authorization", "").partition(" ")
        is_known = scheme.lower() in ("bearer", "oauth") and session_id in self._ends_at
        if is_known and self._faults.take(Fault.TOKEN_EXPIRY, "/".join(call.parts)):
            del self._ends_at[session_id]
            is_known = False
        if not is_known or self._ends_at[session_id] <= self._clock.epoch_milliseconds():
            raise RequestError(401, "INVALID_SESSION_ID", "Session expired or invalid")

    def expire_all(self) -> None:
        """End every session, as an administrator can."""
        self._ends_at.clear()

    def _open(self) -> str:
        self._opened += 1
        settings = self._settings
        text = f"{settings.organization_id}/{settings.seed}/{self._opened}"
        secret = base64.b64encode(hashlib.sha256(text.encode()).digest(), b"._").decode()
        session_id = f"{settings.organization_id[:15]}!{secret.rstrip('=')}"
        now = self._clock.epoch_milliseconds()
        self._ends_at = {key: end for key, end in self._ends_at.items() if end > now}
        self._ends_at[session_id] = now + settings.session_seconds * 1000
        return session_id

    def token(self, call: Call) -> Answer:
        """``POST /services/oauth2/token``."""
        form = call.form()
        grant = form.get("grant_type", "")
        if grant == "client_credentials":
            client = _basic(call) or (form.get("client_id"), form.get("client_secret"))
            is_good = client == (self._settings.client_id, self._settings.client_secret)
            refusal = ("invalid_client", "invalid client credentials")
        elif grant == "password":
            is_good = self._is_good_password_grant(form)
            refusal = ("invalid_grant", "authentication failure")
        elif grant == _JWT_GRANT:
            is_good = self._is_good_assertion(form.get("assertion", ""), call.base_url)
            refusal = ("invalid_grant", "invalid assertion")
        else:
            is_good = False
            refusal = ("unsupported_grant_type", "grant type not supported")
        if not is_good:
            return json_answer({"error": refusal[0], "error_description": refusal[1]}, 400)
        return json_answer(self._token_body(call.base_url))

    def _token_body(self, base_url: str) -> dict[str, Any]:
        settings = self._settings
        session_id = self._open()
        issued_at = str(self._clock.epoch_milliseconds())
        signature = hashlib.sha256(f"{session_id}{issued_at}".encode()).digest()
        return {
            "access_token": session_id,
            "instance_url": base_url,
            "id": f"{base_url}/id/{settings.organization_id}/{settings.user_id}",
            "token_type": "Bearer",
            "issued_at": issued_at,
            "signature": base64.b64encode(signature).decode(),
            "scope": "api",
        }

    def _is_good_password_grant(self, form: Mapping[str, str]) -> bool:
        settings = self._settings
        passwords = (settings.password, settings.password + settings.security_token)
        return (
            form.get("client_id") == settings.client_id
            and form.get("client_secret") == settings.client_secret
            and form.get("username") == settings.username
            and form.get("password") in passwords
        )

    def _is_good_assertion(self, assertion: str, base_url: str) -> bool:
        """A JWT signed by our consumer. ``exp`` may be text.

        It has ended when both the org's clock and this machine's say so: a sandbox set to another
        date must not lock out clients that live today.
        """
        if not self._public_key:
            return False
        options = {"verify_exp": False, "verify_aud": False, "verify_iat": False}
        try:
            claims = jwt.decode(
                assertion,
                self._public_key,
                algorithms=["RS256"],
                options=options,  # type: ignore[arg-type]
            )
            ends_at = int(claims["exp"]) * 1000
        except (jwt.PyJWTError, KeyError, TypeError, ValueError):
            return False
        audience = str(claims.get("aud", ""))
        now = min(self._clock.epoch_milliseconds(), self._host_clock.epoch_milliseconds())
        return (
            claims.get("iss") == self._settings.client_id
            and claims.get("sub") == self._settings.username
            and (audience == base_url or audience.endswith(".salesforce.com"))
            and ends_at > now
        )

    def soap_login(self, call: Call) -> Answer:
        """``POST /services/Soap/u/<version>`` with SOAPAction login."""
        settings = self._settings
        try:
            root = etree.fromstring(call.body, etree.XMLParser(resolve_entities=False))
        except etree.XMLSyntaxError as error:
            return _soap(
                500, _SOAP_FAULT.format(code="UNKNOWN_EXCEPTION", message=escape(str(error)))
            )
        found = {etree.QName(node).localname: node.text or "" for node in root.iter("{*}*")}
        expected = [settings.password + settings.security_token]
        if "organizationId" in found:  # a login from a trusted address carries no token
            expected.append(settings.password)
        if found.get("username") != settings.username or found.get("password") not in expected:
            message = "Invalid username, password, security token; or user locked out."
            return _soap(500, _SOAP_FAULT.format(code="INVALID_LOGIN", message=message))
        version = call.parts[-1]
        body = _SOAP_REPLY.format(
            server_url=f"{call.base_url}/services/Soap/u/{version}/{settings.organization_id[:15]}",
            session_id=escape(self._open()),
            user_id=settings.user_id,
            organization_id=settings.organization_id,
            seconds=settings.session_seconds,
        )
        return _soap(200, body)


def _soap(status: int, text: str) -> Answer:
    return Answer(status, text.encode(), "text/xml;charset=UTF-8")


def _basic(call: Call) -> tuple[str, str] | None:
    """User and password of a Basic header."""
    scheme, _, encoded = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return user, password
