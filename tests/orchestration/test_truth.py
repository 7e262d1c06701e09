"""How much of the truth is built: views once per code and warehouse, data every time."""

from pathlib import Path

import pytest

from orchestration import truth
from orchestration.dbt_process import DbtBuild, DbtFailed
from orchestration.truth import build_truth, code_fingerprint


class Builder:
    """Remembers which builds were asked for; fails those it is told to."""

    def __init__(self, *failing: str) -> None:
        self.asked: list[str] = []
        self._failing = list(failing)

    def build(self, *, is_refresh: bool = False) -> DbtBuild:
        what = "refresh" if is_refresh else "full"
        self.asked.append(what)
        if what in self._failing:
            self._failing.remove(what)
            raise DbtFailed("a view does not bind", code="dbt_failed")
        return DbtBuild({}, ())


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    return tmp_path / "warehouse.duckdb"


def test_the_first_build_is_full_and_the_next_ones_refresh(warehouse):
    dbt = Builder()
    for is_again in (False, True, False, False):
        build_truth(dbt, warehouse, is_again=is_again)
    assert dbt.asked == ["full", "refresh", "refresh", "refresh"]


def test_changed_code_is_built_in_full(warehouse, monkeypatch):
    dbt = Builder()
    build_truth(dbt, warehouse)
    monkeypatch.setattr(truth, "code_fingerprint", lambda: "other code")
    build_truth(dbt, warehouse)
    assert dbt.asked == ["full", "full"]


def test_a_refresh_that_fails_is_tried_in_full_before_it_counts(warehouse):
    dbt = Builder("refresh")
    build_truth(dbt, warehouse)
    build_truth(dbt, warehouse)
    assert dbt.asked == ["full", "refresh", "full"]


def test_a_full_build_that_fails_is_full_again_next_time(warehouse):
    dbt = Builder("full")
    with pytest.raises(DbtFailed):
        build_truth(dbt, warehouse)
    build_truth(dbt, warehouse)
    assert dbt.asked == ["full", "full"]


def test_a_second_build_of_a_loop_that_fails_has_failed(warehouse):
    dbt = Builder()
    build_truth(dbt, warehouse)
    dbt = Builder("refresh")
    with pytest.raises(DbtFailed):
        build_truth(dbt, warehouse, is_again=True)
    assert dbt.asked == ["refresh"]


def test_the_fingerprint_follows_every_file_of_the_project_but_not_what_dbt_writes(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.sql").write_text("select 1")
    before = code_fingerprint(tmp_path)
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "manifest.json").write_text("{}")
    assert code_fingerprint(tmp_path) == before
    (tmp_path / "models" / "a.sql").write_text("select 2")
    assert code_fingerprint(tmp_path) != before
