"""Runs of the engine: modes, stops, several at once, broken parts; nothing lost or doubled."""

import asyncio
import logging

import pytest

from reverse_etl.delivery.bounds import Bounds
from reverse_etl.delivery.running import deliver_now
from reverse_etl.delivery.writer import Limits
from reverse_etl.ledger.approvals import ApprovalTerms
from reverse_etl.ledger.clock import SystemClock
from reverse_etl.ledger.leases import ProcessIdentity
from reverse_etl.ledger.modes import Modes
from reverse_etl.ledger.store import Store
from tests.reverse_etl.delivery.fake_target import FakeTarget, FakeWriter
from tests.reverse_etl.delivery.running import effects
from tests.reverse_etl.ledger.commands import posting, state


def test_what_waits_for_a_rejected_command_is_not_sent_and_not_lost(stage):
    journal = posting("R1")
    clearing = posting(
        "C1", {"lines": "[]"}, object_name="clearings", operation="clear",
        after=(journal.command_id,),
    )  # fmt: skip
    stage.store.record_plan([journal, clearing])
    stage.target.poison = {"R1"}

    assert stage.deliver().planned == 1

    stage.target.poison = set()
    ids = [one.exception_id for one in stage.store.exceptions(state="open")]
    stage.store.retry_exceptions(ids, by="anna", reason="period opened")
    assert stage.deliver().verified == 2


@pytest.mark.parametrize("mode", ["off", "shadow"])
def test_a_flow_that_does_not_send_records_and_waits(stage, mode):
    stage.store.record_plan([posting("R1")])

    report = stage.deliver(modes=Modes(by_system={"erp": mode}))
    assert (report.sent, report.planned) == (0, 1)

    assert stage.deliver(modes=Modes()).verified == 1


def test_in_approve_all_every_command_wants_a_person(stage):
    command = posting("R1")
    stage.store.record_plan([command])
    modes = Modes(by_flow={("erp", "journal_entries"): "approve_all"})

    assert stage.deliver(modes=modes).awaiting_approval == 1

    stage.store.approve(
        command.command_id, command.payload_hash, by="anna", os_user="anna", reason="seen",
        terms=ApprovalTerms(),
    )  # fmt: skip
    assert stage.deliver(modes=modes).verified == 1


def test_an_approval_that_ran_out_on_the_way_keeps_the_command_back(stage):
    command = posting("R1", approval_rule="write_off")
    stage.store.record_plan([command], os_user="cron")
    stage.store.approve(
        command.command_id, command.payload_hash, by="anna", os_user="anna", reason="seen",
        terms=ApprovalTerms(expires_days=1),
    )  # fmt: skip
    stage.wait(2 * 86_400)

    assert stage.deliver().awaiting_approval == 1
    assert stage.target.sends == 0


def test_only_the_named_objects_are_sent(stage):
    stage.store.record_plan([posting("R1"), state("A1", system_id="erp")])

    report = stage.deliver(object_names=["accounts"])

    assert (report.verified, stage.store.counts()) == (1, {"ready": 1, "verified": 1})


def test_a_stop_finishes_what_is_on_its_way_and_leaves_the_rest_ready(stage):
    stage.limits(batch_max=10, concurrency_max=2)
    stage.faults(latency_seconds=1.0)
    stage.store.record_plan(posting(f"R{n}") for n in range(100))

    async def story():
        delivery = asyncio.ensure_future(stage.delivery())
        await asyncio.sleep(0.5)
        stage.engine.stop()
        return await delivery

    report = stage.run(story())

    assert (report.is_stopped, report.sent, report.accepted) == (True, 20, 20)
    assert stage.store.counts() == {"accepted": 20, "ready": 80}
    again = stage.deliver()
    assert (again.sent, again.verified) == (80, 100)
    assert effects(stage) == [1] * 100


def test_ctrl_c_ends_cleanly_and_twice_at_once(stage):
    stage.limits(batch_max=10, concurrency_max=2)
    stage.faults(latency_seconds=1.0)
    stage.store.record_plan(posting(f"R{n}") for n in range(100))

    async def story(times):
        delivery = asyncio.ensure_future(stage.delivery())
        await asyncio.sleep(0.5)
        for _ in range(times):
            delivery.cancel()
            await asyncio.sleep(0.01)
        with pytest.raises(asyncio.CancelledError):
            await delivery
        return stage.store.counts()

    assert stage.run(story(1)) == {"accepted": 20, "ready": 80}
    assert stage.run(story(2))["sending"] == 20
    stage.wait(300)
    assert stage.deliver().is_complete
    assert effects(stage) == [1] * 100


def test_two_runs_at_once_make_one_effect_each(stage):
    stage.limits(batch_max=5, concurrency_max=2)
    stage.faults(latency_seconds=0.3, lost_answer=0.05)
    stage.store.record_plan(posting(f"R{n}", lane=f"L{n % 40}") for n in range(200))

    async def story():
        identity = ProcessIdentity("", "another")
        runs = [stage.delivery(), stage.delivery(identity=identity, seed=2)]
        return await asyncio.gather(*runs)

    first, second = stage.run(story())

    assert first.verified + second.verified == 200
    assert min(first.verified, second.verified) > 20
    assert effects(stage) == [1] * 200


