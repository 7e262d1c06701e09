"""How fast and how small a sender is: ledger, hash chain, read-back and all.

Each figure is that of one sender process; the target answers from memory in another, and the plan
was recorded by a third. CPU is counted from the open store to the finished report. Every run is
checked in the target's own books: each key written exactly once. PostgreSQL figures need
LEDGERLOOP_TEST_POSTGRES_URL.

Run: ``python -m bench.deliver [--runs N] [--only NAME …]``; medians.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import orjson

from bench.common import Figure, cpu_seconds, medians, peak_rss_mb, run_child, write_figures
from ingestion.common.clock import SystemClock
from ingestion.common.transport import AiohttpTransport, Request
from reverse_etl.delivery.engine import deliver
from reverse_etl.delivery.writer import (
    Absent,
    Accepted,
    Found,
    Limits,
    LookUp,
    Outcome,
    ReadBack,
    Retry,
    Sending,
)
from reverse_etl.ledger.commands import (
    Command,
    CommandClass,
    command_id_of,
    payload_hash_of,
)
from reverse_etl.ledger.store import Store

RUNS = 3
ROWS = 10_000
SINGLE_ROWS = 5_000
SHARED_ROWS = 2_400
SENDERS = 4
QUICK_ARGUMENTS = ("--runs", "1")
_SYSTEM = "target"
_POSTGRES = os.environ.get("LEDGERLOOP_TEST_POSTGRES_URL", "")
_POSTGRES_ADMIN = "postgresql://" + _POSTGRES.partition("://")[2]


class BenchWriter:
    """Rows to the target of ``bench.deliver_target``."""

    system_id = _SYSTEM

    def __init__(self, base_url: str, *, batch_max: int, concurrency_max: int) -> None:
        self._url = base_url
        self._headers = {"content-type": "application/json", "x-pool": str(os.getpid())}
        self._transport = AiohttpTransport(connections_max=concurrency_max)
        self._limits = Limits(batch_max=batch_max, concurrency_max=concurrency_max)

    def limits(self, object_name: str, operation: str) -> Limits:  # noqa: ARG002 - all the same
        return self._limits

    async def close(self) -> None:
        await self._transport.close()

    async def _call(self, path: str, body: bytes) -> tuple[int, bytes]:
        request = Request("POST", self._url + path, self._headers, body)
        response = await self._transport.send(request)
        return response.status, response.body

    async def send(self, batch: Sequence[Sending]) -> Mapping[str, Outcome]:
        rows = [{"key": one.external_key, "fields": one.command.payload} for one in batch]
        status, body = await self._call("/write", orjson.dumps(rows))
        if status != 200:
            again = Retry(str(status), "too many calls", 0.05, is_system_wide=True)
            return {one.command.command_id: again for one in batch}
        ids = {row["key"]: row["id"] for row in orjson.loads(body)}
        return {one.command.command_id: Accepted(ids[one.external_key]) for one in batch}

    async def look_up(self, batch: Sequence[Sending]) -> Mapping[str, LookUp]:
        found = await self.read_back(batch)
        return {
            key: Absent() if one.fields is None else Found(one.native_id)
            for key, one in found.items()
        }

    async def read_back(self, batch: Sequence[Sending]) -> Mapping[str, ReadBack]:
        _, body = await self._call("/read", orjson.dumps([one.external_key for one in batch]))
        rows = orjson.loads(body)
        return {one.command.command_id: ReadBack(rows[one.external_key]) for one in batch}


def commands(rows: int, revision: int) -> Iterator[Command]:
    """Invoice states as the planner makes them: five changed fields, a lane of their own."""
    planned_at = datetime(2026, 11, 22, tzinfo=UTC)
    for number in range(rows):
        key = f"SAP-U001-2026-{1_800_000_000 + number}-001"
        payload = {
            "amount": f"{number}.25",
            "open_amount": f"{number}.25",
            "due_date": "2026-12-22",
            "status": "Open" if revision == 1 else "Paid",
            "aging_bucket": "Current",
        }
        yield Command(
            command_id=command_id_of(_SYSTEM, "invoices", key, "upsert", revision),
            correlation_id=f"inv-{number}",
            system_id=_SYSTEM,
            kind="bench",
            object_name="invoices",
            business_key=key,
            operation="upsert",
            revision=revision,
            command_class=CommandClass.STATE,
            payload=payload,
            payload_hash=payload_hash_of(payload),
            lane=f"{_SYSTEM}/{key}",
            flow="invoices",
            planned_at=planned_at,
            subject={"customer": "SAP-0140105686", "invoice": str(1_930_000_000 + number)},
        )


# -- children ------------------------------------------------------------------------------------


def record(url: str, rows: int, revision: int) -> dict[str, float]:
    """Record a plan in this process."""
    with Store.open(url, now=SystemClock().now) as store:
        plan = list(commands(rows, revision))
        cpu = cpu_seconds()
        result = store.record_plan(plan)
        assert result.recorded == rows, result
        return {"cpu_s": cpu_seconds() - cpu, "rss_mb": peak_rss_mb()}


def send(url: str, base_url: str, batch_max: int, concurrency_max: int) -> dict[str, float]:
    """Deliver everything in this process."""
    clock = SystemClock()
    writer = BenchWriter(base_url, batch_max=batch_max, concurrency_max=concurrency_max)

    async def main() -> dict[str, float]:
        try:
            report = await deliver(store, {_SYSTEM: writer}, clock=clock)
        finally:
            await writer.close()
        return {
            "verified": report.verified,
            "requests": report.requests,
            "in_flight_max": report.in_flight_max[_SYSTEM],
        }

    with Store.open(url, now=clock.now) as store:
        cpu, wall = cpu_seconds(), time.perf_counter()
        counts = asyncio.run(main())
        took, used = time.perf_counter() - wall, cpu_seconds() - cpu
    return counts | {"cpu_s": used, "wall_s": took, "rss_mb": peak_rss_mb()}


# -- the parent ----------------------------------------------------------------------------------


@contextmanager
def target(latency_seconds: float = 0.0, calls_per_pool: int = 0) -> Iterator[str]:
    """A running target; yields its address."""
    command = [
        sys.executable, "-m", "bench.deliver_target", "--latency-seconds", str(latency_seconds),
        "--calls-per-pool", str(calls_per_pool),
    ]  # fmt: skip
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as one:
        assert one.stdout is not None
        assert one.stdin is not None
        yield f"http://127.0.0.1:{json.loads(one.stdout.readline())['port']}"
        one.stdin.close()


def books(base_url: str) -> dict[str, int]:
    """What the target says it holds."""

    async def ask() -> bytes:
        transport = AiohttpTransport()
        try:
            return (await transport.send(Request("GET", base_url + "/books"))).body
        finally:
            await transport.close()

    found: dict[str, int] = orjson.loads(asyncio.run(ask()))
    return found


@contextmanager
def database(*, is_postgres: bool = False) -> Iterator[str]:
    """The address of a new operations database."""
    if not is_postgres:
        with tempfile.TemporaryDirectory(prefix="ledgerloop-bench-") as folder:
            yield str(Path(folder) / "ops.sqlite")
        return
    import psycopg

    schema = f"bench_{uuid4().hex[:12]}"
    with psycopg.connect(_POSTGRES_ADMIN, autocommit=True) as admin:
        admin.execute(f"CREATE SCHEMA {schema}".encode())
        joint = "&" if "?" in _POSTGRES else "?"
        yield f"{_POSTGRES}{joint}options=-csearch_path%3D{schema}"
        admin.execute(f"DROP SCHEMA {schema} CASCADE".encode())


def _child(*arguments: object) -> dict[str, float]:
    return run_child("bench.deliver", *(str(one) for one in arguments))


def measure_batch() -> dict[str, float]:
    """10,000 rows in batches of 200, 4 in flight; then 1 % of them changed; then nothing."""
    with database() as url, target() as base_url:
        planned = _child("--record", url, ROWS, 1)
        first = _child("--send", url, base_url, 200, 4)
        _check(base_url, first, ROWS)
        _child("--record", url, ROWS // 100, 2)
        changed = _child("--send", url, base_url, 200, 4)
        unchanged = _child("--send", url, base_url, 200, 4)
        assert changed["verified"] == ROWS // 100, changed
    return {
        "plan_cpu_s": planned["cpu_s"],
        "cpu_s": first["cpu_s"],
        "wall_s": first["wall_s"],
        "rss_mb": first["rss_mb"],
        "changed_requests": changed["requests"],
        "unchanged_requests": unchanged["requests"],
    }


def measure_single() -> dict[str, float]:
    """Single rows at 20 ms, every one durable before its send, 64 in flight."""
    found = {}
    for in_flight in (32, 64):
        with database() as url, target(latency_seconds=0.02) as base_url:
            _child("--record", url, SINGLE_ROWS, 1)
            sent = _child("--send", url, base_url, 1, in_flight)
            _check(base_url, sent, SINGLE_ROWS)
            assert sent["in_flight_max"] <= in_flight, sent
        found[f"rows_per_s_{in_flight}"] = SINGLE_ROWS / sent["wall_s"]
        found[f"cpu_s_{in_flight}"] = sent["cpu_s"]
    return found


def measure_processes() -> dict[str, float]:
    """One sender and four on PostgreSQL, at 100 ms and 8 calls per sender."""
    walls = {}
    for senders in (1, SENDERS):
        with (
            database(is_postgres=True) as url,
            target(latency_seconds=0.1, calls_per_pool=8) as base_url,
        ):
            _child("--record", url, SHARED_ROWS, 1)
            command = [sys.executable, "-m", "bench.deliver", "--send", url, base_url, "1", "8"]
            running = [
                subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(senders)
            ]
            ended = [json.loads(one.communicate()[0].splitlines()[-1]) for one in running]
            told = books(base_url)
            assert told["keys"] == told["effects"] == SHARED_ROWS, told
        walls[senders] = max(one["wall_s"] for one in ended)
    return {
        "rows_per_s_1": SHARED_ROWS / walls[1],
        "rows_per_s_4": SHARED_ROWS / walls[SENDERS],
        "speedup": walls[1] / walls[SENDERS],
    }


def _check(base_url: str, sent: Mapping[str, float], rows: int) -> None:
    """Every row was verified, and the target's books hold each exactly once."""
    told = books(base_url)
    assert sent["verified"] == rows, sent
    assert (told["keys"], told["effects"], told["effects_max"]) == (rows, rows, 1), told


