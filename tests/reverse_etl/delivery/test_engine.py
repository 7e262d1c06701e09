"""The engine's promises: record first, send second, read back third; nothing lost or doubled."""

import asyncio
import logging

import pytest

from reverse_etl.delivery.bounds import Bounds
from reverse_etl.delivery.running import deliver_now
from reverse_etl.delivery.writer import Limits, ReadBack, Rejected, Retry
from reverse_etl.ledger.approvals import ApprovalTerms
from reverse_etl.ledger.clock import SystemClock
from reverse_etl.ledger.commands import external_key_of
from reverse_etl.ledger.leases import ProcessIdentity
from reverse_etl.ledger.modes import Modes
from reverse_etl.ledger.store import Store
from tests.reverse_etl.delivery.fake_target import FakeTarget, FakeWriter
from tests.reverse_etl.ledger.commands import posting, state


def effects(stage):
    return sorted(stage.target.effects.values())


def test_a_plan_is_sent_in_batches_and_every_row_is_read_back(stage):
    stage.limits(batch_max=200, concurrency_max=4)
    stage.store.record_plan(posting(f"R{n}") for n in range(1_000))

    report = stage.deliver()

    assert (report.sent, report.accepted, report.verified) == (1_000, 1_000, 1_000)
    assert (report.requests, report.is_complete) == (5, True)
    assert effects(stage) == [1] * 1_000
    assert stage.store.verify_audit().is_intact


def test_nothing_is_sent_before_the_log_says_so(stage):
    stage.store.record_plan([posting("R1")])
    seen = []
    applied = stage.target.apply

    def apply(sending, **more):
        seen.append(stage.store.command(sending.command.command_id).state)
        return applied(sending, **more)

    stage.target.apply = apply
    stage.deliver()

    assert seen == ["sending"]


def test_with_nothing_to_do_nothing_is_called_and_nothing_is_logged(stage):
    stage.store.record_plan([posting("R1")])
    stage.deliver()
    before = stage.store.verify_audit().events

    report = stage.deliver()

    assert (report.requests, report.look_ups, report.read_backs) == (0, 0, 0)
    assert stage.store.verify_audit().events == before


def test_single_rows_batches_and_bulk_go_by_volume(stage):
    sizes = []
    send = stage.writer.send

    async def counted(batch):
        sizes.append(len(batch))
        return await send(batch)

    stage.writer.send = counted
    stage.limits(batch_max=20, bulk_from=100, bulk_max=1_000, concurrency_max=1)
    for count in (1, 35, 250):
        sizes.clear()
        stage.store.record_plan(state(f"K{count}-{n}", system_id="erp") for n in range(count))
        stage.deliver()
        assert sizes == {1: [1], 35: [20, 15], 250: [250]}[count]


def test_volume_counts_what_waits_behind_lane_heads(stage):
    """One account with many invoices is a bulk load too, not request after request."""
    stage.limits(batch_max=20, bulk_from=100, bulk_max=1_000, allows_many_per_lane=True)
    stage.store.record_plan(
        state(f"K{n}", system_id="erp", lane=f"account{n % 3}") for n in range(150)
    )

    report = stage.deliver()

    assert (report.verified, report.requests) == (150, 1)


def test_4_poison_rows_in_2000_cost_nobody_else_anything(stage):
    stage.limits(batch_max=200, concurrency_max=4)
    stage.faults(server_error=0.05, throttled=0.05, latency_seconds=0.05)
    stage.target.poison = {"R13", "R500", "R501", "R1999"}
    stage.target.refuses_whole_batches = True
    stage.store.record_plan(posting(f"R{n}") for n in range(2_000))

    report = stage.deliver()

    assert (report.verified, report.rejected, report.is_complete) == (1_996, 4, False)
    assert effects(stage) == [1] * 1_996
    open_ = list(stage.store.exceptions(state="open"))
    assert {one.object_key for one in open_} == stage.target.poison

    stage.target.poison = set()
    stage.faults()
    stage.store.retry_exceptions([one.exception_id for one in open_], by="anna", reason="mended")
    report = stage.deliver()

    assert (report.sent, report.verified, report.exceptions_closed) == (4, 4, 4)
    assert effects(stage) == [1] * 2_000


def test_lost_answers_never_double_a_posting(stage):
    stage.limits(batch_max=1, concurrency_max=16)
    stage.faults(lost_answer=0.01, lost_request=0.01, latency_seconds=0.02)
    stage.store.record_plan(posting(f"R{n}") for n in range(1_500))

    report = stage.deliver()

    assert report.verified == 1_500
    assert effects(stage) == [1] * 1_500
    assert report.look_ups > 0


def test_an_absent_answer_counts_only_when_settled_and_twice_in_a_row(stage):
    stage.limits(settle_seconds=5.0)
    stage.faults(lost_request=1.0)
    stage.store.record_plan([posting("R1")])

    async def story():
        delivery = asyncio.ensure_future(stage.delivery())
        await asyncio.sleep(4.9)
        assert stage.events("looked_up") == 0
        await asyncio.sleep(0.3)
        assert (stage.events("looked_up"), stage.target.sends) == (1, 1)
        stage.faults()
        return await delivery

    assert stage.run(story()).verified == 1
    assert (stage.target.sends, stage.events("looked_up")) == (2, 2)


def test_a_look_up_that_cannot_tell_starts_the_count_again(stage):
    stage.faults(lost_request=1.0, look_up_fails=1.0)
    stage.store.record_plan([posting("R1")])

    async def story():
        delivery = asyncio.ensure_future(stage.delivery())
        await asyncio.sleep(60)
        assert (stage.target.sends, stage.store.counts()) == (1, {"unknown": 1})
        stage.faults()
        return await delivery

    assert stage.run(story()).verified == 1
    assert effects(stage) == [1]


