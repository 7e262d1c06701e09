"""Processes that are killed, and the story they live through: what every simulated world shares.

A world adds its targets, its commands and its judgement. Everything random comes from the world's
seed, so a failing one replays.
"""

import asyncio
import itertools
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import QueuePool

from reverse_etl.delivery.bounds import Bounds
from reverse_etl.delivery.engine import Engine, deliver
from reverse_etl.delivery.writer import Writer
from reverse_etl.ledger.commands import Command, State
from reverse_etl.ledger.database import Database, prepare_sqlite
from reverse_etl.ledger.leases import Leases, ProcessIdentity
from reverse_etl.ledger.store import Store
from tests.simulation.virtual import VirtualClock, VirtualLoop

ROUNDS_MAX = 12
_TEMPLATE: list[Database] = []
_NUMBERS = itertools.count()


class Killed(BaseException):
    """The process of this database handle no longer exists."""


class Mortal(Protocol):
    """A process's way out; once it is dead, nothing more leaves through it."""

    is_dead: bool


class MortalDatabase(Database):
    """A database handle that dies with its process, before or after a chosen commit."""

    is_dead = False
    commits_left: int | None = None
    dies_after_commit = False

    @contextmanager
    def write(self) -> Iterator[Connection]:
        self._check()
        with super().write() as connection:
            yield connection
            is_last = self._count()
            if is_last and not self.dies_after_commit:
                self.is_dead = True
                raise Killed
        if is_last:
            self.is_dead = True
            raise Killed

    @contextmanager
    def read(self) -> Iterator[Connection]:
        self._check()
        with super().read() as connection:
            yield connection

    def _check(self) -> None:
        if self.is_dead:
            raise Killed

    def _count(self) -> bool:
        if self.commits_left is None:
            return False
        self.commits_left -= 1
        return self.commits_left < 0


def _in_memory(name: str) -> Database:
    """A database that lives as long as one connection to it is open."""

    def connect() -> sqlite3.Connection:
        address = f"file:{name}?mode=memory&cache=shared"
        return sqlite3.connect(address, uri=True, check_same_thread=False)

    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool)
    prepare_sqlite(engine)
    return Database(engine)


def new_database() -> Database:
    """An empty, migrated operations database in memory, copied from one that is made once."""
    if not _TEMPLATE:
        template = _in_memory("template")
        template.migrate()
        _TEMPLATE.append(template)
    copy = _in_memory(f"copy{next(_NUMBERS)}")
    source, target = _TEMPLATE[0].engine.raw_connection(), copy.engine.raw_connection()
    source.driver_connection.backup(target.driver_connection)
    source.close()
    target.close()
    return copy


@dataclass
class Process:
    """One run of the engine that can be killed. ``roads``: its ways to the targets."""

    number: int
    clock: VirtualClock
    database: MortalDatabase
    store: Store
    writers: dict[str, Writer]
    roads: Sequence[Mortal]
    task: "asyncio.Task[object] | None" = None
    engine: Engine | None = None
    kill_at_turn: int | None = None

    def kill(self) -> None:
        """As ``kill -9``: nothing is tidied up, nothing more leaves."""
        self.database.is_dead = True
        for road in self.roads:
            road.is_dead = True
        if self.engine is not None:
            for call in self.engine._tasks:
                call.cancel()
        if self.task is not None:
            self.task.cancel()


