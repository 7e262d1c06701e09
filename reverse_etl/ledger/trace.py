"""The whole story of an invoice, a receipt, a correlation id or a command, in time order.

A key finds commands: by command id (or its first 8 characters and more), external key, correlation
id, business key, or a mention in payload or subject (an invoice inside a clearing). The story then
takes in every command of the postings' correlations: receipt, journal, clearing, consequences.
"""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import Connection

from reverse_etl.ledger.database import Database

__all__ = ["Trace", "TraceRow"]

_HEX = frozenset("0123456789abcdef")
_COMMAND_PREFIX_MIN = 8
_EXTERNAL_KEY_LENGTH = 20


@dataclass(frozen=True, slots=True)
class TraceRow:
    """One thing that happened. ``data`` is the event's own, already masked."""

    at: str
    event_no: int
    name: str
    actor: str
    command_id: str
    correlation_id: str
    system_id: str
    object_name: str
    business_key: str
    operation: str
    subject: str
    data: dict[str, Any]


class Trace:
    """Finds stories."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of(self, key: str) -> Iterator[TraceRow]:
        """Everything that happened around a key, oldest first; nothing for an unknown one."""
        key = key.strip()
        with self._database.read() as connection:
            numbers = self._commands(connection, key)
            numbers |= self._correlated(connection, numbers)
        ids = orjson.dumps(sorted(numbers)).decode()
        for page in self._database.stream(
            "SELECT e.at, e.event_no, e.name, e.actor, coalesce(c.command_id, ''),"
            " coalesce(c.correlation_id, ''), coalesce(c.system_id, ''),"
            " coalesce(c.object_name, ''), coalesce(c.business_key, ''),"
            " coalesce(c.operation, ''), e.subject, e.data FROM events e LEFT JOIN commands c"
            " ON c.command_no = e.command_no WHERE e.command_no IN {ids} OR e.subject = ?"
            " OR e.subject IN (SELECT exception_id FROM exceptions WHERE command_no IN {ids}"
            " OR object_key = ? OR correlation_id = ? OR invoice = ?) ORDER BY e.event_no",
            (ids, key, ids, key, key, key),
            page_rows=500,
        ):
            for row in page:
                data = orjson.loads(row[11]) if row[11] else {}
                yield TraceRow(*(*row[:11], data))

    def _commands(self, connection: Connection, key: str) -> set[int]:
        """Commands that a key names."""
        found = self._numbers(
            connection,
            "SELECT command_no FROM commands WHERE command_id = ? OR correlation_id = ?"
            " OR business_key = ?",
            (key, key, key),
        )
        if len(key) >= _COMMAND_PREFIX_MIN and set(key.lower()) <= _HEX:
            found |= self._prefixed(connection, key.lower())
        if len(key) == _EXTERNAL_KEY_LENGTH:
            found |= self._prefixed(connection, _prefix_of_external_key(key))
        return found | self._mentions(connection, key, is_known=bool(found))

    def _mentions(self, connection: Connection, key: str, *, is_known: bool) -> set[int]:
        """Commands that mention a key as a whole JSON text in their payload.

        A known key is looked for in postings only, such as an item in a clearing; an unknown one,
        such as an invoice number, everywhere, in what people are told as well.
        """
        if not key:
            return set()
        quoted = orjson.dumps(key).decode()
        # Inside a payload's text that is JSON itself the quotes are escaped.
        patterns = [_like(quoted), _like(orjson.dumps(quoted).decode()[1:-1])]
        columns = ("payload",) if is_known else ("payload", "subject")
        found: set[int] = set()
        for column in columns:
            for pattern in patterns:
                text = f"SELECT command_no FROM commands WHERE {column} LIKE ? ESCAPE '!'"  # noqa: S608
                if is_known:
                    text += " AND command_class = 'posting'"
                found |= self._numbers(connection, text, (pattern,))
        return found

    def _prefixed(self, connection: Connection, prefix: str) -> set[int]:
        if not prefix:
            return set()
        return self._numbers(
            connection,
            "SELECT command_no FROM commands WHERE command_id >= ? AND command_id < ?",
            (prefix, prefix + "g"),
        )

    def _correlated(self, connection: Connection, numbers: set[int]) -> set[int]:
        """Every command of the correlations that the found postings belong to."""
        return self._numbers(
            connection,
            "SELECT command_no FROM commands WHERE correlation_id IN (SELECT correlation_id"
            " FROM commands WHERE command_no IN {ids} AND command_class = 'posting'"
            " AND correlation_id <> '')",
            (orjson.dumps(sorted(numbers)).decode(),),
        )

    def _numbers(self, connection: Connection, text: str, values: tuple[Any, ...]) -> set[int]:
        return {int(row[0]) for row in self._database.run(connection, text, values)}


def _like(text: str) -> str:
    """A pattern that finds exactly this text anywhere."""
    for mark in "!%_":
        text = text.replace(mark, "!" + mark)
    return f"%{text}%"


def _prefix_of_external_key(key: str) -> str:
    """The first 25 hex characters of the command whose key travelled into a target."""
    try:
        raw = base64.b32decode(key.upper() + "====")
    except (binascii.Error, ValueError):
        return ""
    return raw.hex()[:25]
