"""Every run ends: what it cannot do it leaves for the next one or a person, and says so."""

import asyncio

import pytest

from ingestion.common.errors import ConfigError
from reverse_etl.delivery.bounds import Bounds
from reverse_etl.delivery.engine import deliver
from reverse_etl.delivery.writer import Limits, ReadBack
from reverse_etl.ledger.commands import external_key_of
from tests.reverse_etl.delivery.fake_target import FakeTarget, FakeWriter
from tests.reverse_etl.ledger.commands import posting, state

BOUNDS = Bounds()


def effects(stage):
    return sorted(stage.target.effects.values())


def open_codes(stage):
    return [one.code for one in stage.store.exceptions(state="open")]


def no_longer_described(stage, object_name):
    """The configuration loses one object; everything else stays."""
    limits = stage.writer.limits

    def checked(name, operation):
        if name == object_name:
            raise ConfigError(f"systems.erp has no operation {name}/{operation}")
        return limits(name, operation)

    stage.writer.limits = checked
    return limits


# -- an object that left the configuration -----------------------------------------------------


def test_an_object_that_left_the_configuration_holds_up_nobody_else(stage):
    stage.store.record_plan([posting("R1"), posting("N1", object_name="notes", lane="n")])
    crm = FakeTarget(stage.clock)
    stage.store.record_plan([state("A1")])
    described = no_longer_described(stage, "notes")

    report = stage.run(
        deliver(
            stage.store,
            {"erp": stage.writer, "crm": FakeWriter(crm, "crm")},
            clock=stage.clock,
        )
    )

    assert (report.verified, report.ready, report.is_complete) == (2, 1, False)
    assert sum(crm.effects.values()) == 1
    assert [m for m in report.messages if "has no operation notes/post" in m]
    assert open_codes(stage) == ["not_configured"]

    stage.writer.limits = described
    again = stage.deliver()
    assert (again.verified, again.is_complete, open_codes(stage)) == (1, True, [])


def test_what_was_on_its_way_to_an_object_that_left_is_not_sent_again(stage):
    command = posting("N1", object_name="notes")
    stage.store.record_plan([command])
    stage.faults(hangs=1.0)
    stage.limits(request_timeout_seconds=30.0)
    with pytest.raises(RuntimeError):
        stage.deliver(on_progress=_die_when_sending)
    described = no_longer_described(stage, "notes")

    report = stage.deliver()
    assert (report.requests, report.unknown, report.held_elsewhere) == (0, 1, 0)
    assert report.seconds < 200  # until the dead sender's lease has run out

    stage.writer.limits = described
    stage.faults()
    stage.target.effects[external_key_of(command.command_id)] += 1
    again = stage.deliver(bounds=Bounds(wait_seconds_max=5_000))
    assert again.requests == 0


def _die_when_sending(progress):
    if progress.in_flight:
        raise RuntimeError("this process ends here")


# -- a system that only asks for less ----------------------------------------------------------


@pytest.mark.parametrize("retry_after_seconds", [None, 0.05, 1.0])
def test_endless_429s_end_the_run_after_a_bounded_number_of_calls(stage, retry_after_seconds):
    stage.limits(batch_max=10, concurrency_max=4)
    stage.store.record_plan(posting(f"R{n}") for n in range(100))
    stage.faults(throttled=1.0, retry_after_seconds=retry_after_seconds)

    report = stage.deliver()

    assert BOUNDS.outage_seconds_max < report.seconds < 2 * BOUNDS.outage_seconds_max
    assert report.requests < 100
    assert (report.systems_given_up, report.is_complete) == (["erp"], False)
    assert open_codes(stage) == ["system_unreachable"]
    stage.faults()
    assert stage.deliver().verified == 100
    assert open_codes(stage) == []


def test_one_operation_that_is_throttled_for_ever_ends_the_run_too(stage):
    stage.store.record_plan(posting(f"R{n}") for n in range(50))
    stage.store.record_plan([posting("N1", object_name="notes")])
    serve = stage.writer._serve

    async def selective(batch):
        is_note = batch[0].command.object_name == "notes"
        stage.faults(throttled=float(is_note), retry_after_seconds=1.0)
        return await serve(batch)

    stage.writer._serve = selective
    report = stage.deliver()

    assert (report.verified, report.waiting) == (50, 1)
    assert report.seconds < 2 * BOUNDS.outage_seconds_max


def test_a_daily_limit_is_left_for_the_next_run(stage):
    stage.store.record_plan([posting("R1")])
    stage.faults(throttled=1.0, retry_after_seconds=3_600.0)

    report = stage.deliver()

    assert (report.requests, report.waiting) == (1, 1)
    assert report.seconds < 10


