"""Commands and sendings as the engine makes them, for writer tests."""

from datetime import UTC, datetime

from reverse_etl.delivery.writer import Sending
from reverse_etl.ledger.commands import (
    Command,
    CommandClass,
    command_id_of,
    external_key_of,
    payload_hash_of,
)
from reverse_etl.planning.governance import load_governance

PLANNED_AT = datetime(2026, 5, 22, 6, 0, tzinfo=UTC)


def sending(kind, object_name, key, payload, *, revision=1, attempt=1, after=None):
    """One command of ``object_name`` on its way; ``after`` maps business keys to native ids."""
    target = load_governance().object(kind, object_name)
    system_id = f"{kind}_test"
    command_id = command_id_of(system_id, object_name, key, target.operation, revision)
    command = Command(
        command_id=command_id,
        correlation_id=f"test-{key}",
        system_id=system_id,
        kind=kind,
        object_name=object_name,
        business_key=key,
        operation=target.operation,
        revision=revision,
        command_class=CommandClass(target.command_class),
        payload=payload,
        payload_hash=payload_hash_of(payload),
        lane=f"{system_id}/{key}",
        flow=target.flow,
        planned_at=PLANNED_AT,
    )
    return Sending(command, external_key_of(command_id), attempt, after or {})


def by_key(batch, found):
    """Outcomes by business key, which tests can read."""
    return {s.command.business_key: found[s.command.command_id] for s in batch}
