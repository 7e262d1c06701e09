"""Pushing tables at the books: configuration, tables, and pushes in this process or another."""

import os
import subprocess
import sys
from pathlib import Path

import duckdb

from ingestion.common.config import load_config
from orchestration.pushing import run_push
from reverse_etl.planning.push import Table

ROOT = Path(__file__).parents[3]

FIELDS = """
[systems.desk.objects.invoices.fields]
amount = { format = "money", wire = "number" }
"""
READ_ONE = """
[systems.desk.objects.invoices.read_back]
path = "/invoices/{key}"
"""
READ_MANY = """
[systems.desk.objects.invoices.read_back]
path = "/invoices?keys={keys}"
rows_at = "/items"
rows_max = 200
"""
LOOK_UP = """
[systems.desk.objects.invoices.look_up]
path = "/invoices?keys={keys}"
rows_at = "/items"
rows_max = 200
is_read_your_writes = true
"""
READ_ALL = """
[systems.desk.objects.invoices.read_all]
path = "/invoices/all"
rows_at = "/items"
page_parameter = "page"
"""
UPSERT_ONE = """
[systems.desk.objects.invoices.upsert]
path = "/invoices/{key}"
"""
_RESULTS = """
rows_at = "/rows"
rows_max = 200
results_at = "/results"
result_key = "/key"
result_status = "/status"
result_native_id = "/native"
errors = { code = "/error/code", message = "/error/message", field = "/error/field" }
"""
UPSERT_BATCH = f"""
[systems.desk.objects.invoices.upsert.batch]
path = "/invoices/batch"
{_RESULTS}
"""
CREATE_ONE = """
[systems.desk.objects.invoices.create]
path = "/invoices"
native_id_at = "/native"
"""
CREATE_BATCH = f"""
[systems.desk.objects.invoices.create.batch]
path = "/invoices/create_batch"
{_RESULTS}
"""
UPDATE_ONE = """
[systems.desk.objects.invoices.update]
path = "/invoices/{key}"
"""


def configuration(
    base_url: str, *parts: str, options: str = "concurrency_max = 8", top: str = ""
) -> str:
    """``ledgerloop.toml`` with one object ``invoices`` of the system ``desk``."""
    return f"""
[systems.desk]
kind = "rest"
base_url = "{base_url}"

[systems.desk.options]
{options}

[systems.desk.objects.invoices]
key_field = "id"
settle_seconds = 0.05
errors = {{ code = "/error/code", message = "/error/message", field = "/error/field" }}
{top}
{"".join(parts)}
"""


def write_table(path: Path, query: str, name: str = "invoices") -> Path:
    """A DuckDB file with one table, made again."""
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"create or replace table {name} as {query}")
    return path


def invoices(rows: int, *, amount: str = "(i % 90001) / 100") -> str:
    """A query for invoices with a text, an amount, a date, a flag and a number."""
    return f"""
        select 'INV-' || lpad(cast(i as varchar), 6, '0') as id,
               'Customer ' || (i % 97) as customer_name,
               cast({amount} as decimal(18, 2)) as amount,
               date '2026-01-01' + cast(i % 365 as integer) as due_date,
               i % 2 = 0 as is_open, i as number
        from range({rows}) as t(i)
    """


class Desk:
    """A configured target and a table, ready to be pushed."""

    def __init__(self, home: Path, config: str) -> None:
        self.home = home
        self.config = home / "ledgerloop.toml"
        self.config.write_text(config)
        self.file = home / "mine.duckdb"

    def push(self, query: str | None = None, *, key: str = "id", **options):
        """Push in this process; the report."""
        if query is not None:
            write_table(self.file, query)
        report, self.plans = run_push(
            load_config(self.config), self.home, Table(self.file, "invoices", key), "desk",
            "invoices", **options,
        )  # fmt: skip
        return report

    @property
    def arguments(self) -> list[str]:
        return [
            "push", "--from", str(self.file), "--table", "invoices", "--to", "desk",
            "--object", "invoices", "--key", "id",
        ]  # fmt: skip

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "LEDGERLOOP_HOME": str(self.home),
            "LEDGERLOOP_CONFIG": str(self.config),
        }

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        """The command line in a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "orchestration.cli", *(arguments or self.arguments)],
            cwd=ROOT, env=self.environment, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )  # fmt: skip

    def command(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """The command line, run to its end."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)
