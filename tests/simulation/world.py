"""One simulated world from one seed: targets with books, processes that are killed, an oracle.

Everything random comes from the seed, so a failing one replays. The oracle is the targets' own
books: effects counted per external key, never what the engine says of itself.
"""

import asyncio
import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random

from sqlalchemy import Connection, create_engine
from sqlalchemy.pool import QueuePool

from reverse_etl.delivery.bounds import Bounds
from reverse_etl.delivery.engine import Engine, deliver
from reverse_etl.delivery.writer import Limits
from reverse_etl.ledger.commands import Command, CommandClass, State, external_key_of
from reverse_etl.ledger.database import Database, prepare_sqlite
from reverse_etl.ledger.leases import Leases, ProcessIdentity
from reverse_etl.ledger.store import Store
from tests.reverse_etl.delivery.fake_target import FakeTarget, FakeWriter, Faults
from tests.reverse_etl.ledger.commands import posting, state
from tests.simulation.virtual import VirtualClock, VirtualLoop

_COMMANDS_MAX = 50
_ROUNDS_MAX = 12
_TEMPLATE: list[Database] = []
_NUMBERS = itertools.count()


class Killed(BaseException):
    """The process of this database handle no longer exists."""


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
    """One run of the engine that can be killed."""

    number: int
    clock: VirtualClock
    database: MortalDatabase
    store: Store
    writers: dict[str, FakeWriter]
    task: "asyncio.Task[object] | None" = None
    engine: Engine | None = None
    kill_at_turn: int | None = None

    def kill(self) -> None:
        """As ``kill -9``: nothing is tidied up, nothing more leaves."""
        self.database.is_dead = True
        for writer in self.writers.values():
            writer.is_dead = True
        if self.engine is not None:
            for call in self.engine._tasks:
                call.cancel()
        if self.task is not None:
            self.task.cancel()


