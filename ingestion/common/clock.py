"""The edge where time enters: the only product module that reads the machine's clock.

Everything inside receives a clock or a date. Business dates are inputs; each company's own today
is taken here once and stored with the run (DESIGN §2).
"""

import asyncio
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

__all__ = ["SystemClock"]


class SystemClock:
    """The machine's clock, in UTC, and its sleep."""

    def now(self) -> datetime:
        """The instant, in UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Wait; a simulation's clock returns at once and moves its own time."""
        await asyncio.sleep(seconds)

    def today(self, time_zone: str) -> date:
        """The calendar day it is in a company's time zone."""
        return datetime.now(ZoneInfo(time_zone)).date()
