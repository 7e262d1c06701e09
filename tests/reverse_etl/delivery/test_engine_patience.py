"""How long the engine waits, for whom, and what it leaves for the next run."""

import asyncio

from reverse_etl.delivery.bounds import Bounds
from tests.reverse_etl.delivery.fake_target import FakeTarget, FakeWriter
from tests.reverse_etl.ledger.commands import posting, state


def test_retry_after_is_obeyed(stage):
    sent_at = []
    send = stage.writer.send

    async def noted(batch):
        sent_at.append(stage.loop.time())
        return await send(batch)

    stage.writer.send = noted
    stage.limits(concurrency_max=1)
    stage.faults(throttled=1.0, retry_after_seconds=30.0)
    stage.store.record_plan(posting(f"R{n}") for n in range(3))

    async def story():
        delivery = asyncio.ensure_future(stage.delivery())
        await asyncio.sleep(20)
        assert len(sent_at) == 1
        stage.faults()
        return await delivery

    assert stage.run(story()).verified == 3
    assert min(later - sent_at[0] for later in sent_at[1:]) >= 30


def test_the_targets_limits_are_never_exceeded(stage):
    stage.limits(concurrency_max=3, requests_per_second_max=10.0)
    stage.faults(latency_seconds=0.5)
    stage.store.record_plan(posting(f"R{n}") for n in range(60))

    report = stage.deliver()

    assert report.verified == 60
    assert stage.target.open_calls_max <= 3
    assert (report.requests + report.read_backs - 1) / 10.0 <= stage.loop.time() + 0.2


def test_an_outage_of_minutes_is_waited_out(stage):
    stage.faults(outages=[(0.0, 240.0)])
    stage.store.record_plan(posting(f"R{n}") for n in range(20))

    report = stage.deliver()

    assert (report.verified, report.is_complete) == (20, True)
    assert report.requests < 60


def test_a_system_that_stays_away_is_left_and_the_next_run_goes_on(stage):
    stage.faults(outages=[(0.0, 4_000.0)])
    stage.store.record_plan(posting(f"R{n}") for n in range(5))

    report = stage.deliver()

    assert (report.systems_given_up, report.waiting + report.ready) == (["erp"], 5)
    assert not report.is_complete
    (told,) = stage.store.exceptions(state="open")
    assert (told.code, told.system_id) == ("system_unreachable", "erp")
    stage.wait(4_000)
    assert stage.deliver().verified == 5
    assert list(stage.store.exceptions(state="open")) == []


def test_one_systems_outage_does_not_hold_up_another(stage):
    other = FakeWriter(FakeTarget(stage.clock), "crm")
    stage.faults(outages=[(0.0, 1e9)])
    stage.store.record_plan([posting("R1"), state("A1")])

    report = stage.run(
        _both(stage, {"erp": stage.writer, "crm": other}, Bounds(outage_seconds_max=60.0))
    )

    assert (report.verified, report.systems_given_up) == (1, ["erp"])


async def _both(stage, writers, bounds):
    from reverse_etl.delivery.engine import deliver

    return await deliver(stage.store, writers, clock=stage.clock, bounds=bounds, seed=1)


def test_a_predecessors_native_id_reaches_the_writer(stage):
    journal = posting("R1")
    clearing = posting(
        "R1", {"lines": "[]"}, object_name="clearings", operation="clear",
        after=(journal.command_id,), lane=journal.lane,
    )  # fmt: skip
    stage.store.record_plan([journal, clearing])
    seen = {}
    send = stage.writer.send

    async def noted(batch):
        seen.update({one.command.object_name: dict(one.predecessors) for one in batch})
        return await send(batch)

    stage.writer.send = noted
    report = stage.deliver()

    assert report.verified == 2
    assert seen == {"journal_entries": {}, "clearings": {"R1": "N0"}}
