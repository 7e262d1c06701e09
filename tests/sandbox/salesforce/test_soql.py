"""The SOQL subset means what the vendor says, and an index never changes an answer."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.core.clock import Clock
from sandbox.core.faults import Faults
from sandbox.salesforce import Settings
from sandbox.salesforce.errors import RequestError
from sandbox.salesforce.org import Org
from sandbox.salesforce.query import select
from sandbox.salesforce.records import changes_of
from sandbox.salesforce.soql import parse
from sandbox.salesforce.store import ID
from sandbox.salesforce.values import instant_text
from tests.sandbox.salesforce.support import Caller, Ticks

ACCOUNTS: list[dict[str, Any]] = [
    {"Name": "Ápex Ltd", "ERP_Customer_Id__c": "K1", "AR_Open_Balance__c": "10.50"},
    {"Name": "apex 100%", "ERP_Customer_Id__c": "K2", "AR_As_Of__c": "2026-01-30"},
    {"Name": "O'Hara_Inc", "ERP_Customer_Id__c": "k3", "AR_Credit_Hold__c": True},
    {"Name": "Zeta", "AR_Open_Balance__c": "-3", "AR_As_Of__c": "2026-01-31"},
]


def make_org(rows: list[dict[str, Any]]) -> tuple[Org, Ticks]:
    ticks = Ticks()
    clock = Clock(datetime(2026, 1, 31, 8, tzinfo=UTC), monotonic=ticks)
    org = Org(Settings(), clock, Faults())
    table = org.table("Account")
    for row in rows:
        ticks.seconds += 1
        org.insert(table, changes_of(org, table, row))
    return org, ticks


def names(org: Org, where: str) -> list[str]:
    selected = select(org, f"SELECT Name FROM Account {where}")
    at = selected.table.positions["name"]
    return [values[at] for values in selected.rows]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("WHERE Name = 'ZETA'", [3]),
        ("WHERE Name LIKE 'apex%'", [1]),
        ("WHERE Name LIKE '%100\\%'", [1]),
        ("WHERE Name LIKE 'O\\'Hara\\_In_'", [2]),
        ("WHERE ERP_Customer_Id__c IN ('K1', 'K3', 'nowhere')", [0, 2]),
        ("WHERE ERP_Customer_Id__c NOT IN ('K1', 'K3')", [1, 3]),
        ("WHERE ERP_Customer_Id__c = null", [3]),
        ("WHERE ERP_Customer_Id__c != 'K1'", [1, 2, 3]),
        ("WHERE AR_Open_Balance__c < 10.50", [3]),
        ("WHERE AR_Open_Balance__c >= -3", [0, 3]),
        ("WHERE AR_Credit_Hold__c = TRUE", [2]),
        ("WHERE AR_As_Of__c = TODAY", [3]),
        ("WHERE AR_As_Of__c >= 2026-01-30 AND NOT (Name = 'Zeta')", [1]),
        ("WHERE (Name = 'Zeta' OR Name LIKE 'O%') AND AR_Credit_Hold__c = false", [3]),
        ("WHERE Account.Name = 'Zeta'", [3]),
        ("WHERE SystemModstamp >= 2026-01-31T08:00:03.000Z", [2, 3]),
        ("WHERE SystemModstamp > 2026-01-31T09:00:03+01:00", [3]),
        ("WHERE CreatedDate != null AND LastModifiedDate < 2026-01-31T08:00:02Z", [0]),
        ("ORDER BY AR_Open_Balance__c DESC NULLS LAST, Name", [0, 3, 1, 2]),
        ("ORDER BY AR_Open_Balance__c, Name DESC LIMIT 2", [2, 1]),
        ("ORDER BY Name LIMIT 2 OFFSET 1", [2, 3]),
    ],
)  # fmt: skip
def test_conditions_select_what_they_say(where: str, expected: list[int]) -> None:
    org, _ = make_org(ACCOUNTS)
    assert names(org, where) == [ACCOUNTS[at]["Name"] for at in expected]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("SELECT Id FROM Account WHERE Name = 'a' AND Id = null OR Name = 'b'", "MALFORMED_QUERY"),
        ('SELECT Id FROM Account WHERE Name = "a"', "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE SystemModstamp > 2026-13-01T00:00:00Z", "MALFORMED_QUERY"),
        ("SELECT FROM Account", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE AR_Open_Balance__c = '10'", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Name = 10", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE SystemModstamp > '2026-01-01T00:00:00Z'", "INVALID_FIELD"),
        ("SELECT Owner.Name FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Account ORDER BY Nope", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Id = 'short'", "INVALID_QUERY_FILTER_OPERATOR"),
        ("SELECT Id FROM Account OFFSET 2001", "NUMBER_OUTSIDE_VALID_RANGE"),
    ],
)
def test_bad_queries_are_refused_by_code(text: str, code: str) -> None:
    org, _ = make_org(ACCOUNTS)
    with pytest.raises(RequestError) as refused:
        select(org, text)
    assert refused.value.code == code


def test_long_lists_of_keys_are_one_token() -> None:
    keys = [f"SAP-U001-2026-{n:010d}-001" for n in range(500)]
    listed = ",".join(f"'{key}'" for key in keys)
    where = parse(f"SELECT Id FROM AR_Invoice__c WHERE ERP_Invoice_Key__c IN ({listed})").where
    assert where is not None
    assert list(where.value) == keys


STEPS = st.lists(
    st.tuples(st.sampled_from(["upsert", "delete", "tick"]), st.integers(0, 4)), max_size=40
)


@given(steps=STEPS)
def test_an_index_finds_what_a_scan_finds(steps: list[tuple[str, int]]) -> None:
    org, ticks = make_org([])
    table = org.table("Account")
    at = table.positions["erp_customer_id__c"]
    for verb, number in steps:
        found = table.with_value(at, f"K{number}")
        if verb == "tick":
            ticks.seconds += number / 1000
        elif verb == "delete" and found:
            org.delete(table, found[0])
        elif verb == "upsert":
            org.upsert(table, at, f"K{number}", changes_of(org, table, {"Name": "x"}))
    rows = list(table.records.values())
    assert len(rows) == len({values[at] for values in rows})
    for bound in {values[4] for values in rows} | {0}:
        text = f"WHERE SystemModstamp >= {instant_text(bound).replace('+0000', 'Z')}"
        indexed = {values[ID] for values in select(org, f"SELECT Id FROM Account {text}").rows}
        assert indexed == {values[ID] for values in rows if values[4] >= bound}
    for values in rows:
        key = values[at].lower()
        found_rows = select(org, f"SELECT Id FROM Account WHERE ERP_Customer_Id__c = '{key}'").rows
        assert found_rows == [values]


def test_a_reference_is_an_index_too() -> None:
    async def run() -> None:
        caller = Caller()
        owners = [
            (await caller.json("POST", "/sobjects/Account", {"Name": name}))["id"]
            for name in ("A", "B")
        ]
        for number in range(4):
            path = f"/sobjects/AR_Invoice__c/ERP_Invoice_Key__c/K{number}"
            await caller.send("PATCH", path, {"Account__c": owners[number % 2]})
        rows = await caller.query(
            f"SELECT ERP_Invoice_Key__c FROM AR_Invoice__c WHERE Account__c = '{owners[1][:15]}'"
        )
        assert {row["ERP_Invoice_Key__c"] for row in rows} == {"K1", "K3"}

    asyncio.run(run())


def test_days_past_due_follow_the_clock_and_are_never_stored() -> None:
    async def run() -> None:
        caller = Caller()
        owner = (await caller.json("POST", "/sobjects/Account", {"Name": "A"}))["id"]
        path = "/sobjects/AR_Invoice__c/ERP_Invoice_Key__c/K1"
        await caller.send("PATCH", path, {"Account__c": owner, "Due_Date__c": "2026-01-30"})
        query = "SELECT AR_Days_Past_Due__c FROM AR_Invoice__c WHERE AR_Days_Past_Due__c > 0"
        assert [row["AR_Days_Past_Due__c"] for row in await caller.query(query)] == [Decimal(1)]
        caller.clock.set(datetime(2026, 3, 1, tzinfo=UTC))
        caller.token = ""
        assert [row["AR_Days_Past_Due__c"] for row in await caller.query(query)] == [Decimal(30)]

    asyncio.run(run())


async def three_accounts(**settings: Any) -> Caller:
    caller = Caller(page_rows_max=2, **settings)
    for number in range(5):
        await caller.send("POST", "/sobjects/Account", {"Name": f"A{number}"})
    return caller


@pytest.mark.parametrize(("shows_current", "expected"), [(False, "A3"), (True, "changed")])
def test_later_pages_show_rows_as_the_switch_says(shows_current: bool, expected: str) -> None:
    async def run() -> None:
        caller = await three_accounts(locator_shows_current=shows_current)
        query = quote("SELECT Id, Name FROM Account ORDER BY Name")
        first = await caller.json("GET", f"/query/?q={query}")
        rows = await caller.query("SELECT Id FROM Account WHERE Name = 'A3'")
        await caller.send("PATCH", f"/sobjects/Account/{rows[0]['Id']}", {"Name": "changed"})
        second = await caller.json("GET", first["nextRecordsUrl"])
        assert [row["Name"] for row in second["records"]] == ["A2", expected]

    asyncio.run(run())


def test_a_locator_ends_after_two_days_or_when_too_many_are_open() -> None:
    async def run() -> None:
        caller = await three_accounts(cursors_max=2, session_seconds=10**6)
        urls = []
        for _ in range(3):
            page = await caller.json("GET", f"/query?q={quote('SELECT Id FROM Account')}")
            urls.append(page["nextRecordsUrl"])
        assert await caller.error("GET", urls[0]) == (400, "INVALID_QUERY_LOCATOR")
        assert (await caller.send("GET", urls[2])).status == 200
        caller.ticks.seconds += 2 * 86_400 + 1
        assert await caller.error("GET", urls[2]) == (400, "INVALID_QUERY_LOCATOR")

    asyncio.run(run())


def test_batch_size_is_kept_within_the_vendors_bounds() -> None:
    async def run() -> None:
        caller = Caller()
        rows = [{"attributes": {"type": "Account"}, "Name": f"{n}"} for n in range(200)]
        for _ in range(2):
            await caller.send("POST", "/composite/sobjects", {"records": rows})
        query = f"/query/?q={quote('SELECT Id FROM Account')}"
        asked: Callable[[str], Any] = lambda size: caller.json(  # noqa: E731 - a short name
            "GET", query, Sforce_Query_Options=f"batchSize={size}"
        )
        assert len((await asked("250"))["records"]) == 250
        assert len((await asked("1"))["records"]) == 200
        assert len((await asked("many"))["records"]) == 400

    asyncio.run(run())
