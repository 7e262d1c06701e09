"""How a command lies in its table: column order, hash of the row, and back to a ``Command``."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from reverse_etl.ledger.clock import instant_of
from reverse_etl.ledger.commands import Command, CommandClass
from reverse_etl.ledger.values import sha256_hex

__all__ = ["COMMAND_COLUMNS", "SELECT_COMMAND", "StoredCommand", "command_of", "row_hash"]

COMMAND_COLUMNS = (
    "command_no", "command_id", "correlation_id", "system_id", "kind", "object_name",
    "business_key", "operation", "revision", "command_class", "payload", "payload_hash", "lane",
    "flow", "planned_at", "after", "priority", "approval_rule", "proposed_by", "proposer_os_user",
    "amount_text", "currency_code", "subject", "customer_id",
)  # fmt: skip

#: The columns of a command with the alias ``c``, in the order of ``COMMAND_COLUMNS``.
SELECT_COMMAND = ", ".join(f"c.{name}" for name in COMMAND_COLUMNS)

_CLASSES = {str(one): one for one in CommandClass}


@dataclass(frozen=True, slots=True)
class StoredCommand:
    """A recorded command and where it stands."""

    command: Command
    state: str
    native_id: str
    attempts: int
    since: str
    approval_expires_at: str | None = None
    approvals: tuple[str, ...] = ()


def row_hash(row: Sequence[Any]) -> str:
    """Hash of a command's whole row; its ``planned`` event carries it into the chain."""
    return sha256_hex(orjson.dumps(tuple(row)))


def command_of(row: Sequence[Any]) -> Command:
    """A row in the order of ``COMMAND_COLUMNS`` (or longer) to a command."""
    return Command(
        command_id=row[1],
        correlation_id=row[2],
        system_id=row[3],
        kind=row[4],
        object_name=row[5],
        business_key=row[6],
        operation=row[7],
        revision=row[8],
        command_class=_CLASSES[row[9]],
        payload=orjson.loads(row[10]),
        payload_hash=row[11],
        lane=row[12],
        flow=row[13],
        planned_at=instant_of(row[14]),
        after=tuple(orjson.loads(row[15])) if row[15] else (),
        priority=row[16],
        approval_rule=row[17],
        proposed_by=row[18],
        amount_text=row[20],
        currency_code=row[21],
        subject=orjson.loads(row[22]) if row[22] else {},
    )
