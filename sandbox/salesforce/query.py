"""Queries: run, page, render. Pages are JSON text made straight from the stored values."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from sandbox.salesforce import soql
from sandbox.salesforce.conditions import Path, candidates, predicate_of, resolve, sort_rows
from sandbox.salesforce.errors import RequestError
from sandbox.salesforce.org import Org
from sandbox.salesforce.store import ID, Table, Values
from sandbox.salesforce.values import Renderer, csv_text, renderer_of

__all__ = ["Queries", "Selected", "csv_rows", "row_renderer", "select"]

_LOCATOR_MILLISECONDS = 2 * 24 * 3600 * 1000
_OFFSET_MAX = 2000


@dataclass(frozen=True, slots=True)
class Selected:
    """A query's answer: the records, and which paths of them were asked for."""

    table: Table
    paths: tuple[Path, ...]
    names: tuple[str, ...]
    rows: list[Values]
    is_count: bool = False


def select(org: Org, text: str, *, with_deleted: bool = False) -> Selected:
    """Run a query. Raises RequestError (MALFORMED_QUERY, INVALID_FIELD, INVALID_TYPE …)."""
    query = soql.parse(text)
    table = org.tables.get(query.object_name.lower())
    if table is None:
        raise RequestError(
            400, "INVALID_TYPE", f"sObject type '{query.object_name}' is not supported."
        )
    if query.offset > _OFFSET_MAX:
        raise RequestError(
            400, "NUMBER_OUTSIDE_VALID_RANGE", f"Maximum SOQL offset allowed is {_OFFSET_MAX}"
        )
    paths = tuple(resolve(org, table, path) for path in query.paths)
    rows = _matching(org, table, query, with_deleted=with_deleted)
    stop = None if query.limit is None else query.offset + query.limit
    return Selected(table, paths, query.paths, rows[query.offset : stop], not query.paths)


def _matching(org: Org, table: Table, query: soql.Select, *, with_deleted: bool) -> list[Values]:
    rows = list(candidates(org, table, query.where))
    if with_deleted:
        rows.extend(table.deleted.values())
    if query.where is not None:
        matches = predicate_of(org, table, query.where)
        rows = [values for values in rows if matches(values)]
    if query.order:
        return sort_rows(org, table, rows, query.order)
    if org.settings.shuffles_unordered:
        Random(org.settings.seed).shuffle(rows)  # noqa: S311 - repeatable, nothing secret
    return rows


def row_renderer(
    org: Org, table: Table, paths: Sequence[Path], version: str
) -> Callable[[Values], str]:
    """The function that writes one record as JSON with its ``attributes``."""
    columns: list[tuple[Callable[[Values], Any], Renderer]] = []
    parts = [_attributes(table, version, "%s")]
    columns.append((lambda values: values[ID], str))
    nested: set[int] = set()
    for path in paths:
        if path.parent is not None:
            if path.at in nested:
                continue
            nested.add(path.at)
            inner = [p for p in paths if p.parent is not None and p.at == path.at]
            columns.append((lambda values: values, _nested(org, path, inner, version)))
            parts.append(f'"{table.fields[path.at].relationship_name}":%s')
            continue
        renderer = renderer_of(path.field, is_scientific=org.settings.numbers_are_scientific)
        columns.append((path.getter(org, table), renderer))
        parts.append(f'"{path.field.name}":%s')
    template = "{" + ",".join(parts) + "}"
    if all(path.parent is None and not path.field.days_since for path in paths):
        places: list[tuple[int, Renderer]]
        places = [(ID, str), *((p.at, c[1]) for p, c in zip(paths, columns[1:], strict=True))]
        return lambda values: template % tuple([write(values[at]) for at, write in places])
    return lambda values: template % tuple([write(get(values)) for get, write in columns])


def _attributes(table: Table, version: str, record_id: str) -> str:
    return (
        f'"attributes":{{"type":"{table.name}",'
        f'"url":"/services/data/v{version}/sobjects/{table.name}/{record_id}"}}'
    )


def _nested(org: Org, path: Path, inner: Sequence[Path], version: str) -> Renderer:
    """The parent record of a reference, or null."""
    parent, at = path.parent, path.at
    assert parent is not None
    render = row_renderer(org, parent, [Path(p.field, p.parent_at) for p in inner], version)

    def write(values: Values) -> str:
        found = parent.records.get(values[at]) if values[at] is not None else None
        return "null" if found is None else render(found)

    return write


@dataclass(slots=True)
class _Cursor:
    """An open locator. ``rows``: records as they were, or ids when pages show them as they are."""

    selected: Selected
    rows: list[Any]
    opened_at: int


class Queries:
    """Runs queries and keeps their locators."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._cursors: dict[str, _Cursor] = {}

    def first_page(self, text: str, *, version: str, page_rows: int, with_deleted: bool) -> str:
        """Run a query and return its first page."""
        selected = select(self._org, text, with_deleted=with_deleted)
        if selected.is_count:
            return f'{{"totalSize":{len(selected.rows)},"done":true,"records":[]}}'
        rows: list[Any] = selected.rows
        if self._org.settings.locator_shows_current:
            rows = [values[ID] for values in rows]
        cursor = _Cursor(selected, rows, self._org.clock.epoch_milliseconds())
        locator = ""
        if len(rows) > page_rows:
            locator = self._org.ids.next("01g")
            self._cursors[locator] = cursor
            while len(self._cursors) > self._org.settings.cursors_max:
                del self._cursors[next(iter(self._cursors))]
        return self._page(cursor, locator, 0, version=version, page_rows=page_rows)

    def next_page(self, text: str, *, version: str, page_rows: int) -> str:
        """A later page by its locator ``01g…-2000``. Raises INVALID_QUERY_LOCATOR."""
        locator, _, offset = text.partition("-")
        cursor = self._cursors.get(locator)
        now = self._org.clock.epoch_milliseconds()
        is_known = cursor is not None and now - cursor.opened_at <= _LOCATOR_MILLISECONDS
        if cursor is None or not is_known or not offset.isdigit():
            raise RequestError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        return self._page(cursor, locator, int(offset), version=version, page_rows=page_rows)

    def _page(
        self, cursor: _Cursor, locator: str, offset: int, *, version: str, page_rows: int
    ) -> str:
        selected = cursor.selected
        page = cursor.rows[offset : offset + page_rows]
        if self._org.settings.locator_shows_current:
            live, binned = selected.table.records, selected.table.deleted
            found = [live.get(record_id) or binned.get(record_id) for record_id in page]
            page = [values for values in found if values is not None]
        render = row_renderer(self._org, selected.table, selected.paths, version)
        stop = offset + page_rows
        head = f'{{"totalSize":{len(cursor.rows)},"done":'
        if stop < len(cursor.rows):
            head += f'false,"nextRecordsUrl":"/services/data/v{version}/query/{locator}-{stop}",'
        else:
            head += "true,"
        return f'{head}"records":[{",".join(map(render, page))}]}}'


def csv_rows(org: Org, selected: Selected) -> list[list[str]]:
    """A query's rows as a bulk query job writes them, without the header."""
    getters = [(path.getter(org, selected.table), path.field) for path in selected.paths]
    return [[csv_text(field, get(values)) for get, field in getters] for values in selected.rows]
