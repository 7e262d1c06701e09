"""SAP's files: postings, customer invoices, credit limits and customers as delimited flat files.

Columns carry SAP's technical field names (BKPF, BSEG, KNA1, UKM), dates are ``YYYYMMDD``, amounts
unsigned beside ``SHKZG`` (S debit, H credit). One document may have several lines; ``DOC_KEY`` is
the hub's key, and travels into ``XREF3`` where the account has room. No source shows a released
upload of exactly this form (README of the files folder): installations map it in their middleware.
It builds lines only; nothing here sends.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import ClassVar

from ingestion.common.config import System
from ingestion.common.errors import InputRefused
from ingestion.common.money import canonical_text, parse_amount, round_money
from reverse_etl.delivery.writer import Sending
from reverse_etl.files.forms import FileForm, Line, Place
from reverse_etl.ledger.commands import Value
from reverse_etl.planning.governance import Governance, TargetObject
from reverse_etl.sap_s4hana.credit import changes_of
from reverse_etl.sap_s4hana.messages import (
    DebtorItem,
    EntryHeader,
    GlItem,
    JournalEntry,
    clean_text,
)
from reverse_etl.sap_s4hana.receipts import entry_of
from reverse_etl.sap_s4hana.settings import SapOptions

__all__ = ["CreditFile", "CustomerFile", "InvoiceFile", "PostingFile", "forms"]

KIND = "sap_s4hana"
_NO_CURRENCY = "X" * 3
#: How a field is written that is to be left as it is (as in SAP's batch input).
UNCHANGED = "/"
_POSTING_COLUMNS = (
    "BUKRS", "BLART", "BLDAT", "BUDAT", "XBLNR", "WAERS", "BUZEI", "KOART", "KONTO", "SHKZG",
    "WRBTR", "ZUONR", "SGTXT", "XREF3", "VALUT", "ZFBDT", "ZBD1T",
)  # fmt: skip
_OPTIONS = {"revenue_gl_account": "41000000", "tax_gl_account": "22000000"}


def forms(system: System, governance: Governance) -> Mapping[Place, FileForm]:
    """SAP's forms by object and operation."""
    options = SapOptions.of(system)
    accounts = {name: str(system.options.get(name, value)) for name, value in _OPTIONS.items()}
    return {
        ("journal_entries", "post"): PostingFile(
            governance.object(KIND, "journal_entries"), options
        ),
        ("invoices", "post"): InvoiceFile(options, **accounts),
        ("credit_accounts", "update"): CreditFile(
            governance.object(KIND, "credit_accounts"), options
        ),
        ("customers", "create"): CustomerFile(),
    }


class PostingFile:
    """Receipts: the same entries that the SOAP message would carry."""

    name = "sap-postings"
    columns = _POSTING_COLUMNS
    #: A clearing names the document that its receipt became.
    needs_document = True
    _FIELDS: ClassVar[Mapping[str, str]] = {
        "BUKRS": "CompanyCode", "BLDAT": "DocumentDate", "BUDAT": "PostingDate",
        "XBLNR": "DocumentReferenceID", "WAERS": "TransactionCurrency", "KONTO": "Debtor",
        "WRBTR": "AmountInTransactionCurrency", "SGTXT": "DocumentItemText", "VALUT": "ValueDate",
    }  # fmt: skip

    def __init__(self, target: TargetObject, options: SapOptions) -> None:
        self._target = target
        self._options = options

    def lines(self, sending: Sending) -> Sequence[Line]:
        """Raises InputRefused for what is no receipt."""
        return _entry_lines(entry_of(sending, self._target, self._options), sending.external_key)

    def field_of(self, column: str) -> str:
        """The hub's name of a column."""
        return _hub_name(self._target, self._FIELDS.get(column, ""), column)


