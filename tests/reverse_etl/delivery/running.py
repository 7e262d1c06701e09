"""Runs deliveries on virtual time against a fake target, in one line each."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from reverse_etl.delivery.bounds import Bounds
from reverse_etl.delivery.engine import Engine, deliver
from reverse_etl.delivery.report import DeliveryReport
from reverse_etl.delivery.writer import Limits
from reverse_etl.ledger.store import Store
from tests.reverse_etl.delivery.fake_target import FakeTarget, FakeWriter, Faults
from tests.simulation.processes import new_database
from tests.simulation.virtual import VirtualClock, VirtualLoop


class Stage:
    """One virtual world: a clock, a store, a target ``erp`` and the deliveries to it."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.clock = VirtualClock(loop)
        self.store = Store(new_database(), now=self.clock.now)
        self.target = FakeTarget(self.clock, seed=7)
        self.writer = FakeWriter(self.target)
        self.engine: Engine | None = None

    def limits(self, **values: Any) -> None:
        self.writer.default_limits = Limits(**values)

    def faults(self, **values: Any) -> None:
        self.target.faults = Faults(**values)

    def deliver(self, *, before: Callable[["Stage"], None] | None = None, **more: Any):
        """One delivery from its begin to its end."""
        if before is not None:
            before(self)
        return self.loop.run_until_complete(self.delivery(**more))

    async def delivery(self, **more: Any) -> DeliveryReport:
        values = {"clock": self.clock, "seed": 1, "on_engine": self._keep, "bounds": Bounds()}
        return await deliver(self.store, {"erp": self.writer}, **values | more)

    def run(self, awaitable: Awaitable[Any]) -> Any:
        return self.loop.run_until_complete(awaitable)

    def wait(self, seconds: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))

    def events(self, name: str) -> int:
        """How many events of a name the log holds."""
        with self.store.database.read() as connection:
            text = "SELECT count(*) FROM events WHERE name = ?"
            return int(self.store.database.run(connection, text, (name,)).scalar_one())

    def _keep(self, engine: Engine) -> None:
        self.engine = engine


@contextmanager
def open_stage() -> Iterator[Stage]:
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    stage = Stage(loop)
    try:
        yield stage
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        stage.store.close()
        asyncio.set_event_loop(None)
        loop.close()


def effects(stage: Stage) -> list[int]:
    """How often each key took effect in the target's own books."""
    return sorted(stage.target.effects.values())
