"""The stage that every delivery test plays on."""

from collections.abc import Iterator

import pytest

from tests.reverse_etl.delivery.running import Stage, open_stage


@pytest.fixture
def stage() -> Iterator[Stage]:
    with open_stage() as opened:
        yield opened
