"""Rows of the sets, with versions for ETags and a log that takes a change set back."""

from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sandbox.dynamics365_finance.odata.model import EntitySet, Row

__all__ = ["Table", "UndoLog", "etag_of"]

#: Where a row keeps its version; no property has this name.
VERSION = "@version"


class UndoLog:
    """What must be done to take back all changes since a change set began."""

    def __init__(self) -> None:
        self._steps: list[Callable[[], object]] | None = None

    def add(self, step: Callable[[], object]) -> None:
        """Remember how to undo what was just done."""
        if self._steps is not None:
            self._steps.append(step)

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Undo everything inside when it ends with an error."""
        outer, self._steps = self._steps, []
        try:
            yield
        except BaseException:
            for step in reversed(self._steps):
                step()
            self._steps = outer
            raise
        if outer is not None:
            outer.extend(self._steps)
        self._steps = outer


class Table:
    """One set's rows by key. Company ids are kept in lower case, as the product shows them."""

    def __init__(self, entity: EntitySet, undo: UndoLog) -> None:
        self.entity = entity
        self.rows: dict[tuple[Any, ...], Row] = {}
        self._under: dict[tuple[Any, ...], dict[tuple[Any, ...], Row]] = {}
        self._undo = undo

    def get(self, *key: Any) -> Row | None:
        """The row of a key."""
        return self.rows.get(key)

    def insert(self, values: Row) -> Row:
        """Add a row; properties that are not given are empty. The key must be free."""
        row = {name: one.empty for name, one in self.entity.properties.items()}
        row.update(values)
        row[VERSION] = 1
        key = self.entity.key_of(row)
        assert key not in self.rows, f"{self.entity.name} {key} is there"
        self._put(key, row)
        self._undo.add(lambda: self._drop(key))
        return row

    def under(self, *parent: Any) -> list[Row]:
        """The rows whose key begins with these two parts: lines of a journal."""
        return list(self._under.get(parent, {}).values())

    def _put(self, key: tuple[Any, ...], row: Row) -> None:
        self.rows[key] = row
        if len(key) > 2:
            self._under.setdefault(key[:2], {})[key] = row

    def _drop(self, key: tuple[Any, ...]) -> None:
        del self.rows[key]
        if len(key) > 2:
            del self._under[key[:2]][key]

    def update(self, row: Row, **values: Any) -> None:
        """Change properties and the version of a row that is in the table."""
        before = dict(row)
        row.update(values)
        row[VERSION] += 1
        self._undo.add(lambda: row.update(before))

    def delete(self, row: Row) -> None:
        """Take a row out."""
        key = self.entity.key_of(row)
        self._drop(key)
        self._undo.add(lambda: self._put(key, row))


def etag_of(row: Row) -> str:
    """The row's version as the product writes it: a weak tag around base64."""
    return 'W/"' + b64encode(f"1,{row[VERSION]}".encode()).decode() + '"'
