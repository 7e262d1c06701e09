"""Credit memos, write-offs, refunds and returned payments over real sockets, once each."""

from dataclasses import replace
from decimal import Decimal

import pytest

from reverse_etl.delivery.verifying import differences
from reverse_etl.delivery.writer import Absent, Accepted, Found, Unknown
from sandbox.core.faults import Fault, Point
from tests.reverse_etl.sap_s4hana.conftest import CUSTOMERS, clearing, receipt, receipt_id_of
from tests.reverse_etl.sap_s4hana.test_clearing_lines import balance, books_tie, open_items
from tests.reverse_etl.support import sending

DECISION = "DSP-0123456789ABCDEF-01234567-V1"
POST = "journalentrycreaterequestconfi"


def memo(key=DECISION, *, revision=1, **changes):
    payload = {
        "company_code": "U001",
        "customer": CUSTOMERS[0],
        "posting_kind": "credit_memo",
        "amount": "10",
        "currency_code": "USD",
        "posting_date": "2026-05-22",
        "document_date": "2026-05-22",
        "reason_code": "PRICE",
        "invoice_number": "I-1",
        "item_text": "DSP-0123456789ABCDEF 01",
        "is_agreed": True,
        **changes,
    }
    return sending("sap_s4hana", "credit_memos", key, payload, revision=revision)


def memo_clearing(lines, after):
    payload = {
        "company_code": "U001",
        "customer": CUSTOMERS[0],
        "currency_code": "USD",
        "posting_date": "2026-05-22",
        "receipt_fiscal_year": None,
        "receipt_document": None,
        "receipt_item": None,
        "lines": lines,
    }
    return sending(
        "sap_s4hana", "credit_memo_clearings", DECISION, payload, after={DECISION: after}
    )


def returned(amount, lines=None, **changes):
    payload = {
        "company_code": "U001",
        "customer": CUSTOMERS[0],
        "amount": amount,
        "fee_amount": None,
        "currency_code": "USD",
        "posting_date": "2026-05-22",
        "document_date": "2026-05-22",
        "value_date": "2026-05-22",
        "bank_gl_account": "11001000",
        "bank_reference": "RETURN-1",
        "item_text": "Returned payment BK1",
        "lines": lines,
        **changes,
    }
    return sending("sap_s4hana", "returned_payments", receipt_id_of("return"), payload)


def done(sap, one):
    """Send one, and what its read-back shows otherwise than sent."""
    key = one.command.business_key
    outcome = sap.call("send", [one])[key]
    assert isinstance(outcome, Accepted), outcome
    held = sap.call("read_back", [one])[key]
    limits = sap.limits(one.command.object_name, one.command.operation)
    return outcome, differences(one.command.payload, held.fields, limits.unreadable_fields)


@pytest.mark.parametrize(
    ("kind", "account", "document_type"),
    [("credit_memo", "44100000", "RG"), ("write_off", "19900000", "AB")],
)
def test_a_decided_deduction_is_posted_against_its_account(sap, kind, account, document_type):
    outcome, wrong = done(sap, memo(posting_kind=kind))
    assert wrong == {}
    assert balance(sap, account) == Decimal(10)
    (row,) = sap.app.state.sap.tables["A_OperationalAcctgDocItemCube"].where(
        "AccountingDocument", outcome.native_id[-10:]
    )[:1]
    assert row["AccountingDocumentType"] == document_type
    assert (row["Reference1IDByBusinessPartner"], row["DocumentReferenceID"]) == ("PRC", "I-1")
    assert books_tie(sap)


def test_a_credit_memo_is_posted_once_whatever_is_lost(sap):
    one = memo()
    assert isinstance(sap.call("look_up", [one])[DECISION], Absent)
    sap.faults.configure(points=[Point(Fault.LOST_ANSWER, path=POST)])
    assert isinstance(sap.call("send", [one])[DECISION], Unknown)
    found = sap.call("look_up", [one])[DECISION]
    assert isinstance(found, Found)
    assert sap.call("send", [replace(one, attempt=2)])[DECISION] == Accepted(found.native_id)
    assert sap.effects(one) == 1


def test_a_doubled_memo_can_never_pass_for_one(serve_sap):
    sap = serve_sap(deduplicates_entries=False)
    one = memo()
    sap.call("send", [one])
    sap.call("send", [replace(one, attempt=2)])
    held = sap.call("read_back", [one])[DECISION]
    assert differences(one.command.payload, held.fields, frozenset()) == {"amount": ("10", "20")}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"posting_kind": "gift"}, "posting_kind"),
        ({"amount": "0"}, "amount"),
        ({"amount": "-5"}, "amount"),
        ({"amount": "10.001"}, "too_many_decimals"),
        ({"customer": None}, "field_missing"),
        ({"reason_code": "MOOD"}, "reason_not_mapped"),
        ({"invoice_number": "A-number-of-17-xx"}, "does_not_fit"),
        ({"customer": "0000999999"}, "102(F5)"),
    ],
)
def test_what_is_no_credit_memo_is_refused_with_a_reason(sap, changes, code):
    assert sap.call("send", [memo(**changes)])[DECISION].code == code
    assert open_items(sap) == []


