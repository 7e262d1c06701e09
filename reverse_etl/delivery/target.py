"""What the engine keeps about one system while it delivers: pacer, limits, follow-ups."""

from dataclasses import dataclass, field

from ingestion.common.errors import ConfigError
from reverse_etl.delivery.bounds import Bounds
from reverse_etl.delivery.follow_ups import FollowUps
from reverse_etl.delivery.pacer import Pacer
from reverse_etl.delivery.writer import Limits, Writer

__all__ = ["Place", "Target"]

#: An object and what is done to it.
Place = tuple[str, str]


@dataclass(slots=True)
class Target:
    """One connected system.

    Attributes:
        may_have_work: False once the log showed nothing due, until something changes.
        in_flight: write requests on their way, by (object, operation).
        retry_at: when the first command that this run put off is due, in epoch seconds.
        is_given_up: it could not be reached for too long; this run leaves it.
        undeliverable: operations that the configuration no longer describes, each with the reason;
            their commands are left alone.
    """

    system_id: str
    writer: Writer
    pacer: Pacer
    reading_back: FollowUps = field(default_factory=FollowUps)
    looking_up: FollowUps = field(default_factory=FollowUps)
    may_have_work: bool = True
    is_given_up: bool = False
    retry_at: float | None = None
    in_flight: dict[Place, int] = field(default_factory=dict)
    undeliverable: dict[Place, str] = field(default_factory=dict)
    _limits: dict[Place, Limits] = field(default_factory=dict)
    _throttled_since: dict[Place, float] = field(default_factory=dict)

    def limits(self, object_name: str, operation: str) -> Limits:
        """The writer's limits of an operation, asked once; the pacer learns them too.

        Raises:
            ConfigError: the system has no such operation, or has it no longer.
        """
        place = (object_name, operation)
        found = self._limits.get(place)
        if found is None:
            found = self.writer.limits(object_name, operation)
            self._limits[place] = found
            self.pacer.allow(found.concurrency_max, found.requests_per_second_max)
        return found

    def can_deliver(self, object_name: str, operation: str) -> bool:
        """Whether the system has this operation; notes the reason when it does not."""
        place = (object_name, operation)
        if place in self.undeliverable:
            return False
        try:
            self.limits(object_name, operation)
        except ConfigError as error:
            self.undeliverable[place] = error.message
            return False
        return True

    def note_retry(self, at: float) -> None:
        """A command is due again at an instant."""
        self.retry_at = at if self.retry_at is None else min(self.retry_at, at)

    def note_answer(self, place: Place, now: float, *, is_throttled: bool) -> None:
        """Remember since when an operation gets nothing but "ask for less"."""
        if is_throttled:
            self._throttled_since.setdefault(place, now)
        else:
            self._throttled_since.pop(place, None)

    def is_out_of_patience(self, now: float, bounds: Bounds) -> bool:
        """Whether it failed, or throttled one operation, for so long that this run leaves it."""
        first = min(self._throttled_since.values(), default=now)
        return self.pacer.is_given_up(now) or now - first > bounds.outage_seconds_max

    @property
    def following(self) -> int:
        """Commands in memory that a look-up or read-back is due for."""
        return len(self.reading_back) + len(self.looking_up)
