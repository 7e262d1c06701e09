"""Returned payments, refunds, debit memos: what beside the shared suite is the product's own."""

from decimal import Decimal

import pytest

from reverse_etl.delivery.writer import Absent, Accepted, Found, Rejected, Unknown
from sandbox.core.faults import Fault, Point
from tests.reverse_etl.dynamics365_finance.environment import (
    KIND,
    Environment,
    again,
    application,
    payment,
)
from tests.reverse_etl.support import sending

COMMON = {
    "company_code": "USMF", "customer": "C1", "currency_code": "USD",
    "posting_date": "2026-05-22", "document_date": "2026-05-21",
}  # fmt: skip


def returned(amount="60", lines=None, **changes):
    payload = {
        **COMMON, "amount": amount, "fee_amount": None, "value_date": "2026-05-21",
        "bank_gl_account": "OPER-01", "bank_reference": "RETURN-1", "item_text": "Returned payment",
        "lines": lines, "receipt_document": "1", "receipt_key": "r1",
    }  # fmt: skip
    return sending(KIND, "returned_payments", "back-1", {**payload, **changes})


def refund(amount="60"):
    payload = {
        **COMMON, "amount": amount, "value_date": "2026-05-22", "bank_gl_account": "OPER-01",
        "bank_reference": "R-BANKREF", "item_text": "Refund: paid twice", "receipt_document": "1",
        "receipt_key": "r1",
    }  # fmt: skip
    return sending(KIND, "refunds", "r1", payload)


def debit_memo(**changes):
    payload = {
        **COMMON, "amount": "25.50", "due_date": "2026-06-21", "document_reference": "DM-2026-1",
        "invoice_number": "INV-7", "reason_code": "FREIGHT", "item_text": "Freight of May",
    }  # fmt: skip
    return sending(KIND, "debit_memos", "memo-1", {**payload, **changes})


def posted(env, one):
    assert isinstance(env.call("send", one)[0], Accepted)
    assert env.call("read_back", one)[0].fields == dict(one.command.payload)


def test_each_invoice_is_due_again_as_it_was_and_what_was_granted_is_taken_back():
    env = Environment()
    lines = [
        {"document": "1", "amount": "50", "invoice_number": "A", "due_date": "2026-04-30",
         "discount_amount": "1",
         "differences": [{"kind": "fee", "reason_code": "BANK-FEE", "amount": "3"},
                         {"kind": "deduction", "reason_code": "PRICE", "amount": "4"}]},
        {"document": "2", "amount": "20", "invoice_number": "B", "due_date": "2026-06-30",
         "customer": "C2"},
        {"document": "3", "amount": "-7", "invoice_number": "C"},
        {"kind": "on_account", "amount": "5"},
    ]  # fmt: skip
    env.make("CustomersV3", CustomerAccount="C2")
    posted(env, returned("60", lines))
    rows = env.rows("CustTransOpenEntities", "dataAreaId eq 'usmf'")
    opened = [(row["Invoice"], row["AmountCur"], row["DueDate"][:10]) for row in rows]
    assert [row["Invoice"] for row in rows if row["AccountNum"] == "C2"] == ["B"]
    # The credit note of 7 paid the first invoice in part, and stays used.
    assert opened == [
        ("A", 35, "2026-04-30"), ("A", 1, "2026-04-30"), ("A", 3, "2026-04-30"),
        ("B", 20, "2026-06-30"), ("RETURN-1", 5, "2026-05-22"),
    ]  # fmt: skip
    balances = env.app.state.d365.ledger.balances
    moved = [balances["usmf", account] for account in ("110110", "403300", "605150", "130100")]
    assert moved == [-60, -1, -3, 64]


def test_the_banks_charge_for_the_return_is_the_customers_too():
    env = Environment()
    one = returned(fee_amount="2.50")
    posted(env, one)
    assert env.app.state.d365.ledger.balances["usmf", "110110"] == Decimal("-62.50")


def test_lines_that_do_not_make_what_the_bank_took_never_leave():
    env = Environment()
    for lines in ([{"document": "1", "amount": "59"}], "text", [5]):
        (outcome,) = env.call("send", returned("60", lines))
        assert isinstance(outcome, Rejected)
        assert outcome.field == "lines"
    assert env.rows("GeneralLedgerCustInvoiceJournalHeaders", "dataAreaId eq 'usmf'") == []


