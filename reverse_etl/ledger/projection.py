"""What events make of the state: the only code that changes a projection.

The same handlers run when an event is appended and when the state is rebuilt from the log, so the
two cannot drift apart. Handlers work on whole runs of equal events, a statement per run where
possible: a batch of 200 costs as many statements as a batch of one.

A lane's order is kept by three columns: ``lane_phase`` (queued or on its way) and ``is_lane_head``
(the one queued command that may go next). A lane with a command on its way has no head.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any

import orjson
from sqlalchemy import Connection

from reverse_etl.ledger.database import Database
from reverse_etl.ledger.events import EventName, EventRow
from reverse_etl.ledger.projection_facts import Facts
from reverse_etl.ledger.schema import PROJECTIONS

__all__ = ["Projection"]

_QUEUED, _ON_ITS_WAY = 1, 2
_RECHECKED = "('planned','awaiting_approval','ready','waiting')"

_SETTLE_UNSENT = f"""
UPDATE command_state SET state = CASE
  WHEN is_held = 1 THEN 'planned'
  WHEN needs_approval = 1 AND approval_expires_at IS NULL THEN 'awaiting_approval'
  WHEN EXISTS (SELECT 1 FROM dependencies d JOIN command_state p ON p.command_no = d.after_no
               WHERE d.command_no = command_state.command_no AND p.state <> 'verified')
    THEN 'planned'
  WHEN not_before IS NOT NULL THEN 'waiting'
  ELSE 'ready' END
WHERE command_no IN {{ids}} AND state IN {_RECHECKED}
"""  # noqa: S608 - constants of this module
_ENTER_LANE = f"""
UPDATE command_state SET is_lane_head = 0,
  lane_phase = CASE WHEN state IN ('ready','waiting') THEN {_QUEUED} ELSE NULL END
WHERE command_no IN {{ids}} AND state IN {_RECHECKED}
"""  # noqa: S608
_CLEAR_HEADS = f"""
UPDATE command_state SET is_lane_head = 0
WHERE is_lane_head = 1 AND lane_phase = {_QUEUED} AND lane IN
  (SELECT lane FROM command_state WHERE command_no IN {{ids}})
"""  # noqa: S608
_SET_HEADS = f"""
UPDATE command_state SET is_lane_head = 1 WHERE command_no IN (
  SELECT (SELECT min(q.command_no) FROM command_state q
          WHERE q.lane = l.lane AND q.lane_phase = {_QUEUED})
  FROM (SELECT DISTINCT lane FROM command_state WHERE command_no IN {{ids}}) l
  WHERE NOT EXISTS (SELECT 1 FROM command_state f
                    WHERE f.lane = l.lane AND f.lane_phase = {_ON_ITS_WAY}))
