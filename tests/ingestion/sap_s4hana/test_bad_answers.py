"""Answers that are none: every one is a typed error that names the request's correlation id."""

import json
from typing import Any

import pytest

from ingestion.common.errors import LedgerloopError, OutcomeUnknown, VendorAnswerInvalid
from ingestion.sap_s4hana.client import BatchOperation, SapClient
from tests.ingestion.sap_s4hana.test_client import TOKEN, answer, use
from tests.ingestion.support import Vendor

HTML = "<html><body>Sign in to continue</body></html>"
HALF = '{"d":{"results":[{"BusinessPartner":"1","Na'
ERROR_INSIDE = json.dumps({"error": {"code": "X/1", "message": {"value": "it failed"}}})
NOT_THE_SHAPE = json.dumps({"d": "maintenance"})


async def page(client: SapClient) -> None:
    async for _ in client.pages("API_X", "A_Set"):
        pass


async def one(client: SapClient) -> None:
    await client.get("API_X/A_Set('1')")


async def change(client: SapClient) -> None:
    await client.change("PATCH", "API_X", "A_Set('1')", {"A": "1"}, etag="*")


async def batch(client: SapClient) -> None:
    await client.batch("API_X", [BatchOperation("PATCH", "A_Set('1')", {"A": "1"}, etag="*")])


async def soap(client: SapClient) -> None:
    await client.soap("/sap/bc/srt/x", "urn:do", b"<E/>")


READS = [(page, 200), (one, 200)]
WRITES = [(change, 200), (batch, 202), (soap, 200)]


#: Rows of pages are read by the loader, so their shape is its business.
CASES = [
    (work, status, body)
    for work, status in READS + WRITES
    for body in (HTML, HALF, ERROR_INSIDE, NOT_THE_SHAPE)
    if (work, body) != (page, NOT_THE_SHAPE)
]


@pytest.mark.parametrize(("work", "status", "body"), CASES)
def test_every_wrong_answer_is_typed_and_names_the_request(
    work: Any, status: int, body: str
) -> None:
    is_read = (work, status) in READS
    kind = "text/html" if body == HTML else "application/json"
    wrong = answer(status, body, Content_Type=kind)
    vendor = Vendor([wrong] * 9 if is_read else [wrong] if work is soap else [TOKEN, wrong])
    with pytest.raises(LedgerloopError) as caught:
        use(vendor, work)
    assert isinstance(caught.value, VendorAnswerInvalid if is_read else OutcomeUnknown)
    assert vendor.asked[-1].headers["X-CorrelationID"] in caught.value.message
    if not is_read:
        assert sum(r.method != "GET" for r in vendor.asked) == 1, "a write is never sent again"


def test_a_page_of_the_wrong_content_type_is_no_page() -> None:
    body = '{"d":{"results":[]}}'
    vendor = Vendor([answer(200, body, Content_Type="text/plain")] * 9)
    with pytest.raises(VendorAnswerInvalid, match="text/plain"):
        use(vendor, page)


def test_a_refusal_names_the_request_inside_a_batch_too() -> None:
    part = json.dumps({"error": {"code": "X/1", "message": {"value": "no"}}})
    text = (
        "--B\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 400 Bad\r\n"
        f"Content-Type: application/json\r\n\r\n{part}\r\n--B--\r\n"
    )
    vendor = Vendor([TOKEN, answer(202, text, Content_Type="multipart/mixed; boundary=B")])

    async def work(client: SapClient) -> Any:
        return await client.batch("API_X", [BatchOperation("PATCH", "A('1')", {"A": "1"})])

    (error,) = use(vendor, work)
    assert isinstance(error, LedgerloopError)
    assert vendor.asked[-1].headers["X-CorrelationID"] in error.message
