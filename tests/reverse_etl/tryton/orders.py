"""Commands for Tryton by a few words."""

from dataclasses import replace
from typing import Any

from reverse_etl.delivery.writer import Sending
from reverse_etl.planning.governance import load_governance
from tests.reverse_etl.support import sending

DAY = "2026-05-22"
#: Tryton numbers no invoice before an earlier one: all of these tests are of one day.
BILLED_ON = "2026-05-02"
CUSTOMER = "C0001"


def payment(receipt_id: str, amount: str, **changes: Any) -> Sending:
    """A receipt of the customer, or with ``customer=None`` of nobody known."""
    customer = changes.get("customer", CUSTOMER)
    payload = {
        "company_code": "1",
        "posting_kind": "customer" if customer else "unidentified",
        "customer": customer,
        "amount": amount,
        "currency_code": "USD",
        "posting_date": DAY,
        "document_date": DAY,
        "value_date": "2026-05-20",
        "bank_gl_account": "1.1.1",
        "bank_reference": f"BK{receipt_id[:12]}",
        "item_text": "Acme",
    }
    made: Sending = sending("tryton", "payments", receipt_id, {**payload, **changes})
    return made


def application(
    receipt_id: str, lines: list[dict[str, Any]], *, document: str = "", **changes: Any
) -> Sending:
    """A receipt to be applied; without its document it waits for the payment of the same id."""
    payload = {
        "company_code": "1",
        "customer": CUSTOMER,
        "currency_code": "USD",
        "posting_date": DAY,
        "receipt_fiscal_year": DAY[:4] if document else None,
        "receipt_document": document or None,
        "receipt_item": None,
        "lines": lines,
    }
    made: Sending = sending("tryton", "applications", receipt_id, {**payload, **changes})
    if not document:
        after = payment(receipt_id, "0").command.command_id
        made = replace(made, command=replace(made.command, after=(after,)))
    return made


def given_back(
    object_name: str, receipt: Sending, document: str, amount: str, **changes: Any
) -> Sending:
    """A posted receipt of the customer that goes back: ``returned_payments`` or ``refunds``."""
    key = receipt.command.business_key
    payload = {
        "company_code": "1",
        "customer": CUSTOMER,
        "amount": amount,
        "fee_amount": None,
        "currency_code": "USD",
        "posting_date": DAY,
        "document_date": DAY,
        "value_date": DAY,
        "bank_gl_account": "1.1.1",
        "bank_reference": f"R-{key[:12]}",
        "item_text": "Given back",
        "lines": None,
        "receipt_document": document,
        "receipt_key": key,
    }
    fields = load_governance().object("tryton", object_name).fields
    wanted = {name: value for name, value in {**payload, **changes}.items() if name in fields}
    made: Sending = sending("tryton", object_name, f"back-{key}", wanted)
    return made


def debit_memo(key: str, amount: str, **changes: Any) -> Sending:
    """What the customer is asked to pay beside its invoices."""
    payload = {
        "company_code": "1",
        "customer": CUSTOMER,
        "amount": amount,
        "currency_code": "USD",
        "posting_date": DAY,
        "document_date": BILLED_ON,
        "due_date": "2026-06-21",
        "document_reference": f"D-{key}",
        "invoice_number": None,
        "reason_code": "FREIGHT",
        "item_text": "Freight of May",
    }
    made: Sending = sending("tryton", "debit_memos", key, {**payload, **changes})
    return made


def line(invoice: dict[str, Any], amount: str, **more: Any) -> dict[str, Any]:
    """A line of an application that pays an invoice, or a part of it."""
    document, item = str(invoice["move"]), str(invoice["lines_to_pay"][0])
    return {
        "item_key": f"TRY-1-2026-{document}-{item}",
        "fiscal_year": "2026",
        "document": document,
        "item": item,
        "amount": amount,
        **more,
    }
