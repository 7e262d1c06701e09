"""The four ways into a Salesforce org, chosen by the credentials that are present.

``private_key`` → JWT bearer; ``client_id`` and ``client_secret`` → client credentials; ``username``
and ``password`` → SOAP login. Option ``login`` (``jwt``, ``client_credentials``, ``password``,
``soap``) decides where several are possible. It keeps no session: the client does.
"""

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode, urlsplit
from xml.sax.saxutils import escape

from lxml import etree

from ingestion.common.config import System
from ingestion.common.errors import (
    ConfigError,
    LedgerloopError,
    OutcomeUnknown,
    RetryLater,
    VendorAnswerInvalid,
    VendorRejected,
)
from ingestion.common.transport import Request, Response, Transport
from ingestion.salesforce.answers import error_of, parse_json
from ingestion.salesforce.settings import API_VERSION, READ_STATUS_ACTIONS

__all__ = ["Session", "log_in", "login_way"]

_TOKEN_PATH = "/services/oauth2/token"  # noqa: S105 # a path
_NEEDS = {
    "jwt": {"client_id", "username", "private_key"},
    "client_credentials": {"client_id", "client_secret"},
    "password": {"client_id", "client_secret", "username", "password"},
    "soap": {"username", "password"},
}
#: The order of preference when the option is not set.
_PREFERRED = ("jwt", "client_credentials", "soap")
_ENVELOPE = """<?xml version="1.0" encoding="utf-8"?>
<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/"
 xmlns:n="urn:partner.soap.sforce.com"><env:Body><n:login><n:username>{username}</n:username>
<n:password>{password}</n:password></n:login></env:Body>
</env:Envelope>"""


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in session and the host it is good for."""

    token: str
    base_url: str


def login_way(system: System) -> str:
    """The way to sign in.

    Raises:
        ConfigError: the option names no way, or credentials are missing.
    """
    present = {name for name, value in system.credentials.items() if value}
    wanted = str(system.options.get("login", ""))
    if wanted and wanted not in _NEEDS:
        raise ConfigError(
            f"systems.{system.system_id}.options.login: {wanted!r} is none of "
            f"{', '.join(sorted(_NEEDS))}",
            code="unknown_login",
        )
    ways = (wanted,) if wanted else _PREFERRED
    for way in ways:
        if _NEEDS[way] <= present:
            return way
    missing = ", ".join(sorted(_NEEDS[ways[0]] - present))
    raise ConfigError(
        f"{system.system_id}: no credentials for a {wanted or 'known'} login (missing {missing}); "
        f"set LEDGERLOOP_CREDENTIALS_{system.system_id.upper()}_<NAME>",
        code="no_credentials",
    )


async def log_in(system: System, transport: Transport, now: datetime) -> Session:
    """Sign in. ``now`` dates a JWT.

    Raises:
        VendorRejected: the credentials were refused; ConfigError: they are not there.
        RetryLater: no answer (signing in has no effect that could be doubled).
    """
    way = login_way(system)
    base_url = str(system.options.get("login_url", "") or system.base_url).rstrip("/")
    if way == "soap":
        return await _soap(system.credentials, base_url, transport)
    form, headers = _form(way, system, now)
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    token_url = str(system.options.get("token_url", "") or base_url + _TOKEN_PATH)
    response = await _sent(transport, Request("POST", token_url, headers, urlencode(form).encode()))
    tree = parse_json(response.body, "login")
    if not isinstance(tree, dict) or not tree.get("access_token"):
        raise VendorAnswerInvalid("login: the answer has no access_token", code="no_token")
    return Session(str(tree["access_token"]), _host(str(tree.get("instance_url", "")), base_url))


def _form(way: str, system: System, now: datetime) -> tuple[dict[str, str], dict[str, str]]:
    held = system.credentials
    if way == "client_credentials":
        pair = f"{held['client_id']}:{held['client_secret']}"
        return {"grant_type": "client_credentials"}, {
            "Authorization": "Basic " + b64encode(pair.encode()).decode()
        }
    if way == "password":
        return {
            "grant_type": "password",
            "client_id": held["client_id"],
            "client_secret": held["client_secret"],
            "username": held["username"],
            "password": held["password"] + held.get("security_token", ""),
        }, {}
    import jwt

    claims = {
        "iss": held["client_id"],
        "sub": held["username"],
        "aud": str(system.options.get("login_audience", "https://login.salesforce.com")),
        # As text: that is what the vendor's own clients send (contracts §1.1).
        "exp": str(int((now + timedelta(minutes=3)).timestamp())),
    }
    assertion = jwt.encode(claims, held["private_key"], algorithm="RS256")
    return {
        "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "assertion": assertion,
    }, {}


async def _soap(held: Mapping[str, str], base_url: str, transport: Transport) -> Session:
    envelope = _ENVELOPE.format(
        username=escape(held["username"]),
        password=escape(held["password"] + held.get("security_token", "")),
    )
    request = Request(
        "POST",
        f"{base_url}/services/Soap/u/{API_VERSION}",
        {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": "login"},
        envelope.encode(),
    )
    response = await _sent(transport, request)
    try:
        root = etree.fromstring(
            response.body, etree.XMLParser(resolve_entities=False, no_network=True)
        )
    except etree.XMLSyntaxError as error:
        raise VendorAnswerInvalid(
            f"login: the answer is not XML: {error}", code="not_xml"
        ) from None
    found = {etree.QName(node).localname: node.text or "" for node in root.iter("{*}*")}
    if not found.get("sessionId"):
        raise VendorAnswerInvalid("login: the answer has no sessionId", code="no_token")
    return Session(found["sessionId"], _host(found.get("serverUrl", ""), base_url))


async def _sent(transport: Transport, request: Request) -> Response:
    try:
        response = await transport.send(request)
    except OutcomeUnknown as error:
        raise RetryLater(error.message, code="login_no_answer") from error
    if response.status == 200:
        return response
    error_found: LedgerloopError = error_of(response, "login", READ_STATUS_ACTIONS)
    if isinstance(error_found, RetryLater) and not _is_soap_fault(response):
        raise error_found
    raise VendorRejected(
        f"{error_found.message}: check the credentials and the connected app",
        code=error_found.code,
        status=response.status,
    )


def _is_soap_fault(response: Response) -> bool:
    return b"Fault" in response.body[:4096]


def _host(address: str, base_url: str) -> str:
    """The host that the reply names for later calls; credentials never leave https for http."""
    parts = urlsplit(address)
    if not parts.netloc or (parts.scheme != "https" and urlsplit(base_url).scheme == "https"):
        return base_url
    return f"{parts.scheme}://{parts.netloc}"
