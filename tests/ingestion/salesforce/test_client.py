import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from ingestion.common.config import System
from ingestion.common.errors import (
    ConfigError,
    OutcomeUnknown,
    RetryLater,
    VendorRejected,
)
from ingestion.common.transport import Request
from ingestion.salesforce.client import SalesforceClient, next_records_path, soql_text
from tests.ingestion.support import LOST, NOT_SENT, Sleeper, Vendor, answer

BASE = "https://acme.my.salesforce.com"
NOW = datetime(2026, 1, 2, tzinfo=UTC)
CRM = System(
    system_id="crm",
    kind="salesforce",
    base_url=BASE,
    credentials={"client_id": "ck", "client_secret": "cs"},
)
TOKEN = answer(200, {"access_token": "tok", "instance_url": "https://acme-1.my.salesforce.com"})


def refusal(code: str, status: int = 400, fields: tuple[str, ...] = ()) -> Any:
    return answer(
        status, [{"message": f"{code} happened", "errorCode": code, "fields": list(fields)}]
    )


EXPIRED = refusal("INVALID_SESSION_ID", 401)


def use(
    vendor: Vendor, work: Callable[[SalesforceClient], Awaitable[Any]], system: System = CRM
) -> Any:
    async def run() -> Any:
        client = SalesforceClient(
            system, vendor, sleep=Sleeper(), jitter=lambda: 1.0, now=lambda: NOW
        )
        try:
            return await work(client)
        finally:
            await client.close()

    return asyncio.run(run())


def with_credentials(options: dict[str, str] | None = None, **credentials: str) -> System:
    return CRM.model_copy(update={"credentials": credentials, "options": options or {}})


# Signing in


def signed_in_with(system: System, reply: Any = TOKEN) -> Request:
    vendor = Vendor([reply, answer(200, {"DailyApiRequests": {}})])
    use(vendor, lambda client: client.limits(), system)
    assert vendor.asked[1].headers["Authorization"].startswith("Bearer ")
    return vendor.asked[0]


def test_client_credentials_go_as_basic_and_later_calls_to_the_named_host() -> None:
    vendor = Vendor([TOKEN, answer(200, {})])
    use(vendor, lambda client: client.limits())
    assert vendor.asked[0].headers["Authorization"].startswith("Basic ")
    assert vendor.asked[0].body == b"grant_type=client_credentials"
    assert vendor.asked[1].url.startswith("https://acme-1.my.salesforce.com/services/data/v59.0/")
    assert vendor.asked[1].headers["Sforce-Call-Options"] == "client=ledgerloop"


def test_a_jwt_is_signed_with_the_private_key() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    system = with_credentials(
        client_id="ck", username="u@x", private_key=pem, client_secret="unused"
    )
    form = parse_qs((signed_in_with(system).body or b"").decode())
    options: Any = {"verify_aud": False, "verify_exp": False}
    claims = jwt.decode(
        form["assertion"][0], key.public_key(), algorithms=["RS256"], options=options
    )
    assert claims["iss"] == "ck"
    assert claims["sub"] == "u@x"
    assert claims["aud"] == "https://login.salesforce.com"
    assert claims["exp"] == str(int(NOW.timestamp()) + 180)


def test_username_and_password_sign_in_by_soap_with_the_token_behind_the_password() -> None:
    reply = answer(
        200,
        "<E><sessionId>00D!x</sessionId><serverUrl>https://acme-1.my.salesforce.com/services/Soap/u"
        "</serverUrl></E>",
    )
    system = with_credentials(username="u@x", password="a<b", security_token="T")
    asked = signed_in_with(system, reply)
    assert asked.url.endswith("/services/Soap/u/59.0")
    assert b"<n:password>a&lt;bT</n:password>" in (asked.body or b"")


def test_an_option_chooses_the_login_and_missing_credentials_are_named() -> None:
    held = {"client_id": "ck", "client_secret": "cs", "username": "u", "password": "p"}
    form = (signed_in_with(with_credentials({"login": "password"}, **held)).body or b"").decode()
    assert "grant_type=password" in form
    with pytest.raises(ConfigError, match="private_key"):
        SalesforceClient(with_credentials({"login": "jwt"}, **held), Vendor())
    with pytest.raises(ConfigError, match="magic"):
        SalesforceClient(with_credentials({"login": "magic"}, **held), Vendor())
    with pytest.raises(ConfigError, match="LEDGERLOOP_CREDENTIALS_CRM"):
        SalesforceClient(with_credentials(), Vendor())


def test_refused_credentials_are_said_plainly_and_not_tried_again() -> None:
    reply = answer(400, {"error": "invalid_grant", "error_description": "authentication failure"})
    vendor = Vendor([reply])
    with pytest.raises(VendorRejected, match="authentication failure") as caught:
        use(vendor, lambda client: client.limits())
    assert caught.value.code == "invalid_grant"
    assert len(vendor.asked) == 1


def test_credentials_never_leave_https_for_http() -> None:
    reply = answer(200, {"access_token": "tok", "instance_url": "http://evil.example"})
    vendor = Vendor([reply, answer(200, {})])
    use(vendor, lambda client: client.limits())
    assert vendor.asked[1].url.startswith(BASE)