def test_nothing_is_sent_on_a_lease_that_is_too_short(stage):
    stage.limits(request_timeout_seconds=500.0)
    stage.store.record_plan([posting("R1")])

    report = stage.deliver(bounds=Bounds(lease_seconds=10.0))

    assert report.verified == 1
    assert stage.engine._lease_seconds == 1_500.0


def test_a_sender_whose_lease_was_taken_sends_nothing_more(stage):
    stage.limits(batch_max=1, concurrency_max=1)
    stage.faults(latency_seconds=30.0)
    stage.store.record_plan(posting(f"R{n}") for n in range(50))

    async def story():
        delivery = asyncio.ensure_future(stage.delivery(bounds=Bounds(lease_seconds=60.0)))
        await asyncio.sleep(100)
        with stage.store.database.write() as connection:
            stage.store.database.run(connection, "DELETE FROM leases")
        sends = stage.target.sends
        report = await delivery
        return sends, report

    sends, report = stage.run(story())

    assert report.is_stopped
    assert stage.target.sends - sends <= 4
    assert stage.deliver().is_complete
    assert effects(stage) == [1] * 50


def test_a_writer_that_raises_leaves_the_outcome_unknown(stage, caplog):
    send = stage.writer.send

    async def breaks(batch):
        await send(batch)
        stage.writer.send = send
        raise KeyError("a fault in a writer")

    stage.writer.send = breaks
    stage.store.record_plan([posting("R1")])

    assert stage.deliver().verified == 1
    assert effects(stage) == [1]


def test_a_row_without_an_answer_is_unknown_and_looked_up(stage):
    send = stage.writer.send

    async def forgets(batch):
        answers = dict(await send(batch))
        answers.pop(batch[0].command.command_id)
        return answers

    stage.writer.send = forgets
    stage.limits(batch_max=10)
    stage.store.record_plan(posting(f"R{n}") for n in range(10))

    report = stage.deliver()

    assert (report.verified, stage.events("unknown")) == (10, 1)
    assert effects(stage) == [1] * 10


def test_a_request_that_never_ends_is_given_up_in_time(stage):
    stage.limits(request_timeout_seconds=20.0)
    stage.faults(hangs=1.0)
    stage.store.record_plan([posting("R1")])

    async def story():
        delivery = asyncio.ensure_future(stage.delivery())
        await asyncio.sleep(21)
        stage.faults()
        return await delivery

    assert stage.run(story()).verified == 1
    assert effects(stage) == [1]


def test_memory_holds_a_bounded_number_of_commands(stage):
    stage.limits(batch_max=10, concurrency_max=4)
    stage.store.record_plan(posting(f"R{n}") for n in range(500))
    most = []

    report = stage.deliver(
        bounds=Bounds(follow_ups_max=50), on_progress=lambda p: most.append(p.following)
    )

    assert report.verified == 500
    assert max(most) <= 50 + 40


def test_every_log_line_about_a_command_carries_its_correlation_id(stage, caplog):
    stage.target.poison = {"R1"}
    stage.store.record_plan([posting("R1")])
    with caplog.at_level(logging.DEBUG, logger="reverse_etl.delivery"):
        stage.deliver()

    lines = [one for one in caplog.records if one.name.endswith("calls")]
    assert [one.correlation_id for one in lines] == ["rcpt-R1", "rcpt-R1"]
    assert all(one.command_id and one.system_id == "erp" for one in lines)


def test_progress_is_told(stage):
    stage.store.record_plan(posting(f"R{n}") for n in range(5))
    seen = []

    stage.deliver(on_progress=seen.append)

    assert seen[-1].verified == 5
    assert [one.verified for one in seen] == sorted(one.verified for one in seen)


def test_a_broken_operations_database_ends_the_run_loudly_and_loses_nothing(stage):
    stage.faults(latency_seconds=1.0)
    stage.store.record_plan(posting(f"R{n}") for n in range(20))

    async def story():
        delivery = asyncio.ensure_future(stage.delivery())
        await asyncio.sleep(0.5)
        whole = stage.store.unit

        def broken(actor="x"):
            raise OSError("disk full")

        stage.store.unit = broken
        with pytest.raises(OSError, match="disk full"):
            await delivery
        stage.store.unit = whole

    stage.run(story())
    stage.wait(500)

    assert stage.deliver().verified == 20
    assert effects(stage) == [1] * 20


def test_the_synchronous_call_runs_on_real_time_and_closes_the_writers(tmp_path):
    clock = SystemClock()
    with Store.open(tmp_path / "ops.sqlite", now=clock.now) as store:
        store.record_plan(posting(f"R{n}") for n in range(30))
        writer = FakeWriter(FakeTarget(clock), default_limits=Limits(batch_max=7))

        report = deliver_now(store, {"erp": writer}, clock=clock)

    assert (report.verified, report.is_complete, writer.is_closed) == (30, True, True)
