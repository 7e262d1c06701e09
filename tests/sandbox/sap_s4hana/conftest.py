"""A fresh system for each test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.sandbox.sap_s4hana.system import SapSystem


@pytest.fixture
def make_system(serve_app: Callable[..., str]) -> Iterator[Callable[..., SapSystem]]:
    """``make_system(**settings)`` serves a system until the test ends."""
    with ExitStack() as stack:

        def make(**settings: Any) -> SapSystem:
            system = SapSystem(serve_app, **settings)
            stack.callback(system.close)
            return system

        yield make


@pytest.fixture
def system(make_system: Callable[..., SapSystem]) -> SapSystem:
    """A system with one customer."""
    found = make_system()
    found.make_customer()
    return found
