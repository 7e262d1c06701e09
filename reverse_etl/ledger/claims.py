"""Choosing what goes next, and marking it ``sending`` in the same transaction.

Because choosing and marking are one serialised transaction, two processes never take one command.
Only lane heads are chosen, so a lane's order is kept whoever sends.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection

from reverse_etl.ledger.clock import instant_of, text_of
from reverse_etl.ledger.commands import Command, State, external_key_of
from reverse_etl.ledger.database import Database
from reverse_etl.ledger.events import Entry, EventName, Unit, data_of
from reverse_etl.ledger.rows import COMMAND_COLUMNS, SELECT_COMMAND, command_of
from reverse_etl.ledger.schema import UNFINISHED

__all__ = ["Claimed", "Claims", "Group"]

_EXTRA = (
    "s.attempts, s.failures, s.absences, s.native_id, s.approval_expires_at, s.state,"
    " s.needs_approval, s.is_held, s.since, s.not_before"
)
_WIDTH = len(COMMAND_COLUMNS)


@dataclass(frozen=True, slots=True)
class Group:
    """What may share a request: one object's operation, with the same number of failures."""

    system_id: str
    object_name: str
    operation: str
    failures: int


@dataclass(slots=True)
class Claimed:
    """A command in a sender's hands. ``number`` is its place in the log, ``attempts`` its sends."""

    number: int
    command: Command
    attempts: int
    failures: int
    absences: int
    native_id: str
    approval_expires_at: str | None
    state: str
    needs_approval: bool
    is_held: bool
    since: str
    not_before: str | None
    external_key: str
    predecessors: Mapping[str, str] = field(default_factory=dict)


