"""The CRM read for measuring: whole objects over the query API, into polars frames."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import polars as pl
import pyarrow as pa

from ingestion.common.arrow_pages import PageReader
from ingestion.common.config import System
from ingestion.common.objects import ObjectSpec
from ingestion.common.transport import AiohttpTransport
from ingestion.salesforce.client import SalesforceClient
from ingestion.salesforce.settings import OBJECTS, PAGE_STYLE

__all__ = ["frame_of", "read_crm"]

_ANY_INSTANT = datetime(2000, 1, 1, tzinfo=UTC)


async def read_crm(system: System) -> dict[str, pl.DataFrame]:
    """Every object the product reads, by its raw table's name."""
    client = SalesforceClient(system, AiohttpTransport(ca_bundle=system.ca_bundle or None))
    try:
        frames = await asyncio.gather(*(_read(client, system, spec) for spec in OBJECTS))
    finally:
        await client.close()
    return {spec.name: frame for spec, frame in zip(OBJECTS, frames, strict=True)}


async def _read(client: SalesforceClient, system: System, spec: ObjectSpec) -> pl.DataFrame:
    fields = ", ".join(field.name for field in spec.fields)
    reader = PageReader(spec, PAGE_STYLE, system_id=system.system_id, loaded_at=_ANY_INSTANT)
    pages = client.query_pages(f"SELECT {fields} FROM {spec.path} ORDER BY Id")  # noqa: S608
    tables = [reader.read(page) async for page in pages]
    whole = frame_of([spec.arrow_schema().empty_table(), *tables])
    return whole.unique("Id", keep="last", maintain_order=True)


def frame_of(tables: Sequence[pa.Table]) -> pl.DataFrame:
    """Arrow tables of one schema as one frame."""
    frame = pl.from_arrow(pa.concat_tables(tables))
    assert isinstance(frame, pl.DataFrame)
    return frame
