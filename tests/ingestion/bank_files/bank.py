"""An inbox and the warehouse it is read into."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ingestion import bank_files
from ingestion.bank_files.intake import Taken, take_files
from ingestion.common.config import System
from ingestion.common.report import ObjectReport, ReadReport
from ingestion.common.spool import Spool
from ingestion.common.warehouse import open_warehouse
from tests.ingestion.bank_files.camt import document, statement

__all__ = ["NOW", "Bank", "day", "upsert"]

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


def upsert(system: System, warehouse: Path, spools: Sequence[Spool]) -> list[ObjectReport]:
    """Rows of closed spools into their tables; the last row of a key counts."""
    with open_warehouse(warehouse) as connection:
        for spool in (one for one in spools if one.rows):
            table = f"bank_files_raw.{spool.spec.name}"
            keys = ", ".join(spool.spec.key_columns)
            source = (
                f"SELECT * EXCLUDE (file_row_number) FROM read_parquet('{spool.path}', "
                f"file_row_number = true) QUALIFY row_number() OVER (PARTITION BY {keys} "
                "ORDER BY file_row_number DESC) = 1"
            )
            same = " AND ".join(f"old.{key} = new.{key}" for key in spool.spec.key_columns)
            connection.execute(f"DELETE FROM {table} old USING ({source}) new WHERE {same}")
            connection.execute(f"INSERT INTO {table} BY NAME {source}")
    return [ObjectReport(one.spec.name, one.rows, one.rows, 0, one.pages, 0.0) for one in spools]


class Bank:
    """An inbox and the warehouse it is read into."""

    def __init__(self, tmp_path: Path, **options: str | int | bool) -> None:
        self.inbox = tmp_path / "inbox"
        self.inbox.mkdir()
        self.outbox = tmp_path / "outbox"
        self.warehouse = tmp_path / "w.duckdb"
        self.system = System(
            system_id="bank", kind="bank_files", base_url=self.inbox.as_uri(), options=options
        )

    def drop(self, name: str, content: bytes, age_seconds: float = 3600) -> None:
        path = self.inbox / name
        path.write_bytes(content)
        at = (NOW - timedelta(seconds=age_seconds)).timestamp()
        os.utime(path, (at, at))

    def read(self) -> Taken:
        """Read the inbox; rows go into the warehouse without dlt, which costs 0.6 s of CPU."""
        return take_files(self.system, self.warehouse, NOW, None, upsert)

    def read_as_the_product_does(self) -> ReadReport:
        return bank_files.read(self.system, self.warehouse, run_started_at=NOW)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with open_warehouse(self.warehouse) as connection:
            return connection.execute(sql).fetchall()

    def files(self) -> list[tuple[Any, ...]]:
        return self.rows(
            "select file_name, status, reason_code from bank_files_raw.files order by 1"
        )

    def entries(self, columns: str = "amount, account_servicer_reference") -> list[tuple[Any, ...]]:
        return self.rows(f"select {columns} from bank_files_raw.entries order by all")


def day(number: int, *texts: str, opening: str = "100.00", closing: str = "100.00") -> bytes:
    """A statement of one day."""
    return document(statement(texts, number=str(number), opening=opening, closing=closing))
