"""Commands: one intended change in one target, immutable once recorded (DESIGN §6).

The id is a hash of what the command *is* (system, object, business key, operation, revision) and
never of amounts, dates, as-of, run or attempt; the payload hash stands beside it. The same id with
another payload is refused by the store.
"""

import hashlib
import json
from base64 import b32encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

__all__ = [
    "FINAL_STATES",
    "Command",
    "CommandClass",
    "State",
    "Value",
    "command_id_of",
    "external_key_of",
    "payload_hash_of",
]

#: What a payload may hold: JSON without floats. Money and dates are text, so nothing is lost.
Value = str | int | bool | None | list["Value"] | dict[str, "Value"]


class CommandClass(StrEnum):
    """*state*: set these fields on this key. *posting*: money moves; it happens once."""

    STATE = "state"
    POSTING = "posting"


class State(StrEnum):
    """Where a command stands in its life (DESIGN §6)."""

    PLANNED = "planned"
    AWAITING_APPROVAL = "awaiting_approval"
    READY = "ready"
    SENDING = "sending"
    ACCEPTED = "accepted"
    VERIFIED = "verified"
    REJECTED = "rejected"
    WAITING = "waiting"
    UNKNOWN = "unknown"
    DEAD = "dead"
    SUPERSEDED = "superseded"
    VOID = "void"


FINAL_STATES = frozenset({State.VERIFIED, State.REJECTED, State.DEAD, State.SUPERSEDED, State.VOID})


@dataclass(frozen=True, slots=True)
class Command:
    """One intended change in one target.

    Attributes:
        command_id: 64 hex characters, see ``command_id_of``.
        correlation_id: the business process this belongs to, across all systems.
        system_id: the target system; ``kind`` its kind; ``object_name`` as in governance.yml.
        business_key: state: the target object's key; posting: the thing that happened.
        operation: the writer's verb, such as ``post``, ``clear``, ``update``, ``upsert``.
        payload: hub field name to value; only changed fields for a state command.
        lane: commands of a lane are delivered strictly in order; lanes run in parallel.
        after: ids of commands that must be verified before this one may be sent.
        approval_rule: the policy rule that wants a person, empty when none does.
        amount_text: money at stake as canonical text in ``currency_code``, empty when none.
        subject: plain words for people: customer, customer_name, company_code, invoice, region.
    """

    command_id: str
    correlation_id: str
    system_id: str
    kind: str
    object_name: str
    business_key: str
    operation: str
    revision: int
    command_class: CommandClass
    payload: Mapping[str, Value]
    payload_hash: str
    lane: str
    flow: str
    planned_at: datetime
    after: tuple[str, ...] = ()
    priority: int = 100
    approval_rule: str = ""
    proposed_by: str = "ledgerloop"
    amount_text: str = ""
    currency_code: str = ""
    subject: Mapping[str, str] = field(default_factory=dict)

    @property
    def amount(self) -> Decimal:
        """Money at stake, zero when the command moves none."""
        return Decimal(self.amount_text or "0")


def command_id_of(
    system_id: str, object_name: str, business_key: str, operation: str, revision: int
) -> str:
    """The command's identity. Never contains amounts, dates, as-of, run or attempt."""
    parts = "\x1f".join((system_id, object_name, business_key, operation, str(revision)))
    return hashlib.sha256(parts.encode()).hexdigest()


def payload_hash_of(payload: Mapping[str, Value]) -> str:
    """Hash of the canonical JSON of a payload (sorted keys, no blanks)."""
    text = json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def external_key_of(command_id: str) -> str:
    """The key that travels into targets with little room: 20 base32 characters (100 bits).

    SAP's ``Reference3IDByBusinessPartner`` holds 20 characters (contracts/erp.md §1.4).
    """
    return b32encode(bytes.fromhex(command_id[:26]))[:20].decode()
