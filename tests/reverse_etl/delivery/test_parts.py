"""The engine's pure parts: pacer, batch sizes, read-back judgement, means of resolving."""

import gc
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reverse_etl.delivery.batching import batch_size, halves, split
from reverse_etl.delivery.bounds import Bounds
from reverse_etl.delivery.pacer import Pacer, backoff_seconds
from reverse_etl.delivery.resolving import Means, answer_of_read_back, means_of
from reverse_etl.delivery.running import old_objects_aside
from reverse_etl.delivery.verifying import Verdict, differences, judge_read_back
from reverse_etl.delivery.writer import Absent, CannotTell, Found, Limits, ReadBack, Rejected
from tests.reverse_etl.ledger.commands import posting, state

BOUNDS = Bounds()


def pacer(concurrency_max=8, rate=None):
    made = Pacer(BOUNDS, Random(1))
    made.allow(concurrency_max, rate)
    return made


def test_throttling_halves_and_success_grows_back_to_the_cap():
    one = pacer(8)
    one.throttled(0.0, 5.0)
    assert (one.free(4.9), one.free(5.0)) == (0, 4)
    for _ in range(100):
        one.succeeded()
    assert one.free(6.0) == 8


def test_a_storm_of_429s_within_one_pause_halves_once():
    one = pacer(8)
    for _ in range(5):
        one.throttled(1.0, 2.0)
    assert one.free(3.0) == 4


def test_places_are_taken_and_given_back():
    one = pacer(2)
    one.start()
    one.start()
    assert one.free(0.0) == 0
    one.end()
    assert (one.free(0.0), one.in_flight_max) == (1, 2)


def test_the_breaker_opens_probes_with_one_and_closes():
    one = pacer(8)
    for _ in range(BOUNDS.breaker_failures):
        one.failed(0.0)
    assert one.free(1.0) == 0
    opened_until = one.paused_until
    assert one.free(opened_until) == 1
    one.failed(opened_until)
    assert one.paused_until > opened_until
    one.succeeded()
    assert one.free(one.paused_until) > 1


def test_an_endless_outage_is_given_up():
    one = pacer()
    one.failed(0.0)
    assert not one.is_given_up(BOUNDS.outage_seconds_max)
    assert one.is_given_up(BOUNDS.outage_seconds_max + 1)
    one.succeeded()
    assert not one.is_given_up(1e9)


def test_a_target_that_only_asks_for_less_is_asked_ever_more_rarely_and_given_up():
    one = pacer()
    now, calls = 0.0, 0
    while not one.is_given_up(now):
        one.throttled(now, 1.0)
        now, calls = one.paused_until, calls + 1
    assert BOUNDS.outage_seconds_max < now < 2 * BOUNDS.outage_seconds_max
    assert calls < 50


@pytest.mark.parametrize("rate", [10.0, 300.0])
def test_no_second_sees_more_requests_than_the_target_allows(rate):
    one = pacer(1_000, rate=rate)
    sent: list[float] = []
    for step in range(1_000):
        now = step / 100
        for _ in range(one.free(now)):
            one.start()
            one.end()
            sent.append(now)
    most = max(sum(at <= other < at + 1.0 for other in sent) for at in set(sent))
    assert most <= rate
    assert len(sent) >= 0.8 * rate * 10


@given(st.integers(1, 60), st.integers())
def test_backoff_is_jittered_and_bounded(tries, seed):
    found = backoff_seconds(tries, BOUNDS, Random(seed))
    ceiling = min(BOUNDS.backoff_seconds_max, BOUNDS.backoff_seconds_first * 2 ** (tries - 1))
    assert ceiling / 2 <= found <= ceiling


def test_batches_shrink_with_failures_and_grow_with_volume():
    limits = Limits(batch_max=200, bulk_from=2_000, bulk_max=10_000)
    assert [batch_size(limits, failures=n, volume=5_000) for n in range(6)] == [
        10_000, 50, 12, 3, 1, 1,
    ]  # fmt: skip
    assert batch_size(limits, failures=0, volume=1_999) == 200


