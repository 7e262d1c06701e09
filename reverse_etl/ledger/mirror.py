"""The operations database as rows for the warehouse, streamed in pages: memory stays flat.

Column order is that of the ``ledger.*`` tables. Money stays text here; the caller makes decimals.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from reverse_etl.ledger.clock import instant_of
from reverse_etl.ledger.commands import external_key_of
from reverse_etl.ledger.database import Database

__all__ = ["COLUMNS", "Mirror"]

Page = list[tuple[Any, ...]]

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "acknowledged": (
        "system_id", "object_name", "object_key", "field", "value", "command_id",
        "acknowledged_at",
    ),
    "commands": (
        "command_id", "correlation_id", "system_id", "kind", "object_name", "business_key",
        "operation", "revision", "command_class", "payload", "payload_hash", "lane", "flow",
        "state", "native_id", "external_key", "approval_rule", "amount", "currency_code",
        "planned_at", "updated_at",
    ),
    "links": (
        "system_id", "native_id", "customer_id", "relation", "how", "linked_at", "unlinked_at",
    ),
    "exceptions": (
        "exception_id", "class", "code", "field", "message", "system_id", "object_name",
        "object_key", "command_id", "correlation_id", "team", "region", "customer_id",
        "customer_name", "invoice", "amount", "currency_code", "opened_at", "closed_at", "state",
    ),
    "approved_limits": (
        "system_id", "customer", "credit_segment", "limit_kind", "limit_amount", "currency_code",
        "approved_by", "second_approver", "approved_at",
    ),
    "disputes": (
        "dispute_id", "item_key", "receipt_id", "system_id", "company_code", "customer_id",
        "customer", "reason_code", "external_code", "claim_text", "amount", "currency_code",
        "status", "version", "verdict", "amount_accepted", "decided_by", "decided_at", "approvals",
        "assigned_to", "note", "opened_by", "opened_at", "due_at", "closed_at",
    ),
}  # fmt: skip


class Mirror:
    """Pages of tuples in the order of ``COLUMNS``; instants are UTC datetimes."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def head(self) -> tuple[int, str]:
        """The last event's number and the hash of its seal: what a copy made now contains."""
        with self._database.read() as connection:
            row = self._database.run(
                connection, "SELECT last_event_no, hash FROM chain WHERE chain_id = 1"
            ).first()
        return (0, "") if row is None else (int(row[0]), str(row[1]))

    def continues(self, event_no: int, seal_hash: str) -> bool:
        """Whether a copy made at this head can be continued with what happened since.

        Not when it is of another log, nor when a reversal took acknowledged values away.
        """
        with self._database.read() as connection:
            known = self._database.run(
                connection,
                "SELECT 1 FROM seals WHERE hash = ? AND NOT EXISTS (SELECT 1 FROM events"
                " WHERE event_no > ? AND name = 'reversed')",
                (seal_hash, event_no),
            ).first()
        return known is not None

    def acknowledged(self, *, page_rows: int = 2_000, since_event_no: int = 0) -> Iterator[Page]:
        """One row per field that is known to stand in a target; ``page_rows`` counts objects.

        With ``since_event_no`` only the objects of which something was acknowledged later, whole.
        """
        text = "SELECT system_id, object_name, object_key, fields FROM acknowledged"
        if since_event_no:
            text += (
                " WHERE (system_id, object_name, object_key) IN (SELECT c.system_id, c.object_name,"
                " c.business_key FROM events e JOIN commands c ON c.command_no = e.command_no"
                " WHERE e.event_no > ? AND e.name = 'verified') OR object_key IN"
                " (SELECT subject FROM events WHERE event_no > ? AND name = 'adopted')"
            )
        values = (since_event_no, since_event_no) if since_event_no else ()
        for page in self._database.stream(text, values, page_rows=page_rows):
            known = [(row[0], row[1], row[2], orjson.loads(row[3])) for row in page]
            commands, instants = self._sources(known)
            rows: Page = []
            for system_id, object_name, key, fields in known:
                for name, (value, number, event_no) in fields.items():
                    rows.append(
                        (system_id, object_name, key, name, value, commands.get(number, ""),
                         instants[event_no])
                    )  # fmt: skip
            yield rows

    def _sources(self, known: list[tuple[Any, ...]]) -> tuple[dict[int, str], dict[int, Any]]:
        """Command ids and instants behind a page of acknowledged fields."""
        numbers: set[int] = set()
        events: set[int] = set()
        for row in known:
            for _value, number, event_no in row[3].values():
                events.add(event_no)
                if number is not None:
                    numbers.add(number)
        with self._database.read() as connection:
            commands = self._database.run(
                connection,
                "SELECT command_no, command_id FROM commands WHERE command_no IN {ids}",
                (orjson.dumps(list(numbers)).decode(),),
            ).fetchall()
            instants = self._database.run(
                connection,
                "SELECT event_no, at FROM events WHERE event_no IN {ids}",
                (orjson.dumps(list(events)).decode(),),
            ).fetchall()
        return (
            {row[0]: row[1] for row in commands},
            {row[0]: instant_of(row[1]) for row in instants},
        )

    def commands(self, *, page_rows: int = 2_000, since_event_no: int = 0) -> Iterator[Page]:
        """Every command with its present state; ``amount`` is text or None.

        With ``since_event_no`` only those about which something happened later.
        """
        touched = (
            " WHERE c.command_no IN (SELECT command_no FROM events WHERE event_no > ?)"
            if since_event_no
            else ""
        )
        for page in self._database.stream(
            "SELECT c.command_id, c.correlation_id, c.system_id, c.kind, c.object_name,"  # noqa: S608
            " c.business_key, c.operation, c.revision, c.command_class, c.payload, c.payload_hash,"
            " c.lane, c.flow, s.state, s.native_id, c.command_id, c.approval_rule, c.amount_text,"
            " c.currency_code, c.planned_at, s.since FROM commands c JOIN command_state s"
            f" ON s.command_no = c.command_no{touched} ORDER BY c.command_no",
            (since_event_no,) if since_event_no else (),
            page_rows=page_rows,
        ):
            yield [
                (*row[:15], external_key_of(row[15]), row[16], row[17] or None, row[18],
                 instant_of(row[19]), instant_of(row[20]))
                for row in page
            ]  # fmt: skip

    def links(self) -> Iterator[Page]:
        for page in self._database.stream(
            "SELECT system_id, native_id, customer_id, relation, how, linked_at, unlinked_at"
            " FROM links"
        ):
            yield [(*row[:5], instant_of(row[5]), _maybe(row[6])) for row in page]

    def exceptions(self) -> Iterator[Page]:
        for page in self._database.stream(
            "SELECT x.exception_id, x.class, x.code, x.field, x.message, x.system_id,"
            " x.object_name, x.object_key, coalesce(c.command_id, ''), x.correlation_id, x.team,"
            " x.region, x.customer_id, x.customer_name, x.invoice, x.amount_text,"
            " x.currency_code, x.opened_at, x.closed_at, x.state FROM exceptions x"
            " LEFT JOIN commands c ON c.command_no = x.command_no"
        ):
            yield [
                (*row[:15], row[15] or None, row[16], instant_of(row[17]), _maybe(row[18]), row[19])
                for row in page
            ]

    def approved_limits(self) -> Iterator[Page]:
        for page in self._database.stream(
            "SELECT system_id, customer, credit_segment, limit_kind, limit_amount, currency_code,"
            " approved_by, second_approver, approved_at FROM approved_limits"
        ):
            yield [(*row[:4], row[4] or None, *row[5:8], instant_of(row[8])) for row in page]

    def disputes(self) -> Iterator[Page]:
        """One row per line of a dispute; amounts are text, ``approvals`` JSON."""
        for page in self._database.stream(
            "SELECT dispute_id, item_key, receipt_id, system_id, company_code, customer_id,"
            " customer, reason_code, external_code, claim_text, amount_text, currency_code, status,"
            " version, verdict, accepted_text, decided_by, decided_at, approvals, assigned_to,"
            " note, opened_by, opened_at, due_at, closed_at FROM disputes"
            " ORDER BY opened_at, dispute_id, item_key, receipt_id"
        ):
            yield [
                (*row[:10], row[10] or None, *row[11:15], row[15] or None, row[16],
                 _maybe(row[17]), *row[18:22], instant_of(row[22]), instant_of(row[23]),
                 _maybe(row[24]))
                for row in page
            ]  # fmt: skip


def _maybe(text: str | None) -> Any:
    return None if text is None else instant_of(text)
