"""The SOAP messages of SAP's general ledger: Journal Entry Post, Clearing and Change.

What: small frozen dataclasses for a journal entry and a clearing request, and the envelopes that
carry many of them (``confirmations`` reads the answer). Why a module of its own: the shape of these
messages is known only from the contract sheet (erp.md §1.5), so it must stand in one place.
Bytes are a pure function of the arguments (no clock, no random id): a message that is sent again
is the same message. It must not talk to the network and does not know commands.
"""

import hashlib
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Protocol

from lxml import etree

from ingestion.common.errors import InputRefused
from ingestion.common.money import canonical_text, round_money

__all__ = [
    "CHANGE_ACTION",
    "CHANGE_PATH",
    "CLEARING_ACTION",
    "CLEARING_PATH",
    "POST_ACTION",
    "POST_PATH",
    "ClearingItem",
    "ClearingRequest",
    "DebtorItem",
    "EntryHeader",
    "GlItem",
    "ItemChange",
    "JournalEntry",
    "change_envelope",
    "clean_text",
    "clearing_envelope",
    "entry_id_of",
    "post_envelope",
]

SOAP_NAMESPACE = "http://schemas.xmlsoap.org/soap/envelope/"
ADDRESSING_NAMESPACE = "http://www.w3.org/2005/08/addressing"
LEDGER_NAMESPACE = "http://sap.com/xi/SAPSCORE/SFIN"

POST_PATH = "/sap/bc/srt/scs_ext/sap/journalentrycreaterequestconfi"
POST_ACTION = (
    f"{LEDGER_NAMESPACE}/JournalEntryCreateRequestConfirmation_In/"
    "JournalEntryCreateRequestConfirmation_InRequest"
)
CLEARING_PATH = "/sap/bc/srt/scs_ext/sap/journalentrybulkclearingreques"
CLEARING_ACTION = (
    f"{LEDGER_NAMESPACE}/JournalEntryBulkClearingRequest_In/"
    "JournalEntryBulkClearingRequest_InRequest"
)
CHANGE_PATH = "/sap/bc/srt/scs_ext/sap/journalentrybulkchangerequest_"
CHANGE_ACTION = (
    f"{LEDGER_NAMESPACE}/JournalEntryBulkChangeRequest_In/JournalEntryBulkChangeRequest_InRequest"
)

