import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.common.config import System
from ingestion.common.errors import (
    ConfigError,
    OutcomeUnknown,
    Reauthenticate,
    RetryLater,
    VendorAnswerInvalid,
    VendorRejected,
)
from ingestion.common.transport import Request, Response
from ingestion.sap_s4hana.client import BatchOperation, SapClient, literal, next_link
from ingestion.sap_s4hana.settings import RETRIES_MAX
from tests.ingestion.support import LOST, NOT_SENT, Sleeper, Vendor, answer

BASE = "https://my300000-api.s4hana.cloud.sap"
BASIC = System(
    system_id="erp",
    kind="sap_s4hana",
    base_url=BASE,
    credentials={"username": "user", "password": "secret"},
)
BEARER = BASIC.model_copy(
    update={
        "credentials": {"client_id": "c", "client_secret": "s"},
        "options": {"token_url": f"{BASE}/sap/bc/sec/oauth2/token"},
    }
)
TOKEN = answer(200, {"d": {}}, x_csrf_token="T1", Set_Cookie="SAP_SESSIONID_X_100=abc; path=/")
DENIED = answer(403, "CSRF token validation failed", x_csrf_token="Required")
BUSY = answer(429, "<html>busy</html>", Retry_After="7")
REJECTED = {
    "error": {
        "code": "F5/263",
        "message": {
            "lang": "en",
            "value": "The difference is too large for DE89370400440532013000",
        },
        "innererror": {
            "transactionid": "C83C",
            "errordetails": [{"code": "F5/263", "message": "x", "propertyref": "Amount"}],
        },
    }
}


def page(*rows: dict, link: str = "") -> Response:
    tree: dict[str, Any] = {"results": list(rows)}
    if link:
        tree["__next"] = link
    return answer(200, {"d": tree})


def use(
    vendor: Vendor,
    work: Callable[[SapClient], Awaitable[Any]],
    system: System = BASIC,
    sleeper: Sleeper | None = None,
) -> Any:
    async def run() -> Any:
        client = SapClient(system, vendor, sleep=sleeper or Sleeper(), jitter=lambda: 1.0)
        try:
            return await work(client)
        finally:
            await client.close()

    found = asyncio.run(run())
    assert vendor.is_closed
    return found


async def all_pages(client: SapClient) -> list[bytes]:
    return [
        one async for one in client.pages("API_X", "A_Set", select=["A", "B"], filter="A eq 'x'")
    ]


# Paging


def test_pages_are_followed_to_the_end_on_our_own_address() -> None:
    vendor = Vendor(
        [
            page({"A": 1}, link="https://other.example/sap/opu/odata/sap/API_X/A_Set?$skiptoken=2"),
            page({"A": 2}, link="A_Set?$skiptoken=3"),
            page({"A": 3}),
        ]
    )
    assert len(use(vendor, all_pages)) == 3
    first, second, third = (request.url for request in vendor.asked)
    assert first.startswith(f"{BASE}/sap/opu/odata/sap/API_X/A_Set?")
    assert "%24select=A%2CB" in first
    assert second == f"{BASE}/sap/opu/odata/sap/API_X/A_Set?$skiptoken=2"
    assert third == f"{BASE}/sap/opu/odata/sap/API_X/A_Set?$skiptoken=3"
    assert all(r.headers["Authorization"].startswith("Basic ") for r in vendor.asked)


def test_a_base_address_with_a_path_is_not_doubled() -> None:
    vendor = Vendor([page(link=f"{BASE}/gateway/sap/opu/odata/sap/API_X/A?$skiptoken=2"), page()])
    system = BASIC.model_copy(update={"base_url": f"{BASE}/gateway"})
    use(vendor, all_pages, system)
    assert vendor.asked[1].url == f"{BASE}/gateway/sap/opu/odata/sap/API_X/A?$skiptoken=2"


@given(st.text(), st.booleans(), st.sampled_from([None, 2]))
def test_the_next_link_is_found_whatever_the_rows_hold(
    note: str, is_last: bool, indent: int | None
) -> None:
    trap = '],"__next":"https://evil.example/?$skiptoken=9"}}'
    rows = [{"Note": note + trap, "__next": "inside a row", "to_X": {"results": [1]}}]
    tree: dict[str, Any] = {"results": rows}
    link = 'https://host/A?$skiptoken=a"b\\c'
    if not is_last:
        tree["__next"] = link
    assert next_link(json.dumps({"d": tree}, indent=indent).encode()) == ("" if is_last else link)


