"""Telling people about a system that could not be reached, and that it is back."""

from collections.abc import Iterable

from reverse_etl.delivery.target import Target
from reverse_etl.ledger.events import Unit
from reverse_etl.ledger.exceptions import TECHNICAL, NewException
from reverse_etl.ledger.store import Store

__all__ = ["note_outages"]

_CODE = "system_unreachable"


def note_outages(store: Store, unit: Unit, targets: Iterable[Target]) -> int:
    """Open an exception per system that was given up, close those of systems that answered.

    Returns:
        How many were opened or seen again.
    """
    opened = 0
    for target in targets:
        if target.is_given_up:
            message = (
                f"{target.system_id} could not be reached; what is planned for it waits for the "
                "next run"
            )
            new = NewException(TECHNICAL, _CODE, message, system_id=target.system_id)
            store.open_exceptions_in(unit, [new])
            opened += 1
        elif target.pacer.has_succeeded:
            store.close_exceptions_in(
                unit, system_id=target.system_id, code=_CODE, reason="the system answers again"
            )
    return opened
