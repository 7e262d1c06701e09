"""Entity types as data: properties, keys, navigations, and which of them a client may write.

A type is declared as a few lines of text (``entity_type``), one property a line: name, type, flags.
Types: ``text(n) bool date instant time decimal(p,s) int guid``. Flags: ``key``; ``ro`` (neither
created nor changed by clients); ``once`` (given at creation, not changed); ``alpha`` (numeric text
is padded with zeros to its full length, SAP's ALPHA conversion); ``etag``; ``unit=Property``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

__all__ = ["EdmKind", "EntityType", "FunctionImport", "Navigation", "Property", "entity_type"]


class EdmKind(StrEnum):
    """The property types that the sandbox uses, with their EDM names."""

    TEXT = "Edm.String"
    BOOL = "Edm.Boolean"
    DATE = "Edm.DateTime"
    INSTANT = "Edm.DateTimeOffset"
    TIME = "Edm.Time"
    DECIMAL = "Edm.Decimal"
    INT = "Edm.Int32"
    GUID = "Edm.Guid"


_KINDS = {
    "text": EdmKind.TEXT,
    "bool": EdmKind.BOOL,
    "date": EdmKind.DATE,
    "instant": EdmKind.INSTANT,
    "time": EdmKind.TIME,
    "decimal": EdmKind.DECIMAL,
    "int": EdmKind.INT,
    "guid": EdmKind.GUID,
}
_EMPTY: dict[EdmKind, Any] = {EdmKind.TEXT: "", EdmKind.BOOL: False, EdmKind.INT: 0}


@dataclass(frozen=True, slots=True)
class Property:
    """One property of an entity type. ``length`` counts characters, or digits of a decimal."""

    name: str
    kind: EdmKind
    length: int = 0
    scale: int = 0
    is_key: bool = False
    is_creatable: bool = True
    is_updatable: bool = True
    is_alpha: bool = False
    is_etag: bool = False
    unit: str = ""

    @property
    def empty(self) -> Any:
        """What an unset property holds: SAP has no null for text, flags and numbers."""
        return _EMPTY.get(self.kind)


@dataclass(frozen=True, slots=True)
class Navigation:
    """A way from one set to another. ``keys`` pairs own properties with the target's."""

    name: str
    target: str
    is_collection: bool
    keys: tuple[tuple[str, str], ...]


@dataclass(slots=True, eq=False)
class EntityType:
    """One entity set with its type.

    Attributes:
        name: the set's name, such as ``A_Customer``; ``type_name`` usually adds ``Type``.
        service: the OData service that owns the set.
        indexed: properties whose equality is looked up instead of scanned.
        has_etag: changes need If-Match; the tag is the etag property or a counter.
    """

    service: str
    name: str
    type_name: str
    properties: tuple[Property, ...]
    navigations: dict[str, Navigation]
    indexed: tuple[str, ...] = ()
    is_creatable: bool = False
    is_updatable: bool = False
    is_deletable: bool = False
    has_etag: bool = False
    index: dict[str, int] = field(init=False)
    keys: tuple[int, ...] = field(init=False)
    empty: list[Any] = field(init=False)
    etag_property: str = field(init=False)

    def __post_init__(self) -> None:
        self.index = {p.name: i for i, p in enumerate(self.properties)}
        self.keys = tuple(i for i, p in enumerate(self.properties) if p.is_key)
        self.empty = [p.empty for p in self.properties]
        self.etag_property = next((p.name for p in self.properties if p.is_etag), "")

    @property
    def full_name(self) -> str:
        """Namespace and type name, as in ``__metadata.type``."""
        return f"{self.service}.{self.type_name}"

    def property(self, name: str) -> Property:
        """A property by name. Raises KeyError."""
        return self.properties[self.index[name]]


@dataclass(frozen=True, slots=True)
class FunctionImport:
    """An action of a service, called with its parameters in the query."""

    service: str
    name: str
    method: str
    parameters: tuple[Property, ...]
    return_type: str
    is_collection: bool = False


_LINE = re.compile(r"(\w+)\s+([a-z]+)(?:\((\d+)(?:,(\d+))?\))?((?:\s+[\w=]+)*)\s*$")


def _property(line: str) -> Property:
    match = _LINE.match(line)
    if match is None:
        raise ValueError(f"not a property line: {line!r}")
    name, kind, length, scale, rest = match.groups()
    flags = rest.split()
    unit = next((f.removeprefix("unit=") for f in flags if f.startswith("unit=")), "")
    is_key = "key" in flags
    return Property(
        name,
        _KINDS[kind],
        int(length or 0),
        int(scale or 0),
        is_key=is_key,
        is_creatable="ro" not in flags,
        is_updatable=not is_key and "ro" not in flags and "once" not in flags,
        is_alpha="alpha" in flags,
        is_etag="etag" in flags,
        unit=unit,
    )


def entity_type(
    service: str,
    name: str,
    text: str,
    *,
    type_name: str = "",
    navigations: Sequence[Navigation] = (),
    indexed: Sequence[str] = (),
    writable: str = "",
    has_etag: bool = False,
) -> EntityType:
    """Declare an entity set. ``writable`` names the verbs: ``c``reate, ``u``pdate, ``d``elete."""
    lines = [line.strip() for line in text.strip().splitlines()]
    return EntityType(
        service,
        name,
        type_name or f"{name}Type",
        tuple(_property(line) for line in lines if line),
        {navigation.name: navigation for navigation in navigations},
        tuple(indexed),
        is_creatable="c" in writable,
        is_updatable="u" in writable,
        is_deletable="d" in writable,
        has_etag=has_etag,
    )
