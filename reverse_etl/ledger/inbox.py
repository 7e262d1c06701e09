"""The inbox: messages from outside (webhooks) are stored before they are answered.

A message is known by its source and its id there; the same one again is not stored twice.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from reverse_etl.ledger.clock import text_of
from reverse_etl.ledger.database import Database

__all__ = ["Inbox", "Message"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message as it came in; ``received_at`` is UTC text."""

    source: str
    message_id: str
    received_at: str
    body: str


class Inbox:
    """Stores messages and remembers which were handled."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, source: str, message_id: str, body: str, *, now: datetime) -> bool:
        """Store a message durably; False when it was there already."""
        with self._database.write() as connection:
            found = self._database.run(
                connection,
                "INSERT INTO inbox (source, message_id, received_at, body) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (source, message_id) DO NOTHING",
                (source, message_id, text_of(now), body),
            )
            return bool(found.rowcount == 1)

    def pending(self) -> Iterator[Message]:
        """Messages that nobody handled yet, oldest first."""
        for page in self._database.stream(
            "SELECT source, message_id, received_at, body FROM inbox WHERE handled_at IS NULL"
            " ORDER BY received_at, source, message_id",
            page_rows=200,
        ):
            for row in page:
                yield Message(*row)

    def done(self, message: Message, outcome: str, *, now: datetime) -> None:
        """Note what became of a message."""
        with self._database.write() as connection:
            self._database.run(
                connection,
                "UPDATE inbox SET handled_at = ?, outcome = ? WHERE source = ? AND message_id = ?",
                (text_of(now), outcome, message.source, message.message_id),
            )
