"""The PyPI client ``netsuite`` (async, httpx, authlib) unmodified against the sandbox, on a socket.

It builds https addresses of NetSuite's own domain; the one way to point it elsewhere is its own
method ``_make_url``, as its documentation for proxies has it.
"""

import asyncio
import warnings
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest

from sandbox.core.clock import Clock
from sandbox.core.faults import Faults
from sandbox.netsuite import NetSuiteSettings, create_app

with warnings.catch_warnings():
    # authlib announces its own successor when it is imported, and asks to be always heard.
    from authlib.deprecate import AuthlibDeprecationWarning

    warnings.simplefilter("ignore", AuthlibDeprecationWarning)
    from netsuite import Config, NetSuiteRestApi, TokenAuth
    from netsuite.exceptions import NetsuiteAPIRequestError

#: The client uses names of httpx and oauthlib that both would rather not see any more.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:use sign_hmac_sha256_with_client:DeprecationWarning"),
]

Run = Callable[[Callable[[NetSuiteRestApi], Coroutine[Any, Any, Any]]], Any]


@pytest.fixture
def run(serve_app: Callable[..., str]) -> Run:
    """``run(work)`` with a client on a fresh account of one customer and two invoices."""
    app = create_app(
        "ns",
        clock=Clock(datetime(2026, 5, 22, 8, tzinfo=UTC)),
        faults=Faults(),
        settings=NetSuiteSettings(page_rows_max=2),
    )
    base_url = serve_app(app)
    held = app.credentials()

    class LoopbackApi(NetSuiteRestApi):
        def _make_url(self, subpath: str) -> str:
            return f"{base_url}/services/rest{subpath}"

    def go(work: Callable[[NetSuiteRestApi], Coroutine[Any, Any, Any]], **changes: str) -> Any:
        names = ("consumer_key", "consumer_secret", "token_id", "token_secret")
        auth = TokenAuth(**{**{name: held[name] for name in names}, **changes})
        api = LoopbackApi(Config(account=held["account_id"], auth=auth))

        async def whole() -> Any:
            return await work(api)

        return asyncio.run(whole())

    go(_seed)
    return go


async def _seed(api: NetSuiteRestApi) -> None:
    customer = {"entityId": "C0001", "companyName": "Müller & Söhne", "subsidiary": {"id": "1"}}
    await api.put("/record/v1/customer/eid:CUST-1", json=customer)
    for amount in (100.1, 200):
        invoice = {
            "entity": {"externalId": "CUST-1"},
            "item": {"items": [{"item": {"id": "1"}, "amount": amount}]},
        }
        await api.post("/record/v1/invoice", json=invoice)


def test_it_queries_pages_and_reads_records(run: Run) -> None:
    async def work(api: NetSuiteRestApi) -> Any:
        query = "SELECT id, tranid, foreigntotal FROM transaction ORDER BY id"
        first = await api.suiteql(q=query, limit=2, offset=0)
        listed = await api.get("/record/v1/invoice", params={"limit": 1, "offset": 0})
        one = await api.get("/record/v1/customer/eid:CUST-1")
        return first, listed, one

    first, listed, one = run(work)
    assert [row["foreigntotal"] for row in first["items"]] == ["100.1", "200"]
    assert (listed["count"], listed["hasMore"], listed["totalResults"]) == (1, True, 2)
    assert set(listed["items"][0]) == {"links", "id"}
    assert one["companyName"] == "Müller & Söhne"
    assert one["balance"] == 300.1


def test_it_pays_an_invoice_and_sees_it_open_again_when_the_line_is_taken_out(run: Run) -> None:
    async def work(api: NetSuiteRestApi) -> list[Any]:
        payment = {
            "customer": {"externalId": "CUST-1"},
            "payment": 150,
            "apply": {"items": [{"doc": {"id": "5001"}, "apply": True}]},
        }
        path = "/record/v1/customerPayment/eid:PAY-1"
        await api.put(path, json=payment)
        paid = await api.get("/record/v1/invoice/5001")
        await api.patch(path, json={"apply": {"items": [{"doc": {"id": "5001"}, "apply": False}]}})
        opened = await api.get("/record/v1/invoice/5001")
        return [paid["amountRemaining"], opened["amountRemaining"], await api.get(path)]

    paid, opened, payment = run(work)
    assert (paid, opened) == (0, 100.1)
    assert (payment["applied"], payment["unapplied"]) == (0, 150)


def test_what_netsuite_refuses_arrives_as_its_error(run: Run) -> None:
    async def over_apply(api: NetSuiteRestApi) -> None:
        line = {"doc": {"id": "5001"}, "apply": True, "amount": 150}
        payment = {"customer": {"id": "101"}, "payment": 150, "apply": {"items": [line]}}
        await api.post("/record/v1/customerPayment", json=payment)

    with pytest.raises(NetsuiteAPIRequestError, match="INVALID_CONTENT") as refused:
        run(over_apply)
    assert refused.value.status_code == 400

    async def look(api: NetSuiteRestApi) -> Any:
        return await api.suiteql(q="SELECT count(*) AS n FROM transaction WHERE type = 'CustPymt'")

    assert run(look)["items"][0]["n"] == "0"


def test_a_wrong_secret_is_an_invalid_login(run: Run) -> None:
    async def work(api: NetSuiteRestApi) -> None:
        await api.get("/record/v1/customer")

    with pytest.raises(NetsuiteAPIRequestError, match="INVALID_LOGIN"):
        run(work, token_secret="wrong")  # type: ignore[call-arg]


def test_it_reads_the_catalogue(run: Run) -> None:
    async def work(api: NetSuiteRestApi) -> Any:
        return await api.openapi(), await api.jsonschema("customerPayment")

    catalogue, schema = run(work)
    assert "customerPayment" in {one["name"] for one in catalogue["items"]}
    assert schema["properties"]["payment"]["type"] == "number"