# -- a stop while answers are outstanding ------------------------------------------------------


def test_a_stopped_run_does_not_wait_for_an_answer_that_does_not_come(stage):
    stage.limits(request_timeout_seconds=70.0, concurrency_max=2)
    commands = [posting("R1"), posting("R2"), posting("R3")]
    stage.store.record_plan(commands)
    stage.faults(latency_seconds=200.0)

    async def stopped():
        run = asyncio.ensure_future(stage.delivery())
        await asyncio.sleep(1.0)
        stage.engine.stop()
        return await run

    report = stage.run(stopped())

    assert report.seconds < 1.0 + BOUNDS.stop_seconds + 1.0
    assert (report.is_stopped, report.unanswered) == (True, 2)
    assert [m for m in report.messages if "2 requests unanswered" in m]
    states = sorted(stage.store.command(one.command_id).state for one in commands)
    assert states == ["ready", "sending", "sending"]

    stage.wait(300)  # the target works on them after nobody listens any more
    stage.faults()
    again = stage.deliver()
    assert (again.taken_over, again.sent, again.verified) == (2, 1, 3)
    assert effects(stage) == [1, 1, 1]


# -- settle times that are longer than a run ---------------------------------------------------


def test_a_long_settle_time_leaves_the_command_for_later_runs_which_find_it_out(stage):
    """SAP's clearing on a live system: 20 minutes to settle, a run every quarter of an hour."""
    stage.limits(settle_seconds=1_200.0, verify_seconds=1_800.0, request_timeout_seconds=120.0)
    stage.store.record_plan([posting("R1")])
    stage.faults(lost_request=1.0)

    first = stage.deliver()
    assert (first.unknown, first.exceptions_opened, first.is_complete) == (1, 0, False)
    assert first.seconds < 10
    assert [m for m in first.messages if "erp: 1 commands got no answer; a run after" in m]
    stage.faults()
    runs = 0
    while not effects(stage):
        stage.wait(900)
        stage.deliver()
        runs += 1
        assert runs < 8, "it is never found out"

    assert runs >= 3  # twice absent, a settle time apart
    assert effects(stage) == [1]
    assert stage.store.counts() == {"verified": 1}
    assert open_codes(stage) == []


def test_an_effect_that_never_comes_is_told_even_when_every_run_is_short(stage):
    stage.limits(settle_seconds=1_200.0, verify_seconds=1_800.0)
    stage.store.record_plan([posting("R1")])

    async def pending(batch):
        return {one.command.command_id: ReadBack(None, is_pending=True) for one in batch}

    stage.writer.read_back = pending
    first = stage.deliver()
    assert (first.unconfirmed, first.exceptions_opened) == (1, 0)
    assert [m for m in first.messages if "accepted and not confirmed yet" in m]
    for _ in range(3):
        stage.wait(900)
        last = stage.deliver()

    assert (last.sent, last.unconfirmed) == (0, 1)
    assert open_codes(stage) == ["not_confirmed"]


def test_the_limits_of_sap_on_a_live_system_are_such_times():
    from ingestion.common.config import System
    from reverse_etl.sap_s4hana.settings import SapOptions, limits_of

    system = System(system_id="sap", kind="sap_s4hana", base_url="https://sap.example")
    clearing: Limits = limits_of(SapOptions.of(system))["clearings", "clear"]
    assert clearing.settle_seconds > BOUNDS.wait_seconds_max
    assert clearing.settle_seconds > BOUNDS.look_up_seconds_max


def test_a_person_has_an_unconfirmed_effect_looked_up_and_sent_when_it_is_not_there(stage):
    """A 202 and nothing: SAP's clearing request that got lost behind its door."""
    stage.limits(settle_seconds=20.0, verify_seconds=60.0)
    stage.store.record_plan([posting("R1")])
    stage.faults(does_nothing=1.0)
    read_back = stage.writer.read_back

    async def pending(batch):
        return {
            key: ReadBack(None, is_pending=True) if one.fields is None else one
            for key, one in (await read_back(batch)).items()
        }

    stage.writer.read_back = pending
    assert stage.deliver().unconfirmed == 1
    (told,) = stage.store.exceptions(state="open")
    stage.faults()
    assert stage.deliver().sent == 0

    (done,) = stage.store.retry_exceptions([told.exception_id], by="ana", reason="not in SAP")
    report = stage.deliver()

    assert (done.is_done, report.sent, report.verified) == (True, 1, 1)
    assert report.look_ups >= 2
    assert effects(stage) == [1]
    assert open_codes(stage) == []
