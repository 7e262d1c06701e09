"""Is what was read still what the ERP holds, as far as the operations database knows?

Several runs may share one operations database, each with its own reading. A posting that any of
them made after a reading makes that reading old. It knows nothing of changes by other hands.
"""

from datetime import datetime

from reverse_etl.ledger.clock import text_of
from reverse_etl.ledger.commands import CommandClass, State
from reverse_etl.ledger.store import Store

__all__ = ["posted_since"]

#: States in which a posting may have an effect in the target.
_MAY_BE_THERE = (State.SENDING, State.UNKNOWN, State.ACCEPTED, State.VERIFIED)


def posted_since(store: Store, instant: datetime) -> bool:
    """Whether any posting may have reached its target since an instant, whoever sent it."""
    marks = ", ".join("?" for _ in _MAY_BE_THERE)
    with store.database.read() as connection:
        found = store.database.run(
            connection,
            "SELECT 1 FROM command_state WHERE command_class = ? AND since >= ?"  # noqa: S608
            f" AND state IN ({marks}) LIMIT 1",
            (str(CommandClass.POSTING), text_of(instant), *map(str, _MAY_BE_THERE)),
        ).first()
    return found is not None
