"""One clock for several seeders: it goes forward only, to the earliest day that any waits for.

Every ERP's books begin on their own day and every seeder moves the clock as its postings need it.
The systems share one clock, so each asks here, waits until all others ask too (or are done), and
goes on when its day has come.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date

__all__ = ["CommonClock"]

SetClock = Callable[[date], Awaitable[None]]


class CommonClock:
    """Moves the sandbox's clock for several seeders at once.

    Args:
        set_clock: really moves it.
    """

    def __init__(self, set_clock: SetClock) -> None:
        self._set_clock = set_clock
        self._running = 0
        self._waiting: list[tuple[date, asyncio.Future[None]]] = []
        self.day: date | None = None

    async def run(self, *seeders: Callable[[SetClock], Awaitable[None]]) -> None:
        """Run seeders to their end, each with a ``set_clock`` of its own.

        Raises:
            Exception: the first that a seeder raised; the others are stopped.
        """
        self._running = len(seeders)
        async with asyncio.TaskGroup() as group:
            for seeder in seeders:
                group.create_task(self._one(seeder))

    async def _one(self, seeder: Callable[[SetClock], Awaitable[None]]) -> None:
        await seeder(self._wait_for)
        self._running -= 1
        await self._move()

    async def _wait_for(self, day: date) -> None:
        """Returns when the clock stands at ``day``; at once when it stands there or later."""
        if self.day is not None and day <= self.day:
            return
        arrived = asyncio.get_running_loop().create_future()
        self._waiting.append((day, arrived))
        await self._move()
        await arrived

    async def _move(self) -> None:
        """Once all that still run wait: to the earliest day, and on with those who wait for it."""
        if not self._waiting or len(self._waiting) < self._running:
            return
        day = min(wanted for wanted, _ in self._waiting)
        await self._set_clock(day)
        self.day = day
        come = [one for wanted, one in self._waiting if wanted == day]
        self._waiting = [(wanted, one) for wanted, one in self._waiting if wanted != day]
        for one in come:
            one.set_result(None)
