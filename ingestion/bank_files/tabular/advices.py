"""Rows of a table as remittances: columns by their headings, payments by their reference.

Headings are matched by words, not by place. A payment is all rows with one payment reference; its
amount is the payment amount the rows give, else the sum of its lines. It must not guess a currency.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from ingestion.bank_files.remittances import (
    ReferenceKind,
    Remittance,
    RemittanceLine,
    gross_lines,
)
from ingestion.bank_files.statements import Content
from ingestion.bank_files.tabular.values import amount_of, date_of, text_of
from ingestion.common.errors import InputRefused

__all__ = ["columns_of", "read_rows"]

#: What headings say, without blanks and marks, to what we call it.
_HEADINGS: dict[str, tuple[str, ...]] = {
    "trace": (
        "paymentreference", "paymentref", "paymentid", "paymentnumber", "paymentno", "tracenumber",
        "trace", "tracereference", "checknumber", "chequenumber", "checkno", "endtoendid",
        "wirereference", "eftnumber", "zahlungsreferenz",
    ),
    "payer_name": ("payer", "payername", "customer", "customername", "remitter", "vendorname"),
    "payer_account": ("payeraccount", "iban", "payeriban", "bankaccount", "accountnumber"),
    "payment_amount": (
        "paymentamount", "totalpayment", "paymenttotal", "checkamount", "chequeamount",
        "totalamount", "remittanceamount",
    ),
    "currency": ("currency", "currencycode", "ccy", "waehrung", "währung"),
    "day": ("paymentdate", "date", "valuedate", "checkdate", "zahlungsdatum"),
    "reference": (
        "invoice", "invoicenumber", "invoiceno", "invoiceref", "invoicereference", "document",
        "documentnumber", "documentreference", "reference", "referencenumber", "rechnungsnummer",
    ),
    "kind": ("documenttype", "type", "referencetype", "referencekind"),
    "paid": (
        "amountpaid", "paidamount", "paid", "netamount", "netpaid", "amountapplied", "betrag",
    ),
    "original": (
        "invoiceamount", "grossamount", "originalamount", "amountoriginal", "amountdue",
    ),
    "discount": ("discount", "discountamount", "discounttaken", "cashdiscount", "skonto"),
    "adjustment": (
        "adjustment", "adjustmentamount", "deduction", "deductionamount", "shortpay",
    ),
    "code": ("reasoncode", "adjustmentcode", "deductioncode", "reason"),
    "words": ("adjustmenttext", "comment", "comments", "remarks", "note", "notes", "description"),
}  # fmt: skip
_NAME_OF = {heading: name for name, headings in _HEADINGS.items() for heading in headings}
_KIND_WORDS = (
    ("credit", ReferenceKind.CREDIT_MEMO),
    ("cm", ReferenceKind.CREDIT_MEMO),
    ("purchase", ReferenceKind.PURCHASE_ORDER),
    ("po", ReferenceKind.PURCHASE_ORDER),
    ("deliver", ReferenceKind.DELIVERY),
    ("inv", ReferenceKind.INVOICE),
)


def columns_of(headings: Sequence[object]) -> dict[str, int]:
    """Place of every column we know; empty when these are not the headings of an advice."""
    found: dict[str, int] = {}
    for place, heading in enumerate(headings):
        name = _NAME_OF.get(re.sub(r"[^0-9a-zäöü]", "", text_of(heading).lower()))
        if name is not None:
            found.setdefault(name, place)
    is_advice = {"reference", "paid"} <= found.keys() and found.keys() & {
        "trace",
        "payment_amount",
    }
    return found if is_advice else {}


def read_rows(
    rows: Iterable[tuple[int, Sequence[object]]], columns: Mapping[str, int], where: str
) -> Content:
    """Rows below the headings as remittances.

    Args:
        rows: row number, for messages, and its cells.
        columns: what ``columns_of`` found.
        where: the file's name.

    Raises:
        InputRefused: a value is none, a payment without currency or with two amounts, no rows.
    """
    payments: dict[str, list[tuple[str, dict[str, object]]]] = {}
    for number, cells in rows:
        row = {
            name: cells[place] if place < len(cells) else None for name, place in columns.items()
        }
        if any(text_of(value) for value in row.values()):
            trace = text_of(row.get("trace"))
            payments.setdefault(trace, []).append((f"row {number} of {where}", row))
    if not payments:
        raise _refused(where, "no_statement", "the table holds no row below its headings")
    found = tuple(_remittance(trace, several, where) for trace, several in payments.items())
    return Content(remittances=found)


def _remittance(
    trace: str, rows: Sequence[tuple[str, Mapping[str, object]]], where: str
) -> Remittance:
    what = f"payment {trace or '(no reference)'} of {where}"

    def agreed(name: str) -> str:
        return next((text for _, row in rows if (text := text_of(row.get(name)))), "")

    currency_code = agreed("currency").upper()
    if not currency_code:
        raise _refused(what, "unknown_currency", "no currency is given")
    lines = [_line(row, currency_code, place) for place, row in rows]
    totals = {
        amount_of(row["payment_amount"], currency_code, place)
        for place, row in rows
        if text_of(row.get("payment_amount"))
    }
    if len(totals) > 1:
        raise _refused(what, "two_amounts", "its rows give different payment amounts")
    total = totals.pop() if totals else sum((x.amount_paid for x in lines), Decimal(0))
    days = {day for place, row in rows if (day := date_of(row.get("day"), place))}
    return Remittance(
        trace_reference=trace,
        payer_name=agreed("payer_name"),
        payer_account=agreed("payer_account").replace(" ", ""),
        payment_amount=total,
        currency_code=currency_code,
        payment_date=min(days, default=None),
        lines=gross_lines([one for one in lines if _says_something(one)], total),
    )


def _line(row: Mapping[str, object], currency_code: str, where: str) -> RemittanceLine:
    def money(name: str) -> Decimal | None:
        value = row.get(name)
        return amount_of(value, currency_code, where) if text_of(value) else None

    paid, original = money("paid"), money("original")
    discount, adjustment = money("discount") or Decimal(0), money("adjustment") or Decimal(0)
    if paid is None:
        paid = (original or Decimal(0)) - discount
    reference = text_of(row.get("reference"))
    return RemittanceLine(
        reference=reference,
        reference_kind=_kind(text_of(row.get("kind")), paid, reference),
        amount_paid=paid,
        amount_original=original,
        discount_amount=discount,
        # Payers write what they kept back with either sign.
        adjustment_amount=abs(adjustment),
        adjustment_code=text_of(row.get("code")),
        adjustment_text=text_of(row.get("words")),
    )


def _kind(word: str, paid: Decimal, reference: str) -> ReferenceKind:
    if not reference:
        return ReferenceKind.OTHER
    for part, kind in _KIND_WORDS:
        if word.lower().startswith(part):
            return kind
    if word:
        return ReferenceKind.OTHER
    return ReferenceKind.CREDIT_MEMO if paid < 0 else ReferenceKind.INVOICE


def _says_something(line: RemittanceLine) -> bool:
    return bool(line.reference or line.amount_paid or line.adjustment_amount)


def _refused(where: str, code: str, what: str) -> InputRefused:
    return InputRefused(
        f"{where}: {what}: ask the payer for a corrected advice", code=code, where=where
    )
