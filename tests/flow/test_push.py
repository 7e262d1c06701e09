"""``ledgerloop push`` brings a table home whatever the target does, counted in its own books."""

import json
import os
import signal
import subprocess
from contextlib import suppress
from random import Random

import pytest

from ingestion.common.clock import SystemClock
from orchestration.delivering import open_store
from tests.reverse_etl.rest.books import Books, Faults
from tests.reverse_etl.rest.support import (
    CREATE_BATCH,
    CREATE_ONE,
    FIELDS,
    LOOK_UP,
    READ_MANY,
    READ_ONE,
    UPDATE_ONE,
    UPSERT_BATCH,
    UPSERT_ONE,
    Desk,
    configuration,
    invoices,
    write_table,
)

BATCHED = (FIELDS, UPSERT_ONE, UPSERT_BATCH, READ_MANY)
CREATED = (FIELDS, CREATE_ONE, CREATE_BATCH)
KILLS = {"create with a look-up": 10, "upsert": 4}


def exceptions(desk: Desk, **filters):
    with open_store(desk.home) as store:
        return list(store.exceptions(**filters))


@pytest.mark.parametrize("is_whole", [False, True], ids=["by row", "whole batch"])
def test_four_poison_rows_in_two_thousand_stop_nobody_else(serve_app, home, is_whole) -> None:
    poison = {"INV-000013", "INV-000613", "INV-000614", "INV-001999"}
    faults = Faults(seed=3, error_500=0.05, throttled=0.05, refuses_whole_batches=is_whole)
    books = Books(faults, poison=set(poison))
    desk = Desk(home, configuration(serve_app(books), *BATCHED))
    write_table(desk.file, invoices(2000))

    done = desk.command(*desk.arguments, "--json", str(home / "report.json"))
    report = json.loads((home / "report.json").read_text())
    assert done.returncode == 3, done.stderr
    assert (report["status"], report["verified"], report["rejected"]) == ("partial", 1996, 4)
    assert report["left"] == 4
    found = exceptions(desk, state="open")
    assert {one.object_key for one in found} == poison
    assert {(one.field, one.exception_class) for one in found} == {("amount", "business")}
    assert books.duplicates() == []
    assert set(books.rows) == {f"INV-{i:06d}" for i in range(2000)} - poison

    # The table is as it was and nobody mended anything: what was refused is not sent again.
    sent_before = books.writes
    assert desk.push().left == 4
    assert books.writes == sent_before

    books.poison.clear()
    books.faults = Faults()
    books.rows_sent.clear()
    with open_store(desk.home) as store:
        store.retry_exceptions([one.exception_id for one in found], by="ann", reason="mended")
    assert desk.command().returncode == 0
    assert books.rows_sent == dict.fromkeys(poison, 1)
    assert len(books.rows) == 2000
    assert exceptions(desk, state="open") == []


def test_a_row_that_is_mended_in_the_table_is_the_only_one_sent(serve_app, home) -> None:
    books = Books(poison={"INV-000007"})
    desk = Desk(home, configuration(serve_app(books), *BATCHED))
    assert desk.push(invoices(50)).left == 1
    books.poison.clear()
    books.rows_sent.clear()
    report = desk.push(invoices(50, amount="if(i = 7, 1, (i % 90001) / 100)"))
    assert (report.status, report.writes, report.left) == ("verified", 1, 0)
    assert books.rows_sent == {"INV-000007": 1}
    assert exceptions(desk, state="open") == []


@pytest.mark.parametrize("batch", [CREATE_BATCH, ""], ids=["batch", "single"])
def test_lost_answers_on_a_create_only_endpoint_double_nothing(serve_app, home, batch) -> None:
    rows = 1000 if batch else 300
    # One request in a hundred rows: a batch of 20 is lost as often as its rows would be.
    faults = Faults(seed=11, lost_answer=0.15 if batch else 0.03, lost_request=0.05)
    books = Books(faults)
    parts = (FIELDS, CREATE_ONE, batch.replace("rows_max = 200", "rows_max = 20"))
    desk = Desk(home, configuration(serve_app(books), *parts, LOOK_UP))
    report = desk.push(invoices(rows))
    assert (report.status, report.verified) == ("verified", rows)
    assert books.duplicates() == []
    assert len(books.rows) == rows
    assert set(books.effects.values()) == {1}


def test_an_idempotency_key_makes_sending_again_harmless(serve_app, home) -> None:
    books = Books(Faults(seed=5, lost_answer=0.1, lost_request=0.1, honours_idempotency=True))
    create = CREATE_ONE + 'idempotency_header = "Idempotency-Key"\n'
    desk = Desk(home, configuration(serve_app(books), FIELDS, create, READ_MANY))
    report = desk.push(invoices(200))
    assert (report.status, report.verified) == ("verified", 200)
    assert books.duplicates() == []
    assert len(books.rows) == 200


