"""SAP S/4HANA (public edition): read over OData v2 into ``sap_s4hana_raw``.

Objects and fields: settings.py. API: contracts of API_BUSINESS_PARTNER, API_BILLING_DOCUMENT_SRV,
API_OPLACCTGDOCITEMCUBE_SRV, API_CRDTMBUSINESSPARTNER and their kin. Deletes: SAP flags master data
and never deletes documents; sets that are read whole (credit blocks, balances, addresses) lose the
rows that SAP no longer shows. It must not write to SAP, nor interpret what it reads.
"""

from collections.abc import AsyncIterator, Collection
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ingestion.common.config import System
from ingestion.common.objects import FieldType, ObjectSpec
from ingestion.common.report import ReadReport
from ingestion.common.transport import Transport
from ingestion.sap_s4hana.client import SapClient
from ingestion.sap_s4hana.settings import (
    CONCURRENT_OBJECTS_MAX,
    DEFAULT_OPTIONS,
    OBJECTS,
    PAGE_STYLE,
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
    """Bring what changed in SAP since the last read into the warehouse.

    Args:
        system: the connected system; options ``unidentified_gl_account`` and
            ``gl_balance_service`` stand in filters and paths; an empty service is not read.
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
        client = SapClient(system, carrier)
        try:
            await reading.each_object(
                lambda spec, since: _pages(client, system, spec, since),
                concurrent_max=CONCURRENT_OBJECTS_MAX,
            )
        finally:
            await client.close()

    def reader_of(spec: ObjectSpec) -> "PageReader":
        return PageReader(spec, PAGE_STYLE, system_id=system.system_id, loaded_at=run_started_at)

    specs = [spec for spec in OBJECTS if _path(system, spec)]
    return read_objects(system, warehouse_path, specs, only_objects, fetch, reader_of)


def _path(system: System, spec: ObjectSpec) -> str:
    """Service and set of an object; empty where the installation has no such service."""
    return spec.path.format_map(system.options_over(DEFAULT_OPTIONS))


def check(system: System, *, transport: Transport | None = None) -> list[str]:
    """What is wrong with a system, in plain words: does each object answer with its fields?

    Raises:
        ConfigError: the address or the credentials are missing.
    """
    from ingestion.common.checking import first_page_problems
    from ingestion.common.transport import transport_of

    client = SapClient(system, transport or transport_of(system))
    return first_page_problems(
        OBJECTS,
        lambda spec: _pages(client, system, replace(spec, page_size=_CHECK_ROWS), None),
        client.close,
    )


async def _pages(
    client: SapClient, system: System, spec: ObjectSpec, since: datetime | None
) -> AsyncIterator[bytes]:
    service, _, entity_set = _path(system, spec).partition("/")
    conditions = (
        [spec.filter.format_map(system.options_over(DEFAULT_OPTIONS))] if spec.filter else []
    )
    if since is not None:
        conditions.append(_since(spec, since))
    async for page in client.pages(
        service,
        entity_set,
        select=[field.name for field in spec.fields],
        filter=" and ".join(conditions),
        page_size=spec.page_size,
    ):
        yield page


def _since(spec: ObjectSpec, since: datetime) -> str:
    """The cursor condition in OData v2's literals; a day-granular field takes the whole day."""
    if spec.cursor_type is FieldType.DATE:
        return f"{spec.cursor} ge datetime'{since:%Y-%m-%dT00:00:00}'"
    return f"{spec.cursor} ge datetimeoffset'{since:%Y-%m-%dT%H:%M:%SZ}'"
