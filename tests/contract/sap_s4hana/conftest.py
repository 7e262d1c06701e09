"""The suite runs twice: with every unverified switch as it is, and with every one turned."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.sandbox.sap_s4hana.system import SapSystem

TURNED = {
    "gl_balance_service": "ZGL_BALANCE_SRV/GLBalanceSet",
    "clearing_log_service": "",
    "duplicate_answer": "repeated",
    "deduplicates_entries": False,
    "needs_if_match": False,
    "clearing_lag_reads": 1,
    "page_size": 3,
}


@pytest.fixture(params=[{}, TURNED], ids=["as they are", "turned"])
def switches(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(request.param)


@pytest.fixture
def make_system(
    serve_app: Callable[..., str], switches: dict[str, Any]
) -> Iterator[Callable[..., SapSystem]]:
    """``make_system(**settings)`` serves a system until the test ends."""
    with ExitStack() as stack:

        def make(**settings: Any) -> SapSystem:
            system = SapSystem(serve_app, **{**switches, **settings})
            stack.callback(system.close)
            return system

        yield make


@pytest.fixture
def system(make_system: Callable[..., SapSystem]) -> SapSystem:
    """A system with one customer."""
    found = make_system()
    found.make_customer()
    return found
