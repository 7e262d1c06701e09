"""Salesforce REST, collections, queries and Bulk API 2.0. For both directions.

Reads are tried again within bounds. A write is never sent again once bytes left and no answer
came: that is ``OutcomeUnknown`` and only a look-up may resolve it. Row results keep the vendor's
shape. It knows nothing of dlt, of what is read, or of why something is written.
"""

import asyncio
import json
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote, quote_plus

from ingestion.common.clock import SystemClock
from ingestion.common.config import System
from ingestion.common.errors import (
    ConfigError,
    OutcomeUnknown,
    Reauthenticate,
    VendorAnswerInvalid,
    VendorRejected,
)
from ingestion.common.redact import redact
from ingestion.common.retrying import ReadRetries
from ingestion.common.transport import Request, Response, Transport
from ingestion.salesforce.answers import error_of, parse_json
from ingestion.salesforce.bulk import BulkResult, IngestJob, query_results
from ingestion.salesforce.login import Session, log_in, login_way
from ingestion.salesforce.settings import (
    API_VERSION,
    BULK_INTERVAL_SECONDS,
    BULK_TIMEOUT_SECONDS,
    CALL_OPTIONS,
    COLLECTION_ROWS_MAX,
    PAGES_MAX,
    READ_STATUS_ACTIONS,
    RETRIES_MAX,
    RETRY_SECONDS_MAX,
    WRITE_STATUS_ACTIONS,
    Action,
)

__all__ = [
    "BulkResult",
    "Deleted",
    "SalesforceClient",
    "Upserted",
    "next_records_path",
    "soql_text",
]

_JSON = "application/json"
_NEXT = re.compile(rb'"nextRecordsUrl"\s*:\s*"((?:[^"\\]|\\.)*)"')
_EDGE_BYTES = 2048


@dataclass(frozen=True, slots=True)
class Upserted:
    """A single upsert's answer. ``id`` is empty where an older version answers 204."""

    id: str
    is_created: bool


@dataclass(frozen=True, slots=True)
class Deleted:
    """Deleted records of a window: id to the vendor's instant, and what the window covered."""

    records: Mapping[str, str]
    earliest_available: str
    latest_covered: str


