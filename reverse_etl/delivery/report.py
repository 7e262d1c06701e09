"""What a delivery did, in counts; and its progress while it runs."""

from dataclasses import dataclass, field

__all__ = ["DeliveryReport", "ObjectCounts", "Progress"]


@dataclass(slots=True)
class ObjectCounts:
    """Counts of one object of one system."""

    sent: int = 0
    verified: int = 0
    rejected: int = 0
    dead: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a running delivery stands. Counts of commands, except ``in_flight`` (requests)."""

    sent: int
    accepted: int
    verified: int
    failed: int
    in_flight: int
    following: int


@dataclass(slots=True)
class DeliveryReport:
    """Counts of commands unless the name says otherwise.

    Attributes:
        sent: commands that left in a write request; one that was sent twice counts twice.
        accepted, verified, rejected, dead: what they became in this run.
        waiting, unknown, unconfirmed: what this run left for the next or for a person:
            due later, outcome unknown, accepted but not confirmed by the target in time.
        awaiting_approval, planned: what could not leave (people, modes, predecessors).
        held_elsewhere: on their way in other processes' hands.
        exceptions_opened, exceptions_closed: counts of events; one seen again counts too.
        requests: calls of ``send``; look_ups and read_backs: calls of those.
        in_flight_max: the most calls that were open at once, by system.
        unanswered: requests without an answer when a stopped run ended.
        systems_given_up: systems that could not be reached for too long.
        messages: what was left and why, in plain words.
    """

    sent: int = 0
    accepted: int = 0
    verified: int = 0
    rejected: int = 0
    dead: int = 0
    retried: int = 0
    not_sent: int = 0
    waiting: int = 0
    unknown: int = 0
    unconfirmed: int = 0
    ready: int = 0
    awaiting_approval: int = 0
    planned: int = 0
    held_elsewhere: int = 0
    exceptions_opened: int = 0
    exceptions_closed: int = 0
    requests: int = 0
    look_ups: int = 0
    read_backs: int = 0
    late_answers: int = 0
    taken_over: int = 0
    unanswered: int = 0
    seconds: float = 0.0
    seed: int = 0
    is_stopped: bool = False
    by_object: dict[tuple[str, str], ObjectCounts] = field(default_factory=dict)
    in_flight_max: dict[str, int] = field(default_factory=dict)
    systems_given_up: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Nothing that could be sent is left, and nothing went wrong."""
        left = self.waiting + self.unknown + self.unconfirmed + self.ready + self.held_elsewhere
        failed = self.rejected + self.dead
        return not (left or failed or self.systems_given_up or self.is_stopped)

    def of(self, system_id: str, object_name: str) -> ObjectCounts:
        """The counts of an object, made when first asked for."""
        return self.by_object.setdefault((system_id, object_name), ObjectCounts())
