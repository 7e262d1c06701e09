"""What dbt makes once for many homes: empty tables and views, and the parse of the project.

Both stand in a home that others are copied from. dbt parses anew where the path of the warehouse
changed, though nothing of a parse depends on it: four CPU seconds for every copy. It must not touch
what a parse says: dbt itself still compares every file of the project with it.
"""

import hashlib
import pprint
from collections.abc import Collection
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ingestion.common.config import Config
from ingestion.common.warehouse import Run, create_declared_tables, open_warehouse, write_config
from orchestration.dbt_process import PROJECT_PATH, DbtProcess
from orchestration.truth import build_truth
from reverse_etl.planning.policy import load_policy
from reverse_etl.planning.policy_tables import keep_policy
from reverse_etl.planning.tables import create_tables

__all__ = ["build_empty", "lend_parse", "take_parse_along"]

_PARSE = "partial_parse.msgpack"
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def build_empty(home: Path, connected: Collection[str]) -> None:
    """Make a warehouse with every table and view of the truth, of systems that nobody read.

    Args:
        home: gets it.
        connected: kinds of the systems that its loops will read.
    """
    warehouse = home / "warehouse.duckdb"
    with open_warehouse(warehouse) as connection:
        create_declared_tables(connection)
        create_tables(connection)
        write_config(connection, Config(), Run("before any", _LONG_AGO.date(), _LONG_AGO))
        keep_policy(connection, load_policy())
    with DbtProcess(warehouse, home, connected) as dbt:
        build_truth(dbt, warehouse, connected=connected)


def take_parse_along(template: Path, home: Path) -> None:
    """Let dbt take the parse that a home was copied with for one of its own."""
    lend_parse(template / "dbt" / "target", template, home)


def lend_parse(target: Path, template: Path, home: Path) -> None:
    """Give a home the parse that lies in a target folder, if any.

    Args:
        target: where dbt left it.
        template: holds the warehouse that it was made with.
        home: gets it.
    """
    file = target / _PARSE
    if file.exists():
        own = home / "dbt" / "target" / _PARSE
        own.parent.mkdir(parents=True, exist_ok=True)
        own.write_bytes(file.read_bytes().replace(_connection(template), _connection(home)))


def _connection(home: Path) -> bytes:
    """What dbt remembers of the connection that a parse was made with."""
    from dbt.adapters.duckdb.credentials import DuckDBCredentials

    path = str((home / "warehouse.duckdb").resolve())
    shown = sorted(DuckDBCredentials.from_dict({**_profile(), "path": path}).connection_info())
    return hashlib.sha256(pprint.pformat(shown).encode()).hexdigest().encode()


@cache
def _profile() -> dict[str, Any]:
    text = (PROJECT_PATH / "profiles.yml").read_text(encoding="utf-8")
    (output,) = yaml.safe_load(text)["ledgerloop"]["outputs"].values()
    return {name: value for name, value in output.items() if name != "type"} | {
        "database": "warehouse"
    }
