"""Tryton has no unique reference: three whole syncs at once, killed and run again, post each once.

One story on one small world in the real server. Three syncs, each with its own warehouse, share one
operations database on PostgreSQL; each dies (``kill -9``) between two steps of a receipt. Then the
same three run again, racing; and one of them goes on with what people and the bank do afterwards.
Everything is counted in Tryton's own tables by the bank's reference and the key that travelled,
never as debit = credit: a doubled receipt balances.
"""

import json
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import duckdb
import psycopg
import pytest
import requests

from sandbox.core.serve import Options
from sandbox.tryton import absence, run_beside
from sandbox.tryton.beside import postgres_url
from sandbox.tryton.server import postgres_of
from tests.contract.tryton.afterwards import (
    CHARGE,
    MEMO,
    PREPAID,
    PREPAID_AMOUNT,
    RETURN,
    STRANGER,
    STRANGERS_AMOUNT,
    Afterwards,
)
from tests.contract.tryton.doors import door
from tests.flow.desk import Desk
from tests.flow.scene import Finished, Scene, running_product
from tests.support.serving import _in_thread, serve_sandbox

pytestmark = pytest.mark.timeout(1500)

SYSTEM = "tryton_works"
SYSTEMS = {SYSTEM: "tryton", "crm": "salesforce", "bank": "bank_files"}
SIZES = {"seed": 5, "customers": 10, "open_items": 12, "closed_items": 14}
#: A receipt's steps, as Tryton calls them: whoever dies behind one leaves the next undone.
STEPS = (
    "model.account.move.create",
    "model.account.move.post",
    "wizard.account.move.reconcile_lines.execute",
)
#: A dead sender's request may take this long: until then nobody believes that it came to nothing.
_SHORT = '\ntimeout_seconds = "12"\nsettle_seconds = "1"\n'
_SECONDS_MAX = 600


