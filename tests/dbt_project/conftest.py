"""One dbt build per test session, on a small crafted warehouse; tests only read it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.dbt_process import erp_kinds
from tests.dbt_project.many_erps import many_config, tell_many
from tests.dbt_project.small_story import tell
from tests.support.warehouse import SmallWarehouse

PROJECT = Path(__file__).parents[2] / "dbt_project"


@dataclass(frozen=True)
class Built:
    """What one build left behind."""

    home: Path
    returncode: int
    output: str

    @property
    def warehouse(self) -> Path:
        return self.home / "warehouse.duckdb"

    @property
    def manifest(self) -> dict[str, Any]:
        text = (self.home / "target" / "manifest.json").read_text(encoding="utf-8")
        manifest: dict[str, Any] = json.loads(text)
        return manifest

    def dbt(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run dbt on this warehouse; nobody may have it open."""
        environment = {
            **os.environ,
            "LEDGERLOOP_WAREHOUSE": str(self.warehouse),
            "LEDGERLOOP_ERP_KINDS": ",".join(erp_kinds()),
            "DBT_PROJECT_DIR": str(PROJECT),
            "DBT_PROFILES_DIR": str(PROJECT),
            "DBT_TARGET_PATH": str(self.home / "target"),
            "DBT_LOG_PATH": str(self.home / "logs"),
            "DBT_USE_COLORS": "false",
            "DBT_LOG_LEVEL_FILE": "none",  # what is asked of it stands in its output
        }
        command = [sys.executable, "-W", "ignore", "-m", "dbt.cli.main", *arguments]
        return subprocess.run(
            command, env=environment, cwd=PROJECT, capture_output=True, text=True, check=False
        )


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The stories of ``small_story`` and ``many_erps``, built once."""
    home = tmp_path_factory.mktemp("dbt")
    with SmallWarehouse(home / "warehouse.duckdb", config=many_config()) as warehouse:
        tell(warehouse)
        tell_many(warehouse)
    empty = Built(home, 0, "")
    done = empty.dbt("build", "--exclude-resource-type", "unit_test")
    return Built(home, done.returncode, done.stdout + done.stderr)


@pytest.fixture
def rows(built: Built) -> Iterator[Callable[[str], list[tuple[Any, ...]]]]:
    """``rows(sql)`` over the built warehouse."""
    with duckdb.connect(str(built.warehouse), read_only=True) as connection:
        yield lambda sql: connection.execute(sql).fetchall()
