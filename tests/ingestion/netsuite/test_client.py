"""What NetSuite's answers mean to the client: sign-in, windows, exact numbers, jobs, refusals."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st
from oauthlib.oauth1.rfc5849 import signature

from ingestion.common.config import System
from ingestion.common.errors import (
    ConfigError,
    LedgerloopError,
    OutcomeUnknown,
    Reauthenticate,
    RetryLater,
    VendorAnswerInvalid,
    VendorRejected,
)
from ingestion.common.transport import Request, Response
from ingestion.netsuite.answers import exact_json, has_more, last_values
from ingestion.netsuite.authorization import signed_header, token_form
from ingestion.netsuite.client import NetSuiteClient, Window, quoted
from tests.ingestion.support import LOST, Sleeper, Vendor, answer

NOW = datetime(2026, 5, 22, 8, tzinfo=UTC)
TBA = {
    "account_id": "TSTDRV1_SB1",
    "consumer_key": "ck",
    "consumer_secret": "c&s",
    "token_id": "tk",
    "token_secret": "t/s",
}
LOGIN = {"o:errorDetails": [{"detail": "Invalid login attempt.", "o:errorCode": "INVALID_LOGIN"}]}


def page(*rows: dict[str, str], more: bool = False) -> Response:
    return answer(200, {"links": [], "count": len(rows), "hasMore": more, "items": list(rows)})


def refusal(status: int, code: str, path: str = "") -> Response:
    detail = {"detail": f"no: {code}", "o:errorCode": code, "o:errorPath": path}
    return answer(status, {"title": "no", "status": status, "o:errorDetails": [detail]})


def use(
    vendor: Vendor, work: Callable[[NetSuiteClient], Coroutine[Any, Any, Any]], **credentials: str
) -> tuple[Any, list[float]]:
    """The result of ``work(client)`` and how long the client waited."""
    sleeper = Sleeper()
    system = System(
        system_id="ns",
        kind="netsuite",
        base_url="https://tstdrv1-sb1.suitetalk.api.netsuite.com",
        credentials=credentials or TBA,
    )

    async def whole() -> Any:
        client = NetSuiteClient(system, vendor, sleep=sleeper, jitter=lambda: 0.5, now=lambda: NOW)
        return await work(client)

    return asyncio.run(whole()), sleeper.seconds


async def read(client: NetSuiteClient) -> list[bytes]:
    window = Window(("x.id",), ("id",), (True,))
    return [one async for one in client.pages("x.id AS id", "customer x", window)]


def asked(request: Request) -> str:
    text: str = json.loads(request.body or b"")["q"]
    return text


def test_each_window_opens_behind_the_last_key_and_no_offset_is_ever_used() -> None:
    vendor = Vendor([page({"id": "9"}, {"id": "12"}, more=True), page({"id": "40"})])
    pages, _ = use(vendor, read)
    assert len(pages) == 2
    assert asked(vendor.asked[0]).endswith("FROM customer x ORDER BY x.id")
    assert asked(vendor.asked[1]).endswith("FROM customer x WHERE (x.id > 12) ORDER BY x.id") or (
        "(x.id > 12)" in asked(vendor.asked[1])
    )
    assert all("offset=0" in one.url for one in vendor.asked)
    assert all(one.headers["Prefer"] == "transient" for one in vendor.asked)


def test_a_window_over_two_columns_is_lexicographic_and_quotes_text() -> None:
    window = Window(("x.a", "x.b"), ("a", "b"), (True, False))
    assert window.after(["7", "O'Neill"]) == ("((x.a > 7) OR (x.a = 7 AND x.b > 'O''Neill'))")
    assert (
        window.after(["1; DROP", "z"]) == "((x.a > '1; DROP') OR (x.a = '1; DROP' AND x.b > 'z'))"
    )


def test_a_page_that_never_ends_is_an_error() -> None:
    vendor = Vendor(rule=lambda _: page({"id": "5"}, more=True))
    with pytest.raises(VendorAnswerInvalid, match="do not end"):
        use(vendor, read)
    assert len(vendor.asked) == 2


@given(st.text(max_size=20))
def test_what_a_text_holds_never_passes_for_the_pages_own_words(text: str) -> None:
    row = {"id": "3", "memo": text + '"hasMore":true,"id":"99"'}
    body = json.dumps({"items": [row], "hasMore": False}).encode()
    assert not has_more(body)
    assert last_values(body, ["id"], "here") == ["3"]


@given(
    st.decimals(
        allow_nan=False, allow_infinity=False, places=3, min_value=-(10**20), max_value=10**20
    )
)
def test_money_is_written_with_its_own_digits(amount: Decimal) -> None:
    body = exact_json({"payment": amount, "memo": str(amount)})
    assert json.loads(body, parse_float=Decimal, parse_int=Decimal)["payment"] == amount
    assert b"E" not in body.upper().replace(b"PAYMENT", b"").replace(b"MEMO", b"")


def test_the_signature_is_what_another_library_computes() -> None:
    url = "https://x.suitetalk.api.netsuite.com/services/rest/record/v1/customer/eid:A%20B?limit=5&q=a+b"
    header = signed_header(TBA, "get", url, nonce="n1", now=NOW)
    given_pairs = dict(
        part.strip().split("=", 1) for part in header.removeprefix("OAuth ").split(",")
    )
    from urllib.parse import unquote

    values = {k: unquote(v.strip('"')) for k, v in given_pairs.items()}
    assert values["realm"] == "TSTDRV1_SB1"
    pairs = [(k, v) for k, v in values.items() if k not in ("realm", "oauth_signature")]
    pairs += signature.collect_parameters(uri_query=url.partition("?")[2])
    request = SimpleNamespace(
        http_method="GET",
        uri=url.partition("?")[0],
        params=pairs,
        signature=values["oauth_signature"],
    )
    assert signature.verify_hmac_sha256(request, "c&s", "t/s")


def test_an_assertion_names_certificate_scope_and_audience_and_lives_five_minutes() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    held = {"client_id": "ci", "certificate_id": "k1", "private_key": pem}
    form = token_form(held, "https://x/token", NOW).decode()
    assertion = form.rpartition("client_assertion=")[2]
    assert jwt.get_unverified_header(assertion) == {"alg": "PS256", "kid": "k1", "typ": "JWT"}
    claims = jwt.decode(assertion, options={"verify_signature": False})
    assert claims["aud"] == "https://x/token"
    assert claims["scope"] == ["rest_webservices"]
    assert claims["exp"] - claims["iat"] == 300
    with pytest.raises(ConfigError, match="private_key"):
        token_form({**held, "private_key": "none"}, "https://x/token", NOW)


def test_a_401_that_means_too_many_is_waited_for_once_and_then_believed() -> None:
    vendor = Vendor([answer(401, LOGIN), page({"id": "1"})])
    pages, waited = use(vendor, read)
    assert len(pages) == 1
    assert waited == [20.0]
    nonces = {one.headers["Authorization"] for one in vendor.asked}
    assert len(nonces) == 2, "a signature is never used twice"
    vendor = Vendor(rule=lambda _: answer(401, LOGIN))
    with pytest.raises(Reauthenticate):
        use(vendor, lambda client: client.change("PATCH", "customer/1", {"creditLimit": 1}))
    assert len(vendor.asked) == 2


def test_throttled_reads_come_again_and_throttled_writes_are_handed_back() -> None:
    vendor = Vendor([refusal(429, "CONCURRENCY_LIMIT_EXCEEDED"), LOST, page({"id": "1"})])
    pages, waited = use(vendor, read)
    assert len(pages) == 1
    assert len(waited) == 2
    vendor = Vendor([refusal(429, "CONCURRENCY_LIMIT_EXCEEDED")])
    with pytest.raises(RetryLater) as caught:
        use(vendor, lambda client: client.change("POST", "invoice", {}))
    assert caught.value.code == "CONCURRENCY_LIMIT_EXCEEDED"


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (LOST, OutcomeUnknown),
        (answer(500, "<html>"), OutcomeUnknown),
        (answer(503, "<html>"), OutcomeUnknown),
        (answer(200, "<html>", Content_Type="text/html"), OutcomeUnknown),
        (answer(200, {"o:errorDetails": []}), OutcomeUnknown),
        (answer(202, b""), OutcomeUnknown),
        (refusal(400, "USER_ERROR", "tranDate"), VendorRejected),
        (refusal(404, "NONEXISTENT_ID"), VendorRejected),
    ],
)
def test_a_write_without_a_certain_answer_is_unknown_and_never_sent_again(
    response: Any, kind: type[LedgerloopError]
) -> None:
    vendor = Vendor([response])
    with pytest.raises(kind) as caught:
        use(vendor, lambda client: client.change("PUT", "customerPayment/eid:K", {"payment": 1}))
    assert len(vendor.asked) == 1
    if isinstance(caught.value, VendorRejected) and caught.value.code == "USER_ERROR":
        assert caught.value.field == "tranDate"


def test_an_error_names_the_request_and_its_correlation_id() -> None:
    vendor = Vendor([refusal(400, "USER_ERROR", "tranDate")])
    with pytest.raises(VendorRejected) as caught:
        use(vendor, lambda client: client.change("PUT", "customerPayment/eid:K?x=1", {}))
    correlation_id = vendor.asked[0].headers["X-Correlation-ID"]
    assert correlation_id in caught.value.message
    assert "PUT record/v1/customerPayment/eid:K" in caught.value.message
    assert "x=1" not in caught.value.message


def test_a_key_that_was_used_gives_the_first_job_and_no_second_one() -> None:
    where = "https://x/services/rest/async/v1/job/7"
    refused = refusal(400, "IDEMPOTENCY_ERROR")
    headers = {**refused.headers, "Location": where}
    repeated = answer(400, refused.body, **{k.replace("-", "_"): v for k, v in headers.items()})
    vendor = Vendor([answer(202, b"", Location=where), repeated])

    async def twice(client: NetSuiteClient) -> list[Any]:
        return [
            await client.submit("PUT", "customerPayment", [{"a": 1}], idempotency_key="k")
            for _ in range(2)
        ]

    (first, second), _ = use(vendor, twice)
    assert (first.is_repeated, second.is_repeated) == (False, True)
    assert first.path == second.path == "/services/rest/async/v1/job/7"
    assert vendor.asked[0].headers["X-NetSuite-Idempotency-Key"] == "k"
    assert vendor.asked[0].headers["Prefer"] == "respond-async"
    assert "type=collection" in vendor.asked[0].headers["Content-Type"]


def test_no_more_requests_at_once_than_the_places_that_are_ours() -> None:
    at_once = {"now": 0, "most": 0}

    class Slow(Vendor):
        async def send(self, request: Request) -> Response:
            at_once["now"] += 1
            at_once["most"] = max(at_once["most"], at_once["now"])
            await asyncio.sleep(0)
            at_once["now"] -= 1
            return page()

    async def many(client: NetSuiteClient) -> None:
        await asyncio.gather(*(client.rows("SELECT 1") for _ in range(12)))

    use(Slow(), many)
    assert at_once["most"] == 4


def test_missing_credentials_are_named() -> None:
    with pytest.raises(ConfigError, match="certificate_id, client_id, private_key"):
        use(Vendor(), read, account_id="x")


def test_quotes_are_doubled() -> None:
    assert quoted("O'Neill") == "'O''Neill'"
