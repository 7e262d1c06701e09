"""Resource paths and query options of OData v2, percent-encoded in every way clients do it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote

from sandbox.sap_s4hana.odata.answers import ODataError
from sandbox.sap_s4hana.odata.model import EntityType
from sandbox.sap_s4hana.odata.tables import Row
from sandbox.sap_s4hana.odata.values import ValueRefused, from_literal, literal_text

__all__ = ["Segment", "key_predicate", "parse_key", "query_options", "split_path"]

_SEGMENT = re.compile(r"([$\w]+)(?:\((.*)\))?$", re.DOTALL)
_KEY_PART = re.compile(r"\s*(?:(\w+)\s*=\s*)?((?:\w*)'(?:[^']|'')*'|[^,']+)\s*(?:,|$)")

SYSTEM_OPTIONS = frozenset(
    {
        "$filter",
        "$select",
        "$expand",
        "$orderby",
        "$top",
        "$skip",
        "$inlinecount",
        "$format",
        "$skiptoken",
    }
)


@dataclass(frozen=True, slots=True)
class Segment:
    """One part of a path: ``A_Customer('1')`` has the name and the text between parentheses."""

    name: str
    key: str | None


def split_path(raw_path: str) -> list[Segment]:
    """The parts of a path below the service root; encoded slashes stay inside their part.

    Raises:
        ODataError: 400 for a part that is no resource.
    """
    segments = []
    for part in raw_path.strip("/").split("/"):
        if not part:
            continue
        match = _SEGMENT.match(unquote(part))
        if match is None:
            raise ODataError(400, "/IWFND/CM_MGW/004", f"Invalid URI segment '{part[:100]}'")
        segments.append(Segment(match.group(1), match.group(2)))
    return segments


def parse_key(entity: EntityType, text: str) -> tuple[object, ...]:
    """``'1'`` or ``Customer='1',CompanyCode='1010'`` as a key of the type.

    Raises:
        ODataError: 400 for a missing, unknown or badly typed key property.
    """
    wanted = [entity.properties[i] for i in entity.keys]
    named: dict[str, str] = {}
    position = 0
    while position < len(text):
        match = _KEY_PART.match(text, position)
        if match is None:
            raise _bad_key(entity)
        name = match.group(1) or (wanted[0].name if len(wanted) == 1 else "")
        named[name] = match.group(2).strip()
        position = match.end()
    if set(named) != {prop.name for prop in wanted}:
        raise _bad_key(entity)
    try:
        return tuple(from_literal(prop, named[prop.name]) for prop in wanted)
    except ValueRefused:
        raise _bad_key(entity) from None


def _bad_key(entity: EntityType) -> ODataError:
    return ODataError(
        400,
        "/IWBEP/CM_MGW_RT/186",
        f"The key predicate does not fit the keys of '{entity.type_name}'",
    )


def key_predicate(row: Row) -> str:
    """The key of a row as it stands in addresses, percent-encoded."""
    entity = row.type
    props: Sequence[int] = entity.keys
    parts = [quote(literal_text(entity.properties[i].kind, row.values[i]), safe="'") for i in props]
    if len(props) == 1:
        return f"({parts[0]})"
    names = [entity.properties[i].name for i in props]
    return "(" + ",".join(f"{name}={part}" for name, part in zip(names, parts, strict=True)) + ")"


def query_options(query: str) -> dict[str, str]:
    """Query options by name. Names may be encoded (``%24filter``); a plus sign is a blank.

    Raises:
        ODataError: 400 for an unknown ``$`` option, such as ``$count=true`` of version 4.
    """
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name in options:
        if name.startswith("$") and name not in SYSTEM_OPTIONS:
            raise ODataError(
                400, "/IWFND/CM_MGW/007", f"System query option '{name}' is not supported"
            )
    return options
