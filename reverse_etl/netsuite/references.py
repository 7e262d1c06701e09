"""Numbers that people use (entity id, account number, currency code) as NetSuite's internal ids.

Asked for in one query per kind and kept for the writer's life: customers and accounts keep their
internal id for ever. A number that nobody has is refused, never guessed.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from ingestion.common.errors import InputRefused
from ingestion.netsuite.client import NetSuiteClient, quoted

__all__ = ["KEYS_PER_QUERY", "References", "rows_in"]

#: Keys of one ``IN`` list.
KEYS_PER_QUERY = 200
_QUERIES = {
    "customer": "SELECT id, UPPER(entityid) AS name FROM customer WHERE UPPER(entityid)",
    "account": "SELECT id, acctnumber AS name FROM account WHERE acctnumber",
    "currency": "SELECT id, symbol AS name FROM currency WHERE symbol",
}


class References:
    """What has been looked up so far."""

    def __init__(self, client: NetSuiteClient) -> None:
        self._client = client
        self._ids: dict[tuple[str, str], str] = {}

    async def load(self, kind: str, names: Iterable[str]) -> None:
        """Look up what is not known yet. Raises LedgerloopError when it cannot be read."""
        known = {name for known_kind, name in self._ids if known_kind == kind}
        wanted = sorted({one.upper() for one in names if one} - known)
        for row in await rows_in(self._client, _QUERIES[kind], wanted, order="id"):
            self._ids.setdefault((kind, str(row["name"]).upper()), str(row["id"]))

    def id_of(self, kind: str, name: str, *, where: str) -> str:
        """The internal id. Raises InputRefused where the account has none of that number."""
        found = self._ids.get((kind, name.upper()))
        if found is None:
            raise InputRefused(
                f"NetSuite has no {kind} {name!r}", code=f"unknown_{kind}", where=where
            )
        return found


async def rows_in(
    client: NetSuiteClient, query: str, values: Sequence[str], *, order: str, also: str = ""
) -> list[dict[str, Any]]:
    """Rows of ``query`` (which ends with the compared expression) for many values.

    Raises:
        LedgerloopError: the account could not be read.
    """
    found: list[dict[str, Any]] = []
    for start in range(0, len(values), KEYS_PER_QUERY):
        listed = ", ".join(quoted(one) for one in values[start : start + KEYS_PER_QUERY])
        found += await client.rows(f"{query} IN ({listed}){also} ORDER BY {order}")
    return found
