"""Rows in memory: found by key, by indexed property, in key order; rendered pages are kept.

A row is a list of values in the order of its type's properties, so that 200,000 of them stay small.
Every change goes through the table, which keeps indexes and rendered bytes true and can undo a
change set.
"""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sandbox.sap_s4hana.odata.model import EntityType

__all__ = ["Attempt", "Key", "Row", "Table", "UndoLog"]

Key = tuple[Any, ...]

#: Rendered forms kept per table (a select list and a base address each): two readers and one more.
RENDERED_FORMS_MAX = 3


class Row:
    """One entity. Read by property name; written through its table only."""

    __slots__ = ("revision", "type", "values")

    def __init__(self, entity: EntityType, values: list[Any]) -> None:
        self.type = entity
        self.values = values
        self.revision = 1

    def __getitem__(self, name: str) -> Any:
        return self.values[self.type.index[name]]

    @property
    def key(self) -> Key:
        """The key values in the order of the type."""
        values = self.values
        return tuple([values[i] for i in self.type.keys])


class UndoLog:
    """Undo steps of open attempts; attempts nest, as a creation does in a change set."""

    def __init__(self) -> None:
        self._steps: list[Callable[[], None]] = []
        self._open = 0

    @property
    def is_open(self) -> bool:
        """Whether anything is to be remembered now."""
        return self._open > 0

    @contextmanager
    def nested(self) -> Iterator["Attempt"]:
        """All or nothing: what is changed inside is undone when an exception leaves it."""
        attempt = Attempt(self._steps)
        self._open += 1
        try:
            yield attempt
        except BaseException:
            attempt.roll_back()
            raise
        finally:
            self._open -= 1
            if not self._open:
                self._steps.clear()

    def add(self, step: Callable[[], None]) -> None:
        """Remember how to undo what was just done."""
        if self._open:
            self._steps.append(step)


class Attempt:
    """One open attempt: everything that was changed since it began."""

    def __init__(self, steps: list[Callable[[], None]]) -> None:
        self._steps = steps
        self._begin = len(steps)

    def roll_back(self) -> None:
        """Undo everything since the attempt began, newest first."""
        while len(self._steps) > self._begin:
            self._steps.pop()()


class Table:
    """All rows of one entity set."""

    def __init__(self, entity: EntityType, undo: UndoLog) -> None:
        self.type = entity
        self.rows: dict[Key, Row] = {}
        self._undo = undo
        self._indexes: dict[int, dict[Any, dict[Row, None]]] = {
            entity.index[name]: {} for name in entity.indexed
        }
        self._order: list[Key] | None = []
        self._rendered: OrderedDict[Hashable, dict[Row, bytes]] = OrderedDict()

    def __len__(self) -> int:
        return len(self.rows)

    # -- changes ----------------------------------------------------------------------------

    def filled(self, values: Mapping[str, Any], base: list[Any] | None = None) -> list[Any]:
        """A row's values over a base (all empty when None). Raises KeyError for unknown names."""
        index = self.type.index
        found = (self.type.empty if base is None else base).copy()
        for name, value in values.items():
            found[index[name]] = value
        return found

    def insert(self, values: Mapping[str, Any], base: list[Any] | None = None) -> Row:
        """Add a row; what neither values nor base give is empty."""
        return self.insert_row(Row(self.type, self.filled(values, base)))

    def insert_row(self, row: Row) -> Row:
        """Add a ready row. Raises ValueError when its key is taken."""
        key = row.key
        if key in self.rows:
            raise ValueError(f"{self.type.name}{key} exists")
        self._add(key, row)
        if self._undo.is_open:
            self._undo.add(lambda: self._remove(key, row))
        return row

    def update(self, row: Row, changes: Mapping[str, Any]) -> bool:
        """Set properties; False when all of them already had these values."""
        index, values = self.type.index, row.values
        before = []
        for name, value in changes.items():
            position = index[name]
            if values[position] != value:
                before.append((position, values[position]))
                self._set(row, position, value)
        if not before:
            return False
        row.revision += 1
        self._forget(row)
        self._undo.add(lambda: self._restore(row, before))
        return True

    def delete(self, row: Row) -> None:
        """Remove a row."""
        key = row.key
        self._remove(key, row)
        self._undo.add(lambda: self._add(key, row))

    def _restore(self, row: Row, before: Iterable[tuple[int, Any]]) -> None:
        for position, value in before:
            self._set(row, position, value)
        row.revision -= 1
        self._forget(row)

    def _set(self, row: Row, position: int, value: Any) -> None:
        index = self._indexes.get(position)
        if index is not None:
            _drop(index, row.values[position], row)
            index.setdefault(value, {})[row] = None
        row.values[position] = value

    def _add(self, key: Key, row: Row) -> None:
        order = self._order
        if order is not None:
            if not order or order[-1] < key:
                order.append(key)
            else:
                self._order = None
        self.rows[key] = row
        values = row.values
        for position, index in self._indexes.items():
            value = values[position]
            bucket = index.get(value)
            if bucket is None:
                index[value] = {row: None}
            else:
                bucket[row] = None

    def _remove(self, key: Key, row: Row) -> None:
        del self.rows[key]
        self._order = None
        for position, index in self._indexes.items():
            _drop(index, row.values[position], row)
        self._forget(row)

    # -- reading ----------------------------------------------------------------------------

    def get(self, *key: Any) -> Row | None:
        """The row of a key, or None."""
        return self.rows.get(key)

    def ordered_keys(self) -> list[Key]:
        """Every key in order; sorted again only after rows came or went out of order."""
        if self._order is None:
            self._order = sorted(self.rows)
        return self._order

    def keys_after(self, key: Key | None) -> int:
        """Position in ``ordered_keys`` of the first key greater than ``key``."""
        return 0 if key is None else bisect_right(self.ordered_keys(), key)

    def indexed(self, name: str) -> dict[Any, dict[Row, None]] | None:
        """The index of a property: value to rows. None when the property has no index."""
        return self._indexes.get(self.type.index[name])

    def where(self, name: str, value: Any) -> list[Row]:
        """Rows with this value of an indexed property."""
        return list(self._indexes[self.type.index[name]].get(value, ()))

    # -- rendered bytes ---------------------------------------------------------------------

    def rendered(self, form: Hashable) -> dict[Row, bytes]:
        """Kept bytes of rows in one form (select list and base address), least used forms go."""
        kept = self._rendered.get(form)
        if kept is None:
            kept = self._rendered[form] = {}
            if len(self._rendered) > RENDERED_FORMS_MAX:
                self._rendered.popitem(last=False)
        else:
            self._rendered.move_to_end(form)
        return kept

    def _forget(self, row: Row) -> None:
        for kept in self._rendered.values():
            kept.pop(row, None)


def _drop(index: dict[Any, dict[Row, None]], value: Any, row: Row) -> None:
    bucket = index[value]
    del bucket[row]
    if not bucket:
        del index[value]
