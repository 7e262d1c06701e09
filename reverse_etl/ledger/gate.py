"""The gate before delivery: modes per flow, and approvals that ran out.

A flow that does not send keeps its commands ``planned`` and out of their lanes, so that they hold
nobody up. Runs at the start of each delivery; ``check`` judges again whatever was recorded since.
"""

from collections.abc import Sequence

import orjson

from reverse_etl.ledger.claims import Claimed
from reverse_etl.ledger.database import Database
from reverse_etl.ledger.events import Entry, EventName, Unit, data_of
from reverse_etl.ledger.modes import Mode, Modes

__all__ = ["apply_modes", "refuse"]

_UNSENT = "('planned','awaiting_approval','ready','waiting')"
_PAGE = 2_000


def apply_modes(
    database: Database, unit: Unit, modes: Modes, system_ids: Sequence[str]
) -> dict[str, int]:
    """Hold, release and ask for approval as the modes say; returns counts by event name."""
    counts: dict[str, int] = {}
    flows = database.run(
        unit.connection,
        "SELECT DISTINCT system_id, flow FROM command_state WHERE system_id IN {texts}"
        " AND state NOT IN ('verified','rejected','dead','superseded','void')",
        (orjson.dumps(list(system_ids)).decode(),),
    ).fetchall()
    for system_id, flow in flows:
        mode = modes.of(system_id, flow)
        place = (system_id, flow)
        if not mode.sends:
            _emit_all(database, unit, EventName.HELD, "is_held = 0", place, counts)
            continue
        _emit_all(database, unit, EventName.RELEASED, "is_held = 1", place, counts)
        if mode is Mode.APPROVE_ALL:
            condition = "needs_approval = 0"
            _emit_all(database, unit, EventName.APPROVAL_REQUIRED, condition, place, counts)
        condition = f"approval_expires_at <= '{unit.at}'"
        _emit_all(database, unit, EventName.APPROVAL_EXPIRED, condition, place, counts)
    return counts


def _emit_all(
    database: Database,
    unit: Unit,
    name: EventName,
    condition: str,
    place: tuple[str, str],
    counts: dict[str, int],
) -> None:
    """One event for every unsent command of a flow that meets a condition, in pages."""
    data = data_of(rule="mode_approve_all") if name is EventName.APPROVAL_REQUIRED else ""
    last = 0
    while True:
        rows = database.run(
            unit.connection,
            "SELECT command_no FROM command_state WHERE system_id = ? AND flow = ?"  # noqa: S608
            f" AND command_no > ? AND state IN {_UNSENT} AND {condition}"
            f" ORDER BY command_no LIMIT {_PAGE}",
            (*place, last),
        ).fetchall()
        if not rows:
            return
        unit.emit([Entry(name, row[0], data) for row in rows])
        counts[name] = counts.get(name, 0) + len(rows)
        last = rows[-1][0]


def refuse(one: Claimed, modes: Modes, *, is_approved: bool) -> Entry | None:
    """The event that keeps a claimed command from leaving, or None when it may go."""
    mode = modes.of(one.command.system_id, one.command.flow)
    if not mode.sends:
        return Entry(EventName.HELD, one.number)
    if mode is Mode.APPROVE_ALL and not one.needs_approval:
        data = data_of(rule="mode_approve_all")
        return Entry(EventName.APPROVAL_REQUIRED, one.number, data)
    if one.needs_approval and not is_approved:
        return Entry(EventName.APPROVAL_EXPIRED, one.number)
    return None
