"""Several records or several calls in one request: sObject Collections and ``/composite``."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sandbox.salesforce.conditions import resolve
from sandbox.salesforce.errors import RequestError, RowError, not_found
from sandbox.salesforce.org import Ambiguous, Change, Org, Outcome
from sandbox.salesforce.query import row_renderer
from sandbox.salesforce.records import changes_of, external_id_field, id_of
from sandbox.salesforce.store import ID, Table
from sandbox.salesforce.web import Answer, Call, json_answer

__all__ = ["Composite"]

_RECORDS_MAX = 200
_READ_MAX = 2000
_CALLS_MAX = 25
_REFERENCE = re.compile(r"@\{(\w+)\.(\w+)\}")
_ROLLED_BACK = RowError(
    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "Record rolled back because not all records were valid and the request was using AllOrNone "
    "header",
)

Row = Callable[[], Outcome]
Parsed = list[Change] | RowError
Inner = tuple[str, Answer]


class _RollBack(Exception):
    """Leaves an all-or-none block after a failure."""


class Composite:
    """The ``composite`` resources.

    Args:
        org: the records.
        answer: answers one inner call, as the app would, without counting it.
    """

    def __init__(self, org: Org, answer: Callable[[Call], Answer]) -> None:
        self._org = org
        self._answer = answer

    def answer(self, call: Call, parts: tuple[str, ...]) -> Answer:
        """Answer a call; ``parts`` follow ``/composite``. Raises RequestError."""
        if not parts and call.method == "POST":
            return self._calls(call)
        if parts and parts[0].lower() == "sobjects":
            if len(parts) == 1:
                return self._mixed(call)
            if len(parts) == 2:
                return self._retrieve(call, self._org.table(parts[1]))
            if len(parts) == 3 and call.method == "PATCH":
                return self._upsert(call, self._org.table(parts[1]), parts[2])
        raise not_found()

    def _mixed(self, call: Call) -> Answer:
        """Create, update or delete records of one or several objects."""
        if call.method == "DELETE":
            ids = [text for text in call.query.get("ids", "").split(",") if text]
            _check_count(len(ids))
            is_strict = call.query.get("allOrNone", "").lower() == "true"
            return self._apply([self._delete(text) for text in ids], is_strict, verb="delete")
        if call.method not in ("POST", "PATCH"):
            raise not_found()
        records, is_strict = _records(call)
        rows = []
        for body in records:
            table = self._table_of(body)
            if call.method == "POST":
                rows.append(self._insert(table, body))
            else:
                rows.append(self._update(table, body))
        return self._apply(rows, is_strict, verb="create" if call.method == "POST" else "update")

    def _upsert(self, call: Call, table: Table, field_name: str) -> Answer:
        at = external_id_field(table, field_name)
        records, is_strict = _records(call)
        seen: set[str] = set()
        rows = []
        for body in records:
            if self._table_of(body) is not table:
                raise RequestError(400, "INVALID_TYPE", f"all records must be of type {table.name}")
            rows.append(self._upsert_row(table, at, body, seen))
        return self._apply(rows, is_strict, verb="upsert")

    def _table_of(self, body: Any) -> Table:
        kind = body.get("attributes", {}).get("type") if isinstance(body, dict) else None
        table = self._org.tables.get(str(kind).lower())
        if table is None:
            raise RequestError(400, "INVALID_TYPE", f"sObject type '{kind}' is not supported.")
        return table

    def _parsed(self, table: Table, body: Mapping[str, Any], key: str = "") -> Parsed:
        """A row's changes, read before any row is applied: bad JSON refuses the whole call."""
        try:
            return changes_of(self._org, table, body, (key,) if key else ())
        except RowError as error:
            return error

    def _insert(self, table: Table, body: Mapping[str, Any]) -> Row:
        parsed = self._parsed(table, body)
        return lambda: self._org.insert(table, _good(parsed))

    def _update(self, table: Table, body: Mapping[str, Any]) -> Row:
        given = _value_of(body, "id")
        parsed = self._parsed(table, body, "id")

        def row() -> Outcome:
            if not given:
                raise RowError("MISSING_ARGUMENT", "Id not specified in an update call", ("Id",))
            return self._org.update(table, id_of(table, given), _good(parsed))

        return row

    def _delete(self, text: str) -> Row:
        def row() -> Outcome:
            for table in self._org.tables.values():
                if text.startswith(table.sobject.key_prefix):
                    return self._org.delete(table, id_of(table, text))
            raise RowError("MALFORMED_ID", f"malformed id {text}")

        return row

    def _upsert_row(self, table: Table, at: int, body: Mapping[str, Any], seen: set[str]) -> Row:
        name = table.fields[at].name
        key = _value_of(body, name.lower())
        if at == ID:
            return self._update(table, body) if key else self._insert(table, body)
        parsed = self._parsed(table, body, name.lower())

        def row() -> Outcome:
            if key is None or key == "":
                raise RowError("MISSING_ARGUMENT", f"{name} not specified", (name,))
            if str(key).lower() in seen:
                raise RowError(
                    "DUPLICATE_VALUE", f"Duplicate external id specified: {key}", (name,)
                )
            seen.add(str(key).lower())
            return self._org.upsert(table, at, str(key), _good(parsed))

        return row

    def _apply(self, rows: Sequence[Row], is_strict: bool, *, verb: str) -> Answer:
        """Run the rows in order; with all-or-none one failure undoes and fails them all."""
        results: list[Outcome | RowError] = []
        if not is_strict:
            results = [_attempt(row) for row in rows]
        else:
            try:
                with self._org.all_or_none():
                    results = [_attempt(row) for row in rows]
                    if any(isinstance(result, RowError) for result in results):
                        raise _RollBack
            except _RollBack:
                results = [
                    result if isinstance(result, RowError) else _ROLLED_BACK for result in results
                ]
        return json_answer([_entry(result, verb) for result in results])

    def _retrieve(self, call: Call, table: Table) -> Answer:
        """Rows by id, in the order asked, null for one that is not there."""
        if call.method == "POST":
            body = call.json_object()
            ids, names = body.get("ids") or [], body.get("fields") or []
        else:
            ids = [text for text in call.query.get("ids", "").split(",") if text]
            names = [text for text in call.query.get("fields", "").split(",") if text]
        if not ids or not names:
            raise RequestError(400, "MISSING_ARGUMENT", "ids and fields must be given")
        _check_count(len(ids), _READ_MAX)
        paths = [resolve(self._org, table, name.strip()) for name in names]
        render = row_renderer(self._org, table, paths, call.version)
        rows = []
        for text in ids:
            try:
                found = table.records.get(id_of(table, text))
            except RowError:
                found = None
            rows.append("null" if found is None else render(found))
        return Answer(200, f"[{','.join(rows)}]".encode())

    def _calls(self, call: Call) -> Answer:
        """``POST /composite``: up to 25 calls in order, later ones may use earlier answers."""
        tree = call.json_object()
        requests = tree.get("compositeRequest")
        if not isinstance(requests, list) or not requests:
            raise RequestError(400, "JSON_PARSER_ERROR", "compositeRequest must be a list")
        if len(requests) > _CALLS_MAX:
            raise RequestError(
                400, "LIMIT_EXCEEDED", f"at most {_CALLS_MAX} subrequests, got {len(requests)}"
            )
        if not tree.get("allOrNone"):
            return _composite_answer(self._run(call, requests, is_strict=False))
        answers: list[Inner] = []
        try:
            with self._org.all_or_none():
                answers = self._run(call, requests, is_strict=True)
                if any(answer.status >= 400 for _, answer in answers):
                    raise _RollBack
        except _RollBack:
            answers = [
                (reference, answer if answer.status >= 400 else _HALTED)
                for reference, answer in answers
            ]
        return _composite_answer(answers)

    def _run(
        self, call: Call, requests: Sequence[Mapping[str, Any]], *, is_strict: bool
    ) -> list[Inner]:
        known: dict[str, Any] = {}
        answers: list[Inner] = []
        has_failed = False
        for request in requests:
            reference = str(request.get("referenceId", ""))
            if has_failed and is_strict:
                answers.append((reference, _HALTED))
                continue
            answer = self._answer(_inner_call(call, request, known))
            if answer.body:
                known[reference] = json.loads(answer.body, parse_float=str)
            has_failed = has_failed or answer.status >= 400
            answers.append((reference, answer))
        return answers


