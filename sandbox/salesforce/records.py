"""From what clients send, a JSON body or CSV columns, to changes that ``Org`` can apply."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from sandbox.salesforce.errors import RequestError, RowError
from sandbox.salesforce.org import Change, Org
from sandbox.salesforce.schema import Field, FieldType
from sandbox.salesforce.store import ID, Table

__all__ = ["CsvColumns", "changes_of", "external_id_field", "id_of"]

_NULL = "#N/A"


def external_id_field(table: Table, name: str) -> int:
    """Place of an external id field, or of ``Id``. Raises RequestError when it is neither."""
    at = table.positions.get(name.lower())
    if at is None or not (at == ID or table.fields[at].is_external_id):
        raise RequestError(
            404,
            "NOT_FOUND",
            f"Provided external ID field does not exist or is not accessible: {name}",
        )
    return at


def id_of(table: Table, value: object) -> str:
    """An id of this object in its 18-character form. Raises RowError MALFORMED_ID."""
    parsed = table.parsers[ID](value) if isinstance(value, str) else None
    if parsed is None or not parsed.startswith(table.sobject.key_prefix):
        raise RowError(
            "MALFORMED_ID", f"{table.name} ID: id value of incorrect type: {value}", ("Id",)
        )
    return str(parsed)


def changes_of(
    org: Org, table: Table, body: Mapping[str, Any], leave_out: Collection[str] = ()
) -> list[Change]:
    """Changes of one JSON record.

    Args:
        org: resolves lookups by external id.
        table: the object written to.
        body: field name to value; ``attributes`` is not a field.
        leave_out: names in lower case that are keys of the call, not fields to write.
    """
    changes: list[Change] = []
    for name, value in body.items():
        lower = name.lower()
        if lower == "attributes" or lower in leave_out:
            continue
        if isinstance(value, Mapping):
            changes.append(_lookup(org, table, lower, value))
            continue
        at = _writable(table, name)
        changes.append((at, table.parsers[at](value)))
    return changes


def _writable(table: Table, name: str) -> int:
    at = table.positions.get(name.lower())
    if at is None:
        raise RowError(
            "INVALID_FIELD", f"No such column '{name}' on sobject of type {table.name}", ()
        )
    if not table.fields[at].is_writable:
        raise RowError(
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            f"Unable to create/update fields: {table.fields[at].name}. Please check the security "
            "settings of this field and verify that it is read/write for your profile or "
            "permission set.",
            (table.fields[at].name,),
        )
    return at


def _relationship(table: Table, lower_name: str) -> int | None:
    for at in table.references:
        if table.fields[at].relationship_name.lower() == lower_name:
            return at
    return None


def _lookup(org: Org, table: Table, lower_name: str, value: Mapping[str, Any]) -> Change:
    """``"Account__r": {"ERP_Customer_Id__c": …}`` as the reference it stands for."""
    at = _relationship(table, lower_name)
    named = {key: text for key, text in value.items() if key.lower() != "attributes"}
    if at is None or len(named) != 1:
        raise RowError(
            "INVALID_FIELD", f"No such column '{lower_name}' on sobject of type {table.name}"
        )
    ((field_name, text),) = named.items()
    return at, _resolve(org, table.fields[at], field_name, text)


def _resolve(org: Org, field: Field, field_name: str, text: Any) -> str | None:
    """The id of the record that an external id names."""
    if text is None:
        return None
    target = org.table(field.reference_to)
    at = external_id_field(target, field_name)
    found = target.with_value(at, str(text))
    if len(found) != 1:
        many = "not found" if not found else "names more than one record"
        raise RowError(
            "INVALID_FIELD",
            f"Foreign key external ID: {text} {many} for field {field_name} in entity "
            f"{target.name}",
        )
    return found[0]


class CsvColumns:
    """What each column of a bulk file means.

    Args:
        org: resolves lookups. ``table``: the object written to.
        header: the file's first line.
        key: lower name of the column that identifies the row (external id or Id), or empty.

    Raises:
        RowError: a column that the object does not have or that cannot be written; with it the
            whole job fails.
    """

    def __init__(self, org: Org, table: Table, header: Sequence[str], key: str) -> None:
        self.key_column: int | None = None
        self._cells: list[tuple[int, int, Callable[[Any], Any], Any]] = []
        for column, name in enumerate(header):
            if key and name.lower() == key:
                self.key_column = column
                continue
            at, parser = self._column(org, table, name)
            is_boolean = table.fields[at].type is FieldType.BOOLEAN
            self._cells.append((column, at, parser, False if is_boolean else None))

    @staticmethod
    def _column(org: Org, table: Table, name: str) -> tuple[int, Callable[[Any], Any]]:
        relationship, dot, field_name = name.partition(".")
        if not dot:
            at = _writable(table, name)
            return at, table.parsers[at]
        found = _relationship(table, relationship.lower())
        if found is None:
            raise RowError("INVALID_FIELD", f"Field name not found : {name}")
        reference = table.fields[found]
        return found, lambda text: _resolve(org, reference, field_name, text)

    def changes(self, row: Sequence[str]) -> list[Change]:
        """Changes of one line: an empty cell changes nothing, ``#N/A`` empties the field."""
        return [
            (at, empty if row[column] == _NULL else parser(row[column]))
            for column, at, parser, empty in self._cells
            if row[column]
        ]
