"""Clearing: accepted at once, worked on later; only the items and the log show what became of it.

Rules of the contract sheet (§1.5b): existing open items only, no bank line, no special G/L, net
zero unless part of an item is paid or a residual item is left; the same message id twice is a
duplicate. *Partial*: the payment is cleared, the invoice stays open, and a new credit item that
refers to it is posted. *Residual*: both are cleared and the rest is posted as a new open item.
"""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from sandbox.core.ledger import Application, Header, Journal, Line, LineKey, PostingRefused
from sandbox.sap_s4hana.books import ITEMS, Books, EntryDraft, ItemDraft
from sandbox.sap_s4hana.odata.tables import Row
from sandbox.sap_s4hana.ports import ClockPort
from sandbox.sap_s4hana.state import SapState, document_text

__all__ = ["ClearingDraft", "ClearingItem", "ClearingRefused", "clear"]


class ClearingRefused(Exception):
    """Why the request failed; it stands in the log only, the sender never hears of it."""

    def __init__(self, note: str) -> None:
        super().__init__(note)
        self.note = note


@dataclass(frozen=True, slots=True)
class ClearingItem:
    """One open item of a request. ``account`` is a customer or a G/L account (``kind`` D or S)."""

    kind: str
    account: str
    company_code: str
    fiscal_year: str
    document: str
    item: str
    partial_amount: Decimal | None = None
    deduction_amount: Decimal | None = None
    discount_amount: Decimal | None = None
    reason: str = ""


@dataclass(slots=True)
class ClearingDraft:
    """One clearing request."""

    message_id: str
    company_code: str
    document_type: str
    document_date: date
    posting_date: date
    currency_code: str
    items: list[ClearingItem]
    header_text: str = ""
    values: dict[str, Any] = field(default_factory=dict)


def clear(state: SapState, books: Books, clock: ClockPort, draft: ClearingDraft) -> Journal:
    """Do what a request asks for.

    Raises:
        ClearingRefused: nothing changed; the note is what the log will say.
    """
    rows = [_row(state, draft, item) for item in draft.items]
    entry = EntryDraft(
        draft.company_code,
        draft.document_type,
        draft.posting_date,
        draft.document_date,
        draft.currency_code,
        [],
        {"DocumentReferenceID": draft.values.get("ReferenceDocument", "")},
        header_text=draft.header_text,
    )
    applications, residuals, kept = _plan(draft, rows)
    header: Header = books.header_of(entry)
    try:
        journal = state.ledger.clear(
            header, applications, today=clock.today(), residuals=[line for line, _ in residuals]
        )
    except PostingRefused as refused:
        raise ClearingRefused(f"{refused.message[:1].upper()}{refused.message[1:]}") from None
    _show(books, state, entry, journal, dict(_origins(residuals)))
    cleared = [row for row, is_kept in zip(rows, kept, strict=True) if not is_kept]
    books.mark_cleared(cleared, journal.key, draft.posting_date)
    effects = state.effects
    text = document_text(journal.key)
    for key in {draft.message_id, draft.header_text} - {""}:
        effects.external_keys.setdefault(key, []).append(text)
    effects.clearings[text] = ["/".join(row.key) for row in cleared]
    return journal


def _row(state: SapState, draft: ClearingDraft, item: ClearingItem) -> Row:
    """The item's row, checked against what the request says of it."""
    company = item.company_code or draft.company_code
    row = state.tables[ITEMS].get(company, item.fiscal_year, item.document, item.item)
    shown = f"{item.document} {item.item} {item.fiscal_year} in company code {company}"
    if row is None:
        raise ClearingRefused(f"Item {shown} does not exist")
    owner = row["Customer"] if item.kind == "D" else row["GLAccount"]
    if row["FinancialAccountType"] != item.kind or owner != item.account:
        raise ClearingRefused(f"Item {shown} does not belong to account {item.account}")
    account = state.ledger.accounts[row["GLAccount"]]
    if not account.is_open_item_managed:
        raise ClearingRefused(f"There are no open items managed in account {row['GLAccount']}")
    if row["SpecialGLCode"]:
        raise ClearingRefused(f"Item {shown} is a special G/L item")
    if row["IsCleared"]:
        raise ClearingRefused(
            f"Item {shown} was already cleared with document {row['ClearingAccountingDocument']}"
        )
    if item.partial_amount is not None and (item.deduction_amount or item.discount_amount):
        raise ClearingRefused("Discount or residual cannot be combined with a partial payment")
    if item.discount_amount:
        raise ClearingRefused("Cash discount is not configured in this system")
    return row


Residual = tuple[Line, Row]


def _plan(
    draft: ClearingDraft, rows: list[Row]
) -> tuple[list[Application], list[Residual], list[bool]]:
    """What the ledger applies, which new open items are left, and which rows stay open.

    A partial payment leaves its invoice untouched: what it pays becomes a new credit item. A
    residual closes its item and leaves the deduction as a new item of the same sign.
    """
    applications: list[Application] = []
    residuals: list[Residual] = []
    kept = []
    for item, row in zip(draft.items, rows, strict=True):
        amount = row["AmountInTransactionCurrency"]
        is_kept = item.partial_amount is not None
        kept.append(is_kept)
        if is_kept:
            assert item.partial_amount is not None
            paid = abs(item.partial_amount)
            if not 0 < paid <= abs(amount):
                raise ClearingRefused(f"Partial amount {paid} does not fit the item's {amount}")
            signed = -paid if amount > 0 else paid
            residuals.append((Line(row["GLAccount"], signed, row["Customer"]), row))
            continue
        applications.append(Application(_line_key(row)))
        left = item.deduction_amount
        if left:
            if (left > 0) != (amount > 0) or abs(left) >= abs(amount):
                raise ClearingRefused(f"Deduction {left} does not fit the item's {amount}")
            if not item.reason:
                raise ClearingRefused("A deduction needs a payment difference reason")
            residuals.append((Line(row["GLAccount"], left, row["Customer"]), row))
    return applications, residuals, kept


def _line_key(row: Row) -> LineKey:
    return (
        row["CompanyCode"],
        int(row["FiscalYear"]),
        row["AccountingDocument"],
        int(row["AccountingDocumentItem"]),
    )


def _origins(residuals: list[Residual]) -> list[tuple[int, Row]]:
    """The origin of each new open item, by the identity of its ledger line."""
    return [(id(line), row) for line, row in residuals]


def _show(
    books: Books,
    state: SapState,
    entry: EntryDraft,
    journal: Journal,
    origins: dict[int, Row],
) -> None:
    """Item rows for the clearing document's own lines."""
    for line in journal.lines:
        kind = "D" if state.ledger.accounts[line.account].is_reconciliation else "S"
        values: dict[str, Any] = {}
        origin = origins.get(id(line))
        if origin is not None:
            values = {
                "InvoiceReference": origin["AccountingDocument"],
                "InvoiceReferenceFiscalYear": origin["FiscalYear"],
                "InvoiceItemReference": origin["AccountingDocumentItem"],
                "DueCalculationBaseDate": origin["DueCalculationBaseDate"],
                "NetPaymentDays": origin["NetPaymentDays"] or Decimal(0),
                "DocumentReferenceID": origin["DocumentReferenceID"],
            }
        account = line.party if kind == "D" else line.account
        entry.items.append(ItemDraft(kind, account, line.amount, line.amount_company, values))
    books.show(entry, journal)
    for position, line in enumerate(journal.lines, 1):
        if line.clearing is not None:
            row = books.item_row(journal.key, position)
            books.mark_cleared([row], journal.key, journal.header.posting_date)
