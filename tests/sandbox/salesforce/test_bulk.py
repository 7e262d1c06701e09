"""Bulk jobs: states by polls, one upload, result sets that together hold every row."""

import asyncio
import csv
import io
from typing import Any

import pytest

from sandbox.core.faults import Fault, Point
from tests.sandbox.salesforce.support import Caller

JOB = {"operation": "upsert", "object": "Account", "externalIdFieldName": "ERP_Customer_Id__c"}


async def start(caller: Caller, text: str, job: dict[str, Any] | None = None) -> str:
    """Create a job, upload, close; returns its path."""
    made = await caller.json("POST", "/jobs/ingest", job or JOB)
    path = f"/jobs/ingest/{made['id']}"
    assert made["state"] == "Open"
    assert (await caller.send("PUT", f"{path}/batches", text.encode())).status == 201
    assert (await caller.json("PATCH", path, {"state": "UploadComplete"}))["state"] == (
        "UploadComplete"
    )
    return path


async def finish(caller: Caller, path: str) -> dict[str, Any]:
    job: dict[str, Any] = {"state": "UploadComplete"}
    while job["state"] in ("UploadComplete", "InProgress"):
        job = await caller.json("GET", path)
    return job


async def results(caller: Caller, path: str, name: str) -> list[dict[str, str]]:
    text = (await caller.send("GET", f"{path}/{name}")).body.decode()
    return list(csv.DictReader(io.StringIO(text)))


def lines(count: int) -> str:
    return "ERP_Customer_Id__c,Name\n" + "".join(f"K{n},Name {n}\n" for n in range(count))


def test_a_job_goes_on_by_polls() -> None:
    async def run() -> None:
        caller = Caller(bulk_rows_per_poll=400)
        path = await start(caller, lines(1000))
        states = []
        for _ in range(3):
            job = await caller.json("GET", path)
            states.append((job["state"], job["numberRecordsProcessed"]))
        assert states == [("InProgress", 400), ("InProgress", 800), ("JobComplete", 1000)]

    asyncio.run(run())


def test_even_a_small_job_takes_two_looks() -> None:
    async def run() -> None:
        caller = Caller()
        path = await start(caller, lines(1))
        assert (await caller.json("GET", path))["state"] == "InProgress"
        assert (await caller.json("GET", path))["state"] == "JobComplete"

    asyncio.run(run())


def test_results_wait_for_the_end_of_the_job() -> None:
    async def run() -> None:
        caller = Caller()
        path = await start(caller, lines(1))
        refused = await caller.error("GET", f"{path}/failedResults")
        assert refused == (400, "INVALIDJOBSTATE")

    asyncio.run(run())


def test_data_is_uploaded_once() -> None:
    async def run() -> None:
        caller = Caller()
        made = await caller.json("POST", "/jobs/ingest", JOB)
        path = f"/jobs/ingest/{made['id']}"
        await caller.send("PUT", f"{path}/batches", lines(2).encode())
        refused = await caller.error("PUT", f"{path}/batches", lines(2).encode())
        assert refused == (400, "CLIENT_ERROR")
        await caller.send("PATCH", path, {"state": "UploadComplete"})
        assert (await finish(caller, path))["numberRecordsProcessed"] == 2

    asyncio.run(run())


@pytest.mark.parametrize("header", ["ERP_Customer_Id__c,Nope__c", "Name", "ERP_Customer_Id__c,Id"])
def test_a_bad_header_fails_the_job_and_processes_nothing(header: str) -> None:
    async def run() -> None:
        caller = Caller()
        cells = ",".join(["x"] * len(header.split(",")))
        path = await start(caller, f"{header}\n{cells}\n")
        job = await finish(caller, path)
        assert (job["state"], job["numberRecordsProcessed"]) == ("Failed", 0)
        assert job["errorMessage"].startswith("InvalidBatch")
        assert len(await results(caller, path, "unprocessedRecords/")) == 1

    asyncio.run(run())


