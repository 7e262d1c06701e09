"""WHERE and ORDER BY as functions over records, and the index that narrows the search.

Text compares without case, ids in their 18-character form, money as Decimal. Null is unequal to
everything and neither greater nor smaller.
"""

import re
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from decimal import Decimal
from operator import ge, gt, le, lt
from typing import Any

from sandbox.salesforce import soql
from sandbox.salesforce.errors import RequestError
from sandbox.salesforce.ids import full_id
from sandbox.salesforce.org import Org
from sandbox.salesforce.schema import Field, FieldType
from sandbox.salesforce.store import ID, STAMP, Table, Values

__all__ = ["Getter", "Path", "candidates", "predicate_of", "resolve", "sort_rows"]

Getter = Callable[[Values], Any]
Predicate = Callable[[Values], bool]

_ORDERED = {"<": lt, "<=": le, ">": gt, ">=": ge}
_TEXTS = (
    FieldType.STRING,
    FieldType.TEXTAREA,
    FieldType.PHONE,
    FieldType.URL,
    FieldType.PICKLIST,
)
_IDS = (FieldType.ID, FieldType.REFERENCE)


class Path:
    """A field, of the object or one reference away.

    Attributes:
        field: the field at the end. ``at``: its place, or the reference's when ``parent`` is set.
        parent: the table that the reference points to, and ``parent_at`` the place there.
    """

    def __init__(
        self, field: Field, at: int, parent: Table | None = None, parent_at: int = 0
    ) -> None:
        self.field = field
        self.at = at
        self.parent = parent
        self.parent_at = parent_at

    def getter(self, org: Org, table: Table) -> Getter:
        """The function that reads this path from a record."""
        if self.parent is None:
            return _direct(org, table, self.field, self.at)
        parent, at = self.parent, self.at
        inner = _direct(org, parent, self.field, self.parent_at)

        def read(values: Values) -> Any:
            found = parent.records.get(values[at]) if values[at] is not None else None
            return None if found is None else inner(found)

        return read

    def comparable(self, org: Org, table: Table) -> Getter:
        """Like ``getter``, with text in lower case."""
        get = self.getter(org, table)
        if self.field.type not in _TEXTS:
            return get

        def lower(values: Values) -> Any:
            found = get(values)
            return None if found is None else found.lower()

        return lower


def _direct(org: Org, table: Table, field: Field, at: int) -> Getter:
    if not field.days_since:
        return lambda values: values[at]
    source = table.positions[field.days_since.lower()]
    today = org.clock.today()

    def days(values: Values) -> Decimal | None:
        since = values[source]
        return None if since is None else Decimal((today - date.fromisoformat(since)).days)

    return days


def resolve(org: Org, table: Table, path: str) -> Path:
    """Find a path's field. Raises RequestError INVALID_FIELD as the vendor words it."""
    steps = path.split(".")
    if len(steps) > 1 and steps[0].lower() == table.name.lower():
        steps = steps[1:]
    if len(steps) == 1:
        at = table.positions.get(steps[0].lower())
        if at is not None:
            return Path(table.fields[at], at)
    elif len(steps) == 2:
        for at in table.references:
            field = table.fields[at]
            if field.relationship_name.lower() == steps[0].lower():
                parent = org.table(field.reference_to)
                parent_at = parent.positions.get(steps[1].lower())
                if parent_at is not None:
                    return Path(parent.fields[parent_at], at, parent, parent_at)
                break
        else:
            raise _invalid(
                f"Didn't understand relationship '{steps[0]}' in field path. If you are attempting "
                "to use a custom relationship, be sure to append the '__r' after the custom "
                "relationship name."
            )
    raise _invalid(
        f"No such column '{steps[-1]}' on entity '{table.name}'. If you are attempting to use a "
        "custom field, be sure to append the '__c' after the custom field name."
    )


def _invalid(message: str) -> RequestError:
    return RequestError(400, "INVALID_FIELD", message)


def _stored(org: Org, field: Field, value: Any) -> Any:
    """A literal in the field's stored form. Raises RequestError when the types do not fit."""
    if value is None:
        return None
    if isinstance(value, soql.DateWord):
        value = org.clock.today() + timedelta(days=value.offset_days)
    if field.type in _IDS and isinstance(value, str):
        found = full_id(value)
        if found is None:
            raise RequestError(400, "INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {value}")
        return found
    if field.type in _TEXTS and isinstance(value, str):
        return value.lower() or None  # the vendor keeps no empty text
    if field.type is FieldType.BOOLEAN and isinstance(value, bool):
        return value
    is_number = field.type in (FieldType.CURRENCY, FieldType.DOUBLE)
    if is_number and isinstance(value, Decimal):
        return value
    if field.type is FieldType.DATE and isinstance(value, date):
        return value.isoformat()
    if field.type is FieldType.DATETIME and isinstance(value, soql.Instant):
        return value.milliseconds
    raise _invalid(
        f"value of filter criterion for field '{field.name}' must be of type {field.type}"
        + (" and should not be enclosed in quotes" if isinstance(value, str) else "")
    )


