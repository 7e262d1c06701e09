"""Commands that wait for others: what happens to them when those will never be sent."""

from collections.abc import Sequence

import orjson

from reverse_etl.ledger.events import Entry, EventName, Unit, data_of

__all__ = ["dependants", "withdraw_dependants"]


def dependants(unit: Unit, numbers: Sequence[int]) -> list[int]:
    """Unsent commands that wait, directly or not, for any of these."""
    found: list[int] = []
    wave = list(numbers)
    while wave:
        rows = unit.database.run(
            unit.connection,
            "SELECT DISTINCT d.command_no FROM dependencies d JOIN command_state s"
            " ON s.command_no = d.command_no WHERE d.after_no IN {ids}"
            " AND s.state IN ('planned','awaiting_approval')",
            (orjson.dumps(wave).decode(),),
        )
        wave = [row[0] for row in rows if row[0] not in found]
        found += wave
    return found


def withdraw_dependants(unit: Unit, number: int) -> None:
    """Take back what waits for a command that was given up; the planner decides anew."""
    data = data_of(reason="the command it waits for was given up")
    waiting = dependants(unit, [number])
    unit.emit([Entry(EventName.SUPERSEDED, one, data) for one in waiting])
