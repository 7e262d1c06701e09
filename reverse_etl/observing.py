"""What a target holds of some keys now, read through its writer's own read-back.

For comparing a pushed table with a governed object: the keys are known, and the writer knows how to
read them. It sends and decides nothing.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

from reverse_etl.delivery.writer import Sending, Writer
from reverse_etl.ledger.commands import Command, Value, command_id_of
from reverse_etl.ledger.values import canonical_value
from reverse_etl.planning.governance import TargetObject

__all__ = ["observe_keys"]

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


async def observe_keys(
    writer: Writer, target: TargetObject, keys: Sequence[str]
) -> AsyncIterator[list[tuple[str, tuple[str | None, ...]]]]:
    """Pages of (key, canonical texts in the order of the compared fields) of rows that are there.

    Args:
        writer: of the system that is asked.
        target: the object.
        keys: which rows.

    Raises:
        LedgerloopError: the target could not be read.
    """
    names = [f.name for f in target.compared]
    size = writer.limits(target.name, target.operation).read_batch_max
    for start in range(0, len(keys), size):
        asked = [
            _question(writer.system_id, target, key, names) for key in keys[start : start + size]
        ]
        found = await writer.read_back(asked)
        page = []
        for one in asked:
            row = found.get(one.command.command_id)
            if row is not None and row.fields is not None:
                texts = tuple(canonical_value(row.fields.get(name)) or None for name in names)
                page.append((one.command.business_key, texts))
        yield page


def _question(system_id: str, target: TargetObject, key: str, names: Sequence[str]) -> Sending:
    """A command that is never recorded or sent: it only says what to read."""
    nothing: dict[str, Value] = dict.fromkeys(names)
    command = Command(
        command_id=command_id_of(system_id, target.name, key, "observe", 0),
        correlation_id="observe",
        system_id=system_id,
        kind=target.kind,
        object_name=target.name,
        business_key=key,
        operation=target.operation,
        revision=0,
        command_class=target.command_class,
        payload=nothing,
        payload_hash="",
        lane="",
        flow=target.flow,
        planned_at=_NEVER,
    )
    return Sending(command, "", 0)
