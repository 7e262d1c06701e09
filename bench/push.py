"""How cheap a push is: the first load, one percent changed, nothing changed, one row at a time.

The target is a REST server in another process whose books count what arrived. Each push is a
process of its own on the same home, as a user would run it; CPU is that of the whole push, with the
libraries that it loads (compare, plan, record, send, read back, seal). Rows a second are
those of the delivery. Every run is checked by what the target held when it was read back.

Run: ``python -m bench.push [--runs N]``; medians.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import uvloop

from bench.common import Figure, cpu_seconds, medians, peak_rss_mb, run_child, write_figures

RUNS = 3
ROWS = 10_000
SINGLE_ROWS = 4_000
LATENCY_SECONDS = 0.02
QUICK_ARGUMENTS = ("--runs", "1")

_OBJECT = """
[systems.desk]
kind = "rest"
base_url = "{url}"
[systems.desk.options]
concurrency_max = {concurrency}
[systems.desk.objects.invoices]
key_field = "id"
[systems.desk.objects.invoices.fields]
amount = {{ format = "money", wire = "number" }}
[systems.desk.objects.invoices.upsert]
path = "/invoices/{{key}}"
"""
_BATCH = """
[systems.desk.objects.invoices.upsert.batch]
path = "/invoices/batch"
rows_at = "/rows"
rows_max = 200
results_at = "/results"
result_key = "/key"
result_status = "/status"
[systems.desk.objects.invoices.read_back]
path = "/invoices/search"
method = "POST"
keys_at = "/keys"
rows_at = "/items"
rows_max = 200
"""
#: One row a request to write; several a request to prove it, as such targets mostly allow.
_SINGLE = """
[systems.desk.objects.invoices.read_back]
path = "/invoices?keys={keys}"
rows_at = "/items"
rows_max = 100
"""


def serve(latency_seconds: float) -> None:
    """A target with books, until standard input ends; its address is the first line of output."""
    from sandbox.core.serve import Listener
    from tests.reverse_etl.rest.books import Books, Faults

    async def main() -> None:
        listener = Listener(Books(Faults(latency_seconds=latency_seconds)))
        await listener.start()
        print(listener.base_url, flush=True)
        await asyncio.to_thread(sys.stdin.read)
        await listener.stop()

    uvloop.run(main())


@contextmanager
def serving(latency_seconds: float) -> Iterator[str]:
    """The target in a process of its own; yields its address."""
    arguments = [sys.executable, "-m", "bench.push", "--serve", str(latency_seconds)]
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            assert server.stdin is not None
            server.stdin.close()


def make_table(path: Path, rows: int, *, changed: bool) -> None:
    """Invoices; with ``changed`` every hundredth has another amount."""
    amount = f"i % 90001 / 100 + if({'i % 100 = 7' if changed else 'false'}, 5000, 0)"
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"""
            create or replace table invoices as
            select 'INV-' || lpad(cast(i as varchar), 8, '0') as id,
                   'Customer ' || (i % 997) as customer_name,
                   cast({amount} as decimal(18, 2)) as amount, 'EUR' as currency_code,
                   date '2026-01-01' + cast(i % 365 as integer) as due_date, i % 2 = 0 as is_open
            from range({rows}) as t(i)
        """)


def worker(home: Path) -> dict[str, float]:
    """One push in this process."""
    from ingestion.common.config import load_config
    from orchestration.pushing import run_push
    from reverse_etl.planning.push import Table

    cpu, wall = cpu_seconds(), time.perf_counter()
    table = Table(home / "mine.duckdb", "invoices", "id")
    report, _ = run_push(load_config(home / "ledgerloop.toml"), home, table, "desk", "invoices")
    used, took = cpu_seconds() - cpu, time.perf_counter() - wall
    assert report.is_complete, report.as_json()
    return {
        "cpu_s": used,
        "wall_s": took,
        "rss_mb": peak_rss_mb(),
        "sending_s": report.sending_seconds,
        "requests": report.requests,
        "rows": report.writes,
        "verified": report.verified,
    }


def measure_batches() -> dict[str, float]:
    """First load, nothing changed, one percent changed, on one home."""
    found: dict[str, float] = {}
    with (
        tempfile.TemporaryDirectory(prefix="ledgerloop-bench-") as folder,
        serving(0.0) as url,
    ):
        home = Path(folder)
        config = _OBJECT.format(url=url, concurrency=4) + _BATCH
        (home / "ledgerloop.toml").write_text(config, encoding="utf-8")
        for name, changed, rows in (
            ("initial", False, ROWS),
            ("noop", False, 0),
            ("changed", True, ROWS // 100),
        ):
            make_table(home / "mine.duckdb", ROWS, changed=changed)
            run = run_child("bench.push", "--worker", folder)
            assert run["rows"] == run["verified"] == rows, (name, run)
            found |= {f"{name}.{key}": value for key, value in run.items()}
    return found


def measure_single() -> dict[str, float]:
    """Rows a second on an endpoint that takes one row at a time."""
    with (
        tempfile.TemporaryDirectory(prefix="ledgerloop-bench-") as folder,
        serving(LATENCY_SECONDS) as url,
    ):
        home = Path(folder)
        config = _OBJECT.format(url=url, concurrency=64) + _SINGLE
        (home / "ledgerloop.toml").write_text(config, encoding="utf-8")
        make_table(home / "mine.duckdb", SINGLE_ROWS, changed=False)
        run = run_child("bench.push", "--worker", folder)
        assert run["rows"] == run["verified"] == SINGLE_ROWS, run
    return run


def figures(runs: int) -> Sequence[Figure]:
    """All figures, medians of several runs."""
    batches = medians([measure_batches() for _ in range(runs)])
    single = medians([measure_single() for _ in range(runs)])
    return [
        Figure("push.initial.cpu_s.10k", batches["initial.cpu_s"], "s"),
        Figure("push.initial.rss_mb.10k", batches["initial.rss_mb"], "MB"),
        Figure("push.initial.requests", batches["initial.requests"], "requests", {"limit": 50.0}),
        Figure("push.noop.requests", batches["noop.requests"], "requests", {"limit": 0.0}),
        Figure("push.noop.cpu_s.10k", batches["noop.cpu_s"], "s"),
        Figure("push.changed_1pct.requests", batches["changed.requests"], "requests", {"limit": 1}),
        Figure("push.changed_1pct.rows", batches["changed.rows"], "rows", {"limit": 100.0}),
        Figure("push.changed_1pct.cpu_s.10k", batches["changed.cpu_s"], "s"),
        Figure(
            "push.single_20ms.rows_per_s",
            SINGLE_ROWS / single["sending_s"],
            "rows/s",
            {"others": 42.0, "limit": 1_000.0},
        ),
    ]


def main() -> None:
    """Measure and write ``bench/push.json``, or serve or push as a child."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve", metavar="LATENCY_SECONDS", type=float)
    parser.add_argument("--worker", metavar="HOME", type=Path)
    parser.add_argument("--runs", type=int, default=RUNS)
    chosen = parser.parse_args()
    if chosen.serve is not None:
        serve(chosen.serve)
    elif chosen.worker:
        print(json.dumps(worker(chosen.worker)))
    else:
        write_figures("push", figures(chosen.runs))


if __name__ == "__main__":
    main()
