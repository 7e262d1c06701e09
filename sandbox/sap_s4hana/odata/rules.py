"""What a set does when clients create, change or delete: the default that services narrow."""

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.sap_s4hana.odata.answers import ODataError
from sandbox.sap_s4hana.odata.payload import Payload
from sandbox.sap_s4hana.odata.tables import Row, Table

__all__ = ["Action", "SetRules"]

#: A function import: parameters in, properties of its return type out.
Action = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class SetRules:
    """Stores what is given. ``tables`` reaches every set of the system by name."""

    def __init__(self, name: str, tables: Mapping[str, Table]) -> None:
        self.name = name
        self.tables = tables

    @property
    def table(self) -> Table:
        """The set's own rows."""
        return self.tables[self.name]

    def create(self, payload: Payload) -> Row:
        """Add an entity and what is nested in it. Raises ODataError when its key is taken."""
        row = self.insert(self.prepared(payload))
        self.create_nested(row, payload)
        self.touched(row)
        return row

    def prepared(self, payload: Payload) -> dict[str, Any]:
        """The values to store; services add numbers, dates and checks."""
        return payload.values

    def insert(self, values: Mapping[str, Any]) -> Row:
        """Store checked values. Raises ODataError when the key is taken."""
        try:
            return self.table.insert(values)
        except ValueError:
            raise ODataError(
                400,
                "/IWBEP/CM_MGW_RT/022",
                f"{self.name}: an entity with this key already exists",
            ) from None

    def create_nested(self, row: Row, payload: Payload) -> None:
        """Create nested entities through their own rules, with the keys of this one."""
        for name, parts in payload.nested.items():
            navigation = row.type.navigations[name]
            inherited = {target: row[source] for source, target in navigation.keys}
            for part in parts:
                part.values.update(inherited)
                self.rules_of(navigation.target).create(part)

    def update(self, row: Row, changes: Mapping[str, Any]) -> None:
        """Change an entity. Raises ODataError when the vendor would refuse."""
        if self.table.update(row, changes):
            self.touched(row)

    def delete(self, row: Row) -> None:
        """Remove an entity."""
        self.table.delete(row)
        self.touched(row)

    def touched(self, row: Row) -> None:
        """Called after every change, for change dates that live elsewhere."""

    def rules_of(self, name: str) -> "SetRules":
        """The rules of another set; services that nest replace this."""
        return SetRules(name, self.tables)
