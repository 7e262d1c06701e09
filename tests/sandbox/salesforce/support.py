"""An org called without sockets."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode

from ingestion.common.transport import Request, Response
from sandbox.core.clock import Clock
from sandbox.core.faults import Faults, faulty
from sandbox.salesforce import Settings, create_app
from tests.support.serving import asgi_transport

DATA = "/services/data/v59.0"


class Ticks:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Caller:
    """A signed-in client of a fresh org; ``ticks.seconds`` moves its time."""

    def __init__(self, state: Any = None, **settings: Any) -> None:
        self.ticks = Ticks()
        self.clock = Clock(datetime(2026, 1, 31, 8, tzinfo=UTC), monotonic=self.ticks)
        self.faults = Faults()
        self.settings = replace(Settings(), **settings)
        self.app = create_app(
            "crm", clock=self.clock, faults=self.faults, settings=self.settings, state=state
        )
        transport, urls = asgi_transport({"crm": faulty(self.app, self.faults, "crm")})
        self._transport, self._url = transport, urls["crm"]
        self.token = ""

    async def sign_in(self) -> None:
        form = {
            "grant_type": "client_credentials",
            "client_id": self.settings.client_id,
            "client_secret": self.settings.client_secret,
        }
        url = f"{self._url}/services/oauth2/token"
        answer = await self._transport.send(Request("POST", url, body=urlencode(form).encode()))
        self.token = json.loads(answer.body)["access_token"]

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> Response:
        """One call; a body that is not bytes goes as JSON."""
        if not self.token:
            await self.sign_in()
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        named["Authorization"] = f"Bearer {self.token}"
        url = f"{self._url}{path if path.startswith('/services') else DATA + path}"
        return await self._transport.send(Request(method, url, named, data))

    async def json(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """One call's body, numbers as Decimal."""
        answer = await self.send(method, path, body, **headers)
        return json.loads(answer.body, parse_float=Decimal) if answer.body else None

    async def query(self, text: str) -> list[dict[str, Any]]:
        """Every row of a query."""
        tree = await self.json("GET", f"/query/?q={quote(text)}")
        assert isinstance(tree, dict), tree
        rows = list(tree["records"])
        while not tree["done"]:
            tree = await self.json("GET", tree["nextRecordsUrl"])
            rows += tree["records"]
        return rows

    async def error(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Status and error code of a refused call."""
        answer = await self.send(method, path, body, **headers)
        return answer.status, json.loads(answer.body)[0]["errorCode"]
