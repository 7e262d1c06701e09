"""Clearing: accepted at once, worked on later; only the items and the log show what became of it.

Rules of the contract sheet (§1.5b): existing open items only, no bank line, no special G/L, net
zero unless part of an item is paid or a residual item is left; the same message id twice is a
duplicate. *Partial*: the payment is cleared, the invoice stays open, and a new credit item that
refers to it is posted. *Residual*: both are cleared and the rest is posted as a new open item, with
the item's own due date and the reason code. A reason code may be set to charge off instead: then
the difference goes to a G/L account, as cash discounts always do.
"""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from sandbox.core.ledger import Application, Header, Journal, Line, LineKey, PostingRefused
from sandbox.sap_s4hana.books import ITEMS, Books, EntryDraft, ItemDraft
from sandbox.sap_s4hana.odata.tables import Row
from sandbox.sap_s4hana.ports import ClockPort
from sandbox.sap_s4hana.settings import SapSettings
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
    distribution: tuple[tuple[str, Decimal], ...] = ()
    """Reason code and amount of each part, where one item is short for several reasons."""

    @property
    def differences(self) -> tuple[tuple[str, Decimal], ...]:
        """Reason code and amount of what is not paid and not discount."""
        if self.distribution:
            return self.distribution
        return ((self.reason, self.deduction_amount),) if self.deduction_amount else ()


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
    applications, left, kept = _plan(state.settings, draft, rows)
    header: Header = books.header_of(entry)
    try:
        journal = state.ledger.clear(
            header, applications, today=clock.today(), residuals=[one.line for one in left]
        )
    except PostingRefused as refused:
        raise ClearingRefused(f"{refused.message[:1].upper()}{refused.message[1:]}") from None
    _show(books, state, entry, journal, {id(one.line): one for one in left})
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
    if item.partial_amount is not None and (item.differences or item.discount_amount):
        raise ClearingRefused("Discount or residual cannot be combined with a partial payment")
    return row


@dataclass(frozen=True, slots=True)
class _Left:
    """A line that the clearing leaves behind: a new open item, or a charge to a G/L account."""

    line: Line
    origin: Row
    reason: str = ""


def _plan(
    settings: SapSettings, draft: ClearingDraft, rows: list[Row]
) -> tuple[list[Application], list[_Left], list[bool]]:
    """What the ledger applies, which new lines are left, and which rows stay open.

    A partial payment leaves its invoice untouched: what it pays becomes a new credit item. A
    residual closes its item and leaves the difference as a new item of the same sign.
    """
    applications: list[Application] = []
    left: list[_Left] = []
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
            left.append(_Left(Line(row["GLAccount"], signed, row["Customer"]), row, item.reason))
            continue
        applications.append(Application(_line_key(row)))
        left += _differences(settings, item, row)
    return applications, left, kept


def _differences(settings: SapSettings, item: ClearingItem, row: Row) -> list[_Left]:
    """Discount and differences of an item that is closed: to G/L accounts, or as residual items."""
    amount = row["AmountInTransactionCurrency"]
    total = sum((part for _, part in item.differences), Decimal(0))
    if item.deduction_amount is not None and total != item.deduction_amount:
        raise ClearingRefused(f"The distribution gives {total}, not {item.deduction_amount}")
    discount = item.discount_amount or Decimal(0)
    for one in (discount, *(part for _, part in item.differences)):
        if one and (one > 0) != (amount > 0):
            raise ClearingRefused(f"Deduction {one} does not fit the item's {amount}")
    if abs(total + discount) >= abs(amount):
        raise ClearingRefused(f"Deduction {total + discount} does not fit the item's {amount}")
    left = [_Left(Line(settings.discount_gl_account, discount), row)] if discount else []
    for reason, part in item.differences:
        if not reason:
            raise ClearingRefused("A deduction needs a payment difference reason")
        account = settings.charge_off_accounts.get(reason)
        party = "" if account else row["Customer"]
        left.append(_Left(Line(account or row["GLAccount"], part, party), row, reason))
    return left


def _line_key(row: Row) -> LineKey:
    return (
        row["CompanyCode"],
        int(row["FiscalYear"]),
        row["AccountingDocument"],
        int(row["AccountingDocumentItem"]),
    )


def _show(
    books: Books,
    state: SapState,
    entry: EntryDraft,
    journal: Journal,
    left: dict[int, _Left],
) -> None:
    """Item rows for the clearing document's own lines."""
    for line in journal.lines:
        kind = "D" if state.ledger.accounts[line.account].is_reconciliation else "S"
        one = left.get(id(line))
        values = _left_values(state.settings, one, kind) if one is not None else {}
        account = line.party if kind == "D" else line.account
        entry.items.append(ItemDraft(kind, account, line.amount, line.amount_company, values))
    books.show(entry, journal)
    for position, line in enumerate(journal.lines, 1):
        if line.clearing is not None:
            row = books.item_row(journal.key, position)
            books.mark_cleared([row], journal.key, journal.header.posting_date)


def _left_values(settings: SapSettings, one: _Left, kind: str) -> dict[str, Any]:
    """What a line that is left behind takes over from the item it came from.

    Terms and base date stay, so the due date is the original one.
    """
    origin = one.origin
    values: dict[str, Any] = {
        "PaymentDifferenceReason": one.reason,
        "DocumentReferenceID": origin["DocumentReferenceID"],
    }
    if kind == "D":
        values["PaymentTerms"] = origin["PaymentTerms"]
        values["DueCalculationBaseDate"] = origin["DueCalculationBaseDate"]
        values["NetPaymentDays"] = origin["NetPaymentDays"] or Decimal(0)
    # A partial payment always names its invoice; of residual items no source says it for certain.
    is_partial = (one.line.amount > 0) != (origin["AmountInTransactionCurrency"] > 0)
    if kind == "D" and (is_partial or settings.residual_shows_reference):
        values["InvoiceReference"] = origin["AccountingDocument"]
        values["InvoiceReferenceFiscalYear"] = origin["FiscalYear"]
        values["InvoiceItemReference"] = origin["AccountingDocumentItem"]
    return values
