"""One record at a time: create, read, update, upsert by external id, delete; updated, deleted."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sandbox.salesforce.conditions import Path, resolve
from sandbox.salesforce.describe import describe_object, summary_of
from sandbox.salesforce.errors import RequestError, RowError, as_request_error, not_found
from sandbox.salesforce.org import Ambiguous, Org
from sandbox.salesforce.query import row_renderer
from sandbox.salesforce.records import changes_of, external_id_field, id_of
from sandbox.salesforce.store import ID, STAMP, Table, Values
from sandbox.salesforce.values import instant_of, instant_text
from sandbox.salesforce.web import Answer, Call, json_answer

__all__ = ["SObjects"]

_MINUTE = 60_000
_UPDATED_DAYS = 30
_DELETED_DAYS = 15
_IDS_MAX = 600_000


class SObjects:
    """The ``sobjects`` resources."""

    def __init__(self, org: Org) -> None:
        self._org = org

    def answer(self, call: Call, parts: tuple[str, ...]) -> Answer:
        """Answer a call; ``parts`` follow ``/sobjects``. Raises RequestError."""
        try:
            return self._route(call, parts)
        except RowError as error:
            raise as_request_error(error) from None

    def _route(self, call: Call, parts: tuple[str, ...]) -> Answer:
        if not parts:
            tables = self._org.tables.values()
            listed = [summary_of(table, call.version) for table in tables]
            return json_answer({"encoding": "UTF-8", "maxBatchSize": 200, "sobjects": listed})
        table = self._org.table(parts[0])
        if len(parts) == 1:
            return self._collection(call, table)
        word = parts[1].lower()
        if len(parts) == 2 and call.method == "GET":
            if word == "describe":
                return json_answer(describe_object(table, call.version))
            if word == "updated":
                return self._updated(call, table)
            if word == "deleted":
                return self._deleted(call, table)
        if len(parts) == 2:
            return self._by_id(call, table, id_of(table, parts[1]))
        if len(parts) == 3:
            return self._by_key(call, table, parts[1], parts[2])
        raise not_found()

    def _collection(self, call: Call, table: Table) -> Answer:
        if call.method == "GET":
            summary = summary_of(table, call.version)
            return json_answer({"objectDescribe": summary, "recentItems": []})
        if call.method != "POST":
            raise _wrong_method(call)
        outcome = self._org.insert(table, changes_of(self._org, table, call.json_object()))
        return _done(outcome.id, 201)

    def _by_id(self, call: Call, table: Table, record_id: str) -> Answer:
        if call.method == "GET":
            return self._show(call, table, self._org.live(table, record_id))
        if call.method == "PATCH":
            changes = changes_of(self._org, table, call.json_object())
            _check_condition(call, table, self._org.live(table, record_id))
            self._org.update(table, record_id, changes)
            return Answer(204)
        if call.method == "DELETE":
            self._org.delete(table, record_id)
            return Answer(204)
        raise _wrong_method(call)

    def _by_key(self, call: Call, table: Table, field_name: str, key: str) -> Answer:
        at = external_id_field(table, field_name)
        if at == ID:
            return self._by_id(call, table, id_of(table, key))
        if call.method == "PATCH":
            return self._upsert(call, table, at, key)
        found = table.with_value(at, key)
        if not found:
            raise not_found(f"Provided external ID field does not exist: {key}")
        if len(found) > 1:
            return self._matches(call, table, found)
        return self._by_id(call, table, found[0])

    def _upsert(self, call: Call, table: Table, at: int, key: str) -> Answer:
        body = call.json_object()
        name = table.fields[at].name
        if any(given.lower() in (name.lower(), "id") for given in body):
            raise RequestError(
                400,
                "INVALID_FIELD",
                f"The {name} field should not be specified in the sobject data.",
                (name,),
            )
        changes = changes_of(self._org, table, body)
        may_create = call.query.get("updateOnly", "").lower() != "true"
        try:
            outcome = self._org.upsert(table, at, key, changes, may_create=may_create)
        except Ambiguous as error:
            return self._matches(call, table, error.ids)
        if outcome.is_created:
            return _done(outcome.id, 201, is_created=True)
        if self._org.settings.upsert_update_answers_204:
            return Answer(204)
        return _done(outcome.id, 200, is_created=False)

    @staticmethod
    def _matches(call: Call, table: Table, ids: Any) -> Answer:
        """300: the external id is not unique; the body lists the matches."""
        base = f"/services/data/v{call.version}/sobjects/{table.name}"
        return json_answer([f"{base}/{record_id}" for record_id in ids], 300)

    def _show(self, call: Call, table: Table, values: Values) -> Answer:
        wanted = call.query.get("fields")
        if wanted:
            paths = [resolve(self._org, table, name.strip()) for name in wanted.split(",")]
        else:
            paths = [Path(field, at) for at, field in enumerate(table.fields)]
        text = row_renderer(self._org, table, paths, call.version)(values)
        headers = (("ETag", _etag(values)),) if table.name == "Account" else ()
        return Answer(200, text.encode(), headers=headers)

    def _updated(self, call: Call, table: Table) -> Answer:
        first, last = self._window(call.query, _UPDATED_DAYS)
        ids = [values[ID] for values in table.changed_between(first, last)]
        if len(ids) > _IDS_MAX:
            raise RequestError(400, "EXCEEDED_ID_LIMIT", "too many ids; narrow the time range")
        return json_answer({"ids": ids, "latestDateCovered": instant_text(last)})

    def _deleted(self, call: Call, table: Table) -> Answer:
        first, last = self._window(call.query, _DELETED_DAYS)
        gone = [
            {"id": values[ID], "deletedDate": instant_text(values[STAMP])}
            for values in table.deleted.values()
            if first <= values[STAMP] <= last
        ]
        now = self._org.clock.epoch_milliseconds()
        earliest = now - timedelta(days=_DELETED_DAYS) // timedelta(milliseconds=1)
        return json_answer(
            {
                "deletedRecords": gone,
                "earliestDateAvailable": instant_text(earliest),
                "latestDateCovered": instant_text(last),
            }
        )

    def _window(self, query: Mapping[str, str], days: int) -> tuple[int, int]:
        """``start`` and ``end`` in milliseconds, the end not later than now."""
        try:
            first, last = (instant_of(query[name]) for name in ("start", "end"))
        except (KeyError, ValueError) as error:
            raise RequestError(400, "MALFORMED_QUERY", f"start and end: {error}") from None
        now = self._org.clock.epoch_milliseconds()
        if last - first <= _MINUTE:
            raise RequestError(
                400,
                "INVALID_REPLICATION_DATE",
                "startDate must be more than a minute before endDate",
            )
        if now - first > timedelta(days=days) // timedelta(milliseconds=1):
            raise RequestError(
                400, "INVALID_REPLICATION_DATE", f"startDate cannot be more than {days} days ago"
            )
        return first, min(last, now)


def _etag(values: Values) -> str:
    return f'"{values[ID]}-{values[STAMP]}"'


def _check_condition(call: Call, table: Table, values: Values) -> None:
    """If-Match and If-Unmodified-Since, which the vendor honours on Account rows only."""
    wanted = call.headers.get("if-match")
    if wanted is None or table.name != "Account" or wanted.strip() == "*":
        return
    if not wanted.strip().startswith('"'):
        raise RequestError(400, "INVALID_HEADER", f"If-Match is not an entity tag: {wanted}")
    if wanted.replace("--gzip", "").strip() != _etag(values):
        raise RequestError(412, "PRECONDITION_FAILED", "The record changed since it was read")


def _done(record_id: str, status: int, *, is_created: bool | None = None) -> Answer:
    body: dict[str, Any] = {"id": record_id, "success": True, "errors": []}
    if is_created is not None:
        body["created"] = is_created
    return json_answer(body, status)


def _wrong_method(call: Call) -> RequestError:
    return RequestError(
        405,
        "METHOD_NOT_ALLOWED",
        f"HTTP Method '{call.method}' not allowed. Allowed are HEAD,GET,POST,PATCH,DELETE",
    )
