"""A sender process that tests may kill: ``python -m tests.reverse_etl.delivery.sender OPS BOOKS``.

The target's books are an SQLite file of their own, one row per effect; a write takes effect at once
and answers a little later, so that a kill often falls between the two.
"""

import asyncio
import sqlite3
import sys
from collections.abc import Mapping, Sequence

from ingestion.common.clock import SystemClock
from reverse_etl.delivery.running import deliver_now
from reverse_etl.delivery.writer import (
    Absent,
    Accepted,
    Found,
    Limits,
    LookUp,
    Outcome,
    ReadBack,
    Sending,
)
from reverse_etl.ledger.store import Store

_LATENCY_SECONDS = 0.004


class FileWriter:
    """Create-only rows in a file; nothing in it stops a second effect of the same key."""

    system_id = "erp"

    def __init__(self, path: str) -> None:
        self._books = open_books(path)

    def limits(self, object_name: str, operation: str) -> Limits:
        return Limits(
            batch_max=5, concurrency_max=4, request_timeout_seconds=1.0, settle_seconds=0.2
        )

    async def close(self) -> None:
        self._books.close()

    async def send(self, batch: Sequence[Sending]) -> Mapping[str, Outcome]:
        await asyncio.sleep(_LATENCY_SECONDS)
        rows = [(one.external_key, str(one.command.payload["amount"])) for one in batch]
        with self._books:
            self._books.executemany("INSERT INTO effects VALUES (?, ?)", rows)
        await asyncio.sleep(_LATENCY_SECONDS)
        return {one.command.command_id: Accepted(one.external_key) for one in batch}

    async def look_up(self, batch: Sequence[Sending]) -> Mapping[str, LookUp]:
        return {
            key: Absent() if one.fields is None else Found(one.native_id)
            for key, one in (await self.read_back(batch)).items()
        }

    async def read_back(self, batch: Sequence[Sending]) -> Mapping[str, ReadBack]:
        await asyncio.sleep(_LATENCY_SECONDS)
        found = {}
        for one in batch:
            text = "SELECT amount FROM effects WHERE key = ?"
            row = self._books.execute(text, (one.external_key,)).fetchone()
            fields = None if row is None else {"amount": row[0]}
            found[one.command.command_id] = ReadBack(fields, one.external_key)
        return found


def open_books(path: str) -> sqlite3.Connection:
    books = sqlite3.connect(path, timeout=60)
    books.execute("CREATE TABLE IF NOT EXISTS effects (key TEXT, amount TEXT)")
    books.execute("CREATE INDEX IF NOT EXISTS ix_effects ON effects (key)")
    return books


def main() -> None:
    ops, books = sys.argv[1:]
    clock = SystemClock()
    with Store.open(ops, now=clock.now) as store:
        print("ready", flush=True)
        report = deliver_now(store, {"erp": FileWriter(books)}, clock=clock)
        print(report.verified, report.is_stopped, flush=True)


if __name__ == "__main__":
    main()
