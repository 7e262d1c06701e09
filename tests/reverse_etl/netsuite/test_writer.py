"""NetSuite's verbs against the sandboxed account: one effect per key, and what is never written."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from ingestion.common.errors import OutcomeUnknown
from ingestion.common.transport import Request, Response
from reverse_etl.delivery.verifying import differences
from reverse_etl.delivery.writer import (
    Absent,
    Accepted,
    CannotTell,
    Found,
    Rejected,
    Retry,
    Sending,
    Unknown,
)
from reverse_etl.netsuite.settings import external_id_of
from reverse_etl.planning.governance import load_governance
from reverse_etl.writers import create_writer
from tests.contract.erp.wires import Disturbed, run
from tests.ingestion.support import answer
from tests.reverse_etl.support import by_key, sending
from tests.sandbox.netsuite.account import Account

KIND = "netsuite"


@pytest.fixture
def account() -> Account:
    return Account()


class Sent:
    """Keeps what leaves, beside passing it on."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.requests: list[Request] = []

    async def send(self, request: Request) -> Response:
        self.requests.append(request)
        found: Response = await self.inner.send(request)
        return found

    async def close(self) -> None:
        return None

    def bodies(self, method: str, path: str) -> list[bytes]:
        return [
            one.body or b"" for one in self.requests if one.method == method and path in one.url
        ]


def call(account: Account, verb: str, *batch: Sending, wire: Any = None) -> dict[str, Any]:
    """``writer.<verb>(batch)`` by business key."""
    system = account.system.model_copy(update={"system_id": f"{KIND}_test"})

    async def work() -> dict[str, Any]:
        writer = create_writer(system, wire or account.transport, load_governance())
        found: dict[str, Any] = by_key(batch, await getattr(writer, verb)(batch))
        return found

    return run(work(), is_virtual=True)


def wrong(account: Account, one: Sending) -> dict[str, Any]:
    shown = call(account, "read_back", one)[one.command.business_key]
    assert shown.fields is not None
    return dict(differences(one.command.payload, shown.fields, frozenset()))


def payment(receipt_id: str, amount: str = "100", **changes: Any) -> Sending:
    payload = {
        "company_code": "1",
        "posting_kind": "customer",
        "customer": "C0001",
        "amount": amount,
        "currency_code": "USD",
        "posting_date": "2026-05-22",
        "bank_gl_account": "11001000",
        "bank_reference": "BK0001",
        "item_text": f"{receipt_id[:18]} Acme value 2026-05-20",
        **changes,
    }
    return sending(KIND, "payments", receipt_id, payload)


def application(receipt_id: str, lines: Sequence[dict[str, Any]], document: str = "") -> Sending:
    payload = {
        "company_code": "1",
        "customer": "C0001",
        "currency_code": "USD",
        "payment_document": document or None,
        "lines": list(lines),
    }
    return sending(
        KIND, "applications", receipt_id, payload, after=None if document else {receipt_id: "5002"}
    )


def line(document: str, amount: str, **more: Any) -> dict[str, Any]:
    return {"document": document, "item": "001", "amount": amount, **more}


def test_an_unidentified_receipt_is_a_journal_entry_on_its_own_account(account: Account) -> None:
    one = payment("ab" * 10, posting_kind="unidentified", customer=None)
    (outcome,) = call(account, "send", one).values()
    assert isinstance(outcome, Accepted)
    assert account.balance("21650000") == -100
    assert account.balance("12100000") == 0
    assert wrong(account, one) == {}
    assert call(account, "look_up", one)["ab" * 10] == Found(outcome.native_id)
    assert account.app.ledger()["effects"] == {
        one.external_key: [f"journalEntry/{outcome.native_id}"]
    }


def test_an_unidentified_receipt_moves_to_its_customer_from_that_account(account: Account) -> None:
    key = "ab" * 10
    call(account, "send", payment(key, posting_kind="unidentified", customer=None))
    moved = payment(f"{key}-moved", bank_gl_account="21650000")
    (outcome,) = call(account, "send", moved).values()
    assert isinstance(outcome, Accepted)
    assert account.balance("21650000") == 0
    assert account.balance("12100000") == -100
    assert wrong(account, moved) == {}


