"""One stage for all end-to-end tests; stories of the collected tests begin with the first one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flow.stage import Stage

#: A story is told once, while others are told: its first test waits for all of it.
_SECONDS_MAX = 900


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let tests of this folder wait for their story."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(_SECONDS_MAX))


@pytest.fixture(scope="session")
def stage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    """The stage; every vendor on it stops when the session ends."""
    made = Stage(tmp_path_factory.mktemp("flow"))
    made.begin({item.module.__name__ for item in request.session.items if hasattr(item, "module")})
    try:
        yield made
    finally:
        made.close()