def _entry_lines(entry: JournalEntry, key: str) -> list[Line]:
    """The lines of a balanced entry, customers first, debits counted into the totals.

    Raises:
        InputRefused: it does not sum to zero, or has more decimals than its currency.
    """
    header, currency_code = entry.header, entry.currency_code
    items: list[DebtorItem | GlItem] = [*entry.debtor_items, *entry.gl_items]
    total = sum((item.amount for item in items), Decimal(0))
    if not items or total:
        raise InputRefused(f"the entry sums to {total}", code="unbalanced", where="amount")
    lines = []
    for number, item in enumerate(items, 1):
        if item.amount != round_money(item.amount, currency_code):
            raise InputRefused(
                f"{item.amount} {currency_code} has too many decimals",
                code="too_many_decimals",
                where="amount",
            )
        values = (
            header.company_code,
            header.document_type,
            _day(header.document_date),
            _day(header.posting_date),
            _fits(header.document_reference, 16, "XBLNR"),
            currency_code,
            f"{number:03d}",
            *_account_values(item, key),
        )
        lines.append(Line(values, currency_code, max(item.amount, Decimal(0))))
    return lines


def _account_values(item: DebtorItem | GlItem, key: str) -> tuple[str, ...]:
    """The columns from ``KOART`` on; the key travels where the account has room for it."""
    signed = ("H" if item.amount < 0 else "S", canonical_text(abs(item.amount)))
    words = (_fits(item.assignment, 18, "ZUONR"), clean_text(item.text))
    if isinstance(item, GlItem):
        return ("S", item.gl_account, *signed, *words, "", _day(item.value_date), "", "")
    days = "" if item.net_payment_days is None else str(item.net_payment_days)
    return ("D", item.customer, *signed, *words, key, "", _day(item.due_base_date), days)


class InvoiceFile:
    """Customer invoices: gross on the customer, net on revenue, tax on output tax.

    Payload: company_code, customer, invoice_number, document_date, posting_date, currency_code,
    amount (gross), and where they are known tax_amount, due_date, text.
    """

    name = "sap-invoices"
    columns = _POSTING_COLUMNS
    needs_document = False
    document_type = "RV"
    _FIELDS: ClassVar[Mapping[str, str]] = {
        "BUKRS": "company_code", "KONTO": "customer", "XBLNR": "invoice_number",
        "BLDAT": "document_date", "BUDAT": "posting_date", "WAERS": "currency_code",
        "WRBTR": "amount", "ZBD1T": "due_date", "SGTXT": "text",
    }  # fmt: skip

    def __init__(self, options: SapOptions, revenue_gl_account: str, tax_gl_account: str) -> None:
        self._options = options
        self._revenue = revenue_gl_account
        self._tax = tax_gl_account

    def lines(self, sending: Sending) -> Sequence[Line]:
        """Raises InputRefused for a missing or wrong field."""
        payload = sending.command.payload
        currency_code = _text(payload, "currency_code")
        gross = parse_amount(_text(payload, "amount"), currency_code, where="amount")
        tax = parse_amount(str(payload.get("tax_amount") or "0"), currency_code, where="tax_amount")
        if gross <= 0 or not 0 <= tax < gross:
            raise InputRefused(
                f"an invoice of {gross} with tax {tax} cannot be posted",
                code="not_an_invoice",
                where="amount",
            )
        document_date = _date_of(payload, "document_date")
        due_date = _date_of(payload, "due_date") if payload.get("due_date") else None
        text = str(payload.get("text") or "")
        net_items = [GlItem(self._revenue, -(gross - tax), text=text)]
        tax_items = [GlItem(self._tax, -tax, text=text)] if tax else []
        customer = DebtorItem(
            _text(payload, "customer"),
            gross,
            text=text,
            due_base_date=document_date if due_date else None,
            net_payment_days=(due_date - document_date).days if due_date else None,
        )
        header = EntryHeader(
            _text(payload, "company_code"),
            self.document_type,
            document_date,
            _date_of(payload, "posting_date"),
            self._options.created_by,
            _text(payload, "invoice_number"),
        )
        items = (*net_items, *tax_items)
        entry = JournalEntry(sending.external_key, header, currency_code, (customer,), items)
        return _entry_lines(entry, sending.external_key)

    def field_of(self, column: str) -> str:
        """The hub's name of a column."""
        return self._FIELDS.get(column, column)


