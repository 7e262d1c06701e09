"""The operations database copied into ``ledger.*`` of the warehouse, as Arrow, page by page.

dbt views and the diff read the copy; the operations database stays the truth. Only what happened
since the last copy is copied, and nothing when nothing did.
"""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import chain
from typing import Any

import duckdb
import pyarrow as pa

from reverse_etl.ledger.mirror import COLUMNS
from reverse_etl.ledger.store import Store
from reverse_etl.planning.tables import TABLES

__all__ = ["mirror_ledger"]

#: After more events than this a whole copy is cheaper than replacing rows.
_EVENTS_CONTINUED_MAX = 20_000
_ACKNOWLEDGED_KEY = ("system_id", "object_name", "object_key")
_COMMAND_KEY = ("command_id",)


def mirror_ledger(connection: duckdb.DuckDBPyConnection, store: Store) -> int:
    """Bring ``ledger.*`` up to the state of the operations database.

    Args:
        connection: the working warehouse, open for writing, with its declared tables.
        store: the operations database.

    Returns:
        Rows copied; 0 when nothing happened since the last copy.

    How far the copy has come stands in ``ledger.mirror_head``. Events that come while it is made
    are copied again next time: the head is read first.
    """
    head = store.mirror.head()
    connection.execute(
        "create table if not exists ledger.mirror_head (event_no bigint, seal_hash varchar)"
    )
    known = connection.execute("select event_no, seal_hash from ledger.mirror_head").fetchall()
    if known == [head] and head[1]:
        return 0
    since = 0
    if (
        known
        and head[0] - known[0][0] <= _EVENTS_CONTINUED_MAX
        and store.mirror.continues(*known[0])
    ):
        since = known[0][0]
    connection.execute("begin")
    try:
        copied = _copy(connection, store, since)
        connection.execute("delete from ledger.mirror_head")
        connection.execute("insert into ledger.mirror_head values (?, ?)", list(head))
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise
    return copied


def _copy(connection: duckdb.DuckDBPyConnection, store: Store, since: int) -> int:
    """Copy what happened after an event, or everything (0). The small tables always whole."""
    mirror = store.mirror
    copied = 0
    if since:
        changed = mirror.acknowledged(since_event_no=since)
        copied += _renew(connection, "acknowledged", changed, _ACKNOWLEDGED_KEY)
        copied += _renew(
            connection, "commands", mirror.commands(since_event_no=since), _COMMAND_KEY
        )
    else:
        copied += _replace(connection, "acknowledged", mirror.acknowledged())
        copied += _replace(connection, "commands", mirror.commands())
    copied += _replace(connection, "links", mirror.links())
    copied += _replace(connection, "exceptions", mirror.exceptions())
    copied += _replace(connection, "disputes", mirror.disputes())
    return copied + _replace(connection, "approved_limits", mirror.approved_limits())


def _renew(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    pages: Iterable[list[tuple[Any, ...]]],
    key: Sequence[str],
) -> int:
    """Replace the rows of the keys that come; all rows of a key come together."""
    copied = 0
    keys = ", ".join(key)
    for table in _tables(name, pages):
        connection.register("_page", table)
        connection.execute(
            f"delete from ledger.{name} where ({keys}) in (select ({keys}) from _page)"  # noqa: S608
        )
        connection.execute(f"insert into ledger.{name} select * from _page")  # noqa: S608
        connection.unregister("_page")
        copied += table.num_rows
    return copied


def _replace(
    connection: duckdb.DuckDBPyConnection, name: str, pages: Iterable[list[tuple[Any, ...]]]
) -> int:
    """Make one table anew; dropping it costs far less than deleting its rows."""
    copied = 0
    empty = TABLES[f"ledger.{name}"].empty_table()
    statement = "create or replace table ledger.{} as select * from _page"
    for table in chain([empty], _tables(name, pages)):
        connection.register("_page", table)
        connection.execute(statement.format(name))
        connection.unregister("_page")
        statement = "insert into ledger.{} select * from _page"
        copied += table.num_rows
    return copied


#: Pages joined into one Arrow table, so that small pages do not each cost an insert.
_ROWS_PER_TABLE = 100_000


def _tables(name: str, pages: Iterable[list[tuple[Any, ...]]]) -> Iterator[pa.Table]:
    """Pages of tuples as Arrow tables with the declared types."""
    schema = TABLES[f"ledger.{name}"]
    order = [COLUMNS[name].index(column) for column in schema.names]
    waiting: list[tuple[Any, ...]] = []
    for page in pages:
        waiting.extend(page)
        if len(waiting) >= _ROWS_PER_TABLE:
            yield _table(waiting, schema, order)
            waiting = []
    if waiting:
        yield _table(waiting, schema, order)


def _table(rows: list[tuple[Any, ...]], schema: pa.Schema, order: list[int]) -> pa.Table:
    columns = list(zip(*rows, strict=True))
    return pa.Table.from_arrays(
        [_array(columns[place], field.type) for place, field in zip(order, schema, strict=True)],
        schema=schema,
    )


def _array(values: tuple[Any, ...], form: pa.DataType) -> pa.Array:
    """One column; money arrives as text and becomes an exact decimal."""
    if pa.types.is_decimal(form):
        exact = [None if value in {None, ""} else Decimal(value) for value in values]
        return pa.array(exact, type=form)
    return pa.array(values, type=form)