def test_many_receipts_travel_as_one_collection_and_a_bad_one_takes_none_with_it(
    account: Account,
) -> None:
    batch = [payment(f"{number:020x}", str(number)) for number in range(1, 25)]
    batch[3] = payment(f"{4:020x}", "4", posting_date="2025-11-14")
    batch[4] = payment(f"{5:020x}", "5", customer="NOBODY")
    wire = Sent(account.transport)
    found = call(account, "send", *batch, wire=wire)
    assert len(wire.bodies("PUT", "/customerPayment")) == 1
    assert isinstance(found[f"{4:020x}"], Rejected)
    assert found[f"{4:020x}"].field == "posting_date"
    assert found[f"{5:020x}"].code == "unknown_customer"
    assert sum(isinstance(one, Accepted) for one in found.values()) == 22
    again = call(account, "send", *batch)
    assert {k: type(v) for k, v in again.items()} == {k: type(v) for k, v in found.items()}
    assert all(len(made) == 1 for made in account.app.ledger()["effects"].values())


def test_a_collection_whose_answer_is_lost_is_unknown_and_every_row_is_found(
    account: Account,
) -> None:
    batch = [payment(f"{number:020x}") for number in range(1, 22)]
    wire = Disturbed(account.transport, "/customerPayment", "PUT", lost=frozenset({1}))
    found = call(account, "send", *batch, wire=wire)
    assert {type(one) for one in found.values()} == {Unknown}
    assert {type(one) for one in call(account, "look_up", *batch).values()} == {Found}


def test_what_cannot_be_looked_up_before_sending_is_a_retry_not_an_unknown(
    account: Account,
) -> None:
    class Broken:
        async def send(self, request: Request) -> Response:
            raise OutcomeUnknown("no answer", code="no_answer")

        async def close(self) -> None:
            return None

    (outcome,) = call(account, "send", payment("cd" * 10), wire=Broken()).values()
    assert isinstance(outcome, Retry)
    (found,) = call(account, "look_up", payment("cd" * 10), wire=Broken()).values()
    assert isinstance(found, CannotTell)


def test_discount_and_fee_close_the_invoice_and_a_deduction_leaves_its_part_open(
    account: Account,
) -> None:
    first, second = account.invoice("100.00"), account.invoice("50.00")
    receipt_id = "ef" * 10
    (posted,) = call(account, "send", payment(receipt_id, "137")).values()
    fee = {"kind": "fee", "reason_code": "BANK-FEE", "amount": "1"}
    kept = {"kind": "deduction", "reason_code": "PRICE", "amount": "10"}
    lines = [
        line(first, "100", discount_amount="2", differences=[fee]),
        line(second, "50", differences=[kept]),
    ]
    one = application(receipt_id, lines, posted.native_id)
    assert call(account, "look_up", one)[receipt_id] == Absent()
    (outcome,) = call(account, "send", one).values()
    assert isinstance(outcome, Accepted), outcome
    assert [account.open_of(number) for number in (first, second)] == ["0.00", "10.00"]
    assert account.balance("44000000") == 3
    assert wrong(account, one) == {}


def test_what_is_too_much_stays_unapplied_on_the_payment(account: Account) -> None:
    invoice = account.invoice("60.00")
    (posted,) = call(account, "send", payment("0a" * 10, "100")).values()
    lines = [line(invoice, "60"), {"kind": "on_account", "amount": "40"}]
    call(account, "send", application("0a" * 10, lines, posted.native_id))
    assert str(account.get(f"customerPayment/{posted.native_id}")["unapplied"]) == "40"


def test_a_credit_memo_among_the_lines_pays_beside_the_payment(account: Account) -> None:
    invoice = account.invoice("100.00")
    items = {"items": [{"item": {"id": "2"}, "amount": Decimal(30)}]}
    memo = account.make("creditMemo", entity={"id": account.customer}, item=items)
    (posted,) = call(account, "send", payment("0b" * 10, "70")).values()
    one = application("0b" * 10, [line(invoice, "100"), line(memo, "-30")], posted.native_id)
    (outcome,) = call(account, "send", one).values()
    assert isinstance(outcome, Accepted), outcome
    assert account.open_of(invoice) == "0.00"
    assert wrong(account, one) == {}


