"""Faults strike where and as often as told, repeat for a seed, and never fake an effect."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import requests

from ingestion.common.errors import OutcomeUnknown
from ingestion.common.transport import AiohttpTransport, Request, Response, Transport
from sandbox.core.faults import Fault, Faults, Point, faulty, parse_points, parse_rates
from tests.support.serving import asgi_transport


class Counting:
    """An app that counts what it applied."""

    def __init__(self) -> None:
        self.applied = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            continue
        self.applied += 1
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    def credentials(self) -> dict[str, str]:
        return {"username": "someone"}

    def ledger(self) -> dict[str, Any]:
        return {}

    def snapshot(self) -> dict[str, Any]:
        return {}


async def post(transport: Transport, url: str) -> Response:
    return await transport.send(Request("POST", url, body=b"x" * 100, timeout_seconds=5))


def direct(app: Counting, faults: Faults) -> Callable[[], Response]:
    transport, urls = asgi_transport({"crm": faulty(app, faults, "crm")})
    return lambda: asyncio.run(post(transport, f"{urls['crm']}/orders"))


@pytest.mark.parametrize(
    ("fault", "status", "applied"),
    [
        (Fault.THROTTLED, 429, 0),
        (Fault.UNAVAILABLE, 503, 0),
        (Fault.ERROR_BEFORE, 500, 0),
        (Fault.ERROR_AFTER, 500, 1),
    ],
)
def test_an_error_is_answered_before_or_after_the_effect(
    fault: Fault, status: int, applied: int
) -> None:
    app = Counting()
    call = direct(app, Faults(points=[Point(fault, seconds=7)]))
    answer = call()
    assert (answer.status, app.applied) == (status, applied)
    assert answer.headers.get("Retry-After") == ("7" if status in (429, 503) else None)
    assert call().status == 200


@pytest.mark.parametrize(("fault", "applied"), [(Fault.LOST_REQUEST, 0), (Fault.LOST_ANSWER, 1)])
def test_a_lost_answer_is_an_unknown_outcome_without_sockets(fault: Fault, applied: int) -> None:
    app = Counting()
    call = direct(app, Faults(points=[Point(fault)]))
    with pytest.raises(OutcomeUnknown):
        call()
    assert app.applied == applied


@pytest.mark.parametrize(("fault", "applied"), [(Fault.LOST_REQUEST, 0), (Fault.LOST_ANSWER, 1)])
def test_a_lost_answer_cuts_a_real_connection(
    serve_app: Callable[..., str], fault: Fault, applied: int
) -> None:
    app = Counting()
    base_url = serve_app(faulty(app, Faults(points=[Point(fault)]), "crm"))
    with requests.Session() as session, pytest.raises(requests.ConnectionError):
        session.post(base_url, data=b"x" * 100_000, timeout=5)
    assert app.applied == applied

    async def again() -> Response:
        transport = AiohttpTransport()
        try:
            return await post(transport, base_url)
        finally:
            await transport.close()

    assert asyncio.run(again()).body == b"done"


def test_a_late_answer_comes_after_the_client_gave_up() -> None:
    app = Counting()
    transport, urls = asgi_transport(
        {"crm": faulty(app, Faults(points=[Point(Fault.LATE_ANSWER, seconds=30)]), "crm")}
    )
    request = Request("POST", urls["crm"], timeout_seconds=0.01)
    with pytest.raises(OutcomeUnknown):
        asyncio.run(transport.send(request))
    assert app.applied == 1


def test_a_point_waits_for_its_method_path_and_turn() -> None:
    faults = Faults(
        points=[Point(Fault.ERROR_BEFORE, method="PATCH", path="/invoice", skip=1, times=2)]
    )
    asked = [("GET", "/Invoice"), ("PATCH", "/account"), *[("PATCH", "/v1/Invoice/7")] * 4]
    struck = [bool(faults.on_request(method, path)) for method, path in asked]
    assert struck == [False, False, False, True, True, False]


def test_a_seed_repeats_and_another_differs() -> None:
    def draws(seed: int) -> list[bool]:
        faults = Faults(seed, rates={Fault.LOST_ANSWER: 0.3})
        return [bool(faults.on_request("POST", "/x")) for _ in range(200)]

    assert draws(7) == draws(7)
    assert draws(7) != draws(8)
    assert 30 < sum(draws(7)) < 90


def test_one_rule_does_not_move_the_draws_of_another() -> None:
    def losses(extra: list[Point]) -> list[bool]:
        points = [Point(Fault.LOST_ANSWER, times=0, rate=0.5), *extra]
        faults = Faults(3, points=points)
        return [Fault.LOST_ANSWER in faults.on_request("POST", "/x") for _ in range(50)]

    assert losses([]) == losses([Point(Fault.LATENCY, times=0, rate=0.5)])


def test_kinds_ask_by_name() -> None:
    faults = Faults(
        points=[
            Point(Fault.SWALLOW, name="update Account"),
            Point(Fault.DROPPED_FIELD, name="credit_limit"),
        ]
    )
    assert not faults.swallow("create Account/1")
    assert faults.swallow("update Account/1")
    assert not faults.swallow("update Account/1")
    assert faults.dropped_field("Account/1", ["hold", "Credit_Limit__c"]) == "Credit_Limit__c"
    assert faults.counts == {"swallow": 1, "dropped_field": 1}


def test_the_wrapped_app_still_shows_its_books() -> None:
    app = faulty(Counting(), Faults(), "crm")
    assert app.credentials() == {"username": "someone"}


def test_what_json_says_is_checked_and_the_nearest_name_given() -> None:
    assert parse_rates({"lost_answer": 0.01}) == {Fault.LOST_ANSWER: 0.01}
    (point,) = parse_points([{"fault": "throttled", "times": 3, "seconds": 2}])
    assert (point.fault, point.times, point.wait_seconds) == (Fault.THROTTLED, 3, 2)
    with pytest.raises(ValueError, match="did you mean 'lost_answer'"):
        parse_rates({"lost_answers": 0.01})
    with pytest.raises(ValueError, match="between 0 and 1"):
        parse_rates({"lost_answer": 5})
    with pytest.raises(ValueError, match="keys"):
        parse_points([{"fault": "lock", "when": "always"}])
