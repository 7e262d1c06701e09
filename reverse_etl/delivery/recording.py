"""Group commit: what many tasks learnt goes into the log in one transaction.

The plentiful outcomes (accepted, verified) are kept in lists and written in bulk; the rare ones as
small actions. Every outcome is fenced: when the command is no longer in this sender's hands, the
answer came late and is only noted, it changes no state.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from reverse_etl.ledger.claims import Claimed
from reverse_etl.ledger.commands import State
from reverse_etl.ledger.events import Unit
from reverse_etl.ledger.store import Store

__all__ = ["Recorder", "Recording"]

Action = Callable[[Unit], None]
_ANSWERABLE = frozenset({State.SENDING, State.UNKNOWN})


@dataclass(slots=True)
class Recording:
    """What one transaction took in."""

    accepted: list[Claimed] = field(default_factory=list)
    verified: list[Claimed] = field(default_factory=list)
    late: int = 0
    exceptions_closed: int = 0


@dataclass(slots=True)
class Recorder:
    """Collects outcomes between commits."""

    store: Store
    holder: str
    _accepted: list[tuple[Claimed, str]] = field(default_factory=list)
    _verified: list[Claimed] = field(default_factory=list)
    _resending: list[Claimed] = field(default_factory=list)
    _actions: list[tuple[Claimed, str, Action]] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether anything waits to be recorded."""
        return bool(self._accepted or self._verified or self._resending or self._actions)

    def accept(self, one: Claimed, native_id: str) -> None:
        self._accepted.append((one, native_id))

    def verify(self, one: Claimed) -> None:
        self._verified.append(one)

    def resend(self, claimed: list[Claimed]) -> None:
        """These are about to leave again, in a smaller batch."""
        self._resending += claimed

    def act(self, one: Claimed, name: str, action: Action) -> None:
        """Any other outcome; ``name`` is what the log notes when it came late."""
        self._actions.append((one, name, action))

    def write(self, unit: Unit) -> Recording:
        """Put everything collected into the log. On failure the transaction undoes it all."""
        numbers = [one.number for one, _ in self._accepted]
        numbers += [one.number for one in self._verified]
        numbers += [one.number for one in self._resending]
        numbers += [one.number for one, _, _ in self._actions]
        recording = Recording()
        if not numbers:
            return recording
        states = self.store.claims.owned(unit.connection, numbers, self.holder)
        late: list[tuple[Claimed, str]] = []
        self._write_accepted(unit, states, recording, late)
        self._write_verified(unit, states, recording, late)
        resending = [one for one in self._resending if states.get(one.number) == State.SENDING]
        if resending:
            self.store.claims.mark_sending(unit, resending, self.holder)
        for one, name, action in self._actions:
            if one.number in states:
                action(unit)
            else:
                late.append((one, name))
        if late:
            self.store.outcomes.late(unit, late)
            recording.late = len(late)
        self._clear()
        return recording

    def _write_accepted(
        self,
        unit: Unit,
        states: dict[int, str],
        recording: Recording,
        late: list[tuple[Claimed, str]],
    ) -> None:
        taken = [item for item in self._accepted if states.get(item[0].number) in _ANSWERABLE]
        if taken:
            self.store.outcomes.accepted(unit, taken)
        recording.accepted = [one for one, _ in taken]
        if len(taken) < len(self._accepted):
            kept = {one.number for one, _ in taken}
            late += [
                (one, f"accepted {native_id}")
                for one, native_id in self._accepted
                if one.number not in kept
            ]

    def _write_verified(
        self,
        unit: Unit,
        states: dict[int, str],
        recording: Recording,
        late: list[tuple[Claimed, str]],
    ) -> None:
        taken = [one for one in self._verified if states.get(one.number) == State.ACCEPTED]
        if taken:
            recording.exceptions_closed = self.store.outcomes.verified(unit, taken)
        recording.verified = taken
        if len(taken) < len(self._verified):
            kept = {one.number for one in taken}
            late += [(one, "verified") for one in self._verified if one.number not in kept]

    def _clear(self) -> None:
        self._accepted.clear()
        self._verified.clear()
        self._resending.clear()
        self._actions.clear()
