import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingestion.bank_files.inbox import (
    InboxFile,
    Markers,
    inbox_of,
    markers_of,
    new_files,
    sha256_of,
)
from ingestion.common.config import System
from ingestion.common.errors import ConfigError, InputRefused

NOW = datetime(2026, 1, 5, 12, tzinfo=UTC)


def drop(folder: Path, name: str, age_seconds: float = 3600, content: bytes = b"x") -> Path:
    path = folder / name
    path.write_bytes(content)
    at = (NOW - timedelta(seconds=age_seconds)).timestamp()
    os.utime(path, (at, at))
    return path


def names(files: list[InboxFile]) -> list[str]:
    return [file.path.name for file in files]


def never(seconds: float) -> None:
    raise AssertionError("there is nothing to wait for")


def test_only_whole_files_are_taken(tmp_path: Path) -> None:
    for name in (
        "a.xml",
        "b.xml.tmp",
        "c.part",
        "d.filepart",
        ".hidden",
        "a.xml.done",
        "e.ctl",
        "f.ack",
    ):
        drop(tmp_path, name)
    (tmp_path / "folder.xml").mkdir()
    assert names(new_files(tmp_path, set(), NOW, never)) == ["a.xml"]


def test_a_young_file_is_taken_when_it_stays_as_it_is(tmp_path: Path) -> None:
    drop(tmp_path, "young.xml", age_seconds=1)
    waits: list[float] = []
    (found,) = new_files(tmp_path, set(), NOW, waits.append)
    assert found.is_young
    assert len(waits) == 1


def test_a_file_that_still_grows_is_left_for_the_next_read(tmp_path: Path) -> None:
    path = drop(tmp_path, "young.xml", age_seconds=1)
    drop(tmp_path, "old.xml")

    def grow(seconds: float) -> None:
        path.write_bytes(b"more and more")

    assert names(new_files(tmp_path, set(), NOW, grow)) == ["old.xml"]


@pytest.mark.parametrize("marker", [".done", ".ok"])
def test_either_marker_beside_a_file_says_that_it_is_whole(tmp_path: Path, marker: str) -> None:
    drop(tmp_path, "young.xml", age_seconds=1)
    drop(tmp_path, f"young.xml{marker}", age_seconds=1)
    assert names(new_files(tmp_path, set(), NOW, never)) == ["young.xml"]


def test_a_bank_may_have_its_own_marker_and_require_it(tmp_path: Path) -> None:
    options: dict[str, str | int | bool] = {"whole_markers": ".eot .fin", "requires_marker": True}
    markers = markers_of(System(system_id="bank", kind="bank_files", options=options))
    assert markers == Markers((".eot", ".fin"), are_required=True)
    for name in ("a.xml", "b.xml", "b.xml.fin", "c.xml"):
        drop(tmp_path, name)
    found = new_files(tmp_path, set(), NOW, never, markers)
    assert names(found) == ["b.xml"]


def test_a_retry_marker_brings_a_file_back_once(tmp_path: Path) -> None:
    drop(tmp_path, "a.xml", age_seconds=3600)
    (before,) = new_files(tmp_path, set(), NOW, never)
    drop(tmp_path, "a.xml.retry", age_seconds=60)
    (again,) = new_files(tmp_path, {before.seen}, NOW, never)
    assert again.is_retried
    assert new_files(tmp_path, {before.seen, again.seen}, NOW, never) == []


def test_a_file_that_is_stored_is_not_opened_again_until_it_changes(tmp_path: Path) -> None:
    drop(tmp_path, "a.xml")
    (file,) = new_files(tmp_path, set(), NOW, never)
    assert new_files(tmp_path, {file.seen}, NOW, never) == []
    drop(tmp_path, "a.xml", age_seconds=60, content=b"xx")
    assert names(new_files(tmp_path, {file.seen}, NOW, never)) == ["a.xml"]


def test_a_file_that_is_too_large_is_refused_unread(tmp_path: Path) -> None:
    file = InboxFile(tmp_path / "absent.xml", 10**12, NOW)
    with pytest.raises(InputRefused) as caught:
        sha256_of(file)
    assert caught.value.code == "file_too_large"


def test_the_inbox_must_be_an_existing_folder(tmp_path: Path) -> None:
    folder = tmp_path / "in box"
    system = System(system_id="bank", kind="bank_files", base_url=folder.as_uri())
    with pytest.raises(ConfigError, match=r"systems\.bank\.base_url"):
        inbox_of(system)
    folder.mkdir()
    assert inbox_of(system) == folder
    with pytest.raises(ConfigError):
        inbox_of(system.model_copy(update={"base_url": "https://bank.example"}))