def figures(name: str, found: Mapping[str, float]) -> list[Figure]:
    """The figures of one measurement, beside their limits."""
    if name == "batch":
        return [
            Figure("deliver.batch.cpu_s.10k", found["cpu_s"], "s", {"limit": 1.0}),
            Figure("deliver.batch.plan_cpu_s.10k", found["plan_cpu_s"], "s"),
            Figure("deliver.batch.rows_per_s.10k", ROWS / found["wall_s"], "rows/s"),
            Figure("deliver.batch.rss_mb.10k", found["rss_mb"], "MB", {"limit": 150.0}),
            Figure("deliver.changed_1pct.requests", found["changed_requests"], "", {"limit": 1.0}),
            Figure("deliver.unchanged.requests", found["unchanged_requests"], "", {"limit": 0.0}),
        ]
    if name == "single":
        beside = {"goal": 1_000.0, "others": 42.0, "32 in flight": found["rows_per_s_32"]}
        return [
            Figure("deliver.single_20ms.rows_per_s", found["rows_per_s_64"], "rows/s", beside),
            Figure("deliver.single_20ms.cpu_s", found["cpu_s_64"], "s"),
        ]
    return [
        Figure("deliver.processes.speedup_4", found["speedup"], "x", {"goal": 3.0}),
        Figure(
            "deliver.processes.rows_per_s_4",
            found["rows_per_s_4"],
            "rows/s",
            {"one process": found["rows_per_s_1"], "limit of one": 80.0},
        ),
    ]


MEASUREMENTS = {
    "batch": measure_batch,
    "single": measure_single,
    "processes": measure_processes,
}


def main() -> None:
    """Measure and write ``bench/deliver.json``, or record or send as a child."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", nargs=3, metavar=("URL", "ROWS", "REVISION"))
    parser.add_argument("--send", nargs=4, metavar=("URL", "TARGET", "BATCH", "CALLS"))
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--only", nargs="*", choices=list(MEASUREMENTS), default=list(MEASUREMENTS))
    chosen = parser.parse_args()
    if chosen.record:
        url, rows, revision = chosen.record
        print(json.dumps(record(url, int(rows), int(revision))))
        return
    if chosen.send:
        url, base_url, batch_max, calls = chosen.send
        print(json.dumps(send(url, base_url, int(batch_max), int(calls))))
        return
    found: list[Figure] = []
    for name in chosen.only:
        if name == "processes" and not _POSTGRES:
            print("deliver.processes: skipped, LEDGERLOOP_TEST_POSTGRES_URL is not set")
            continue
        runs = chosen.runs if name == "batch" else 1
        found += figures(name, medians([MEASUREMENTS[name]() for _ in range(runs)]))
    write_figures("deliver", found)


if __name__ == "__main__":
    main()
