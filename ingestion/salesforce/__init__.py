"""Salesforce: read accounts and the receivables objects into ``salesforce_raw``.

Objects and fields: settings.py. Changes come by ``SystemModstamp`` with an overlap, deletes by
``getDeleted``: the stored row stays and is marked ``IsDeleted``. When the vendor refuses the window
(15 days at most) all ids are compared instead. It must not write to Salesforce.
"""

from collections.abc import AsyncIterator, Collection
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ingestion.common.config import System
from ingestion.common.errors import VendorRejected
from ingestion.common.objects import ObjectSpec
from ingestion.common.report import ReadReport
from ingestion.common.transport import Transport
from ingestion.salesforce.client import SalesforceClient
from ingestion.salesforce.settings import CONCURRENT_OBJECTS_MAX, OBJECTS, PAGE_STYLE

if TYPE_CHECKING:
    from ingestion.common.arrow_pages import PageReader
    from ingestion.common.reading import Reading

__all__ = ["check", "read"]

#: Rows asked for when only the fields are in question.
_CHECK_ROWS = 200

#: The vendor takes no window shorter than a minute.
_WINDOW_MINIMUM = timedelta(minutes=2)


def read(
    system: System,
    warehouse_path: Path,
    *,
    run_started_at: datetime,
    only_objects: Collection[str] | None = None,
    transport: Transport | None = None,
) -> ReadReport:
    """Bring what changed or was deleted in the org since the last read into the warehouse.

    Args:
        system: the connected org.
        warehouse_path: the working warehouse; nobody else may have it open.
        run_started_at: the instant stored as ``_loaded_at``.
        only_objects: raw table names to read; all when None.
        transport: replaces the network, for tests.

    Raises:
        LedgerloopError: the org could not be read; nothing of this read was loaded.
    """
    # Senders import this package for its client: what only reading needs is imported here.
    from ingestion.common.arrow_pages import PageReader
    from ingestion.common.loading import marked_deleted, stored_keys
    from ingestion.common.reading import read_objects
    from ingestion.common.transport import transport_of

    async def fetch(reading: "Reading") -> None:
        carrier = transport or transport_of(system)
        client = SalesforceClient(system, carrier)
        try:
            await reading.each_object(
                lambda spec, since: _pages(client, spec, since),
                concurrent_max=CONCURRENT_OBJECTS_MAX,
            )
            for spool in reading.spools.values():
                since = reading.since[spool.spec.name]
                if since is None:
                    continue
                gone = await _gone(client, spool.spec, since, run_started_at)
                if gone is None:
                    live = await _live_ids(client, spool.spec)
                    stored = stored_keys(warehouse_path, system, spool.spec, "NOT IsDeleted")
                    gone = dict.fromkeys(stored - live)
                marked = marked_deleted(
                    warehouse_path,
                    system,
                    spool.spec,
                    gone,
                    flag="IsDeleted",
                    loaded_at=run_started_at,
                )
                if marked.num_rows:
                    spool.add(marked)
        finally:
            await client.close()

    def reader_of(spec: ObjectSpec) -> "PageReader":
        return PageReader(spec, PAGE_STYLE, system_id=system.system_id, loaded_at=run_started_at)

    return read_objects(system, warehouse_path, OBJECTS, only_objects, fetch, reader_of)


def check(system: System, *, transport: Transport | None = None) -> list[str]:
    """What is wrong with a system, in plain words: does each object answer with its fields?

    Raises:
        ConfigError: the address or the credentials are missing.
    """
    from ingestion.common.checking import first_page_problems
    from ingestion.common.transport import transport_of

    client = SalesforceClient(system, transport or transport_of(system))
    return first_page_problems(
        OBJECTS,
        lambda spec: _pages(client, replace(spec, page_size=_CHECK_ROWS), None),
        client.close,
    )


async def _pages(
    client: SalesforceClient, spec: ObjectSpec, since: datetime | None
) -> AsyncIterator[bytes]:
    fields = ", ".join(field.name for field in spec.fields)
    where = f" WHERE {spec.cursor} >= {since:%Y-%m-%dT%H:%M:%S.000Z}" if since else ""
    soql = f"SELECT {fields} FROM {spec.path}{where} ORDER BY {spec.cursor}, Id"  # noqa: S608
    async for page in client.query_pages(soql, spec.page_size):
        yield page


async def _gone(
    client: SalesforceClient, spec: ObjectSpec, since: datetime, run_started_at: datetime
) -> dict[str, datetime | None] | None:
    """Ids deleted since, with the instant; None when the vendor cannot say for that window."""
    end = max(run_started_at, since + _WINDOW_MINIMUM)
    try:
        found = await client.deleted(spec.path, since, end)
    except VendorRejected as error:
        if error.code != "INVALID_REPLICATION_DATE":
            raise
        return None
    if found.earliest_available and datetime.fromisoformat(found.earliest_available) > since:
        return None
    return {key: datetime.fromisoformat(text) for key, text in found.records.items()}


async def _live_ids(client: SalesforceClient, spec: ObjectSpec) -> set[str]:
    """Every id the org shows."""
    soql = f"SELECT Id FROM {spec.path}"  # noqa: S608
    return {str(row["Id"]) for row in await client.query_rows(soql)}
