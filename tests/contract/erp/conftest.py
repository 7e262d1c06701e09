"""One running system per kind and module, and a fresh name for everything a test makes there."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from tests.contract.erp.bench import ErpBench, bench_kinds, make_bench
from tests.contract.erp.wires import run
from tests.simulation.virtual import VirtualLoop

_NUMBERS = itertools.count(1)


class _VirtualPolicy(asyncio.DefaultEventLoopPolicy):
    """``asyncio.run`` of a reading gets a loop in virtual time."""

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return VirtualLoop()


@pytest.fixture(scope="module", params=bench_kinds())
def bench(request: pytest.FixtureRequest) -> Iterator[ErpBench]:
    made = make_bench(request.param)
    is_virtual = made.shape.is_virtual
    before = asyncio.get_event_loop_policy()
    if is_virtual:
        asyncio.set_event_loop_policy(_VirtualPolicy())
    try:
        run(made.start(), is_virtual=is_virtual)
        yield made
        run(made.stop(), is_virtual=is_virtual)
    finally:
        asyncio.set_event_loop_policy(before)


@pytest.fixture
def act(bench: ErpBench) -> Callable[[Coroutine[Any, Any, Any]], Any]:
    """Run a coroutine of the bench to its end."""
    return lambda work: run(work, is_virtual=bench.shape.is_virtual)


@pytest.fixture
def name() -> str:
    """A number that nothing else in this process has: ten capitals and digits."""
    return f"DOC{next(_NUMBERS):07d}"
