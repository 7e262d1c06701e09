"""Real processes, killed for real: whatever the moment, every posting takes effect exactly once."""

import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random

from ingestion.common.clock import SystemClock
from reverse_etl.ledger.store import Store
from tests.reverse_etl.delivery.sender import open_books
from tests.reverse_etl.ledger.commands import posting

_ROOT = Path(__file__).parents[3]
_ROWS = 1_500
_KILLS = 10


def _start(ops: Path, books: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.reverse_etl.delivery.sender", str(ops), str(books)]
    return subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.PIPE, text=True)


def _end(sender: "subprocess.Popen[str]") -> str:
    text, _ = sender.communicate(timeout=120)
    return text


def _plan(ops: Path) -> None:
    with Store.open(ops, now=SystemClock().now) as store:
        rows = (posting(f"R{n}", {"amount": str(n)}, lane=f"L{n % 97}") for n in range(_ROWS))
        assert store.record_plan(rows).recorded == _ROWS


def _check(ops: Path, books: Path) -> None:
    effects = Counter(row[0] for row in open_books(str(books)).execute("SELECT key FROM effects"))
    assert (len(effects), max(effects.values())) == (_ROWS, 1)
    with Store.open(ops, now=SystemClock().now) as store:
        assert store.counts() == {"verified": _ROWS}
        assert store.verify_audit().is_intact


def test_a_sender_that_is_killed_at_any_moment_loses_and_doubles_nothing(tmp_path):
    ops, books = tmp_path / "ops.sqlite", tmp_path / "books.sqlite"
    _plan(ops)
    random = Random(20261122)

    for _ in range(_KILLS):
        with _start(ops, books) as sender:
            assert sender.stdout is not None
            assert sender.stdout.readline() == "ready\n"
            time.sleep(random.uniform(0.0, 0.35))
            sender.kill()
    with _start(ops, books) as sender:
        _end(sender)

    _check(ops, books)
    with Store.open(ops, now=SystemClock().now) as store, store.database.read() as connection:
        text = "SELECT count(*) FROM events WHERE name = 'taken_over'"
        assert store.database.run(connection, text).scalar_one() > 0


def test_two_senders_share_the_work_and_one_of_them_dies(tmp_path):
    ops, books = tmp_path / "ops.sqlite", tmp_path / "books.sqlite"
    _plan(ops)

    with _start(ops, books) as first, _start(ops, books) as second:
        assert first.stdout is not None
        assert first.stdout.readline() == "ready\n"
        time.sleep(0.3)
        first.kill()
        _end(second)
    # The second may have ended while the first lived and held its lanes: the next run takes those.
    with _start(ops, books) as sender:
        _end(sender)

    _check(ops, books)


def test_ctrl_c_ends_a_sender_cleanly(tmp_path):
    ops, books = tmp_path / "ops.sqlite", tmp_path / "books.sqlite"
    _plan(ops)

    with _start(ops, books) as sender:
        assert sender.stdout is not None
        assert sender.stdout.readline() == "ready\n"
        time.sleep(0.25)
        sender.send_signal(signal.SIGINT)
        assert _end(sender).split()[1] == "True"
        assert sender.returncode == 0
    with Store.open(ops, now=SystemClock().now) as store:
        assert set(store.counts()) <= {"ready", "accepted", "verified"}
    with _start(ops, books) as sender:
        _end(sender)

    _check(ops, books)
