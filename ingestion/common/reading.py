"""One read of one system: pages fetched concurrently, parsed, spooled, then loaded in one go.

The next page of an object is asked for before the last one is parsed; objects share a bounded
number of places. Nothing is loaded before everything was fetched, so a read that fails half-way
leaves the warehouse as it was. It knows no vendor: each kind hands in how to get pages.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from datetime import datetime
from pathlib import Path

import pyarrow as pa

from ingestion.common.arrow_pages import PageReader
from ingestion.common.config import System
from ingestion.common.errors import SchemaDrift
from ingestion.common.loading import chosen_objects, cursors, load, spool_folder
from ingestion.common.objects import ObjectSpec
from ingestion.common.report import Drift, DriftKind, ReadReport
from ingestion.common.spool import Spool

__all__ = ["Pages", "Reading", "read_objects"]

#: Turns of the event loop after which a request has left this machine.
_STEPS_TO_SEND = 5

#: How to get the pages of an object: everything when the instant is None, else what changed since.
Pages = Callable[[ObjectSpec, datetime | None], AsyncIterator[bytes]]


class Reading:
    """The state of one read: what to fetch from when, and where rows go."""

    def __init__(
        self,
        since: dict[str, datetime | None],
        spools: Sequence[Spool],
        reader_of: Callable[[ObjectSpec], PageReader],
    ) -> None:
        self.since = since
        self.spools = {spool.spec.name: spool for spool in spools}
        self.drift: list[Drift] = []
        self._reader_of = reader_of

    async def each_object(self, pages: Pages, *, concurrent_max: int) -> None:
        """Fetch every object, at most ``concurrent_max`` at once; the first failure ends it."""
        places = asyncio.Semaphore(concurrent_max)

        async def one(spool: Spool) -> None:
            async with places:
                await self.fetch(spool, pages(spool.spec, self.since[spool.spec.name]))

        try:
            async with asyncio.TaskGroup() as group:
                for spool in self.spools.values():
                    group.create_task(one(spool))
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def fetch(self, spool: Spool, pages: AsyncIterator[bytes]) -> None:
        """Fetch one object. Drift that stops writing drops the object from this read."""
        reader = self._reader_of(spool.spec)
        started = time.perf_counter()
        try:
            async for table in _parsed(reader, pages):
                spool.add(table)
        except SchemaDrift as error:
            self._note(spool, error)
        spool.seconds = time.perf_counter() - started
        self.drift.extend(
            Drift(
                spool.spec.name,
                name,
                DriftKind.NEW_COLUMN,
                f"{spool.spec.name}: the vendor sends {name}, which is not declared; it is not "
                "loaded until it stands in the object's settings",
            )
            for name in sorted(reader.new_columns)
        )

    def _note(self, spool: Spool, error: SchemaDrift) -> None:
        """Keep the table as it is: rows with a hole in them would change the truth."""
        self.drift.append(Drift(spool.spec.name, "", DriftKind(error.code), error.message))
        del self.spools[spool.spec.name]


async def _parsed(reader: PageReader, pages: AsyncIterator[bytes]) -> AsyncIterator[pa.Table]:
    """Tables of pages, one page ahead: the vendor works on the next while this one is parsed.

    Parsing stays on this thread: handing pages to another costs 5 % more CPU for the same work.
    """
    iterator = aiter(pages)
    following = asyncio.ensure_future(anext(iterator, None))
    try:
        while (page := await following) is not None:
            following = asyncio.ensure_future(anext(iterator, None))
            for _ in range(_STEPS_TO_SEND):
                await asyncio.sleep(0)
            yield reader.read(page)
    finally:
        if not following.done():
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


def read_objects(
    system: System,
    warehouse_path: Path,
    specs: Sequence[ObjectSpec],
    only: Collection[str] | None,
    fetch: Callable[[Reading], Awaitable[None]],
    reader_of: Callable[[ObjectSpec], PageReader],
) -> ReadReport:
    """Cursors, fetch, load, report.

    Args:
        system: what is read.
        warehouse_path: where it goes.
        specs: everything the kind declares.
        only: raw table names to read; all when None.
        fetch: fills the spools of the reading it is given.
        reader_of: makes the page reader of an object.

    Raises:
        LedgerloopError: whatever ``fetch`` raised; nothing was loaded then.
    """
    started, cpu_started = time.perf_counter(), time.process_time()
    chosen = chosen_objects(specs, None if only is None else tuple(only))
    with spool_folder() as folder:
        since = cursors(warehouse_path, system, chosen)
        reading = Reading(since, [Spool(spec, folder) for spec in chosen], reader_of)
        asyncio.run(_awaited(fetch(reading)))
        for spool in reading.spools.values():
            spool.close()
        objects = load(system, warehouse_path, list(reading.spools.values()))
    return ReadReport(
        system.system_id,
        system.kind,
        seconds=time.perf_counter() - started,
        cpu_seconds=time.process_time() - cpu_started,
        objects=tuple(objects),
        drift=tuple(reading.drift),
    )


async def _awaited(work: Awaitable[None]) -> None:
    await work