class Story:
    """Doomed processes, alone or two at once, then quiet ones that finish; and what is judged.

    Args:
        seed: decides everything.
        loop: whose time it is.
    """

    rounds_max = ROUNDS_MAX
    commands: list[Command]

    def __init__(self, seed: int, loop: VirtualLoop) -> None:
        self.seed = seed
        self.loop = loop
        self.random = Random(seed)
        self.clock = VirtualClock(loop)
        self.database = new_database()
        self.store = Store(self.database, now=self.clock.now)
        self.processes = 0
        self.living: set[str] = set()
        self.tells_liveness = self.random.random() < 0.5
        self.struck: Counter[str] = Counter()
        """What went wrong on the way, by name."""

    # -- what a world adds -----------------------------------------------------------------------

    def ways(self, clock: VirtualClock) -> tuple[dict[str, Writer], Sequence[Mortal]]:
        """A new process's writers, and what must die with it."""
        raise AssertionError("a world has targets")

    def calm_down(self) -> None:
        """No fault strikes any more."""
        raise AssertionError("a world has a weather")

    async def judge(self) -> list[str]:
        """What went wrong, in plain words; empty when every promise was kept."""
        raise AssertionError("a world has an oracle")

    # -- processes -------------------------------------------------------------------------------

    def process(self) -> Process:
        """A new process with its own clock, its own handle and its own way to the targets."""
        self.processes += 1
        number = self.processes
        clock = VirtualClock(self.loop, self.random.uniform(-4.0, 4.0))
        database = MortalDatabase(self.database.engine)
        store = Store(database, now=clock.now, leases=Leases(database, is_alive=self._is_alive))
        writers, roads = self.ways(clock)
        self.living.add(str(number))
        return Process(number, clock, database, store, writers, roads)

    def _is_alive(self, identity: ProcessIdentity) -> bool | None:
        return identity.process in self.living if self.tells_liveness else None

    async def run(self, process: Process, *, is_last: bool = False) -> None:
        """One ``plan, deliver`` of a process, until its end or its death."""
        bounds = Bounds(
            wait_seconds_max=100_000.0 if is_last else 400.0,
            poll_seconds=self.random.choice((1.0, 5.0, 20.0)),
            follow_ups_max=self.random.choice((8, 4_000)),
            commit_gap_seconds=self.random.choice((0.0, 0.002, 0.5)),
            failures_max=12,
        )
        try:
            process.store.record_plan(self.commands, os_user="sim")
            await deliver(
                process.store,
                process.writers,
                clock=process.clock,
                bounds=bounds,
                seed=self.random.getrandbits(32),
                identity=ProcessIdentity("sim", str(process.number)),
                on_engine=lambda engine: setattr(process, "engine", engine),
            )
        except (Killed, asyncio.CancelledError):
            if not process.database.is_dead:
                raise
        finally:
            self.living.discard(str(process.number))

    def doom(self, process: Process) -> None:
        """Choose how this process ends: at an await, at a commit, by Ctrl-C, or by itself."""
        fate = self.random.random()
        if fate < 0.35:
            self.struck["crash_at_await"] += 1
            process.kill_at_turn = self.loop.virtual.turns + int(self.random.expovariate(1 / 80))
        elif fate < 0.75:
            self.struck["crash_at_commit"] += 1
            process.database.commits_left = int(self.random.expovariate(1 / 12))
            process.database.dies_after_commit = self.random.random() < 0.5
        elif fate < 0.85:
            self.struck["stop"] += 1
            self.loop.call_later(self.random.uniform(0, 20), _stop, process)

    # -- the story -------------------------------------------------------------------------------

    async def live(self) -> None:
        """Doomed processes, alone or two at once; then a quiet one that finishes."""
        for _ in range(self.random.randint(1, self.rounds_max)):
            group = [self.process() for _ in range(1 if self.random.random() < 0.6 else 2)]
            self.struck["two_at_once"] += len(group) - 1
            for process in group:
                self.doom(process)
            self.loop.virtual.on_turn = lambda turn, group=group: _kill_due(group, turn)
            for process in group:
                process.task = asyncio.ensure_future(self.run(process))
            tasks = [process.task for process in group if process.task]
            for ended in await asyncio.gather(*tasks, return_exceptions=True):
                # A process that is killed before its first step ends as cancelled.
                if isinstance(ended, BaseException) and not _is_death(ended):
                    raise ended
            for process in group:
                process.kill()
            await asyncio.sleep(self.random.choice((0.0, 1.0, 30.0, 300.0)))
        self.loop.virtual.on_turn = None
        self.calm_down()
        await asyncio.sleep(self.random.choice((0.0, 200.0)))
        for _ in range(2):
            await self.run(self.process(), is_last=True)

    # -- what every world promises -----------------------------------------------------------------

    def judge_log(self) -> list[str]:
        """The log is whole, and the state is the one that it makes."""
        found = [f"audit: {problem}" for problem in self.store.verify_audit().problems]
        before = snapshot(self.database)
        self.store.rebuild()
        if snapshot(self.database) != before:
            found.append("the state rebuilt from the log is another one")
        return found

    def has_exception(self, command: Command) -> bool:
        """Whether a person was told of a command's key."""
        about = {"system_id": command.system_id, "object_key": command.business_key}
        return any(True for _ in self.store.exceptions(state="open", **about))

    def waits_rightly(self, command: Command) -> bool:
        """A planned command is right only when a predecessor did not make it."""
        states = [self.store.command(one) for one in command.after]
        return not all(one is not None and one.state == State.VERIFIED for one in states)


def live_through(story_of: Any, seed: int) -> "Outcome":
    """Make a world from a seed, live it through, and say what went wrong in it."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    try:
        world: Story = story_of(seed, loop)
        try:
            loop.run_until_complete(world.live())
            return Outcome(loop.run_until_complete(world.judge()), world.struck)
        finally:
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            world.database.close()
    finally:
        asyncio.set_event_loop(None)
        loop.close()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a world ended: broken promises in plain words, and how often each fault struck."""

    problems: list[str]
    struck: Counter[str]


def _is_death(ended: BaseException) -> bool:
    return isinstance(ended, Killed | asyncio.CancelledError)


def _stop(process: Process) -> None:
    if process.engine is not None:
        process.engine.stop()


def _kill_due(group: list[Process], turn: int) -> None:
    for process in group:
        if process.kill_at_turn is not None and turn >= process.kill_at_turn:
            process.kill_at_turn = None
            process.kill()


def snapshot(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """Every projection, row by row."""
    names = {
        "command_state": "command_no",
        "acknowledged": "system_id, object_name, object_key",
        "exceptions": "exception_id",
        "approvals": "event_no",
        "approved_limits": "system_id, customer, credit_segment",
        "links": "system_id, native_id, customer_id, relation",
    }
    with database.read() as connection:
        return {
            name: [
                tuple(row)
                for row in database.run(connection, f"SELECT * FROM {name} ORDER BY {order}")
            ]
            for name, order in names.items()
        }