#: Characters XML 1.0 cannot carry; they reach us in bank texts.
_NOT_XML = re.compile(r"[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class EntryHeader:
    """What stands once per journal entry. ``created_by`` is the SAP user shown in the document.

    ``document_reference`` (16 characters) is what the other side calls the document: the invoice
    number that remittances quote, or the bank's reference of a receipt.
    """

    company_code: str
    document_type: str
    document_date: date
    posting_date: date
    created_by: str = "LEDGERLOOP"
    document_reference: str = ""
    header_text: str = ""
    original_reference_type: str = "BKPFF"
    business_transaction_type: str = "RFBU"


@dataclass(frozen=True, slots=True)
class GlItem:
    """One line on a G/L account. ``amount`` is signed: debit positive, credit negative."""

    gl_account: str
    amount: Decimal
    text: str = ""
    assignment: str = ""
    value_date: date | None = None


@dataclass(frozen=True, slots=True)
class DebtorItem:
    """One line on a customer account. ``amount`` is signed: debit positive, credit negative.

    ``due_base_date`` and ``net_payment_days`` (calendar days) set the net due date together;
    ``discount_percent`` may be taken within ``discount_days`` of the base date.
    ``reference_1`` and ``_2`` hold 12 characters, ``reference_3`` 20.
    """

    customer: str
    amount: Decimal
    text: str = ""
    assignment: str = ""
    reference_1: str = ""
    reference_2: str = ""
    reference_3: str = ""
    due_base_date: date | None = None
    net_payment_days: int | None = None
    discount_days: int | None = None
    discount_percent: Decimal | None = None
    payment_reference: str = ""
    payment_block: str = ""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One document to be posted. ``entry_id`` (at most 35 characters) is unique for ever.

    Items are numbered debtors first, so that the customer's line of an invoice or receipt with
    one customer is always item 001.
    """

    entry_id: str
    header: EntryHeader
    currency_code: str
    debtor_items: tuple[DebtorItem, ...] = ()
    gl_items: tuple[GlItem, ...] = ()


@dataclass(frozen=True, slots=True)
class ClearingItem:
    """One open item of a customer, by its document key (``item``: three digits).

    In a request on G/L lines ``customer`` is the G/L account.
    Amounts carry the item's sign. ``partial`` is what a partial payment pays of it; ``differences``
    are reason codes with what is not paid for each, and ``discount`` is cash discount.
    """

    customer: str
    fiscal_year: str
    document: str
    item: str
    partial: Decimal | None = None
    discount: Decimal = Decimal(0)
    differences: tuple[tuple[str, Decimal], ...] = ()


@dataclass(frozen=True, slots=True)
class ClearingRequest:
    """Open items that net to zero and close one another in full.

    ``external_key`` goes to the header text (25 characters) of the clearing document.
    """

    entry_id: str
    external_key: str
    company_code: str
    currency_code: str
    document_date: date
    posting_date: date
    items: tuple[ClearingItem, ...]
    document_type: str = "AB"
    created_by: str = "LEDGERLOOP"
    #: Whose items: customers' (D), or lines of one G/L account (S), which are closed as a whole.
    account_type: str = "D"
    #: How the amount inside ``PaymentDifferenceDistribution`` is called; not verified.
    distribution_amount: str = "DifferenceAmountInDspCrcy"


@dataclass(frozen=True, slots=True)
class ItemChange:
    """Fields of one customer item to set, by the element that holds them; an empty text clears."""

    entry_id: str
    company_code: str
    fiscal_year: str
    document: str
    item: str
    fields: Mapping[str, str]


class _HasEntryId(Protocol):
    @property
    def entry_id(self) -> str: ...


def entry_id_of(command_id: str) -> str:
    """The id an entry of a command travels under: SAP keeps 35 characters, 32 hex are 128 bits."""
    return command_id[:32]


def clean_text(text: str) -> str:
    """A free text as SAP keeps it: one line of 50 characters. Words for people, so cut."""
    return " ".join(_NOT_XML.sub(" ", text).split())[:50].rstrip()


def post_envelope(
    entries: Sequence[JournalEntry], *, created_at: datetime, attempt: int = 1
) -> bytes:
    """The SOAP 1.1 message that posts ``entries``, each a document of its own.

    Args:
        entries: at least one, ids unique.
        created_at: UTC instant; part of the message, so pass one that a resend repeats.
        attempt: counts deliberate resends. SAP takes a message id once, so entries that were
            refused for a passing reason need another message; their own ids stay the same.

    Raises:
        InputRefused: an entry does not balance, has too many decimals or a key that does not fit.
    """
    message_id = _message_id(entries, attempt)
    root, body = _envelope(POST_ACTION, message_id)
    request = etree.SubElement(body, f"{{{LEDGER_NAMESPACE}}}JournalEntryBulkCreateRequest")
    _message_header(request, message_id, created_at)
    for entry in entries:
        _check_entry(entry)
        one = etree.SubElement(request, "JournalEntryCreateRequest")
        _message_header(one, entry.entry_id, created_at)
        _entry(etree.SubElement(one, "JournalEntry"), entry)
    return _bytes(root)


def clearing_envelope(
    requests: Sequence[ClearingRequest], *, created_at: datetime, attempt: int = 1
) -> bytes:
    """The SOAP 1.1 message that asks for ``requests``; SAP answers 202 and works later.

    Arguments as in ``post_envelope``.

    Raises:
        InputRefused: fewer than two items in a request, a key that does not fit, too many decimals.
    """
    message_id = _message_id(requests, attempt)
    root, body = _envelope(CLEARING_ACTION, message_id)
    message = etree.SubElement(body, f"{{{LEDGER_NAMESPACE}}}JournalEntryBulkClearingRequest")
    _message_header(message, message_id, created_at)
    for request in requests:
        if len(request.items) < 2:
            raise InputRefused(
                "a clearing needs at least two open items",
                code="too_few_items",
                where=request.entry_id,
            )
        one = etree.SubElement(message, "JournalEntryClearingRequest")
        _message_header(one, request.entry_id, created_at)
        _clearing(etree.SubElement(one, "JournalEntry"), request)
    return _bytes(root)


def change_envelope(
    changes: Sequence[ItemChange], *, created_at: datetime, attempt: int = 1
) -> bytes:
    """The SOAP 1.1 message that changes items; SAP answers 202 and works later.

    Arguments as in ``post_envelope``.
    """
    message_id = _message_id(changes, attempt)
    root, body = _envelope(CHANGE_ACTION, message_id)
    message = etree.SubElement(body, f"{{{LEDGER_NAMESPACE}}}JournalEntryBulkChangeRequest")
    _message_header(message, message_id, created_at)
    for change in changes:
        one = etree.SubElement(message, "JournalEntryDebtorCreditorItem")
        _message_header(one, change.entry_id, created_at)
        key = etree.SubElement(one, "ItemKey")
        _put(key, "AccountingDocument", change.document, 10)
        _put(key, "CompanyCode", change.company_code, 4)
        _put(key, "FiscalYear", change.fiscal_year, 4)
        _put(key, "AccountingDocumentItemID", change.item, 3)
        for name, text in change.fields.items():
            part = etree.SubElement(one, f"{name}Change")
            etree.SubElement(part, name).text = text
            _put(part, "FieldValueChangeIsRequested", "true")
    return _bytes(root)


def _message_id(entries: Sequence[_HasEntryId], attempt: int) -> str:
    """32 hex characters for a message: the same entries and attempt give the same id."""
    ids = [entry.entry_id for entry in entries]
    if not ids or len(set(ids)) != len(ids):
        raise InputRefused(
            "a message needs entries with ids of their own", code="entry_ids", where="message"
        )
    return hashlib.sha256("\x1f".join(["message", str(attempt), *ids]).encode()).hexdigest()[:32]


def _envelope(action: str, message_id: str) -> tuple[etree._Element, etree._Element]:
    """An empty envelope with the addressing headers SAP demands, and its body element."""
    names = {"soapenv": SOAP_NAMESPACE, "sfin": LEDGER_NAMESPACE, "wsa": ADDRESSING_NAMESPACE}
    root = etree.Element(f"{{{SOAP_NAMESPACE}}}Envelope", nsmap=names)
    header = etree.SubElement(root, f"{{{SOAP_NAMESPACE}}}Header")
    texts = {"Action": action, "MessageID": f"uuid:{uuid.UUID(hex=message_id)}"}
    for name, text in texts.items():
        element = etree.SubElement(header, f"{{{ADDRESSING_NAMESPACE}}}{name}")
        element.set(f"{{{SOAP_NAMESPACE}}}mustUnderstand", "1")
        element.text = text
    return root, etree.SubElement(root, f"{{{SOAP_NAMESPACE}}}Body")


def _message_header(parent: etree._Element, message_id: str, created_at: datetime) -> None:
    header = etree.SubElement(parent, "MessageHeader")
    _put(header, "ID", message_id, 35)
    _put(header, "CreationDateTime", created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))


def _entry(parent: etree._Element, entry: JournalEntry) -> None:
    """The document's header, then G/L lines, then customer lines, in the WSDL's order."""
    header = entry.header
    _put(parent, "OriginalReferenceDocumentType", header.original_reference_type, 5)
    _put(parent, "BusinessTransactionType", header.business_transaction_type, 4)
    _put(parent, "AccountingDocumentType", header.document_type, 2)
    _put(parent, "DocumentReferenceID", header.document_reference, 16)
    _put(parent, "DocumentHeaderText", header.header_text, 25)
    _put(parent, "CreatedByUser", header.created_by, 12)
    _put(parent, "CompanyCode", header.company_code, 4)
    _put(parent, "DocumentDate", header.document_date.isoformat())
    _put(parent, "PostingDate", header.posting_date.isoformat())
    for number, item in enumerate(entry.gl_items, start=1 + len(entry.debtor_items)):
        _gl_item(etree.SubElement(parent, "Item"), number, item, entry.currency_code)
    for number, debtor in enumerate(entry.debtor_items, start=1):
        _debtor_item(etree.SubElement(parent, "DebtorItem"), number, debtor, entry.currency_code)


def _gl_item(parent: etree._Element, number: int, item: GlItem, currency_code: str) -> None:
    _put(parent, "ReferenceDocumentItem", str(number))
    _put(parent, "GLAccount", item.gl_account, 10)
    _amount(parent, item.amount, currency_code)
    _put_text(parent, item.text)
    _put(parent, "AssignmentReference", item.assignment, 18)
    _put(parent, "ValueDate", item.value_date.isoformat() if item.value_date else "")


def _debtor_item(parent: etree._Element, number: int, item: DebtorItem, currency_code: str) -> None:
    _put(parent, "ReferenceDocumentItem", str(number))
    _put(parent, "Debtor", item.customer, 10)
    _amount(parent, item.amount, currency_code)
    _put_text(parent, item.text)
    _put(parent, "AssignmentReference", item.assignment, 18)
    _put(parent, "Reference1IDByBusinessPartner", item.reference_1, 12)
    _put(parent, "Reference2IDByBusinessPartner", item.reference_2, 12)
    _put(parent, "Reference3IDByBusinessPartner", item.reference_3, 20)
    if item.due_base_date is not None:
        terms = etree.SubElement(parent, "CashDiscountTerms")
        _put(terms, "DueCalculationBaseDate", item.due_base_date.isoformat())
        if item.discount_percent is not None:
            _put(terms, "CashDiscount1Days", str(item.discount_days or 0))
            _put(terms, "CashDiscount1Percent", canonical_text(item.discount_percent))
        _put(terms, "NetPaymentDays", str(item.net_payment_days or 0))
    if item.payment_reference or item.payment_block:
        details = etree.SubElement(parent, "PaymentDetails")
        _put(details, "PaymentReference", item.payment_reference, 30)
        _put(details, "PaymentBlockingReason", item.payment_block, 1)


def _clearing(parent: etree._Element, request: ClearingRequest) -> None:
    _put(parent, "CompanyCode", request.company_code, 4)
    _put(parent, "AccountingDocumentType", request.document_type, 2)
    _put(parent, "DocumentDate", request.document_date.isoformat())
    _put(parent, "PostingDate", request.posting_date.isoformat())
    _put(parent, "CurrencyCode", request.currency_code, 5)
    _put(parent, "DocumentHeaderText", request.external_key, 25)
    _put(parent, "CreatedByUser", request.created_by, 12)
    for number, item in enumerate(request.items, start=1):
        is_gl = request.account_type == "S"
        line = etree.SubElement(parent, "GLItems" if is_gl else "APARItems")
        _put(line, "ReferenceDocumentItem", str(number))
        _put(line, "CompanyCode", request.company_code, 4)
        if is_gl:
            _put(line, "GLAccount", item.customer, 10)
        else:
            _put(line, "AccountType", "D")
            _put(line, "APARAccount", item.customer, 10)
        _put(line, "FiscalYear", item.fiscal_year, 4)
        _put(line, "AccountingDocument", item.document, 10)
        _put(line, "AccountingDocumentItem", item.item, 3)
        _item_amounts(line, item, request)


def _item_amounts(line: etree._Element, item: ClearingItem, request: ClearingRequest) -> None:
    """Partial payment, discount and differences of an item, each in the request's currency.

    Several reasons go as a distribution beside their total; one stands by itself.
    """
    total = sum((amount for _, amount in item.differences), Decimal(0))
    named = {
        "PartialPaymentAmtInDspCrcy": item.partial,
        "CashDiscountAmountInDspCrcy": item.discount or None,
        "OtherDeductionAmountInDspCrcy": total if total and item.partial is None else None,
    }
    for name, amount in named.items():
        if amount is not None:
            _clearing_amount(line, name, amount, request)
    if len(item.differences) == 1:
        _put(line, "PaymentDifferenceReason", item.differences[0][0], 3)
        return
    for reason, amount in item.differences:
        part = etree.SubElement(line, "PaymentDifferenceDistribution")
        _put(part, "PaymentDifferenceReason", reason, 3)
        _clearing_amount(part, request.distribution_amount, amount, request)


def _clearing_amount(
    parent: etree._Element, name: str, amount: Decimal, request: ClearingRequest
) -> None:
    if amount != round_money(amount, request.currency_code):
        raise InputRefused(
            f"{name}: {amount} {request.currency_code} has too many decimals",
            code="too_many_decimals",
            where="lines",
        )
    element = etree.SubElement(parent, name, currencyCode=request.currency_code)
    element.text = canonical_text(amount)


def _check_entry(entry: JournalEntry) -> None:
    """Refuse what SAP would refuse, or worse, what it would post wrongly."""
    amounts = [i.amount for i in entry.debtor_items] + [i.amount for i in entry.gl_items]
    if not amounts or sum(amounts) != 0:
        raise InputRefused(
            f"entry {entry.entry_id} sums to {sum(amounts)} {entry.currency_code}, not to zero",
            code="unbalanced",
            where=entry.entry_id,
        )
    for amount in amounts:
        if amount != round_money(amount, entry.currency_code):
            raise InputRefused(
                f"entry {entry.entry_id}: {amount} {entry.currency_code} has too many decimals",
                code="too_many_decimals",
                where=entry.entry_id,
            )


def _amount(parent: etree._Element, amount: Decimal, currency_code: str) -> None:
    """The signed amount and its debit/credit code (S debit, H credit): both, never in conflict."""
    element = etree.SubElement(parent, "AmountInTransactionCurrency", currencyCode=currency_code)
    element.text = canonical_text(amount)
    _put(parent, "DebitCreditCode", "H" if amount < 0 else "S")


def _put_text(parent: etree._Element, text: str) -> None:
    _put(parent, "DocumentItemText", clean_text(text))


def _put(parent: etree._Element, name: str, text: str, length_max: int = 0) -> None:
    """A child element; none for an empty text. A key that does not fit is refused, never cut."""
    if not text:
        return
    if (length_max and len(text) > length_max) or _NOT_XML.search(text):
        raise InputRefused(
            f"{name} {text!r} does not fit: at most {length_max} printable characters",
            code="does_not_fit",
            where=name,
        )
    etree.SubElement(parent, name).text = text


def _bytes(root: etree._Element) -> bytes:
    return etree.tostring(root, encoding="utf-8", xml_declaration=True)
