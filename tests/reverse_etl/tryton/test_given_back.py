"""What a bank takes back, a refund, a debit memo, a receipt that moves: once, whoever dies when.

Counted in Tryton's own tables by key; what is open is what Tryton itself says.
"""

from decimal import Decimal
from typing import Any

from reverse_etl.delivery.verifying import differences
from reverse_etl.delivery.writer import Absent, Accepted, Found, Rejected, Sending
from tests.reverse_etl.tryton.conftest import Desk
from tests.reverse_etl.tryton.orders import (
    application,
    debit_memo,
    given_back,
    line,
    payment,
)

BANK, RECEIVABLE, UNIDENTIFIED, DISCOUNT = "1.1.1", "1.2.1", "2.9.9", "5.9.1"


def booked(desk: Desk, one: Sending) -> str:
    """Post a receipt; its document."""
    (outcome,) = desk.hub("send", one)
    assert isinstance(outcome, Accepted), outcome
    return outcome.native_id.rpartition("/")[2]


def applied(desk: Desk, one: Sending, document: str, *lines: dict[str, Any]) -> Sending:
    """Apply a posted receipt."""
    key = one.command.business_key
    made = application(key, list(lines), document=document)
    (outcome,) = desk.hub("send", made)
    assert isinstance(outcome, Accepted), outcome
    return made


def stands_once(desk: Desk, one: Sending) -> None:
    """One posted move, no draft; the look-up finds it, and it is as it was sent."""
    assert [state for _, state in desk.moves(one.external_key)] == ["posted"]
    ((found,), (shown,)) = desk.hub("look_up", one), desk.hub("read_back", one)
    assert isinstance(found, Found)
    ignored = frozenset({"receipt_key"})
    assert differences(one.command.payload, shown.fields, ignored) == {}


def test_a_return_killed_behind_every_write_is_one_move_and_all_that_was_paid_is_open(
    desk: Desk,
) -> None:
    whole, partly = desk.invoice("100", "WHOLE"), desk.invoice("50.25", "PARTLY")
    receipt = payment("returned000000000000", "143")
    document = booked(desk, receipt)
    divided = applied(
        desk,
        receipt,
        document,
        line(whole, "100", discount_amount="2"),
        line(partly, "40", kind="partial"),
        {"kind": "on_account", "amount": "5"},
    )
    assert (desk.state_of(whole), desk.open_amount(partly)) == ("paid", Decimal("10.25"))
    back = given_back("returned_payments", receipt, document, "143")
    assert desk.hub("look_up", back) == [Absent()]
    outcome, died = desk.hub_that_dies(back)
    assert isinstance(outcome, Accepted), outcome
    # Create, post; un-reconcile one invoice, let go of the other; reconcile.
    assert died == 5
    stands_once(desk, back)
    assert (desk.open_amount(whole), desk.open_amount(partly)) == (100, Decimal("50.25"))
    keys = (receipt.external_key, divided.external_key, back.external_key)
    for account in (BANK, RECEIVABLE, DISCOUNT):
        assert desk.balance(account, *keys) == 0
    assert all(desk.reconciled(RECEIVABLE, *keys))


def test_what_others_paid_of_the_invoice_stays_paid(desk: Desk) -> None:
    invoice = desk.invoice("100", "SHARED")
    first, last = payment("shared00000000000000", "40"), payment("shared10000000000000", "60")
    documents = [booked(desk, one) for one in (first, last)]
    applied(desk, first, documents[0], line(invoice, "40", kind="partial"))
    applied(desk, last, documents[1], line(invoice, "60"))
    assert desk.state_of(invoice) == "paid"
    back = given_back("returned_payments", first, documents[0], "40", fee_amount="3.5")
    outcome, _ = desk.hub_that_dies(back)
    assert isinstance(outcome, Accepted), outcome
    stands_once(desk, back)
    assert desk.open_amount(invoice) == 40
    # The bank's charge is the customer's: nothing else of the two receipts is left.
    keys = (first.external_key, back.external_key)
    assert (desk.balance(BANK, *keys), desk.balance(RECEIVABLE, *keys)) == (
        Decimal("-3.5"),
        Decimal("3.5"),
    )
    assert sorted(desk.reconciled(RECEIVABLE, *keys)) == [False, True, True]


