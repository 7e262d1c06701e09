"""Bulk API 2.0: one ingest job from rows to its three result sets, and query jobs.

No row takes effect before the job is told ``UploadComplete``; whatever fails before that had no
effect and the job is left to expire. Telling the state twice is harmless, so a lost answer there is
resolved by looking at the job. ``JobComplete`` is not success: rows fail one by one.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from ingestion.common.errors import OutcomeUnknown, RetryLater, VendorAnswerInvalid, VendorRejected
from ingestion.common.redact import redact
from ingestion.common.transport import Response
from ingestion.salesforce.answers import parse_json
from ingestion.salesforce.settings import PAGES_MAX

__all__ = ["BulkResult", "Caller", "IngestJob", "query_results"]

_CSV = "text/csv; charset=UTF-8"
_ENDED = frozenset({"JobComplete", "Failed", "Aborted"})
_WAITING = frozenset({"Open"})
_QUERY_ROWS_MAX = 50_000
_QUERY_POLLS_MAX = 1800


class Caller(Protocol):
    """What a job needs of the client."""

    async def request(
        self, method: str, resource: str, body: bytes | None, content_type: str
    ) -> Response: ...

    async def read(self, resource: str, *, accept: str = "application/json") -> Response: ...


@dataclass(frozen=True, slots=True)
class BulkResult:
    """A job that ended: its final state and its rows as CSV bytes, each with a header line.

    ``successful`` has ``sf__Id`` and ``sf__Created``, ``failed`` has ``sf__Id`` and ``sf__Error``
    before the columns that were sent; ``unprocessed`` has the sent columns only.
    """

    job_id: str
    state: str
    successful: bytes
    failed: bytes
    unprocessed: bytes
    job: dict[str, Any]


class IngestJob:
    """One ingest job up to ``UploadComplete``."""

    def __init__(
        self, caller: Caller, object_name: str, operation: str, external_field: str
    ) -> None:
        self._caller = caller
        self._body = {
            "object": object_name,
            "operation": operation,
            "contentType": "CSV",
            "columnDelimiter": "COMMA",
            "lineEnding": "LF",
        }
        if external_field:
            self._body["externalIdFieldName"] = external_field

    async def start(self, csv_bytes: bytes, on_job: Callable[[str], None] | None) -> str:
        """Create, upload, release; the job's id."""
        try:
            made = await self._send_json("POST", "jobs/ingest", self._body)
            job_id = str(made["id"])
            if on_job is not None:
                on_job(job_id)
            await self._caller.request("PUT", f"jobs/ingest/{job_id}/batches", csv_bytes, _CSV)
        except OutcomeUnknown as error:
            raise RetryLater(
                f"{error.message}; the job was not released, so no row took effect",
                code="bulk_not_started",
            ) from error
        await self._release(job_id)
        return job_id

    async def _release(self, job_id: str) -> None:
        """Let the job run; an unknown answer is resolved by the job's own state."""
        resource = f"jobs/ingest/{job_id}"
        try:
            await self._send_json("PATCH", resource, {"state": "UploadComplete"})
        except OutcomeUnknown:
            job = parse_json((await self._caller.read(resource)).body, resource)
            if job.get("state") in _WAITING:
                await self._send_json("PATCH", resource, {"state": "UploadComplete"})

    async def _send_json(self, method: str, resource: str, body: dict[str, str]) -> Any:
        response = await self._caller.request(
            method, resource, json.dumps(body).encode(), "application/json"
        )
        try:
            return parse_json(response.body, f"{method} {resource}")
        except VendorAnswerInvalid as error:
            raise OutcomeUnknown(error.message, code=error.code) from error

    @staticmethod
    async def result(
        caller: Caller,
        job_id: str,
        interval_seconds: float,
        timeout_seconds: float,
        sleep: Callable[[float], Awaitable[Any]],
    ) -> BulkResult:
        """Poll to the end, then fetch all three sets: a failed job may have processed rows."""
        resource = f"jobs/ingest/{job_id}"
        waited = 0.0
        while True:
            job = parse_json((await caller.read(resource)).body, resource)
            state = str(job.get("state", ""))
            if state in _ENDED:
                break
            if waited >= timeout_seconds:
                raise OutcomeUnknown(
                    f"bulk job {job_id} is still {state} after {waited:.0f} seconds: ask for its "
                    "result later",
                    code="bulk_not_finished",
                )
            await sleep(interval_seconds)
            waited += interval_seconds
        found = [
            (await caller.read(f"{resource}/{name}", accept="text/csv")).body
            for name in ("successfulResults", "failedResults", "unprocessedrecords")
        ]
        return BulkResult(job_id, state, found[0], found[1], found[2], job)


async def query_results(
    caller: Caller, soql: str, sleep: Callable[[float], Awaitable[Any]]
) -> AsyncIterator[bytes]:
    """Run a query job; its CSV pieces.

    Raises:
        VendorRejected: the job failed. RetryLater: it could not be started or did not end.
    """
    try:
        response = await caller.request(
            "POST",
            "jobs/query",
            json.dumps({"operation": "query", "query": soql}).encode(),
            "application/json",
        )
    except OutcomeUnknown as error:
        raise RetryLater(error.message, code="bulk_not_started") from error
    resource = f"jobs/query/{parse_json(response.body, 'POST jobs/query')['id']}"
    for _ in range(_QUERY_POLLS_MAX):
        job = parse_json((await caller.read(resource)).body, resource)
        if job.get("state") in _ENDED:
            break
        await sleep(1.0)
    else:
        raise RetryLater(f"{resource}: the query did not end", code="bulk_query_slow")
    if job["state"] != "JobComplete":
        text = redact(str(job.get("errorMessage", "")))
        raise VendorRejected(f"{resource}: {job['state']}: {text}", code="bulk_query", status=200)
    locator = ""
    for _ in range(PAGES_MAX):
        tail = f"&locator={locator}" if locator else ""
        piece = await caller.read(
            f"{resource}/results?maxRecords={_QUERY_ROWS_MAX}{tail}", accept="text/csv"
        )
        yield piece.body
        locator = piece.headers.get("Sforce-Locator", "null")
        if locator in ("", "null"):
            return
    raise VendorAnswerInvalid(f"{resource}: the locator does not end", code="endless_paging")
