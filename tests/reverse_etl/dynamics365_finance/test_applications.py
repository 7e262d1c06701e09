"""Payments settle what they pay, natively; what a payer kept is written off or stays open."""

from decimal import Decimal

from reverse_etl.delivery.writer import Absent, Accepted, CannotTell, Found, Rejected
from tests.reverse_etl.dynamics365_finance.environment import Environment, application, payment


def posted(env, receipt_id, amount):
    (outcome,) = env.call("send", payment(receipt_id, amount))
    return outcome.native_id


def test_an_invoice_marked_before_the_posting_is_settled_by_it():
    env = Environment({"posting_lag_seconds": 30})
    header = {"ExternalInvoiceId": "I1", "CustomerAccount": "C1", "InvoiceId": "I1",
              "CurrencyCode": "USD", "InvoiceDate": "2026-05-22T12:00:00Z"}  # fmt: skip
    env.make("FreeTextInvoiceHeaders", **header)
    env.make("FreeTextInvoiceLines", ExternalInvoiceId="I1", MainAccountDisplayValue="401100",
             TransactionCurrencyAmount=Decimal(60))  # fmt: skip
    env.pass_time(31)
    native_id = posted(env, "m1", "58")
    record = str(env.item("I1")["RecId"])
    line = {"document": record, "item": "001", "amount": "60", "discount_amount": "2"}
    one = application("m1", native_id, line)
    assert isinstance(env.call("send", one)[0], Accepted)
    assert isinstance(env.call("look_up", one)[0], CannotTell)
    assert env.call("read_back", one)[0].is_pending
    assert isinstance(env.call("send", one)[0], Accepted), "marked once"
    env.pass_time(31)
    assert env.item("I1")["OpenAmountCur"] == 0
    assert env.call("read_back", one)[0].fields == dict(one.command.payload)


def test_discount_and_fee_close_the_invoice_and_a_deduction_stays_open_on_it():
    env = Environment()
    whole, short = env.invoice("A", "100"), env.invoice("B", "100")
    whole |= {
        "discount_amount": "2",
        "differences": [{"kind": "fee", "reason_code": "BANK-FEE", "amount": "1"}],
    }
    short |= {"differences": [{"kind": "deduction", "reason_code": "PRICE", "amount": "30"}]}
    on_account = {"kind": "on_account", "amount": "5"}
    one = application("d1", posted(env, "d1", "172"), whole, short, on_account)
    assert isinstance(env.call("send", one)[0], Accepted)
    assert (env.item("A")["OpenAmountCur"], env.item("B")["OpenAmountCur"]) == (0, 30)
    balances = env.app.state.d365.ledger.balances
    assert balances["usmf", "403300"] == 2
    assert balances["usmf", "605150"] == 1
    (money,) = env.rows("CustTransOpenEntities", "PaymReference ne '' and OpenAmountCur lt 0")
    assert money["OpenAmountCur"] == -5
    assert env.call("read_back", one)[0].fields == dict(one.command.payload)


def test_a_credit_note_goes_along_with_the_invoice():
    env = Environment()
    invoice, note = env.invoice("A", "100"), env.invoice("N", "-10")
    one = application("n1", posted(env, "n1", "90"), invoice, note)
    assert isinstance(env.call("send", one)[0], Accepted)
    assert (env.item("A")["OpenAmountCur"], env.item("N")["OpenAmountCur"]) == (0, 0)
    assert isinstance(env.call("look_up", one)[0], Found)


def test_without_a_settle_action_a_person_settles_and_the_command_says_so():
    env = Environment({"settle_action": ""}, settle_action="")
    one = application("s1", posted(env, "s1", "60"), env.invoice("A", "60"))
    (outcome,) = env.call("send", one)
    assert isinstance(outcome, Rejected)
    assert (outcome.code, outcome.is_business) == ("no_settle_action", True)
    assert env.call("look_up", one) == [Absent()]


def test_a_payment_that_others_booked_is_named_by_its_record():
    env = Environment()
    line = env.invoice("A", "60")
    posted(env, "e1", "60")
    (money,) = env.rows("CustTransOpenEntities", "PaymReference ne ''")
    one = application("e1", "", line, document=str(money["RecId"]))
    assert isinstance(env.call("send", one)[0], Accepted)
    assert env.item("A")["OpenAmountCur"] == 0


def test_lines_that_say_nothing_sound_never_leave():
    env = Environment()
    native_id = posted(env, "w1", "60")
    line = env.invoice("A", "60")
    for wrong in (
        {"kind": "gift", "amount": "1"},
        {**line, "document": "X"},
        {**line, "amount": "much"},
        {**line, "differences": [{"kind": "fee", "reason_code": "NEW", "amount": "1"}]},
        {**line, "differences": [{"kind": "tip", "amount": "1"}]},
        {**line, "discount_amount": "70"},
    ):
        (outcome,) = env.call("send", application("w1", native_id, wrong))
        assert isinstance(outcome, Rejected), wrong
    (outcome,) = env.call("send", application("w1", native_id, line, line))
    assert outcome.code == "named_twice"
    assert env.item("A")["OpenAmountCur"] == 60
