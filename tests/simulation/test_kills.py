"""The real ``ledgerloop deliver`` over sockets: killed, stopped, and run again until it is done."""

import asyncio
import signal
import threading
from pathlib import Path
from random import Random

from tests.simulation.kill_target import serving
from tests.simulation.kills import Hub, kill_senders

_KILLS = 3


def test_a_sender_killed_at_seeded_moments_loses_and_doubles_nothing() -> None:
    """``make simulate`` does it a hundred times."""
    assert kill_senders(20261122, _KILLS) == []


def test_a_sender_that_is_told_to_end_does_not_wait_for_late_answers(tmp_path: Path) -> None:
    with serving() as vendors:
        hub = Hub(tmp_path, vendors)
        hub.plan(Random(7), 0)
        vendors.hold_answers_seconds = 90.0
        with hub.start() as sender:
            while not vendors.sent and sender.poll() is None:
                threading.Event().wait(0.02)
            sender.send_signal(signal.SIGTERM)
            said, _ = sender.communicate(timeout=60)
        with hub.store() as store:
            left = store.counts()
        vendors.hold_answers_seconds = 0.0
        with hub.start() as again:
            finished, _ = again.communicate(timeout=120)
        books = asyncio.run(vendors.ledger("sap_emea"))["effects"]

        assert sender.returncode == 130, said
        assert "run the same command again" in said
        assert "Traceback" not in said
        assert left["sending"] > 0
        assert set(left) <= {"ready", "sending", "unknown"}
        assert again.returncode == 0, finished
        assert {len(documents) for documents in books.values()} == {1}
        assert vendors.desk.duplicates() == []
        assert max(vendors.sent.values()) == 1
