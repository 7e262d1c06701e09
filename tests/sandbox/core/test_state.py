"""State comes back from disk exactly, and a file is never seen half-written."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.core.state import has_state, load_state, save_state

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.dates()
    | st.decimals(allow_nan=False, allow_infinity=False, places=6)
    | st.datetimes(timezones=st.just(UTC))
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(tree=st.dictionaries(st.text(), TREES, max_size=4))
def test_any_tree_comes_back_exactly(
    tree: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("state")
    save_state(directory, "crm", tree)
    assert load_state(directory, "crm") == tree


def test_types_are_kept_apart(tmp_path: Path) -> None:
    tree = {"amount": Decimal("12345678901.23"), "day": date(2026, 1, 2), "at": datetime.now(UTC)}
    save_state(tmp_path, "crm", tree)
    found = load_state(tmp_path, "crm")
    assert found == tree
    assert [type(value) for value in found.values()] == [Decimal, date, datetime]


def test_what_cannot_be_kept_is_refused_and_the_old_state_stays(tmp_path: Path) -> None:
    save_state(tmp_path, "crm", {"kept": 1})
    with pytest.raises(TypeError, match="cannot hold set"):
        save_state(tmp_path, "crm", {"lost": {1}})
    assert load_state(tmp_path, "crm") == {"kept": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["crm.state.json"]


def test_an_empty_directory_has_no_state(tmp_path: Path) -> None:
    assert not has_state(tmp_path)
    assert not has_state(tmp_path / "missing")
    assert load_state(tmp_path, "crm") is None
