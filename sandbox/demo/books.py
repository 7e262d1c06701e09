"""All systems read at one moment, straight through their protocols, into polars frames.

It shares the vendors' clients with the product and nothing else: no warehouse, no dbt, no
operations database, so figures counted on these frames check the product instead of repeating it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import polars as pl

from ingestion.common.arrow_pages import PageReader
from ingestion.common.config import Config, System
from ingestion.common.objects import ObjectSpec
from ingestion.common.transport import AiohttpTransport
from ingestion.sap_s4hana.client import SapClient
from ingestion.sap_s4hana.settings import DEFAULT_OPTIONS, OBJECTS, PAGE_STYLE
from sandbox.demo.bank_reading import read_receipts
from sandbox.demo.crm_reading import frame_of, read_crm

__all__ = ["Books", "read_books"]

_SAP_OBJECTS = ("operational_items", "credit_accounts", "sales_orders", "gl_balances",
                "bank_accounts", "customers", "customer_companies")  # fmt: skip
#: Readings carry an instant column; nothing here looks at it.
_ANY_INSTANT = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Books:
    """What the systems hold.

    Attributes:
        sap: raw SAP object name to its rows, all SAP systems together, with ``system_id``.
        crm: ``accounts``, ``ar_balances``, ``ar_invoices`` of all CRM systems together.
        receipts: booked bank entries that brought money in.
        as_of: the business date that figures are counted for.
    """

    sap: dict[str, pl.DataFrame]
    crm: dict[str, pl.DataFrame]
    receipts: pl.DataFrame
    as_of: date


def read_books(config: Config, as_of: date) -> Books:
    """Read every connected system.

    Raises:
        LedgerloopError: a system did not answer, or a bank file cannot be read.
    """
    return asyncio.run(_read(config, as_of))


async def _read(config: Config, as_of: date) -> Books:
    sap = [_read_sap(system) for system in config.of_kind("sap_s4hana")]
    crm = [read_crm(system) for system in config.of_kind("salesforce")]
    read = await asyncio.gather(*sap, *crm)
    receipts = read_receipts(config, as_of)
    return Books(_merged(read[: len(sap)]), _merged(read[len(sap) :]), receipts, as_of)


def _merged(read: Sequence[dict[str, pl.DataFrame]]) -> dict[str, pl.DataFrame]:
    """The same object of several systems as one frame."""
    names = dict.fromkeys(name for frames in read for name in frames)
    return {name: pl.concat([frames[name] for frames in read]) for name in names}


async def _read_sap(system: System) -> dict[str, pl.DataFrame]:
    client = SapClient(system, AiohttpTransport(ca_bundle=system.ca_bundle or None))
    specs = [spec for spec in OBJECTS if spec.name in _SAP_OBJECTS]
    try:
        frames = await asyncio.gather(*(_read_object(client, system, spec) for spec in specs))
    finally:
        await client.close()
    return {spec.name: frame for spec, frame in zip(specs, frames, strict=True)}


async def _read_object(client: SapClient, system: System, spec: ObjectSpec) -> pl.DataFrame:
    options = {**DEFAULT_OPTIONS, **{name: str(value) for name, value in system.options.items()}}
    service, _, entity_set = spec.path.format_map(options).partition("/")
    reader = PageReader(spec, PAGE_STYLE, system_id=system.system_id, loaded_at=_ANY_INSTANT)
    pages = client.pages(
        service,
        entity_set,
        select=[field.name for field in spec.fields],
        filter=spec.filter.format_map(options),
        page_size=spec.page_size,
    )
    tables = [reader.read(page) async for page in pages]
    return frame_of([spec.arrow_schema().empty_table(), *tables])
