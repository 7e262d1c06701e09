"""Reading a set: filter, order, count, page. Paging is stateless: the token says where to go on.

In key order the token is the last key served, so that rows inserted or changed meanwhile neither
shift the page nor repeat; with ``$orderby`` it is an offset, as Gateway's own often is.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlencode

import orjson

from sandbox.sap_s4hana.odata.answers import ODataError
from sandbox.sap_s4hana.odata.filters import Predicate, compile_filter
from sandbox.sap_s4hana.odata.model import EntityType
from sandbox.sap_s4hana.odata.tables import Key, Row, Table

__all__ = ["Page", "count_rows", "next_link", "read_page", "read_rows"]


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of one answer. ``next_options`` are the query of the next page, None at the end."""

    rows: list[Row]
    count: int | None
    next_options: dict[str, str] | None


def _whole_number(options: Mapping[str, str], name: str) -> int | None:
    text = options.get(name)
    if text is None:
        return None
    if not text.isdigit():
        raise ODataError(400, "/IWBEP/CM_MGW_RT/009", f"Invalid system query option '{name}'")
    return int(text)


def _everything(_: Any) -> bool:
    return True


def _matching(table: Table, options: Mapping[str, str]) -> tuple[list[Key] | None, Predicate]:
    """Keys worth testing, in order (None: all of the table), and the test."""
    text = options.get("$filter", "")
    if not text.strip():
        return None, _everything
    compiled = compile_filter(text, table.type)
    candidates = compiled.candidates(table)
    if candidates is None:
        return None, compiled.matches
    return sorted(row.key for row in candidates), compiled.matches


def count_rows(table: Table, options: Mapping[str, str]) -> int:
    """How many rows a filter leaves."""
    keys, matches = _matching(table, options)
    rows = table.rows
    if keys is None and matches is _everything:
        return len(rows)
    found = rows.values() if keys is None else (rows[key] for key in keys)
    return sum(1 for row in found if matches(row.values))


def read_page(table: Table, options: Mapping[str, str], *, page_size: int) -> Page:
    """One page of a set.

    Raises:
        ODataError: 400 for a wrong option, order or token.
    """
    top = _whole_number(options, "$top")
    skip = _whole_number(options, "$skip") or 0
    limit = page_size if top is None else min(top, page_size)
    count = None
    if options.get("$inlinecount", "none") == "allpages":
        count = count_rows(table, options)
    if options.get("$orderby", "").strip():
        rows, token = _ordered(table, options, skip, limit)
    else:
        rows, token = _in_key_order(table, options, skip, limit)
    if token is None or (top is not None and len(rows) >= top):
        return Page(rows, count, None)
    following = {k: v for k, v in options.items() if k not in ("$skip", "$skiptoken", "$top")}
    if top is not None:
        following["$top"] = str(top - len(rows))
    following["$skiptoken"] = token
    return Page(rows, count, following)


def _in_key_order(
    table: Table, options: Mapping[str, str], skip: int, limit: int
) -> tuple[list[Row], str | None]:
    keys, matches = _matching(table, options)
    token = options.get("$skiptoken")
    after = None if token is None else _key_of(table, token)
    if keys is None:
        ordered, start = table.ordered_keys(), table.keys_after(after)
    else:
        ordered, start = keys if after is None else [k for k in keys if k > after], 0
    rows: list[Row] = []
    found = table.rows
    for position in range(start, len(ordered)):
        row = found[ordered[position]]
        if not matches(row.values):
            continue
        if skip:
            skip -= 1
            continue
        if len(rows) == limit:
            return rows, _token_of(rows[-1].key) if rows else None
        rows.append(row)
    return rows, None


def _token_of(key: Key) -> str:
    return urlsafe_b64encode(orjson.dumps(key)).decode().rstrip("=")


def _key_of(table: Table, token: str) -> Key:
    try:
        parts = orjson.loads(urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (ValueError, TypeError):
        parts = None
    if not isinstance(parts, list) or len(parts) != len(table.type.keys):
        raise ODataError(400, "/IWBEP/CM_MGW_RT/009", "Invalid system query option '$skiptoken'")
    return tuple(parts)


def _ordered(
    table: Table, options: Mapping[str, str], skip: int, limit: int
) -> tuple[list[Row], str | None]:
    keys, matches = _matching(table, options)
    ordered = table.ordered_keys() if keys is None else keys
    rows = [row for key in ordered if matches((row := table.rows[key]).values)]
    _sort(rows, table.type, options["$orderby"])
    token = options.get("$skiptoken")
    if token is not None and not token.isdigit():
        raise ODataError(400, "/IWBEP/CM_MGW_RT/009", "Invalid system query option '$skiptoken'")
    start = skip if token is None else int(token)
    end = start + limit
    return rows[start:end], str(end) if end < len(rows) and limit else None


def _sort(rows: list[Row], entity: EntityType, order: str) -> None:
    """Sort by ``$orderby``, last name first, so that the first decides."""
    for part in reversed(order.split(",")):
        name, _, direction = part.strip().partition(" ")
        if name not in entity.index or direction.strip() not in ("", "asc", "desc"):
            raise ODataError(
                400, "/IWBEP/CM_MGW_RT/021", f"Invalid $orderby '{part.strip()}'", target=name
            )
        position = entity.index[name]
        rows.sort(key=partial(_rank, position), reverse=direction.strip() == "desc")


def _rank(position: int, row: Row) -> tuple[bool, Any]:
    value = row.values[position]
    return (False, 0) if value is None else (True, value)


def read_rows(rows: Sequence[Row], entity: EntityType, options: Mapping[str, str]) -> list[Row]:
    """Filter, order, skip and top on rows that a navigation found; never cut into pages."""
    text = options.get("$filter", "").strip()
    matches = compile_filter(text, entity).matches if text else _everything
    found = [row for row in rows if matches(row.values)]
    if options.get("$orderby", "").strip():
        _sort(found, entity, options["$orderby"])
    start = _whole_number(options, "$skip") or 0
    top = _whole_number(options, "$top")
    return found[start:] if top is None else found[start : start + top]


def next_link(root: str, path: str, options: Mapping[str, str]) -> str:
    """The address of the next page."""
    return f"{root}{path}?{urlencode(options)}"