def test_a_next_link_before_the_rows_is_found() -> None:
    tree = {"d": {"__count": "7", "__next": "A?$skiptoken=1", "results": [{"A": "]"}]}}
    assert next_link(json.dumps(tree).encode()) == "A?$skiptoken=1"


# Reads are tried again


@pytest.mark.parametrize(
    "trouble",
    [
        LOST,
        NOT_SENT,
        BUSY,
        answer(503, "down"),
        answer(500, {"error": {"code": "X", "message": "y"}}),
        answer(200, "<html>sign in</html>", Content_Type="text/html"),
        answer(200, '{"d":{"results":[{"A":', Content_Type="application/json"),
        answer(200, {"error": {"code": "X", "message": {"value": "inside"}}}),
    ],
)
def test_a_read_survives_a_passing_fault(trouble: Any) -> None:
    vendor = Vendor([page({"A": 1}, link="A?$skiptoken=1"), trouble, page({"A": 2})])
    assert len(use(vendor, all_pages)) == 2
    assert vendor.asked[1].url == vendor.asked[2].url


def test_the_vendors_wish_to_wait_is_kept() -> None:
    sleeper = Sleeper()
    use(Vendor([BUSY, page()]), all_pages, sleeper=sleeper)
    assert sleeper.seconds == [7.0]
    sleeper = Sleeper()
    dated = answer(
        503, "", Retry_After="Sun, 22 Nov 2026 10:00:30 GMT", Date="Sun, 22 Nov 2026 10:00:00 GMT"
    )
    use(Vendor([dated, page()]), all_pages, sleeper=sleeper)
    assert sleeper.seconds == [30.0]


def test_a_read_is_given_up_after_a_bounded_number_of_tries() -> None:
    vendor = Vendor(rule=lambda request: answer(503, "down"))
    with pytest.raises(RetryLater):
        use(vendor, all_pages)
    assert len(vendor.asked) == RETRIES_MAX + 1


def test_a_read_is_given_up_when_the_wait_would_be_too_long() -> None:
    vendor = Vendor(rule=lambda request: answer(429, "", Retry_After="86400"))
    with pytest.raises(RetryLater) as caught:
        use(vendor, all_pages)
    assert caught.value.after_seconds == 86400
    assert len(vendor.asked) == 1


def test_html_for_ever_is_named_as_no_page() -> None:
    html = answer(200, "<html>password=hunter2</html>", Content_Type="text/html")
    with pytest.raises(VendorAnswerInvalid, match="text/html") as caught:
        use(Vendor(rule=lambda request: html), all_pages)
    assert "hunter2" not in caught.value.message


def test_a_refusal_is_explained_with_what_support_asks_for_and_without_secrets() -> None:
    with pytest.raises(VendorRejected) as caught:
        use(Vendor([answer(400, REJECTED)]), lambda client: client.get("API_X/A('1')?x=secret"))
    error = caught.value
    assert (error.code, error.status, error.field) == ("F5/263", 400, "Amount")
    assert "transaction C83C" in error.message
    assert "correlation id" in error.message
    assert "DE8937" not in error.message
    assert "?" not in error.message.split(":")[0]


def test_an_xml_error_is_understood_too() -> None:
    body = (
        '<error xmlns="http://schemas.microsoft.com/ado/2007/08/dataservices/metadata">'
        "<code>/IWFND/CM_MGW_RT/022</code><message>No service found</message></error>"
    )
    with pytest.raises(VendorRejected, match="No service found") as caught:
        use(Vendor([answer(404, body)]), lambda client: client.get("API_X/A"))
    assert caught.value.code == "/IWFND/CM_MGW_RT/022"


# Signing in


def test_a_token_that_expires_in_mid_run_is_renewed_and_the_page_read() -> None:
    tokens = iter(["one", "two"])

    def rule(request: Request) -> Any:
        if request.url.endswith("/oauth2/token"):
            return answer(200, {"access_token": next(tokens)})
        if request.headers["Authorization"] == "Bearer one" and "skiptoken" in request.url:
            return answer(401, "expired")
        return page({"A": 1}, link="" if "skiptoken" in request.url else "A?$skiptoken=1")

    assert len(use(Vendor(rule=rule), all_pages, BEARER)) == 2


