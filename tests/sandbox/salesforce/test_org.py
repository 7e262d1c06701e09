"""Rules of the org beyond what one client library exercises."""

import asyncio
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.core.faults import Fault, Point
from sandbox.salesforce.schema import ACCOUNT, DEFAULT_SCHEMA, Field, SObject
from tests.sandbox.salesforce.support import Caller

KEY = "/sobjects/Account/ERP_Customer_Id__c/"


def account(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "attributes": {"type": "Account"},
        "Name": f"A{number}",
        "ERP_Customer_Id__c": f"K{number}",
        **fields,
    }


async def effects(caller: Caller) -> dict[str, tuple[int, int, int]]:
    found = caller.app.effects()["Account"]
    return {key: (one["creates"], one["updates"], one["records"]) for key, one in found.items()}


def test_an_external_id_that_is_not_unique_answers_300_and_writes_nothing() -> None:
    legacy = Field("Legacy_Id__c", length=20, is_external_id=True)
    schema = (replace(ACCOUNT, fields=(*ACCOUNT.fields, legacy)), *DEFAULT_SCHEMA[1:])

    async def run() -> None:
        caller = Caller(schema=schema)
        for number in range(2):
            await caller.send("POST", "/sobjects/Account", account(number, Legacy_Id__c="L1"))
        path = "/sobjects/Account/Legacy_Id__c/L1"
        answer = await caller.send("PATCH", path, {"Name": "which"})
        assert answer.status == 300
        assert answer.body.count(b"/sobjects/Account/001") == 2
        assert await caller.query("SELECT Id FROM Account WHERE Name = 'which'") == []
        assert (await caller.send("PATCH", path[:-1] + "2", {"Name": "new"})).status == 201

    asyncio.run(run())


def test_update_only_never_creates() -> None:
    async def run() -> None:
        caller = Caller()
        refused = await caller.error("PATCH", f"{KEY}K1?updateOnly=true", {"Name": "A"})
        assert refused == (404, "NOT_FOUND")
        assert (await caller.send("PATCH", f"{KEY}K1", {"Name": "A"})).status == 201
        assert (await caller.send("PATCH", f"{KEY}K1?updateOnly=true", {"Name": "B"})).status == 200

    asyncio.run(run())


def test_a_key_may_hold_a_slash_when_it_is_encoded() -> None:
    async def run() -> None:
        caller = Caller()
        assert (await caller.send("PATCH", f"{KEY}A%2FB%7C1", {"Name": "A"})).status == 201
        (row,) = await caller.query("SELECT ERP_Customer_Id__c FROM Account")
        assert row["ERP_Customer_Id__c"] == "A/B|1"

    asyncio.run(run())


def test_keys_are_unique_without_regard_to_case() -> None:
    async def run() -> None:
        caller = Caller()
        await caller.send("PATCH", f"{KEY}abc", {"Name": "A"})
        assert (await caller.send("PATCH", f"{KEY}ABC", {"Name": "B"})).status == 200
        assert len(await caller.query("SELECT Id FROM Account")) == 1

    asyncio.run(run())


def test_if_match_guards_an_account_and_nothing_else() -> None:
    async def run() -> None:
        caller = Caller()
        made = await caller.json("POST", "/sobjects/Account", account(1))
        path = f"/sobjects/Account/{made['id']}"
        tag = (await caller.send("GET", path)).headers["ETag"]
        assert (await caller.send("PATCH", path, {"Name": "B"}, If_Match=tag)).status == 204
        stale = await caller.error("PATCH", path, {"Name": "C"}, If_Match=tag)
        assert stale == (412, "PRECONDITION_FAILED")
        assert (await caller.send("PATCH", path, {"Name": "C"}, If_Match="*")).status == 204
        bad = await caller.error("PATCH", path, {"Name": "C"}, If_Match="nonsense")
        assert bad[0] == 400

    asyncio.run(run())


def test_routes_do_not_mind_case_or_a_last_slash() -> None:
    async def run() -> None:
        caller = Caller()
        for path in ("/LIMITS", "/limits/", "/sObjects/account/describe/", "/SOBJECTS/"):
            assert (await caller.send("GET", path)).status == 200
        assert await caller.error("GET", "/nowhere") == (404, "NOT_FOUND")
        assert await caller.error("GET", "/sobjects/Nope__c/describe") == (404, "NOT_FOUND")
        assert await caller.error("GET", "/services/data/v49.0/limits") == (404, "NOT_FOUND")
        assert (await caller.send("GET", "/services/data/v67.0/limits")).status == 200

    asyncio.run(run())


def test_a_long_url_is_refused() -> None:
    async def run() -> None:
        caller = Caller()
        text = quote("SELECT Id FROM Account WHERE Name IN ('x'" + ",'x'" * 4000 + ")")
        assert await caller.error("GET", f"/query/?q={text}") == (414, "URI_TOO_LONG")

    asyncio.run(run())


