"""Bulk API 2.0: ingest and query jobs.

A job goes on when it is looked at, ``bulk_rows_per_poll`` rows a time, and, since a real one needs
no onlooker, after a number of other requests too. Rows are written in chunks of 200, results come
shuffled: callers join them by key.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import Any

from sandbox.core.faults import Fault
from sandbox.salesforce.errors import RequestError, RowError, not_found
from sandbox.salesforce.org import Ambiguous, Org, Outcome
from sandbox.salesforce.query import Selected, csv_rows, select
from sandbox.salesforce.records import CsvColumns, external_id_field, id_of
from sandbox.salesforce.store import Table
from sandbox.salesforce.values import instant_text
from sandbox.salesforce.web import Answer, Call, json_answer

__all__ = ["Bulk"]

_CHUNK_ROWS = 200
_UPLOAD_BYTES_MAX = 150_000_000
_DELIMITERS = {
    "COMMA": ",",
    "TAB": "\t",
    "SEMICOLON": ";",
    "PIPE": "|",
    "CARET": "^",
    "BACKQUOTE": "`",
}
_OPERATIONS = ("insert", "update", "upsert", "delete", "hardDelete")


class _State(StrEnum):
    OPEN = "Open"
    UPLOAD_COMPLETE = "UploadComplete"
    IN_PROGRESS = "InProgress"
    JOB_COMPLETE = "JobComplete"
    FAILED = "Failed"
    ABORTED = "Aborted"


_RUNNING = (_State.UPLOAD_COMPLETE, _State.IN_PROGRESS)
_ENDED = (_State.JOB_COMPLETE, _State.FAILED, _State.ABORTED)


@dataclass(slots=True)
class _Job:
    """An ingest or query job. ``done`` counts rows processed of ``rows``."""

    id: str
    operation: str
    table: Table
    key_name: str
    delimiter: str
    line_ending: str
    created_at: int
    version: str
    query: str = ""
    state: _State = _State.OPEN
    header: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)
    has_content: bool = False
    done: int = 0
    polls: int = 0
    unpolled: int = 0
    succeeded: list[list[str]] = field(default_factory=list)
    failed: list[list[str]] = field(default_factory=list)
    error: str = ""
    columns: CsvColumns | None = None
    selected: Selected | None = None


class Bulk:
    """The ``jobs`` resources."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._jobs: dict[str, _Job] = {}
        self._random = Random(org.settings.seed)  # noqa: S311 - repeatable order of results

    def answer(self, call: Call, parts: tuple[str, ...]) -> Answer:
        """Answer a call; ``parts`` follow ``/jobs``. Raises RequestError."""
        kind = parts[0].lower() if parts else ""
        if kind not in ("ingest", "query"):
            raise not_found()
        if len(parts) == 1:
            return self._collection(call, kind)
        job = self._jobs.get(parts[1])
        if job is None or bool(job.query) != (kind == "query"):
            raise not_found()
        if len(parts) == 2:
            return self._one(call, job)
        word = parts[2].lower()
        if word == "batches" and call.method == "PUT" and kind == "ingest":
            return self._upload(call, job)
        if call.method == "GET" and word == "results" and kind == "query":
            return self._query_results(call, job)
        if call.method == "GET" and kind == "ingest":
            return self._ingest_results(job, word)
        raise not_found()

    def tick(self) -> None:
        """Another request passed: jobs that nobody looks at go on too."""
        for job in self._jobs.values():
            if job.state in _RUNNING:
                job.unpolled += 1
                if job.unpolled >= self._org.settings.bulk_requests_unpolled:
                    self._advance(job)

    def _collection(self, call: Call, kind: str) -> Answer:
        if call.method == "GET":
            listed = [
                _show(job) for job in self._jobs.values() if bool(job.query) == (kind == "query")
            ]
            return json_answer({"done": True, "nextRecordsUrl": None, "records": listed})
        if call.method != "POST":
            raise not_found()
        tree = call.json_object()
        job = self._create_query(call, tree) if kind == "query" else self._create(call, tree)
        self._jobs[job.id] = job
        return json_answer(_show(job))

    def _create(self, call: Call, tree: Mapping[str, Any]) -> _Job:
        operation = str(tree.get("operation", ""))
        if operation not in _OPERATIONS:
            raise _bad_job(f"Operation {operation!r} is not supported")
        name = str(tree.get("object", ""))
        table = self._org.tables.get(name.lower())
        if table is None:
            raise RequestError(400, "INVALIDENTITY", f"Unable to find object: {name}")
        key_name = str(tree.get("externalIdFieldName") or "")
        if operation == "upsert":
            if not key_name:
                raise _bad_job("externalIdFieldName is required for upsert")
            external_id_field(table, key_name)
        else:
            key_name = "" if operation == "insert" else "Id"
        return _Job(
            self._org.ids.next("750"),
            operation,
            table,
            key_name,
            *_csv_style(tree),
            self._org.clock.epoch_milliseconds(),
            call.version,
        )

    def _create_query(self, call: Call, tree: Mapping[str, Any]) -> _Job:
        operation, text = str(tree.get("operation", "")), str(tree.get("query", ""))
        if operation not in ("query", "queryAll") or not text:
            raise _bad_job("operation query or queryAll, and query, must be given")
        selected = select(self._org, text, with_deleted=operation == "queryAll")
        if selected.is_count:
            raise RequestError(400, "API_ERROR", "COUNT() is not supported in bulk queries")
        return _Job(
            self._org.ids.next("750"),
            operation,
            selected.table,
            "",
            *_csv_style(tree),
            self._org.clock.epoch_milliseconds(),
            call.version,
            query=text,
            state=_State.UPLOAD_COMPLETE,
            selected=selected,
        )

    def _one(self, call: Call, job: _Job) -> Answer:
        if call.method == "GET":
            self._advance(job)
        elif call.method == "PATCH":
            self._set_state(job, str(call.json_object().get("state", "")))
        elif call.method == "DELETE":
            if job.state not in _ENDED:
                raise _bad_job("a job must have ended before it is deleted")
            del self._jobs[job.id]
            return Answer(204)
        else:
            raise not_found()
        return json_answer(_show(job))

    @staticmethod
    def _set_state(job: _Job, state: str) -> None:
        if state == _State.ABORTED and job.state not in _ENDED:
            job.state = _State.ABORTED
        elif state == _State.UPLOAD_COMPLETE and job.state is _State.OPEN and not job.query:
            if not job.has_content:
                raise _bad_job("no data was uploaded")
            job.state = _State.UPLOAD_COMPLETE
        else:
            raise RequestError(
                400, "INVALIDJOBSTATE", f"a job that is {job.state} cannot become {state!r}"
            )

    def _upload(self, call: Call, job: _Job) -> Answer:
        if job.has_content:
            raise RequestError(
                400,
                "CLIENT_ERROR",
                f"Found multiple contents for job: <{job.id}>, please 'Close' / 'Abort' / 'Delete' "
                "the current Job then create a new Job and make sure you only do 'PUT' once on a "
                "given Job.",
            )
        if job.state is not _State.OPEN:
            raise RequestError(400, "INVALIDJOBSTATE", f"the job is {job.state}")
        if len(call.body) > _UPLOAD_BYTES_MAX:
            raise RequestError(400, "EXCEEDED_MAX_SIZE_REQUEST", "job data is larger than 150 MB")
        job.has_content = True
        try:
            text = call.body.decode("utf-8-sig")
            lines = csv.reader(io.StringIO(text, newline=""), delimiter=job.delimiter, strict=True)
            job.rows = [row for row in lines if row]
        except (UnicodeDecodeError, csv.Error) as error:
            job.error = f"InvalidBatch : {error}"
        job.header = job.rows.pop(0) if job.rows else []
        return Answer(201)

    def _advance(self, job: _Job) -> None:
        """One look at a running job: it does a part of its work."""
        if job.state not in _RUNNING:
            return
        job.polls += 1
        job.unpolled = 0
        job.state = _State.IN_PROGRESS
        if not job.query:
            stop = min(job.done + self._org.settings.bulk_rows_per_poll, len(job.rows))
            self._process(job, stop)
        is_finished = job.query or job.done >= len(job.rows)
        if job.error:
            job.state = _State.FAILED
        elif is_finished and job.polls >= self._org.settings.bulk_polls_min:
            job.state = _State.JOB_COMPLETE
            self._random.shuffle(job.succeeded)
            self._random.shuffle(job.failed)

    def _process(self, job: _Job, stop: int) -> None:
        if job.columns is None and not job.error:
            try:
                key = job.key_name.lower()
                job.columns = CsvColumns(self._org, job.table, job.header, key)
                if key and job.columns.key_column is None:
                    raise RowError("INVALID_FIELD", f"Field name not found : {job.key_name}")
            except RowError as error:
                job.error = f"InvalidBatch : {error.message}"
        while not job.error and job.done < stop:
            chunk = job.rows[job.done : min(job.done + _CHUNK_ROWS, stop)]
            seen: set[str] = set()
            for row in chunk:
                self._row(job, row, seen)
            job.done += len(chunk)
            if self._org.faults.take(Fault.BULK_FAILURE, job.table.name):
                job.error = "InternalServerError : the batch was retried too often"

    def _row(self, job: _Job, row: list[str], seen: set[str]) -> None:
        """Write one line and note what became of it."""
        try:
            if len(row) != len(job.header):
                raise RowError("INVALID_CSV", f"expected {len(job.header)} columns, got {len(row)}")
            outcome = self._write(job, row, seen)
        except RowError as error:
            job.failed.append(["", error.in_bulk(), *row])
        except RequestError as error:
            job.failed.append(["", f"{error.code}:{error.message}:--", *row])
        except Ambiguous as error:
            text = f"DUPLICATE_EXTERNAL_ID:external id matches {', '.join(error.ids)}:--"
            job.failed.append(["", text, *row])
        else:
            job.succeeded.append([outcome.id, "true" if outcome.is_created else "false", *row])

    def _write(self, job: _Job, row: list[str], seen: set[str]) -> Outcome:
        columns = job.columns
        assert columns is not None
        if job.operation == "insert":
            return self._org.insert(job.table, columns.changes(row))
        assert columns.key_column is not None
        key = row[columns.key_column]
        if not key:
            raise RowError("MISSING_ARGUMENT", f"{job.key_name} not specified", (job.key_name,))
        if job.operation == "upsert" and job.key_name.lower() != "id":
            if key.lower() in seen:
                raise RowError(
                    "DUPLICATE_VALUE", f"Duplicate external id specified: {key}", (job.key_name,)
                )
            seen.add(key.lower())
            at = job.table.positions[job.key_name.lower()]
            return self._org.upsert(job.table, at, key, columns.changes(row))
        if job.operation in ("delete", "hardDelete"):
            return self._org.delete(job.table, id_of(job.table, key))
        return self._org.update(job.table, id_of(job.table, key), columns.changes(row))

    def _ingest_results(self, job: _Job, word: str) -> Answer:
        if job.state not in _ENDED:
            raise RequestError(400, "INVALIDJOBSTATE", f"the job is {job.state}")
        if word == "successfulresults":
            return self._csv(job, ["sf__Id", "sf__Created", *job.header], job.succeeded)
        if word == "failedresults":
            return self._csv(job, ["sf__Id", "sf__Error", *job.header], job.failed)
        if word == "unprocessedrecords":
            return self._csv(job, job.header, job.rows[job.done :])
        raise not_found()

    def _query_results(self, call: Call, job: _Job) -> Answer:
        if job.state is not _State.JOB_COMPLETE or job.selected is None:
            raise RequestError(400, "INVALIDJOBSTATE", f"the job is {job.state}")
        total = len(job.selected.rows)
        try:
            most = int(call.query.get("maxRecords") or 50_000)
            start = int(call.query.get("locator") or 0)
        except ValueError:
            raise RequestError(400, "INVALID_QUERY_LOCATOR", "invalid query locator") from None
        part = Selected(
            job.selected.table,
            job.selected.paths,
            job.selected.names,
            job.selected.rows[start : start + most],
        )
        locator = str(start + most) if start + most < total else "null"
        answer = self._csv(job, list(job.selected.names), csv_rows(self._org, part))
        headers = (
            ("Sforce-NumberOfRecords", str(len(part.rows))),
            ("Sforce-Locator", locator),
        )
        return Answer(200, answer.body, answer.content_type, headers)

    @staticmethod
    def _csv(job: _Job, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Answer:
        buffer = io.StringIO(newline="")
        ending = "\r\n" if job.line_ending == "CRLF" else "\n"
        writer = csv.writer(
            buffer, delimiter=job.delimiter, lineterminator=ending, quoting=csv.QUOTE_ALL
        )
        writer.writerow(header)
        writer.writerows(rows)
        return Answer(200, buffer.getvalue().encode(), "text/csv")


def _bad_job(message: str) -> RequestError:
    return RequestError(400, "INVALIDJOB", message)


def _csv_style(tree: Mapping[str, Any]) -> tuple[str, str]:
    """Delimiter and line ending of a job."""
    delimiter = _DELIMITERS.get(str(tree.get("columnDelimiter") or "COMMA"))
    if delimiter is None:
        raise _bad_job(f"columnDelimiter must be one of {', '.join(_DELIMITERS)}")
    return delimiter, str(tree.get("lineEnding") or "LF")


def _show(job: _Job) -> dict[str, Any]:
    """The job as JSON."""
    names = {delimiter: name for name, delimiter in _DELIMITERS.items()}
    tree = {
        "id": job.id,
        "operation": job.operation,
        "object": job.table.name,
        "createdDate": instant_text(job.created_at),
        "systemModstamp": instant_text(job.created_at),
        "state": str(job.state),
        "concurrencyMode": "Parallel",
        "contentType": "CSV",
        "apiVersion": float(job.version),
        "lineEnding": job.line_ending,
        "columnDelimiter": names[job.delimiter],
        "retries": 0,
        "totalProcessingTime": 0,
    }
    if job.query:
        total = len(job.selected.rows) if job.selected else 0
        is_complete = job.state is _State.JOB_COMPLETE
        return {**tree, "jobType": "V2Query", "numberRecordsProcessed": total * is_complete}
    path = f"services/data/v{job.version}/jobs/ingest/{job.id}/batches"
    return {
        **tree,
        "jobType": "V2Ingest",
        "externalIdFieldName": job.key_name if job.operation == "upsert" else None,
        "contentUrl": path,
        "numberRecordsProcessed": len(job.succeeded) + len(job.failed),
        "numberRecordsFailed": len(job.failed),
        "apiActiveProcessingTime": 0,
        "apexProcessingTime": 0,
        "errorMessage": job.error,
    }