@dataclass
class Told:
    """What the story left."""

    scene: Scene
    database: str
    state: Path
    killed: dict[str, int | None]
    again: list[Finished]
    after: Afterwards

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Rows of Tryton's own tables."""
        return _query(self.database, statement)

    @property
    def receipts(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.scene.truth["receipts"]
        return found


def _query(database: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(f"{postgres_of(postgres_url())}/{database}") as connection:
        return connection.execute(statement.encode()).fetchall()


@contextmanager
def operations_database() -> Iterator[str]:
    """The address of a new, empty database for what the hub remembers."""
    server, name = postgres_of(postgres_url()), f"operations_{uuid4().hex[:12]}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield f"{server.replace('postgresql', 'postgresql+psycopg', 1)}/{name}"
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    if missing := absence():
        pytest.skip(f"TRYTON IS NOT TESTED: {missing}")
    folder = tmp_path_factory.mktemp("tryton")
    home = folder / "home"
    with ExitStack() as stack:
        operations = stack.enter_context(operations_database())
        options = Options(home=home, systems=SYSTEMS, state=folder / "state", seeding=SIZES)
        endpoints = stack.enter_context(serve_sandbox(options))
        config = home / "sandbox" / "ledgerloop.toml"
        text, options_of = config.read_text(), f"[systems.{SYSTEM}.options]\n"
        config.write_text(text.replace(options_of, options_of.rstrip() + _SHORT))
        scene = Scene(home, endpoints, {"LEDGERLOOP_OPS_URL": operations})
        imported = scene.ledgerloop(
            "approvals", "import", str(home / "demo" / "approved_limits.csv")
        )
        assert imported.code == 0, imported.err
        database = endpoints["systems"][SYSTEM]["base_url"].rsplit("/", 1)[1]
        customer, account = next(iter(accounts_of(database)))
        after = Afterwards(scene, Desk(scene), customer)
        after.pay(account)
        racers = {step: racer(scene, folder / f"racer{n}") for n, step in enumerate(STEPS)}
        killed = died(racers, endpoints)
        again = raced(list(racers.values()), endpoints)
        after.go_on(next(iter(racers.values())))
        requests.post(f"{scene.admin}/save", timeout=60).raise_for_status()
        yield Told(scene, database, folder / "state", killed, again, after)


def accounts_of(database: str) -> list[tuple[Any, ...]]:
    """Customers and a bank account of each, where Tryton knows one."""
    return _query(
        database,
        "SELECT party.code, min(number.number_compact) FROM bank_account_number AS number "
        'JOIN "bank_account-party_party" AS owned ON owned.account = number.account '
        "JOIN party_party AS party ON party.id = owned.owner GROUP BY 1 ORDER BY 1",
    )


def racer(scene: Scene, home: Path) -> Scene:
    """A hub of its own: home and warehouse; the operations database is everybody's."""
    shutil.copytree(scene.home / "bank", home / "bank")
    (home / "sandbox").mkdir()
    shutil.copytree(scene.home / "demo", home / "demo")
    shutil.copy(scene.home / "sandbox" / "ledgerloop.toml", home / "sandbox")
    return Scene(home, scene.endpoints, scene.environment)


def sync_of(scene: Scene, endpoints: dict[str, Any], base_url: str) -> Any:
    """A sync of a racer that reaches Tryton at an address."""
    systems = endpoints["systems"]
    mine = {**systems, SYSTEM: {**systems[SYSTEM], "base_url": base_url}}
    file = scene.home / "sandbox" / "endpoints.json"
    file.write_text(json.dumps({**endpoints, "systems": mine}))
    return running_product(scene, "sync", "--as-of", scene.as_of, "--initial")


def died(racers: dict[str, Scene], endpoints: dict[str, Any]) -> dict[str, int | None]:
    """Let each racer die behind its step; how each ended, None where it would not."""
    address = endpoints["systems"][SYSTEM]["base_url"]
    with ExitStack() as stack:
        doors = {step: stack.enter_context(door(address, step)) for step in racers}
        running = {
            step: stack.enter_context(sync_of(one, endpoints, doors[step].url))
            for step, one in racers.items()
        }
        deadline = time.monotonic() + _SECONDS_MAX
        while any(one.poll() is None for one in running.values()) and time.monotonic() < deadline:
            for step, one in running.items():
                if doors[step].is_shut:
                    one.send_signal(signal.SIGKILL)
            time.sleep(0.05)
        return {step: one.poll() for step, one in running.items()}


def raced(racers: list[Scene], endpoints: dict[str, Any]) -> list[Finished]:
    """Run all at once to their end."""
    address = endpoints["systems"][SYSTEM]["base_url"]
    with ExitStack() as stack:
        running = [stack.enter_context(sync_of(one, endpoints, address)) for one in racers]
        texts = [one.communicate(timeout=_SECONDS_MAX) for one in running]
    return [Finished(one.returncode, *text) for one, text in zip(running, texts, strict=True)]


def test_the_world_is_in_the_books_once(told: Told) -> None:
    about = json.loads((told.scene.home / "demo" / "dataset.json").read_text())
    booked = sum(bool(one["booked_by"]) for one in told.receipts)
    (posted,) = told.query(
        "SELECT count(*) FROM account_invoice WHERE number IS NOT NULL "
        f"AND reference IS DISTINCT FROM '{MEMO}'"
    )[0]
    assert posted == about["counts"]["items"]
    assert about["counts"]["items_posted"] == posted + booked
    owners = told.query('SELECT count(*) FROM "bank_account-party_party"')
    assert owners[0][0] > 0


def test_each_sync_died_between_two_steps(told: Told) -> None:
    assert told.killed == dict.fromkeys(STEPS, -signal.SIGKILL)


def test_the_same_syncs_end_well_when_they_run_again(told: Told) -> None:
    for one in told.again:
        assert one.code == 0, one.err + one.out


def test_every_receipt_is_one_posted_move(told: Told) -> None:
    wanted = {one["bank_reference"][:16]: Decimal(one["amount"]) for one in told.receipts}
    rows = told.query(
        "SELECT right(move.description, 16), line.debit FROM account_move AS move "
        "JOIN account_move_line AS line ON line.move = move.id "
        "JOIN account_account AS account ON account.id = line.account "
        "WHERE move.state = 'posted' AND account.code = '1.1.1' "
        "AND move.description NOT LIKE '% TRY%' AND line.debit > 0"
    )
    assert sorted(rows) == sorted(wanted.items())


def test_no_key_stands_on_two_moves_and_no_draft_is_left(told: Told) -> None:
    keys = told.query(
        "SELECT left(description, 20), count(*) FROM account_move "
        "WHERE description ~ '^[A-Z2-7]{20}( |$)' GROUP BY 1"
    )
    assert keys
    assert {count for _, count in keys} == {1}
    assert told.query("SELECT count(*) FROM account_move WHERE state = 'draft'") == [(0,)]


def test_what_exact_receipts_pay_is_paid(told: Told) -> None:
    exact = {number for one in told.receipts if one["kind"] == "exact" for number in one["pays"]}
    rows = told.query("SELECT reference, state FROM account_invoice WHERE reference IS NOT NULL")
    exact -= set(told.after.returned["pays"])
    assert exact
    assert {state for reference, state in rows if reference in exact} == {"paid"}


def test_approved_limits_stand_on_the_parties_and_good_orders_are_confirmed(told: Told) -> None:
    held = dict(
        told.query(
            "SELECT party.code, held.credit_limit_amount FROM party_party AS party LEFT JOIN "
            "party_party_credit_limit_amount AS held ON held.party = party.id"
        )
    )
    for one in told.scene.truth["limits"]:
        amount = held[one["customer"]]
        assert (one["limit_kind"], amount) == (
            ("unlimited", None)
            if amount is None
            else (one["limit_kind"], Decimal(one["limit_amount"]))
        )
    states = dict(told.query("SELECT reference, state FROM sale_sale"))
    for order in told.scene.truth["orders"]:
        if order["is_expected_released"]:
            assert states[order["purchase_order"]] == "processing"


def test_customers_are_the_parties_but_for_our_own(told: Told) -> None:
    home = told.scene.home.parent / "racer0"
    path = (home / "published" / "warehouse.duckdb").resolve()
    with duckdb.connect(str(path), read_only=True) as warehouse:
        customers = warehouse.execute("SELECT customer FROM marts.dim_customers").fetchall()
        ties = warehouse.execute("SELECT is_tied FROM marts.rec_gl_ties").fetchall()
        payers = warehouse.execute(
            "SELECT count(*) FROM marts.dim_payer_accounts WHERE source = 'erp_master'"
        ).fetchall()
    parties = told.query(
        "SELECT code FROM party_party WHERE code IS NOT NULL AND id NOT IN "
        "(SELECT party FROM company_company)"
    )
    assert sorted(customers) == sorted(parties)
    assert ties == [(True,)]
    assert payers[0][0] > 0


def lines_of(told: Told, bank_reference: str) -> list[tuple[Any, ...]]:
    """Account, amount and whether it is reconciled, of the lines of posted moves by bank reference;
    of a receipt that was moved the first document is the reference."""
    return told.query(
        "SELECT account.code, line.debit - line.credit, line.reconciliation IS NOT NULL "
        "FROM account_move_line AS line JOIN account_move AS move ON move.id = line.move "
        "JOIN account_account AS account ON account.id = line.account "
        "LEFT JOIN account_move AS first ON substr(move.description, 22) = first.id::text "
        "WHERE move.state = 'posted' AND coalesce(first.description, move.description) "
        f"LIKE '% {bank_reference}' ORDER BY 1, 2"
    )


def test_a_loop_after_everything_that_people_asked_for_finds_nothing_to_do(told: Told) -> None:
    for finished, _ in told.after.runs:
        assert finished.code == 0, finished.err + finished.out
    assert told.after.runs[-1][1]["writes"] == 0
    open_now = [one for one in told.after.scene.exceptions() if one["state"] == "open"]
    about = {one["object_name"] for one in open_now}
    assert about & {"returned_payments", "refunds", "debit_memos"} == set(), open_now


def test_what_the_bank_took_back_is_open_again_and_the_receipt_pays_nothing(told: Told) -> None:
    returned = told.after.returned
    amount, ((reference, _),) = Decimal(returned["amount"]), returned["pays"].items()
    rows = told.query(f"SELECT state FROM account_invoice WHERE reference = '{reference}'")
    assert rows == [("posted",)]
    assert lines_of(told, RETURN) == [("1.1.1", -amount, False), ("1.2.1", amount, True)]
    left = told.after.published(
        "select amount_unapplied from marts.fct_receipts "
        f"where bank_reference = '{returned['bank_reference']}'"
    )
    open_now = told.after.published(
        "select amount_open from marts.fct_open_items "
        f"where contains(\"references\", '{reference}')"
    )
    assert (left, open_now) == ([(0,)], [(amount,)])


def test_what_was_paid_in_advance_goes_back_once_and_uses_its_receipt_up(told: Told) -> None:
    amount = Decimal(PREPAID_AMOUNT)
    assert lines_of(told, PREPAID) == [("1.1.1", amount, False), ("1.2.1", -amount, True)]
    assert lines_of(told, f"R-{PREPAID}") == [("1.1.1", -amount, False), ("1.2.1", amount, True)]


def test_an_assigned_receipt_moves_to_its_customer_and_nothing_stays_unidentified(
    told: Told,
) -> None:
    assert told.after.said["assign"].code == 0
    amount = Decimal(STRANGERS_AMOUNT)
    lines = [line for line in lines_of(told, STRANGER) if line[0] != "1.1.1"]
    amounts = {code: (one, is_closed) for code, one, is_closed in lines if code == "1.2.1"}
    assert amounts == {"1.2.1": (-amount, False)}
    unidentified = [(one, is_closed) for code, one, is_closed in lines if code == "2.9.9"]
    assert unidentified == [(-amount, True), (amount, True)]


def test_a_debit_memo_is_one_posted_invoice_and_an_item_under_its_number(told: Told) -> None:
    rows = told.query(
        f"SELECT state, total_amount_cache FROM account_invoice WHERE reference = '{MEMO}'"
    )
    assert rows == [("posted", Decimal(CHARGE))]
    shown = told.after.published(
        f"select amount_open, item_class from marts.fct_open_items where invoice_number = '{MEMO}'"
    )
    assert shown == [(Decimal(CHARGE), "invoice")]


def test_books_that_were_saved_go_on_where_they_stood(told: Told, tmp_path: Path) -> None:
    statement = "SELECT state, count(*) FROM account_invoice GROUP BY 1 ORDER BY 1"
    with _in_thread(lambda: run_beside(SYSTEM, tmp_path, told.state)) as beside:
        assert _query(beside.database, statement) == told.query(statement)
        secrets = beside.entry["credentials"]
        words = [secrets["username"], {"password": secrets["password"]}, "en"]
        call = {"id": 1, "method": "common.db.login", "params": words}
        answer = requests.post(f"{beside.entry['base_url']}/rpc/", json=call, timeout=60)
        assert answer.json()["result"]
