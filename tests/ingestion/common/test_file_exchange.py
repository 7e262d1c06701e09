"""Pulling files over real sockets: whole ones, once, checked, and put away."""

import asyncio
import hashlib
import json

import pytest

from ingestion.common.file_exchange import exchange_files, pull_files, push_answers
from tests.ingestion.common.sftp_server import served

FOLDERS = {"pull_folder": "statements", "push_folder": "answers"}


@pytest.fixture
def server(tmp_path):
    with served(tmp_path) as running:
        running.put("statements/.keep")
        running.put("answers/.keep")
        yield running


@pytest.fixture
def inbox(tmp_path):
    return tmp_path / "inbox"


@pytest.fixture
def pull(server, inbox):
    def run(between=lambda: None, **options):
        async def looked(_):
            between()

        return server.run(
            lambda client: pull_files(client, inbox, sleep=looked), **{**FOLDERS, **options}
        )

    return run


def names(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_a_whole_file_is_taken_and_moved_and_the_next_pull_finds_nothing(server, inbox, pull):
    server.put("statements/a.xml", b"<a/>")
    server.put("statements/a.xml.done", b"")
    assert [path.name for path in pull().files] == ["a.xml"]
    assert (inbox / "a.xml").read_bytes() == b"<a/>"
    root = server.server.root / "statements"
    assert names(root) == ["taken"]
    assert names(root / "taken") == ["a.xml", "a.xml.done"]
    assert pull().files == []


def test_a_file_that_still_grows_between_two_looks_is_left(server, inbox, pull):
    path = server.put("statements/a.xml", b"<a>")
    pulled = pull(between=lambda: path.write_bytes(b"<a></a>"))
    assert (pulled.files, pulled.growing) == ([], ["a.xml"])
    assert [one.name for one in pull().files] == ["a.xml"]
    assert (inbox / "a.xml").read_bytes() == b"<a></a>"


def test_half_files_markers_and_hidden_names_are_no_files(server, pull):
    for name in ("a.xml.tmp", "b.part", ".c.xml", "d.xml.done", "e.ctl"):
        server.put(f"statements/{name}")
    assert pull().files == []


def test_where_nothing_may_be_moved_files_are_remembered(server, pull):
    server.put("statements/a.xml")
    assert len(pull(taken="remember").files) == 1
    assert pull(taken="remember").files == []
    assert "a.xml" in names(server.server.root / "statements")


def test_a_refused_move_is_a_warning_and_the_file_is_not_taken_twice(server, pull):
    server.put("statements/a.xml")
    server.faults.refused_renames = 1
    pulled = pull()
    assert [one.code for one in pulled.warnings] == ["sftp_not_moved"]
    assert len(pulled.files) == 1
    assert pull().files == []
    assert names(server.server.root / "statements") == ["taken"]


def test_a_file_that_is_gone_when_its_turn_comes_is_a_warning(server, inbox, pull):
    server.put("statements/a.xml")
    server.put("statements/a.xml.done")
    server.put("statements/b.xml")
    path = server.put("statements/c.xml")
    path.with_name("c.xml.done").write_bytes(b"")
    # Two looks are needed for b, and c, whole by its marker, goes between them.
    pulled = pull(between=path.unlink)
    assert [one.name for one in pulled.files] == ["a.xml", "b.xml"]
    assert [one.code for one in pulled.warnings] == ["sftp_taken_elsewhere"]


def test_two_hubs_that_remember_each_see_every_file(server, tmp_path):
    server.put("statements/a.xml")
    server.put("statements/a.xml.done")
    for hub in ("one", "two"):
        pulled = server.run(
            lambda client, hub=hub: pull_files(client, tmp_path / hub),
            **FOLDERS,
            taken="remember",
        )
        assert [one.name for one in pulled.files] == ["a.xml"]


def test_a_listing_that_showed_only_half_loses_nothing(server, pull):
    for number in range(6):
        server.put(f"statements/{number}.xml", str(number).encode())
        server.put(f"statements/{number}.xml.done")
    server.faults.partial_listings = 1
    first = {path.name for path in pull().files}
    second = {path.name for path in pull().files}
    assert len(first) < 6
    assert first | second == {f"{number}.xml" for number in range(6)}


def test_a_reused_name_never_overwrites_what_came_before(server, inbox, pull):
    server.put("statements/a.xml", b"first")
    pull()
    server.put("statements/a.xml", b"second")
    (second,) = pull().files
    assert (inbox / "a.xml").read_bytes() == b"first"
    assert second.read_bytes() == b"second"
    assert second.name.startswith("a.")
    assert len(names(server.server.root / "statements" / "taken")) == 2


@pytest.mark.parametrize("suffix", [".ctl", ".sha256"])
def test_what_differs_from_its_control_file_is_refused(server, inbox, pull, suffix):
    server.put("statements/a.xml", b"changed on the way")
    sha256 = hashlib.sha256(b"as sent").hexdigest()
    content = json.dumps({"sha256": sha256}) if suffix == ".ctl" else f"{sha256}  a.xml\n"
    server.put(f"statements/a.xml{suffix}", content.encode())
    pulled = pull()
    assert [one.code for one in pulled.refused] == ["sha256_differs"]
    assert names(inbox) == []


def test_a_pull_cut_in_the_middle_is_whole_in_the_end(server, inbox, pull):
    content = bytes(range(256)) * 100
    server.put("statements/a.xml", content)
    server.put("statements/a.xml.done")
    server.faults.cut_after_read = [5_000, 20_000]
    assert len(pull(window_bytes=4096).files) == 1
    assert (inbox / "a.xml").read_bytes() == content


def test_answers_are_pushed_whole_and_kept(server, inbox, tmp_path):
    outbox = tmp_path / "outbox"
    outbox.mkdir()
    (outbox / "a.xml.ack").write_bytes(b"{}")
    (outbox / "half.tmp").write_bytes(b"")
    pushed = server.run(lambda client: push_answers(client, outbox), **FOLDERS)
    assert pushed == ["a.xml.ack"]
    assert names(server.server.root / "answers") == ["a.xml.ack"]
    assert names(outbox / "sent") == ["a.xml.ack"]
    assert server.run(lambda client: push_answers(client, outbox), **FOLDERS) == []


def test_two_hubs_that_share_an_outbox_bring_each_answer_once(server, tmp_path):
    outbox = tmp_path / "outbox"
    outbox.mkdir()
    for number in range(3):
        (outbox / f"{number}.ack").write_bytes(b"{}")

    async def both(client):
        return await asyncio.gather(push_answers(client, outbox), push_answers(client, outbox))

    one, other = server.run(both, **FOLDERS)
    assert sorted(one + other) == ["0.ack", "1.ack", "2.ack"]
    assert names(server.server.root / "answers") == ["0.ack", "1.ack", "2.ack"]
    assert names(outbox / "sent") == ["0.ack", "1.ack", "2.ack"]


def test_a_system_s_own_options_say_what_is_exchanged(server, inbox):
    server.put("statements/a.xml")
    server.put("statements/a.xml.done")
    pulled = exchange_files(server.system(**FOLDERS), inbox)
    assert [path.name for path in pulled.files] == ["a.xml"]
