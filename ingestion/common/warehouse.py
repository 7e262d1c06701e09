"""The warehouse file: opened briefly, declared tables made, configuration written into it.

DuckDB has one writer per file and a writer locks every other process out, so connections are
context managers and short. Settings are ``SET`` after opening: two connections of one process to
one file must be opened with the same configuration, and dlt opens it with none.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from ingestion.common.config import Config
from ingestion.common.errors import ConfigError
from ingestion.common.objects import ObjectSpec, declared_kinds, objects_of

__all__ = [
    "LastRead",
    "Run",
    "built_code",
    "create_declared_tables",
    "ensure_table",
    "last_reads",
    "memory_limit",
    "open_warehouse",
    "quoted",
    "raw_schema",
    "remember_built_code",
    "remember_read",
    "write_config",
]

#: Memory DuckDB may take before it spills to disk; ``LEDGERLOOP_DUCKDB_MEMORY`` overrides it.
MEMORY_LIMIT = "4GB"
THREADS_MAX = 4


@dataclass(frozen=True, slots=True)
class Run:
    """One run of the loop.

    ``company_dates`` holds each company's own today by (system_id, company_code), taken once at
    the edge; a company that is not in it has the run's ``as_of_date``.
    """

    run_id: str
    as_of_date: date
    started_at: datetime
    company_dates: Mapping[tuple[str, str], date] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LastRead:
    """The last whole reading of a system; ``problem`` says why it must not be acted on."""

    system_id: str
    kind: str
    read_at: datetime
    problem: str


def quoted(name: str) -> str:
    """An SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def raw_schema(kind: str) -> str:
    """The schema that holds a kind's raw tables."""
    return f"{kind}_raw"


