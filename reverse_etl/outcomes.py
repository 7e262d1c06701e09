"""From a client's error to an outcome: which action a vendor's status or code stands for.

Every kind brings its own table (``<kind>/settings.py``); the reading of it is the same for all and
stands here once. A writer never raises for a row: whatever a client raises becomes a value. What
no table knows is judged by the one safe rule: after a write, not certain means unknown.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from ingestion.common.errors import (
    InputRefused,
    LedgerloopError,
    Reauthenticate,
    RetryLater,
    VendorRejected,
)
from reverse_etl.delivery.verifying import differences
from reverse_etl.delivery.writer import (
    Absent,
    Accepted,
    Found,
    LookUp,
    Outcome,
    ReadBack,
    Rejected,
    Retry,
    Sending,
    Unknown,
)

__all__ = ["Action", "OutcomeTable", "found_by_fields", "outcomes_of_whole", "rejected_input"]

#: Statuses that may be one row's fault: bad content, too large, a SOAP fault of the sender.
_ROW_STATUSES = frozenset({400, 413, 422, 500})


class Action(StrEnum):
    """What a status or code of a refusal means for the command."""

    REJECT = "reject"  # the data is wrong: a person or a correction is needed
    REJECT_TECHNICAL = "reject_technical"  # the request or our rights are wrong
    RETRY = "retry"  # no effect; this row may be sent again
    RETRY_SYSTEM = "retry_system"  # no effect; the whole system must pause
    UNKNOWN = "unknown"  # perhaps an effect: look it up
    FOUND = "found"  # the target already is as wanted


@dataclass(frozen=True, slots=True)
class OutcomeTable:
    """A kind's table. A code goes before a status; what neither names is a business refusal.

    Attributes:
        codes: vendor code to action, written as the vendor writes it.
        statuses: HTTP status to action.
        retry_seconds: how long to wait where the vendor said nothing, by code.
    """

    codes: Mapping[str, Action] = field(default_factory=dict)
    statuses: Mapping[int, Action] = field(default_factory=dict)
    retry_seconds: Mapping[str, float] = field(default_factory=dict)

    def action_of(self, code: str, status: int = 0) -> Action:
        """The action of a refusal by its code (without an XML prefix), else by its HTTP status."""
        found = (
            self.codes.get(code)
            or self.codes.get(code.rpartition(":")[2])
            or self.statuses.get(status)
        )
        if found is None:
            found = Action.UNKNOWN if status >= 500 else Action.REJECT
        return found

    def of_refusal(
        self, code: str, message: str, *, status: int = 0, field_name: str = "", native_id: str = ""
    ) -> Outcome:
        """The outcome of one refused row or request."""
        match self.action_of(code, status):
            case Action.REJECT:
                return Rejected(code, message, field_name)
            case Action.REJECT_TECHNICAL:
                return Rejected(code, message, field_name, is_business=False)
            case Action.RETRY:
                return Retry(code, message, self.retry_seconds.get(code))
            case Action.RETRY_SYSTEM:
                return Retry(code, message, self.retry_seconds.get(code), is_system_wide=True)
            case Action.FOUND:
                return Accepted(native_id)
            case _:
                return Unknown(code, message)

    def of_error(
        self,
        error: LedgerloopError,
        *,
        field_of: Callable[[str], str] = lambda native: native,
        native_id: str = "",
    ) -> Outcome:
        """The outcome that a client's error means for every row of its request.

        Args:
            error: what the client raised.
            field_of: vendor field to hub field, for refusals that name one.
            native_id: what to call the effect when the target already is as wanted.
        """
        if isinstance(error, VendorRejected):
            return self.of_refusal(
                error.code,
                error.message,
                status=error.status,
                field_name=field_of(error.field),
                native_id=native_id,
            )
        if isinstance(error, RetryLater):
            after = error.after_seconds
            if after is None:
                after = self.retry_seconds.get(error.code)
            is_wide = self.codes.get(error.code, Action.RETRY_SYSTEM) is Action.RETRY_SYSTEM
            return Retry(error.code, error.message, after, is_system_wide=is_wide)
        if isinstance(error, Reauthenticate):
            return Retry(error.code or "session", error.message, is_system_wide=True)
        return Unknown(error.code or type(error).__name__, error.message)


def outcomes_of_whole(
    batch: Sequence[Sending], error: LedgerloopError, table: OutcomeTable
) -> dict[str, Outcome]:
    """What an error of a whole request means for each of its rows.

    A refusal that one row may have caused (bad content, too large) is marked as the batch's, so
    that the engine halves it until only that row is refused; rights and sessions are not.

    Args:
        batch: what the request carried.
        error: what the client raised.
        table: the kind's outcomes.
    """
    outcome = table.of_error(error)
    if (
        isinstance(outcome, Rejected)
        and isinstance(error, VendorRejected)
        and error.status in _ROW_STATUSES
    ):
        outcome = replace(outcome, is_whole_batch=True)
    return {sending.command.command_id: outcome for sending in batch}


def found_by_fields(batch: Sequence[Sending], held: Mapping[str, ReadBack]) -> dict[str, LookUp]:
    """The look-up of state commands: there when the target holds every field as it was sent."""
    found: dict[str, LookUp] = {}
    for sending in batch:
        command = sending.command
        row = held.get(command.command_id)
        is_there = (
            row is not None
            and row.fields is not None
            and not differences(command.payload, row.fields, frozenset())
        )
        found[command.command_id] = Found(row.native_id) if row and is_there else Absent()
    return found


def rejected_input(refused: InputRefused) -> Rejected:
    """A command that cannot be turned into the vendor's message: wrong data, never sent."""
    return Rejected(refused.code, refused.message, refused.where)
