"""The three-way diff: desired × observed × acknowledged, per field, over whole tables, in SQL.

The only place where hub and target are compared. Desired (``sync.<object>``) and observed
(``observed.<object>``) are joined with ``is distinct from`` masks; what the ledger acknowledged is
looked up for changed rows only. It needs no ``updated_at``. It leaves ``diff_wide`` (one row per
key) and ``diff_changes`` (one row per field) as temporary tables for the planner, and sends,
records and decides nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from ingestion.common.errors import ConfigError
from reverse_etl.ledger.commands import CommandClass, Value
from reverse_etl.planning.diff_sql import Columns, changes_sql, equal_sql, literal, wide_sql
from reverse_etl.planning.governance import TargetObject
from reverse_etl.planning.values import payload_value

__all__ = ["Sizes", "agreements", "compare"]


_SIDES = ("sync", "observed")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of one object's keys a comparison saw in one system.

    Attributes:
        desired: keys the hub wants; observed: keys the target holds.
        changed: keys with a field to send, review or adopt.
        vanished: keys that the hub wrote, the target still holds and the hub no longer wants.
        duplicated: changed keys that a view holds more than once; nothing of them may leave.
    """

    system_id: str
    desired: int
    observed: int
    changed: int
    vanished: int
    duplicated: int


def _columns_of(connection: duckdb.DuckDBPyConnection, target: TargetObject) -> Columns:
    """Columns of the two sides of an object, where ``_stand`` left them.

    Raises:
        ConfigError: a side lacks a governed field (named).
    """
    places, found = [], []
    for side in _SIDES:
        name = f"{side}.{target.view_name}"
        place = name if _is_table(connection, side, target.view_name) else f"diff_{side}"
        rows = connection.execute(f"describe {place}").fetchall()
        types = {str(row[0]): str(row[1]) for row in rows}
        wanted = target.compared if side == "observed" else (*target.compared, *target.carried)
        missing = [f.name for f in wanted if f.name not in types]
        if missing:
            raise ConfigError(
                f"{name} lacks {', '.join(missing)}, which governance.yml names: add the column "
                "to the view or take the field out of the matrix",
                code="view_column_missing",
            )
        places.append(place)
        found.append(types)
    return Columns(found[0], found[1], places[0], places[1])


def _stand(
    connection: duckdb.DuckDBPyConnection, target: TargetObject, system_ids: Sequence[str]
) -> Columns:
    """Evaluate both sides once: deep views cost more than the whole comparison of their rows.

    What is a table already is read where it stands.

    Raises:
        ConfigError: a view is missing; see ``_columns_of``.
    """
    systems = ", ".join(literal(system_id) for system_id in system_ids)
    for side in _SIDES:
        name = f"{side}.{target.view_name}"
        if _is_table(connection, side, target.view_name):
            continue
        try:
            connection.execute(
                f"create or replace temp table diff_{side} as"  # noqa: S608 (names of governance)
                f" select * from {name} where system_id in ({systems})"
            )
        except duckdb.CatalogException:
            raise ConfigError(
                f"no view {name}: run dbt before planning {target.kind}.{target.name}",
                code="view_missing",
            ) from None
    return _columns_of(connection, target)


def _is_table(connection: duckdb.DuckDBPyConnection, schema: str, name: str) -> bool:
    found = connection.execute(
        "select 1 from duckdb_tables() where schema_name = ? and table_name = ?"
        " and database_name = current_database()",
        [schema, name],
    ).fetchall()
    return bool(found)


def compare(
    connection: duckdb.DuckDBPyConnection,
    target: TargetObject,
    system_ids: Sequence[str],
    *,
    run_started_at: datetime | None = None,
) -> list[Sizes]:
    """Compare one object in some systems; fills ``diff_wide`` and ``diff_changes``.

    Args:
        connection: the working warehouse with views, ``ledger`` and ``plan`` tables.
        target: the object.
        system_ids: the systems to compare, at least one.
        run_started_at: when this run began to read; the hub's own verified writes that are newer
            are echoes and no differences. None suppresses nothing.

    Raises:
        ConfigError: a view is missing, or lacks a governed field (named).
    """
    columns = _stand(connection, target, system_ids)
    connection.execute(
        f"create or replace temp table diff_wide as {wide_sql(target, columns, system_ids)}"
    )
    if target.command_class is CommandClass.POSTING:
        connection.execute(_POSTING_CHANGES)
    else:
        connection.execute(
            f"create or replace temp table diff_changes as {changes_sql(target)}",
            {"object_name": target.name, "run_started_at": run_started_at},
        )
    return _sizes(connection, target, columns, system_ids)


#: A posting differs by being absent; its fields are shown by the planner, from ``diff_wide``.
_POSTING_CHANGES = """
    create or replace temp table diff_changes as
    select system_id, object_key, '' as field, cast(null as varchar) as desired,
           cast(null as varchar) as acknowledged, cast(null as varchar) as observed,
           'posting' as class, 'send' as action
    from diff_wide
"""


def _sizes(
    connection: duckdb.DuckDBPyConnection,
    target: TargetObject,
    columns: Columns,
    system_ids: Sequence[str],
) -> list[Sizes]:
    """Count what was seen, per system."""
    wanted, held = columns.desired_from, columns.observed_from
    counted: dict[str, dict[str, int]] = {system_id: {} for system_id in system_ids}
    queries = {
        "desired": f"select system_id, count(*) from {wanted} group by all",  # noqa: S608
        "observed": f"select system_id, count(*) from {held} group by all",  # noqa: S608
        "changed": "select system_id, count(distinct object_key) from diff_changes group by all",
        "vanished": """
            select system_id, count(*) from diff_wide
            semi join (select * from ledger.acknowledged where object_name = $object_name) as a
                using (system_id, object_key)
            where not is_desired
            group by all""",
        "duplicated": """
            select system_id, count(*) from (
                select system_id, object_key from diff_wide group by all having count(*) > 1)
            group by all""",
    }
    for name, query in queries.items():
        values = {"object_name": target.name} if "$object_name" in query else {}
        for system_id, count in connection.execute(query, values).fetchall():
            if system_id in counted:
                counted[system_id][name] = int(count)
    return [
        Sizes(
            system_id,
            *(found.get(name, 0) for name in queries),
        )
        for system_id, found in counted.items()
    ]


def agreements(
    connection: duckdb.DuckDBPyConnection, target: TargetObject, system_ids: Sequence[str]
) -> Iterator[tuple[str, str, dict[str, Value]]]:
    """Keys and fields on which hub and target agree, unknown to the ledger: to be adopted.

    To be asked after ``compare`` of the same object, whose rows it looks at.

    Yields:
        system id, key, and payload values by field.
    """
    if not target.learns:
        return
    columns = _columns_of(connection, target)
    query = equal_sql(target, columns, system_ids)
    for system_id, key, names, texts in connection.execute(
        query, {"object_name": target.name}
    ).fetchall():
        values = {
            name: payload_value(text, target.field(name).format)
            for name, text in zip(names, texts, strict=True)
        }
        yield system_id, key, values
