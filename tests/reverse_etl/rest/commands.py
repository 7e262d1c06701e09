"""Commands for a REST object, as the engine hands them to the writer."""

from reverse_etl.delivery.writer import Sending
from reverse_etl.ledger.commands import (
    Command,
    CommandClass,
    command_id_of,
    external_key_of,
    payload_hash_of,
)
from tests.reverse_etl.support import PLANNED_AT


def a_sending(key, payload, *, operation="upsert", native_id=""):
    command_id = command_id_of("desk", "invoices", key, operation, 1)
    command = Command(
        command_id=command_id,
        correlation_id=f"invoices-{key}",
        system_id="desk",
        kind="rest",
        object_name="invoices",
        business_key=key,
        operation=operation,
        revision=1,
        command_class=CommandClass.STATE,
        payload=payload,
        payload_hash=payload_hash_of(payload),
        lane=f"desk/{key}",
        flow="push",
        planned_at=PLANNED_AT,
    )
    return Sending(command, external_key_of(command_id), 1, native_id=native_id)
