"""Reading SAP's operational items and small sets for look-ups and read-backs.

The journal's own answer is never believed alone: whether a document is there, and whether items
are cleared, is read from the item cube, cleared items included. It only reads.
"""

import json
import re
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from ingestion.sap_s4hana.client import SapClient, literal
from reverse_etl.sap_s4hana.settings import ITEM_FIELDS, ITEMS, ITEMS_SERVICE, KEYS_PER_QUERY

__all__ = [
    "ItemKey",
    "ItemRows",
    "document_id",
    "items_where",
    "items_with_keys",
    "plain_date",
    "rows_where",
]

_JSON_DATE = re.compile(r"/Date\((-?\d+)(?:[+-]\d+)?\)/\Z")
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True, order=True)
class ItemKey:
    """One line of one document. ``item`` has three digits."""

    company_code: str
    fiscal_year: str
    document: str
    item: str

    @classmethod
    def of_row(cls, row: Mapping[str, Any]) -> "ItemKey":
        """The key of a row of the item cube."""
        names = ("CompanyCode", "FiscalYear", "AccountingDocument", "AccountingDocumentItem")
        company, year, document, item = (str(row[name]) for name in names)
        return cls(company, year, document, item.zfill(3))


class ItemRows(dict[ItemKey, dict[str, Any]]):
    """Rows of the item cube by key; finds the items of a document without looking at the others."""

    def __init__(self, rows: Iterable[dict[str, Any]] = ()) -> None:
        super().__init__()
        self._documents: dict[tuple[str, str, str], list[ItemKey]] = defaultdict(list)
        for row in rows:
            self.add(row)

    def add(self, row: dict[str, Any]) -> None:
        """Take a row; one with the same key replaces it."""
        key = ItemKey.of_row(row)
        if key not in self:
            self._documents[key.company_code, key.fiscal_year, key.document].append(key)
        self[key] = row

    def of_document(self, company_code: str, fiscal_year: str, document: str) -> list[ItemKey]:
        """The keys of a document's items, in order."""
        return sorted(self._documents.get((company_code, fiscal_year, document), ()))


def document_id(company_code: str, fiscal_year: str, document: str) -> str:
    """The native id of a document: SAP's numbers repeat in every company and year."""
    return f"{company_code}-{fiscal_year}-{document}"


def plain_date(value: Any) -> str:
    """``/Date(1492041600000)/`` as ISO text; other text unchanged, empty for no date."""
    match = _JSON_DATE.match(str(value or ""))
    if match is None:
        return str(value or "")[:10]
    return (_EPOCH + timedelta(days=int(match.group(1)) // 86_400_000)).isoformat()


async def rows_where(
    client: SapClient,
    service: str,
    entity_set: str,
    field_name: str,
    values: Iterable[str],
    *,
    also: str = "",
    select: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """Rows whose field has one of ``values``, in as many queries as URLs need.

    Args:
        client: the signed-in connection.
        service: the OData service.
        entity_set: the set within the service.
        field_name: the vendor's field.
        values: what it may hold; each is asked for once.
        also: a condition that all rows must meet, as an OData filter.
        select: fields to read, all when empty.

    Raises:
        LedgerloopError: the system did not answer, or refused.
    """
    found: list[dict[str, Any]] = []
    wanted = sorted(set(values))
    for start in range(0, len(wanted), KEYS_PER_QUERY):
        chain = " or ".join(
            f"{field_name} eq {literal(value)}" for value in wanted[start : start + KEYS_PER_QUERY]
        )
        text = f"{also} and ({chain})" if also else chain
        pages = client.pages(service, entity_set, select=select, filter=text)
        found.extend([row async for row in _rows(pages)])
    return found


async def items_where(
    client: SapClient, field_name: str, values: Iterable[str], *, also: str = ""
) -> list[dict[str, Any]]:
    """Items of the cube, cleared ones included, whose field has one of ``values``."""
    return await rows_where(
        client, ITEMS_SERVICE, ITEMS, field_name, values, also=also, select=ITEM_FIELDS
    )


async def items_with_keys(client: SapClient, keys: Iterable[ItemKey]) -> ItemRows:
    """Rows of the cube by key.

    Asks by document within company and year, so other items of these documents come along.
    """
    documents: dict[tuple[str, str], set[str]] = defaultdict(set)
    for key in keys:
        documents[key.company_code, key.fiscal_year].add(key.document)
    found = ItemRows()
    for (company_code, fiscal_year), numbers in sorted(documents.items()):
        also = f"CompanyCode eq {literal(company_code)} and FiscalYear eq {literal(fiscal_year)}"
        for row in await items_where(client, "AccountingDocument", numbers, also=also):
            found.add(row)
    return found


async def _rows(pages: AsyncIterator[bytes]) -> AsyncIterator[dict[str, Any]]:
    """The rows of pages as small dicts, numbers exact (SAP's decimals are text anyway)."""
    async for page in pages:
        for row in json.loads(page, parse_float=Decimal)["d"]["results"]:
            yield row
