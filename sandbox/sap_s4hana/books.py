"""Posting: a journal entry of a message becomes a journal, its items and its billing document.

The ledger keeps the double entry; this module speaks SAP: which document number range, due date,
posting key and clearing status, and the messages with which SAP refuses. It parses nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sandbox.core.ledger import Header, Journal, JournalKey, Line, PostingRefused, Refusal
from sandbox.sap_s4hana.odata.tables import Row
from sandbox.sap_s4hana.ports import ClockPort
from sandbox.sap_s4hana.state import SapState, document_text

__all__ = ["Books", "EntryDraft", "EntryRefused", "ItemDraft"]

ITEMS = "A_OperationalAcctgDocItemCube"
_BILLING = "A_BillingDocument"
_KEY_LENGTH = 20


class EntryRefused(Exception):
    """SAP's own message: number and class as ``102(F5)``, its text, the element it is about."""

    def __init__(self, type_id: str, note: str, element: str = "") -> None:
        super().__init__(note)
        self.type_id = type_id
        self.note = note
        self.element = element


@dataclass(slots=True)
class ItemDraft:
    """One line of an entry to post. ``kind`` is the account type: D customer, S general ledger."""

    kind: str
    account: str
    amount: Decimal
    amount_company: Decimal | None
    values: dict[str, Any]
    is_tax: bool = False


@dataclass(slots=True)
class EntryDraft:
    """One journal entry to post; ``values`` holds header properties shared by all items."""

    company_code: str
    document_type: str
    posting_date: date
    document_date: date
    currency_code: str
    items: list[ItemDraft]
    values: dict[str, Any] = field(default_factory=dict)
    header_text: str = ""
    purchase_order: str = ""