def test_an_application_finds_its_payment_by_the_command_that_posted_it(account: Account) -> None:
    invoice = account.invoice("100.00")
    (posted,) = call(account, "send", payment("0c" * 10)).values()
    assert posted.native_id == "5002"
    one = application("0c" * 10, [line(invoice, "100")])
    (outcome,) = call(account, "send", one).values()
    assert outcome == Accepted("5002")
    assert wrong(account, one) == {}


@pytest.mark.parametrize(
    "lines", [[], [{"amount": "5"}], [line("5001", "x")], [{"kind": "on_account", "amount": "5"}],
              [line("5001", "5", discount_amount="6")]],
)  # fmt: skip
def test_lines_that_say_nothing_are_refused_before_anything_leaves(
    account: Account, lines: list[dict[str, Any]]
) -> None:
    wire = Sent(account.transport)
    (outcome,) = call(account, "send", application("0d" * 10, lines, "5001"), wire=wire).values()
    assert isinstance(outcome, Rejected)
    assert wire.bodies("PATCH", "") == []


def memo(decision_id: str, invoice: str, amount: str = "12.5", **changes: Any) -> Sending:
    payload = {
        "company_code": "1",
        "customer": "C0001",
        "posting_kind": "credit_memo",
        "amount": amount,
        "currency_code": "USD",
        "posting_date": "2026-05-22",
        "invoice_document": invoice,
        "reason_code": "FREIGHT",
        "item_text": "D-1 carrier",
        "is_agreed": True,
        **changes,
    }
    return sending(KIND, "credit_memos", decision_id, payload)


@pytest.mark.parametrize(
    ("posting_kind", "gl_account"), [("credit_memo", "44100000"), ("write_off", "65100000")]
)
def test_a_deduction_is_one_credit_memo_on_its_invoice_however_often_it_is_sent(
    account: Account, posting_kind: str, gl_account: str
) -> None:
    one = memo("d-1", account.invoice("100.00"), posting_kind=posting_kind)
    (first,) = call(account, "send", one).values()
    (second,) = call(account, "send", one).values()
    assert first == second == Accepted("5002")
    assert account.open_of("5001") == "87.50"
    assert account.balance(gl_account) == Decimal("12.5")
    assert account.get("creditMemo/5002")["memo"] == "FREIGHT D-1 carrier"
    assert wrong(account, one) == {}


def test_a_credit_memo_larger_than_what_is_open_is_refused(account: Account) -> None:
    one = memo("d-2", account.invoice("10.00"))
    (outcome,) = call(account, "send", one).values()
    assert isinstance(outcome, Rejected)
    assert outcome.is_business
    assert account.app.ledger()["effects"].get(one.external_key, []) == []


def limit(**payload: Any) -> Sending:
    return sending(KIND, "credit_limits", "C0001/1000", payload)


@pytest.mark.parametrize(
    ("payload", "held"),
    [
        ({"limit_kind": "limited", "limit_amount": "7500.5"}, "7500.5"),
        ({"limit_kind": "none_granted", "limit_amount": "0"}, "0"),
        ({"limit_kind": "unlimited", "limit_amount": None}, None),
    ],
)
def test_no_limit_is_unlimited_and_zero_grants_nothing(
    account: Account, payload: dict[str, Any], held: str | None
) -> None:
    account.change("PATCH", f"customer/{account.customer}", creditLimit=Decimal(1))
    one = limit(**payload)
    (outcome,) = call(account, "send", one).values()
    assert isinstance(outcome, Accepted)
    (row,) = account.rows("SELECT creditlimit FROM customer")
    assert row.get("creditlimit") == held
    assert wrong(account, one) == {}


@pytest.mark.parametrize(
    "payload",
    [{"limit_amount": "5"}, {"limit_kind": "limited", "limit_amount": "0"},
     {"limit_kind": "limited"}, {"limit_kind": "endless", "limit_amount": "5"}],
)  # fmt: skip
def test_a_limit_without_its_meaning_is_never_sent(
    account: Account, payload: dict[str, Any]
) -> None:
    wire = Sent(account.transport)
    (outcome,) = call(account, "send", limit(**payload), wire=wire).values()
    assert isinstance(outcome, Rejected)
    assert wire.bodies("PATCH", "") == []


