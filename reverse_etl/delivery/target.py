"""What the engine keeps about one system while it delivers: pacer, limits, follow-ups."""

from dataclasses import dataclass, field

from reverse_etl.delivery.follow_ups import FollowUps
from reverse_etl.delivery.pacer import Pacer
from reverse_etl.delivery.writer import Limits, Writer

__all__ = ["Target"]


@dataclass(slots=True)
class Target:
    """One connected system.

    Attributes:
        may_have_work: False once the log showed nothing due, until something changes.
        in_flight: write requests on their way, by (object, operation).
        retry_at: when the first command that this run put off is due, in epoch seconds.
        is_given_up: it could not be reached for too long; this run leaves it.
    """

    system_id: str
    writer: Writer
    pacer: Pacer
    reading_back: FollowUps = field(default_factory=FollowUps)
    looking_up: FollowUps = field(default_factory=FollowUps)
    may_have_work: bool = True
    is_given_up: bool = False
    retry_at: float | None = None
    in_flight: dict[tuple[str, str], int] = field(default_factory=dict)
    _limits: dict[tuple[str, str], Limits] = field(default_factory=dict)

    def limits(self, object_name: str, operation: str) -> Limits:
        """The writer's limits of an operation, asked once; the pacer learns them too."""
        place = (object_name, operation)
        found = self._limits.get(place)
        if found is None:
            found = self.writer.limits(object_name, operation)
            self._limits[place] = found
            self.pacer.allow(found.concurrency_max, found.requests_per_second_max)
        return found

    def note_retry(self, at: float) -> None:
        """A command is due again at an instant."""
        self.retry_at = at if self.retry_at is None else min(self.retry_at, at)

    @property
    def following(self) -> int:
        """Commands in memory that a look-up or read-back is due for."""
        return len(self.reading_back) + len(self.looking_up)

    @property
    def is_busy(self) -> bool:
        """Whether any call is on its way."""
        return self.pacer.in_flight > 0
