"""The client of Dynamics 365: tokens, companies, pages, errors with their ids, writes sent once."""

import asyncio
import re
from decimal import Decimal

import pytest

from ingestion import dynamics365_finance
from ingestion.common.config import System
from ingestion.common.errors import (
    ConfigError,
    OutcomeUnknown,
    Reauthenticate,
    RetryLater,
    VendorAnswerInvalid,
    VendorRejected,
)
from ingestion.dynamics365_finance.answers import json_text, next_link, rows_in, total_of
from ingestion.dynamics365_finance.client import D365Client, Operation, keyed
from tests.ingestion.support import LOST, NOT_SENT, Sleeper, Vendor, answer

TOKEN = answer(200, {"access_token": "T", "expires_in": 3599})
SYSTEM = System(
    system_id="apac",
    kind="dynamics365_finance",
    base_url="https://org.operations.dynamics.com",
    credentials={"client_id": "i", "client_secret": "s"},
    options={"tenant": "TENANT"},
)


def client_of(*script, system=SYSTEM):
    vendor = Vendor(list(script))
    sleeper = Sleeper()
    return D365Client(system, vendor, sleep=sleeper, jitter=lambda: 0.0), vendor, sleeper


def page(*keys, link="", count=None):
    rows = ",".join(f'{{"@odata.etag":"W/1","K":"{key}"}}' for key in keys)
    head = f'"@odata.count":{count},' if count is not None else ""
    tail = f',"@odata.nextLink":"{link}"' if link else ""
    text = f'{{"@odata.context":"c#X",{head}"value":[{rows}]{tail}}}'
    return answer(200, text, Content_Type="application/json; odata.metadata=minimal")


async def all_pages(client, **options):
    return [one async for one in client.pages("CustomersV3", **options)]


def test_it_signs_in_at_entra_for_this_environment_and_asks_for_all_companies():
    client, vendor, _ = client_of(TOKEN, page("a", count=1))
    asyncio.run(all_pages(client, select=("K",), filter="K eq 'x y'"))
    token, read = vendor.asked
    assert token.url == "https://login.microsoftonline.com/TENANT/oauth2/v2.0/token"
    assert b"scope=https%3A%2F%2Forg.operations.dynamics.com%2F.default" in token.body
    assert read.url.startswith("https://org.operations.dynamics.com/data/CustomersV3?")
    assert "cross-company=true" in read.url
    assert "%20y" in read.url, "blanks are percent-encoded"
    assert read.headers["Authorization"] == "Bearer T"


def test_a_system_without_secret_or_tenant_is_refused_by_name():
    for changes in ({"credentials": {}}, {"options": {}}):
        with pytest.raises(ConfigError, match="APAC_CLIENT_ID"):
            D365Client(SYSTEM.model_copy(update=changes), Vendor())


def test_a_next_link_is_followed_on_our_own_address_only():
    link = "https://elsewhere.example/data/CustomersV3?$skip=1&cross-company=true"
    client, vendor, _ = client_of(TOKEN, page("a", link=link, count=2), page("b"))
    assert len(asyncio.run(all_pages(client))) == 2
    assert vendor.asked[2].url == (
        "https://org.operations.dynamics.com/data/CustomersV3?$skip=1&cross-company=true"
    )


def test_a_set_whose_pages_hold_fewer_rows_than_it_counted_is_read_once_more():
    link = "https://org.operations.dynamics.com/data/CustomersV3?$skip=1"
    # Row b vanished between the pages, and with it c moved before the second one.
    hidden = [page("a", link=link, count=3), page("d")]
    whole = [page("a", link=link, count=2), page("c")]
    client, vendor, _ = client_of(TOKEN, *hidden, *whole)
    found = b"".join(asyncio.run(all_pages(client)))
    assert b'"c"' in found
    assert len(vendor.asked) == 5


def test_text_in_rows_that_looks_like_a_link_is_no_link():
    body = page('x\\",\\"@odata.nextLink\\":\\"y').body
    assert next_link(body) == ""
    assert (rows_in(page("a", "b").body), total_of(page(count=7).body)) == (2, 7)
    first = b'{"@odata.context":"c","@odata.nextLink":"https://n","value":[]}'
    assert next_link(first) == "https://n"


def test_a_token_that_ended_is_renewed_once_for_a_read_and_for_a_write():
    ended = answer(401)
    client, vendor, _ = client_of(TOKEN, ended, TOKEN, page(count=0), ended, TOKEN, answer(204))
    asyncio.run(all_pages(client))
    asyncio.run(client.change("PATCH", keyed("CustomersV3", dataAreaId="usmf"), {"A": 1}))
    assert [r.url.endswith("/token") for r in vendor.asked].count(True) == 3
    refused = answer(401, {"error": "invalid_client", "error_description": "no"})
    client, _, _ = client_of(refused, refused)
    with pytest.raises(Reauthenticate, match="no"):
        asyncio.run(client.get("X"))


def test_reads_wait_as_long_as_throttling_asks_and_writes_are_told_to():
    busy = answer(429, {"error": {"code": "", "message": "utilization"}}, Retry_After="17")
    client, _, sleeper = client_of(TOKEN, busy, page(count=0), busy)
    asyncio.run(all_pages(client))
    assert sleeper.seconds == [17.0]
    with pytest.raises(RetryLater) as caught:
        asyncio.run(client.change("POST", "X", {}))
    assert caught.value.after_seconds == 17.0