class Claims:
    """Reads lane heads and hands them to a sender."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def next_group(
        self,
        connection: Connection,
        system_id: str,
        now: datetime,
        *,
        excluded: Collection[tuple[str, str]] = (),
        object_names: Collection[str] | None = None,
    ) -> Group | None:
        """The group of the most urgent command that is due, or None."""
        text = (
            "SELECT object_name, operation, failures FROM command_state"
            " WHERE is_lane_head = 1 AND system_id = ?"
            " AND (not_before IS NULL OR not_before <= ?)"
        )
        values: list[Any] = [system_id, text_of(now)]
        text = _narrowed(text, values, excluded, object_names)
        text += " ORDER BY priority, command_no LIMIT 1"
        row = self._database.run(connection, text, values).first()
        return None if row is None else Group(system_id, row[0], row[1], int(row[2]))

    def count(
        self,
        connection: Connection,
        group: Group,
        now: datetime,
        limit: int,
        *,
        with_followers: bool = False,
    ) -> int:
        """How many of a group are due, counted no further than ``limit``.

        Args:
            connection: of the open unit.
            group: what may share a request.
            now: the instant that decides what is due.
            limit: count no further.
            with_followers: also what waits behind lane heads, which may share their request.
        """
        which = "lane_phase = 1" if with_followers else "is_lane_head = 1"
        found = self._database.run(
            connection,
            f"SELECT count(*) FROM (SELECT 1 FROM command_state WHERE {which}"  # noqa: S608
            f" AND {UNFINISHED}"
            " AND system_id = ? AND object_name = ? AND operation = ? AND failures = ?"
            " AND (not_before IS NULL OR not_before <= ?) LIMIT ?) AS due",
            (*_parts(group), text_of(now), limit),
        )
        return int(found.scalar_one())

    def heads(
        self, connection: Connection, group: Group, now: datetime, limit: int
    ) -> list[Claimed]:
        """Lane heads of a group that are due, most urgent first."""
        rows = self._database.run(
            connection,
            f"SELECT {SELECT_COMMAND}, {_EXTRA} FROM commands c JOIN command_state s"  # noqa: S608
            " ON s.command_no = c.command_no WHERE s.is_lane_head = 1 AND s.system_id = ?"
            " AND s.object_name = ? AND s.operation = ? AND s.failures = ?"
            " AND (s.not_before IS NULL OR s.not_before <= ?)"
            " ORDER BY s.priority, s.command_no LIMIT ?",
            (*_parts(group), text_of(now), limit),
        ).fetchall()
        return self._with_predecessors(connection, [_claimed(row) for row in rows])

    def followers(
        self, connection: Connection, head: Claimed, group: Group, now: datetime, limit: int
    ) -> list[Claimed]:
        """What directly follows a head in its lane and may share its request, in order."""
        rows = self._database.run(
            connection,
            f"SELECT {SELECT_COMMAND}, {_EXTRA} FROM command_state s"  # noqa: S608
            " JOIN commands c ON s.command_no = c.command_no"
            " WHERE s.lane = ? AND s.lane_phase = 1 AND s.command_no > ?"
            " ORDER BY s.command_no LIMIT ?",
            (head.command.lane, head.number, limit),
        ).fetchall()
        found = []
        for row in rows:
            one = _claimed(row)
            place = Group(
                one.command.system_id, one.command.object_name, one.command.operation, one.failures
            )
            is_due = one.not_before is None or one.not_before <= text_of(now)
            if place != group or not is_due:
                break
            found.append(one)
        return self._with_predecessors(connection, found)

    def mark_sending(self, unit: Unit, claimed: Sequence[Claimed], holder: str) -> None:
        """Record that these are about to be sent; the request may leave once this is committed."""
        unit.emit(
            [
                Entry(
                    EventName.SENDING,
                    one.number,
                    f'{{"attempt":{one.attempts + 1},"holder":"{holder}"}}',
                )
                for one in claimed
            ]
        )
        for one in claimed:
            one.attempts += 1
            one.state = State.SENDING

    def orphans(
        self, connection: Connection, system_id: str, live: Collection[str], limit: int
    ) -> list[Claimed]:
        """Commands on their way whose sender is gone."""
        rows = self._database.run(
            connection,
            f"SELECT {SELECT_COMMAND}, {_EXTRA} FROM command_state s JOIN commands c"  # noqa: S608
            " ON s.command_no = c.command_no WHERE s.holder IS NOT NULL AND s.system_id = ?"
            " AND s.holder NOT IN {texts} ORDER BY s.command_no LIMIT ?",
            (system_id, orjson.dumps(sorted(live)).decode(), limit),
        ).fetchall()
        return self._with_predecessors(connection, [_claimed(row) for row in rows])

    def take_over(
        self, unit: Unit, claimed: Sequence[tuple[Claimed, datetime]], holder: str
    ) -> None:
        """Make a dead sender's commands this holder's; each with the time of its look-up."""
        unit.emit(
            [
                Entry(
                    EventName.TAKEN_OVER,
                    one.number,
                    data_of(holder=holder, look_up_after=text_of(at), state=str(one.state)),
                )
                for one, at in claimed
            ]
        )
        for one, _ in claimed:
            if one.state == State.SENDING:
                one.state = State.UNKNOWN

    def held_elsewhere(
        self, connection: Connection, system_ids: Collection[str], holder: str
    ) -> int:
        """Commands on their way in other hands."""
        found = self._database.run(
            connection,
            "SELECT count(*) FROM command_state WHERE holder IS NOT NULL AND holder <> ?"
            " AND system_id IN {texts}",
            (holder, orjson.dumps(sorted(system_ids)).decode()),
        )
        return int(found.scalar_one())

    def next_due(
        self,
        connection: Connection,
        system_id: str,
        *,
        excluded: Collection[tuple[str, str]] = (),
        object_names: Collection[str] | None = None,
    ) -> float | None:
        """When the next lane head is due, in epoch seconds (0: at once); None without heads."""
        text = (
            "SELECT min(coalesce(not_before, '')) FROM command_state"
            " WHERE is_lane_head = 1 AND system_id = ?"
        )
        values: list[Any] = [system_id]
        text = _narrowed(text, values, excluded, object_names)
        found = self._database.run(connection, text, values).scalar_one()
        if found is None:
            return None
        return instant_of(found).timestamp() if found else 0.0

    def owned(self, connection: Connection, numbers: Sequence[int], holder: str) -> dict[int, str]:
        """Which of these are still in the holder's hands, and their states."""
        rows = self._database.run(
            connection,
            "SELECT command_no, state FROM command_state WHERE command_no IN {ids} AND holder = ?",
            (orjson.dumps(list(numbers)).decode(), holder),
        )
        return {row[0]: row[1] for row in rows}

    def _with_predecessors(self, connection: Connection, claimed: list[Claimed]) -> list[Claimed]:
        """Add what the predecessors became in the target, for those that have any."""
        waiting = {one.number: one for one in claimed if one.command.after}
        if not waiting:
            return claimed
        rows = self._database.run(
            connection,
            "SELECT d.command_no, p.business_key, p.native_id FROM dependencies d"
            " JOIN command_state p ON p.command_no = d.after_no"
            " WHERE d.command_no IN {ids} ORDER BY d.command_no, p.command_no",
            (orjson.dumps(list(waiting)).decode(),),
        )
        found: dict[int, dict[str, str]] = {}
        for number, key, native_id in rows:
            found.setdefault(number, {})[key] = native_id
        for number, predecessors in found.items():
            waiting[number].predecessors = predecessors
        return claimed


def _narrowed(
    text: str,
    values: list[Any],
    excluded: Collection[tuple[str, str]],
    object_names: Collection[str] | None,
) -> str:
    """A query on lane heads without some operations, or of some objects only; adds its values."""
    for object_name, operation in excluded:
        text += " AND NOT (object_name = ? AND operation = ?)"
        values += [object_name, operation]
    if object_names is not None:
        text += " AND object_name IN {texts}"
        values.append(orjson.dumps(sorted(object_names)).decode())
    return text


def _parts(group: Group) -> tuple[str, str, str, int]:
    return group.system_id, group.object_name, group.operation, group.failures


def _claimed(row: Sequence[Any]) -> Claimed:
    extra = row[_WIDTH:]
    return Claimed(
        number=row[0],
        command=command_of(row),
        attempts=extra[0],
        failures=extra[1],
        absences=extra[2],
        native_id=extra[3],
        approval_expires_at=extra[4],
        state=extra[5],
        needs_approval=bool(extra[6]),
        is_held=bool(extra[7]),
        since=extra[8],
        not_before=extra[9],
        external_key=external_key_of(row[1]),
    )
