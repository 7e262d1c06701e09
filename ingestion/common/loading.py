"""Spooled rows into the warehouse: what is new or different goes in through dlt, nothing else.

For each object the spool is compared with the raw table in one SQL statement. Unchanged rows (the
overlap of the cursor, full reads) are dropped there, so a read that brought no news starts no dlt
pipeline at all. What remains is handed to dlt as a finished parquet file: ``append`` for the first
load of a system's object, whose keys were proven unique just before, else ``merge`` with strategy
``upsert`` on the primary key. Rows that a full read no longer shows leave the raw table; history
is kept by dbt snapshots. No state lives outside the warehouse: cursors are read from the raw table.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from ingestion.common.config import System
from ingestion.common.errors import ConfigError
from ingestion.common.objects import FieldType, ObjectSpec
from ingestion.common.report import ObjectReport
from ingestion.common.spool import Spool
from ingestion.common.warehouse import ensure_table, open_warehouse, quoted, raw_schema

__all__ = [
    "Change",
    "chosen_objects",
    "cursors",
    "load",
    "marked_deleted",
    "spool_folder",
    "stored_keys",
]


def stored_keys(
    warehouse_path: Path, system: System, spec: ObjectSpec, condition: str = "true"
) -> set[str]:
    """First key column of a system's stored rows; ``condition`` is SQL over the raw columns."""
    table = f"{raw_schema(system.kind)}.{quoted(spec.name)}"
    with open_warehouse(warehouse_path) as connection:
        rows = connection.execute(
            f"SELECT {quoted(spec.primary_key[0])} FROM {table} "  # noqa: S608
            f"WHERE system_id = ? AND {condition}",
            [system.system_id],
        ).fetchall()
    return {row[0] for row in rows}


def marked_deleted(
    warehouse_path: Path,
    system: System,
    spec: ObjectSpec,
    gone: Mapping[str, datetime | None],
    *,
    flag: str,
    loaded_at: datetime,
) -> pa.Table:
    """Stored rows with the given keys, flagged as deleted; ready for the object's spool.

    Args:
        warehouse_path: the working warehouse.
        system: whose rows.
        spec: which object.
        gone: key to the vendor's instant of deletion, None where only the absence is known.
        flag: the vendor's own field that says deleted.
        loaded_at: our instant.
    """
    schema = spec.arrow_schema()
    if not gone:
        return schema.empty_table()
    keys = pa.table(
        {
            "key": pa.array(gone.keys(), pa.string()),
            "at": pa.array(gone.values(), FieldType.TIMESTAMP.arrow),
        }
    )
    cursor, name = quoted(spec.cursor), quoted(spec.primary_key[0])
    columns = ", ".join(f"t.{quoted(column)}" for column in schema.names)
    with open_warehouse(warehouse_path) as connection:
        connection.register("gone_keys", keys)
        found = connection.sql(
            f"SELECT * EXCLUDE (gone_at) "  # noqa: S608
            f"REPLACE (true AS {quoted(flag)}, greatest({cursor}, gone_at) AS {cursor}, "
            f"?::TIMESTAMPTZ AS _loaded_at) FROM (SELECT {columns}, g.at AS gone_at "
            f"FROM {raw_schema(system.kind)}.{quoted(spec.name)} t "
            f"JOIN gone_keys g ON g.key = t.{name} "
            f"WHERE t.system_id = ? AND t.{quoted(flag)} IS DISTINCT FROM true)",
            params=[loaded_at, system.system_id],
        ).to_arrow_table()
    return found.cast(schema)


@dataclass(frozen=True, slots=True)
class Change:
    """What one object's spool changes in the warehouse."""

    spec: ObjectSpec
    path: Path
    rows: int
    is_first: bool


@contextmanager
def spool_folder() -> Iterator[Path]:
    """A temporary folder for one read's spools."""
    with tempfile.TemporaryDirectory(prefix="ledgerloop-read-") as folder:
        yield Path(folder)


def chosen_objects(
    specs: Sequence[ObjectSpec], only: Sequence[str] | None
) -> tuple[ObjectSpec, ...]:
    """The named objects, all when ``only`` is None.

    Raises:
        ConfigError: a name that is not declared.
    """
    if only is None:
        return tuple(specs)
    known = {spec.name for spec in specs}
    if unknown := sorted(set(only) - known):
        raise ConfigError(
            f"unknown objects {', '.join(unknown)}: declared are {', '.join(sorted(known))}",
            code="unknown_object",
        )
    return tuple(spec for spec in specs if spec.name in set(only))


def cursors(
    warehouse_path: Path, system: System, specs: Sequence[ObjectSpec]
) -> dict[str, datetime | None]:
    """Per object the instant to read from: highest cursor value stored, less the lag.

    None means that everything is read (nothing stored yet, or no cursor). The tables are made here
    too, so that a first read finds them.
    """
    found: dict[str, datetime | None] = {}
    with open_warehouse(warehouse_path) as connection:
        for spec in specs:
            table = ensure_table(connection, system.kind, spec)
            if spec.full_read:
                found[spec.name] = None
                continue
            row = connection.execute(
                f"SELECT max({quoted(spec.cursor)}) FROM {table} WHERE system_id = ?",  # noqa: S608
                [system.system_id],
            ).fetchone()
            found[spec.name] = _less_lag(row[0] if row else None, spec.lag_seconds)
    return found