def test_without_key_and_look_up_a_row_leaves_at_most_once_and_then_a_person_decides(
    serve_app, home
) -> None:
    books = Books(Faults(seed=7, lost_answer=0.05, lost_request=0.05))
    desk = Desk(home, configuration(serve_app(books), FIELDS, CREATE_ONE, READ_MANY))
    report = desk.push(invoices(300))
    assert report.status == "partial"
    assert max(books.rows_sent.values()) == 1
    assert books.duplicates() == []
    unsure = {one.object_key for one in exceptions(desk, code="outcome_unknown", state="open")}
    assert len(unsure) == report.left > 0
    assert report.verified == 300 - len(unsure)

    # Again and again: it stays with the person.
    books.faults = Faults()
    sent = books.writes
    assert desk.push().left == len(unsure)
    assert books.writes == sent


@pytest.mark.parametrize("way", KILLS)
def test_killed_at_any_moment_and_run_again_nothing_is_lost_or_doubled(
    serve_app, home, way
) -> None:
    """``kill -9`` at seeded moments of ``push`` and ``deliver``, then until done."""
    is_created = way != "upsert"
    random = Random(20261122 + is_created)
    books = Books(Faults(seed=1, latency_seconds=0.03, lost_answer=0.02, error_500=0.02))
    parts = (*CREATED, LOOK_UP) if is_created else BATCHED
    small = [one.replace("rows_max = 200", "rows_max = 10") for one in parts]
    top = "request_timeout_seconds = 1.0"
    config = configuration(serve_app(books), *small, options="concurrency_max = 4", top=top)
    desk = Desk(home, config)
    write_table(desk.file, invoices(2400))
    killed = 0
    for number in range(KILLS[way]):
        process = desk.start(*(["deliver"] if number % 3 == 2 else []))
        wanted = books.writes + random.randrange(1, 10)
        _kill_when(process, lambda wanted=wanted: books.writes >= wanted, random)
        killed += process.returncode == -signal.SIGKILL
    assert killed == KILLS[way]
    assert len(books.rows) < 2400
    books.faults = Faults()
    done = desk.command()
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(books.rows) == 2400
    assert books.duplicates() == []
    if is_created:
        assert set(books.effects.values()) == {1}
    report = desk.push()
    assert (report.status, report.writes) == ("verified", 0)
    with open_store(desk.home) as store:
        assert store.verify_audit().is_intact


def _kill_when(process, is_time, random) -> None:
    """Kill a process once it did so much, a random moment later; or let it end."""
    clock = SystemClock()
    until = clock.now().timestamp() + 20
    while process.poll() is None and not is_time() and clock.now().timestamp() < until:
        _wait(process, 0.01)
    _wait(process, random.random() * 0.05)
    if process.poll() is None:
        os.kill(process.pid, signal.SIGKILL)
    process.communicate()


def _wait(process, seconds) -> None:
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)


