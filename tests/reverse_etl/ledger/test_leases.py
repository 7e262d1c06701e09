"""Leases: a dead sender's lanes free themselves; a living one's are never touched."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from reverse_etl.ledger.leases import Leases, ProcessIdentity, is_process_alive, this_process
from tests.reverse_etl.ledger.acts import send
from tests.reverse_etl.ledger.commands import NOW, posting

UNKNOWN = ProcessIdentity("", "1")


def take(store, holder, seconds=60.0, identity=UNKNOWN, now=NOW):
    with store.database.write() as connection:
        return store.leases.take(connection, holder, identity, now=now, seconds=seconds)


def bury(store, now, self_holder="me"):
    with store.database.write() as connection:
        return store.leases.bury(connection, now=now, self_holder=self_holder)


def test_a_lease_that_ran_out_long_enough_ago_is_buried(store):
    take(store, "other", seconds=60)

    assert bury(store, NOW + timedelta(seconds=65)) == []
    assert bury(store, NOW + timedelta(seconds=71)) == ["other"]


def test_a_buried_holder_can_not_renew(store):
    take(store, "other", seconds=60)
    bury(store, NOW + timedelta(seconds=80))

    with store.database.write() as connection:
        assert store.leases.renew(connection, "other", now=NOW, seconds=60) is None


def test_an_expired_lease_is_not_renewed(store):
    take(store, "me", seconds=60)

    with store.database.write() as connection:
        late = NOW + timedelta(seconds=61)
        assert store.leases.renew(connection, "me", now=late, seconds=60) is None
        found = store.leases.renew(connection, "me", now=NOW, seconds=90)
    assert found.remaining_seconds(NOW) == 90


def test_the_lease_of_a_process_that_is_gone_is_buried_at_once(store):
    leases = Leases(store.database, is_alive=lambda identity: identity.process == "alive")
    take(store, "gone", identity=ProcessIdentity("host", "gone"))
    take(store, "alive", identity=ProcessIdentity("host", "alive"))

    with store.database.write() as connection:
        assert leases.bury(connection, now=NOW, self_holder="me") == ["gone"]


def test_orphans_are_what_no_lease_holder_has_in_hand(store):
    store.record_plan([posting("R1"), posting("R2")])
    send(store, "erp", holder="dead")

    with store.database.read() as connection:
        found = store.claims.orphans(connection, "erp", ["alive"], 10)
        assert [one.command.business_key for one in found] == ["R1", "R2"]
        assert store.claims.orphans(connection, "erp", ["dead"], 10) == []
        assert store.claims.held_elsewhere(connection, ["erp"], "alive") == 2


def test_what_a_dead_sender_was_sending_is_unknown_never_simply_ready(store):
    command = posting("R1")
    store.record_plan([command])
    send(store, "erp", holder="dead")

    with store.unit() as unit:
        found = store.claims.orphans(unit.connection, "erp", ["me"], 10)
        store.claims.take_over(unit, [(found[0], unit.now)], "me")

    assert store.command(command.command_id).state == "unknown"
    assert send(store, "erp") == []


def test_this_process_lives_and_one_that_ended_does_not():
    assert is_process_alive(this_process()) is True
    assert is_process_alive(ProcessIdentity("another host", "1/1")) is None
    code = "from reverse_etl.ledger.leases import this_process as t; p = t(); print(p.host);"
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
    ended = subprocess.run(
        [sys.executable, "-c", code + "print(p.process)"],
        check=True, capture_output=True, text=True, env=environment,
    ).stdout.split("\n")  # fmt: skip
    assert is_process_alive(ProcessIdentity(ended[0], ended[1])) is False
    number = this_process().process.partition("/")[0]
    assert is_process_alive(ProcessIdentity(this_process().host, f"{number}/1")) is False