def test_a_wrong_json_type_in_a_collection_writes_no_row() -> None:
    async def run() -> None:
        caller = Caller()
        rows = [account(1), account(2, Name=5)]
        refused = await caller.error("POST", "/composite/sobjects", {"records": rows})
        assert refused == (400, "JSON_PARSER_ERROR")
        assert await caller.query("SELECT Id FROM Account") == []

    asyncio.run(run())


def test_collections_take_at_most_200_rows_and_a_key_once() -> None:
    path = "/composite/sobjects/Account/ERP_Customer_Id__c"

    async def run() -> None:
        caller = Caller()
        many = {"records": [account(n) for n in range(201)]}
        assert await caller.error("PATCH", path, many) == (400, "EXCEEDED_MAX_SIZE_REQUEST")
        twice = {"records": [account(1), account(2), account(1), {**account(4), "Name": "x" * 256}]}
        rows = await caller.json("PATCH", path, twice)
        codes = [row["errors"][0]["statusCode"] if row["errors"] else "" for row in rows]
        assert codes == ["", "", "DUPLICATE_VALUE", "STRING_TOO_LONG"]
        nameless = {"records": [{"attributes": {"type": "Account"}, "Name": "no key"}]}
        rows = await caller.json("PATCH", path, nameless)
        assert rows[0]["errors"][0]["statusCode"] == "MISSING_ARGUMENT"

    asyncio.run(run())


def test_collections_read_update_and_delete_by_id() -> None:
    async def run() -> None:
        caller = Caller()
        made = await caller.json(
            "POST", "/composite/sobjects", {"records": [account(1), account(2)]}
        )
        ids = [row["id"] for row in made]
        body = {"ids": [ids[1], "001000000000000", ids[0]], "fields": ["Name"]}
        rows = await caller.json("POST", "/composite/sobjects/Account", body)
        assert [row and row["Name"] for row in rows] == ["A2", None, "A1"]
        changes = [
            {"attributes": {"type": "Account"}, "Id": ids[0], "Name": "B1"},
            {"attributes": {"type": "Account"}, "Name": "no id"},
        ]
        rows = await caller.json("PATCH", "/composite/sobjects", {"records": changes})
        assert [row["success"] for row in rows] == [True, False]
        rows = await caller.json("DELETE", f"/composite/sobjects?ids={ids[0]},{ids[0]}")
        assert [row["success"] for row in rows] == [True, False]
        assert await caller.error("GET", f"/sobjects/Account/{ids[0]}") == (
            404,
            "ENTITY_IS_DELETED",
        )

    asyncio.run(run())


def test_an_account_with_invoices_cannot_be_deleted() -> None:
    async def run() -> None:
        caller = Caller()
        owner = (await caller.json("POST", "/sobjects/Account", account(1)))["id"]
        path = "/sobjects/AR_Invoice__c/ERP_Invoice_Key__c/K"
        await caller.send("PATCH", path, {"Account__r": {"ERP_Customer_Id__c": "K1"}})
        assert await caller.error("DELETE", f"/sobjects/Account/{owner}") == (400, "DELETE_FAILED")
        await caller.send("DELETE", path)
        assert (await caller.send("DELETE", f"/sobjects/Account/{owner}")).status == 204
        unknown = {"Account__r": {"ERP_Customer_Id__c": "K9"}}
        assert await caller.error("PATCH", f"{path}2", unknown) == (400, "INVALID_FIELD")

    asyncio.run(run())


def test_a_swallowed_write_says_success_and_does_nothing() -> None:
    async def run() -> None:
        caller = Caller()
        caller.faults.configure(
            points=[
                Point(Fault.SWALLOW, name="create Account/K1"),
                Point(Fault.DROPPED_FIELD, name="Account/K1.AR_Status__c"),
            ]
        )
        body = {"Name": "A", "AR_Status__c": "Current"}
        assert (await caller.send("PATCH", f"{KEY}K1", body)).status == 201
        assert await effects(caller) == {}
        assert (await caller.send("PATCH", f"{KEY}K1", body)).status == 201
        assert (await caller.json("GET", f"{KEY}K1"))["AR_Status__c"] is None
        assert (await caller.send("PATCH", f"{KEY}K1", body)).status == 200
        assert (await caller.json("GET", f"{KEY}K1"))["AR_Status__c"] == "Current"

    asyncio.run(run())


