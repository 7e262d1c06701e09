"""Several seeders, one clock: it never goes back and nobody is left waiting."""

import asyncio
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.demo.common_clock import CommonClock

FIRST = date(2026, 1, 1)


def run(*courses):
    """Seeders that want these days one after the other; the days set, and what each saw."""
    days, seen = [], [[] for _ in courses]

    async def set_clock(day):
        days.append(day)

    def seeder(number, wanted):
        async def seed(move):
            for day in wanted:
                await move(day)
                seen[number].append((day, days[-1]))

        return seed

    asyncio.run(
        CommonClock(set_clock).run(*(seeder(n, wanted) for n, wanted in enumerate(courses)))
    )
    return days, seen


COURSES = st.lists(st.lists(st.integers(0, 30)).map(sorted), min_size=1, max_size=4)


@given(COURSES)
def test_every_seeder_finds_the_day_that_it_waited_for(courses):
    wanted = [[FIRST + timedelta(n) for n in course] for course in courses]
    days, seen = run(*wanted)
    assert days == sorted({day for course in wanted for day in course})
    assert seen == [[(day, day) for day in course] for course in wanted]


def test_a_day_that_is_over_does_not_come_again():
    days, seen = run([FIRST + timedelta(5), FIRST])
    assert days == [FIRST + timedelta(5)]
    assert seen == [[(FIRST + timedelta(5), days[0]), (FIRST, days[0])]]


def test_a_seeder_that_fails_stops_the_others():
    async def fails(move):
        await move(FIRST)
        raise LookupError("refused")

    async def waits(move):
        await move(FIRST)
        await move(FIRST + timedelta(1))

    async def set_clock(day):
        assert day == FIRST

    with pytest.raises(ExceptionGroup, match="unhandled") as raised:
        asyncio.run(CommonClock(set_clock).run(fails, waits))
    assert str(raised.value.exceptions[0]) == "refused"
