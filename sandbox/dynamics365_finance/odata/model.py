"""Entity sets as data: properties with their kinds, keys, enums; values to and from JSON.

An enum travels as its symbol, a date as noon UTC, no date as 1900-01-01, text is never null, and a
decimal is a JSON number with exactly its digits.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from sandbox.dynamics365_finance.odata.answers import bad_request

__all__ = ["ENUMS", "NAMESPACE", "EntitySet", "Kind", "Property", "Row", "entity_set"]

NAMESPACE = "Microsoft.Dynamics.DataEntities"

#: Symbols in the order of their numbers, which never travel.
ENUMS: Mapping[str, tuple[str, ...]] = {
    "NoYes": ("No", "Yes"),
    "CustVendorBlocked": (
        "No", "Invoice", "All", "Payment", "Requisition", "Never", "PurchOrder",
    ),
    "LedgerJournalACType": ("Ledger", "Cust", "Vend", "Project", "FixedAssets", "Bank"),
    "SettlementType": ("None", "OpenTransact", "SelectedTransact"),
    "CustVendDisputeStatus": (
        "None", "Disputed", "PromiseToPay", "Resolved", "PromiseToPayBroken", "PromiseToPayKept",
    ),
    "SalesStatus": ("None", "Backorder", "Delivered", "Invoiced", "Canceled"),
    "LedgerTransType": (
        "None", "Transfer", "Sales", "Cust", "Payment", "CashDisc", "WriteOff", "ExchAdjustment",
    ),
    "CredManHoldStatus": ("None", "OnHold", "Released", "Rejected"),
}  # fmt: skip


class Kind(StrEnum):
    """What a property holds."""

    TEXT = "Edm.String"
    DECIMAL = "Edm.Decimal"
    DATE = "Edm.DateTimeOffset"
    INSTANT = "Edm.DateTimeOffset/instant"
    INTEGER = "Edm.Int64"
    ENUM = "enum"


_EMPTY: Mapping[Kind, Any] = {Kind.TEXT: "", Kind.DECIMAL: Decimal(0), Kind.INTEGER: 0}
_NO_DATE = date(1900, 1, 1)
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Property:
    """One property. ``is_read_only``: what a client sends for it is refused."""

    name: str
    kind: Kind
    enum: str = ""
    is_read_only: bool = False

    @property
    def empty(self) -> Any:
        """The value of a property that nobody set."""
        return ENUMS[self.enum][0] if self.enum else _EMPTY.get(self.kind)

    @property
    def edm_type(self) -> str:
        """The type in ``$metadata``."""
        return f"{NAMESPACE}.{self.enum}" if self.enum else self.kind.value.partition("/")[0]

    def parsed(self, value: Any) -> Any:
        """A JSON value as ours. Raises ODataError for another type or an unknown symbol."""
        if value is None:
            return self.empty
        match self.kind:
            case Kind.TEXT if isinstance(value, str):
                return value
            case Kind.ENUM if isinstance(value, str) and value in ENUMS[self.enum]:
                return value
            case Kind.INTEGER if isinstance(value, int) and not isinstance(value, bool):
                return value
            case Kind.DECIMAL if isinstance(value, int | Decimal) and not isinstance(value, bool):
                return Decimal(value)
            case Kind.DATE | Kind.INSTANT if isinstance(value, str):
                return self.parsed_instant(value)
        raise bad_request(
            f"Cannot convert a primitive value to the expected type '{self.edm_type}' of property "
            f"'{self.name}'."
        )

    def parsed_instant(self, text: str) -> date | datetime | None:
        """A date or instant from ISO text; 1900-01-01 is none."""
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            raise bad_request(
                f"The value '{text}' of property '{self.name}' is no DateTimeOffset."
            ) from None
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        if self.kind is Kind.INSTANT:
            return at.astimezone(UTC)
        day = at.astimezone(UTC).date()
        return None if day == _NO_DATE else day

    def from_cell(self, text: str) -> Any:
        """A cell of a data package as ours. Raises ODataError as :meth:`parsed` does."""
        if self.kind is Kind.DECIMAL or self.kind is Kind.INTEGER:
            try:
                number = Decimal(text or "0")
            except InvalidOperation:
                raise bad_request(f"'{text}' is no number in field {self.name}.") from None
            return int(number) if self.kind is Kind.INTEGER else number
        return self.parsed(text or None)

    def json_text(self, value: Any) -> str:
        """Our value as JSON."""
        match self.kind:
            case Kind.DECIMAL:
                return format(value, "f")
            case Kind.INTEGER:
                return str(value)
            case Kind.DATE:
                return f'"{value or _NO_DATE}T12:00:00Z"'
            case Kind.INSTANT:
                return f'"{value:%Y-%m-%dT%H:%M:%SZ}"' if value else '"1900-01-01T00:00:00Z"'
        return json.dumps(value, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class EntitySet:
    """One public set.

    Attributes:
        name: the set's name in addresses; ``entity`` the type's.
        keys: key properties in the order of the vendor.
        is_writable: False: POST, PATCH and DELETE are refused (405).
    """

    name: str
    entity: str
    keys: tuple[str, ...]
    properties: Mapping[str, Property]
    is_writable: bool = True

    def key_of(self, row: Row) -> tuple[Any, ...]:
        """The row's key as the table holds it."""
        return tuple(row[name] for name in self.keys)


def entity_set(
    name: str, entity: str, keys: str, notation: str, *, is_writable: bool = True
) -> EntitySet:
    """A set from ``"CreditLimit:decimal OnHoldStatus:CustVendorBlocked IsPosted:NoYes!"``.

    Without a type it is text; ``!`` marks what only the system writes.
    """
    kinds = {
        "": Kind.TEXT, "decimal": Kind.DECIMAL, "date": Kind.DATE, "instant": Kind.INSTANT,
        "int": Kind.INTEGER,
    }  # fmt: skip
    properties = {}
    for word in notation.split():
        bare = word.rstrip("!")
        name_of, _, type_of = bare.partition(":")
        enum = type_of if type_of in ENUMS else ""
        kind = Kind.ENUM if enum else kinds[type_of]
        properties[name_of] = Property(name_of, kind, enum, is_read_only=bare != word)
    return EntitySet(name, entity, tuple(keys.split()), properties, is_writable)