def test_a_refund_gives_back_what_pays_nothing_and_nothing_else(desk: Desk) -> None:
    invoice = desk.invoice("30", "PAIDONCE")
    used, rest = payment("refunded000000000000", "30"), payment("refunded100000000000", "70")
    documents = [booked(desk, one) for one in (used, rest)]
    applied(desk, used, documents[0], line(invoice, "30"))
    wrong = given_back("refunds", used, documents[0], "30")
    (refused,) = desk.hub("send", wrong)
    assert isinstance(refused, Rejected)
    assert (refused.code, refused.is_business) == ("already_cleared", True)
    assert desk.moves(wrong.external_key) == []
    (short,) = desk.hub("send", given_back("refunds", rest, documents[1], "50"))
    assert isinstance(short, Rejected)
    assert short.code == "does_not_add_up"
    back = given_back("refunds", rest, documents[1], "70")
    outcome, _ = desk.hub_that_dies(back)
    assert isinstance(outcome, Accepted), outcome
    stands_once(desk, back)
    assert desk.reconciled(RECEIVABLE, rest.external_key, back.external_key) == [True, True]


def test_money_in_another_currency_goes_back_at_the_rate_at_which_it_came(desk: Desk) -> None:
    yen = payment("yen00000000000000000", "4321", currency_code="JPY")
    back = given_back("refunds", yen, booked(desk, yen), "4321", currency_code="JPY")
    (outcome,) = desk.hub("send", back)
    assert isinstance(outcome, Accepted), outcome
    stands_once(desk, back)
    keys = (yen.external_key, back.external_key)
    assert [desk.balance(each, *keys) for each in (BANK, RECEIVABLE)] == [0, 0]
    assert desk.reconciled(RECEIVABLE, *keys) == [True, True]


def test_a_return_whose_receipt_only_a_person_can_disentangle_changes_nothing(desk: Desk) -> None:
    one, two = desk.invoice("100", "TANGLE1"), desk.invoice("50", "TANGLE2")
    first, last = payment("tangled0000000000000", "40"), payment("tangled1000000000000", "110")
    documents = [booked(desk, each) for each in (first, last)]
    applied(desk, first, documents[0], line(one, "40", kind="partial"))

    async def reconciled(people: Any) -> None:
        moves = [int(each) for each in documents]
        domain = [["move", "in", moves], ["party", "!=", None]]
        paying = [row["id"] for row in await people.rows("account.move.line", domain, "id")]
        await people.reconcile([*one["lines_to_pay"], *two["lines_to_pay"], *paying])

    desk.people(reconciled)
    assert (desk.state_of(one), desk.state_of(two)) == ("paid", "paid")
    back = given_back("returned_payments", first, documents[0], "40")
    (refused,) = desk.hub("send", back)
    assert isinstance(refused, Rejected)
    assert (refused.code, refused.is_business) == ("applied_with_others", True)
    assert desk.moves(back.external_key) == []
    assert (desk.state_of(one), desk.state_of(two)) == ("paid", "paid")


def test_a_receipt_that_moves_to_its_customer_leaves_nothing_unidentified(desk: Desk) -> None:
    nobodys = payment("moved000000000000000", "25", customer=None)
    document = booked(desk, nobodys)
    assert desk.reconciled(UNIDENTIFIED, nobodys.external_key) == [False]
    moved = payment(
        "moved000000000000000-moved", "25", bank_gl_account=UNIDENTIFIED, bank_reference=document
    )
    outcome, _ = desk.hub_that_dies(moved)
    assert isinstance(outcome, Accepted), outcome
    stands_once(desk, moved)
    assert desk.reconciled(UNIDENTIFIED, nobodys.external_key, moved.external_key) == [True, True]
    keys = (nobodys.external_key, moved.external_key)
    assert [desk.balance(each, *keys) for each in (BANK, UNIDENTIFIED, RECEIVABLE)] == [25, 0, -25]


def test_a_debit_memo_is_an_invoice_that_says_what_it_concerns(desk: Desk) -> None:
    about = desk.invoice("80", "ABOUT")
    memo = debit_memo("memo1", "12.5", invoice_number=about["number"])
    stranger = debit_memo("memo2", "12.5", invoice_number="INV-9999-1")
    refused, outcome, again = desk.hub("send", stranger, memo, memo)
    assert isinstance(refused, Rejected)
    assert refused.code == "no_such_invoice"
    assert outcome == again
    (shown,) = desk.hub("read_back", memo)
    assert differences(memo.command.payload, shown.fields, frozenset({"reason_code"})) == {}
    rows = desk.server.query(
        desk.database,
        "SELECT state, reference FROM account_invoice WHERE description LIKE %s",
        f"{memo.external_key}%",
    )
    assert rows == [("posted", "D-memo1")]