@dataclass
class World:
    """Targets, commands and processes of one seed."""

    seed: int
    loop: VirtualLoop
    problems: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.clock = VirtualClock(self.loop)
        self.database = new_database()
        self.store = Store(self.database, now=self.clock.now)
        self.limits = _limits(self.random)
        self.faults = _faults(self.random)
        self.targets = {
            name: FakeTarget(self.clock, seed=self.random.getrandbits(32), faults=self.faults)
            for name in ("erp", "crm")
        }
        self.commands = _commands(self.random)
        for target in self.targets.values():
            target.refuses_whole_batches = self.random.random() < 0.5
        self.poison = {one.business_key for one in self.commands if self.random.random() < 0.04}
        for target in self.targets.values():
            target.poison = self.poison
        self.processes = 0
        self.tells_liveness = self.random.random() < 0.5
        self.living: set[str] = set()

    # -- processes -------------------------------------------------------------------------------

    def process(self) -> Process:
        """A new process with its own clock, its own handle and its own way to the targets."""
        self.processes += 1
        number = self.processes
        clock = VirtualClock(self.loop, self.random.uniform(-4.0, 4.0))
        database = MortalDatabase(self.database.engine)
        store = Store(database, now=clock.now, leases=Leases(database, is_alive=self._is_alive))
        writers = {
            name: FakeWriter(target, name, limits_by_operation=self.limits)
            for name, target in self.targets.items()
        }
        self.living.add(str(number))
        return Process(number, clock, database, store, writers)

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
            process.kill_at_turn = self.loop.virtual.turns + int(self.random.expovariate(1 / 80))
        elif fate < 0.75:
            process.database.commits_left = int(self.random.expovariate(1 / 12))
            process.database.dies_after_commit = self.random.random() < 0.5
        elif fate < 0.85:
            self.loop.call_later(self.random.uniform(0, 20), _stop, process)

    # -- the story -------------------------------------------------------------------------------

    async def live(self) -> None:
        """Doomed processes, alone or two at once; then a quiet one that finishes."""
        for _ in range(self.random.randint(1, _ROUNDS_MAX)):
            group = [self.process() for _ in range(1 if self.random.random() < 0.6 else 2)]
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
        for target in self.targets.values():
            target.faults = Faults(latency_seconds=0.01)
        await asyncio.sleep(self.random.choice((0.0, 200.0)))
        for _ in range(2):
            await self.run(self.process(), is_last=True)

    # -- the oracle ------------------------------------------------------------------------------

    def judge(self) -> list[str]:
        """What went wrong, in plain words; empty when every promise was kept."""
        found = self.problems
        for command in self.commands:
            self._judge_command(command, found)
        self._judge_order(found)
        report = self.store.verify_audit()
        found += [f"audit: {problem}" for problem in report.problems]
        before = snapshot(self.database)
        self.store.rebuild()
        if snapshot(self.database) != before:
            found.append("the state rebuilt from the log is another one")
        return found

    def _judge_command(self, command: Command, found: list[str]) -> None:
        stored = self.store.command(command.command_id)
        name = f"{command.object_name} {command.business_key}"
        if stored is None:
            found.append(f"{name}: lost before it was recorded")
            return
        effects = self.targets[command.system_id].effects[external_key_of(command.command_id)]
        limits = self.limits[(command.object_name, command.operation)]
        if effects > 1 and not limits.is_keyed:
            found.append(f"{name}: {effects} effects")
        match stored.state:
            case State.VERIFIED:
                self._judge_verified(command, effects, name, found)
            case State.REJECTED:
                if effects or command.business_key not in self.poison:
                    found.append(f"{name}: rejected with {effects} effects")
            case State.DEAD:
                if effects and not (self.faults.does_nothing or self.faults.drops_field):
                    found.append(f"{name}: given up although it is there")
                self._must_have_exception(command, name, found)
            case _:
                self._judge_left(command, stored.state, name, found)

    def _judge_left(self, command: Command, left: str, name: str, found: list[str]) -> None:
        """Unfinished after a quiet run: only what waits for a person, or for such a command."""
        limits = self.limits[(command.object_name, command.operation)]
        if left == State.UNKNOWN:
            if limits.has_look_up or limits.is_keyed:
                found.append(f"{name}: still unknown after a quiet run")
            self._must_have_exception(command, name, found)
        elif left == State.PLANNED:
            self._must_wait(command, name, found)
        elif not self._is_blocked(command):
            found.append(f"{name}: left {left} after a quiet run")

    def _judge_verified(self, command: Command, effects: int, name: str, found: list[str]) -> None:
        is_state = command.command_class is CommandClass.STATE
        key = command.business_key if is_state else external_key_of(command.command_id)
        holds = self.targets[command.system_id].rows.get((command.object_name, key))
        if not effects:
            found.append(f"{name}: verified without an effect")
        elif holds is None or any(holds.get(f) != v for f, v in command.payload.items()):
            found.append(f"{name}: verified, and the target holds {holds}")

    def _must_have_exception(self, command: Command, name: str, found: list[str]) -> None:
        about = {"system_id": command.system_id, "object_key": command.business_key}
        if not any(True for _ in self.store.exceptions(state="open", **about)):
            found.append(f"{name}: nobody was told")

    def _must_wait(self, command: Command, name: str, found: list[str]) -> None:
        """A planned command is right only when a predecessor did not make it."""
        states = [self.store.command(one) for one in command.after]
        if all(one is not None and one.state == State.VERIFIED for one in states):
            found.append(f"{name}: still planned although its predecessors are verified")

    def _is_blocked(self, command: Command) -> bool:
        """Whether an earlier command of the lane waits for a person."""
        for other in self.commands:
            if other.command_id == command.command_id:
                return False
            if other.lane == command.lane:
                stored = self.store.command(other.command_id)
                if stored is not None and stored.state == State.UNKNOWN:
                    return True
        return False

    def _judge_order(self, found: list[str]) -> None:
        """Commands of a lane took effect in the order they were recorded.

        Within one request that carries several of a lane, a row that fails by itself is overtaken
        by the rows after it: that is what such a writer declares to be harmless.
        """
        if self.limits[("journal_entries", "post")].allows_many_per_lane:
            return
        for target in self.targets.values():
            first: dict[str, int] = {}
            for place, key in enumerate(target.order):
                first.setdefault(key, place)
            last: dict[str, int] = {}
            for command in self.commands:
                if command.system_id not in self.targets or command.after:
                    continue
                if self.targets[command.system_id] is not target:
                    continue
                at = first.get(external_key_of(command.command_id))
                if at is None:
                    continue
                if at < last.get(command.lane, -1):
                    found.append(f"{command.business_key}: overtook another in its lane")
                last[command.lane] = at


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