def soql_text(value: str) -> str:
    """A SOQL string literal."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def next_records_path(page: bytes) -> str:
    """The page's ``nextRecordsUrl`` without parsing its rows; empty on the last page.

    It stands before or after the rows; inside a row quotes are escaped, so it cannot be faked.
    """
    start = page.find(b'"records"')
    found = _NEXT.search(page, 0, start if start >= 0 else _EDGE_BYTES)
    if found is None:
        tail = page[-_EDGE_BYTES:]
        found = _NEXT.search(tail, tail.rfind(b"]") + 1)
    if found is None:
        return ""
    text: str = json.loads(b'"' + found.group(1) + b'"')
    return text


class SalesforceClient:
    """One signed-in connection to one org.

    Args:
        system: address, credentials (see login.py) and options ``api_version``, ``login``,
            ``login_url``, ``token_url``, ``login_audience``.
        transport: what carries the requests; the client closes it.
        sleep, jitter: waiting and its spread (0 to 1), replaced in simulation.
        now: the clock, for signing in by JWT only.

    Attributes:
        api_usage: calls used and allowed as the last answer said; (0, 0) before the first.

    Raises:
        ConfigError: no address or no usable credentials.
    """

    def __init__(
        self,
        system: System,
        transport: Transport,
        *,
        sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        if not system.base_url:
            raise ConfigError(
                f"systems.{system.system_id}.base_url is not set (or the sandbox is not running)",
                code="no_address",
            )
        login_way(system)
        self.system_id = system.system_id
        self.api_usage = (0, 0)
        self._system = system
        version = str(system.options.get("api_version", API_VERSION)).removeprefix("v")
        self._root = f"/services/data/v{version}"
        self._transport = transport
        self._sleep = sleep
        self._retries = ReadRetries(sleep, jitter, RETRIES_MAX, RETRY_SECONDS_MAX)
        self._now = now or SystemClock().now
        self._session: Session | None = None
        self._lock = asyncio.Lock()

    async def close(self) -> None:
        """Close the transport."""
        await self._transport.close()

    # Reading

    async def query_pages(
        self, soql: str, page_size: int = 2000, *, with_deleted: bool = False
    ) -> AsyncIterator[bytes]:
        """The pages of a query as bytes. A lost locator starts the query over, once.

        Rows may then come twice; readers keep one per id.

        Raises:
            VendorRejected: MALFORMED_QUERY, INVALID_FIELD and their like.
            RetryLater, OutcomeUnknown, VendorAnswerInvalid: no good answer within the bounds.
        """
        resource = "queryAll" if with_deleted else "query"
        first = f"{self._root}/{resource}/?q={quote_plus(soql)}"
        headers = {"Sforce-Query-Options": f"batchSize={max(200, min(page_size, 2000))}"}
        path, has_restarted = first, False
        for _ in range(PAGES_MAX):
            try:
                response = await self._read(path, headers, check=_check_page)
            except VendorRejected as error:
                if error.code != "INVALID_QUERY_LOCATOR" or has_restarted:
                    raise
                path, has_restarted = first, True
                continue
            yield response.body
            path = next_records_path(response.body)
            if not path:
                return
        raise VendorAnswerInvalid(f"query: more than {PAGES_MAX} pages", code="endless_paging")

    async def query_rows(self, soql: str, *, with_deleted: bool = False) -> list[dict[str, Any]]:
        """All rows of a small query (a look-up, a read-back), numbers as ``Decimal``."""
        rows: list[dict[str, Any]] = []
        async for page in self.query_pages(soql, with_deleted=with_deleted):
            for row in parse_json(page, "query")["records"]:
                row.pop("attributes", None)
                rows.append(row)
        return rows

    async def bulk_query(self, soql: str) -> AsyncIterator[bytes]:
        """A query as a Bulk API 2.0 job; CSV pieces, each with its header line."""
        async for piece in query_results(self, soql, self._sleep):
            yield piece

    async def deleted(self, object_name: str, start: datetime, end: datetime) -> Deleted:
        """Records deleted in a window of at most 15 days.

        Raises:
            VendorRejected: INVALID_REPLICATION_DATE when the window is refused: compare all keys.
        """
        window = f"start={quote_plus(start.isoformat())}&end={quote_plus(end.isoformat())}"
        tree = await self.get(f"sobjects/{object_name}/deleted/?{window}")
        return Deleted(
            {str(one["id"]): str(one["deletedDate"]) for one in tree["deletedRecords"]},
            str(tree.get("earliestDateAvailable", "")),
            str(tree.get("latestDateCovered", "")),
        )

    async def limits(self) -> dict[str, Any]:
        """The org's limits as the vendor names them."""
        return dict(await self.get("limits/"))

    async def describe(self, object_name: str) -> dict[str, Any]:
        """An object's fields and flags, for ``doctor``."""
        return dict(await self.get(f"sobjects/{object_name}/describe"))

    async def get(self, resource: str) -> Any:
        """A small JSON answer. ``resource`` is below the version root, or absolute."""
        path = resource if resource.startswith("/") else f"{self._root}/{resource}"
        response = await self._read(path, {}, check=None)
        return parse_json(response.body, _where("GET", path))

    # Writing

    async def update(self, object_name: str, record_id: str, fields: Mapping[str, Any]) -> None:
        """Set fields of one record. Raises as :meth:`upsert`."""
        await self._write_json("PATCH", f"sobjects/{object_name}/{record_id}", fields)

    async def create(self, object_name: str, fields: Mapping[str, Any]) -> str:
        """Create one record; its id. Not keyed: an unknown outcome can double. Raises as upsert."""
        tree = await self._write_json("POST", f"sobjects/{object_name}/", fields)
        return str(tree["id"])

    async def upsert(
        self, object_name: str, external_field: str, key: str, fields: Mapping[str, Any]
    ) -> Upserted:
        """Create or update by external id, which must not stand in ``fields``.

        Raises:
            RetryLater: certainly no effect (not sent, locked, limits).
            VendorRejected: refused; MORE_THAN_ONE_RECORD when the key is not unique.
            OutcomeUnknown: bytes left and no certain answer came.
        """
        path = f"sobjects/{object_name}/{external_field}/{quote(key, safe='')}"
        tree = await self._write_json("PATCH", path, fields)
        return Upserted(str(tree.get("id", "")), bool(tree.get("created", False)))

    async def create_collection(
        self, object_name: str, records: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """Create up to 200 records; one row result each, in order (``success``, ``errors``)."""
        return await self._collection("POST", "composite/sobjects", object_name, records)

    async def update_collection(
        self, object_name: str, records: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """Update up to 200 records that carry their ``Id``."""
        return await self._collection("PATCH", "composite/sobjects", object_name, records)

    async def upsert_collection(
        self, object_name: str, external_field: str, records: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        """Upsert up to 200 records that carry the external id field."""
        path = f"composite/sobjects/{object_name}/{external_field}"
        return await self._collection("PATCH", path, object_name, records)

    async def _collection(
        self, method: str, path: str, object_name: str, records: Sequence[Mapping[str, Any]]
    ) -> list[dict[str, Any]]:
        assert 0 < len(records) <= COLLECTION_ROWS_MAX, "the caller keeps to the limit"
        body = {
            "allOrNone": False,
            "records": [{"attributes": {"type": object_name}, **one} for one in records],
        }
        rows = await self._write_json(method, path, body)
        if not isinstance(rows, list) or len(rows) != len(records):
            raise OutcomeUnknown(
                f"{method} {path}: {len(records)} records got "
                f"{len(rows) if isinstance(rows, list) else 'no'} results",
                code="results_missing",
            )
        return rows

    async def bulk_ingest(
        self,
        object_name: str,
        operation: str,
        external_field: str,
        csv_bytes: bytes,
        *,
        interval_seconds: float = BULK_INTERVAL_SECONDS,
        timeout_seconds: float = BULK_TIMEOUT_SECONDS,
        on_job: Callable[[str], None] | None = None,
    ) -> BulkResult:
        """Run one Bulk API 2.0 ingest job to its end and fetch all three result sets.

        Args:
            object_name: what the rows are.
            operation: ``insert``, ``update``, ``upsert`` or ``delete``.
            external_field: the key of an ``upsert``, else empty.
            csv_bytes: header and rows, LF line ends. Row order of results is not the input's.
            interval_seconds: how often the job is looked at.
            timeout_seconds: how long.
            on_job: told the job's id before any row can take effect, so that it can be recorded.

        Raises:
            RetryLater: nothing was started. VendorRejected: the job or its header was refused.
            OutcomeUnknown: the job may have run; :meth:`bulk_result` with its id tells.
        """
        job = IngestJob(self, object_name, operation, external_field)
        job_id = await job.start(csv_bytes, on_job)
        return await self.bulk_result(
            job_id, interval_seconds=interval_seconds, timeout_seconds=timeout_seconds
        )

    async def bulk_result(
        self,
        job_id: str,
        *,
        interval_seconds: float = BULK_INTERVAL_SECONDS,
        timeout_seconds: float = BULK_TIMEOUT_SECONDS,
    ) -> BulkResult:
        """Wait for an ingest job and fetch its results. Raises OutcomeUnknown when time is up."""
        return await IngestJob.result(self, job_id, interval_seconds, timeout_seconds, self._sleep)

    async def _write_json(self, method: str, resource: str, body: Mapping[str, Any]) -> Any:
        """One write; its parsed answer, an empty mapping for 204."""
        content = json.dumps(body, ensure_ascii=False, default=str).encode()
        response = await self.request(method, resource, content, _JSON)
        if not response.body.strip():
            return {}
        where = _where(method, resource)
        try:
            tree = parse_json(response.body, where)
        except VendorAnswerInvalid as error:
            raise OutcomeUnknown(error.message, code=error.code) from error
        if isinstance(tree, dict) and tree.get("success") is False:
            raise OutcomeUnknown(
                f"{where}: success is false with status {response.status}: "
                f"{redact(response.body.decode('utf-8', 'replace'), length_max=300)}",
                code="success_false",
            )
        return tree

    # Carrying, shared with bulk.py

    async def request(
        self, method: str, resource: str, body: bytes | None, content_type: str
    ) -> Response:
        """One write, sent once; a session that ended had no effect, so it is renewed once."""
        path = f"{self._root}/{resource}"
        headers = {"Content-Type": content_type}
        try:
            return await self._send(method, path, headers, body, WRITE_STATUS_ACTIONS)
        except Reauthenticate:
            return await self._send(method, path, headers, body, WRITE_STATUS_ACTIONS)

    async def read(self, resource: str, *, accept: str = _JSON) -> Response:
        """One read below the version root, with retries."""
        return await self._read(f"{self._root}/{resource}", {"Accept": accept}, check=None)

    async def _read(
        self,
        path: str,
        headers: Mapping[str, str],
        check: Callable[[Response, str], None] | None,
    ) -> Response:
        """GET with bounded retry; ``check`` may refuse a body, which is then read again."""

        async def once() -> Response:
            response = await self._send("GET", path, headers, None, READ_STATUS_ACTIONS)
            if check is not None:
                check(response, _where("GET", path))
            return response

        return await self._retries.run(once)

    async def _signed_in(self) -> Session:
        async with self._lock:
            if self._session is None:
                self._session = await log_in(self._system, self._transport, self._now())
            return self._session

    async def _send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes | None,
        statuses: Mapping[int, Action],
    ) -> Response:
        """One request; raises for every answer that is not 2xx."""
        session = await self._signed_in()
        full = {
            "Authorization": f"Bearer {session.token}",
            "Accept": _JSON,
            "Sforce-Call-Options": CALL_OPTIONS,
            **headers,
        }
        response = await self._transport.send(Request(method, session.base_url + path, full, body))
        self._note_usage(response)
        if 200 <= response.status < 300:
            return response
        error = error_of(response, _where(method, path), statuses)
        if isinstance(error, Reauthenticate):
            async with self._lock:
                if self._session is session:
                    self._session = None
        raise error

    def _note_usage(self, response: Response) -> None:
        found = re.search(r"api-usage=(\d+)/(\d+)", response.headers.get("Sforce-Limit-Info", ""))
        if found:
            self.api_usage = (int(found.group(1)), int(found.group(2)))


def _where(method: str, path: str) -> str:
    """Method and path for messages, without the query."""
    return f"{method} {path.partition('?')[0]}"


def _check_page(response: Response, where: str) -> None:
    """Refuse what is not a whole page before anything is made of it."""
    body = response.body.strip()
    kind = response.headers.get("Content-Type", "")
    if "json" not in kind or not body.startswith(b"{") or not body.endswith(b"}"):
        raise VendorAnswerInvalid(
            f"{where}: status {response.status} of type {kind or 'unknown'}, {len(body)} bytes, "
            f"is not a whole page: {redact(body[:120].decode('utf-8', 'replace'), length_max=120)}",
            code="page_invalid",
        )
