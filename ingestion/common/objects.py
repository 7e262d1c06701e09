"""What a vendor's object looks like to us: declared once, as data, in each kind's settings.

An ``ObjectSpec`` is the contract of one raw table: the vendor's field names exactly, their types,
the key, the cursor with its overlap, and where the object is read. Everything else (empty tables,
Arrow schemas, dlt hints, requests) is derived from it. It must not know any vendor's protocol.
"""

import importlib
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "LOADED_AT",
    "SYSTEM_ID",
    "Field",
    "FieldType",
    "ObjectSpec",
    "declared_kinds",
    "fields_of",
    "objects_of",
]

#: First and last column of every raw table; the vendor's own columns stand between them.
SYSTEM_ID = "system_id"
LOADED_AT = "_loaded_at"


class FieldType(StrEnum):
    """How a field is stored raw. Money and every other number is ``decimal(28,6)``."""

    TEXT = "text"
    MONEY = "money"
    DATE = "date"
    TIMESTAMP = "timestamp"
    FLAG = "flag"
    INTEGER = "integer"

    @property
    def sql(self) -> str:
        """The DuckDB column type."""
        return _SQL_TYPES[self]

    @property
    def arrow(self) -> "pa.DataType":
        """The Arrow type of a loaded column."""
        import pyarrow as pa

        return {
            FieldType.TEXT: pa.string(),
            FieldType.MONEY: pa.decimal128(28, 6),
            FieldType.DATE: pa.date32(),
            FieldType.TIMESTAMP: pa.timestamp("us", tz="UTC"),
            FieldType.FLAG: pa.bool_(),
            FieldType.INTEGER: pa.int64(),
        }[self]


_SQL_TYPES = {
    FieldType.TEXT: "VARCHAR",
    FieldType.MONEY: "DECIMAL(28,6)",
    FieldType.DATE: "DATE",
    FieldType.TIMESTAMP: "TIMESTAMP WITH TIME ZONE",
    FieldType.FLAG: "BOOLEAN",
    FieldType.INTEGER: "BIGINT",
}


@dataclass(frozen=True, slots=True)
class Field:
    """One column, named as the vendor names it."""

    name: str
    type: FieldType = FieldType.TEXT


def fields_of(notation: str) -> tuple[Field, ...]:
    """Fields from ``"Customer PostingDate:date Amount:money"``; without a type it is text."""
    found = []
    for word in notation.split():
        name, _, kind = word.partition(":")
        found.append(Field(name, FieldType(kind or "text")))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class ObjectSpec:
    """One object of a kind.

    Args:
        name: the raw table's name.
        path: where the vendor serves it (``SERVICE/EntitySet``, an object name, or empty).
        fields: the columns asked for and stored, in order.
        primary_key: the vendor's key; the stored key is ``system_id`` plus these.
        cursor: the field that moves when a row changes; empty means the whole object is read.
        lag_seconds: overlap re-read behind the cursor, so late and same-instant edits are seen.
        filter: the vendor's filter text, always applied; ``{name}`` stands for a system option.
        page_size: rows asked for per page.
        keeps_vanished: False (full reads only): rows the vendor no longer shows leave the table.
    """

    name: str
    path: str
    fields: tuple[Field, ...]
    primary_key: tuple[str, ...]
    cursor: str = ""
    lag_seconds: int = 0
    filter: str = ""
    page_size: int = 5000
    keeps_vanished: bool = False

    def __post_init__(self) -> None:
        names = [field.name for field in self.fields]
        assert len(set(names)) == len(names), f"{self.name}: a field is declared twice"
        assert self.primary_key, f"{self.name}: a merge without a key only appends"
        assert {*self.primary_key, *filter(None, [self.cursor])} <= set(names), self.name
        assert not self.cursor or self.lag_seconds > 0, f"{self.name}: a cursor needs a lag"

    @property
    def full_read(self) -> bool:
        """True where every read brings the whole object."""
        return not self.cursor

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The stored primary key."""
        return (SYSTEM_ID, *self.primary_key)

    @property
    def cursor_type(self) -> FieldType:
        """Type of the cursor field; only with a cursor."""
        return next(field.type for field in self.fields if field.name == self.cursor)

    @property
    def columns(self) -> tuple[Field, ...]:
        """Every stored column, ours included, in table order."""
        ours = Field(LOADED_AT, FieldType.TIMESTAMP)
        return (Field(SYSTEM_ID), *self.fields, ours)

    def arrow_schema(self) -> "pa.Schema":
        """Arrow schema of the stored table; keys are not nullable.

        It must equal what the dlt hints say, else dlt rewrites the file (1.6 CPU microseconds a
        row of 46 columns).
        """
        import pyarrow as pa

        keys = set(self.key_columns)
        return pa.schema(
            [
                pa.field(one.name, one.type.arrow, nullable=one.name not in keys)
                for one in self.columns
            ]
        )


def declared_kinds() -> tuple[str, ...]:
    """Every kind that has a settings file in ``ingestion/``, found by looking, never listed."""
    root = Path(__file__).parents[1]
    return tuple(sorted(path.parent.name for path in root.glob("*/settings.py")))


def objects_of(kind: str) -> tuple[ObjectSpec, ...]:
    """The objects a kind declares."""
    settings = importlib.import_module(f"ingestion.{kind}.settings")
    found: tuple[ObjectSpec, ...] = settings.OBJECTS
    return found
