"""What a sender does, in one line each, for tests of the ledger alone."""

from reverse_etl.ledger.claims import Claimed, Group
from reverse_etl.ledger.commands import Command
from reverse_etl.ledger.store import Store

HOLDER = "test-holder"


def send(
    store: Store, system_id: str, *, limit: int = 1_000, holder: str = HOLDER
) -> list[Claimed]:
    """Claim every lane head of a system and mark it as sending."""
    found: list[Claimed] = []
    with store.unit() as unit:
        while group := store.claims.next_group(unit.connection, system_id, unit.now):
            heads = store.claims.heads(unit.connection, group, unit.now, limit)
            store.claims.mark_sending(unit, heads, holder)
            found += heads
    return found


def settle(store: Store, system_id: str, command: Command, end: str) -> Claimed:
    """Send one command and end it: verified, accepted, rejected, dead or unknown."""
    with store.unit() as unit:
        group = Group(system_id, command.object_name, command.operation, failures=0)
        heads = store.claims.heads(unit.connection, group, unit.now, 1_000)
        one = next(head for head in heads if head.command.command_id == command.command_id)
        store.claims.mark_sending(unit, [one], HOLDER)
        outcomes = store.outcomes
        if end == "rejected":
            outcomes.rejected(unit, one, code="BAD", message="no", field="amount", is_business=True)
        elif end == "dead":
            outcomes.died(unit, one, code="broken", message="no", may_have_effect=False)
        elif end == "unknown":
            outcomes.unknown(unit, [one], code="timeout", message="", look_up_at=unit.now)
        else:
            outcomes.accepted(unit, [(one, "N1")])
            if end == "verified":
                outcomes.verified(unit, [one])
    return one


def finish(store: Store, system_id: str, command: Command) -> Claimed:
    """Send a command and verify it."""
    return settle(store, system_id, command, "verified")
