"""Values between the hub and finance and operations: dates, display values, rows by their keys."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from ingestion.common.errors import InputRefused
from ingestion.common.money import round_money
from ingestion.dynamics365_finance.client import D365Client, literal
from reverse_etl.dynamics365_finance.settings import KEYS_PER_QUERY
from reverse_etl.ledger.commands import Value

__all__ = [
    "amount_in",
    "company_of",
    "display_value",
    "needed",
    "noon",
    "plain_date",
    "plain_display",
    "rows_with",
]


def needed(payload: Mapping[str, Value], name: str) -> str:
    """A field as text. Raises InputRefused when it is missing."""
    value = payload.get(name)
    if value in (None, ""):
        raise InputRefused(f"{name} is missing", code="field_missing", where=name)
    return str(value)


def amount_in(payload: Mapping[str, Value], name: str, currency_code: str) -> Decimal:
    """A positive amount of a currency.

    Raises:
        InputRefused: missing, not above zero, or with more decimals than the currency has.
    """
    amount = Decimal(needed(payload, name))
    if amount <= 0 or amount != round_money(amount, currency_code):
        raise InputRefused(
            f"{amount} {currency_code} cannot be posted", code="bad_amount", where=name
        )
    return amount


def company_of(company_code: str) -> str:
    """The company as the product writes it: in small letters."""
    return company_code.lower()


def noon(text: str, where: str) -> str:
    """A date on the wire: noon UTC. Raises InputRefused for what is no date."""
    try:
        return f"{date.fromisoformat(text)}T12:00:00Z"
    except ValueError:
        raise InputRefused(f"{text!r} is no date", code="bad_date", where=where) from None


def plain_date(text: Any) -> str | None:
    """A date from the wire; 1900-01-01 is none."""
    day = str(text or "")[:10]
    return None if day in ("", "1900-01-01") else day


def display_value(text: str) -> str:
    """An account as a display value, where bare dashes would part dimensions."""
    return text.replace("-", "\\-")


def plain_display(text: Any) -> str:
    """An account out of a display value."""
    return str(text or "").replace("\\-", "-")


async def rows_with(
    client: D365Client,
    entity_set: str,
    field: str,
    values: Sequence[str] | Sequence[int],
    *,
    also: str = "",
) -> list[dict[str, Any]]:
    """Rows of a set whose field has one of the values; ``also`` narrows them.

    Raises:
        LedgerloopError: the set could not be read.
    """
    found: list[dict[str, Any]] = []
    for chunk in _chunks(sorted({*values})):
        chain = " or ".join(
            f"{field} eq {literal(one) if isinstance(one, str) else one}" for one in chunk
        )
        text = f"({chain}) and {also}" if also else chain
        found += await client.rows(entity_set, text)
    return found


def _chunks(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), KEYS_PER_QUERY):
        yield values[start : start + KEYS_PER_QUERY]
