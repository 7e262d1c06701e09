"""Oracle NetSuite: read with SuiteQL into ``netsuite_raw``.

Objects and queries: settings.py. Deletes: NetSuite removes documents and remembers them in
``deletedrecord``, which is read as an object of its own; sets that are read whole (applications,
balances, subsidiaries of customers, bank details) lose the rows that are no longer shown. It must
not write to NetSuite, nor interpret what it reads.
"""

from collections.abc import AsyncIterator, Collection
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ingestion.common.config import System
from ingestion.common.objects import ObjectSpec
from ingestion.common.report import ReadReport
from ingestion.common.transport import Transport
from ingestion.netsuite.client import NetSuiteClient, Window, quoted
from ingestion.netsuite.settings import (
    CONCURRENT_OBJECTS_MAX,
    DEFAULT_OPTIONS,
    OBJECTS,
    PAGE_STYLE,
    QUERIES,
)

if TYPE_CHECKING:
    from ingestion.common.arrow_pages import PageReader
    from ingestion.common.reading import Reading

__all__ = ["check", "read"]

#: Rows asked for when only the fields are in question.
_CHECK_ROWS = 10
#: Window columns that are compared as text.
_TEXT_KEYS = frozenset({"subsidiary", "acctnumber", "type"})


def read(
    system: System,
    warehouse_path: Path,
    *,
    run_started_at: datetime,
    only_objects: Collection[str] | None = None,
    transport: Transport | None = None,
) -> ReadReport:
    """Bring what changed in NetSuite since the last read into the warehouse.

    Args:
        system: the connected account; options as in ``DEFAULT_OPTIONS``; an empty
            ``bank_details_table`` is not read.
        warehouse_path: the working warehouse; nobody else may have it open.
        run_started_at: the instant stored as ``_loaded_at``.
        only_objects: raw table names to read; all when None.
        transport: replaces the network, for tests.

    Raises:
        LedgerloopError: the account could not be read; nothing of this read was loaded.
    """
    # Senders import this package for its client: what only reading needs is imported here.
    from ingestion.common.arrow_pages import PageReader
    from ingestion.common.reading import read_objects
    from ingestion.common.transport import transport_of

    async def fetch(reading: "Reading") -> None:
        carrier = transport or transport_of(system)
        client = NetSuiteClient(system, carrier)
        try:
            await reading.each_object(
                lambda spec, since: _pages(client, system, spec, since),
                concurrent_max=CONCURRENT_OBJECTS_MAX,
            )
        finally:
            await client.close()

    def reader_of(spec: ObjectSpec) -> "PageReader":
        return PageReader(spec, PAGE_STYLE, system_id=system.system_id, loaded_at=run_started_at)

    specs = [spec for spec in OBJECTS if spec.path.format_map(system.options_over(DEFAULT_OPTIONS))]
    return read_objects(system, warehouse_path, specs, only_objects, fetch, reader_of)


def check(system: System, *, transport: Transport | None = None) -> list[str]:
    """What is wrong with an account, in plain words: does each query answer with its fields?

    Raises:
        ConfigError: the address or the credentials are missing.
    """
    from ingestion.common.checking import first_page_problems
    from ingestion.common.transport import transport_of

    carrier = transport or transport_of(system)
    client = NetSuiteClient(system, carrier)
    return first_page_problems(
        [spec for spec in OBJECTS if spec.path.format_map(system.options_over(DEFAULT_OPTIONS))],
        lambda spec: _pages(client, system, replace(spec, page_size=_CHECK_ROWS), None),
        client.close,
    )


async def _pages(
    client: NetSuiteClient, system: System, spec: ObjectSpec, since: datetime | None
) -> AsyncIterator[bytes]:
    query = QUERIES[spec.name]
    options = system.options_over(DEFAULT_OPTIONS)
    listed = options["application_link_types"].split(",")
    options["application_link_types"] = ", ".join(quoted(one.strip()) for one in listed)
    conditions = [query.condition.format_map(options)] if query.condition else []
    if since is not None and query.cursor:
        instant = f"TO_TIMESTAMP('{since:%Y-%m-%d %H:%M:%S}', 'YYYY-MM-DD HH24:MI:SS')"
        conditions.append(f"{query.cursor} >= {instant}")
    names = tuple(expression.partition(".")[2] for expression in query.window)
    window = Window(query.window, names, tuple(name not in _TEXT_KEYS for name in names))
    async for page in client.pages(
        query.select(spec),
        query.source.format_map(options),
        window,
        conditions=conditions,
        group_by=query.group_by,
        page_size=spec.page_size,
    ):
        yield page
