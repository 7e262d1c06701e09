"""Virtual time: an event loop whose selector advances the clock instead of waiting.

Nothing sleeps, nothing listens, nothing runs in another thread: a run of minutes takes
milliseconds and is the same every time.
"""

import asyncio
import selectors
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

START = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)


class Deadlock(RuntimeError):
    """Every task waits and no timer will ever wake one."""


class _VirtualSelector(selectors.BaseSelector):
    """Never waits: when the loop would sleep, the clock jumps to the next timer."""

    def __init__(self) -> None:
        self.now = 0.0
        self.turns = 0
        self.on_turn: Callable[[int], None] | None = None

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return selectors.SelectorKey(fileobj, 0, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return selectors.SelectorKey(fileobj, 0, 0, None)

    def select(self, timeout: float | None = None) -> list[Any]:
        self.turns += 1
        if self.on_turn is not None:
            self.on_turn(self.turns)
        if timeout is None:
            raise Deadlock("no task can go on and no timer is set")
        self.now += max(0.0, timeout)
        return []

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return {}

    def close(self) -> None:
        return None


class VirtualLoop(asyncio.SelectorEventLoop):
    """``time()`` is the selector's. ``on_turn`` is called once per turn of the loop."""

    def __init__(self) -> None:
        self.virtual = _VirtualSelector()
        super().__init__(self.virtual)

    def time(self) -> float:
        return self.virtual.now


class VirtualClock:
    """A clock on the loop's time; ``skew_seconds`` is how wrong it is."""

    def __init__(self, loop: VirtualLoop, skew_seconds: float = 0.0) -> None:
        self._loop = loop
        self._skew = timedelta(seconds=skew_seconds)

    def now(self) -> datetime:
        return START + timedelta(seconds=self._loop.time()) + self._skew

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
