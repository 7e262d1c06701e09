"""Facts that events establish beside the commands' states.

Acknowledged values, exceptions, approvals, approved limits, links and disputes: part of the
projection, and changed only through it (see ``projection.py``).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson
from sqlalchemy import Connection

from reverse_etl.ledger.database import Database
from reverse_etl.ledger.dispute_facts import DisputeFacts
from reverse_etl.ledger.events import EventName, EventRow
from reverse_etl.ledger.values import canonical_value

__all__ = ["EXCEPTION_COLUMNS", "Facts"]

#: Columns of an exception that its opening event carries as they are.
EXCEPTION_COLUMNS = (
    "class", "code", "field", "message", "is_retryable", "system_id", "object_name", "object_key",
    "correlation_id", "team", "region", "customer_id", "customer_name", "invoice", "amount_text",
    "currency_code", "content_hash",
)  # fmt: skip

Handler = Callable[[Connection, list[EventRow]], None]


class Facts:
    """Handlers of the events that establish facts."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._handlers: dict[str, Handler] = {
            EventName.ADOPTED: self._adopted,
            EventName.REVERSED: self._reversed,
            EventName.EXCEPTION_OPENED: self._exception_opened,
            EventName.EXCEPTION_SEEN: self._exception_seen,
            EventName.EXCEPTION_CLOSED: self._exception_closed,
            EventName.LIMIT_APPROVED: self._limit_approved,
            EventName.LINKED: self._linked,
            EventName.UNLINKED: self._unlinked,
            **DisputeFacts(database).handlers(),
        }

    def handler(self, name: str) -> Handler | None:
        return self._handlers.get(name)

    def _run(self, connection: Connection, text: str, values: Sequence[Any] = ()) -> Any:
        return self._database.run(connection, text, values)

    # -- acknowledged values ---------------------------------------------------------------------

    def acknowledge_commands(self, connection: Connection, rows: Sequence[EventRow]) -> None:
        """Every field of a verified command is now known to stand in the target."""
        event_no_of = {row.command_no: row.event_no for row in rows}
        found = self._run(
            connection,
            "SELECT command_no, system_id, object_name, business_key, payload FROM commands"
            " WHERE command_no IN {ids} ORDER BY command_no",
            (orjson.dumps(list(event_no_of)).decode(),),
        ).fetchall()
        self._acknowledge(
            connection,
            [
                (system_id, object_name, key, {
                    field: [canonical_value(value), number, event_no_of[number]]
                    for field, value in orjson.loads(payload).items()
                })
                for number, system_id, object_name, key, payload in found
            ],
        )  # fmt: skip

    def _adopted(self, connection: Connection, rows: list[EventRow]) -> None:
        """A value that a person set in the target and the hub takes as its own knowledge."""
        changes = []
        for row in rows:
            data = orjson.loads(row.data)
            content = self._run(
                connection,
                "SELECT content FROM contents WHERE content_hash = ?",
                (data["content_hash"],),
            ).scalar_one()
            fields = {f: [value, None, row.event_no] for f, value in orjson.loads(content).items()}
            changes.append((data["system_id"], data["object_name"], data["object_key"], fields))
        self._acknowledge(connection, changes)

    def _acknowledge(
        self, connection: Connection, changes: Iterable[tuple[str, str, str, dict[str, list[Any]]]]
    ) -> None:
        """Merge fields into what is already known of each key."""
        merged: dict[tuple[str, str, str], dict[str, list[Any]]] = {}
        for system_id, object_name, key, fields in changes:
            merged.setdefault((system_id, object_name, key), {}).update(fields)
        objects: dict[tuple[str, str], list[str]] = {}
        for system_id, object_name, key in merged:
            objects.setdefault((system_id, object_name), []).append(key)
        for (system_id, object_name), keys in objects.items():
            known = self._run(
                connection,
                "SELECT object_key, fields FROM acknowledged WHERE system_id = ?"
                " AND object_name = ? AND object_key IN {texts}",
                (system_id, object_name, orjson.dumps(keys).decode()),
            ).fetchall()
            for key, fields_text in known:
                place = (system_id, object_name, key)
                merged[place] = orjson.loads(fields_text) | merged[place]
        self._database.run_many(
            connection,
            "INSERT INTO acknowledged (system_id, object_name, object_key, fields)"
            " VALUES (?, ?, ?, ?) ON CONFLICT (system_id, object_name, object_key)"
            " DO UPDATE SET fields = excluded.fields",
            [
                (*place, orjson.dumps(fields, option=orjson.OPT_SORT_KEYS).decode())
                for place, fields in merged.items()
            ],
        )

    def _reversed(self, connection: Connection, rows: list[EventRow]) -> None:
        """A posting was reversed in the target: it is no longer there."""
        for row in rows:
            self._run(
                connection,
                "DELETE FROM acknowledged WHERE (system_id, object_name, object_key) IN"
                " (SELECT system_id, object_name, business_key FROM commands"
                "  WHERE command_no = ?)",
                (row.command_no,),
            )

    # -- exceptions ------------------------------------------------------------------------------

    def _exception_opened(self, connection: Connection, rows: list[EventRow]) -> None:
        names = ", ".join(EXCEPTION_COLUMNS)
        marks = ", ".join("?" * len(EXCEPTION_COLUMNS))
        values = []
        for row in rows:
            data = orjson.loads(row.data)
            values.append(
                (row.subject, *(data[name] for name in EXCEPTION_COLUMNS), row.command_no,
                 row.at, row.at)
            )  # fmt: skip
        self._database.run_many(
            connection,
            f"INSERT INTO exceptions (exception_id, {names}, command_no, opened_at,"  # noqa: S608
            f" last_seen_at, state) VALUES (?, {marks}, ?, ?, ?, 'open')",
            values,
        )

    def _exception_seen(self, connection: Connection, rows: list[EventRow]) -> None:
        for row in rows:
            data = orjson.loads(row.data)
            self._run(
                connection,
                "UPDATE exceptions SET occurrences = occurrences + 1, last_seen_at = ?,"
                " message = ?, command_no = coalesce(?, command_no) WHERE exception_id = ?",
                (row.at, data["message"], row.command_no, row.subject),
            )

    def _exception_closed(self, connection: Connection, rows: list[EventRow]) -> None:
        for row in rows:
            data = orjson.loads(row.data)
            self._run(
                connection,
                "UPDATE exceptions SET state = 'closed', closed_at = ?, closed_by = ?,"
                " resolution = ? WHERE exception_id = ? AND state = 'open'",
                (row.at, data["by"], data["reason"], row.subject),
            )

    # -- approvals, limits, links ----------------------------------------------------------------

    def record_approval(self, connection: Connection, row: EventRow) -> None:
        """One person's word on one payload hash."""
        data = orjson.loads(row.data)
        self._run(
            connection,
            'INSERT INTO approvals (event_no, command_no, decision, payload_hash, "by", os_user,'
            " reason, at, expires_at, is_void) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)",
            (
                row.event_no,
                row.command_no,
                "granted" if row.name == EventName.APPROVAL_GRANTED else "rejected",
                data["payload_hash"],
                data["by"],
                data["os_user"],
                data["reason"],
                row.at,
                data["expires_at"],
            ),
        )

    def _limit_approved(self, connection: Connection, rows: list[EventRow]) -> None:
        names = ("system_id", "customer", "credit_segment", "limit_kind", "limit_amount",
                 "currency_code", "approved_by", "second_approver", "approved_at")  # fmt: skip
        self._database.run_many(
            connection,
            f"INSERT INTO approved_limits ({', '.join(names)})"  # noqa: S608 - our own names
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (system_id, customer, credit_segment) DO UPDATE SET "
            + ", ".join(f"{name} = excluded.{name}" for name in names[3:]),
            [tuple(orjson.loads(row.data)[name] for name in names) for row in rows],
        )

    def _linked(self, connection: Connection, rows: list[EventRow]) -> None:
        values = []
        for row in rows:
            data = orjson.loads(row.data)
            values.append((data["system_id"], data["native_id"], data["customer_id"],
                           data["relation"], data["how"], row.at))  # fmt: skip
        self._database.run_many(
            connection,
            "INSERT INTO links (system_id, native_id, customer_id, relation, how, linked_at)"
            " VALUES (?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (system_id, native_id, customer_id, relation) DO UPDATE SET"
            " how = excluded.how, linked_at = excluded.linked_at, unlinked_at = NULL",
            values,
        )

    def _unlinked(self, connection: Connection, rows: list[EventRow]) -> None:
        """A link made by number has no row yet: its removal must be kept all the same."""
        values = []
        for row in rows:
            data = orjson.loads(row.data)
            values.append((data["system_id"], data["native_id"], data["customer_id"],
                           data["relation"], data["how"], row.at, row.at))  # fmt: skip
        self._database.run_many(
            connection,
            "INSERT INTO links (system_id, native_id, customer_id, relation, how, linked_at,"
            " unlinked_at) VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (system_id, native_id, customer_id, relation) DO UPDATE SET"
            " unlinked_at = excluded.unlinked_at",
            values,
        )