def test_a_session_ends_with_time_and_by_fault() -> None:
    async def run() -> None:
        caller = Caller(session_seconds=60)
        assert (await caller.send("GET", "/limits")).status == 200
        caller.ticks.seconds += 61
        assert await caller.error("GET", "/limits") == (401, "INVALID_SESSION_ID")
        await caller.sign_in()
        caller.faults.configure(points=[Point(Fault.TOKEN_EXPIRY, skip=1)])
        assert (await caller.send("GET", "/limits")).status == 200
        assert await caller.error("GET", "/limits") == (401, "INVALID_SESSION_ID")
        assert await caller.error("GET", "/limits") == (401, "INVALID_SESSION_ID")

    asyncio.run(run())


def test_used_calls_come_back_after_a_day() -> None:
    async def run() -> None:
        caller = Caller(api_requests_max=1, session_seconds=10**6)
        answer = await caller.send("GET", "/limits")
        assert answer.headers["Sforce-Limit-Info"] == "api-usage=1/1"
        assert await caller.error("GET", "/limits") == (403, "REQUEST_LIMIT_EXCEEDED")
        caller.ticks.seconds += 25 * 3600
        assert (await caller.send("GET", "/limits")).status == 200

    asyncio.run(run())


def test_stamps_never_repeat_for_a_record_and_never_go_back() -> None:
    async def run() -> None:
        caller = Caller()
        for number in (1, 2, 1, 1, 2):
            await caller.send("PATCH", f"{KEY}K{number}", {"Name": "A"})
        rows = await caller.query(
            "SELECT ERP_Customer_Id__c, CreatedDate, SystemModstamp FROM Account "
            "ORDER BY SystemModstamp"
        )
        assert [row["ERP_Customer_Id__c"] for row in rows] == ["K1", "K2"]
        assert all(row["SystemModstamp"] > row["CreatedDate"] for row in rows)

    asyncio.run(run())


def test_a_snapshot_brings_back_records_effects_and_the_bin() -> None:
    async def run() -> None:
        first = Caller()
        for number in range(3):
            await first.send(
                "PATCH", f"{KEY}K{number}", {"Name": "A", "AR_Open_Balance__c": "0.10"}
            )
        await first.send("DELETE", f"{KEY}K0")
        second = Caller(state=first.app.snapshot())
        query = "/queryAll?q=" + quote(
            "SELECT Id, Name, IsDeleted, AR_Open_Balance__c FROM Account"
        )
        assert await second.json("GET", query) == await first.json("GET", query)
        assert second.app.effects() == first.app.effects()
        await second.send("PATCH", f"{KEY}K9", {"Name": "new"})
        ids = [row["Id"] for row in await second.query("SELECT Id FROM Account")]
        assert len(set(ids)) == 3

    asyncio.run(run())


def test_an_object_can_be_added_and_extended_while_it_runs() -> None:
    async def run() -> None:
        caller = Caller()
        await caller.send("PATCH", f"{KEY}K1", {"Name": "A"})
        caller.app.org.deploy(replace(ACCOUNT, fields=(*ACCOUNT.fields, Field("Risk__c"))))
        caller.app.org.deploy(SObject("Case", "Case", "500", (Field("Subject"),)))
        await caller.send("PATCH", f"{KEY}K1", {"Risk__c": "high"})
        (row,) = await caller.query("SELECT Name, Risk__c FROM Account")
        assert (row["Name"], row["Risk__c"]) == ("A", "high")
        assert (await caller.send("POST", "/sobjects/Case", {"Subject": "x"})).status == 201

    asyncio.run(run())


WRITES = st.lists(
    st.tuples(st.sampled_from(["upsert", "delete"]), st.integers(0, 3)), min_size=1, max_size=12
)


@given(before=WRITES, inside=WRITES)
def test_all_or_none_undoes_every_kind_of_write(
    before: list[tuple[str, int]], inside: list[tuple[str, int]]
) -> None:
    caller = Caller()
    org = caller.app.org
    table = org.table("Account")
    at, name_at = table.positions["erp_customer_id__c"], table.positions["name"]

    def write(step: tuple[str, int], name: str) -> None:
        verb, number = step
        found = table.with_value(at, f"K{number}")
        if verb == "upsert":
            org.upsert(table, at, f"K{number}", [(name_at, name)])
        elif found:
            org.delete(table, found[0])

    def shown() -> dict[str, str]:
        return {values[at]: values[name_at] for values in table.records.values()}

    for step in before:
        write(step, "before")
    kept, counted, binned = shown(), caller.app.effects(), set(table.deleted)

    def fail_inside() -> None:
        with org.all_or_none():
            for step in inside:
                write(step, "inside")
            raise LookupError

    with pytest.raises(LookupError):
        fail_inside()
    live = {key: one for key, one in caller.app.effects()["Account"].items() if any(one.values())}
    assert shown() == kept
    assert live == counted["Account"]
    assert set(table.deleted) == binned
    assert all(table.with_value(at, key) for key in kept)
