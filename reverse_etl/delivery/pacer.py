"""One pacer per system: how many requests at once, how fast, and when to leave it alone.

Concurrency falls by half when the target throttles and grows by one per round of successes. A
breaker opens after failures in a row and lets one request try again after a while. The pacer counts
requests of every sort, writes and reads: the target's limits do not tell them apart.
"""

from random import Random

from reverse_etl.delivery.bounds import Bounds

__all__ = ["Pacer", "backoff_seconds"]

#: A part of a second's allowance may leave at once; the rest flows evenly, so that no second, from
#: wherever it is counted, sees more than the target allows.
_BURST_PART = 0.1
#: More would only overflow: every ceiling is reached long before.
_DOUBLINGS_MAX = 30


def backoff_seconds(tries: int, bounds: Bounds, random: Random) -> float:
    """How long to wait after the n-th failure (n from 1): exponential, half of it jitter."""
    doublings = min(tries - 1, _DOUBLINGS_MAX)
    ceiling = min(bounds.backoff_seconds_max, bounds.backoff_seconds_first * 2.0**doublings)
    return ceiling / 2 + random.random() * ceiling / 2


class Pacer:
    """Decides when the next request to one system may leave. All instants are epoch seconds."""

    def __init__(self, bounds: Bounds, random: Random) -> None:
        self._bounds = bounds
        self._random = random
        self._cap = 1
        self._limit = 1.0
        self._in_flight = 0
        self._paused_until = 0.0
        self._failures = 0
        self._failing_since: float | None = None
        self._is_probing = False
        self._rate: float | None = None
        self._tokens = 0.0
        self._tokens_at = 0.0
        self.in_flight_max = 0
        self.has_succeeded = False

    @property
    def in_flight(self) -> int:
        return self._in_flight

    @property
    def paused_until(self) -> float:
        """Before this instant nothing leaves."""
        return self._paused_until

    def allow(self, concurrency_max: int, requests_per_second_max: float | None) -> None:
        """Learn what the target allows. The first word sets the start, later ones the most."""
        if concurrency_max > self._cap:
            if self._limit >= self._cap:
                self._limit = float(concurrency_max)
            self._cap = concurrency_max
        if requests_per_second_max is not None and self._rate is None:
            self._rate = requests_per_second_max
            self._tokens = max(1.0, self._rate * _BURST_PART)

    def free(self, now: float) -> int:
        """How many requests may leave now."""
        if now < self._paused_until:
            return 0
        limit = 1 if self._is_probing else int(self._limit)
        slots = limit - self._in_flight
        if self._rate is not None:
            self._refill(now)
            slots = min(slots, int(self._tokens))
        return max(0, slots)

    def next_at(self, now: float) -> float | None:
        """When a request may leave that may not now for a reason of time; None for others."""
        if now < self._paused_until:
            return self._paused_until
        if self._rate is not None and self._tokens < 1:
            return now + (1 - self._tokens) / self._rate
        return None

    def start(self) -> None:
        """A request leaves."""
        self._in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self._in_flight)
        if self._rate is not None:
            self._tokens -= 1

    def end(self) -> None:
        """A request has ended, however it ended."""
        self._in_flight -= 1

    def succeeded(self) -> None:
        """The target answered and worked."""
        self.has_succeeded = True
        self._failures = 0
        self._failing_since = None
        self._is_probing = False
        self._limit = min(float(self._cap), self._limit + 1.0 / max(1.0, self._limit))

    def throttled(self, now: float, after_seconds: float | None) -> None:
        """The target asks for less: halve, and wait as long as it says or a growing while.

        Answers to requests that were open together count once. A target that says the same short
        while again and again is asked ever more rarely, and given up in the end.
        """
        if self._failing_since is None:
            self._failing_since = now
        if now >= self._paused_until:
            self._failures += 1
            self._limit = max(1.0, self._limit / 2)
        wait = after_seconds or 0.0
        if after_seconds is None or self._failures > self._bounds.breaker_failures:
            wait = max(wait, backoff_seconds(self._failures, self._bounds, self._random))
        self._paused_until = max(self._paused_until, now + wait)

    def failed(self, now: float) -> None:
        """The target could not be reached, or broke; after several in a row, leave it alone."""
        if self._failing_since is None:
            self._failing_since = now
        self._failures += 1
        if self._failures < self._bounds.breaker_failures and not self._is_probing:
            return
        opened = self._failures - self._bounds.breaker_failures
        wait = min(
            self._bounds.breaker_seconds_max,
            self._bounds.breaker_seconds_first * 2.0 ** max(0, min(opened, 16)),
        )
        if now >= self._paused_until:
            self._paused_until = now + wait * (0.75 + self._random.random() / 2)
        self._is_probing = True

    def is_given_up(self, now: float) -> bool:
        """Whether it failed, or only asked for less, for so long that this run leaves it."""
        since = self._failing_since
        return since is not None and now - since > self._bounds.outage_seconds_max

    def _refill(self, now: float) -> None:
        assert self._rate is not None
        burst = max(1.0, self._rate * _BURST_PART)
        flow = max(self._rate - burst, self._rate / 2)
        if self._tokens_at:
            self._tokens = min(burst, self._tokens + (now - self._tokens_at) * flow)
        self._tokens_at = now
