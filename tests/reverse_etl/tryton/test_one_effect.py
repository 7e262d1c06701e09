"""Tryton has no unique reference: each receipt is one posted move because the hub makes it so.

Counted in Tryton's own tables per key, never as debit = credit: a doubled receipt balances.
"""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from reverse_etl.delivery.writer import Accepted
from tests.reverse_etl.tryton.conftest import Desk
from tests.reverse_etl.tryton.orders import application, line, order_of, payment

ROOT = Path(__file__).parents[3]
_SECONDS_MAX = 100


def started(
    desk: Desk, folder: Path, orders: list[dict[str, Any]], die_after: int = 0
) -> subprocess.Popen[str]:
    """A deliverer's process on the folder's operations database."""
    task = {
        "operations": f"sqlite:///{folder / 'ops.sqlite'}",
        "system": desk.system.model_dump(mode="json"),
        "orders": orders,
        "die_after": die_after,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "tests.reverse_etl.tryton.deliverer", json.dumps(task)],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Its exit code and last words."""
    out, err = process.communicate(timeout=_SECONDS_MAX)
    return process.returncode, (out + err)[-2000:]


def receipt(receipt_id: str, amount: str, invoice: dict[str, Any]) -> list[dict[str, Any]]:
    """A receipt that pays an invoice whole: post it, then apply it."""
    return [
        {"what": "payment", "receipt_id": receipt_id, "amount": amount},
        {"what": "application", "receipt_id": receipt_id, "lines": [line(invoice, amount)]},
    ]


def test_three_racing_deliverers_make_one_posted_move_of_one_receipt(
    desk: Desk, tmp_path: Path
) -> None:
    invoice = desk.invoice("125.5", "RACE")
    orders = receipt("raced000000000000000", "125.5", invoice)
    racers = [started(desk, tmp_path, orders) for _ in range(3)]
    codes = [ended(racer) for racer in racers]
    assert [code for code, _ in codes] == [0, 0, 0], codes
    key = order_of(orders[0]).external_key
    assert [state for _, state in desk.moves(key)] == ["posted"]
    assert desk.state_of(invoice) == "paid"
    assert desk.is_balanced()


#: The writes of a receipt: create, post; then the wizard that reconciles: create, execute, delete.
_WRITES = {1: "create", 2: "post", 4: "reconcile"}


def test_a_deliverer_killed_after_any_step_leaves_one_move_a_paid_invoice_and_no_draft(
    desk: Desk, tmp_path: Path
) -> None:
    invoices = {n: desk.invoice("80", f"KILL{n}") for n in _WRITES}
    orders = {n: receipt(f"killed{n}0000000000000", "80", invoices[n]) for n in _WRITES}
    for number in _WRITES:
        (tmp_path / str(number)).mkdir()
    killed = {n: started(desk, tmp_path / str(n), orders[n], die_after=n) for n in _WRITES}
    assert {n: ended(one)[0] for n, one in killed.items()} == dict.fromkeys(
        _WRITES, -signal.SIGKILL
    )
    again = {n: started(desk, tmp_path / str(n), orders[n]) for n in _WRITES}
    assert {n: ended(one) for n, one in again.items()} == dict.fromkeys(_WRITES, (0, ""))
    for number in _WRITES:
        key = order_of(orders[number][0]).external_key
        assert [state for _, state in desk.moves(key)] == ["posted"]
        assert desk.state_of(invoices[number]) == "paid"
    assert desk.server.query(
        desk.database, "SELECT count(*) FROM account_move WHERE state = 'draft'"
    ) == [(0,)]


def test_drafts_of_an_earlier_try_are_used_and_doubles_of_them_removed(desk: Desk) -> None:
    one = payment("drafted0000000000000", "33")
    desk.hub("send", one)
    ((posted, _),) = desk.moves(one.external_key)
    two = payment("drafted1000000000000", "34")

    async def copied(people: Any) -> None:
        for _ in range(2):
            values = {"description": f"{two.external_key} BK", "number": None}
            await people.call("account.move.copy", [posted], values)

    desk.people(copied)
    assert [state for _, state in desk.moves(two.external_key)] == ["draft", "draft"]
    (outcome,) = desk.hub("send", two)
    assert isinstance(outcome, Accepted)
    assert [state for _, state in desk.moves(two.external_key)] == ["posted"]


def test_an_application_is_not_made_twice(desk: Desk) -> None:
    invoice = desk.invoice("45", "TWICE")
    (paid,) = desk.hub("send", payment("twice000000000000000", "45"))
    one = application(
        "twice000000000000000", [line(invoice, "45")], document=paid.native_id.split("/")[-1]
    )
    assert [type(outcome) for outcome in desk.hub("send", one, one)] == [Accepted, Accepted]
    assert desk.state_of(invoice) == "paid"
