"""A simulated world of targets that misbehave in every way at once, from one seed.

The targets keep books of their own, which are the oracle: effects counted per external key, never
what the engine says of itself. Operations differ in each world: keyed or not, with a look-up or
without, one row a request or many. The vendors' own protocols are ``vendors.py``'s.
"""

from collections.abc import Sequence
from random import Random

from reverse_etl.delivery.writer import Limits, Writer
from reverse_etl.ledger.commands import Command, CommandClass, State, external_key_of
from tests.reverse_etl.delivery.fake_target import FakeTarget, FakeWriter, Faults
from tests.reverse_etl.ledger.commands import posting, state
from tests.simulation.processes import Mortal, Outcome, Story, live_through
from tests.simulation.virtual import VirtualClock, VirtualLoop

_COMMANDS_MAX = 50


class World(Story):
    """Targets, commands and processes of one seed."""

    def __init__(self, seed: int, loop: VirtualLoop) -> None:
        super().__init__(seed, loop)
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

    def ways(self, clock: VirtualClock) -> tuple[dict[str, Writer], Sequence[Mortal]]:
        """Fake writers to both targets."""
        writers = {
            name: FakeWriter(target, name, limits_by_operation=self.limits)
            for name, target in self.targets.items()
        }
        return dict(writers), list(writers.values())

    def calm_down(self) -> None:
        for target in self.targets.values():
            self.struck.update(target.struck)
            target.faults = Faults(latency_seconds=0.01)

    # -- the oracle ------------------------------------------------------------------------------

    async def judge(self) -> list[str]:
        """What went wrong, in plain words; empty when every promise was kept."""
        found: list[str] = []
        for command in self.commands:
            self._judge_command(command, found)
        self._judge_order(found)
        return found + self.judge_log()

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
                self._must_be_told(command, name, found)
            case _:
                self._judge_left(command, stored.state, name, found)

    def _judge_left(self, command: Command, left: str, name: str, found: list[str]) -> None:
        """Unfinished after a quiet run: only what waits for a person, or for such a command."""
        limits = self.limits[(command.object_name, command.operation)]
        if left == State.UNKNOWN:
            if limits.has_look_up or limits.is_keyed:
                found.append(f"{name}: still unknown after a quiet run")
            self._must_be_told(command, name, found)
        elif left == State.PLANNED:
            if not self.waits_rightly(command):
                found.append(f"{name}: still planned although its predecessors are verified")
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

    def _must_be_told(self, command: Command, name: str, found: list[str]) -> None:
        if not self.has_exception(command):
            found.append(f"{name}: nobody was told")

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


def live(seed: int) -> Outcome:
    """Live one world through."""
    return live_through(World, seed)