def _less_lag(value: date | datetime | None, lag_seconds: int) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    return value.astimezone(UTC) - timedelta(seconds=lag_seconds)


def load(system: System, warehouse_path: Path, spools: Sequence[Spool]) -> list[ObjectReport]:
    """Bring closed spools into the warehouse; a spool without news costs one query."""
    changes: list[Change] = []
    vanished: dict[str, int] = {}
    with open_warehouse(warehouse_path) as connection:
        for spool in spools:
            if spool.rows:
                change = _changed(connection, system, spool)
                if change.rows:
                    changes.append(change)
            vanished[spool.spec.name] = _remove_vanished(connection, system, spool)
    if changes:
        from ingestion.common.pipeline import run_pipeline  # dlt costs 1 s to import

        run_pipeline(system, warehouse_path, changes)
    rows = {change.spec.name: change.rows for change in changes}
    return [
        ObjectReport(
            spool.spec.name,
            rows_read=spool.rows,
            rows_changed=rows.get(spool.spec.name, 0),
            rows_vanished=vanished[spool.spec.name],
            pages=spool.pages,
            seconds=spool.seconds,
        )
        for spool in spools
    ]


def _changed(connection: duckdb.DuckDBPyConnection, system: System, spool: Spool) -> Change:
    """New and different rows of a spool, one per key, as a parquet file."""
    spec = spool.spec
    table = f"{raw_schema(system.kind)}.{quoted(spec.name)}"
    source = f"read_parquet('{spool.path}')"
    keys = ", ".join(quoted(name) for name in spec.key_columns)
    has_rows = _value(
        connection,
        f"SELECT EXISTS (SELECT 1 FROM {table} WHERE system_id = ?)",  # noqa: S608
        [system.system_id],
    )
    # A hash that is shared by two keys only sends their rows through the longer way below.
    own_keys = ", ".join(quoted(name) for name in spec.primary_key)
    repeated = _value(
        connection,
        f"SELECT count(*) - count(DISTINCT hash({own_keys})) FROM {source}",  # noqa: S608
    )
    if not has_rows and not repeated:
        return Change(spec, spool.path, spool.rows, is_first=True)
    latest = source
    if repeated:
        # A page boundary that moved while reading shows a row twice: the latest version counts.
        order = [f"{quoted(spec.cursor)} DESC"] if spec.cursor else []
        order.append("file_row_number DESC")
        latest = (
            f"(SELECT * EXCLUDE (file_row_number) FROM read_parquet('{spool.path}', "  # noqa: S608
            f"file_row_number = true) QUALIFY row_number() OVER (PARTITION BY {keys} "
            f"ORDER BY {', '.join(order)}) = 1)"
        )
    path = spool.path.with_suffix(".changed.parquet")
    joined = " AND ".join(f"s.{quoted(name)} = r.{quoted(name)}" for name in spec.key_columns)
    differs = " OR ".join(
        f"s.{quoted(one.name)} IS DISTINCT FROM r.{quoted(one.name)}"
        for one in spec.fields
        if one.name not in spec.primary_key
    )
    row = connection.execute(
        f"COPY (SELECT s.* FROM {latest} s LEFT JOIN {table} r ON {joined} "  # noqa: S608
        f"WHERE r.system_id IS NULL{' OR ' + differs if differs else ''}) "
        f"TO '{path}' (FORMAT parquet, COMPRESSION lz4)"
    ).fetchone()
    return Change(spec, path, int(row[0]) if row else 0, is_first=False)


def _remove_vanished(connection: duckdb.DuckDBPyConnection, system: System, spool: Spool) -> int:
    """Delete stored rows that a whole read no longer shows; the number removed."""
    spec = spool.spec
    if not spec.full_read or spec.keeps_vanished:
        return 0
    table = f"{raw_schema(system.kind)}.{quoted(spec.name)}"
    matched = " AND ".join(f"s.{quoted(name)} = r.{quoted(name)}" for name in spec.primary_key)
    absent = (
        f" AND NOT EXISTS (SELECT 1 FROM read_parquet('{spool.path}') s WHERE {matched})"  # noqa: S608
        if spool.rows
        else ""
    )
    row = connection.execute(
        f"DELETE FROM {table} r WHERE system_id = ?{absent}",  # noqa: S608
        [system.system_id],
    ).fetchone()
    return int(row[0]) if row else 0


def _value(
    connection: duckdb.DuckDBPyConnection, sql: str, parameters: Sequence[Any] = ()
) -> int | bool:
    row = connection.execute(sql, list(parameters)).fetchone()
    assert row is not None
    value: int | bool = row[0]
    return value
