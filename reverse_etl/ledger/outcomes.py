"""What a sender learnt, as events: outcomes, look-ups, read-backs, and the exceptions they open.

Nothing here decides; the engine does. Texts of vendors are masked before they enter the log.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from reverse_etl.ledger.claims import Claimed
from reverse_etl.ledger.clock import text_of
from reverse_etl.ledger.commands import Command, State
from reverse_etl.ledger.events import Entry, EventName, Unit, data_of
from reverse_etl.ledger.exceptions import BUSINESS, TECHNICAL, Exceptions, NewException
from reverse_etl.ledger.masking import mask_data, mask_text
from reverse_etl.ledger.values import canonical_json

__all__ = ["Outcomes", "exception_about"]


def exception_about(
    command: Command,
    number: int,
    *,
    exception_class: str,
    code: str,
    message: str,
    field: str = "",
    is_retryable: bool = True,
) -> NewException:
    """An exception about a command, with what people need to recognise it."""
    subject = command.subject
    return NewException(
        exception_class=exception_class,
        code=code,
        message=message,
        field=field,
        is_retryable=is_retryable,
        system_id=command.system_id,
        object_name=command.object_name,
        object_key=command.business_key,
        correlation_id=command.correlation_id,
        team=subject.get("team", ""),
        region=subject.get("region", ""),
        customer_id=subject.get("customer_id") or subject.get("customer", ""),
        customer_name=subject.get("customer_name", ""),
        invoice=subject.get("invoice") or subject.get("document", ""),
        amount_text=command.amount_text,
        currency_code=command.currency_code,
        command_no=number,
    )


class Outcomes:
    """Appends what became of claimed commands to an open unit."""

    def __init__(self, exceptions: Exceptions) -> None:
        self._exceptions = exceptions

    def accepted(self, unit: Unit, taken: Sequence[tuple[Claimed, str]]) -> None:
        """The target took them; each with its native id there."""
        unit.emit(
            [
                Entry(EventName.ACCEPTED, one.number, canonical_json({"native_id": native_id}))
                for one, native_id in taken
            ]
        )
        for one, native_id in taken:
            one.state, one.native_id = State.ACCEPTED, native_id

    def verified(self, unit: Unit, claimed: Sequence[Claimed]) -> int:
        """The read-back shows what was sent; returns how many exceptions that closed."""
        numbers = [one.number for one in claimed]
        unit.emit([Entry(EventName.VERIFIED, number) for number in numbers])
        for one in claimed:
            one.state = State.VERIFIED
        return self._exceptions.close_for_verified(unit, numbers)

    def rejected(
        self, unit: Unit, one: Claimed, *, code: str, message: str, field: str, is_business: bool
    ) -> None:
        """The target refused it, so it has no effect; a person must look."""
        data = data_of(
            code=code, message=mask_text(message), field=field, is_business=is_business,
            may_have_effect=False,
        )  # fmt: skip
        unit.emit([Entry(EventName.REJECTED, one.number, data)])
        one.state = State.REJECTED
        kind = BUSINESS if is_business else TECHNICAL
        self.open_about(unit, one, kind, code=code, message=message, field=field)

    def died(
        self,
        unit: Unit,
        one: Claimed,
        *,
        code: str,
        message: str,
        may_have_effect: bool,
        field: str = "",
        differences: Mapping[str, Any] | None = None,
    ) -> None:
        """Given up for a technical reason; a person must look."""
        data = data_of(
            code=code, message=mask_text(message), field=field, may_have_effect=may_have_effect,
            differences=mask_data(dict(differences or {})),
        )  # fmt: skip
        unit.emit([Entry(EventName.DIED, one.number, data)])
        one.state = State.DEAD
        self.open_about(unit, one, TECHNICAL, code=code, message=message, field=field)

    def open_about(
        self, unit: Unit, one: Claimed, kind: str, *, code: str, message: str, field: str = ""
    ) -> None:
        """An exception about a command, whatever its state."""
        about = exception_about(
            one.command, one.number, exception_class=kind, code=code, message=message, field=field
        )
        self._exceptions.open(unit, [about])

    def retry(
        self, unit: Unit, one: Claimed, *, code: str, message: str, at: datetime, is_failure: bool
    ) -> None:
        """Certainly no effect; due again at an instant. ``is_failure``: counts toward its end."""
        data = data_of(
            code=code, message=mask_text(message), not_before=text_of(at), is_failure=is_failure
        )
        unit.emit([Entry(EventName.RETRY, one.number, data)])
        one.state = State.WAITING

    def unknown(
        self, unit: Unit, taken: Sequence[Claimed], *, code: str, message: str, look_up_at: datetime
    ) -> None:
        """Sent, and no certain answer: to be looked up from an instant on."""
        data = data_of(code=code, message=mask_text(message), look_up_after=text_of(look_up_at))
        unit.emit([Entry(EventName.UNKNOWN, one.number, data) for one in taken])
        for one in taken:
            one.state, one.absences = State.UNKNOWN, 0

    def parked(self, unit: Unit, claimed: Sequence[Claimed]) -> None:
        """Unknown, with neither key nor look-up: it waits for a person, and is not sent again."""
        unit.emit([Entry(EventName.PARKED, one.number) for one in claimed])

    def looked_up(
        self, unit: Unit, one: Claimed, *, result: str, next_at: datetime, reason: str = ""
    ) -> None:
        """A look-up that did not find it: ``unclear``, ``absent`` (once) or ``gone`` (twice)."""
        data = data_of(result=result, look_up_after=text_of(next_at), reason=mask_text(reason))
        unit.emit([Entry(EventName.LOOKED_UP, one.number, data)])
        one.absences = one.absences + 1 if result == "absent" else 0
        if result == "gone":
            one.state = State.READY

    def late(self, unit: Unit, taken: Sequence[tuple[Claimed, str]]) -> None:
        """Answers that came when the command was no longer in this sender's hands."""
        unit.emit(
            [
                Entry(EventName.LATE_ANSWER, one.number, data_of(outcome=mask_text(text)))
                for one, text in taken
            ]
        )

    def not_sent(self, unit: Unit, claimed: Sequence[Claimed]) -> None:
        """Marked as sending, and then certainly not sent."""
        unit.emit([Entry(EventName.NOT_SENT, one.number) for one in claimed])
        for one in claimed:
            one.state = State.READY
