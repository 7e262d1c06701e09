"""The append-only event log and its hash chain.

Every change of state is an event. The events of one transaction are sealed together: the seal holds
the previous seal's hash and a SHA-256 over the canonical rows, so nobody can change, remove or
reorder a row unseen (``audit.py`` checks it). Appends are serialised: SQLite by its write lock,
PostgreSQL by a lock on the one row of ``chain``; a unique previous hash forbids a fork even so.

This module writes events and nothing else; what they mean for the state is ``projection.py``.
"""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

import orjson
from sqlalchemy import Connection

from reverse_etl.ledger.clock import text_of
from reverse_etl.ledger.database import Database
from reverse_etl.ledger.values import canonical_json, sha256_hex

__all__ = [
    "GENESIS_HASH",
    "Entry",
    "EventName",
    "EventRow",
    "Unit",
    "canonical_row",
    "data_of",
    "keep_contents",
    "open_unit",
    "seal_hash",
]

#: What the first seal follows.
GENESIS_HASH = "0" * 64
#: One seal covers at most this many events, so that a broken one says where within this many.
_SEAL_EVENTS_MAX = 1_000


class EventName(StrEnum):
    """Everything that can happen."""

    PLANNED = "planned"
    SUPERSEDED = "superseded"
    VOIDED = "voided"
    HELD = "held"
    RELEASED = "released"
    APPROVAL_REQUIRED = "approval_required"
    APPROVAL_GRANTED = "approval_granted"
    APPROVAL_REJECTED = "approval_rejected"
    APPROVAL_EXPIRED = "approval_expired"
    SENDING = "sending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    RETRY = "retry"
    UNKNOWN = "unknown"
    TAKEN_OVER = "taken_over"
    LOOKED_UP = "looked_up"
    NOT_SENT = "not_sent"
    PARKED = "parked"
    VERIFIED = "verified"
    DIED = "died"
    LATE_ANSWER = "late_answer"
    REOPENED = "reopened"
    CORRECTED = "corrected"
    REVERSED = "reversed"
    ADOPTED = "adopted"
    EXCEPTION_OPENED = "exception_opened"
    EXCEPTION_SEEN = "exception_seen"
    EXCEPTION_CLOSED = "exception_closed"
    LIMIT_APPROVED = "limit_approved"
    LINKED = "linked"
    UNLINKED = "unlinked"
    DISPUTE_OPENED = "dispute_opened"
    DISPUTE_DECIDED = "dispute_decided"
    DISPUTE_APPROVED = "dispute_approved"
    DISPUTE_MOVED = "dispute_moved"


class Entry(NamedTuple):
    """An event that is about to be appended. ``data`` is canonical JSON text, already masked."""

    name: str
    command_no: int | None = None
    data: str = ""
    subject: str = ""


class EventRow(NamedTuple):
    """An event as stored. ``at``: UTC text; ``subject``: what it is about when no command."""

    event_no: int
    at: str
    name: str
    command_no: int | None
    subject: str
    actor: str
    data: str


class Projecting(Protocol):
    """What a unit tells every event to, in the same transaction."""

    def apply(self, connection: Connection, rows: Sequence[EventRow]) -> None: ...


def canonical_row(row: Sequence[Any]) -> bytes:
    """The bytes of one event that its seal hashes."""
    return orjson.dumps(tuple(row)) + b"\n"


