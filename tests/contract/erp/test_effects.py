"""What people and banks ask for, on every ERP kind: returned payments, refunds, debit memos.

The payload is built here, from one superset of values; the kind's governance says which travel. A
kind without one of the objects says so in ``Shape.missing_objects``, and governs none.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ingestion.common.errors import ConfigError
from ingestion.common.warehouse import open_warehouse
from reverse_etl.delivery.writer import Absent, Accepted, Found, Rejected, Sending, Unknown
from reverse_etl.planning.governance import load_governance
from tests.contract.erp.bench import CLOSED_DAY, TODAY, Books, ErpBench
from tests.contract.erp.test_reading import Desk
from tests.contract.erp.test_writing import call, posted, wrong_fields
from tests.contract.erp.wires import Disturbed
from tests.reverse_etl.support import sending

Act = Callable[[Any], Any]
OBJECTS = ("returned_payments", "refunds", "debit_memos")
SIXTY = Decimal("60.25")


@pytest.fixture(params=OBJECTS)
def object_name(request: pytest.FixtureRequest, bench: ErpBench) -> str:
    """An object that the vendor has."""
    name: str = request.param
    if name in bench.shape.missing_objects:
        with pytest.raises(ConfigError):
            load_governance().object(bench.kind, name)
        pytest.skip(f"{bench.kind} has no {name}")
    return name


@dataclass(frozen=True)
class Paid:
    """A receipt of the customer: its ``document`` as feeds call it, and the ``line`` it paid."""

    receipt_id: str
    document: str
    line: Mapping[str, Any] | None


def paid(bench: ErpBench, act: Act, name: str, *, is_applied: bool) -> Paid:
    """Post a receipt of 60.25; apply it to an invoice called ``name``, or leave it on account."""
    receipt_id = f"{name}RCPT000000"
    native_id = posted(bench, act, bench.payment(receipt_id, str(SIXTY)))
    line = act(bench.post_invoice(name, SIXTY)) if is_applied else None
    applying = bench.application(receipt_id, [line] if line else [], native_id)
    payload = applying.command.payload
    if line:
        call(bench, act, "send", [applying])
        bench.move_clock(bench.shape.settle_seconds + 1)
        assert act(bench.open_amount(name)) == 0
        line = {**line, "invoice_number": name, "due_date": TODAY.isoformat()}
    document = str(payload.get("receipt_document") or payload.get("payment_document"))
    return Paid(receipt_id, document, line)


def asked(bench: ErpBench, object_name: str, key: str, **values: Any) -> Sending:
    """One command of ``object_name`` over 60.25 USD: of all values those the kind governs."""
    superset = {
        "company_code": bench.company_code,
        "customer": bench.customer,
        "amount": str(SIXTY),
        "fee_amount": None,
        "currency_code": "USD",
        "posting_date": TODAY.isoformat(),
        "document_date": TODAY.isoformat(),
        "value_date": TODAY.isoformat(),
        "due_date": TODAY.isoformat(),
        "bank_gl_account": "11001000",
        "bank_reference": f"B-{key[:12]}",
        "item_text": "Asked for",
        "lines": None,
        "document_reference": f"D-{key[:10]}",
        "invoice_number": None,
        "reason_code": "PRICE",
        **bench.shape.effect_values,
        **values,
    }
    fields = load_governance().object(bench.kind, object_name).fields
    return sending(bench.kind, object_name, key, {name: superset[name] for name in fields})


def prepared(bench: ErpBench, act: Act, object_name: str, name: str, **values: Any) -> Sending:
    """The command with all that must be there before it: a receipt that paid, or one on account."""
    if object_name == "debit_memos":
        return asked(bench, object_name, f"{name}MEMO", **values)
    one = paid(bench, act, name, is_applied=object_name == "returned_payments")
    key = f"{name}BACK000000" if object_name == "returned_payments" else one.receipt_id
    lines = [one.line] if one.line else None
    receipt = {"receipt_document": one.document, "receipt_key": one.receipt_id, "lines": lines}
    return asked(bench, object_name, key, **{**receipt, **values})


def settled(bench: ErpBench, act: Act) -> Books:
    """The books after all that waits was worked on; they must balance whatever was done."""
    bench.move_clock(bench.shape.settle_seconds + 1)
    books: Books = act(bench.books())
    assert books.is_balanced
    assert books.items == books.receivables, "the open items make the account"
    return books


def send_whole(bench: ErpBench, act: Act, one: Sending) -> None:
    (outcome,) = call(bench, act, "send", [one])
    assert isinstance(outcome, Accepted), outcome
    bench.move_clock(bench.shape.settle_seconds + 1)


def stands_once(bench: ErpBench, act: Act, one: Sending) -> None:
    assert bench.effects(one) == 1
    assert isinstance(call(bench, act, "look_up", [one])[0], Found)
    assert wrong_fields(bench, act, one) == {}


#: What each moves: the bank's account and the customer's balance.
MOVES = {
    "returned_payments": (-SIXTY, SIXTY),
    "refunds": (-SIXTY, SIXTY),
    "debit_memos": (Decimal(0), SIXTY),
}


def test_each_effect_moves_the_books_by_its_amount_and_once_however_often_it_is_sent(
    bench: ErpBench, act: Act, name: str, object_name: str
) -> None:
    one = prepared(bench, act, object_name, name)
    before = settled(bench, act)
    assert call(bench, act, "look_up", [one]) == [Absent()]
    for _ in range(2):
        send_whole(bench, act, one)
        after = settled(bench, act)
        moved = (after.bank - before.bank, after.receivables - before.receivables)
        assert moved == MOVES[object_name]
        stands_once(bench, act, one)


def test_an_effect_whose_answer_is_lost_at_any_step_is_found_or_completed_once(
    bench: ErpBench, act: Act, name: str, object_name: str
) -> None:
    for place, write in enumerate(bench.shape.effect_writes[object_name]):
        one = prepared(bench, act, object_name, f"{name}{place}"[-10:])
        before = settled(bench, act)
        wire = Disturbed(bench.transport(), write.path, write.method, content=write.content)
        wire.lost = frozenset({1})
        (outcome,) = call(bench, act, "send", [one], wire)
        assert isinstance(outcome, Unknown), (write, outcome)
        bench.move_clock(bench.shape.settle_seconds + 1)
        (found,) = call(bench, act, "look_up", [one])
        if not isinstance(found, Found):
            assert found == Absent(), found
            send_whole(bench, act, one)
        stands_once(bench, act, one)
        after = settled(bench, act)
        moved = (after.bank - before.bank, after.receivables - before.receivables)
        assert moved == MOVES[object_name]


def test_an_effect_in_a_closed_period_is_refused_as_business_and_changes_nothing(
    bench: ErpBench, act: Act, name: str, object_name: str
) -> None:
    closed = CLOSED_DAY.isoformat()
    days = {"posting_date": closed, "document_date": closed, "value_date": closed}
    one = prepared(bench, act, object_name, name, **days)
    before = settled(bench, act)
    (outcome,) = call(bench, act, "send", [one])
    assert isinstance(outcome, Rejected)
    assert outcome.is_business
    assert bench.effects(one) == 0
    assert settled(bench, act) == before
    if object_name == "returned_payments":
        assert act(bench.open_amount(name)) == 0


def test_a_returned_payment_opens_again_what_it_had_paid_and_nothing_is_left_of_it(
    bench: ErpBench, act: Act, name: str
) -> None:
    one = prepared(bench, act, "returned_payments", name)
    send_whole(bench, act, one)
    assert act(bench.open_amount(name)) == SIXTY
    assert act(bench.unapplied_amount(str(one.command.payload["receipt_key"]))) == 0


@pytest.mark.parametrize("object_name", ["returned_payments", "refunds"])
def test_a_receipt_on_account_that_goes_back_is_used_up(
    bench: ErpBench, act: Act, name: str, object_name: str
) -> None:
    one = paid(bench, act, name, is_applied=False)
    key = f"{name}BACK000000" if object_name == "returned_payments" else one.receipt_id
    receipt = {"receipt_document": one.document, "receipt_key": one.receipt_id}
    assert act(bench.unapplied_amount(one.receipt_id)) == SIXTY
    back = asked(bench, object_name, key, **receipt)
    send_whole(bench, act, back)
    settled(bench, act)
    stands_once(bench, act, back)
    # Where the receipt is closed by a command of its own, the two stand beside each other.
    left = 0 if bench.shape.uses_up_receipts else SIXTY
    assert act(bench.unapplied_amount(one.receipt_id)) == left


def test_a_debit_memo_is_an_open_item_under_the_number_that_the_customer_will_quote(
    bench: ErpBench, act: Act, name: str, tmp_path: Path
) -> None:
    one = prepared(bench, act, "debit_memos", name)
    send_whole(bench, act, one)
    number = str(one.command.payload["document_reference"])
    assert act(bench.open_amount(number)) == SIXTY
    desk = Desk(bench, tmp_path / "warehouse.duckdb")
    desk.read()
    with open_warehouse(desk.warehouse) as connection:
        assert bench.items(connection)[number] == SIXTY
