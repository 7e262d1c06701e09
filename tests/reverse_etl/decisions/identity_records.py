"""One company for the identity tests, written as often as wanted."""

from typing import Any

import polars as pl

__all__ = ["acme"]

_STEEL = {
    "name": "Acme Steel Inc",
    "street": "12 Main Street",
    "city": "Denver",
    "postal_code": "80202",
    "country": "US",
    "phone": "303 555 0142",
    "email": "ap@acmesteel.com",
    "tax_id": "84-1725934",
}


def acme(**changes: dict[str, Any]) -> pl.DataFrame:
    """Records by id, each the steel company but for what changes."""
    rows = [{"id": key, **_STEEL, **change} for key, change in changes.items()]
    return pl.DataFrame(rows, infer_schema_length=None)