def _limits(random: Random) -> dict[tuple[str, str], Limits]:
    """What the targets allow in this world, another in each."""
    common = {
        "concurrency_max": random.choice((1, 3, 8)),
        "request_timeout_seconds": random.choice((10.0, 30.0)),
        "settle_seconds": 5.0,
        "verify_seconds": 60.0,
        "read_batch_max": random.choice((3, 200)),
    }
    many = random.random() < 0.5
    return {
        ("journal_entries", "post"): Limits(
            batch_max=random.choice((1, 10, 200)), allows_many_per_lane=many, **common
        ),
        ("clearings", "clear"): Limits(batch_max=1, **common),
        ("accounts", "update"): Limits(
            batch_max=random.choice((1, 20)), bulk_from=random.choice((None, 15)), bulk_max=100,
            is_keyed=random.random() < 0.5, **common,
        ),
        ("notes", "create"): Limits(batch_max=5, has_look_up=random.random() < 0.5, **common),
    }  # fmt: skip


def _faults(random: Random) -> Faults:
    """A weather; some worlds are calm in some respects."""

    def rate(most: float) -> float:
        return random.choice((0.0, 0.0, random.random() * most))

    outages = []
    if random.random() < 0.3:
        start = random.uniform(0, 20)
        outages.append((start, start + random.uniform(5, 600)))
    return Faults(
        lost_answer=rate(0.3),
        lost_request=rate(0.2),
        applies_late=rate(0.2),
        throttled=rate(0.4),
        retry_after_seconds=random.choice((None, 1.0, 30.0)),
        server_error=rate(0.2),
        row_lock=rate(0.2),
        does_nothing=rate(0.05),
        drops_field=rate(0.05),
        read_fails=rate(0.2),
        look_up_fails=rate(0.3),
        hangs=rate(0.05),
        latency_seconds=random.choice((0.0, 0.02, 1.0)),
        outages=outages,
    )


def _commands(random: Random) -> list[Command]:
    """Receipts with journals and clearings, account states, and notes that nobody can look up."""
    found: list[Command] = []
    customers = random.randint(1, 8)
    while len(found) < random.randint(10, _COMMANDS_MAX):
        number = len(found)
        customer = random.randrange(customers)
        lane = f"erp/U001/{customer}"
        kind = random.random()
        if kind < 0.4:
            found.append(posting(f"R{number}", {"amount": str(number)}, lane=lane))
        elif kind < 0.6:
            journal = posting(f"R{number}", {"amount": str(number)}, lane=lane)
            clearing = posting(
                f"R{number}",
                {"lines": [f"I{number}"]},
                object_name="clearings",
                operation="clear",
                lane=lane,
                after=(journal.command_id,),
            )
            found += [journal, clearing]
        elif kind < 0.9:
            payload = {"status": "On Hold", "balance": str(number)}
            found.append(state(f"A{number}", payload, lane=f"crm/{customer}"))
        else:
            note = {"text": f"note {number}"}
            found.append(
                posting(
                    f"N{number}", note, object_name="notes", operation="create", system_id="crm",
                    lane=f"crm/notes/{number}",
                )
            )  # fmt: skip
    return found


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


def simulate(seed: int) -> list[str]:
    """Live one world through; returns what went wrong in it."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    try:
        world = World(seed, loop)
        try:
            loop.run_until_complete(world.live())
            return world.judge()
        finally:
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
            world.database.close()
    finally:
        asyncio.set_event_loop(None)
        loop.close()