class Books:
    """Posts entries into a state."""

    def __init__(self, state: SapState, clock: ClockPort) -> None:
        self._state = state
        self._clock = clock
        self._items = state.tables[ITEMS]
        self._item_type = self._items.type

    # -- posting ----------------------------------------------------------------------------

    def post(self, draft: EntryDraft) -> Journal:
        """Post an entry.

        Raises:
            EntryRefused: with SAP's message; nothing was posted.
        """
        settings = self._state.settings
        if draft.company_code not in settings.companies:
            raise EntryRefused(
                "165(F5)", f"Company code {draft.company_code} does not exist", "CompanyCode"
            )
        lines = []
        for item in draft.items:
            if item.kind == "D":
                self._check_customer(draft.company_code, item)
                lines.append(
                    Line(settings.ar_gl_account, item.amount, item.account, item.amount_company)
                )
            else:
                lines.append(Line(item.account, item.amount, "", item.amount_company))
        header = self.header_of(draft)
        try:
            journal = self._state.ledger.post(header, lines, today=self._clock.today())
        except PostingRefused as refused:
            raise self.refusal(refused, draft) from None
        billing = self._bill(draft, journal)
        self.show(draft, journal, billing)
        self._note_effects(draft, journal)
        return journal

    def header_of(self, draft: EntryDraft) -> Header:
        """The ledger's header, with the number range of the document type."""
        settings = self._state.settings
        return Header(
            draft.company_code,
            draft.document_type,
            draft.posting_date,
            draft.document_date,
            draft.currency_code,
            settings.number_ranges.get(draft.document_type, settings.default_number_range),
        )

    def _check_customer(self, company_code: str, item: ItemDraft) -> None:
        tables = self._state.tables
        company = tables["A_CustomerCompany"].get(item.account, company_code)
        shown = item.account.lstrip("0")
        if company is None:
            raise EntryRefused(
                "102(F5)",
                f"Customer {shown} is not defined in company code {company_code}",
                "Debtor",
            )
        customer = tables["A_Customer"].get(item.account)
        if customer is not None and customer["PostingIsBlocked"]:
            raise EntryRefused("349(F5)", f"Account {shown} is blocked for posting", "Debtor")

    def refusal(self, refused: PostingRefused, draft: EntryDraft) -> EntryRefused:
        """The ledger's refusal in SAP's words; numbers without a source are from memory."""
        shown = refused.subject.lstrip("0")
        company, chart = draft.company_code, self._state.settings.chart_of_accounts
        month, year = f"{draft.posting_date:%m/%Y}".split("/")
        amount = "AmountInTransactionCurrency"
        texts = {
            Refusal.PERIOD_CLOSED: (
                "201(F5)",
                f"Posting period 0{month} {year} is not open",
                "PostingDate",
            ),
            Refusal.UNKNOWN_ACCOUNT: (
                "507(F5)",
                f"G/L account {shown} is not defined in chart of accounts {chart}",
                "GLAccount",
            ),
            Refusal.PARTY_MISSING: (
                "354(F5)",
                f"Account {shown} in company code {company} cannot be directly posted to",
                "GLAccount",
            ),
            Refusal.UNBALANCED: ("702(F5)", "Balance in transaction currency", ""),
            Refusal.UNKNOWN_CURRENCY: ("023(SG)", f"Currency {shown} is not defined", amount),
            Refusal.TOO_MANY_DECIMALS: (
                "022(RW)",
                f"Too many decimals: {refused.message}",
                amount,
            ),
        }
        type_id, note, element = texts.get(refused.refusal, ("000(RW)", refused.message, ""))
        return EntryRefused(type_id, note, element)

    # -- what a posting leaves behind ---------------------------------------------------------

    def show(self, draft: EntryDraft, journal: Journal, billing: str = "") -> None:
        """Add the item rows of a posted journal."""
        company, year, document = journal.key
        now = self._clock.now()
        shared = {
            **draft.values,
            "CompanyCode": company,
            "FiscalYear": str(year),
            "AccountingDocument": document,
            "AccountingDocumentType": draft.document_type,
            "FiscalPeriod": f"{draft.posting_date.month:03d}",
            "PostingDate": draft.posting_date,
            "DocumentDate": draft.document_date,
            "BillingDocument": billing,
            "CompanyCodeCurrency": self._state.ledger.companies[company].currency_code,
            "TransactionCurrency": draft.currency_code,
            "LastChangeDate": now.date(),
            "AccountingDocumentCreationDate": now.date(),
            "CreationTime": now.time().replace(microsecond=0),
        }
        base = self._items.filled(shared)
        for number, (item, line) in enumerate(zip(draft.items, journal.lines, strict=True), 1):
            self._add_item(base, number, item, line, draft)

    def _add_item(
        self, base: list[Any], number: int, item: ItemDraft, line: Line, draft: EntryDraft
    ) -> Row:
        is_debit = line.amount >= 0
        values = {
            **item.values,
            "AccountingDocumentItem": f"{number:03d}",
            "FinancialAccountType": item.kind,
            "GLAccount": line.account,
            "Customer": line.party,
            "DebitCreditCode": "S" if is_debit else "H",
            "AmountInTransactionCurrency": line.amount,
            "AmountInCompanyCodeCurrency": line.amount_company,
        }
        if item.kind == "D":
            values.update(self._debtor_values(item, draft))
            is_receipt = draft.document_type in self._state.settings.receipt_types
            debit, credit = ("05", "15") if is_receipt else ("01", "11")
            values["PostingKey"] = debit if is_debit else credit
        else:
            values["PostingKey"] = "40" if is_debit else "50"
        return self._items.insert(values, base)

    def _debtor_values(self, item: ItemDraft, draft: EntryDraft) -> dict[str, Any]:
        """Name, terms and due date; the customer's own terms where the entry gives none."""
        tables = self._state.tables
        customer = tables["A_Customer"].get(item.account)
        company = tables["A_CustomerCompany"].get(item.account, draft.company_code)
        assert company is not None
        terms = item.values.get("PaymentTerms") or company["PaymentTerms"]
        base = item.values.get("DueCalculationBaseDate") or draft.document_date
        days = item.values.get("NetPaymentDays")
        if days is None:
            is_invoice = item.amount > 0
            days = Decimal(self._state.settings.payment_terms.get(terms, 0) if is_invoice else 0)
        return {
            "CustomerName": customer["CustomerName"] if customer else "",
            "PaymentTerms": terms,
            "DueCalculationBaseDate": base,
            "NetPaymentDays": days,
            "NetDueDate": base + timedelta(days=int(days)),
        }

    def _bill(self, draft: EntryDraft, journal: Journal) -> str:
        """The billing document behind an invoice or credit memo; its number, or empty."""
        settings = self._state.settings
        is_invoice = draft.document_type in settings.invoice_types
        if not is_invoice and draft.document_type not in settings.credit_memo_types:
            return ""
        debtor = next((item for item in draft.items if item.kind == "D"), None)
        if debtor is None:
            return ""
        gross = sum((i.amount for i in draft.items if i.kind == "D"), Decimal(0))
        tax = -sum((i.amount for i in draft.items if i.is_tax), Decimal(0))
        company, year, document = journal.key
        details = debtor.values
        number = self._state.next_number("billing", 90_000_000)
        self._state.tables[_BILLING].insert(
            {
                "BillingDocument": number,
                "SDDocumentCategory": "M" if is_invoice else "O",
                "BillingDocumentType": "F2" if is_invoice else "G2",
                "BillingDocumentDate": draft.document_date,
                "LastChangeDateTime": self._clock.now(),
                "CreationDate": self._clock.today(),
                "SoldToParty": debtor.account,
                "PayerParty": debtor.account,
                "CompanyCode": company,
                "FiscalYear": str(year),
                "AccountingDocument": document,
                "TotalNetAmount": abs(gross - tax),
                "TaxAmount": abs(tax),
                "TotalGrossAmount": abs(gross),
                "TransactionCurrency": draft.currency_code,
                "PaymentReference": details.get("PaymentReference", ""),
                "DocumentReferenceID": draft.values.get("DocumentReferenceID", ""),
                "AssignmentReference": details.get("AssignmentReference", ""),
                "PurchaseOrderByCustomer": draft.purchase_order,
                "OverallBillingStatus": "C",
                "AccountingPostingStatus": "C",
                "AccountingTransferStatus": "C",
                "InvoiceClearingStatus": "A",
            }
        )
        return number

    def _note_effects(self, draft: EntryDraft, journal: Journal) -> None:
        """Remember what outside thing made this document, for ``/ledger``."""
        effects = self._state.effects
        text = document_text(journal.key)
        keys = set()
        for item in draft.items:
            if item.values.get("Reference3IDByBusinessPartner"):
                keys.add(item.values["Reference3IDByBusinessPartner"])
            first_word = item.values.get("DocumentItemText", "").partition(" ")[0]
            if item.kind == "S" and len(first_word) == _KEY_LENGTH:
                keys.add(first_word)
        for key in sorted(keys):
            effects.external_keys.setdefault(key, []).append(text)
        reference = draft.values.get("DocumentReferenceID", "")
        banks = self._state.settings.bank_gl_accounts
        if reference and any(item.account in banks for item in draft.items):
            place = f"{draft.company_code}|{reference}"
            effects.bank_references.setdefault(place, []).append(text)

    # -- changes of items -------------------------------------------------------------------

    def item_row(self, key: JournalKey, position: int) -> Row:
        """The item row of a ledger line."""
        row = self._items.get(key[0], str(key[1]), key[2], f"{position:03d}")
        assert row is not None
        return row

    def mark_cleared(self, rows: Sequence[Row], clearing: JournalKey, on: date) -> None:
        """Show items as cleared, and the billing documents behind them."""
        today = self._clock.today()
        for row in rows:
            self._items.update(
                row,
                {
                    "IsCleared": True,
                    "ClearingDate": on,
                    "ClearingCreationDate": today,
                    "ClearingAccountingDocument": clearing[2],
                    "ClearingDocFiscalYear": str(clearing[1]),
                    "LastChangeDate": today,
                },
            )
            billing = row["BillingDocument"] and self._state.tables[_BILLING].get(
                row["BillingDocument"]
            )
            if billing and row["FinancialAccountType"] == "D":
                self._state.tables[_BILLING].update(
                    billing,
                    {
                        "InvoiceClearingStatus": "C",
                        "LastChangeDateTime": self.moment_after(billing["LastChangeDateTime"]),
                    },
                )

    def moment_after(self, instant: datetime | None) -> datetime:
        """Now, and later than the given instant: two changes never carry the same ETag."""
        now = self._clock.now()
        if instant is None:
            return now
        return max(now, instant + timedelta(milliseconds=1))

    def reverse(self, key: JournalKey, draft: EntryDraft) -> Journal:
        """Reverse a document: mirror lines, both cleared, both marked.

        Raises:
            EntryRefused: unknown, reversed before, or an item of it is cleared.
        """
        original = self._state.ledger.journals.get(key)
        if original is None:
            shown = f"{key[2]} does not exist in company code {key[0]} for fiscal year {key[1]}"
            raise EntryRefused("397(F5)", f"Document {shown}", "ReversalReferenceDocument")
        draft.currency_code = original.header.currency_code
        try:
            journal = self._state.ledger.reverse(
                key, self.header_of(draft), today=self._clock.today()
            )
        except PostingRefused as refused:
            raise self.refusal(refused, draft) from None
        items = []
        for number, line in enumerate(original.lines, 1):
            row = self.item_row(key, number)
            kept = {"DocumentReferenceID": row["DocumentReferenceID"]}
            kind = row["FinancialAccountType"]
            items.append(ItemDraft(kind, line.party or line.account, -line.amount, None, kept))
        draft.items = items
        self.show(draft, journal)
        self._mark_reversed(key, journal)
        self._state.effects.reversals[document_text(key)] = document_text(journal.key)
        return journal

    def _mark_reversed(self, key: JournalKey, journal: Journal) -> None:
        ledger = self._state.ledger
        today = self._clock.today()
        for number in range(1, len(journal.lines) + 1):
            for place, other, flag in (
                (key, journal.key, "IsReversed"),
                (journal.key, key, "IsReversal"),
            ):
                row = self.item_row(place, number)
                changes = {flag: True, "ReverseDocument": other[2], "LastChangeDate": today}
                self._items.update(row, changes)
                if ledger.line((*place, number)).clearing is not None:
                    self.mark_cleared([row], journal.key, journal.header.posting_date)
