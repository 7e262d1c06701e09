"""What dispute events make of the table ``disputes``: part of the projection.

A dispute has lines (what one receipt left unpaid of one item); status, version and word of people
are those of the whole dispute and stand on each line. Nothing is judged here: ``disputes.py``
refuses an act before it becomes an event.
"""

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from sqlalchemy import Connection

from reverse_etl.ledger.database import Database
from reverse_etl.ledger.events import EventName, EventRow

__all__ = ["CLOSED_STATUSES", "DisputeFacts"]

#: Statuses in which a dispute stands no more in the way of anything.
CLOSED_STATUSES = ("closed", "written_off", "void")

_HEADER = (
    "system_id", "company_code", "customer_id", "customer", "reason_code", "external_code",
    "claim_text", "currency_code", "due_at", "note",
)  # fmt: skip


class DisputeFacts:
    """Handlers of the four dispute events."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def handlers(self) -> Mapping[str, Callable[[Connection, list[EventRow]], None]]:
        return {
            EventName.DISPUTE_OPENED: self._opened,
            EventName.DISPUTE_DECIDED: self._decided,
            EventName.DISPUTE_APPROVED: self._approved,
            EventName.DISPUTE_MOVED: self._moved,
        }

    def _opened(self, connection: Connection, rows: list[EventRow]) -> None:
        names = ("dispute_id", "item_key", "receipt_id", "amount_text", *_HEADER)
        values: list[tuple[Any, ...]] = []
        for row in rows:
            data = orjson.loads(row.data)
            values.extend(
                (row.subject, line["item_key"], line["receipt_id"], line["amount"],
                 *(data[name] for name in _HEADER), "new", row.actor, row.at)
                for line in data["lines"]
            )  # fmt: skip
        self._database.run_many(
            connection,
            f"INSERT INTO disputes ({', '.join(names)}, status, opened_by, opened_at)"  # noqa: S608
            f" VALUES ({', '.join('?' * (len(names) + 3))})",
            values,
        )

    def _decided(self, connection: Connection, rows: list[EventRow]) -> None:
        """A new version: what others agreed to before counts no more."""
        for row in rows:
            data = orjson.loads(row.data)
            self._database.run(
                connection,
                "UPDATE disputes SET status = ?, verdict = ?, version = ?, decided_by = ?,"
                " decider_os_user = ?, decided_at = ?, note = ?, approvals = '[]',"
                " accepted_text = '' WHERE dispute_id = ?",
                (data["status"], data["verdict"], data["version"], row.actor, data["os_user"],
                 row.at, data["reason"], row.subject),
            )  # fmt: skip
            self._database.run_many(
                connection,
                "UPDATE disputes SET accepted_text = ? WHERE dispute_id = ? AND item_key = ?"
                " AND receipt_id = ?",
                [
                    (line["amount"], row.subject, line["item_key"], line["receipt_id"])
                    for line in data["accepted"]
                ],
            )

    def _approved(self, connection: Connection, rows: list[EventRow]) -> None:
        for row in rows:
            known = self._database.run(
                connection, "SELECT approvals FROM disputes WHERE dispute_id = ?", (row.subject,)
            ).first()
            people = [*orjson.loads(known[0] if known else "[]"), [row.actor, row.at]]
            self._database.run(
                connection,
                "UPDATE disputes SET approvals = ? WHERE dispute_id = ?",
                (orjson.dumps(people).decode(), row.subject),
            )

    def _moved(self, connection: Connection, rows: list[EventRow]) -> None:
        """Another status, assignee, reason code or due day; what is not named stays."""
        for row in rows:
            data = orjson.loads(row.data)
            closed_at = row.at if data["status"] in CLOSED_STATUSES else None
            self._database.run(
                connection,
                "UPDATE disputes SET status = ?, closed_at = ?, note = ?,"
                " assigned_to = coalesce(?, assigned_to), reason_code = coalesce(?, reason_code),"
                " due_at = coalesce(?, due_at) WHERE dispute_id = ?",
                (data["status"], closed_at, data["reason"], data["assigned_to"],
                 data["reason_code"], data["due_at"], row.subject),
            )  # fmt: skip
