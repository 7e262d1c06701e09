"""Requests on sets: read, page, create, change, delete, call actions, batches.

What a write means is the business of ``Rules``; what a request may say is decided here.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from sandbox.dynamics365_finance.odata import batch
from sandbox.dynamics365_finance.odata.answers import (
    Answer,
    ODataError,
    bad_request,
    json_answer,
)
from sandbox.dynamics365_finance.odata.filters import parse_filter
from sandbox.dynamics365_finance.odata.metadata import metadata_xml, service_document
from sandbox.dynamics365_finance.odata.model import NAMESPACE, EntitySet, Kind, Row
from sandbox.dynamics365_finance.odata.tables import Table, UndoLog, etag_of

__all__ = ["Action", "ODataRequest", "ODataSite", "Rules"]

_KEYED = re.compile(r"^([A-Za-z_]\w*)\((.*)\)$", re.DOTALL)
_KEY_PART = re.compile(
    r"\s*(?:([A-Za-z_]\w*)\s*=\s*)?('(?:[^']|'')*'|-?[\d.]+|[\w.]+'[^']*')\s*(,|$)"
)
_OPTIONS = frozenset({
    "$filter", "$select", "$top", "$skip", "$orderby", "$count", "$expand", "$skiptoken",
    "cross-company", "$format",
})  # fmt: skip

#: An action: parameters and, where it is bound to one row, that row; the answer's ``value``.
Action = Callable[[Mapping[str, Any], Row | None], Any]


class Rules(Protocol):
    """What writes mean. Each may refuse with ODataError; nothing was changed then."""

    def create(self, table: Table, values: Row) -> Row: ...

    def change(self, table: Table, row: Row, values: Row) -> None: ...

    def remove(self, table: Table, row: Row) -> None: ...

    def swallows(self, verb: str, table: Table) -> bool: ...


@dataclass(frozen=True, slots=True)
class ODataRequest:
    """One request below ``/data/``. ``path`` is still percent-encoded, ``root`` absolute."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    root: str


