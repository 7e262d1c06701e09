"""One org: its tables, its time, and the rules every write obeys.

All writes of every API end in ``insert``, ``update``, ``upsert`` and ``delete`` here, so a rule
holds for REST, collections and bulk alike. Each returns an ``Outcome`` or raises ``RowError``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sandbox.core.clock import Clock
from sandbox.core.faults import Fault, Faults
from sandbox.salesforce.errors import RowError, not_found
from sandbox.salesforce.ids import IdSource
from sandbox.salesforce.schema import FieldType, SObject
from sandbox.salesforce.settings import Settings
from sandbox.salesforce.store import CREATED, DELETED, ID, MODIFIED, STAMP, Table, Values

__all__ = ["Ambiguous", "Change", "Org", "Outcome"]

#: A field's place in the record and its new stored value.
Change = tuple[int, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a write did."""

    id: str
    is_created: bool = False


class Ambiguous(Exception):
    """An external id names several records; nothing was written. ``ids``: which."""

    def __init__(self, ids: Sequence[str]) -> None:
        super().__init__(f"{len(ids)} records")
        self.ids = ids


class Org:
    """The records of one org.

    Args:
        settings: limits, switches, schema.
        clock: what the org calls now. ``faults``: what it gets wrong.
    """

    def __init__(self, settings: Settings, clock: Clock, faults: Faults) -> None:
        self.settings = settings
        self.clock = clock
        self.faults = faults
        self.ids = IdSource()
        self.tables: dict[str, Table] = {}
        self._last_stamp = 0
        self._undo: list[Callable[[], None]] | None = None
        for sobject in settings.schema:
            self.deploy(sobject)

    def deploy(self, sobject: SObject) -> None:
        """Add an object, or give an existing one its new fields; records stay."""
        table = Table(sobject)
        existing = self.tables.get(sobject.name.lower())
        if existing is not None:
            table.restore(existing.snapshot())
        self.tables[sobject.name.lower()] = table

    def table(self, name: str) -> Table:
        """The table of an object. Raises RequestError 404 for an unknown one."""
        found = self.tables.get(name.lower())
        if found is None:
            raise not_found()
        return found

    def stamp(self, after: int = 0) -> int:
        """The modification time of a write: never before an earlier write's.

        Two writes of one record never share a stamp (``after`` is the record's last), unless the
        org is switched to whole seconds.
        """
        now = self.clock.epoch_milliseconds()
        if self.settings.stamps_whole_seconds:
            now -= now % 1000
        elif after >= now:
            now = after + 1
        self._last_stamp = max(self._last_stamp, now)
        return self._last_stamp

    @contextmanager
    def all_or_none(self) -> Iterator[None]:
        """Undo every write of the block when it raises."""
        outer, self._undo = self._undo, []
        try:
            yield
        except BaseException:
            for undo in reversed(self._undo):
                undo()
            raise
        finally:
            self._undo = outer

    def insert(self, table: Table, changes: Sequence[Change]) -> Outcome:
        """Create a record."""
        values: list[Any] = [field.default for field in table.fields]
        for at, value in changes:
            values[at] = value
        missing = [table.fields[at].name for at in table.required if values[at] is None]
        if missing:
            raise RowError(
                "REQUIRED_FIELD_MISSING",
                f"Required fields are missing: [{', '.join(missing)}]",
                tuple(missing),
            )
        record_id = self.ids.next(table.sobject.key_prefix)
        values[ID] = record_id
        self._check(table, values, changes)
        if self._is_fooled("create", table, values, changes):
            return Outcome(record_id, is_created=True)
        stamp = self.stamp()
        values[DELETED] = False
        values[CREATED] = values[MODIFIED] = values[STAMP] = stamp
        self._fill_in(table, values)
        record = tuple(values)
        effect = table.effect(record)
        effect.creates += 1
        table.put(record)
        if self._undo is not None:

            def undo() -> None:
                table.remove(record_id)
                effect.creates -= 1

            self._undo.append(undo)
        return Outcome(record_id, is_created=True)

    def update(self, table: Table, record_id: str, changes: Sequence[Change]) -> Outcome:
        """Change fields of a live record."""
        before = self.live(table, record_id)
        values = list(before)
        for at, value in changes:
            values[at] = value
        emptied = [table.fields[at].name for at in table.required if values[at] is None]
        if emptied:
            raise RowError(
                "REQUIRED_FIELD_MISSING",
                f"Required fields are missing: [{', '.join(emptied)}]",
                tuple(emptied),
            )
        self._check(table, values, changes)
        if self._is_fooled("update", table, values, changes, before):
            return Outcome(record_id)
        values[MODIFIED] = values[STAMP] = self.stamp(before[STAMP])
        record = tuple(values)
        effect = table.effect(record)
        effect.updates += 1
        table.put(record)
        if self._undo is not None:

            def undo() -> None:
                # The old values with the new stamp: the change log only ever grows.
                table.put((*before[:MODIFIED], *record[MODIFIED : STAMP + 1], *before[STAMP + 1 :]))
                effect.updates -= 1

            self._undo.append(undo)
        return Outcome(record_id)

    def upsert(
        self,
        table: Table,
        key_at: int,
        key: str,
        changes: Sequence[Change],
        *,
        may_create: bool = True,
    ) -> Outcome:
        """Create or change the record with an external id.

        Raises:
            Ambiguous: several records hold the key.
            RowError: the row is refused, or is missing and ``may_create`` is False.
        """
        found = table.with_value(key_at, key)
        if len(found) > 1:
            raise Ambiguous(found)
        if found:
            return self.update(table, found[0], changes)
        if not may_create:
            raise RowError("NOT_FOUND", f"Provided external ID field does not exist: {key}")
        return self.insert(table, [(key_at, table.parsers[key_at](key)), *changes])

    def delete(self, table: Table, record_id: str) -> Outcome:
        """Put a record into the bin, unless others need it."""
        before = self.live(table, record_id)
        self._lock(table, before)
        for child in self.tables.values():
            for at in child.references:
                if child.fields[at].reference_to == table.name and child.with_value(at, record_id):
                    raise RowError(
                        "DELETE_FAILED",
                        f"Your attempt to delete {record_id} could not be completed because it is "
                        f"associated with the following {child.sobject.label} records",
                    )
        stamp = self.stamp(before[STAMP])
        table.remove(record_id)
        marked = list(before)
        marked[DELETED], marked[MODIFIED], marked[STAMP] = True, stamp, stamp
        table.deleted[record_id] = tuple(marked)
        effect = table.effect(before)
        effect.deletes += 1
        if self._undo is not None:

            def undo() -> None:
                del table.deleted[record_id]
                table.put((*before[:STAMP], stamp, *before[STAMP + 1 :]))
                effect.deletes -= 1

            self._undo.append(undo)
        return Outcome(record_id)

    def live(self, table: Table, record_id: str) -> Values:
        """The record as it is. Raises RowError when it is deleted or never was."""
        found = table.records.get(record_id)
        if found is None:
            if record_id in table.deleted:
                raise RowError("ENTITY_IS_DELETED", "entity is deleted")
            raise RowError("NOT_FOUND", "The requested resource does not exist")
        return found

    def _check(self, table: Table, values: list[Any], changes: Sequence[Change]) -> None:
        """Unique keys, references and locks of one row."""
        for at, value in changes:
            if value is None:
                continue
            if at in table.unique:
                holder = table.unique[at].get(value.lower())
                if holder is not None and holder != values[ID]:
                    name = table.fields[at].name
                    raise RowError(
                        "DUPLICATE_VALUE",
                        f"duplicate value found: {name} duplicates value on record with id: "
                        f"{holder[:15]}",
                    )
            elif at in table.references:
                field = table.fields[at]
                target = self.tables.get(field.reference_to.lower())
                if target is None or value not in target.records:
                    raise RowError(
                        "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", (field.name,)
                    )
        self._lock(table, tuple(values))

    def _lock(self, table: Table, values: Values) -> None:
        if not self.faults.is_quiet and self.faults.take(
            Fault.LOCK, self._fault_name(table, values)
        ):
            raise RowError(
                "UNABLE_TO_LOCK_ROW",
                f"unable to obtain exclusive access to this record or 1 records: {values[ID]}",
            )

    def _is_fooled(
        self,
        verb: str,
        table: Table,
        values: list[Any],
        changes: Sequence[Change],
        before: Values | None = None,
    ) -> bool:
        """Faults that answer success: True swallows the row; a dropped field is put back."""
        if self.faults.is_quiet:
            return False
        name = self._fault_name(table, tuple(values))
        if self.faults.swallow(f"{verb} {name}"):
            return True
        places = {table.fields[at].name: at for at, _ in changes if at != table.key_position}
        dropped = self.faults.dropped_field(name, places)
        if dropped is not None:
            at = places[dropped]
            values[at] = before[at] if before is not None else table.fields[at].default
        return False

    @staticmethod
    def _fault_name(table: Table, values: Values) -> str:
        return f"{table.name}/{table.key_of(values)}"

    @staticmethod
    def _fill_in(table: Table, values: list[Any]) -> None:
        """Auto numbers and empty checkboxes of a new record."""
        for at, field in enumerate(table.fields):
            if field.auto_number:
                table.auto_numbers += 1
                values[at] = field.auto_number.format(table.auto_numbers)
            elif field.type is FieldType.BOOLEAN and values[at] is None:
                values[at] = False

    def effects(self) -> dict[str, dict[str, dict[str, int]]]:
        """Per object and external key: creates, updates, deletes, and live records."""
        found: dict[str, dict[str, dict[str, int]]] = {}
        for table in self.tables.values():
            live: dict[str, int] = {}
            for values in table.records.values():
                key = table.key_of(values)
                live[key] = live.get(key, 0) + 1
            found[table.name] = {
                key: {
                    "creates": effect.creates,
                    "updates": effect.updates,
                    "deletes": effect.deletes,
                    "records": live.get(key, 0),
                }
                for key, effect in table.effects.items()
            }
        return found

    def snapshot(self) -> dict[str, Any]:
        """All records and sequences; sessions, cursors and jobs are not kept."""
        return {
            "last_id": self.ids.last,
            "last_stamp": self._last_stamp,
            "tables": {table.name: table.snapshot() for table in self.tables.values()},
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take a snapshot back into an empty org."""
        self.ids.last = saved["last_id"]
        self._last_stamp = saved["last_stamp"]
        for name, rows in saved["tables"].items():
            if name.lower() in self.tables:
                self.tables[name.lower()].restore(rows)