def test_interrupted_by_ctrl_c_it_ends_cleanly_and_goes_on_where_it_was(serve_app, home) -> None:
    books = Books(Faults(latency_seconds=0.05))
    small = [one.replace("rows_max = 200", "rows_max = 5") for one in BATCHED]
    config = configuration(serve_app(books), *small, options="concurrency_max = 2")
    desk = Desk(home, config)
    write_table(desk.file, invoices(600))
    process = desk.start()
    while books.writes < 5 and process.poll() is None:
        _wait(process, 0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, out + err
    assert "run the same command again" in out + err
    assert 0 < len(books.rows) < 600
    books.faults = Faults()
    assert desk.command().returncode == 0
    assert set(books.effects.values()) == {1}
    assert len(books.rows) == 600


def test_a_target_that_answers_200_and_does_nothing_is_caught(serve_app, home) -> None:
    books = Books(Faults(does_nothing=True))
    desk = Desk(home, configuration(serve_app(books), *BATCHED))
    report = desk.push(invoices(20))
    assert (report.status, report.verified, report.left) == ("partial", 0, 20)
    assert {one.code for one in exceptions(desk)} == {"no_effect"}


def test_a_field_that_is_dropped_in_silence_is_caught_and_named(serve_app, home) -> None:
    books = Books(Faults(drops="due_date"))
    desk = Desk(home, configuration(serve_app(books), *BATCHED))
    report = desk.push(invoices(20))
    assert (report.status, report.verified) == ("partial", 0)
    assert {(one.code, one.field) for one in exceptions(desk)} == {
        ("read_back_differs", "due_date")
    }


def test_one_percent_changed_is_one_request_of_the_changed_fields(serve_app, home) -> None:
    books = Books()
    desk = Desk(home, configuration(serve_app(books), *BATCHED))
    first = desk.push(invoices(10_000))
    assert (first.status, first.requests, first.verified) == ("verified", 50, 10_000)
    again = desk.push()
    assert (again.status, again.requests, again.writes) == ("verified", 0, 0)
    books.bodies.clear()
    changed = desk.push(invoices(10_000, amount="if(i % 100 = 7, 5000.05, (i % 90001) / 100)"))
    assert (changed.status, changed.requests, changed.writes) == ("verified", 1, 100)
    ((body,),) = [books.bodies]
    assert len(body["rows"]) == 100
    assert {tuple(row) for row in body["rows"]} == {("id", "amount")}
    assert desk.push().requests == 0


def test_new_rows_are_created_and_changed_ones_updated(serve_app, home) -> None:
    books = Books()
    config = configuration(serve_app(books), FIELDS, CREATE_ONE, UPDATE_ONE, LOOK_UP, READ_ONE)
    desk = Desk(home, config)
    assert desk.push(invoices(10)).status == "verified"
    books.bodies.clear()
    report = desk.push(invoices(12, amount="if(i = 3, 9.5, (i % 90001) / 100)"))
    assert (report.status, report.writes) == ("verified", 3)
    assert books.duplicates() == []
    assert {"amount": 9.5} in [{**one} for one in books.bodies]
    assert len(books.rows) == 12


def test_what_can_only_be_created_is_never_sent_twice_and_its_changes_are_told(
    serve_app, home
) -> None:
    books = Books()
    desk = Desk(home, configuration(serve_app(books), *CREATED, LOOK_UP))
    assert desk.push(invoices(30)).status == "verified"
    assert desk.push().writes == 0
    report = desk.push(invoices(31, amount="if(i in (3, 4), 9.5, (i % 90001) / 100)"))
    assert (report.status, report.writes, report.verified, report.left) == ("partial", 1, 1, 2)
    assert any("INV-000003, INV-000004" in one for one in report.messages)
    (told,) = exceptions(desk, code="create_only")
    assert "no update" in told.message
    assert set(books.effects.values()) == {1}


def test_a_created_row_may_have_columns_without_a_value(serve_app, home) -> None:
    books = Books()
    desk = Desk(home, configuration(serve_app(books), *CREATED, LOOK_UP))
    report = desk.push("select 'a' as id, null::varchar as note, 1 as number")
    assert (report.status, report.verified) == ("verified", 1)
    assert books.rows["a"] == {"native": "N1", "id": "a", "number": 1}
    assert desk.push().left == 0


def test_two_pushes_at_once_make_one_effect(serve_app, home) -> None:
    books = Books(Faults(latency_seconds=0.02))
    small = [one.replace("rows_max = 200", "rows_max = 10") for one in CREATED]
    desk = Desk(home, configuration(serve_app(books), *small, LOOK_UP))
    write_table(desk.file, invoices(400))
    for process in [desk.start() for _ in range(2)]:
        out, err = process.communicate(timeout=120)
        assert process.returncode in {0, 3}, out + err
    assert desk.command().returncode == 0
    assert len(books.rows) == 400
    assert set(books.effects.values()) == {1}


def test_deliver_alone_finishes_what_a_push_recorded(serve_app, home) -> None:
    books = Books()
    config = configuration(serve_app(books), *BATCHED)
    desk = Desk(home, config.replace('kind = "rest"', 'kind = "rest"\nmode = "shadow"'))
    report = desk.push(invoices(40))
    assert (report.status, report.writes, report.left) == ("partial", 0, 40)
    assert any("shadow" in message for message in report.messages)
    assert books.writes == 0
    desk.config.write_text(config)
    assert desk.command("deliver").returncode == 0
    assert len(books.rows) == 40
    assert desk.push().writes == 0


def test_a_loop_with_a_rest_system_beside_reads_nothing_of_it(home) -> None:
    from ingestion import read_system
    from ingestion.common.config import load_config
    from ingestion.common.objects import declared_kinds, objects_of

    desk = Desk(home, configuration("http://127.0.0.1:9", *BATCHED))
    system = load_config(desk.config).systems["desk"]
    report = read_system(system, home / "warehouse.duckdb", run_started_at=SystemClock().now())
    assert (report.rows, report.objects) == (0, ())
    assert "rest" in declared_kinds()
    assert objects_of("rest") == ()