# Reading


def page(*rows: dict, link: str = "", last: bool = False) -> Any:
    tree: dict[str, Any] = {"totalSize": 3, "done": not link}
    if link and not last:
        tree["nextRecordsUrl"] = link
    tree["records"] = [{"attributes": {"type": "X"}, **row} for row in rows]
    if link and last:
        tree["nextRecordsUrl"] = link
    return answer(200, tree)


async def all_rows(client: SalesforceClient) -> list[dict[str, Any]]:
    return await client.query_rows("SELECT Id FROM X WHERE At >= 2026-01-01T00:00:00+00:00")


def test_a_query_goes_on_until_there_is_no_next_page() -> None:
    vendor = Vendor(
        [
            TOKEN,
            page({"Id": "1"}, link="/services/data/v59.0/query/01g-2000"),
            page(
                {"Id": '"nextRecordsUrl":"/evil"'},
                link="/services/data/v59.0/query/01g-4000",
                last=True,
            ),
            page({"Id": '"nextRecordsUrl":"/evil"'}),
        ]
    )
    assert len(use(vendor, all_rows)) == 3
    assert "q=SELECT+Id+FROM+X+WHERE+At+%3E%3D" in vendor.asked[1].url
    assert "%2B00%3A00" in vendor.asked[1].url
    assert vendor.asked[3].url.endswith("/query/01g-4000")


def test_a_session_that_expires_between_pages_is_renewed() -> None:
    vendor = Vendor([TOKEN, page({"Id": "1"}, link="/n/1"), EXPIRED, TOKEN, page({"Id": "2"})])
    assert len(use(vendor, all_rows)) == 2


def test_a_lost_locator_starts_the_query_over_once() -> None:
    lost = refusal("INVALID_QUERY_LOCATOR")
    vendor = Vendor([TOKEN, page({"Id": "1"}, link="/n/1"), lost, page({"Id": "1"}), lost])
    assert len(use(vendor, all_rows)) == 2
    vendor = Vendor(
        [TOKEN, page({"Id": "1"}, link="/n/1"), lost, page({"Id": "1"}, link="/n/2"), lost]
    )
    with pytest.raises(VendorRejected):
        use(vendor, all_rows)


@pytest.mark.parametrize(
    "trouble",
    [
        LOST,
        NOT_SENT,
        answer(500, "<html/>"),
        refusal("REQUEST_LIMIT_EXCEEDED", 403),
        refusal("SERVER_UNAVAILABLE", 503),
        answer(200, "<html>maintenance</html>", Content_Type="text/html"),
        answer(200, '{"records":[{', Content_Type="application/json"),
    ],
)
def test_a_read_survives_a_passing_fault(trouble: Any) -> None:
    assert use(Vendor([TOKEN, trouble, page({"Id": "1"})]), all_rows) == [{"Id": "1"}]


def test_money_is_exact_in_small_queries() -> None:
    body = b'{"records":[{"attributes":{},"A":1234567890123456.78}],"done":true}'
    vendor = Vendor([TOKEN, answer(200, body, Content_Type="application/json")])
    assert str(use(vendor, all_rows)[0]["A"]) == "1234567890123456.78"


def test_usage_of_the_daily_limit_is_known_after_any_call() -> None:
    vendor = Vendor([TOKEN, answer(200, {}, Sforce_Limit_Info="api-usage=18/15000")])

    async def work(client: SalesforceClient) -> tuple[int, int]:
        await client.limits()
        return client.api_usage

    assert use(vendor, work) == (18, 15000)


def test_the_next_path_is_found_on_either_side_of_the_rows() -> None:
    assert next_records_path(b'{"done":false,"nextRecordsUrl":"/a","records":[{"x":"]"}]}') == "/a"
    assert next_records_path(b'{"records":[{"x":"]"}],"nextRecordsUrl":"/b"}') == "/b"
    assert (
        next_records_path(b'{"done":true,"records":[{"x":"\\"nextRecordsUrl\\":\\"/c\\""}]}') == ""
    )


def test_text_in_queries_cannot_break_out() -> None:
    assert soql_text("O'Hara\\") == "'O\\'Hara\\\\'"


# Writing


async def upsert(client: SalesforceClient) -> Any:
    return await client.upsert("AR_Invoice__c", "ERP_Key__c", "SAP/1", {"Amount__c": "1.00"})


def test_an_upsert_names_the_key_in_the_path_only() -> None:
    vendor = Vendor([TOKEN, answer(201, {"id": "a01", "success": True, "created": True})])
    found = use(vendor, upsert)
    assert (found.id, found.is_created) == ("a01", True)
    assert vendor.asked[1].url.endswith("/sobjects/AR_Invoice__c/ERP_Key__c/SAP%2F1")
    assert json.loads(vendor.asked[1].body or b"") == {"Amount__c": "1.00"}


