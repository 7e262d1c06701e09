"""SuiteQL over DuckDB in memory: the account's data as analytic tables, answered like NetSuite.

Rows are projected from the records when a query comes, for changed transactions only. Values go
out as strings in lower-case names, nulls are left out, bare dates take the account's format, and at
most ``rows_max`` rows of a query can be reached. What is not SQL of NetSuite's dialect is refused.
"""

import re
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import duckdb

from sandbox.netsuite.errors import RequestRefused
from sandbox.netsuite.projection import TABLES, changing_rows, master_rows
from sandbox.netsuite.state import NetSuiteState

__all__ = ["SuiteQl"]

_FORMATS = (
    ("YYYY", "%Y"),
    ("MM", "%m"),
    ("DD", "%d"),
    ("HH24", "%H"),
    ("MI", "%M"),
    ("SS", "%S"),
    ('"', ""),
)
_FORMAT = "f"
for _theirs, _ours in _FORMATS:
    _FORMAT = f"replace({_FORMAT}, '{_theirs}', '{_ours}')"
_MACROS = (
    "CREATE SCHEMA builtin",
    "CREATE MACRO builtin.df(x) AS x",
    f"CREATE MACRO to_char(x, f) AS strftime(x, {_FORMAT})",
    "CREATE MACRO nvl(a, b) AS coalesce(a, b)",
    "CREATE MACRO nvl2(a, b, c) AS CASE WHEN a IS NULL THEN c ELSE b END",
)
#: ``TO_DATE('…', '…')`` of two literals, which becomes a plain literal.
_TO_INSTANT = re.compile(r"(?i)\bto_(date|timestamp)\s*\(\s*'([^']*)'\s*,\s*'([^']*)'\s*\)")
#: What reads or writes outside the account, or is no query at all.
_FORBIDDEN = re.compile(
    r"\b(insert|update|delete|create|drop|alter|attach|copy|pragma|install|load|set|call)\b",
    re.IGNORECASE,
)
_STRING = re.compile(r"'(?:[^']|'')*'")


class SuiteQl:
    """The query service of one account."""

    def __init__(self, state: NetSuiteState) -> None:
        self._state = state
        self._database = duckdb.connect(":memory:", config={"threads": 1})
        for statement in _MACROS:
            self._database.execute(statement)
        for name, columns in TABLES.items():
            listed = ", ".join(f'"{column}" {kind}' for column, kind in columns.items())
            self._database.execute(f'CREATE TABLE "{name}" ({listed})')
        self._database.execute(
            "CREATE VIEW previoustransactionlinelink AS SELECT * FROM nexttransactionlinelink"
        )
        self._database.execute("SET enable_external_access = false")

    def query(self, text: str, limit: int, offset: int) -> tuple[list[dict[str, str]], int]:
        """Rows of a page and how many the query has.

        Raises:
            RequestRefused: no query, not understood, or beyond the rows that can be reached.
        """
        state = self._state
        plain = _TO_INSTANT.sub(_literal, text.strip().rstrip(";"))
        bare = _STRING.sub("''", plain)
        if not re.match(r"(?i)\s*(select|with)\b", bare) or _FORBIDDEN.search(bare) or ";" in bare:
            raise _unparsable("only SELECT statements are allowed")
        if offset >= state.settings.rows_max:
            raise RequestRefused(
                400,
                "INVALID_PARAMETER",
                f"Queries can return at most {state.settings.rows_max} rows: offset {offset}.",
                path="offset",
            )
        self._refresh()
        try:
            counted = self._database.execute(f"SELECT count(*) FROM ({plain})").fetchone()  # noqa: S608
            # Not as a subquery, so that the order of the rows is the query's own; one that cuts
            # itself has no other place for a page.
            is_cut = re.search(r"(?i)\b(limit|fetch)\b", bare)
            whole = f"SELECT * FROM ({plain})" if is_cut else plain  # noqa: S608
            found = self._database.execute(f"{whole} LIMIT {limit} OFFSET {offset}")
            names = [column[0].lower() for column in found.description or ()]
            rows = found.fetchall()
        except duckdb.Error as error:
            raise _unparsable(str(error).partition("\n")[0]) from None
        total = min(int(counted[0]) if counted else 0, state.settings.rows_max)
        return [self._shown(names, row) for row in rows], total

    def _shown(self, names: list[str], row: tuple[Any, ...]) -> dict[str, Any]:
        shown: dict[str, Any] = {"links": []}
        for name, value in zip(names, row, strict=True):
            if value is not None and value != "":
                shown[name] = self._text(value)
        return shown

    def _text(self, value: Any) -> str:
        if isinstance(value, Decimal):
            text = f"{value:f}"
            return (text.rstrip("0").rstrip(".") or "0") if "." in text else text
        if isinstance(value, date | datetime):
            return value.strftime(self._state.settings.date_format)
        if isinstance(value, bool):
            return "T" if value else "F"
        return str(value)

    # -- rows -----------------------------------------------------------------------------------

    def _refresh(self) -> None:
        """Project what changed since the last query."""
        state = self._state
        if state.has_new_master_data:
            for name, rows in master_rows(state).items():
                self._database.execute(f'DELETE FROM "{name}"')  # noqa: S608 - our own names
                self._insert(name, rows)
            state.has_new_master_data = False
        if state.dirty:
            ids = sorted(state.dirty, key=int)
            numbers = ", ".join(ids)
            for name, column in (
                ("transaction", "id"),
                ("transactionline", "transaction"),
                ("transactionaccountingline", "transaction"),
                ("nexttransactionlinelink", "nextdoc"),
            ):
                self._database.execute(
                    f'DELETE FROM "{name}" WHERE {column} IN ({numbers})'  # noqa: S608 - digits
                )
            for name, rows in changing_rows(state, ids).items():
                self._insert(name, rows)
            state.dirty.clear()

    def _insert(self, name: str, rows: Iterable[tuple[Any, ...]]) -> None:
        import pyarrow as pa

        found = list(rows)
        if not found:
            return
        columns = TABLES[name]
        arrays = [
            pa.array([_stored(row[place]) for row in found], pa.string())
            for place in range(len(columns))
        ]
        table = pa.table(arrays, names=list(columns))
        self._database.register("incoming_rows", table)
        listed = ", ".join(
            f'CAST("{column}" AS {kind}) AS "{column}"' for column, kind in columns.items()
        )
        self._database.execute(f'INSERT INTO "{name}" SELECT {listed} FROM incoming_rows')  # noqa: S608
        self._database.unregister("incoming_rows")


def _stored(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%d %H:%M:%S.%f")
    return str(value)


def _literal(match: re.Match[str]) -> str:
    """A date or timestamp literal. Raises RequestRefused for a value that is none."""
    kind, value, form = match.groups()
    for theirs, ours in _FORMATS:
        form = form.replace(theirs, ours)
    try:
        instant = datetime.strptime(value, form)  # noqa: DTZ007 - the account's own time
    except ValueError:
        raise _unparsable(f"{value!r} is no {kind}") from None
    return (
        f"{kind.upper()} '{instant:%Y-%m-%d}'"
        if kind.lower() == "date"
        else (f"TIMESTAMP '{instant:%Y-%m-%d %H:%M:%S}'")
    )


def _unparsable(reason: str) -> RequestRefused:
    return RequestRefused(
        400,
        "INVALID_PARAMETER",
        f"Invalid search query. Detailed unprocessed description follows. {reason}.",
        path="q",
    )