def test_without_key_or_look_up_it_is_sent_once_and_then_a_person_decides(stage):
    stage.limits(has_look_up=False)
    stage.faults(lost_answer=1.0)
    command = posting("R1")
    stage.store.record_plan([command])

    for _ in range(3):
        report = stage.deliver()
        assert (report.unknown, report.is_complete) == (1, False)
    assert stage.target.sends == 1
    (told,) = stage.store.exceptions(state="open")
    assert (told.code, told.occurrences) == ("outcome_unknown", 1)

    stage.store.resolve_exceptions(
        [told.exception_id], by="anna", reason="document 18 is there", verdict="has_effect"
    )
    assert stage.deliver().verified == 1
    assert (effects(stage), stage.target.sends) == ([1], 1)


def test_a_keyed_command_without_a_look_up_is_read_back_and_sent_again(stage):
    stage.limits(has_look_up=False, is_keyed=True)
    stage.faults(lost_request=1.0)
    stage.store.record_plan([state("A1", system_id="erp")])

    async def story():
        delivery = asyncio.ensure_future(stage.delivery())
        await asyncio.sleep(1)
        stage.faults()
        return await delivery

    assert stage.run(story()).verified == 1


def test_a_target_that_says_yes_and_does_nothing_is_caught(stage):
    stage.faults(does_nothing=1.0)
    command = posting("R1")
    stage.store.record_plan([command])

    report = stage.deliver()

    assert (report.verified, report.dead) == (0, 1)
    (told,) = stage.store.exceptions()
    assert (told.exception_class, told.code) == ("technical", "no_effect")


def test_a_target_that_drops_a_field_is_caught_and_the_field_named(stage):
    stage.faults(drops_field=1.0)
    stage.store.record_plan([posting("R1", {"amount": "1", "text": "kept short"})])

    report = stage.deliver()

    assert (report.verified, report.dead) == (0, 1)
    (told,) = stage.store.exceptions()
    assert (told.code, told.field) == ("read_back_differs", "text")
    assert list(stage.store.mirror.acknowledged()) == []


def test_a_retry_of_a_command_that_may_be_there_never_doubles_it(stage):
    stage.faults(drops_field=1.0)
    command = posting("R1", {"amount": "1", "text": "x"})
    stage.store.record_plan([command])
    stage.deliver()
    (told,) = stage.store.exceptions()
    stage.target.rows[("journal_entries", external_key_of(command.command_id))]["text"] = "x"

    stage.store.retry_exceptions([told.exception_id], by="anna", reason="text mended by hand")
    report = stage.deliver()

    assert (report.sent, report.verified, effects(stage)) == (0, 1, [1])
    assert stage.store.exception(told.exception_id).state == "closed"


def test_an_asynchronous_effect_is_polled_until_it_is_there(stage):
    stage.limits(verify_seconds=120.0)
    read = stage.writer.read_back

    async def later(batch):
        if stage.loop.time() < 40:
            return {one.command.command_id: ReadBack(None, is_pending=True) for one in batch}
        return await read(batch)

    stage.writer.read_back = later
    stage.store.record_plan([posting("R1")])

    assert stage.deliver().verified == 1
    assert stage.loop.time() < 70


def test_an_effect_that_is_not_confirmed_in_time_stays_accepted_and_a_person_is_told(stage):
    stage.limits(verify_seconds=30.0)
    read = stage.writer.read_back

    async def pending(batch):
        return {one.command.command_id: ReadBack(None, is_pending=True) for one in batch}

    stage.writer.read_back = pending
    command = posting("R1")
    stage.store.record_plan([command])

    report = stage.deliver()
    assert (report.unconfirmed, stage.store.command(command.command_id).state) == (1, "accepted")
    (told,) = stage.store.exceptions()
    assert told.code == "not_confirmed"

    stage.writer.read_back = read
    assert stage.deliver().verified == 1
    assert stage.store.exception(told.exception_id).state == "closed"
    assert stage.target.sends == 1


def test_a_refusal_that_comes_with_the_confirmation_is_a_rejection(stage):
    async def refused(batch):
        no = Rejected("F5 702", "balance in transaction currency")
        return {one.command.command_id: ReadBack(None, rejection=no) for one in batch}

    stage.writer.read_back = refused
    stage.store.record_plan([posting("R1")])

    assert stage.deliver().rejected == 1
    (told,) = stage.store.exceptions()
    assert (told.exception_class, told.code) == ("business", "F5 702")


def test_a_fault_of_the_row_is_tried_a_bounded_number_of_times(stage):
    stage.faults(row_lock=1.0)
    stage.store.record_plan([posting("R1")])

    report = stage.deliver(bounds=Bounds(failures_max=4))

    assert (report.sent, report.dead) == (4, 1)
    assert effects(stage) == []


def test_a_row_that_breaks_the_target_ends_up_alone(stage):
    send = stage.writer.send

    async def breaks(batch):
        if any(one.command.business_key == "R7" for one in batch):
            return {one.command.command_id: Retry("500", "broke") for one in batch}
        return await send(batch)

    stage.writer.send = breaks
    stage.limits(batch_max=64)
    stage.store.record_plan(posting(f"R{n}") for n in range(64))

    report = stage.deliver()

    assert (report.verified, report.dead) == (63, 1)
    assert effects(stage) == [1] * 63


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
