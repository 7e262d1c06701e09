"""Workday Financial Management: read over SOAP and custom reports into ``workday_raw``.

Objects and elements: settings.py. API: Revenue Management web service, reports as a service.
Deletes: nothing is deleted in Workday, it is canceled (``Document_Status``); every object is read
whole at one moment, so what is no longer shown leaves the raw table. It must not write to Workday,
nor interpret what it reads.
"""

from collections.abc import AsyncIterator, Collection
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ingestion.common.config import System
from ingestion.common.objects import ObjectSpec
from ingestion.common.report import ReadReport
from ingestion.common.transport import Transport
from ingestion.workday.client import WorkdayClient
from ingestion.workday.settings import CONCURRENT_OBJECTS_MAX, OBJECTS, PAGE_STYLE

if TYPE_CHECKING:
    from ingestion.common.arrow_pages import PageReader
    from ingestion.common.reading import Reading

__all__ = ["check", "read"]


def read(
    system: System,
    warehouse_path: Path,
    *,
    run_started_at: datetime,
    only_objects: Collection[str] | None = None,
    transport: Transport | None = None,
) -> ReadReport:
    """Bring what Workday holds now into the warehouse; only what changed is loaded.

    Args:
        system: the connected system; options name the reports (settings.py).
        warehouse_path: the working warehouse; nobody else may have it open.
        run_started_at: the instant stored as ``_loaded_at``.
        only_objects: raw table names to read; all when None.
        transport: replaces the network, for tests.

    Raises:
        LedgerloopError: the system could not be read; nothing of this read was loaded.
    """
    # Senders import this package for its client: what only reading needs is imported here.
    from ingestion.common.arrow_pages import PageReader
    from ingestion.common.reading import read_objects
    from ingestion.common.transport import transport_of

    async def fetch(reading: "Reading") -> None:
        carrier = transport or transport_of(system)
        client = WorkdayClient(system, carrier)
        try:
            # One moment for all objects: an application never lacks its payment.
            moment = await client.moment()
            await reading.each_object(
                lambda spec, _: _pages(client, spec, moment),
                concurrent_max=CONCURRENT_OBJECTS_MAX,
            )
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

    carrier = transport or transport_of(system)
    client = WorkdayClient(system, carrier)
    return first_page_problems(OBJECTS, lambda spec: _pages(client, spec, ""), client.close)


async def _pages(client: WorkdayClient, spec: ObjectSpec, moment: str) -> AsyncIterator[bytes]:
    """The pages of an object as the page reader wants them; ``moment`` fixes a SOAP reading."""
    from ingestion.workday.rows import report_pages, soap_page

    service, _, name = spec.path.format_map(client.options).partition("/")
    if service == "report":
        body, where = await client.rest.named_report(name)
        for page in report_pages(spec, body, where):
            yield page
        return
    async for rows, where in client.named_pages(name, moment=moment, count=spec.page_size):
        yield soap_page(spec, rows, where)