def test_an_aborted_job_keeps_what_it_did_and_shows_the_rest() -> None:
    async def run() -> None:
        caller = Caller(bulk_rows_per_poll=200)
        path = await start(caller, lines(500))
        await caller.json("GET", path)
        assert (await caller.json("PATCH", path, {"state": "Aborted"}))["state"] == "Aborted"
        done = await results(caller, path, "SUCCESSFULRESULTS")
        left = await results(caller, path, "unprocessedrecords")
        keys = {row["ERP_Customer_Id__c"] for row in (*done, *left)}
        assert (len(done), len(left), len(keys)) == (200, 300, 500)
        refused = await caller.error("PATCH", path, {"state": "UploadComplete"})
        assert refused == (400, "INVALIDJOBSTATE")

    asyncio.run(run())


def test_every_row_lands_in_exactly_one_result_set() -> None:
    async def run() -> None:
        caller = Caller()
        caller.faults.configure(
            seed=5,
            rates={Fault.LOCK: 0.1},
            points=[Point(Fault.BULK_FAILURE, skip=3)],
        )
        path = await start(caller, lines(1200))
        job = await finish(caller, path)
        sets = [
            await results(caller, path, name)
            for name in ("successfulResults", "failedResults", "unprocessedrecords")
        ]
        keys = [row["ERP_Customer_Id__c"] for rows in sets for row in rows]
        assert sorted(keys) == sorted(f"K{n}" for n in range(1200))
        assert job["state"] == "Failed"
        assert [len(rows) > 0 for rows in sets] == [True, True, True]
        assert {row["sf__Error"].split(":")[0] for row in sets[1]} == {"UNABLE_TO_LOCK_ROW"}
        stored = await caller.query("SELECT ERP_Customer_Id__c FROM Account")
        assert {row["ERP_Customer_Id__c"] for row in stored} == {
            row["ERP_Customer_Id__c"] for row in sets[0]
        }

    asyncio.run(run())


def test_insert_update_and_delete_by_csv_with_other_delimiters() -> None:
    async def run() -> None:
        caller = Caller()
        style = {"columnDelimiter": "SEMICOLON", "lineEnding": "CRLF"}
        insert = {"operation": "insert", "object": "Account", **style}
        text = 'Name;BillingStreet\r\n"A; ""quoted""";"two\nlines"\r\n'
        path = await start(caller, text, insert)
        await finish(caller, path)
        (row,) = await caller.query("SELECT Id, Name, BillingStreet FROM Account")
        assert (row["Name"], row["BillingStreet"]) == ('A; "quoted"', "two\nlines")
        update = {"operation": "update", "object": "Account"}
        path = await start(caller, f"Id,Name\n{row['Id']},B\nnonsense,C\n", update)
        assert (await finish(caller, path))["numberRecordsFailed"] == 1
        path = await start(
            caller, f"Id\n{row['Id']}\n", {"operation": "delete", "object": "Account"}
        )
        await finish(caller, path)
        assert await caller.query("SELECT Id FROM Account") == []

    asyncio.run(run())


@pytest.mark.parametrize(
    ("job", "code"),
    [
        ({**JOB, "operation": "merge"}, "INVALIDJOB"),
        ({**JOB, "object": "Nope__c"}, "INVALIDENTITY"),
        ({**JOB, "externalIdFieldName": "Name"}, "NOT_FOUND"),
        ({**JOB, "externalIdFieldName": None}, "INVALIDJOB"),
        ({**JOB, "columnDelimiter": "SPACE"}, "INVALIDJOB"),
    ],
)
def test_a_bad_job_is_refused_when_created(job: dict[str, Any], code: str) -> None:
    assert asyncio.run(Caller().error("POST", "/jobs/ingest", job))[1] == code


def test_jobs_can_be_listed_and_deleted_when_they_ended() -> None:
    async def run() -> None:
        caller = Caller()
        path = await start(caller, lines(1))
        assert await caller.error("DELETE", path) == (400, "INVALIDJOB")
        await finish(caller, path)
        listed = (await caller.json("GET", "/jobs/ingest"))["records"]
        assert [job["state"] for job in listed] == ["JobComplete"]
        assert (await caller.send("DELETE", path)).status == 204
        assert await caller.error("GET", path) == (404, "NOT_FOUND")

    asyncio.run(run())