@given(st.lists(st.integers(), min_size=2), st.integers(1, 20))
def test_parts_hold_everything_in_order(items, size):
    first, second = halves(items)
    assert [*first, *second] == items
    assert 0 <= len(first) - len(second) <= 1
    assert [one for part in split(items, size) for one in part] == items


def test_a_field_counts_as_sent_when_its_text_is_the_same():
    sent = {"a": "1.5", "b": None, "c": True, "d": 7, "e": [{"x": "1"}], "f": ""}
    assert differences(sent, {**sent, "b": "", "f": None, "more": "x"}, frozenset()) == {}
    assert differences({"d": 7}, {"d": "7"}, frozenset()) == {}
    assert differences({"c": True}, {"c": 1}, frozenset()) == {"c": ("true", "1")}
    assert differences({"c": 1}, {"c": True}, frozenset()) == {"c": ("1", "true")}
    assert differences({"a": "100"}, {"a": "0100"}, frozenset()) == {"a": ("100", "0100")}
    assert differences({"a": "1"}, {}, frozenset()) == {"a": ("1", None)}
    assert differences({"a": "1"}, {}, frozenset({"a"})) == {}


@pytest.mark.parametrize(
    ("found", "reads", "age", "verdict"),
    [
        (ReadBack({"a": "1"}), 1, 0.0, Verdict.VERIFIED),
        (ReadBack({"a": "2"}), 1, 9.0, Verdict.ASK_AGAIN),
        (ReadBack({"a": "2"}), 2, 4.0, Verdict.ASK_AGAIN),
        (ReadBack({"a": "2"}), 2, 5.0, Verdict.MISMATCH),
        (ReadBack(None), 2, 60.0, Verdict.ASK_AGAIN),
        (ReadBack(None), 3, 9.0, Verdict.ASK_AGAIN),
        (ReadBack(None), 3, 10.0, Verdict.NO_EFFECT),
        (ReadBack({"a": "1"}, is_pending=True), 9, 119.0, Verdict.ASK_AGAIN),
        (ReadBack(None, is_pending=True), 9, 120.0, Verdict.NOT_CONFIRMED),
        (ReadBack(None, rejection=Rejected("x", "y")), 1, 0.0, Verdict.REJECTED),
        (None, 1, 0.0, Verdict.ASK_AGAIN),
        (None, 9, 120.0, Verdict.NOT_CONFIRMED),
    ],
)
def test_a_read_back_is_judged(found, reads, age, verdict):
    judged = judge_read_back({"a": "1"}, found, Limits(), reads=reads, age_seconds=age)
    assert judged.verdict is verdict


@pytest.mark.parametrize(
    ("command", "limits", "means"),
    [
        (posting("R"), Limits(), Means.LOOK_UP),
        (posting("R"), Limits(has_look_up=False), Means.PERSON),
        (posting("R"), Limits(has_look_up=False, is_keyed=True), Means.READ_BACK),
        (posting("R"), Limits(is_keyed=True), Means.LOOK_UP),
        (state("A"), Limits(is_keyed=True), Means.READ_BACK),
        (state("A"), Limits(), Means.LOOK_UP),
        (state("A"), Limits(has_look_up=False), Means.PERSON),
    ],
)
def test_how_an_unknown_outcome_is_found_out(command, limits, means):
    assert means_of(command, limits) is means


def test_a_row_that_is_there_with_other_values_is_not_this_commands_effect():
    command = state("A", {"status": "On Hold"})
    limits = Limits(is_keyed=True)
    there = ReadBack({"status": "On Hold"}, "001")
    assert answer_of_read_back(command, there, limits) == Found("001")
    assert answer_of_read_back(command, ReadBack({"status": "Current"}), limits) == Absent()
    assert answer_of_read_back(command, ReadBack(None), limits) == Absent()
    assert isinstance(answer_of_read_back(command, None, limits), CannotTell)


def test_a_delivery_leaves_the_garbage_collector_as_it_was():
    gc.unfreeze()  # another test of this process may have left some
    before = (gc.get_threshold(), gc.get_freeze_count())
    with old_objects_aside():
        assert gc.get_freeze_count() > before[1]
    assert (gc.get_threshold(), gc.get_freeze_count()) == before
