"""Commands that a look-up or read-back is due for, in memory, bounded, ordered by due time.

A queue of this sort is only a convenience: everything in it is in the log as well, and the next
run finds it there.
"""

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from reverse_etl.ledger.claims import Claimed

__all__ = ["FollowUp", "FollowUps"]


@dataclass(slots=True)
class FollowUp:
    """One command to ask about. Instants are epoch seconds.

    Attributes:
        since: when the target accepted it, or when its outcome became unknown.
        due: when to ask next.
        tries: answers so far.
        absent_from: before this instant a look-up that does not find it says nothing.
    """

    claimed: Claimed
    since: float
    due: float
    tries: int = 0
    absent_from: float = 0.0


@dataclass(slots=True)
class FollowUps:
    """The follow-ups of one sort (look-ups or read-backs) of one system, by operation."""

    _queues: dict[tuple[str, str], list[tuple[float, int, FollowUp]]] = field(default_factory=dict)
    _sequence: int = 0
    _count: int = 0
    busy: int = 0
    """Calls that are on their way."""
    gather_until: float = 0.0
    """Until then a small call waits for company."""

    def call_ended(self) -> None:
        """One call has ended, however it ended."""
        self.busy -= 1

    def __len__(self) -> int:
        return self._count

    def add(self, items: Sequence[FollowUp]) -> None:
        """Queue follow-ups at their due times."""
        for item in items:
            command = item.claimed.command
            queue = self._queues.setdefault((command.object_name, command.operation), [])
            self._sequence += 1
            heapq.heappush(queue, (item.due, self._sequence, item))
        self._count += len(items)

    def next_due(self) -> float | None:
        """When the first is due, None when there is none."""
        return min((queue[0][0] for queue in self._queues.values() if queue), default=None)

    def due_counts(self, now: float) -> Iterator[tuple[tuple[str, str], float, int]]:
        """Operations with something due: the operation, since when, and how many in all."""
        for operation, queue in self._queues.items():
            if queue and queue[0][0] <= now:
                yield operation, queue[0][0], len(queue)

    def take(self, operation: tuple[str, str], now: float, limit: int) -> list[FollowUp]:
        """At most ``limit`` that are due, longest due first."""
        queue = self._queues[operation]
        taken: list[FollowUp] = []
        while queue and queue[0][0] <= now and len(taken) < limit:
            taken.append(heapq.heappop(queue)[2])
        self._count -= len(taken)
        return taken
