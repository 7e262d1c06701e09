"""How a request to NetSuite proves who sends it: token-based (OAuth 1.0) or OAuth 2.0 M2M.

Pure: it makes headers and forms and sends nothing. A signature covers method, address and query,
never the body (``oauth_body_hash`` is optional and left out).
"""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from ingestion.common.config import System
from ingestion.common.errors import ConfigError

__all__ = ["TOKEN_PATH", "login_way", "signed_header", "token_form"]

TOKEN_PATH = "/services/rest/auth/oauth2/v1/token"  # noqa: S105 - a path
_NEEDS = {
    "m2m": {"client_id", "certificate_id", "private_key"},
    "tba": {"account_id", "consumer_key", "consumer_secret", "token_id", "token_secret"},
}
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#: Far below the hour that NetSuite allows: the assertion is used at once.
_ASSERTION_LIFE = timedelta(minutes=5)


def login_way(system: System) -> str:
    """``m2m`` or ``tba``, by option ``login``, else by the credentials that are there.

    Raises:
        ConfigError: the option names no way, or credentials are missing.
    """
    present = {name for name, value in system.credentials.items() if value}
    wanted = str(system.options.get("login", ""))
    if wanted and wanted not in _NEEDS:
        raise ConfigError(
            f"systems.{system.system_id}.options.login: {wanted!r} is none of tba, m2m",
            code="unknown_login",
        )
    for way in (wanted,) if wanted else tuple(_NEEDS):
        if _NEEDS[way] <= present:
            return way
    missing = ", ".join(sorted(_NEEDS[wanted or "m2m"] - present))
    raise ConfigError(
        f"{system.system_id}: no credentials for {wanted or 'm2m'} (missing {missing}); set "
        f"LEDGERLOOP_CREDENTIALS_{system.system_id.upper()}_<NAME>",
        code="no_credentials",
    )


def _encoded(text: str) -> str:
    return quote(text, safe="-._~")


def signed_header(
    credentials: Mapping[str, str], method: str, url: str, *, nonce: str, now: datetime
) -> str:
    """The ``Authorization`` header of one request, signed with HMAC-SHA256."""
    parts = urlsplit(url)
    oauth = {
        "oauth_consumer_key": credentials["consumer_key"],
        "oauth_nonce": nonce,
        "oauth_signature_method": "HMAC-SHA256",
        "oauth_timestamp": str(int(now.timestamp())),
        "oauth_token": credentials["token_id"],
        "oauth_version": "1.0",
    }
    pairs: Sequence[tuple[str, str]] = [
        *parse_qsl(parts.query, keep_blank_values=True),
        *oauth.items(),
    ]
    normal = "&".join(f"{k}={v}" for k, v in sorted((_encoded(k), _encoded(v)) for k, v in pairs))
    host = (parts.hostname or "").lower()
    default = {"http": 80, "https": 443}.get(parts.scheme)
    port = "" if parts.port in (None, default) else f":{parts.port}"
    address = f"{parts.scheme.lower()}://{host}{port}{parts.path}"
    base = "&".join(_encoded(one) for one in (method.upper(), address, normal))
    key = f"{_encoded(credentials['consumer_secret'])}&{_encoded(credentials['token_secret'])}"
    digest = hmac.new(key.encode(), base.encode(), hashlib.sha256).digest()
    oauth["oauth_signature"] = b64encode(digest).decode()
    shown = ", ".join(f'{name}="{_encoded(value)}"' for name, value in oauth.items())
    return f'OAuth realm="{_encoded(credentials["account_id"])}", {shown}'


def token_form(credentials: Mapping[str, str], token_url: str, now: datetime) -> bytes:
    """The form of a token request: an assertion signed with the certificate's private key.

    Raises:
        ConfigError: the private key is no PEM of an RSA or EC key.
    """
    import jwt
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    pem = credentials["private_key"].replace("\\n", "\n").encode()
    try:
        key = serialization.load_pem_private_key(pem, None)
        algorithm = "ES256" if isinstance(key, ec.EllipticCurvePrivateKey) else "PS256"
        assertion = jwt.encode(
            {
                "iss": credentials["client_id"],
                "scope": ["rest_webservices"],
                "aud": token_url,
                "iat": int(now.timestamp()),
                "exp": int((now + _ASSERTION_LIFE).timestamp()),
            },
            credentials["private_key"].replace("\\n", "\n"),
            algorithm=algorithm,
            headers={"kid": credentials["certificate_id"]},
        )
    except (ValueError, TypeError, jwt.PyJWTError) as error:
        raise ConfigError(
            f"private_key is not the PEM of an RSA or EC key without a passphrase: "
            f"{type(error).__name__}",
            code="bad_private_key",
        ) from error
    return urlencode(
        {
            "grant_type": "client_credentials",
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": assertion,
        }
    ).encode()
