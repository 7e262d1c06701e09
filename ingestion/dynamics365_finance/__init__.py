"""Dynamics 365 Finance: read over OData v4 into ``dynamics365_finance_raw``.

Objects and fields: settings.py. Deletes: posted transactions are never deleted; sets that are read
whole lose the rows that the product no longer shows. It must not write, nor interpret anything.
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
from ingestion.dynamics365_finance.client import D365Client, literal
from ingestion.dynamics365_finance.settings import (
    CONCURRENT_OBJECTS_MAX,
    DEFAULT_OPTIONS,
    OBJECTS,
    PAGE_STYLE,
    SYMBOLS,
)

if TYPE_CHECKING:
    from ingestion.common.arrow_pages import PageReader
    from ingestion.common.reading import Reading

__all__ = ["check", "read"]

#: Rows asked for when only the fields are in question.
_CHECK_ROWS = 200


def read(
    system: System,
    warehouse_path: Path,
    *,
    run_started_at: datetime,
    only_objects: Collection[str] | None = None,
    transport: Transport | None = None,
) -> ReadReport:
    """Bring what changed in an environment since the last read into the warehouse.

    Args:
        system: the connected system; its companies are read and no others (all where it names
            none); options name the sets that differ between installations.
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
        client = D365Client(system, carrier)
        try:
            await reading.each_object(
                lambda spec, since: _pages(client, system, spec, since),
                concurrent_max=CONCURRENT_OBJECTS_MAX,
            )
        finally:
            await client.close()

    def reader_of(spec: ObjectSpec) -> "PageReader":
        return PageReader(spec, PAGE_STYLE, system_id=system.system_id, loaded_at=run_started_at)

    specs = [spec for spec in OBJECTS if _set_of(system, spec)]
    return read_objects(system, warehouse_path, specs, only_objects, fetch, reader_of)


def check(system: System, *, transport: Transport | None = None) -> list[str]:
    """What is wrong with a system, in plain words: does each object answer with its fields?

    Raises:
        ConfigError: the address or the credentials are missing.
    """
    from ingestion.common.checking import first_page_problems
    from ingestion.common.transport import transport_of

    carrier = transport or transport_of(system)
    client = D365Client(system, carrier)
    return first_page_problems(
        [spec for spec in OBJECTS if _set_of(system, spec)],
        lambda spec: _pages(client, system, replace(spec, page_size=_CHECK_ROWS), None),
        client.close,
    )


def _set_of(system: System, spec: ObjectSpec) -> str:
    """The set of an object; empty where the installation has none."""
    return spec.path.format_map(system.options_over(DEFAULT_OPTIONS))


async def _pages(
    client: D365Client, system: System, spec: ObjectSpec, since: datetime | None
) -> AsyncIterator[bytes]:
    conditions = (
        [spec.filter.format_map(system.options_over(DEFAULT_OPTIONS))] if spec.filter else []
    )
    if system.companies:
        companies = " or ".join(f"dataAreaId eq {literal(one.lower())}" for one in system.companies)
        conditions.append(f"({companies})")
    if since is not None:
        conditions.append(f"{spec.cursor} ge {since:%Y-%m-%dT%H:%M:%SZ}")
    async for page in client.pages(
        _set_of(system, spec),
        select=[field.name for field in spec.fields],
        filter=" and ".join(conditions),
        orderby=",".join(spec.primary_key),
        page_size=spec.page_size,
        symbols=SYMBOLS.get(spec.name, {}),
    ):
        yield page