def short_paid(sap):
    """An invoice of 100 paid with 90, ten deducted for the price: the residual's line."""
    key = receipt_id_of("short")
    lines = sap.post_invoices((CUSTOMERS[0], "I-1", "100"))
    document = sap.call("send", [receipt(key, "90")])[key].native_id
    lines[0]["differences"] = [{"kind": "deduction", "reason_code": "PRICE", "amount": "10"}]
    sap.call("send", [clearing(key, lines, after=document)])
    assert open_items(sap)[0][:2] == ("10", "PRC")
    (row,) = [
        row
        for row in sap.app.state.sap.tables["A_OperationalAcctgDocItemCube"].rows.values()
        if row["PaymentDifferenceReason"] == "PRC" and not row["IsCleared"]
    ]
    return {
        "item_key": "SAP-U001-2026-R-1",
        "fiscal_year": row["FiscalYear"],
        "document": row["AccountingDocument"],
        "item": row["AccountingDocumentItem"],
        "amount": "10",
    }


def test_a_credit_memo_clears_what_is_left_of_the_invoice(sap):
    line = short_paid(sap)
    outcome, _ = done(sap, memo())
    _, wrong = done(sap, memo_clearing([line], outcome.native_id))
    assert (wrong, open_items(sap)) == ({}, [])
    assert books_tie(sap)


def test_a_memo_for_a_part_leaves_the_rest_of_the_deduction_open(sap):
    line = short_paid(sap)
    outcome, _ = done(sap, memo(amount="4"))
    part = {**line, "kind": "partial", "amount": "4", "open_amount": "10"}
    _, wrong = done(sap, memo_clearing([part], outcome.native_id))
    assert wrong == {}
    assert [item[:3] for item in open_items(sap)] == [("6", "PAR", "2026-06-06")]


def test_a_returned_payment_opens_the_items_again_with_their_due_dates_and_takes_gifts_back(sap):
    lines = sap.post_invoices((CUSTOMERS[0], "I-1", "100"), (CUSTOMERS[0], "I-2", "50"))
    key = receipt_id_of("good once")
    document = sap.call("send", [receipt(key, "145")])[key].native_id
    lines[0]["discount_amount"] = "2"
    lines[1]["differences"] = [{"kind": "fee", "reason_code": "BANK-FEE", "amount": "3"}]
    sap.call("send", [clearing(key, lines, after=document)])
    assert open_items(sap) == []
    for line, number in zip(lines, ("I-1", "I-2"), strict=True):
        line |= {"invoice_number": number, "due_date": "2026-06-06"}
    _, wrong = done(sap, returned("145", lines))
    assert wrong == {}
    due = [(amount, due) for amount, _, due, _ in open_items(sap)]
    assert due == [("100", "2026-06-06"), ("50", "2026-06-06")]
    accounts = ("11001000", "44000000", "65100000")
    assert [balance(sap, account) for account in accounts] == [Decimal(0)] * 3
    assert books_tie(sap)


def test_a_returned_payment_that_paid_nothing_yet_is_undone_on_account_with_the_banks_charge(sap):
    key = receipt_id_of("on account")
    sap.call("send", [receipt(key, "70")])
    _, wrong = done(sap, returned("70", fee_amount="12.5"))
    assert wrong == {}
    assert sum(Decimal(item[0]) for item in open_items(sap)) == Decimal("12.5")
    assert balance(sap, "11001000") == Decimal("-12.5")
    assert books_tie(sap)


def test_lines_that_do_not_make_the_returned_amount_open_nothing(sap):
    lines = sap.post_invoices((CUSTOMERS[0], "I-1", "100"))
    one = returned("99", lines)
    assert sap.call("send", [one])[one.command.business_key].code == "not_the_payment"
    assert [item[0] for item in open_items(sap)] == ["100"]


def test_a_refund_takes_cash_and_opens_a_debit_beside_the_credit(sap):
    key = receipt_id_of("too much")
    sap.call("send", [receipt(key, "25")])
    payload = {
        "company_code": "U001",
        "customer": CUSTOMERS[0],
        "amount": "25",
        "currency_code": "USD",
        "posting_date": "2026-05-22",
        "document_date": "2026-05-22",
        "value_date": "2026-05-22",
        "bank_gl_account": "11001000",
        "bank_reference": "REFUND-1",
        "item_text": "Refund of an over-payment",
    }
    _, wrong = done(sap, sending("sap_s4hana", "refunds", "refund-1", payload))
    assert wrong == {}
    assert [item[0] for item in open_items(sap)] == ["-25", "25"]
    assert balance(sap, "11001000") == Decimal(0)


def test_a_debit_memo_is_an_open_item_under_its_number_due_when_it_was_said(sap):
    payload = {
        "company_code": "U001",
        "customer": CUSTOMERS[0],
        "amount": "35",
        "currency_code": "USD",
        "posting_date": "2026-05-22",
        "document_date": "2026-05-22",
        "due_date": "2026-06-05",
        "document_reference": "DM-1",
        "invoice_number": "I-7",
        "reason_code": "PRICE",
        "item_text": "Return fee",
    }
    outcome, wrong = done(sap, sending("sap_s4hana", "debit_memos", "DM-U001-1-DM-1", payload))
    assert wrong == {}
    assert balance(sap, "51000000") == Decimal(-35)
    (row,) = sap.app.state.sap.tables["A_OperationalAcctgDocItemCube"].where(
        "AccountingDocument", outcome.native_id[-10:]
    )[:1]
    assert (row["AccountingDocumentType"], row["DocumentReferenceID"]) == ("DR", "DM-1")
    assert (row["AssignmentReference"], str(row["NetDueDate"])[:10]) == ("I-7", "2026-06-05")
    assert row["Reference1IDByBusinessPartner"] == "PRC"
    assert outcome.native_id.startswith("U001-2026-")
    assert books_tie(sap)