def test_wrong_credentials_are_refused_after_one_more_try() -> None:
    vendor = Vendor(rule=lambda request: answer(401, "no"))
    with pytest.raises(Reauthenticate):
        use(vendor, all_pages)
    assert len(vendor.asked) == 2


def test_a_system_without_address_or_credentials_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="base_url"):
        SapClient(BASIC.model_copy(update={"base_url": ""}), Vendor())
    with pytest.raises(ConfigError, match="LEDGERLOOP_CREDENTIALS_ERP_USERNAME"):
        SapClient(BASIC.model_copy(update={"credentials": {}}), Vendor())


# Writing


async def patch(client: SapClient) -> Any:
    return await client.change("PATCH", "API_X", "A('1')", {"Limit": "1.00"}, etag='W/"1"')


def test_a_change_carries_token_cookies_and_etag() -> None:
    vendor = Vendor([TOKEN, answer(204, ETag='W/"2"')])
    assert use(vendor, patch).etag == 'W/"2"'
    sent = vendor.asked[1]
    assert sent.headers["x-csrf-token"] == "T1"
    assert sent.headers["Cookie"] == "SAP_SESSIONID_X_100=abc"
    assert sent.headers["If-Match"] == 'W/"1"'
    assert json.loads(sent.body or b"") == {"Limit": "1.00"}


def test_a_token_is_fetched_once_for_many_changes() -> None:
    vendor = Vendor([TOKEN, answer(204), answer(204)])

    async def twice(client: SapClient) -> None:
        await patch(client)
        await patch(client)

    use(vendor, twice)
    assert vendor.methods() == ["GET", "PATCH", "PATCH"]


def test_a_refused_token_is_renewed_once() -> None:
    vendor = Vendor([TOKEN, DENIED, answer(200, {"d": {}}, x_csrf_token="T2"), answer(204)])
    use(vendor, patch)
    assert vendor.asked[3].headers["x-csrf-token"] == "T2"
    vendor = Vendor([TOKEN, DENIED, TOKEN, DENIED])
    with pytest.raises(VendorRejected):
        use(vendor, patch)
    assert vendor.methods().count("PATCH") == 2


@pytest.mark.parametrize(
    "trouble",
    [
        LOST,
        answer(500, {"error": {"code": "X", "message": "y"}}),
        answer(502, "<html/>"),
        answer(503, "", Retry_After="3"),
        answer(504, ""),
        answer(599, ""),
        answer(200, "<html>sign in</html>"),
        answer(201, '{"d":{"A":'),
        answer(200, {"error": {"code": "X"}}),
    ],
)
def test_a_change_without_a_certain_answer_is_unknown_and_never_sent_again(trouble: Any) -> None:
    vendor = Vendor([TOKEN, trouble])
    with pytest.raises(OutcomeUnknown):
        use(vendor, patch)
    assert vendor.methods() == ["GET", "PATCH"]


@pytest.mark.parametrize("trouble", [NOT_SENT, BUSY])
def test_a_change_that_certainly_had_no_effect_may_be_tried_later(trouble: Any) -> None:
    vendor = Vendor([TOKEN, trouble])
    with pytest.raises(RetryLater):
        use(vendor, patch)
    assert vendor.methods() == ["GET", "PATCH"]


@pytest.mark.parametrize("status", [400, 403, 404, 409, 412, 422, 428])
def test_a_refused_change_says_so(status: int) -> None:
    with pytest.raises(VendorRejected) as caught:
        use(Vendor([TOKEN, answer(status, REJECTED)]), patch)
    assert caught.value.status == status


def test_a_function_import_quotes_its_parameters() -> None:
    vendor = Vendor([TOKEN, answer(200, {"d": {"Message": "ok"}})])
    found = use(
        vendor,
        lambda client: client.call_function(
            "API_X", "ReleaseCreditBlock", {"SalesDocument": "1'2"}
        ),
    )
    assert found.entity == {"Message": "ok"}
    assert vendor.asked[1].url.endswith("ReleaseCreditBlock?SalesDocument=%271%27%272%27")
    assert literal("O'Hara") == "'O''Hara'"


# Batches