AND is_lane_head = 0
"""  # noqa: S608
_LEAVE = (
    "UPDATE command_state SET state = ?, since = ?, lane_phase = NULL, is_lane_head = 0,"
    " not_before = NULL, holder = NULL"
)


def _ids(rows: Iterable[EventRow]) -> str:
    """The commands of a run of events, as the JSON list that ``{ids}`` takes."""
    return orjson.dumps([row.command_no for row in rows]).decode()


def _runs(rows: Sequence[EventRow]) -> Iterator[list[EventRow]]:
    """Consecutive events of one name and instant, each command at most once.

    So a run never depends on how the log was cut into portions: a rebuild, which reads other
    portions than were appended, makes the same state.
    """
    run: list[EventRow] = []
    seen: set[int | None] = set()
    for row in rows:
        if run and (row.name != run[0].name or row.at != run[0].at or row.command_no in seen):
            yield run
            run, seen = [], set()
        run.append(row)
        if row.command_no is not None:
            seen.add(row.command_no)
    if run:
        yield run


class Projection:
    """Applies events to ``command_state`` and hands facts (acknowledged, …) to ``Facts``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._facts = Facts(database)
        self._handlers: dict[str, Callable[[Connection, list[EventRow]], None]] = {
            EventName.PLANNED: self._planned,
            EventName.SENDING: self._sending,
            EventName.ACCEPTED: self._accepted,
            EventName.VERIFIED: self._verified,
            EventName.REJECTED: self._refused,
            EventName.DIED: self._refused,
            EventName.SUPERSEDED: self._withdrawn,
            EventName.VOIDED: self._withdrawn,
            EventName.RETRY: self._retry,
            EventName.NOT_SENT: self._not_sent,
            EventName.UNKNOWN: self._unknown,
            EventName.TAKEN_OVER: self._taken_over,
            EventName.LOOKED_UP: self._looked_up,
            EventName.PARKED: self._parked,
            EventName.HELD: self._held,
            EventName.RELEASED: self._held,
            EventName.APPROVAL_REQUIRED: self._approval_changed,
            EventName.APPROVAL_EXPIRED: self._approval_changed,
            EventName.APPROVAL_GRANTED: self._approved,
            EventName.APPROVAL_REJECTED: self._approval_rejected,
            EventName.REOPENED: self._reopened,
        }

    def apply(self, connection: Connection, rows: Sequence[EventRow]) -> None:
        """Apply events in order. Unknown names change no state (they only tell the story)."""
        for run in _runs(rows):
            name = run[0].name
            handler = self._handlers.get(name) or self._facts.handler(name)
            if handler is not None:
                handler(connection, run)

    def rebuild(self, connection: Connection) -> int:
        """Throw every projection away and make it again from the log; returns events read."""
        for table in PROJECTIONS:
            self._run(connection, f"DELETE FROM {table.name}")  # noqa: S608 - our own names
        last, count = 0, 0
        while True:
            found = self._run(
                connection,
                "SELECT event_no, at, name, command_no, subject, actor, data FROM events"
                " WHERE event_no > ? ORDER BY event_no LIMIT 2000",
                (last,),
            ).fetchall()
            if not found:
                return count
            rows = [EventRow(*row) for row in found]
            self.apply(connection, rows)
            last, count = rows[-1].event_no, count + len(rows)

    def _run(self, connection: Connection, text: str, values: Sequence[Any] = ()) -> Any:
        return self._database.run(connection, text, values)

    # -- entering a lane -------------------------------------------------------------------------

    def _planned(self, connection: Connection, rows: list[EventRow]) -> None:
        held = [r for r in rows if orjson.loads(r.data)["is_held"]]
        open_ = [r for r in rows if not orjson.loads(r.data)["is_held"]]
        for part, is_held in ((open_, 0), (held, 1)):
            if not part:
                continue
            self._run(
                connection,
                "INSERT INTO command_state (command_no, system_id, object_name, business_key,"
                " operation, command_class, flow, lane, priority, state, needs_approval, is_held,"
                " since, sole_no) SELECT command_no, system_id, object_name, business_key,"
                " operation, command_class, flow, lane, priority, 'planned',"
                " CASE WHEN approval_rule <> '' THEN 1 ELSE 0 END, ?, ?,"
                " CASE WHEN command_class = 'state' THEN 0 ELSE command_no END"
                " FROM commands WHERE command_no IN {ids}",
                (is_held, part[0].at, _ids(part)),
            )
        # New commands are the last of their lanes: no present head has to give way.
        self._enter_lanes(connection, _ids(rows), is_new=True)

    def _enter_lanes(self, connection: Connection, ids: str, *, is_new: bool = False) -> None:
        """Work out what unsent commands wait for, and queue those that wait for nothing."""
        self._run(connection, _SETTLE_UNSENT, (ids,))
        self._run(connection, _ENTER_LANE, (ids,))
        if not is_new:
            self._run(connection, _CLEAR_HEADS, (ids,))
        self._run(connection, _SET_HEADS, (ids,))

    def _move_heads(self, connection: Connection, ids: str) -> None:
        """After commands left their lanes: let the next of each go."""
        self._run(connection, _SET_HEADS, (ids,))

    # -- on its way ------------------------------------------------------------------------------

    def _sending(self, connection: Connection, rows: list[EventRow]) -> None:
        for holder, run in groupby(rows, key=lambda r: orjson.loads(r.data)["holder"]):
            part = list(run)
            self._run(
                connection,
                f"UPDATE command_state SET state = 'sending', lane_phase = {_ON_ITS_WAY},"  # noqa: S608
                " is_lane_head = 0, attempts = attempts + 1, absences = 0, not_before = NULL,"
                " holder = ?, since = ? WHERE command_no IN {ids}",
                (holder, part[0].at, _ids(part)),
            )

    def _accepted(self, connection: Connection, rows: list[EventRow]) -> None:
        pairs = orjson.dumps([(r.command_no, orjson.loads(r.data)["native_id"]) for r in rows])
        self._run(
            connection,
            "UPDATE command_state SET state = 'accepted', lane_phase = NULL, is_lane_head = 0,"
            " may_have_effect = 1, native_id = coalesce(j.txt, ''), since = ?,"
            " holder = coalesce(holder, '') FROM {pairs} AS j"
            " WHERE command_state.command_no = j.no",
            (rows[0].at, pairs.decode()),
        )
        self._move_heads(connection, _ids(rows))

    def _verified(self, connection: Connection, rows: list[EventRow]) -> None:
        ids = _ids(rows)
        self._run(connection, _LEAVE + " WHERE command_no IN {ids}", ("verified", rows[0].at, ids))
        self._move_heads(connection, ids)
        self._facts.acknowledge_commands(connection, rows)
        waiting = self._run(
            connection,
            "SELECT DISTINCT d.command_no FROM dependencies d JOIN command_state s"
            " ON s.command_no = d.command_no WHERE d.after_no IN {ids} AND s.state = 'planned'",
            (ids,),
        ).fetchall()
        if waiting:
            self._enter_lanes(connection, orjson.dumps([row[0] for row in waiting]).decode())

    def _refused(self, connection: Connection, rows: list[EventRow]) -> None:
        """Rejected (the data is wrong) or died (the pipe is): final, and the lane moves on."""
        for row in rows:
            state = "rejected" if row.name == EventName.REJECTED else "dead"
            self._run(
                connection,
                _LEAVE + ", may_have_effect = ? WHERE command_no = ?",
                (state, row.at, int(orjson.loads(row.data)["may_have_effect"]), row.command_no),
            )
        self._move_heads(connection, _ids(rows))

    def _withdrawn(self, connection: Connection, rows: list[EventRow]) -> None:
        ids = _ids(rows)
        state = "superseded" if rows[0].name == EventName.SUPERSEDED else "void"
        self._run(connection, _LEAVE + " WHERE command_no IN {ids}", (state, rows[0].at, ids))
        self._run(
            connection,
            "UPDATE approvals SET is_void = 1 WHERE command_no IN {ids} AND is_void = 0",
            (ids,),
        )
        self._move_heads(connection, ids)

    def _retry(self, connection: Connection, rows: list[EventRow]) -> None:
        for row in rows:
            data = orjson.loads(row.data)
            self._run(
                connection,
                f"UPDATE command_state SET state = 'waiting', lane_phase = {_QUEUED},"  # noqa: S608
                " holder = NULL, failures = failures + ?, not_before = ?, since = ?"
                " WHERE command_no = ?",
                (int(data["is_failure"]), data["not_before"], row.at, row.command_no),
            )
        self._move_heads(connection, _ids(rows))

    def _not_sent(self, connection: Connection, rows: list[EventRow]) -> None:
        """Claimed, and then certainly not sent (the run was stopped, the lease ran short)."""
        self._run(
            connection,
            f"UPDATE command_state SET state = 'ready', lane_phase = {_QUEUED}, holder = NULL,"  # noqa: S608
            " since = ? WHERE command_no IN {ids}",
            (rows[0].at, _ids(rows)),
        )
        self._move_heads(connection, _ids(rows))

    # -- unknown ---------------------------------------------------------------------------------

    def _unknown(self, connection: Connection, rows: list[EventRow]) -> None:
        for row in rows:
            self._run(
                connection,
                "UPDATE command_state SET state = 'unknown', absences = 0, not_before = ?,"
                " may_have_effect = 1, since = ? WHERE command_no = ?",
                (orjson.loads(row.data)["look_up_after"], row.at, row.command_no),
            )

    def _taken_over(self, connection: Connection, rows: list[EventRow]) -> None:
        """A dead sender's command has a new holder; what it was sending became unknown."""
        for row in rows:
            data = orjson.loads(row.data)
            self._run(
                connection,
                "UPDATE command_state SET holder = ?, not_before = ?, may_have_effect = 1,"
                " state = CASE WHEN state = 'sending' THEN 'unknown' ELSE state END,"
                " since = CASE WHEN state = 'sending' THEN ? ELSE since END"
                " WHERE command_no = ?",
                (data["holder"], data["look_up_after"], row.at, row.command_no),
            )

    def _looked_up(self, connection: Connection, rows: list[EventRow]) -> None:
        """``result``: unclear (asks again), absent (once), gone (twice: may be sent again)."""
        for row in rows:
            data = orjson.loads(row.data)
            if data["result"] == "gone":
                self._run(
                    connection,
                    f"UPDATE command_state SET state = 'ready', lane_phase = {_QUEUED},"  # noqa: S608
                    " absences = 0, failures = failures + 1, may_have_effect = 0,"
                    " not_before = NULL, holder = NULL, since = ? WHERE command_no = ?",
                    (row.at, row.command_no),
                )
                self._move_heads(connection, _ids([row]))
            else:
                absences = "absences + 1" if data["result"] == "absent" else "0"
                self._run(
                    connection,
                    f"UPDATE command_state SET absences = {absences}, not_before = ?"  # noqa: S608
                    " WHERE command_no = ?",
                    (data["look_up_after"], row.command_no),
                )

    def _parked(self, connection: Connection, rows: list[EventRow]) -> None:
        """Nobody can look it up: it stays unknown, in nobody's hands, until a person speaks."""
        self._run(
            connection,
            "UPDATE command_state SET holder = NULL WHERE command_no IN {ids}",
            (_ids(rows),),
        )

    # -- people ----------------------------------------------------------------------------------

    def _held(self, connection: Connection, rows: list[EventRow]) -> None:
        is_held = int(rows[0].name == EventName.HELD)
        ids = _ids(rows)
        self._run(
            connection,
            "UPDATE command_state SET is_held = ?, since = ? WHERE command_no IN {ids}",
            (is_held, rows[0].at, ids),
        )
        self._enter_lanes(connection, ids)

    def _approval_changed(self, connection: Connection, rows: list[EventRow]) -> None:
        """A rule wants a person, or what a person granted ran out."""
        ids = _ids(rows)
        self._run(
            connection,
            "UPDATE command_state SET needs_approval = 1, approval_expires_at = NULL, since = ?"
            " WHERE command_no IN {ids}",
            (rows[0].at, ids),
        )
        self._run(
            connection,
            "UPDATE approvals SET is_void = 1 WHERE command_no IN {ids} AND is_void = 0",
            (ids,),
        )
        self._enter_lanes(connection, ids)

    def _approved(self, connection: Connection, rows: list[EventRow]) -> None:
        for row in rows:
            self._facts.record_approval(connection, row)
            data = orjson.loads(row.data)
            if data["is_complete"]:
                self._run(
                    connection,
                    "UPDATE command_state SET approval_expires_at = ?, since = ?"
                    " WHERE command_no = ?",
                    (data["expires_at"], row.at, row.command_no),
                )
        self._enter_lanes(connection, _ids(rows))

    def _approval_rejected(self, connection: Connection, rows: list[EventRow]) -> None:
        for row in rows:
            self._facts.record_approval(connection, row)
        ids = _ids(rows)
        self._run(connection, _LEAVE + " WHERE command_no IN {ids}", ("void", rows[0].at, ids))
        self._move_heads(connection, ids)

    def _reopened(self, connection: Connection, rows: list[EventRow]) -> None:
        """A person asks for another try: unsent again, or to be looked up when it may be there."""
        for row in rows:
            data = orjson.loads(row.data)
            if data["to"] == "unknown":
                self._run(
                    connection,
                    f"UPDATE command_state SET state = 'unknown', lane_phase = {_ON_ITS_WAY},"  # noqa: S608
                    " is_lane_head = 0, absences = 0, failures = 0, not_before = ?, holder = '',"
                    " since = ? WHERE command_no = ?",
                    (row.at, row.at, row.command_no),
                )
                self._run(connection, _CLEAR_HEADS, (_ids([row]),))
            else:
                self._run(
                    connection,
                    "UPDATE command_state SET state = 'planned', failures = 0, not_before = NULL,"
                    " since = ? WHERE command_no = ?",
                    (row.at, row.command_no),
                )
                self._enter_lanes(connection, _ids([row]))