def predicate_of(org: Org, table: Table, condition: soql.Condition) -> Predicate:
    """Compile a condition. Raises RequestError for unknown fields and unfit literals."""
    if isinstance(condition, soql.And):
        parts = [predicate_of(org, table, part) for part in condition.parts]
        return lambda values: all(part(values) for part in parts)
    if isinstance(condition, soql.Or):
        parts = [predicate_of(org, table, part) for part in condition.parts]
        return lambda values: any(part(values) for part in parts)
    if isinstance(condition, soql.Not):
        inner = predicate_of(org, table, condition.part)
        return lambda values: not inner(values)
    return _comparison(org, table, condition)


def _comparison(org: Org, table: Table, condition: soql.Comparison) -> Predicate:
    path = resolve(org, table, condition.path)
    get = path.comparable(org, table)
    operator, value = condition.operator, condition.value
    if operator in ("in", "not in"):
        wanted = {_stored(org, path.field, one) for one in value}
        if operator == "in":
            return lambda values: get(values) in wanted
        return lambda values: get(values) not in wanted
    if operator == "like":
        return _like(path.field, get, value)
    right = _stored(org, path.field, value)
    if operator == "=":
        return lambda values: get(values) == right
    if operator == "!=":
        return lambda values: get(values) != right
    if path.field.type is FieldType.BOOLEAN or right is None:
        raise _invalid(f"filtering with {operator} is not possible on field '{path.field.name}'")
    compare = _ORDERED[operator]

    def ordered(values: Values) -> bool:
        left = get(values)
        return left is not None and bool(compare(left, right))

    return ordered


def _like(field: Field, get: Getter, pattern: Any) -> Predicate:
    """LIKE with ``%`` and ``_``, without case."""
    if field.type not in _TEXTS or not isinstance(pattern, str):
        raise RequestError(
            400,
            "INVALID_QUERY_FILTER_OPERATOR",
            f"invalid operator on {field.type} field: LIKE",
        )
    text, place = "", 0
    while place < len(pattern):
        character = pattern[place]
        if character == "\\" and pattern[place + 1 : place + 2] in ("%", "_"):
            place += 1
            text += re.escape(pattern[place])
        else:
            text += {"%": ".*", "_": "."}.get(character, re.escape(character))
        place += 1
    matches = re.compile(text.lower(), re.DOTALL).fullmatch

    def like(values: Values) -> bool:
        found = get(values)
        return found is not None and matches(found) is not None

    return like


def candidates(org: Org, table: Table, condition: soql.Condition | None) -> Iterable[Values]:
    """Live records that can satisfy a condition, through an index where one serves."""
    parts = condition.parts if isinstance(condition, soql.And) else (condition,)
    for part in parts:
        if isinstance(part, soql.Comparison) and part.operator in ("=", "in"):
            found = _by_key(org, table, part)
            if found is not None:
                return found
    bounds = [part for part in parts if isinstance(part, soql.Comparison)]
    first = _stamp_bound(bounds, (">=", ">"))
    if first is not None:
        return table.changed_between(first, _stamp_bound(bounds, ("<=", "<")))
    return table.records.values()


def _by_key(org: Org, table: Table, part: soql.Comparison) -> list[Values] | None:
    """Records by Id, unique key or reference; None when the field has no index."""
    at = table.positions.get(part.path.lower())
    if at is None or not (at == ID or table.is_indexed(at)):
        return None
    wanted = part.value if part.operator == "in" else (part.value,)
    keys = dict.fromkeys(_stored(org, table.fields[at], one) for one in wanted)
    if None in keys:
        return None
    if at == ID:
        return [table.records[key] for key in keys if key in table.records]
    return [table.records[found] for key in keys for found in table.with_value(at, key)]


def _stamp_bound(parts: list[soql.Comparison], operators: tuple[str, ...]) -> int | None:
    """The bound that a query sets on modification time; it may be wider than the condition."""
    stamp_names = {"systemmodstamp", "lastmodifieddate"}
    for part in parts:
        if (
            part.operator in operators
            and part.path.lower() in stamp_names
            and isinstance(part.value, soql.Instant)
        ):
            return part.value.milliseconds
    return None


def sort_rows(
    org: Org, table: Table, rows: list[Values], order: tuple[soql.Order, ...]
) -> list[Values]:
    """Rows in the asked order; the last key is sorted first, since sorting is stable."""
    names = [key.path.lower() for key in order]
    if names == ["systemmodstamp", "id"] and not any(key.is_descending for key in order):
        return sorted(rows, key=lambda values: (values[STAMP], values[ID]))
    for key in reversed(order):
        path = resolve(org, table, key.path)
        get = path.comparable(org, table)
        filled = [values for values in rows if get(values) is not None]
        empty = [values for values in rows if get(values) is None]
        filled.sort(key=get, reverse=key.is_descending)
        rows = filled + empty if key.nulls_last else empty + filled
    return rows