class Unit:
    """One transaction on the log: append events, read the state they make, seal at the end.

    Attributes:
        connection: for reads and for rows that are no events (leases), in the same transaction.
        now: the instant every event of this unit carries.
    """

    def __init__(
        self,
        database: Database,
        connection: Connection,
        projection: Projecting,
        now: datetime,
        actor: str,
    ) -> None:
        self.database = database
        self.connection = connection
        self.now = now
        self.at = text_of(now)
        self._actor = actor
        self._projection = projection
        head = database.run(
            connection,
            "SELECT last_event_no, last_command_no, last_seal_no, hash FROM chain"
            " WHERE chain_id = 1 {for_update}",
        ).one()
        self._event_no, self._command_no, self._seal_no = int(head[0]), int(head[1]), int(head[2])
        self._heads_before = (self._event_no, self._command_no)
        self._hash: str = head[3]
        self._digest = hashlib.sha256()
        self._unsealed = 0

    def next_command_no(self) -> int:
        """A number for a new command, taken in this transaction."""
        self._command_no += 1
        return self._command_no

    @property
    def next_event_no(self) -> int:
        """The number that the next appended event gets."""
        return self._event_no + 1

    def emit(self, entries: Sequence[Entry], *, actor: str | None = None) -> list[EventRow]:
        """Append events and apply them to the state."""
        if not entries:
            return []
        by = self._actor if actor is None else actor
        rows = []
        for number, entry in enumerate(entries, self._event_no + 1):
            rows.append(EventRow(number, self.at, str(entry[0]), entry[1], entry[3], by, entry[2]))
        self._event_no += len(rows)
        self.database.run_many(
            self.connection,
            "INSERT INTO events (event_no, at, name, command_no, subject, actor, data)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
        for start in range(0, len(rows), _SEAL_EVENTS_MAX):
            self._add_to_seal(rows[start : start + _SEAL_EVENTS_MAX])
        self._projection.apply(self.connection, rows)
        return rows

    def _add_to_seal(self, rows: Sequence[EventRow]) -> None:
        if self._unsealed + len(rows) > _SEAL_EVENTS_MAX:
            self._seal(rows[0].event_no - 1)
        self._digest.update(b"".join(map(canonical_row, rows)))
        self._unsealed += len(rows)

    def _seal(self, last_event_no: int) -> None:
        """Write the seal of the events since the last one; nothing happens without events."""
        if not self._unsealed:
            return
        previous = self._hash
        self._hash = seal_hash(previous, self._digest)
        self._seal_no += 1
        self.database.run(
            self.connection,
            "INSERT INTO seals (seal_no, first_event_no, last_event_no, at, previous_hash, hash)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                self._seal_no,
                last_event_no - self._unsealed + 1,
                last_event_no,
                self.at,
                previous,
                self._hash,
            ),
        )
        self._digest = hashlib.sha256()
        self._unsealed = 0

    def finish(self) -> None:
        """Seal what is open and move the head; the transaction commits right after."""
        self._seal(self._event_no)
        if self._heads_before == (self._event_no, self._command_no):
            return
        self.database.run(
            self.connection,
            "UPDATE chain SET last_event_no = ?, last_command_no = ?, last_seal_no = ?, hash = ?"
            " WHERE chain_id = 1",
            (self._event_no, self._command_no, self._seal_no, self._hash),
        )


def seal_hash(previous_hash: str, rows_digest: "hashlib._Hash") -> str:
    """Hash of a seal: the previous seal's hash and the digest of the rows it covers."""
    return hashlib.sha256((previous_hash + rows_digest.hexdigest()).encode()).hexdigest()


@contextmanager
def open_unit(
    database: Database, projection: Projecting, now: datetime, actor: str
) -> Iterator[Unit]:
    """A transaction on the log. Everything is undone when the block raises."""
    with database.write() as connection:
        unit = Unit(database, connection, projection, now, actor)
        yield unit
        unit.finish()


def data_of(**values: Any) -> str:
    """Event data as canonical JSON text."""
    return canonical_json(values)


def keep_contents(unit: Unit, contents: Sequence[str]) -> list[str]:
    """Store texts losslessly under their hashes, for events that may show them only masked."""
    rows = [(sha256_hex(content), content) for content in contents]
    unit.database.run_many(
        unit.connection,
        "INSERT INTO contents (content_hash, content) VALUES (?, ?)"
        " ON CONFLICT (content_hash) DO NOTHING",
        list(rows),
    )
    return [content_hash for content_hash, _ in rows]
