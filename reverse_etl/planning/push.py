"""A pushed table as the desire of one object: what ``ledgerloop push`` compares and plans.

The table's file is attached read-only to a small warehouse of push's own; ``sync.<object>`` is a
view over it in canonical text, ``observed.<object>`` what the target holds, or, where it cannot be
listed, what the ledger acknowledged. The planner then works as for any other object. Nothing here
sends, reads a vendor or writes to the table's file.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from ingestion.common.errors import ConfigError
from ingestion.common.warehouse import open_warehouse
from reverse_etl.ledger.commands import CommandClass
from reverse_etl.ledger.exceptions import BUSINESS, NewException
from reverse_etl.planning.diff_sql import CONTEXT_COLUMNS, canonical_sql, literal, quoted
from reverse_etl.planning.governance import TargetObject
from reverse_etl.planning.pushed_columns import nearest, sort_of, wrong_sql
from reverse_etl.planning.tables import create_tables

__all__ = ["PushedTable", "Table", "open_table"]

_SOURCE = "pushed_file"
_EXAMPLES = 5
_PAGE_ROWS = 50_000
#: What every sync view names a row by.
_OUR_COLUMNS = frozenset({"system_id", "object_key"})


@dataclass(frozen=True, slots=True)
class Table:
    """What the user named: a DuckDB file, a table or view in it, its key column."""

    file: Path
    name: str
    key: str


class PushedTable:
    """The table, attached, and the small warehouse around it. Made by ``open_table``."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, table: Table) -> None:
        self.connection = connection
        self._relation, types = _find(connection, table)
        self._key = table.key
        if table.key not in types:
            raise ConfigError(
                f"{table.name} has no column {table.key!r}{nearest(table.key, types)}",
                code="push_key",
            )
        self.context = {name: one for name, one in types.items() if name.startswith("ctx_")}
        for name in self.context:
            if name not in CONTEXT_COLUMNS:
                raise ConfigError(
                    f"column {name}: what is not sent is one of {', '.join(CONTEXT_COLUMNS)}"
                    f"{nearest(name, CONTEXT_COLUMNS)}",
                    code="push_column",
                )
        for name in types:
            if name.lower() in _OUR_COLUMNS and name != table.key:
                raise ConfigError(
                    f"column {name}: push has a column of that name itself; rename it in a view",
                    code="push_column",
                )
        self.columns = {
            name: one
            for name, one in types.items()
            if name != table.key and name not in self.context
        }
        if not self.columns:
            raise ConfigError(f"{table.name} has no column beside its key", code="push_column")
        self.rows = self._check_keys(types[table.key])

    def _check_keys(self, key_type: str) -> int:
        """Count the rows. Raises ConfigError for keys that are empty or stand twice."""
        if sort_of(key_type) not in {"whole", "text", "date"}:
            raise ConfigError(
                f"key column {self._key} is {key_type}: a key is a text or a whole number",
                code="push_key",
            )
        key = f"cast({quoted(self._key)} as varchar)"
        ((rows, empty),) = self.connection.execute(
            f"select count(*), count(*) filter (coalesce({key}, '') = '') from {self._relation}"  # noqa: S608
        ).fetchall()
        if empty:
            raise ConfigError(
                f"{empty:,} of {rows:,} rows have no {self._key}: a row without a key cannot be "
                "pushed; nothing was sent",
                code="push_key_null",
            )
        twice = self.connection.execute(
            f"select {key}, count(*) from {self._relation} group by 1 having count(*) > 1"  # noqa: S608
            " order by 1"
        ).fetchall()
        if twice:
            shown = ", ".join(f"{one} ({count} times)" for one, count in twice[:_EXAMPLES])
            more = f" and {len(twice) - _EXAMPLES:,} more" if len(twice) > _EXAMPLES else ""
            raise ConfigError(
                f"{self._key} is no key of the table: {shown}{more}; nothing was sent",
                code="push_key_twice",
            )
        return int(rows)

    # -- desire ----------------------------------------------------------------------------------

    def desire(
        self, target: TargetObject, system_id: str, timestamps: Collection[str] = ()
    ) -> list[NewException]:
        """Make the target's sync view of the table.

        Args:
            target: the object, with a field per column.
            system_id: the system it goes to.
            timestamps: columns that travel as ISO 8601 instants.

        Returns:
            One exception per value that is not of its field's format; its row is left out.
        """
        key = f"cast({quoted(self._key)} as varchar)"
        refused = self._refused(target, system_id, key)
        shown = [
            f"{self._canonical(target, name, timestamps)} as {quoted(name)}"
            for name in self.columns
        ]
        shown += [f"cast({quoted(name)} as varchar) as {quoted(name)}" for name in self.context]
        self.connection.execute(
            f"create or replace view sync.{target.view_name} as"  # noqa: S608 (quoted names)
            f" select {literal(system_id)} as system_id, {key} as object_key, {', '.join(shown)}"
            f" from {self._relation}"
            f" where {key} not in (select object_key from push.refused)"
        )
        return refused

    def _canonical(self, target: TargetObject, name: str, timestamps: Collection[str]) -> str:
        column_type = self.columns[name]
        if name not in timestamps:
            return canonical_sql(quoted(name), target.field(name), column_type)
        is_zoned = "WITH TIME ZONE" in column_type.upper()
        instant = f"{quoted(name)} at time zone 'UTC'" if is_zoned else quoted(name)
        text = f"strftime(cast({instant} as timestamp), '%Y-%m-%dT%H:%M:%S.%f')"
        return f"rtrim(rtrim({text}, '0'), '.')" + (" || 'Z'" if is_zoned else "")

    def _refused(self, target: TargetObject, system_id: str, key: str) -> list[NewException]:
        """Values that are not of their field's format, and ``push.refused`` with their keys."""
        parts = []
        for name, column_type in self.columns.items():
            wrong = wrong_sql(quoted(name), column_type, target.field(name).format)
            if wrong:
                parts.append(
                    f"select {key} as object_key, {literal(name)} as field,"  # noqa: S608
                    f" cast({quoted(name)} as varchar) as value from {self._relation} where {wrong}"
                )
        self.connection.execute("create or replace table push.refused (object_key varchar)")
        if not parts:
            return []
        rows = self.connection.execute(" union all ".join(parts) + " order by 1, 2").fetchall()
        if rows:
            keys = sorted({row[0] for row in rows})
            self.connection.register("_keys", pa.table({"object_key": pa.array(keys, pa.string())}))
            self.connection.execute("insert into push.refused select * from _keys")
            self.connection.unregister("_keys")
        return [
            NewException(
                BUSINESS,
                "invalid_value",
                f"{field}: {value!r} is not of format {target.field(field).format}",
                field=field,
                system_id=system_id,
                object_name=target.name,
                object_key=object_key,
            )
            for object_key, field, value in rows
        ]

    # -- observed --------------------------------------------------------------------------------

    def observe_acknowledged(self, target: TargetObject, system_id: str) -> None:
        """Let what the ledger acknowledged stand for what the target holds.

        The ledger's copy must be made before (``mirror_ledger``).
        """
        names = [f.name for f in target.compared]
        picked = ", ".join(
            f"max(case when field = {literal(name)} then nullif(value, '') end) as {quoted(name)}"
            for name in names
        )
        self.connection.execute(
            f"create or replace table observed.{target.view_name} as"  # noqa: S608
            f" select system_id, object_key, {picked} from ledger.acknowledged"
            f" where system_id = {literal(system_id)} and object_name = {literal(target.name)}"
            f" group by all"
        )

    def observe_rows(
        self,
        target: TargetObject,
        system_id: str,
        rows: Iterable[tuple[str, Sequence[str | None]]],
        names: Sequence[str],
    ) -> int:
        """Take what the target was read to hold.

        Args:
            target: the object.
            system_id: its system.
            rows: key and canonical texts, in the order of ``names``; a key once.
            names: columns.

        Returns:
            How many rows.
        """
        columns = ", ".join(f"{quoted(name)} varchar" for name in names)
        view = f"observed.{target.view_name}"
        self.connection.execute(
            f"create or replace table {view} (system_id varchar, object_key varchar, {columns})"
        )
        taken = 0
        for page in _in_pages(rows):
            arrays = [pa.array([system_id] * len(page), pa.string())]
            arrays.append(pa.array([key for key, _ in page], pa.string()))
            arrays += [
                pa.array([texts[place] for _, texts in page], pa.string())
                for place in range(len(names))
            ]
            self.connection.register(
                "_page", pa.table(arrays, names=["system_id", "object_key", *names])
            )
            self.connection.execute(f"insert into {view} select * from _page")  # noqa: S608
            self.connection.unregister("_page")
            taken += len(page)
        return taken

    def keys(self, target: TargetObject) -> list[str]:
        """Every key of the sync view, in order."""
        rows = self.connection.execute(
            f"select object_key from sync.{target.view_name} order by 1"  # noqa: S608
        ).fetchall()
        return [str(row[0]) for row in rows]

    def stuck_changes(self, target: TargetObject, system_id: str) -> list[str]:
        """Keys that were created and differ since, where the target can only create."""
        if target.command_class is not CommandClass.POSTING:
            return []
        fields = ", ".join(f"{literal(f.name)}: {quoted(f.name)}" for f in target.compared)
        rows = self.connection.execute(
            f"""
            with wanted as (
                select object_key, unnest(map_entries(map {{{fields}}})) as entry
                from sync.{target.view_name}
            )
            select distinct a.object_key
            from ledger.acknowledged as a
            inner join wanted as w on a.object_key = w.object_key and a.field = w.entry.key
            where a.system_id = ? and a.object_name = ?
                and nullif(a.value, '') is distinct from w.entry.value
            order by 1
            """,  # noqa: S608 (quoted names)
            [system_id, target.name],
        ).fetchall()
        return [str(row[0]) for row in rows]