def test_a_refund_waits_for_its_posting_and_is_then_settled_with_its_receipt():
    env = Environment({"posting_lag_seconds": 30})
    env.call("send", payment("r1"))
    one = refund()
    assert isinstance(env.call("send", one)[0], Accepted)
    assert env.call("read_back", one)[0].is_pending
    env.pass_time(31)
    posted(env, again(one))
    received, given = sorted(
        env.rows("CustTransOpenEntities", "AccountNum eq 'C1'"), key=lambda row: row["AmountCur"]
    )
    line = {"item_key": "x", "document": str(given["RecId"]), "amount": "60"}
    clearing = application("r1-refund", "", line, document=str(received["RecId"]))
    clearing = sending(KIND, "refund_clearings", "r1-refund", clearing.command.payload)
    assert env.call("look_up", clearing) == [Absent()]
    for _ in range(2):
        assert isinstance(env.call("send", clearing)[0], Accepted)
    assert isinstance(env.call("look_up", clearing)[0], Found)
    assert env.call("read_back", clearing)[0].fields == dict(clearing.command.payload)
    open_now = env.rows("CustTransOpenEntities", "OpenAmountCur ne 0")
    assert open_now == []
    assert env.app.state.d365.ledger.balances["usmf", "110110"] == 0


def test_a_debit_memo_is_due_on_its_day_under_its_number_with_its_reason():
    env = Environment(reason_codes="FREIGHT=FRT9")
    posted(env, debit_memo())
    (row,) = env.rows("CustTransOpenEntities", "Invoice eq 'DM-2026-1'")
    assert (row["AmountCur"], row["DueDate"][:10]) == (Decimal("25.50"), "2026-06-21")
    (line,) = env.rows("GeneralLedgerCustInvoiceJournalLines", "InvoiceId eq 'DM-2026-1'")
    assert (line["ReasonCode"], line["ReasonComment"]) == ("FRT9", "INV-7")
    assert env.app.state.d365.ledger.balances["usmf", "418100"] == Decimal("-25.50")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"reason_code": "MOON"}, "reason_not_mapped"),
        ({"document_reference": None}, "field_missing"),
        ({"amount": "0"}, "bad_amount"),
    ],
)
def test_a_debit_memo_that_nobody_could_quote_or_explain_never_leaves(changes, code):
    (outcome,) = Environment().call("send", debit_memo(**changes))
    assert isinstance(outcome, Rejected)
    assert outcome.code == code


def test_where_the_product_numbers_journals_a_cut_off_one_gets_its_lines_and_no_second_header():
    env = Environment({"is_sequence_manual": False}, journal_numbers="sequence")
    one = returned(fee_amount="2.50")
    env.faults.configure(points=[Point(Fault.LOST_REQUEST, method="POST", path="$batch")])
    assert isinstance(env.call("send", one)[0], Unknown)
    assert env.call("look_up", one) == [Absent()]
    posted(env, again(one))
    posted(env, again(one, 3))
    headers = env.rows("GeneralLedgerCustInvoiceJournalHeaders", "dataAreaId eq 'usmf'")
    assert len(headers) == 1
    assert len(env.app.ledger()["effects"][one.external_key]) == 2


def test_a_doubled_posting_can_never_look_right():
    env = Environment()
    one = debit_memo()
    posted(env, one)
    key = {"dataAreaId": "usmf", "JournalBatchNumber": "BY-HAND"}
    env.make("GeneralLedgerCustInvoiceJournalHeaders", **key, JournalName="CustInv")
    (line,) = env.rows("GeneralLedgerCustInvoiceJournalLines", "InvoiceId eq 'DM-2026-1'")
    kept = {n: v for n, v in line.items() if not n.startswith("@") and n != "Voucher"}
    env.make("GeneralLedgerCustInvoiceJournalLines", **{**kept, **key})
    assert env.call("read_back", one)[0].fields["amount"] == "51"


def test_a_post_action_of_the_installation_posts_invoice_journals_too():
    settings = {"post_action": "postJournal", "posting_lag_seconds": 9999}
    env = Environment(settings, post_action="postJournal")
    posted(env, debit_memo())
    (header,) = env.rows("GeneralLedgerCustInvoiceJournalHeaders", "dataAreaId eq 'usmf'")
    assert header["IsPosted"] == "Yes"