@contextmanager
def open_warehouse(path: Path, *, read_only: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the working warehouse; always closed on leaving.

    Raises:
        ConfigError: another process holds the file (``warehouse_locked``), or it is not a DuckDB
            file (``warehouse_unreadable``).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        connection = duckdb.connect(str(path), read_only=read_only)
    except duckdb.IOException as error:
        is_locked = "lock" in str(error).lower()
        raise ConfigError(
            f"{path}: {'another process has it open' if is_locked else 'cannot be opened'} "
            f"({str(error).splitlines()[0]}); read from the published copy, or wait",
            code="warehouse_locked" if is_locked else "warehouse_unreadable",
        ) from error
    try:
        connection.execute(f"SET memory_limit = '{memory_limit()}'")
        connection.execute(f"SET threads = {min(os.cpu_count() or 1, THREADS_MAX)}")
        connection.execute("SET TimeZone = 'UTC'")
        yield connection
    finally:
        connection.close()


def memory_limit() -> str:
    """How much memory DuckDB may take; the environment overrides."""
    return os.environ.get("LEDGERLOOP_DUCKDB_MEMORY", MEMORY_LIMIT)


def ensure_table(connection: duckdb.DuckDBPyConnection, kind: str, spec: ObjectSpec) -> str:
    """Create an object's raw table where absent, add columns declared since; its full name."""
    schema = raw_schema(kind)
    name = f"{schema}.{quoted(spec.name)}"
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
    keys = set(spec.key_columns)
    parts = [
        f"{quoted(one.name)} {one.type.sql}{' NOT NULL' if one.name in keys else ''}"
        for one in spec.columns
    ]
    connection.execute(f"CREATE TABLE IF NOT EXISTS {name} ({', '.join(parts)})")
    # The table itself is asked: duckdb_columns() binds every view of the warehouse at each call.
    present = {row[0] for row in connection.execute(f"DESCRIBE {name}").fetchall()}
    for one in spec.columns:
        if one.name not in present:
            connection.execute(f"ALTER TABLE {name} ADD COLUMN {quoted(one.name)} {one.type.sql}")
    return name


def create_declared_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Every raw table of every kind in the repository, empty where nothing is connected.

    Canonical unions then always build, whatever is configured.
    """
    for kind in declared_kinds():
        for spec in objects_of(kind):
            ensure_table(connection, kind, spec)


_CONFIG_TABLES: dict[str, str] = {
    "run": "run_id VARCHAR, as_of_date DATE, started_at TIMESTAMPTZ, group_currency VARCHAR",
    "systems": "system_id VARCHAR, kind VARCHAR, key_prefix VARCHAR, mode VARCHAR",
    "companies": (
        "system_id VARCHAR, company_code VARCHAR, currency_code VARCHAR, credit_segment VARCHAR, "
        "time_zone VARCHAR, posting_open_from DATE, as_of_date DATE"
    ),
    "bank_accounts": (
        "account VARCHAR, system_id VARCHAR, company_code VARCHAR, currency_code VARCHAR, "
        "gl_account VARCHAR, bank_line VARCHAR"
    ),
    "rates": "currency_code VARCHAR, rate_to_group DECIMAL(18,8)",
    "gl_accounts": "system_id VARCHAR, role VARCHAR, gl_account VARCHAR",
}

#: Outlives a run: rows that a reading finds unchanged keep their ``_loaded_at``, so that column
#: cannot say when a system was last read, and a quiet weekend would look like a dead feed.
_READS = (
    "CREATE TABLE IF NOT EXISTS config.reads (system_id VARCHAR PRIMARY KEY, kind VARCHAR, "
    "read_at TIMESTAMPTZ, problem VARCHAR)"
)

#: Options of an ERP system that name a G/L account, and the role each account plays.
_GL_ROLES = {"ar_gl_account": "ar", "unidentified_gl_account": "unidentified"}


def write_config(connection: duckdb.DuckDBPyConnection, config: Config, run: Run) -> None:
    """Replace the ``config.*`` tables with this run and this configuration, in one transaction."""
    rows: dict[str, Sequence[Sequence[Any]]] = {
        "run": [(run.run_id, run.as_of_date, run.started_at, config.hub.group_currency)],
        "systems": [
            (one.system_id, one.kind, one.key_prefix, one.effective_mode)
            for one in config.systems.values()
        ],
        "companies": _company_rows(config, run),
        "bank_accounts": [
            (
                one.account,
                one.system_id,
                one.company_code,
                one.currency_code,
                one.gl_account,
                one.bank_line,
            )
            for one in config.bank_accounts()
        ],
        "rates": sorted({config.hub.group_currency: Decimal(1), **config.hub.rates}.items()),
        "gl_accounts": [
            (system.system_id, role, str(system.options[option]))
            for system in config.systems.values()
            for option, role in _GL_ROLES.items()
            if option in system.options
        ],
    }
    connection.execute("BEGIN")
    connection.execute("CREATE SCHEMA IF NOT EXISTS config")
    for name, columns in _CONFIG_TABLES.items():
        connection.execute(f"CREATE OR REPLACE TABLE config.{name} ({columns})")
        if rows[name]:
            marks = ", ".join("?" for _ in rows[name][0])
            connection.executemany(
                f"INSERT INTO config.{name} VALUES ({marks})",  # noqa: S608
                [list(row) for row in rows[name]],
            )
    connection.execute(_READS)
    connection.execute("COMMIT")


def _company_rows(config: Config, run: Run) -> list[Sequence[Any]]:
    return [
        (
            system.system_id,
            code,
            company.currency_code,
            company.credit_segment,
            company.time_zone,
            company.posting_open_from,
            run.company_dates.get((system.system_id, code), run.as_of_date),
        )
        for system in config.systems.values()
        for code, company in system.companies.items()
    ]


def built_code(path: Path) -> str:
    """Fingerprint of the code that the warehouse's views were last built of; empty when unknown."""
    with open_warehouse(path) as connection:
        try:
            rows = connection.execute("SELECT max(code) FROM config.truth").fetchall()
        except duckdb.CatalogException:
            return ""
    return str(rows[0][0] or "")


def remember_built_code(path: Path, code: str) -> None:
    """Remember which code the warehouse's views are of; an empty text forgets it."""
    with open_warehouse(path) as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS config")
        connection.execute("CREATE OR REPLACE TABLE config.truth AS SELECT ? AS code", [code])


def remember_read(path: Path, read: LastRead) -> None:
    """Remember a system's whole reading; the one before is forgotten."""
    with open_warehouse(path) as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS config")
        connection.execute(_READS)
        connection.execute(
            "INSERT OR REPLACE INTO config.reads VALUES (?, ?, ?, ?)",
            [read.system_id, read.kind, read.read_at, read.problem],
        )


def last_reads(connection: duckdb.DuckDBPyConnection) -> list[LastRead]:
    """The last whole reading of every system that was ever read into this warehouse."""
    rows = connection.execute(
        "SELECT system_id, kind, read_at, problem FROM config.reads ORDER BY system_id"
    ).fetchall()
    return [LastRead(*row) for row in rows]
