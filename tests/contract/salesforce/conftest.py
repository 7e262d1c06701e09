"""simple-salesforce, as it is published, signed in to an org on loopback."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce, SalesforceLogin

from sandbox.core.clock import Clock
from sandbox.core.faults import Faults, faulty
from sandbox.core.tls import Certificate
from sandbox.salesforce import SalesforceApp, Settings, create_app

#: The default org, and one where every unverified switch stands the other way.
SETTINGS = {
    "default": Settings(),
    "switched": Settings(
        numbers_are_scientific=True,
        upsert_update_answers_204=True,
        stamps_whole_seconds=True,
        locator_shows_current=True,
        shuffles_unordered=True,
    ),
}


class Rewrite(HTTPAdapter):
    """Sends what was meant for ``*.salesforce.com`` to the sandbox (contract §0, way B)."""

    def __init__(self, base_url: str) -> None:
        super().__init__()
        self._base_url = base_url

    def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        parts = urlsplit(request.url)
        query = f"?{parts.query}" if parts.query else ""
        request.url = f"{self._base_url}{parts.path}{query}"
        return super().send(request, *args, **kwargs)


@dataclass
class Served:
    """An org on a port, and how to reach it."""

    app: SalesforceApp
    faults: Faults
    settings: Settings
    base_url: str
    session: requests.Session

    def client(self) -> Salesforce:
        """A client that signed in itself, so that it can do so again."""
        return Salesforce(
            username=self.settings.username,
            password=self.settings.password,
            security_token=self.settings.security_token,
            session=self.session,
            version="59.0",
            parse_float=Decimal,
        )


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as opened:
        opened.trust_env = False
        yield opened


@pytest.fixture
def serve_org(serve_app: Callable[..., str], session: requests.Session) -> Callable[..., Served]:
    """``serve_org(page_rows_max=2)`` serves an org over plain http."""

    def start(settings: Settings = SETTINGS["default"], **changes: Any) -> Served:
        settings = replace(settings, **changes)
        faults = Faults()
        app = create_app("crm", clock=Clock(), faults=faults, settings=settings)
        base_url = serve_app(faulty(app, faults, "crm"))
        session.mount("https://", Rewrite(base_url))
        return Served(app, faults, settings, base_url, session)

    return start


@pytest.fixture(params=sorted(SETTINGS))
def org(request: pytest.FixtureRequest, serve_org: Callable[..., Served]) -> Served:
    """An org, once with every unverified switch as it is, once the other way."""
    return serve_org(SETTINGS[request.param])


@pytest.fixture
def sf(org: Served) -> Salesforce:
    return org.client()


@pytest.fixture
def tls_sf(
    serve_app: Callable[..., str], session: requests.Session, certificate: Certificate
) -> Salesforce:
    """Way A: TLS, scratch_url, nothing rewritten."""
    settings = Settings()
    app = create_app("crm", clock=Clock(), faults=Faults(), settings=settings)
    base_url = serve_app(app, certificate=certificate)
    session.verify = str(certificate.ca_path)
    session_id, host = SalesforceLogin(
        username=settings.username,
        password=settings.password,
        security_token=settings.security_token,
        scratch_url=base_url,
        session=session,
        sf_version="59.0",
    )
    assert base_url == f"https://{host}"
    return Salesforce(session_id=session_id, instance_url=base_url, version="59.0", session=session)
