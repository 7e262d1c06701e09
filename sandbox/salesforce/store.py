"""Records in memory: one table an object, its indexes, change log, tombstones and effect counts.

A record is a tuple of stored values (see ``values``), replaced whole on each change, so whoever
holds one sees it as it was. This module enforces nothing; ``dml`` does.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from sandbox.salesforce.schema import SYSTEM_FIELDS, Field, FieldType, SObject
from sandbox.salesforce.values import Parser, parser_of

__all__ = ["CREATED", "DELETED", "ID", "MODIFIED", "STAMP", "Effect", "Table", "Values"]

Values = tuple[Any, ...]

ID, DELETED, CREATED, MODIFIED, STAMP = range(5)


class Effect:
    """How often writes hit one external key; the oracle of tests."""

    __slots__ = ("creates", "deletes", "updates")

    def __init__(self, creates: int = 0, updates: int = 0, deletes: int = 0) -> None:
        self.creates = creates
        self.updates = updates
        self.deletes = deletes


class Table:
    """One object's records.

    Attributes:
        positions: field name in lower case to its place in a record.
        records: live records by id, in the order of creation; ``deleted``: those in the bin.
        key_position: place of the first unique external id, or of the Id without one.
    """

    def __init__(self, sobject: SObject) -> None:
        self.sobject = sobject
        self.fields: tuple[Field, ...] = (*SYSTEM_FIELDS, *sobject.fields)
        self.positions = {field.name.lower(): at for at, field in enumerate(self.fields)}
        self.parsers: list[Parser] = [parser_of(field) for field in self.fields]
        self.records: dict[str, Values] = {}
        self.deleted: dict[str, Values] = {}
        self.effects: dict[str, Effect] = {}
        self.auto_numbers = 0
        places = range(len(SYSTEM_FIELDS), len(self.fields))
        self.required = [at for at in places if self.fields[at].is_required]
        self.unique: dict[int, dict[str, str]] = {
            at: {} for at in places if self.fields[at].is_unique
        }
        self.grouped: dict[int, dict[str, dict[str, None]]] = {
            at: {}
            for at in places
            if (self.fields[at].is_external_id and not self.fields[at].is_unique)
            or self.fields[at].type is FieldType.REFERENCE
        }
        self.references = {at for at in places if self.fields[at].type is FieldType.REFERENCE}
        self.key_position = next((at for at in self.unique if self.fields[at].is_external_id), ID)
        self._log_stamps: list[int] = []
        self._log_ids: list[str] = []

    @property
    def name(self) -> str:
        """The object's API name."""
        return self.sobject.name

    def key_of(self, values: Values) -> str:
        """The external key under which effects are counted, else the id."""
        return str(values[self.key_position] or values[ID])

    def effect(self, values: Values) -> Effect:
        """The counter of a record's external key, made when first needed."""
        key = self.key_of(values)
        found = self.effects.get(key)
        if found is None:
            found = self.effects[key] = Effect()
        return found

    def put(self, values: Values) -> None:
        """Store a record, new or changed, and index it."""
        record_id = values[ID]
        before = self.records.get(record_id)
        for at, index in self.unique.items():
            if before is None or before[at] != values[at]:
                if before is not None and before[at] is not None:
                    index.pop(before[at].lower(), None)
                if values[at] is not None:
                    index[values[at].lower()] = record_id
        for at, groups in self.grouped.items():
            if before is None or before[at] != values[at]:
                if before is not None:
                    self._leave_group(groups, before[at], record_id)
                if values[at] is not None:
                    groups.setdefault(values[at].lower(), {})[record_id] = None
        self.records[record_id] = values
        self._log_stamps.append(values[STAMP])
        self._log_ids.append(record_id)
        if len(self._log_ids) > 1000 + 3 * len(self.records):
            self._compact_log()

    def remove(self, record_id: str) -> Values:
        """Take a record out of table and indexes. The caller decides whether it leaves a trace."""
        before = self.records.pop(record_id)
        for at, index in self.unique.items():
            if before[at] is not None:
                index.pop(before[at].lower(), None)
        for at, groups in self.grouped.items():
            self._leave_group(groups, before[at], record_id)
        return before

    @staticmethod
    def _leave_group(groups: dict[str, dict[str, None]], value: str | None, record_id: str) -> None:
        if value is None:
            return
        members = groups[value.lower()]
        del members[record_id]
        if not members:
            del groups[value.lower()]

    def with_value(self, at: int, value: str) -> list[str]:
        """Ids of the live records whose indexed field holds a text, case ignored."""
        if at in self.unique:
            found = self.unique[at].get(value.lower())
            return [found] if found else []
        return list(self.grouped[at].get(value.lower(), ()))

    def is_indexed(self, at: int) -> bool:
        """Whether ``with_value`` can answer for a field."""
        return at in self.unique or at in self.grouped

    def changed_between(self, first: int, last: int | None = None) -> Iterator[Values]:
        """Live records by modification time, both ends included (milliseconds since 1970)."""
        start = bisect_left(self._log_stamps, first)
        stop = len(self._log_ids) if last is None else bisect_right(self._log_stamps, last)
        seen: set[str] = set()
        for place in range(start, stop):
            record_id = self._log_ids[place]
            values = self.records.get(record_id)
            # An older entry of a record that changed again since is not its place any more.
            if values is None or values[STAMP] != self._log_stamps[place] or record_id in seen:
                continue
            seen.add(record_id)
            yield values

    def _compact_log(self) -> None:
        ordered = sorted(self.records.values(), key=lambda values: values[STAMP])
        self._log_stamps = [values[STAMP] for values in ordered]
        self._log_ids = [values[ID] for values in ordered]

    def snapshot(self) -> dict[str, Any]:
        """All of the table, by field name, so that a later schema can take it back."""
        stored = [at for at, field in enumerate(self.fields) if not field.days_since]
        return {
            "fields": [self.fields[at].name for at in stored],
            "rows": [
                [_plain(values[at]) for at in stored]
                for values in (*self.records.values(), *self.deleted.values())
            ],
            "effects": {
                key: [effect.creates, effect.updates, effect.deletes]
                for key, effect in self.effects.items()
            },
            "auto_numbers": self.auto_numbers,
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Take a snapshot back; fields that the schema no longer has are left out."""
        places = [self.positions.get(name.lower()) for name in saved["fields"]]
        rows: Iterable[list[Any]] = saved["rows"]
        for row in rows:
            values: list[Any] = [None] * len(self.fields)
            for at, value in zip(places, row, strict=True):
                if at is not None:
                    is_number = self.fields[at].type in (FieldType.CURRENCY, FieldType.DOUBLE)
                    values[at] = Decimal(value) if is_number and value is not None else value
            if values[DELETED]:
                self.deleted[values[ID]] = tuple(values)
            else:
                self.put(tuple(values))
        self._compact_log()
        self.effects = {key: Effect(*counts) for key, counts in saved["effects"].items()}
        self.auto_numbers = saved["auto_numbers"]


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value
