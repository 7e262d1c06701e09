"""A sandboxed environment on a real port, with every unverified switch as it is and turned."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
import requests

from sandbox.core.clock import Clock
from sandbox.core.faults import Faults
from sandbox.dynamics365_finance import D365Company, D365Settings, create_app

TURNED = {
    "next_link": "key",
    "open_transactions_entity": "ZCustTrans",
    "settled_invoices_entity": "CustomerPaymentJournalLineSettledInvoices",
    "post_action": "postJournal",
    "page_size": 2,
}


class Environment:
    """A served environment and a signed-in session of ``requests``: no code of ours in between."""

    def __init__(self, serve_app: Callable[..., str], **settings: Any) -> None:
        known = {
            "companies": {
                "usmf": D365Company("USD", open_from=date(2026, 1, 1)),
                "jpmf": D365Company("JPY"),
            },
            "page_size": 3,
            "posting_lag_seconds": 0,
        }
        self.settings = D365Settings(**{**known, **settings})
        self.clock = Clock(datetime(2026, 5, 22, 8, tzinfo=UTC))
        self.app = create_app("d365", clock=self.clock, faults=Faults(), settings=self.settings)
        self.url = serve_app(self.app)
        self.session = requests.Session()
        self.session.trust_env = False
        self.sign_in()

    def sign_in(self) -> None:
        """Ask the token endpoint as any OAuth library does."""
        answer = self.session.post(
            f"{self.url}/{self.settings.tenant}/oauth2/v2.0/token",
            data={
                "grant_type": "client_credentials",
                "client_id": self.settings.client_id,
                "client_secret": self.settings.client_secret,
                "scope": f"{self.url}/.default",
            },
            timeout=10,
        )
        assert answer.status_code == 200
        self.session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def call(self, method: str, path: str, **more: Any) -> requests.Response:
        """One request below ``/data/``."""
        return self.session.request(method, f"{self.url}/data/{path}", timeout=10, **more)

    def close(self) -> None:
        self.session.close()


@pytest.fixture(params=[{}, TURNED], ids=["as they are", "turned"])
def environment(
    request: pytest.FixtureRequest, serve_app: Callable[..., str]
) -> Iterator[Environment]:
    made = Environment(serve_app, **request.param)
    body = {"dataAreaId": "usmf", "CustomerAccount": "C1", "OrganizationName": "Sysco Foods"}
    assert made.call("POST", "CustomersV3", json=body).status_code == 201
    yield made
    made.close()
