"""Telling people about systems and objects that a run had to leave, and that they are back."""

from collections.abc import Iterable

from reverse_etl.delivery.target import Target
from reverse_etl.ledger.events import Unit
from reverse_etl.ledger.exceptions import TECHNICAL, NewException
from reverse_etl.ledger.store import Store

__all__ = ["note_outages", "outage_text", "undeliverable_texts"]

_UNREACHABLE = "system_unreachable"
_UNDELIVERABLE = "not_configured"


def outage_text(target: Target) -> str:
    """Why a system was given up, in plain words."""
    return (
        f"{target.system_id} could not be reached, or only asked for less, for too long; what is "
        "planned for it waits for the next run"
    )


def undeliverable_texts(target: Target) -> dict[str, str]:
    """Objects of a system whose commands were left alone, each with the reason in plain words."""
    return {
        object_name: f"{reason}; the commands recorded for it wait until it does, or is given up"
        for (object_name, _), reason in target.undeliverable.items()
    }


def note_outages(store: Store, unit: Unit, targets: Iterable[Target]) -> int:
    """Open an exception per system that was given up and per object that cannot be delivered.

    Those of systems that answered, and of systems that can do all that is recorded, are closed.

    Returns:
        How many were opened or seen again.
    """
    new: list[NewException] = []
    for target in targets:
        system_id = target.system_id
        if target.is_given_up:
            new.append(
                NewException(TECHNICAL, _UNREACHABLE, outage_text(target), system_id=system_id)
            )
        elif target.pacer.has_succeeded:
            store.close_exceptions_in(
                unit, system_id=system_id, code=_UNREACHABLE, reason="the system answers again"
            )
        new += [
            NewException(
                TECHNICAL, _UNDELIVERABLE, text, system_id=system_id, object_name=object_name
            )
            for object_name, text in undeliverable_texts(target).items()
        ]
        if not target.undeliverable:
            store.close_exceptions_in(
                unit, system_id=system_id, code=_UNDELIVERABLE, reason="it is configured again"
            )
    store.open_exceptions_in(unit, new)
    return len(new)
