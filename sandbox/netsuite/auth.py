"""Signing in: token-based (OAuth 1.0a, HMAC-SHA256), or OAuth 2.0 with a certificate.

The signature is checked over every ``oauth_*`` parameter that came, ``oauth_body_hash`` included
(clients built on authlib send one), with oauthlib, which the product does not use: what it signs
is judged by somebody else's code. A nonce is good once. Tokens end after ``token_seconds`` or when
the fault ``token_expiry`` strikes.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from types import SimpleNamespace
from urllib.parse import parse_qs, unquote

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from oauthlib.oauth1.rfc5849 import signature  # type: ignore[import-untyped]

from sandbox.core.clock import Clock
from sandbox.core.faults import Fault, Faults
from sandbox.netsuite.errors import RequestRefused
from sandbox.netsuite.settings import NetSuiteSettings
from sandbox.netsuite.web import Answer, Call, json_answer

__all__ = ["TOKEN_PARTS", "Auth", "invalid_login"]

TOKEN_PARTS = ("auth", "oauth2", "v1", "token")
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ALGORITHMS = ["PS256", "PS384", "PS512", "ES256", "ES384", "ES512"]
_SCOPES = {"restlets", "rest_webservices", "suite_analytics"}
_ASSERTION_SECONDS_MAX = 3_600


def invalid_login() -> RequestRefused:
    """The 401 that everything wrong with signing in is answered with."""
    return RequestRefused(
        401,
        "INVALID_LOGIN",
        "Invalid login attempt. For more details, see the Login Audit Trail in the NetSuite UI at "
        "Setup > Users/Roles > User Management > View Login Audit Trail.",
        headers={"WWW-Authenticate": 'OAuth realm="", error="token_rejected"'},
    )


class Auth:
    """The account's integrations, tokens and nonces. Signatures are dated by the host's clock."""

    def __init__(self, settings: NetSuiteSettings, clock: Clock, faults: Faults) -> None:
        self._settings = settings
        self._clock = clock
        self._host_clock = Clock()
        self._faults = faults
        self._nonces: set[tuple[str, str]] = set()
        self._ends_at: dict[str, int] = {}
        self._opened = 0
        self._private_key = ""
        self._public_key = ""

    def credentials(self) -> dict[str, str]:
        """Everything a client may sign in with; the certificate's key pair is made here."""
        if not self._private_key:
            key = ec.generate_private_key(ec.SECP256R1())
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
        settings = self._settings
        return {
            "account_id": settings.account_id,
            "consumer_key": settings.consumer_key,
            "consumer_secret": settings.consumer_secret,
            "token_id": settings.token_id,
            "token_secret": settings.token_secret,
            "client_id": settings.client_id,
            "certificate_id": settings.certificate_id,
            "private_key": self._private_key,
        }

    def register_certificate(self, certificate_id: str, public_key: str) -> None:
        """Take another public key, as an administrator uploads a certificate."""
        assert certificate_id == self._settings.certificate_id
        self._public_key = public_key

    def expire_all(self) -> None:
        """End every OAuth 2.0 token."""
        self._ends_at.clear()

    # -- requests -------------------------------------------------------------------------------

    def check(self, call: Call, url: str, query: str) -> None:
        """Let a signed request pass. Raises RequestRefused 401 otherwise.

        Args:
            call: the request.
            url: scheme, host and path as the client wrote them.
            query: the raw query.
        """
        scheme, _, rest = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            self._check_bearer(rest.strip(), call)
        elif scheme.lower() == "oauth":
            self._check_signature(rest, call, url, query)
        else:
            raise invalid_login()

    def _check_bearer(self, token: str, call: Call) -> None:
        place = "/".join(call.parts)
        if token in self._ends_at and self._faults.take(Fault.TOKEN_EXPIRY, place):
            del self._ends_at[token]
        if self._ends_at.get(token, 0) <= self._clock.epoch_milliseconds():
            raise invalid_login()

    def _check_signature(self, header: str, call: Call, url: str, query: str) -> None:
        given = _parameters(header)
        settings = self._settings
        names = {
            "realm": settings.account_id,
            "oauth_consumer_key": settings.consumer_key,
            "oauth_token": settings.token_id,
            "oauth_signature_method": "HMAC-SHA256",
        }
        if any(given.get(name) != value for name, value in names.items()):
            raise invalid_login()
        self._check_nonce(given)
        signed = [(k, v) for k, v in given.items() if k not in ("realm", "oauth_signature")]
        pairs = signature.collect_parameters(uri_query=query) + signed
        request = SimpleNamespace(
            http_method=call.method,
            uri=url,
            params=pairs,
            signature=given.get("oauth_signature", ""),
        )
        if not signature.verify_hmac_sha256(
            request, settings.consumer_secret, settings.token_secret
        ):
            raise invalid_login()
        body_hash = given.get("oauth_body_hash")
        if body_hash is not None:
            digests = (hashlib.sha256(call.body), hashlib.sha1(call.body))  # noqa: S324 - clients'
            fitting = [base64.b64encode(one.digest()).decode() for one in digests]
            if not any(hmac.compare_digest(body_hash, one) for one in fitting):
                raise invalid_login()

    def _check_nonce(self, given: Mapping[str, str]) -> None:
        nonce, stamp = given.get("oauth_nonce", ""), given.get("oauth_timestamp", "")
        if not nonce or not stamp.isdigit():
            raise invalid_login()
        now = self._host_clock.epoch_milliseconds() // 1000
        is_old = abs(now - int(stamp)) > self._settings.clock_skew_seconds
        if is_old or (stamp, nonce) in self._nonces:
            raise invalid_login()
        self._nonces.add((stamp, nonce))

    # -- tokens ---------------------------------------------------------------------------------

    def token(self, call: Call, url: str) -> Answer:
        """``POST /auth/oauth2/v1/token``: a signed assertion for a bearer token."""
        form = {k: v[0] for k, v in parse_qs(call.body.decode("utf-8", "replace")).items()}
        is_asked_rightly = (
            form.get("grant_type") == "client_credentials"
            and form.get("client_assertion_type") == _ASSERTION_TYPE
        )
        if not is_asked_rightly or not self._is_good_assertion(
            form.get("client_assertion", ""), url
        ):
            return json_answer({"error": "invalid_grant"}, status=400)
        self._opened += 1
        seed = f"{self._settings.account_id}/{self._opened}/{self._private_key}"
        token = hashlib.sha256(seed.encode()).hexdigest()
        seconds = self._settings.token_seconds
        self._ends_at[token] = self._clock.epoch_milliseconds() + seconds * 1000
        return json_answer(
            {"access_token": token, "expires_in": str(seconds), "token_type": "bearer"}
        )

    def _is_good_assertion(self, assertion: str, url: str) -> bool:
        try:
            head = jwt.get_unverified_header(assertion)
            claims = jwt.decode(
                assertion,
                self._public_key,
                algorithms=_ALGORITHMS,
                audience=url,
                issuer=self._settings.client_id,
                options={"require": ["iss", "scope", "aud", "iat", "exp"]},
            )
        except jwt.PyJWTError:
            return False
        scope = claims["scope"]
        scopes = set(scope.replace(",", " ").split()) if isinstance(scope, str) else set(scope)
        return (
            head.get("kid") == self._settings.certificate_id
            and bool(scopes)
            and scopes <= _SCOPES
            and claims["exp"] - claims["iat"] <= _ASSERTION_SECONDS_MAX
        )


def _parameters(header: str) -> dict[str, str]:
    """The parameters of an ``Authorization: OAuth`` header, decoded."""
    found = {}
    for part in header.split(","):
        name, _, value = part.strip().partition("=")
        found[unquote(name)] = unquote(value.strip().strip('"'))
    return found
