"""The engine's promises: record first, send second, read back third; nothing lost or doubled."""

import asyncio

from reverse_etl.delivery.bounds import Bounds
from reverse_etl.delivery.writer import Absent, CannotTell, ReadBack, Rejected, Retry
from reverse_etl.ledger.commands import external_key_of
from tests.reverse_etl.delivery.running import effects
from tests.reverse_etl.ledger.commands import posting, state


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


def test_a_no_to_the_second_copy_of_a_request_never_doubles_what_the_first_one_did(stage):
    """A gateway delivers a request twice and hands on the answer to the second copy only."""
    stage.store.record_plan(posting(f"R{n}") for n in range(3))
    send = stage.writer.send

    async def twice(batch):
        await send(batch)
        stage.writer.send = send
        again = Retry("429", "too many requests", 1.0, is_system_wide=True)
        return {sending.command.command_id: again for sending in batch}

    stage.writer.send = twice
    report = stage.deliver()

    assert (report.retried, report.verified) == (3, 3)
    assert effects(stage) == [1] * 3


def test_what_left_before_is_not_sent_again_while_it_cannot_be_looked_up(stage):
    stage.store.record_plan([posting("R1")])
    stage.faults(throttled=1.0, retry_after_seconds=1.0)
    answers = [CannotTell("the index is being built"), Absent()]

    async def look_up(batch):
        sends.append(stage.target.sends)
        return {sending.command.command_id: answers.pop(0) for sending in batch}

    sends: list[int] = []
    send, stage.writer.look_up = stage.writer.send, look_up

    async def once(batch):
        found = await send(batch)
        stage.faults()
        return found

    stage.writer.send = once
    report = stage.deliver()

    assert sends == [1, 1]
    assert (report.verified, report.not_sent, report.requests) == (1, 1, 2)


def test_a_refusal_after_a_step_that_stands_gives_way_to_no_corrected_command(stage):
    """Rejected, a corrected source would be sent under a new key beside what stands already."""
    command = posting("R1")
    stage.store.record_plan([command])
    send = stage.writer.send

    async def half(batch):
        stage.writer.send = send
        refused = Rejected("NOT_OPEN", "entry 7 stands, the next step was refused", is_partial=True)
        return {sending.command.command_id: refused for sending in batch}

    stage.writer.send = half
    assert stage.deliver().dead == 1
    assert stage.store.command(command.command_id).state == "dead"
    (told,) = stage.store.exceptions(state="open")
    assert (told.code, "entry 7 stands" in told.message) == ("NOT_OPEN", True)

    stage.store.retry_exceptions([told.exception_id], by="ada", reason="opened")
    assert stage.deliver().verified == 1
    assert effects(stage) == [1]
