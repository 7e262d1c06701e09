"""Commands for tests: one line each."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from reverse_etl.ledger.commands import (
    Command,
    CommandClass,
    Value,
    command_id_of,
    payload_hash_of,
)

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


def state(key: str, payload: Mapping[str, Value] | None = None, **more: Any) -> Command:
    """A state command on object ``accounts`` of system ``crm``."""
    return _command(
        key,
        {"status": "On Hold"} if payload is None else payload,
        CommandClass.STATE,
        {"system_id": "crm", "object_name": "accounts", "operation": "update"} | more,
    )


def posting(key: str, payload: Mapping[str, Value] | None = None, **more: Any) -> Command:
    """A posting on object ``journal_entries`` of system ``erp``."""
    return _command(
        key,
        {"amount": "12.5", "customer": "0000000042"} if payload is None else payload,
        CommandClass.POSTING,
        {"system_id": "erp", "object_name": "journal_entries", "operation": "post"} | more,
    )


def _command(
    key: str, payload: Mapping[str, Value], command_class: CommandClass, more: dict[str, Any]
) -> Command:
    revision = more.pop("revision", 1)
    values: dict[str, Any] = {
        "correlation_id": f"rcpt-{key}",
        "kind": "fake",
        "lane": f"{more['system_id']}/{key}",
        "flow": more["object_name"],
        "planned_at": NOW,
        **more,
    }
    identity = command_id_of(
        values["system_id"], values["object_name"], key, values["operation"], revision
    )
    return Command(
        command_id=identity,
        business_key=key,
        revision=revision,
        command_class=command_class,
        payload=payload,
        payload_hash=payload_hash_of(payload),
        **values,
    )