def batch_answer(*parts: tuple[int, str, str], boundary: str = "B1") -> Response:
    lines = []
    for status, content_id, body in parts:
        head = f"Content-ID: {content_id}\r\n" if content_id else ""
        lines.append(
            f"--{boundary}\r\nContent-Type: application/http\r\n{head}\r\n"
            f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}\r\n"
        )
    text = "".join(lines) + f"--{boundary}--\r\n"
    return answer(202, text, Content_Type=f"multipart/mixed; boundary={boundary}")


OPERATIONS = [
    BatchOperation("PATCH", "A('1')", {"Limit": "1.00"}, etag="*"),
    BatchOperation("GET", "A('2')"),
    BatchOperation("PATCH", "A('3')", {"Limit": "ü"}),
]


def batch(vendor: Vendor) -> Any:
    return use(vendor, lambda client: client.batch("API_X", OPERATIONS))


def test_every_write_of_a_batch_has_its_own_change_set() -> None:
    vendor = Vendor([TOKEN, batch_answer((204, "", ""), (200, "", '{"d":{"A":1}}'), (204, "", ""))])
    assert [one.status for one in batch(vendor)] == [204, 200, 204]
    body = (vendor.asked[1].body or b"").decode()
    assert body.count("boundary=changeset_") == 2
    assert "If-Match: *" in body
    assert vendor.asked[1].url.endswith("/API_X/$batch")


def test_answers_of_a_batch_are_joined_by_content_id_where_there_is_one() -> None:
    parts = [(400, "2", json.dumps(REJECTED)), (204, "0", ""), (200, "1", '{"d":{"A":1}}')]
    found = batch(Vendor([TOKEN, batch_answer(*parts)]))
    assert found[0].status == 204
    assert found[1].entity == {"A": 1}
    assert isinstance(found[2], VendorRejected)


def test_each_operation_of_a_batch_has_its_own_outcome() -> None:
    parts = [(500, "", "oops"), (500, "", "oops"), (429, "", "")]
    kinds = [type(one) for one in batch(Vendor([TOKEN, batch_answer(*parts)]))]
    assert kinds == [OutcomeUnknown, RetryLater, RetryLater]


@pytest.mark.parametrize(
    "strange",
    [
        batch_answer((204, "", ""), (204, "", "")),
        answer(202, "--B1\r\ncut", Content_Type="multipart/mixed; boundary=B1"),
        answer(200, {"d": {}}),
    ],
)
def test_a_batch_whose_answer_is_not_whole_is_unknown(strange: Response) -> None:
    with pytest.raises(OutcomeUnknown):
        batch(Vendor([TOKEN, strange]))


# SOAP


FAULT = (
    '<soap-env:Envelope xmlns:soap-env="http://schemas.xmlsoap.org/soap/envelope/"><soap-env:Body>'
    "<soap-env:Fault><faultcode>soap-env:Server</faultcode><faultstring>Web service processing "
    "error</faultstring></soap-env:Fault></soap-env:Body></soap-env:Envelope>"
)


def post(vendor: Vendor, system: System = BASIC) -> Any:
    return use(vendor, lambda client: client.soap("/sap/bc/srt/x", "urn:do", b"<E/>"), system)


def test_a_soap_call_needs_no_token_and_gives_the_bytes_back() -> None:
    vendor = Vendor([answer(200, "<E>ok</E>"), answer(202, "")])
    assert post(vendor) == b"<E>ok</E>"
    assert vendor.methods() == ["POST"]
    assert vendor.asked[0].headers["SOAPAction"] == '"urn:do"'


def test_a_soap_fault_is_a_refusal_and_anything_uncertain_is_unknown() -> None:
    with pytest.raises(VendorRejected, match="Web service processing error"):
        post(Vendor([answer(500, FAULT, Content_Type="text/xml")]))
    for trouble in (LOST, answer(500, "<html>dump</html>"), answer(200, "sign in please")):
        vendor = Vendor([trouble])
        with pytest.raises(OutcomeUnknown):
            post(vendor)
        assert len(vendor.asked) == 1


def test_an_expired_session_of_a_soap_call_is_renewed_because_it_had_no_effect() -> None:
    vendor = Vendor(
        [
            answer(200, {"access_token": "one"}),
            answer(401, ""),
            answer(200, {"access_token": "two"}),
            answer(200, "<E/>"),
        ]
    )
    assert post(vendor, BEARER) == b"<E/>"