def test_a_key_that_is_not_unique_is_refused() -> None:
    with pytest.raises(VendorRejected) as caught:
        use(Vendor([TOKEN, answer(300, ["/a", "/b"])]), upsert)
    assert caught.value.code == "MORE_THAN_ONE_RECORD"


def test_a_lock_is_told_from_a_refusal_by_its_code_although_both_are_400() -> None:
    with pytest.raises(RetryLater):
        use(Vendor([TOKEN, refusal("UNABLE_TO_LOCK_ROW")]), upsert)
    with pytest.raises(VendorRejected) as caught:
        use(Vendor([TOKEN, refusal("STRING_TOO_LONG", fields=("Name",))]), upsert)
    assert (caught.value.code, caught.value.field) == ("STRING_TOO_LONG", "Name")


@pytest.mark.parametrize(
    "trouble",
    [
        LOST,
        answer(500, ""),
        answer(502, "<html/>"),
        answer(200, "<html>sign in</html>"),
        answer(200, {"success": False, "errors": []}),
    ],
)
def test_a_write_without_a_certain_answer_is_unknown_and_never_sent_again(trouble: Any) -> None:
    vendor = Vendor([TOKEN, trouble])
    with pytest.raises(OutcomeUnknown):
        use(vendor, upsert)
    assert len(vendor.asked) == 2


def test_an_expired_session_had_no_effect_and_the_write_goes_out_once_more() -> None:
    vendor = Vendor([TOKEN, EXPIRED, TOKEN, answer(204)])
    use(vendor, lambda client: client.update("Account", "001", {"Name": "x"}))
    assert vendor.methods() == ["POST", "PATCH", "POST", "PATCH"]


def test_rows_of_a_collection_keep_the_vendors_shape_and_a_missing_row_is_unknown() -> None:
    rows = [{"id": "1", "success": True, "errors": []}, {"success": False, "errors": [{}]}]
    records = [{"Key__c": "a"}, {"Key__c": "b"}]

    async def work(client: SalesforceClient) -> Any:
        return await client.upsert_collection("X", "Key__c", records)

    vendor = Vendor([TOKEN, answer(200, rows)])
    assert use(vendor, work) == rows
    sent = json.loads(vendor.asked[1].body or b"")
    assert sent["allOrNone"] is False
    assert sent["records"][0] == {"attributes": {"type": "X"}, "Key__c": "a"}
    with pytest.raises(OutcomeUnknown):
        use(Vendor([TOKEN, answer(200, rows[:1])]), work)


# Bulk


def ingest(vendor: Vendor, seen: list[str] | None = None) -> Any:
    def on_job(job_id: str) -> None:
        if seen is not None:
            seen.append(job_id)

    return use(
        vendor,
        lambda client: client.bulk_ingest(
            "X", "upsert", "Key__c", b"Key__c\na\n", timeout_seconds=4, on_job=on_job
        ),
    )


JOB = answer(200, {"id": "750", "state": "Open"})
RELEASED = answer(200, {"id": "750", "state": "UploadComplete"})
RUNNING = answer(200, {"id": "750", "state": "InProgress"})
COMPLETE = answer(200, {"id": "750", "state": "JobComplete", "numberRecordsFailed": 1})
RESULTS = [answer(200, "s"), answer(200, "f"), answer(200, "u")]


def test_a_bulk_job_runs_to_its_end_and_brings_all_three_result_sets() -> None:
    seen: list[str] = []
    vendor = Vendor([TOKEN, JOB, answer(201), RELEASED, RUNNING, COMPLETE, *RESULTS])
    found = ingest(vendor, seen)
    assert (found.state, found.successful, found.failed, found.unprocessed) == (
        "JobComplete",
        b"s",
        b"f",
        b"u",
    )
    assert seen == ["750"]


@pytest.mark.parametrize("script", [[LOST], [JOB, LOST], [JOB, answer(500, "")]])
def test_what_fails_before_the_release_had_no_effect(script: list[Any]) -> None:
    with pytest.raises(RetryLater) as caught:
        ingest(Vendor([TOKEN, *script]))
    assert caught.value.code == "bulk_not_started"


def test_a_lost_release_is_resolved_by_the_jobs_own_state() -> None:
    vendor = Vendor([TOKEN, JOB, answer(201), LOST, RUNNING, COMPLETE, *RESULTS])
    assert ingest(vendor).state == "JobComplete"
    vendor = Vendor([TOKEN, JOB, answer(201), LOST, JOB, RELEASED, COMPLETE, *RESULTS])
    assert ingest(vendor).state == "JobComplete"
    assert vendor.methods().count("PATCH") == 2


def test_a_job_that_does_not_end_in_time_is_unknown_and_named() -> None:
    with pytest.raises(OutcomeUnknown, match="750"):
        ingest(Vendor([TOKEN, JOB, answer(201), RELEASED, *[RUNNING] * 9]))


def test_a_failed_job_still_brings_its_rows() -> None:
    failed = answer(200, {"id": "750", "state": "Failed"})
    vendor = Vendor([TOKEN, JOB, answer(201), RELEASED, failed, *RESULTS])
    assert ingest(vendor).state == "Failed"