@contextmanager
def open_table(table: Table, home: Path) -> Iterator[PushedTable]:
    """Attach a table read-only, for planning.

    The warehouse around it lies in ``<home>/push/`` and is only a cache of the ledger; when another
    push has it open, this one works in memory.

    Raises:
        ConfigError: no such file, table or key column (with the nearest right one); the file is not
            DuckDB's or open for writing elsewhere; keys are empty or stand twice.
    """
    if not table.file.is_file():
        raise ConfigError(f"--from: no file {table.file}", code="push_file")
    with _scratch(home) as connection:
        connection.execute("set preserve_insertion_order = false")
        for schema in ("sync", "observed", "push"):
            connection.execute(f"create schema if not exists {schema}")
        create_tables(connection)
        try:
            connection.execute(f"attach {literal(str(table.file))} as {_SOURCE} (read_only)")
        except duckdb.Error as error:
            raise ConfigError(
                f"--from: {table.file} cannot be read ({str(error).splitlines()[0]}); while "
                "something writes to it, push from a copy",
                code="push_file",
            ) from error
        yield PushedTable(connection, table)


@contextmanager
def _scratch(home: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The small warehouse: a cache of the ledger, in memory while another push has it open."""
    file = home / "push" / "scratch.duckdb"
    with ExitStack() as stack:
        try:
            connection = stack.enter_context(open_warehouse(file))
        except ConfigError as error:
            if error.code != "warehouse_locked":
                raise
            connection = stack.enter_context(duckdb.connect(":memory:"))
            connection.execute("set TimeZone = 'UTC'")
        yield connection


def _find(connection: duckdb.DuckDBPyConnection, table: Table) -> tuple[str, dict[str, str]]:
    """The table's full name and its columns' types. Raises ConfigError."""
    rows = connection.execute(
        f"""
        select schema_name, table_name from duckdb_tables() where database_name = '{_SOURCE}'
        union all
        select schema_name, view_name from duckdb_views()
        where database_name = '{_SOURCE}' and not internal
        """  # noqa: S608 (our own name)
    ).fetchall()
    named = {f"{schema}.{name}": (schema, name) for schema, name in rows}
    wanted = table.name if table.name in named else f"main.{table.name}"
    if wanted not in named:
        known = [name.removeprefix("main.") for name in named]
        raise ConfigError(
            f"--table: {table.file} has no table {table.name!r}{nearest(table.name, known)}",
            code="push_table",
        )
    relation = ".".join(quoted(part) for part in (_SOURCE, *named[wanted]))
    return relation, {
        str(row[0]): str(row[1]) for row in connection.execute(f"describe {relation}").fetchall()
    }


def _in_pages(
    rows: Iterable[tuple[str, Sequence[str | None]]],
) -> Iterator[list[tuple[str, Sequence[str | None]]]]:
    page: list[tuple[str, Sequence[str | None]]] = []
    for row in rows:
        page.append(row)
        if len(page) == _PAGE_ROWS:
            yield page
            page = []
    if page:
        yield page