def test_a_refusal_shows_the_validation_text_and_both_ids():
    said = "Period 11/2025 is not open for posting"
    text = f"Write failed for table row of type 'E'. Infolog: Error: {said}."
    error = {"error": {"code": "", "message": "An error", "innererror": {"message": text}}}
    client, vendor, _ = client_of(TOKEN, answer(400, error, ms_dyn_aid="ACTIVITY"))
    with pytest.raises(VendorRejected) as caught:
        asyncio.run(client.change("POST", "X", {"A": Decimal("1.10")}))
    assert caught.value.code == "period_closed"
    assert "Period 11/2025 is not open for posting" in caught.value.message
    assert "activity id ACTIVITY" in caught.value.message
    assert vendor.asked[1].headers["x-ms-client-request-id"] in caught.value.message
    assert vendor.asked[1].body == b'{"A":1.10}', "money keeps its digits"


@pytest.mark.parametrize(
    "bad",
    [
        LOST,
        answer(500, "x"),
        answer(503, "<html>", Retry_After="3"),
    ],
)
def test_a_write_without_a_certain_answer_is_unknown_and_not_sent_again(bad):
    client, vendor, _ = client_of(TOKEN, bad)
    with pytest.raises(OutcomeUnknown):
        asyncio.run(client.change("POST", "X", {}))
    assert len(vendor.asked) == 2


@pytest.mark.parametrize("bad", [NOT_SENT, answer(429, "<html>", Retry_After="3")])
def test_a_write_that_certainly_had_no_effect_says_so(bad):
    client, _, _ = client_of(TOKEN, bad)
    with pytest.raises(RetryLater):
        asyncio.run(client.change("POST", "X", {}))


JSON = "application/json; odata.metadata=minimal"
REQUEST_ID = r"request id [0-9a-f-]{36}"
BAD_ANSWERS = {
    "HTML": answer(200, "<html><body>Maintenance</body></html>", Content_Type="text/html"),
    "half of it": answer(200, page("a").body[:-9], Content_Type=JSON),
    "a wrong content type": answer(200, page("a").body, Content_Type="text/plain"),
    "an error inside a 200": answer(200, {"error": {"code": "", "message": "x"}}),
}


@pytest.mark.parametrize("bad", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_a_bad_answer_to_a_read_is_asked_for_again_and_then_an_error_with_the_request_id(bad):
    client, vendor, _ = client_of(TOKEN, *[bad] * 6)
    with pytest.raises(VendorAnswerInvalid, match=REQUEST_ID):
        asyncio.run(all_pages(client))
    assert len(vendor.asked) == 7


@pytest.mark.parametrize("bad", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_a_bad_answer_to_a_write_is_unknown_with_the_request_id_and_sent_once(bad):
    client, vendor, _ = client_of(TOKEN, bad)
    with pytest.raises(OutcomeUnknown, match=REQUEST_ID):
        asyncio.run(client.change("POST", "X", {}))
    assert len(vendor.asked) == 2


@pytest.mark.parametrize(
    "bad",
    [
        answer(200, "<html>", Content_Type="text/html"),
        answer(200, {"error": {"code": "", "message": "x"}}),
        answer(200, "--b\r\n\r\nHTTP/1.1 200 OK", Content_Type="multipart/mixed; boundary=b"),
        answer(200, "--b--\r\n", Content_Type="multipart/mixed; boundary=b"),
    ],
)
def test_a_batch_answer_that_is_cut_or_of_another_kind_is_unknown_with_the_request_id(bad):
    client, _, _ = client_of(TOKEN, bad)
    with pytest.raises(OutcomeUnknown, match=REQUEST_ID):
        asyncio.run(client.batch([[Operation("POST", "X", {"A": 1})]]))


@pytest.mark.parametrize(
    "part", ["Content-Type: text/html\r\n\r\n<html>", 'X: y\r\n\r\n{"A":', '\r\n{"error":{}}']
)
def test_a_bad_part_of_a_batch_is_unknown_for_its_change_set(part):
    body = f"--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 201 Created\r\n{part}\r\n--b--"
    client, _, _ = client_of(TOKEN, answer(200, body, Content_Type="multipart/mixed; boundary=b"))
    (result,) = asyncio.run(client.batch([[Operation("POST", "X", {"A": 1})]]))
    assert isinstance(result, OutcomeUnknown)
    assert re.search(REQUEST_ID, result.message)


def test_a_symbol_that_the_product_does_not_have_stops_the_reading_of_its_set():
    spec = next(one for one in dynamics365_finance.OBJECTS if one.name == "customers")
    row = page("a").body.replace(b'"K":"a"', b'"OnHoldStatus":"Perhaps","NameAlias":"x\\"y"')
    client, vendor, _ = client_of(TOKEN, answer(200, row, Content_Type=JSON))

    async def read():
        async for one in dynamics365_finance._pages(client, SYSTEM, spec, None):
            assert not one

    with pytest.raises(VendorAnswerInvalid, match=REQUEST_ID) as caught:
        asyncio.run(read())
    assert caught.value.code == "unknown_value"
    assert "OnHoldStatus 'Perhaps' is none of" in caught.value.message
    assert len(vendor.asked) == 2, "it will not get better by asking again"


def test_no_float_ever_becomes_a_body():
    assert json_text({"A": Decimal("0.10"), "B": [1, "x", None]}) == '{"A":0.10,"B":[1,"x",null]}'
    with pytest.raises(AssertionError):
        json_text({"A": 0.1})
