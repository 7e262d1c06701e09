"""Commands in a sender's hands: as a writer gets them, as a log line tells them, all alike.

Small views for ``calls.py``; nothing here calls anybody or knows a state.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from reverse_etl.delivery.writer import Outcome, Rejected, Sending
from reverse_etl.ledger.claims import Claimed

__all__ = ["about", "all_alike", "instant", "is_refused_whole", "sending_of"]


def sending_of(one: Claimed) -> Sending:
    """A claimed command as the writer gets it."""
    command = one.command
    return Sending(command, one.external_key, one.attempts, one.predecessors, one.native_id)


def all_alike(part: Sequence[Claimed], outcome: Outcome) -> dict[str, Outcome]:
    """The same outcome for every command of a request."""
    return {one.command.command_id: outcome for one in part}


def is_refused_whole(part: Sequence[Claimed], outcomes: Mapping[str, Outcome]) -> bool:
    """Whether the target refused all rows together without naming one."""
    found = [outcomes[one.command.command_id] for one in part]
    return all(isinstance(one, Rejected) and one.is_whole_batch for one in found)


def instant(seconds: float) -> datetime:
    """Epoch seconds as an instant in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


def about(one: Claimed) -> dict[str, object]:
    """What every log line about a command carries."""
    command = one.command
    return {
        "correlation_id": command.correlation_id,
        "command_id": command.command_id,
        "system_id": command.system_id,
        "object_name": command.object_name,
        "business_key": command.business_key,
        "attempt": one.attempts,
    }