class CreditFile:
    """Credit limits and holds, one line per account; fields that do not change read ``/``."""

    name = "sap-credit-accounts"
    columns = (
        "PARTNER", "CREDIT_SGMNT", "CREDIT_LIMIT", "LIMIT_IS_ZERO", "XBLOCKED", "BLOCK_REASON",
    )  # fmt: skip
    needs_document = False
    _NATIVE: ClassVar[Mapping[str, str]] = {
        "CREDIT_LIMIT": "CreditLimitAmount", "LIMIT_IS_ZERO": "CreditLimitIsZero",
        "XBLOCKED": "CreditAccountIsBlocked", "BLOCK_REASON": "CreditAccountBlockReason",
    }  # fmt: skip

    def __init__(self, target: TargetObject, options: SapOptions) -> None:
        self._target = target
        self._options = options

    def lines(self, sending: Sending) -> Sequence[Line]:
        """Raises InputRefused for a limit without its kind, or a key of another form."""
        command = sending.command
        customer, _, segment = command.business_key.partition("/")
        if not customer or not segment:
            raise InputRefused(
                f"{command.business_key!r} is not customer/segment",
                code="key_form",
                where="customer/credit_segment",
            )
        body = changes_of(command, self._target, self._options)
        amount = body.get("CreditLimitAmount")
        values = (customer, segment, *(_cell(body, name) for name in self._NATIVE.values()))
        # ISO 4217 reserves this code for "no currency": the segment's is SAP's own matter.
        currency_code = command.currency_code or _NO_CURRENCY
        return [Line(values, currency_code, Decimal(str(amount or "0")))]

    def field_of(self, column: str) -> str:
        """The hub's name of a column."""
        return _hub_name(self._target, self._NATIVE.get(column, ""), column)


class CustomerFile:
    """New customers with one address and one company each.

    Payload: customer, name, company_code, and where known street, postal_code, city, country,
    payment_terms.
    """

    name = "sap-customers"
    columns = ("KUNNR", "NAME1", "STRAS", "PSTLZ", "ORT01", "LAND1", "BUKRS", "ZTERM")
    needs_document = False
    _FIELDS: ClassVar[Mapping[str, str]] = {
        "KUNNR": "customer", "NAME1": "name", "STRAS": "street", "PSTLZ": "postal_code",
        "ORT01": "city", "LAND1": "country", "BUKRS": "company_code", "ZTERM": "payment_terms",
    }  # fmt: skip

    def lines(self, sending: Sending) -> Sequence[Line]:
        """Raises InputRefused without number, name or company."""
        payload = sending.command.payload
        for name in ("customer", "name", "company_code"):
            _text(payload, name)
        return [Line(tuple(str(payload.get(one) or "") for one in self._FIELDS.values()))]

    def field_of(self, column: str) -> str:
        """The hub's name of a column."""
        return self._FIELDS.get(column, column)


def _hub_name(target: TargetObject, native: str, column: str) -> str:
    found = [name for name, one in target.fields.items() if native and one.native == native]
    return found[0] if found else column


def _cell(body: Mapping[str, Value], name: str) -> str:
    """A field of a change: flags as X or blank, absent ones as unchanged."""
    if name not in body:
        return UNCHANGED
    value = body[name]
    if isinstance(value, bool):
        return "X" if value else ""
    return str(value or "")


def _text(payload: Mapping[str, Value], name: str) -> str:
    value = payload.get(name)
    if value in (None, ""):
        raise InputRefused(f"{name} is missing", code="field_missing", where=name)
    return str(value)


def _date_of(payload: Mapping[str, Value], name: str) -> date:
    text = _text(payload, name)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputRefused(f"{name} {text!r} is no date", code="bad_date", where=name) from None


def _day(value: date | None) -> str:
    return f"{value:%Y%m%d}" if value else ""


def _fits(text: str, length_max: int, column: str) -> str:
    if len(text) > length_max:
        raise InputRefused(
            f"{column} {text!r} has more than {length_max} characters",
            code="does_not_fit",
            where=column,
        )
    return text