class ODataSite:
    """All sets of one environment.

    Args:
        tables: rows by set name.
        rules: what writes mean.
        actions: by (set, action name).
        home_company: what a request sees that does not ask for all companies.
        refresh: called before a set is read whose rows are worked out.
    """

    def __init__(
        self,
        tables: Mapping[str, Table],
        undo: UndoLog,
        rules: Rules,
        actions: Mapping[tuple[str, str], Action],
        *,
        home_company: str,
        page_size: int,
        next_link: str,
        operations_max: int,
        if_match_required: bool,
        refresh: Callable[[str], None],
    ) -> None:
        self._tables = tables
        self._undo = undo
        self._rules = rules
        self._actions = actions
        self._home = home_company
        self._page_size = page_size
        self._next_link = next_link
        self._operations_max = operations_max
        self._if_match_required = if_match_required
        self._refresh = refresh

    def handle(self, request: ODataRequest) -> Answer:
        """Answer one request; refusals are answers, too."""
        try:
            if request.path.strip("/") == "$batch":
                return self._batch(request)
            return self._one(request)
        except ODataError as error:
            return error.answer

    def _one(self, request: ODataRequest) -> Answer:
        path = unquote(request.path).strip("/")
        if not path:
            return json_answer(200, service_document(self._entities(), request.root))
        if path == "$metadata":
            body = metadata_xml(self._entities(), self._actions).encode()
            return Answer(200, body, {"Content-Type": "application/xml"})
        options = self._options(request.query)
        address, _, action = path.partition(f"/{NAMESPACE}.")
        address, is_count = address.removesuffix("/$count"), address.endswith("/$count")
        keyed = _KEYED.match(address)
        name = keyed.group(1) if keyed else address
        table = self._tables.get(name)
        if table is None:
            raise ODataError(404, f"No HTTP resource was found that matches the request '{name}'.")
        key = self._key(table, keyed.group(2), options) if keyed else None
        if action:
            return self._call(request, table, key, action)
        if request.method == "GET":
            self._refresh(name)
            if key is not None:
                return self._entity_answer(200, table, self._row(table, key), request, options)
            return self._page(request, table, options, is_count=is_count)
        return self._write(request, table, key, options)

    def _entities(self) -> list[EntitySet]:
        return [table.entity for table in self._tables.values()]

    @staticmethod
    def _options(query: str) -> dict[str, str]:
        options = dict(parse_qsl(query, keep_blank_values=True))
        for name in options:
            if name.startswith("$") and name not in _OPTIONS:
                raise bad_request(f"The query option '{name}' is not supported.")
        return options

    # -- addresses ------------------------------------------------------------------------------

    def _key(self, table: Table, text: str, options: Mapping[str, str]) -> tuple[Any, ...]:
        """The key of an address. All key properties are needed, the company too."""
        found: dict[str, Any] = {}
        place = 0
        while place < len(text):
            match = _KEY_PART.match(text, place)
            if match is None:
                raise bad_request(f"The key '{text}' is malformed.")
            name, literal, _ = match.groups()
            found[name or table.entity.keys[0]] = self._key_value(table, name, literal)
            place = match.end()
        if set(found) != set(table.entity.keys):
            raise bad_request(
                "The number of keys specified in the URI does not match number of key properties "
                f"for the resource '{NAMESPACE}.{table.entity.entity}'."
            )
        if not _is_cross(options) and found.get("dataAreaId", self._home) != self._home:
            raise ODataError(404, f"No resources were found for '{table.entity.name}'.")
        return tuple(found[name] for name in table.entity.keys)

    @staticmethod
    def _key_value(table: Table, name: str | None, literal: str) -> Any:
        name = name or table.entity.keys[0]
        one = table.entity.properties.get(name)
        if one is None:
            raise bad_request(f"'{name}' is no key property of '{table.entity.name}'.")
        if one.kind is Kind.INTEGER:
            return int(literal)
        if one.kind is Kind.DECIMAL:
            return Decimal(literal)
        value = literal.rpartition("'")[0].partition("'")[2].replace("''", "'")
        return value.lower() if name == "dataAreaId" else value

    def _row(self, table: Table, key: tuple[Any, ...]) -> Row:
        row = table.rows.get(key)
        if row is None:
            raise ODataError(404, f"No resources were found for '{table.entity.name}'.")
        return row

    # -- reading --------------------------------------------------------------------------------

    def _page(
        self, request: ODataRequest, table: Table, options: Mapping[str, str], *, is_count: bool
    ) -> Answer:
        rows = self._matching(table, options)
        if is_count:
            return Answer(200, str(len(rows)).encode(), {"Content-Type": "text/plain"})
        skip = int(options.get("$skip", "0"))
        top = int(options["$top"]) if "$top" in options else len(rows)
        if token := options.get("$skiptoken"):
            last = _key_in(token, table)
            skip = next((n for n, r in enumerate(rows) if table.entity.key_of(r) > last), len(rows))
        size = min(self._page_size, _wished_size(request.headers, self._page_size))
        window = rows[skip : skip + min(top, size)]
        left = min(len(rows) - skip, top) - len(window)
        texts = ",".join(self._row_text(table, row, options) for row in window)
        count = f'"@odata.count":{len(rows)},' if options.get("$count") == "true" else ""
        context = json.dumps(f"{request.root}$metadata#{table.entity.name}")
        link = ""
        if left > 0:
            link = ',"@odata.nextLink":' + json.dumps(
                self._following(request, table, options, window[-1], skip + len(window), left)
            )
        text = f'{{"@odata.context":{context},{count}"value":[{texts}]{link}}}'
        return json_answer(200, text, {"OData-Version": "4.0"})

    def _matching(self, table: Table, options: Mapping[str, str]) -> list[Row]:
        """Rows of the companies asked for that fit the filter, in order."""
        rows = list(table.rows.values())
        if not _is_cross(options) and "dataAreaId" in table.entity.properties:
            rows = [row for row in rows if row["dataAreaId"] == self._home]
        if text := options.get("$filter"):
            test = parse_filter(text, table.entity)
            rows = [row for row in rows if test(row)]
        names = [one.strip() for one in options.get("$orderby", "").split(",") if one.strip()]
        if not names:
            return sorted(rows, key=table.entity.key_of)
        for name in reversed(names):
            bare, _, direction = name.partition(" ")
            self._known(table, bare)
            rows.sort(key=lambda row: row[bare], reverse=direction == "desc")
        return rows

    def _following(
        self,
        request: ODataRequest,
        table: Table,
        options: Mapping[str, str],
        last: Row,
        skip: int,
        left: int,
    ) -> str:
        """The next-link: the same question, further on."""
        following = {k: v for k, v in options.items() if k not in ("$skip", "$top", "$skiptoken")}
        if "$top" in options:
            following["$top"] = str(left)
        if self._next_link == "key" and "$orderby" not in options:
            following["$skiptoken"] = json.dumps(table.entity.key_of(last), default=str)
        else:
            following["$skip"] = str(skip)
        query = "&".join(f"{quote(k, safe='$-')}={quote(v, safe='')}" for k, v in following.items())
        return f"{request.root}{table.entity.name}?{query}"

    def _known(self, table: Table, name: str) -> None:
        if name not in table.entity.properties:
            raise bad_request(
                f"Could not find a property named '{name}' on type "
                f"'{NAMESPACE}.{table.entity.entity}'."
            )

    def _row_text(self, table: Table, row: Row, options: Mapping[str, str]) -> str:
        properties = table.entity.properties
        names = [one.strip() for one in options.get("$select", "").split(",") if one.strip()]
        for name in names:
            self._known(table, name)
        parts = [f'"@odata.etag":{json.dumps(etag_of(row))}']
        parts += [
            f'"{name}":{properties[name].json_text(row[name])}' for name in names or properties
        ]
        return "{" + ",".join(parts) + "}"

    def _entity_answer(
        self,
        status: int,
        table: Table,
        row: Row,
        request: ODataRequest,
        options: Mapping[str, str],
    ) -> Answer:
        context = json.dumps(f"{request.root}$metadata#{table.entity.name}/$entity")
        text = '{"@odata.context":' + context + "," + self._row_text(table, row, options)[1:]
        return json_answer(status, text, {"ETag": etag_of(row), "OData-Version": "4.0"})

    # -- writing --------------------------------------------------------------------------------

    def _write(
        self,
        request: ODataRequest,
        table: Table,
        key: tuple[Any, ...] | None,
        options: Mapping[str, str],
    ) -> Answer:
        if not table.entity.is_writable or (key is None) != (request.method == "POST"):
            raise ODataError(405, "The requested resource does not support this http method.")
        with self._undo.all_or_nothing():
            if request.method == "POST":
                values = self._values(table, request.body, is_new=True)
                row = self._rules.create(table, values)
                return self._entity_answer(201, table, row, request, options)
            row = self._row(table, key or ())
            self._check_version(row, request.headers.get("if-match", ""))
            if request.method == "DELETE":
                self._rules.remove(table, row)
                return Answer(204)
            if request.method not in ("PATCH", "MERGE"):
                raise ODataError(405, "The requested resource does not support this http method.")
            values = self._values(table, request.body, is_new=False)
            if not self._rules.swallows("PATCH", table):
                self._rules.change(table, row, values)
        return Answer(204, b"", {"ETag": etag_of(row)})

    def _check_version(self, row: Row, wanted: str) -> None:
        if not wanted:
            if self._if_match_required:
                raise ODataError(428, "An If-Match header is required.")
            return
        if wanted not in ("*", etag_of(row)):
            raise ODataError(
                412,
                "The request has been cancelled because the record was changed by another user. "
                "The ETag value does not match.",
            )

    def _values(self, table: Table, body: bytes, *, is_new: bool) -> Row:
        """The body's properties. Unknown, read-only and, in a change, key ones are refused."""
        tree = _tree(body)
        values: Row = {}
        for name, value in tree.items():
            if "@" in name:
                continue
            self._known(table, name)
            one = table.entity.properties[name]
            if one.is_read_only:
                raise bad_request(f"Field '{name}' does not allow editing.")
            if name in table.entity.keys and not is_new:
                continue
            values[name] = one.parsed(value)
        if is_new and "dataAreaId" in table.entity.keys:
            company = values.get("dataAreaId") or self._home
            values["dataAreaId"] = company.lower()
        return values

    def _call(
        self, request: ODataRequest, table: Table, key: tuple[Any, ...] | None, name: str
    ) -> Answer:
        action = self._actions.get((table.entity.name, name))
        if action is None:
            raise ODataError(404, f"No action named '{name}' was found on '{table.entity.name}'.")
        if request.method != "POST":
            raise ODataError(405, "The requested resource does not support this http method.")
        row = None if key is None else self._row(table, key)
        with self._undo.all_or_nothing():
            value = action(_tree(request.body), row)
        if value is None:
            return Answer(204)
        context = json.dumps(f"{request.root}$metadata#Edm.String")
        return json_answer(200, f'{{"@odata.context":{context},"value":{json.dumps(value)}}}')

    # -- batches --------------------------------------------------------------------------------

    def _batch(self, request: ODataRequest) -> Answer:
        content_type = request.headers.get("content-type", "")
        parts = batch.parse(content_type, request.body, operations_max=self._operations_max)
        answers = []
        for part in parts:
            if isinstance(part, batch.Part):
                answers.append((False, [(self.handle(self._inner(request, part)), "")]))
            else:
                answers.append((True, self._change_set(request, part)))
        return batch.batch_answer(answers)

    def _change_set(
        self, request: ODataRequest, change_set: batch.ChangeSet
    ) -> list[tuple[Answer, str]]:
        """Every answer, or the one refusal that took all of it back."""
        found = []
        part = None
        try:
            with self._undo.all_or_nothing():
                for part in change_set.parts:
                    found.append((self._one(self._inner(request, part)), part.content_id))
        except ODataError as error:
            return [(error.answer, part.content_id if part else "")]
        return found

    @staticmethod
    def _inner(request: ODataRequest, part: batch.Part) -> ODataRequest:
        """A part as a request of its own: its address is absolute or relative to ``/data/``."""
        target = urlsplit(part.target)
        path = target.path
        root_path = urlsplit(request.root).path
        path = path.removeprefix(root_path) if path.startswith(root_path) else path.lstrip("/")
        return ODataRequest(part.method, path, target.query, part.headers, part.body, request.root)


def _key_in(token: str, table: Table) -> tuple[Any, ...]:
    """The key that a skip token stands for."""
    entity = table.entity
    kinds = [entity.properties[name].kind for name in entity.keys]
    return tuple(
        Decimal(value) if kind is Kind.DECIMAL else value
        for kind, value in zip(kinds, json.loads(token), strict=True)
    )


def _is_cross(options: Mapping[str, str]) -> bool:
    return options.get("cross-company", "").lower() == "true"


def _wished_size(headers: Mapping[str, str], most: int) -> int:
    match = re.search(r"odata\.maxpagesize=(\d+)", headers.get("prefer", ""))
    return int(match.group(1)) or most if match else most


def _tree(body: bytes) -> dict[str, Any]:
    try:
        tree = json.loads(body or b"{}", parse_float=Decimal)
    except ValueError:
        raise bad_request("The request body is no JSON.") from None
    if not isinstance(tree, dict):
        raise bad_request("The request body is no JSON object.")
    return tree