def test_a_hold_is_on_its_release_auto_and_off_is_never_written(account: Account) -> None:
    wire = Sent(account.transport)
    for is_blocked, held in ((True, "ON"), (False, "AUTO")):
        one = limit(is_blocked=is_blocked)
        call(account, "send", one, wire=wire)
        shown = account.get(f"customer/{account.customer}")["creditHoldOverride"]["id"]
        assert shown == held
        assert wrong(account, one) == {}
    assert not [body for body in wire.bodies("PATCH", "/customer/") if b"OFF" in body]
    account.change("PATCH", f"customer/{account.customer}", creditHoldOverride={"id": "OFF"})
    assert wrong(account, limit(is_blocked=True)) == {"is_blocked": ("true", "false")}


def test_a_release_approves_a_waiting_order_once(account: Account) -> None:
    account.change("PATCH", f"customer/{account.customer}", creditLimit=Decimal(10))
    items = {"items": [{"item": {"id": "1"}, "amount": Decimal(50)}]}
    order = account.make("salesOrder", entity={"id": account.customer}, item=items)
    one = sending(KIND, "sales_orders", order, {"is_credit_blocked": False})
    assert wrong(account, one) == {"is_credit_blocked": ("false", "true")}
    for _ in range(2):
        assert call(account, "send", one)[order] == Accepted(order)
    assert account.app.ledger()["orders_released"] == {order: 1}
    assert wrong(account, one) == {}
    back = sending(KIND, "sales_orders", order, {"is_credit_blocked": True})
    assert call(account, "send", back)[order].code == "cannot_block"


def test_an_order_of_a_customer_on_hold_is_not_released(account: Account) -> None:
    account.change("PATCH", f"customer/{account.customer}", creditHoldOverride={"id": "ON"})
    items = {"items": [{"item": {"id": "1"}, "amount": Decimal(50)}]}
    order = account.make("salesOrder", entity={"id": account.customer}, item=items)
    one = sending(KIND, "sales_orders", order, {"is_credit_blocked": False})
    (outcome,) = call(account, "send", one).values()
    assert isinstance(outcome, Rejected)


def test_the_key_that_travels_is_the_feeds_key(account: Account) -> None:
    one = payment("0e" * 10)
    call(account, "send", one)
    (row,) = account.rows("SELECT externalid FROM transaction")
    assert row["externalid"] == external_id_of(one.external_key) == f"LLP-{one.external_key}"


def returned(document: str, amount: str = "100", **changes: Any) -> Sending:
    payload = {
        "company_code": "1",
        "customer": "C0001",
        "amount": amount,
        "fee_amount": None,
        "currency_code": "USD",
        "posting_date": "2026-05-22",
        "document_date": "2026-05-22",
        "value_date": "2026-05-21",
        "bank_gl_account": "11001000",
        "bank_reference": "RETURN-1",
        "item_text": "Returned payment BK0001",
        "lines": None,
        "receipt_document": document,
        "receipt_key": "ab" * 10,
        **changes,
    }
    return sending(KIND, "returned_payments", "cd" * 10, payload)


def test_a_returned_payment_gives_back_what_it_paid_alone_and_with_a_credit_memo(
    account: Account,
) -> None:
    invoice, other = account.invoice("70"), account.invoice("50")
    memo = account.make(
        "creditMemo",
        entity={"id": account.customer},
        item={"items": [{"item": {"id": "2"}, "amount": 20}]},
    )
    (paid,) = call(account, "send", payment("ab" * 10)).values()
    lines = [line(invoice, "70"), line(other, "50"), line(memo, "-20")]
    call(account, "send", application("ab" * 10, lines, paid.native_id))
    assert (account.open_of(invoice), account.open_of(other)) == ("0", "0")
    one = returned(paid.native_id)
    (outcome,) = call(account, "send", one).values()
    assert isinstance(outcome, Accepted)
    assert wrong(account, one) == {}
    assert (account.open_of(invoice), account.open_of(other)) == ("70", "50")
    assert account.get(f"creditMemo/{memo}")["amountRemaining"] == 20
    assert account.get(f"customerPayment/{paid.native_id}")["unapplied"] == 0
    assert account.balance("11001000") == 0


