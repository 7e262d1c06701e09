"""Which tests run in one worker, and which begin first, when several workers share the suite.

A fixture of the session is made once in every worker that uses it. So the tests that share an
expensive one (a stage with its stories, a build, a server) are one *room*, and one worker runs the
whole of it; every other file is a room of its own. The longest rooms begin first: the short ones
fill the gaps at the end. It must not select, skip or change any test.
"""

from collections.abc import Sequence
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

__all__ = ["Rooms", "in_order", "room_of"]

#: Where one room begins, by the beginning of its tests' paths; the first that fits counts.
_ROOMS = (
    "tests/flow/test_push",  # uses no stage
    "tests/flow/",
    "tests/dbt_project/",
    "tests/reverse_etl/tryton/",
    "tests/contract/erp/",
    "tests/contract/tryton/",
)
#: What takes longest, in this order; everything else follows as it was collected.
_BEGIN_FIRST = (
    "tests/flow/",
    "tests/contract/tryton/",
    "tests/dbt_project/",
    "tests/reverse_etl/tryton/",
    "tests/contract/erp/",
    "tests/flow/test_push",
    "tests/bench/test_bench.py",
    "tests/simulation/test_simulation.py",
    "tests/reverse_etl/decisions/test_late.py",
)


def room_of(nodeid: str) -> str:
    """The room of a test: its folder's where that shares something, else its own file."""
    path = nodeid.partition("::")[0]
    return next((room for room in _ROOMS if path.startswith(room)), path)


def in_order(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The tests room by room, the longest rooms first, each room in the order it was collected."""
    place = {room: number for number, room in enumerate(_BEGIN_FIRST)}
    return sorted(items, key=lambda item: place.get(room_of(item.nodeid), len(place)))


class Rooms(LoadScopeScheduling):
    """Gives every worker whole rooms, in the order in which they were collected."""

    def __init__(self, config: pytest.Config, log: Any = None) -> None:
        config.option.loadscopereorder = False  # else by number of tests: many are not much work
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return room_of(nodeid)
