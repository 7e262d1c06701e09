"""The sandbox's clock: real, set to another instant, or driven by a simulation.

Every vendor's "now" comes from here, so that a test can move all systems to a business date.
It knows instants in UTC only; a vendor's local dates are the kind's own business.
"""

import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

__all__ = ["Clock"]


class Clock:
    """Tells the time as ``start`` plus what the monotonic function has counted since.

    Args:
        start: an aware instant; None means this machine's time now.
        monotonic: seconds that only ever grow. A simulation passes its event loop's ``time``.

    Attributes:
        is_set: True once it was given an instant instead of this machine's time.
    """

    def __init__(
        self,
        start: datetime | None = None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self.set(start if start is not None else datetime.now(UTC))
        self.is_set = start is not None

    def now(self) -> datetime:
        """The instant, aware, in UTC."""
        return self._start + timedelta(seconds=self._monotonic() - self._counted_from)

    def today(self) -> date:
        """The UTC calendar date."""
        return self.now().date()

    def epoch_milliseconds(self) -> int:
        """The instant as whole milliseconds since 1970, rounded down."""
        return (self.now() - _EPOCH) // _MILLISECOND

    def set(self, instant: datetime) -> None:
        """Move to an instant; from there the clock goes on ticking.

        Raises:
            ValueError: the instant has no time zone.
        """
        if instant.tzinfo is None:
            raise ValueError(f"the clock needs an instant with a time zone, got {instant!r}")
        self._start = instant.astimezone(UTC)
        self._counted_from = self._monotonic()
        self.is_set = True


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
