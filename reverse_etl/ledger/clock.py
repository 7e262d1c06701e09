"""Time as an input: what a clock is, and one text form of instants.

The ledger and the engine never ask the machine for the time. Production passes ``SystemClock``, the
simulation a clock that runs on a virtual loop, possibly skewed.
"""

from datetime import UTC, datetime
from typing import Protocol

from ingestion.common.clock import SystemClock

__all__ = ["Clock", "SystemClock", "instant_of", "text_of"]


class Clock(Protocol):
    """Tells the time in UTC and lets time pass."""

    def now(self) -> datetime: ...

    async def sleep(self, seconds: float) -> None: ...


def text_of(instant: datetime) -> str:
    """UTC with microseconds and ``Z``: fixed width, so that text order is time order.

    Raises:
        ValueError: the instant carries no time zone.
    """
    if instant.tzinfo is None:
        raise ValueError(f"{instant!r} has no time zone")
    return instant.astimezone(UTC).isoformat(timespec="microseconds")[:26] + "Z"


def instant_of(text: str) -> datetime:
    """The instant that ``text_of`` wrote."""
    return datetime.fromisoformat(text)
