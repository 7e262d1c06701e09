"""The clock can be set, ticks on from there, and can be driven by a simulation."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from sandbox.core.clock import Clock

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


class Ticks:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def test_a_set_clock_ticks_on_from_its_instant() -> None:
    ticks = Ticks()
    clock = Clock(NOON, monotonic=ticks)
    ticks.seconds += 90
    assert clock.now() == NOON + timedelta(seconds=90)
    clock.set(datetime(2020, 2, 29, 23, 59, 59, tzinfo=UTC))
    ticks.seconds += 2
    assert clock.today() == date(2020, 3, 1)


def test_instants_are_kept_in_utc() -> None:
    clock = Clock(NOON.astimezone(timezone(timedelta(hours=5))), monotonic=Ticks())
    assert clock.now() == NOON
    assert clock.now().tzinfo is UTC
    assert clock.epoch_milliseconds() == int(NOON.timestamp()) * 1000


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Clock().set(datetime(2026, 1, 1))  # noqa: DTZ001 - the point of the test


def test_a_clock_knows_whether_it_was_set() -> None:
    clock = Clock()
    assert not clock.is_set
    clock.set(NOON)
    assert clock.is_set
