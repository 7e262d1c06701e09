"""The bank drops whole files, and only into the inbox."""

from pathlib import Path

import pytest

from sandbox.bank_files import drop_file, endpoint, inbox_of


def test_a_file_is_dropped_whole_into_the_announced_inbox(tmp_path: Path) -> None:
    path = drop_file(tmp_path, "statement-1.xml", b"<Document/>")
    assert path.read_bytes() == b"<Document/>"
    assert [one.name for one in inbox_of(tmp_path).iterdir()] == ["statement-1.xml"]
    assert endpoint(tmp_path)["base_url"] == path.parent.resolve().as_uri()


@pytest.mark.parametrize("name", ["../up.xml", "a/b.xml", ".hidden", ""])
def test_a_name_that_leaves_the_inbox_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="plain file name"):
        drop_file(tmp_path, name, b"")
