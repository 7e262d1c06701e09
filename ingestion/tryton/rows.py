"""What to ask Tryton for, and its rows as flat JSON pages in the columns that are declared.

Pages go by id (``id > last``), so a row that changes between two pages is neither lost nor read
twice. It sends nothing.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from ingestion.common.errors import VendorAnswerInvalid
from ingestion.common.objects import FieldType, ObjectSpec
from ingestion.tryton.settings import CHANGED_FIELDS, DOMAINS

__all__ = ["changed_domain", "domain_of", "is_per_company", "page_of", "requested_fields"]

#: Columns that Tryton does not send.
_OURS = frozenset({"changed_at"})


def requested_fields(spec: ObjectSpec) -> list[str]:
    """The dotted names to ask for; ``company`` of a model without one is put in by us."""
    names = [one.name.replace("__", ".") for one in spec.fields if one.name not in _OURS]
    if spec.name == "credit":
        names.remove("company")
    return sorted({*names, *CHANGED_FIELDS.get(spec.name, ())} - {"id"})


def is_per_company(spec: ObjectSpec) -> bool:
    """Whether an object is read once for each company."""
    return spec.name == "credit" or "{company}" in str(DOMAINS[spec.name])


def domain_of(spec: ObjectSpec, options: Mapping[str, str], company: int | None) -> list[Any]:
    """An object's domain, options and company filled in."""
    values: dict[str, Any] = {f"{{{name}}}": value for name, value in options.items()}
    values["{company}"] = company

    def filled(part: Any) -> Any:
        if isinstance(part, tuple):
            return [filled(one) for one in part]
        return values.get(part, part) if isinstance(part, str) else part

    return [filled(part) for part in DOMAINS[spec.name]]


def changed_domain(spec: ObjectSpec, since: datetime | None) -> list[Any]:
    """Rows of which any instant is later. A row never written has no ``write_date``."""
    if since is None or spec.name not in CHANGED_FIELDS:
        return []
    return [["OR", *([name, ">", since] for name in CHANGED_FIELDS[spec.name])]]


def page_of(
    spec: ObjectSpec, rows: Sequence[Mapping[str, Any]], company: int | None = None
) -> bytes:
    """A page of rows as JSON, ``{"rows": [...]}``, money as text.

    Raises:
        VendorAnswerInvalid: a value of another type than declared.
    """
    flat = [_flat(spec, row, company) for row in rows]
    return json.dumps({"rows": flat}, ensure_ascii=False, separators=(",", ":")).encode()


def _flat(spec: ObjectSpec, row: Mapping[str, Any], company: int | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in spec.fields:
        if field.name == "changed_at":
            instants = [_at(row, name) for name in CHANGED_FIELDS[spec.name]]
            value: Any = max((one for one in instants if one is not None), default=None)
        elif field.name == "company" and spec.name == "credit":
            value = company
        else:
            value = _at(row, field.name.replace("__", "."))
        found[field.name] = _plain(spec, field.name, field.type, value)
    return found


def _at(row: Mapping[str, Any], name: str) -> Any:
    """A dotted field: ``move.journal.code`` stands in ``{"move.": {"journal.": {"code": …}}}``."""
    first, dot, rest = name.partition(".")
    if not dot:
        return row.get(first)
    inner = row.get(f"{first}.")
    return _at(inner, rest) if isinstance(inner, dict) else None


def _plain(spec: ObjectSpec, name: str, kind: FieldType, value: Any) -> Any:
    if value is None:
        return None
    match kind, value:
        case FieldType.FLAG, bool():
            return value
        case FieldType.INTEGER, int() if not isinstance(value, bool):
            return value
        case FieldType.MONEY, Decimal():
            return format(value, "f")
        case FieldType.MONEY, int() if not isinstance(value, bool):
            return str(value)
        case FieldType.TIMESTAMP, datetime():
            return value.isoformat()
        case FieldType.DATE, date() if not isinstance(value, datetime):
            return value.isoformat()
        case FieldType.TEXT, str():
            return value
        case FieldType.TEXT, list() | tuple():
            return ";".join(str(one) for one in value)
    raise VendorAnswerInvalid(
        f"{spec.name}.{name}: {value!r} is not a {kind}; is this a Tryton 8.2?", code="value_type"
    )
