"""Three hundred worlds, and proof that a world would notice a fault in the engine."""

import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest

from reverse_etl.delivery import calls
from reverse_etl.delivery.claiming import Claimer
from reverse_etl.delivery.writer import Retry, Unknown
from tests.simulation import world
from tests.simulation.world import simulate

_SEEDS = 300
_SEEDS_PER_TEST = 25


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The worlds are full of faults; their log lines would bury the seeds."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("first", range(0, _SEEDS, _SEEDS_PER_TEST))
def test_no_posting_is_lost_or_doubled_whatever_happens(first: int) -> None:
    found = {seed: simulate(seed) for seed in range(first, first + _SEEDS_PER_TEST)}

    assert {seed: problems for seed, problems in found.items() if problems} == {}


def test_a_seed_is_the_same_world_every_time() -> None:
    from tests.simulation.virtual import VirtualLoop

    made = []
    for _ in range(2):
        loop = VirtualLoop()
        one = world.World(11, loop)
        made.append((one.limits, one.faults, [command.command_id for command in one.commands]))
        one.database.close()
        loop.close()
    assert made[0] == made[1]


def _sees(seeds: int = 150) -> bool:
    """Whether any of the first seeds finds two effects of one posting."""
    return any("effects" in problem for seed in range(seeds) for problem in simulate(seed))


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


def test_it_would_see_an_engine_that_sends_again_without_looking(monkeypatch) -> None:
    call_send = calls.Caller._call_send

    async def impatient(self, target, limits, part):
        found = await call_send(self, target, limits, part)
        again = Retry("x", "y", 0.5)
        return {one: again if isinstance(o, Unknown) else o for one, o in found.items()}

    monkeypatch.setattr(calls.Caller, "_call_send", impatient)
    assert _sees()


def test_it_would_see_an_engine_that_takes_a_dead_senders_work_for_unsent(monkeypatch) -> None:
    take_over = Claimer._take_over

    def careless(self, unit, target, orphans, now):
        sending = [one for one in orphans if one.state == "sending"]
        self._store.outcomes.not_sent(unit, sending)
        take_over(self, unit, target, [one for one in orphans if one not in sending], now)

    monkeypatch.setattr(Claimer, "_take_over", careless)
    assert _sees()
