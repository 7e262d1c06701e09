"""Tryton 8.2: read over JSON-RPC into ``tryton_raw``.

Objects and fields: settings.py. Deletes: a posted document cannot be deleted, only cancelled, and
that is read; sets that are read whole (accounts, credit) lose the rows that Tryton no longer shows.
It must not write to Tryton, nor interpret what it reads.
"""

from collections.abc import AsyncIterator, Collection
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ingestion.common.config import System
from ingestion.common.errors import ConfigError, VendorAnswerInvalid
from ingestion.common.objects import ObjectSpec
from ingestion.common.report import ReadReport
from ingestion.common.transport import Transport
from ingestion.tryton.client import TrytonClient
from ingestion.tryton.rows import (
    changed_domain,
    domain_of,
    is_per_company,
    page_of,
    requested_fields,
)
from ingestion.tryton.settings import (
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
_CHECK_ROWS = 1


def read(
    system: System,
    warehouse_path: Path,
    *,
    run_started_at: datetime,
    only_objects: Collection[str] | None = None,
    transport: Transport | None = None,
) -> ReadReport:
    """Bring what changed in Tryton since the last read into the warehouse.

    Args:
        system: the connected system; its companies' codes are Tryton's company ids. Option
            ``page_rows_max`` makes pages smaller.
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
        client = TrytonClient(system, carrier)
        try:
            await reading.each_object(
                lambda spec, since: _pages(client, system, spec, since),
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

    client = TrytonClient(system, transport or transport_of(system))
    return first_page_problems(
        OBJECTS,
        lambda spec: _pages(client, system, replace(spec, page_size=_CHECK_ROWS), None),
        client.close,
    )


def _companies(system: System) -> list[int]:
    """Tryton's ids of the configured companies. Raises ConfigError for a code that is no id."""
    wrong = [code for code in system.companies if not code.isdigit()]
    if wrong or not system.companies:
        raise ConfigError(
            f"systems.{system.system_id}.companies: a company's code is Tryton's company id "
            f"(a number), not {', '.join(wrong) or 'nothing'}",
            code="company_code",
        )
    return [int(code) for code in system.companies]


async def _pages(
    client: TrytonClient, system: System, spec: ObjectSpec, since: datetime | None
) -> AsyncIterator[bytes]:
    options = system.options_over(DEFAULT_OPTIONS)
    if spec.name == "bank_accounts" and options["reads_bank_accounts"] == "no":
        yield page_of(spec, [])
        return
    companies: list[int | None] = [None]
    if is_per_company(spec):
        companies = [*_companies(system)]
    fields = requested_fields(spec)
    not_ours = await _not_our_own(client) if spec.path == "party.party" else []
    page_size = min(spec.page_size, int(options.get("page_rows_max", spec.page_size)))
    for company in companies:
        domain = domain_of(spec, options, company) + not_ours + changed_domain(spec, since)
        # Balances of posted documents only; archived rows are rows.
        context: dict[str, Any] = {"active_test": False, "posted": True}
        if company is not None:
            context["company"] = company
        last = 0
        while True:
            rows = await client.search_read(
                spec.path,
                [*domain, ["id", ">", last]],
                fields,
                limit=page_size,
                order=(("id", "ASC"),),
                context=context,
            )
            yield page_of(spec, rows, company)
            if len(rows) < page_size:
                break
            if rows[-1]["id"] <= last:
                raise VendorAnswerInvalid(f"{spec.name}: a page went backwards", code="paging")
            last = rows[-1]["id"]


async def _not_our_own(client: TrytonClient) -> list[Any]:
    """Leaves out the parties that the companies themselves are: they are nobody's customers."""
    rows = await client.search_read("company.company", [], ["party"])
    return [["id", "not in", sorted(row["party"] for row in rows)]]
