"""The SFTP client over real sockets: whom it trusts, what it repeats, where it goes on."""

import hashlib
from random import Random

import pytest

from ingestion.common.config import System
from ingestion.common.errors import ConfigError, RetryLater, VendorRejected
from ingestion.common.sftp import SentPart
from ingestion.common.sftp_settings import sftp_of
from sandbox.sftp.keys import server_keys
from tests.ingestion.common.sftp_server import served

WINDOW = 4096


@pytest.fixture
def server(tmp_path):
    with served(tmp_path) as running:
        running.put("in/.keep")
        yield running


@pytest.fixture
def local(tmp_path):
    path = tmp_path / "local.csv"
    path.write_bytes(Random(1).randbytes(50_000))
    return path


# -- trust ---------------------------------------------------------------------------------------


def test_a_host_that_shows_another_key_gets_nothing_and_the_error_says_what_to_do(server, tmp_path):
    other = server_keys(tmp_path / "other").host_public_key
    with pytest.raises(ConfigError, match="is not the pinned one: nothing was sent") as caught:
        server.run(lambda client: client.files_in("in"), host_key=other)
    assert "SHA256:" in caught.value.message
    assert caught.value.code == "sftp_host_key"


def test_a_pinned_fingerprint_is_as_good_as_a_key_or_a_known_hosts_line(server, tmp_path):
    import asyncssh

    line = server.server.credentials()["sftp_host_key"]
    fingerprint = asyncssh.import_public_key(line).get_fingerprint()
    for pinned in (fingerprint, f"bank.example.com {line} comment", f"SHA256:other, {line}"):
        assert server.run(lambda client: client.files_in("in"), host_key=pinned)


def test_without_a_pinned_key_nothing_connects():
    options = {"sftp_host": "files.example.com", "sftp_user": "us"}
    with pytest.raises(ConfigError, match="an unknown host is never trusted"):
        sftp_of(System(system_id="bank", kind="bank_files", options=options))


def test_a_key_the_server_does_not_know_is_not_let_in(server, tmp_path):
    stranger = str(server_keys(tmp_path / "other").client_key)
    with pytest.raises(ConfigError, match="does not let 'ledgerloop' in"):
        server.run(
            lambda client: client.files_in("in"), credentials={"sftp_private_key_file": stranger}
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sftp_password": "x"}, "LEDGERLOOP_CREDENTIALS_BANK_SFTP_PASSWORD"),
        ({"sftp_hostkey": "x"}, "sftp_hostkey is not known"),
        ({"sftp_host": "h", "sftp_user": "u", "sftp_host_key": "what"}, "neither SHA256"),
        (
            {"sftp_host": "h", "sftp_user": "u", "sftp_host_key": "SHA256:x", "sftp_port": "ssh"},
            "must be a positive whole number",
        ),
    ],
)
def test_a_wrong_setting_is_refused_by_name(options, message):
    with pytest.raises(ConfigError, match=message):
        sftp_of(System(system_id="bank", kind="bank_files", options=options))


def test_a_system_without_sftp_options_has_none():
    assert sftp_of(System(system_id="bank", kind="bank_files")) is None


def test_an_unreachable_server_is_a_passing_fault(server):
    with pytest.raises(RetryLater) as caught:
        server.run(lambda client: client.files_in("in"), port=1)
    assert caught.value.code == "not_sent"


# -- reading -------------------------------------------------------------------------------------


def test_a_download_that_is_cut_goes_on_and_is_whole(server, local, tmp_path):
    server.put("in/big", local.read_bytes())
    server.faults.cut_after_read = [9_000, 30_000]
    target = tmp_path / "target"
    sha256 = server.run(
        lambda client: client.download("in/big", target, bytes_expected=50_000),
        window_bytes=WINDOW,
    )
    assert target.read_bytes() == local.read_bytes()
    assert sha256 == hashlib.sha256(local.read_bytes()).hexdigest()
    assert server.faults.bytes_read < 50_000 + 3 * WINDOW


def test_a_file_of_another_size_than_listed_is_still_changing(server, tmp_path):
    server.put("in/growing", b"12345")
    with pytest.raises(RetryLater, match="still changing"):
        server.run(lambda client: client.download("in/growing", tmp_path / "t", bytes_expected=3))


def test_a_missing_folder_is_named(server):
    with pytest.raises(ConfigError, match="no folder 'statements'"):
        server.run(lambda client: client.files_in("statements"))
    with pytest.raises(ConfigError, match="no folder 'nowhere'"):
        server.run(lambda client: client.put_small("nowhere/x", b""))


def test_a_missing_file_is_none(server):
    assert server.run(lambda client: client.read_small("in/none")) is None
    assert server.run(lambda client: client.size_of("in/none")) is None


# -- writing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_an_upload_cut_anywhere_goes_on_from_what_is_proven_and_is_whole(server, local, seed):
    random = Random(seed)
    server.faults.cut_after_written = sorted(random.randrange(1, 60_000) for _ in range(4))
    part = server.run(lambda client: client.upload(local, "in/x.tmp"), window_bytes=WINDOW)
    assert (server.server.root / "in/x.tmp").read_bytes() == local.read_bytes()
    assert all(offset % WINDOW == 0 for offset in part.resumed_from)
    # A cut costs no more than the window it struck.
    assert server.faults.bytes_written <= 50_000 + 4 * WINDOW


def test_more_cuts_than_retries_do_not_matter_while_something_arrives(server, local):
    server.faults.cut_after_written = list(range(3_000, 60_000, 5_000))
    server.run(lambda client: client.upload(local, "in/x.tmp"), window_bytes=WINDOW)
    assert (server.server.root / "in/x.tmp").read_bytes() == local.read_bytes()


def test_a_half_file_of_an_earlier_process_is_compared_and_continued(server, local):
    server.put("in/x.tmp", local.read_bytes()[:20_000])
    part = server.run(lambda client: client.upload(local, "in/x.tmp"), window_bytes=WINDOW)
    assert part.resumed_from == [20_000]
    assert server.faults.bytes_written == 30_000


def test_a_half_file_of_something_else_is_overwritten_from_where_it_differs(server, local):
    spoilt = bytearray(local.read_bytes())
    spoilt[10_000] ^= 1
    server.put("in/x.tmp", bytes(spoilt) + b"and more")
    server.run(lambda client: client.upload(local, "in/x.tmp"), window_bytes=WINDOW)
    assert (server.server.root / "in/x.tmp").read_bytes() == local.read_bytes()
    assert server.faults.bytes_written == 50_000 - 2 * WINDOW


def test_what_changed_behind_a_remembered_offset_starts_again(server, local):
    path = server.put("in/x.tmp", b"\0" * 20_000)
    part = SentPart(confirmed_bytes=20_000, is_remembered=True)
    server.run(lambda client: client.upload(local, "in/x.tmp", part), window_bytes=WINDOW)
    assert path.read_bytes() == local.read_bytes()


def test_a_rename_whose_answer_was_lost_was_done(server):
    server.put("in/a", b"1")
    server.faults.lost_renames = 1
    server.run(lambda client: client.rename("in/a", "in/b"))
    assert (server.server.root / "in/b").read_bytes() == b"1"


def test_a_rename_never_goes_over_another_file(server):
    server.put("in/a", b"1")
    server.put("in/b", b"2")
    with pytest.raises(VendorRejected):
        server.run(lambda client: client.rename("in/a", "in/b"))
    assert (server.server.root / "in/b").read_bytes() == b"2"
