"""Three hundred worlds, and proof that a world would notice a fault in the engine."""

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from reverse_etl.delivery import calls
from reverse_etl.delivery.claiming import Claimer
from reverse_etl.delivery.writer import Absent, Retry, Unknown
from reverse_etl.salesforce.writer import SalesforceWriter
from reverse_etl.sap_s4hana.writer import SapWriter
from sandbox.core.faults import Fault
from tests.simulation import vendors, world
from tests.simulation.seeds import VENDORS_EVERY, simulate
from tests.simulation.virtual import VirtualLoop

_SEEDS = 300
_SEEDS_PER_TEST = 25
#: What has gone wrong in the worlds of this session, by name.
_STRUCK: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The worlds are full of faults; their log lines would bury the seeds."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("first", range(0, _SEEDS, _SEEDS_PER_TEST))
def test_no_posting_is_lost_or_doubled_whatever_happens(first: int) -> None:
    found = {seed: simulate(seed) for seed in range(first, first + _SEEDS_PER_TEST)}

    for outcome in found.values():
        _STRUCK.update(outcome.struck)
    assert {seed: one.problems for seed, one in found.items() if one.problems} == {}


def test_every_fault_of_the_list_strikes_somewhere() -> None:
    if not _STRUCK:  # asked for alone
        for seed in range(0, 60 * VENDORS_EVERY, VENDORS_EVERY):
            _STRUCK.update(simulate(seed).struck + simulate(seed + 1).struck)

    of_the_story = {"crash_at_await", "crash_at_commit", "stop", "two_at_once"}
    of_the_road = {"lost_request", "applies_late", "delivered_twice", "outage"}
    of_targets = {
        "lost_answer", "throttled", "server_error", "row_lock", "does_nothing", "drops_field",
        "read_fails", "look_up_fails", "hangs", "duplicate_answer",
    }  # fmt: skip
    of_the_sandbox = set(Fault) - {Fault.LATENCY, Fault.LOST_REQUEST}  # the road has both
    wanted = of_the_story | of_the_road | of_targets | of_the_sandbox
    assert {name for name in wanted if not _STRUCK[name]} == set()


@pytest.mark.parametrize("seed", [11, 12])
def test_a_seed_is_the_same_world_every_time(seed: int) -> None:
    made = []
    for _ in range(2):
        loop = VirtualLoop()
        kind = vendors.VendorWorld if seed % VENDORS_EVERY == 0 else world.World
        one = kind(seed, loop)
        commands = [command.command_id for command in one.commands]
        made.append((commands, one.random.getrandbits(64)))
        one.database.close()
        loop.close()
        made.append((simulate(seed).struck, None))
    assert made[:2] == made[2:]


def _sees(live=world.live, seeds: int = 150) -> bool:
    """Whether any of the first seeds finds two effects of one posting."""
    return any("effects" in problem for seed in range(seeds) for problem in live(seed).problems)


def test_it_would_see_an_engine_that_believes_one_absence(monkeypatch) -> None:
    monkeypatch.setattr(calls, "ABSENCES_NEEDED", 1)
    assert _sees()


def test_it_would_see_an_engine_that_does_not_let_a_target_settle(monkeypatch) -> None:
    patient = world._limits
    monkeypatch.setattr(
        world,
        "_limits",
        lambda random: {k: replace(v, settle_seconds=0.0) for k, v in patient(random).items()},
    )
    assert _sees()


def _resends_unknown(monkeypatch) -> None:
    """An engine that sends again without looking."""
    call_send = calls.Caller._call_send

    async def impatient(self, target, limits, part):
        found = await call_send(self, target, limits, part)
        again = Retry("x", "y", 0.5)
        return {one: again if isinstance(o, Unknown) else o for one, o in found.items()}

    monkeypatch.setattr(calls.Caller, "_call_send", impatient)


def test_it_would_see_an_engine_that_sends_again_without_looking(monkeypatch) -> None:
    _resends_unknown(monkeypatch)
    assert _sees()


def test_it_would_see_the_same_in_saps_own_books(monkeypatch) -> None:
    _resends_unknown(monkeypatch)
    assert _sees(vendors.live)


def test_it_would_see_a_look_up_that_says_absent_once_too_often(monkeypatch) -> None:
    """SAP's look-up does not find what is there, now and then: twice in a row makes a second."""
    look_up = SapWriter.look_up

    async def forgetful(self, batch):
        found = await look_up(self, batch)
        return {one: Absent() if int(one[:8], 16) % 2 else answer for one, answer in found.items()}

    monkeypatch.setattr(SapWriter, "look_up", forgetful)
    assert _sees(vendors.live)


def test_it_would_see_an_engine_that_takes_a_dead_senders_work_for_unsent(monkeypatch) -> None:
    take_over = Claimer._take_over

    def careless(self, unit, target, orphans, now):
        sending = [one for one in orphans if one.state == "sending"]
        self._store.outcomes.not_sent(unit, sending)
        take_over(self, unit, target, [one for one in orphans if one not in sending], now)

    monkeypatch.setattr(Claimer, "_take_over", careless)
    assert _sees()


def test_it_would_see_a_read_back_that_believes_the_answer(monkeypatch) -> None:
    """A target that says yes and does nothing must never count as verified."""
    read_back = SalesforceWriter.read_back

    async def gullible(self, batch):
        found = await read_back(self, batch)
        return {
            one.command.command_id: replace(
                found[one.command.command_id], fields=dict(one.command.payload)
            )
            for one in batch
        }

    def live(seed):
        monkeypatch.setattr(SalesforceWriter, "read_back", gullible)
        return vendors.live(seed)

    assert _sees(live)


@pytest.mark.parametrize("seed", [7704, 8100])
def test_a_seed_that_once_failed_stays_green(seed: int) -> None:
    """Posted twice behind a 503; refused as seen before, though nothing was there."""
    assert simulate(seed).problems == []
