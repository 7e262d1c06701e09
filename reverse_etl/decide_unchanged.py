"""Whether a decision table already holds what would be decided again.

Decisions are pure: the same frames, policy and code give the same rows. A mark of all three is kept
as the comment of the table they were written to, so that it goes where the table goes. A table that
somebody else wrote to since does not fit its mark any more.
"""

import hashlib
from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path

import duckdb
import polars as pl

from reverse_etl.planning.policy import Policy

__all__ = ["is_unchanged", "mark_of", "remember"]


def mark_of(frames: Mapping[str, pl.DataFrame], policy: Policy, as_of: date) -> str:
    """One line for all that decisions follow from; the order of rows says nothing."""
    told = hashlib.sha256(_code())
    told.update(f"{as_of} {policy.model_dump_json()}".encode())
    for name, frame in sorted(frames.items()):
        rows = sum(frame.hash_rows(seed=1).to_list()) if frame.height else 0
        told.update(f"{name} {frame.schema} {frame.height} {rows}".encode())
    return told.hexdigest()


def is_unchanged(connection: duckdb.DuckDBPyConnection, table: str, mark: str) -> bool:
    """Whether a table holds the rows that were written with a mark, and nothing else."""
    schema, name = table.split(".")
    found = connection.execute(
        "select comment from duckdb_tables() where schema_name = ? and table_name = ?"
        " and database_name = current_database()",
        [schema, name],
    ).fetchall()
    return found == [(f"{mark} {_content(connection, table)}",)]


def remember(connection: duckdb.DuckDBPyConnection, table: str, mark: str) -> None:
    """Keep a mark with the rows that were just written."""
    comment = f"{mark} {_content(connection, table)}"
    connection.execute(f"comment on table {table} is '{comment}'")


def _content(connection: duckdb.DuckDBPyConnection, table: str) -> str:
    """Rows of a table and a sum of their hashes."""
    ((rows, hashes),) = connection.execute(
        f"select count(*), coalesce(sum(hash(rows)), 0) from {table} as rows"  # noqa: S608
    ).fetchall()
    return f"{rows} {hashes}"


@cache
def _code() -> bytes:
    """A hash of the code that decides: another release may decide otherwise."""
    told = hashlib.sha256()
    for path in sorted((Path(__file__).parent / "decisions").glob("*.py")):
        told.update(path.read_bytes())
    return told.digest()