def _composite_answer(answers: Sequence[Inner]) -> Answer:
    """The bodies are put in as the text they are, so that no amount is read and written again."""
    entries = [
        f'{{"body":{answer.body.decode() or "null"},'
        f'"httpHeaders":{json.dumps(dict(answer.headers))},'
        f'"httpStatusCode":{answer.status},"referenceId":{json.dumps(reference)}}}'
        for reference, answer in answers
    ]
    return Answer(200, f'{{"compositeResponse":[{",".join(entries)}]}}'.encode())


def _inner_call(outer: Call, request: Mapping[str, Any], known: Mapping[str, Any]) -> Call:
    """A subrequest as a call, with ``@{ref.field}`` filled in."""

    def value(match: re.Match[str]) -> str:
        found = known.get(match[1])
        return str(found.get(match[2], "")) if isinstance(found, dict) else ""

    url = _REFERENCE.sub(value, str(request.get("url", "")))
    path, _, query = url.partition("?")
    body = request.get("body")
    text = "" if body is None else _REFERENCE.sub(value, json.dumps(body, default=str))
    return Call.of_url(
        str(request.get("method", "GET")).upper(), path, query, outer.headers, text.encode()
    )


_HALTED = json_answer(
    [
        {
            "errorCode": "PROCESSING_HALTED",
            "message": "The transaction was rolled back since another operation in the same "
            "transaction failed.",
        }
    ],
    400,
)


def _good(parsed: Parsed) -> list[Change]:
    """The changes of a row, or its refusal raised in its turn."""
    if isinstance(parsed, RowError):
        raise parsed
    return parsed


def _check_count(count: int, most: int = _RECORDS_MAX) -> None:
    if count > most:
        raise RequestError(
            400,
            "EXCEEDED_MAX_SIZE_REQUEST",
            f"record limit reached. cannot submit more than {most} records in this call",
        )


def _records(call: Call) -> tuple[list[Any], bool]:
    tree = call.json_object()
    records = tree.get("records")
    if not isinstance(records, list) or not records:
        raise RequestError(400, "JSON_PARSER_ERROR", "records must be a list that is not empty")
    _check_count(len(records))
    return records, bool(tree.get("allOrNone", False))


def _value_of(body: Mapping[str, Any], lower_name: str) -> Any:
    return next((value for name, value in body.items() if name.lower() == lower_name), None)


def _attempt(row: Row) -> Outcome | RowError:
    try:
        return row()
    except RowError as error:
        return error
    except Ambiguous as error:
        return RowError("DUPLICATE_EXTERNAL_ID", f"external id matches {', '.join(error.ids)}")


def _entry(result: Outcome | RowError, verb: str) -> dict[str, Any]:
    if isinstance(result, RowError):
        entry: dict[str, Any] = {"success": False, "errors": [result.in_collection()]}
    else:
        entry = {"id": result.id, "success": True, "errors": []}
    if verb == "upsert":
        entry["created"] = isinstance(result, Outcome) and result.is_created
    return entry
