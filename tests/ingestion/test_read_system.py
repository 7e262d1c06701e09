"""A reading is remembered as such, whether or not anything had changed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingestion import read_system
from ingestion.common.config import System
from ingestion.common.errors import ConfigError
from ingestion.common.warehouse import last_reads, open_warehouse

FIRST = datetime(2026, 11, 20, 6, 0, tzinfo=UTC)


def bank(folder: Path) -> System:
    folder.mkdir(exist_ok=True)
    return System(system_id="bank", kind="bank_files", base_url=folder.as_uri())


def reads(warehouse: Path) -> dict[str, datetime]:
    with open_warehouse(warehouse) as connection:
        return {one.system_id: one.read_at for one in last_reads(connection)}


def test_a_reading_that_found_nothing_new_still_makes_the_feed_fresh(tmp_path: Path) -> None:
    warehouse, system = tmp_path / "warehouse.duckdb", bank(tmp_path / "inbox")
    read_system(system, warehouse, run_started_at=FIRST)
    assert reads(warehouse) == {"bank": FIRST}
    later = FIRST + timedelta(days=3)
    read_system(system, warehouse, run_started_at=later)
    assert reads(warehouse) == {"bank": later}


def test_a_reading_of_some_objects_or_one_that_failed_says_nothing_of_the_feed(
    tmp_path: Path,
) -> None:
    warehouse, system = tmp_path / "warehouse.duckdb", bank(tmp_path / "inbox")
    read_system(system, warehouse, run_started_at=FIRST)
    later = FIRST + timedelta(days=3)
    read_system(system, warehouse, run_started_at=later, only_objects=["files"])
    gone = system.model_copy(update={"base_url": (tmp_path / "none").as_uri()})
    with pytest.raises(ConfigError):
        read_system(gone, warehouse, run_started_at=later)
    assert reads(warehouse) == {"bank": FIRST}