def test_the_banks_charge_for_a_returned_payment_stays_open_on_its_customer(
    account: Account,
) -> None:
    (paid,) = call(account, "send", payment("ab" * 10)).values()
    one = returned(paid.native_id, fee_amount="12.5")
    (outcome,) = call(account, "send", one).values()
    assert wrong(account, one) == {}
    assert account.balance("11001000") == Decimal("-12.5")
    state = account.app.state
    entry = state.of_kind("journalEntry")[outcome.native_id]
    assert state.open_amount(entry) == Decimal("12.5")


def test_a_return_of_a_payment_that_is_not_there_leaves_no_entry(account: Account) -> None:
    (outcome,) = call(account, "send", returned("4711")).values()
    assert (outcome.code, outcome.field) == ("payment_missing", "receipt_document")
    assert account.app.ledger()["effects"] == {}


def test_a_return_whose_entry_stands_alone_is_absent_and_sending_it_again_completes_it(
    account: Account,
) -> None:
    (paid,) = call(account, "send", payment("ab" * 10)).values()
    one = returned(paid.native_id)
    wire = Disturbed(account.transport, "record/v1/customerPayment", "PATCH")
    wire.answers = {1: answer(429, {"title": "Too many"})}
    (outcome,) = call(account, "send", one, wire=wire).values()
    assert isinstance(outcome, Retry)
    assert call(account, "look_up", one) == {"cd" * 10: Absent()}
    assert wrong(account, one) == {"receipt_document": (paid.native_id, None)}
    call(account, "send", one)
    assert wrong(account, one) == {}
    assert len(account.app.ledger()["effects"][one.external_key]) == 1


def test_a_return_that_is_refused_when_its_entry_stands_already_says_so(account: Account) -> None:
    (paid,) = call(account, "send", payment("ab" * 10)).values()
    one = returned(paid.native_id)
    wire = Disturbed(account.transport, "record/v1/customerPayment", "PATCH")
    wire.answers = {1: answer(400, {"title": "Locked", "o:errorDetails": []})}
    (outcome,) = call(account, "send", one, wire=wire).values()
    assert isinstance(outcome, Rejected)
    assert outcome.is_partial
    assert "stands" in outcome.message


def test_a_refund_of_a_payment_that_was_applied_meanwhile_is_refused_and_no_money_moves(
    account: Account,
) -> None:
    invoice = account.invoice("70")
    (paid,) = call(account, "send", payment("ab" * 10)).values()
    call(account, "send", application("ab" * 10, [line(invoice, "70")], paid.native_id))
    given = returned(paid.native_id).command.payload
    fields = load_governance().object(KIND, "refunds").fields
    payload = {name: given[name] for name in fields}
    one = sending(KIND, "refunds", "ab" * 10, payload)
    (outcome,) = call(account, "send", one).values()
    assert isinstance(outcome, Rejected)
    assert outcome.is_business
    assert account.balance("11001000") == 100


def test_a_debit_memo_says_reason_text_and_invoice_in_its_memo(account: Account) -> None:
    payload = {
        "company_code": "1",
        "customer": "C0001",
        "amount": "35",
        "currency_code": "USD",
        "posting_date": "2026-05-22",
        "due_date": "2026-06-05",
        "document_reference": "DM-1",
        "invoice_number": "INV-7",
        "reason_code": "QTY",
        "item_text": "Return fee",
    }
    one = sending(KIND, "debit_memos", "DM-ns-1-C0001-DM-1", payload)
    (outcome,) = call(account, "send", one).values()
    assert wrong(account, one) == {}
    shown = account.get(f"invoice/{outcome.native_id}")
    assert (shown["memo"], shown["dueDate"]) == ("QUANTITY Return fee (INV-7)", "2026-06-05")
    account.change("PATCH", f"invoice/{outcome.native_id}", memo="changed by a person")
    assert set(wrong(account, one)) == {"item_text", "reason_code", "invoice_number"}
