"""Fixtures of the planning tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reverse_etl.planning.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    found = Desk(tmp_path)
    yield found
    found.close()
