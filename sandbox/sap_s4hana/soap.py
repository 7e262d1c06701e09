"""SOAP requests: envelopes to drafts (``soap_answers`` makes what goes back).

Elements below the request carry no namespace; a namespace, should one be given, is not minded.
Numbers of customers and accounts are padded to SAP's ten characters.
"""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from sys import intern
from typing import Any

from lxml import etree

from sandbox.sap_s4hana.books import EntryDraft, EntryRefused, ItemDraft
from sandbox.sap_s4hana.clearing import ClearingDraft, ClearingItem, ClearingRefused
from sandbox.sap_s4hana.odata.values import alpha

__all__ = [
    "LEDGER_NAMESPACE",
    "Message",
    "SoapFault",
    "entry_id_of",
    "parse_clearing",
    "parse_entry",
    "parse_message",
]

_ENVELOPES = {
    "http://schemas.xmlsoap.org/soap/envelope/": "text/xml; charset=utf-8",
    "http://www.w3.org/2003/05/soap-envelope": "application/soap+xml; charset=utf-8",
}
LEDGER_NAMESPACE = "http://sap.com/xi/SAPSCORE/SFIN"
_ID_LENGTH_MAX = 35
_DAYS = re.compile(r"P?(\d{1,5})D?$")
_LENGTHS = {
    "DocumentReferenceID": 16,
    "DocumentHeaderText": 25,
    "AccountingDocumentType": 2,
    "CreatedByUser": 12,
    "DocumentItemText": 50,
    "AssignmentReference": 18,
    "Reference1IDByBusinessPartner": 12,
    "Reference2IDByBusinessPartner": 12,
    "Reference3IDByBusinessPartner": 20,
    "PaymentReference": 30,
    "PaymentBlockingReason": 1,
    "PaymentMethod": 1,
    "CreditControlArea": 4,
}
#: Item elements that become item properties of the same name.
_ITEM_VALUES = (
    "DocumentItemText",
    "AssignmentReference",
    "Reference1IDByBusinessPartner",
    "Reference2IDByBusinessPartner",
    "Reference3IDByBusinessPartner",
    "CreditControlArea",
)
_DETAIL_VALUES = ("PaymentMethod", "PaymentReference", "PaymentBlockingReason")


class SoapFault(Exception):
    """The message cannot be taken: no XML, no such request, no id."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class Message:
    """A request message: its id and the elements of its entries."""

    __slots__ = ("content_type", "entries", "envelope", "message_id")

    def __init__(
        self, message_id: str, entries: list[etree._Element], envelope: str, content_type: str
    ) -> None:
        self.message_id = message_id
        self.entries = entries
        self.envelope = envelope
        self.content_type = content_type


def _local(element: etree._Element) -> str:
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _plain(element: etree._Element) -> None:
    """Take namespaces off everything below, so that tags can be compared as they are."""
    for child in element.iterdescendants():
        child.tag = _local(child)


def _texts(element: etree._Element) -> dict[str, str]:
    """Text of the children by name; of children with children it is blank."""
    return {child.tag: (child.text or "").strip() for child in element}


def parse_message(body: bytes, request_name: str, entry_name: str) -> Message:
    """Take an envelope apart.

    Raises:
        SoapFault: not XML, another request, or a message id that is missing or too long.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True)
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise SoapFault(f"XML parsing failed: {error}") from None
    envelope = root.nsmap.get(root.prefix) or ""
    content_type = _ENVELOPES.get(envelope)
    soap_body = None if content_type is None else root.find(f"{{{envelope}}}Body")
    if soap_body is None or content_type is None:
        raise SoapFault("No SOAP envelope")
    request = next((child for child in soap_body if _local(child) == request_name), None)
    if request is None or request.tag != f"{{{LEDGER_NAMESPACE}}}{request_name}":
        raise SoapFault(f"Operation not supported: {request_name} is expected")
    if any("}" in str(child.tag) for child in request):
        _plain(request)
    header = request.find("MessageHeader")
    message_id = "" if header is None else _texts(header).get("ID", "")
    if not 1 <= len(message_id) <= _ID_LENGTH_MAX:
        raise SoapFault("MessageHeader/ID is missing or longer than 35 characters")
    entries = [child for child in request if child.tag == entry_name]
    return Message(message_id, entries, envelope, content_type)


def entry_id_of(entry: etree._Element) -> str:
    """The entry's own message id; empty when it has none."""
    header = entry.find("MessageHeader")
    return "" if header is None else _texts(header).get("ID", "")


# -- journal entries ----------------------------------------------------------------------------


def parse_entry(entry: etree._Element) -> tuple[EntryDraft, str]:
    """One ``JournalEntryCreateRequest``: the entry, and the document it reverses (or empty).

    Raises:
        EntryRefused: a value that is missing, too long, no date or no amount.
    """
    journal = entry.find("JournalEntry")
    if journal is None:
        raise EntryRefused("000(RW)", "JournalEntry is missing", "JournalEntry")
    texts = _texts(journal)
    _check_lengths(texts)
    items = list(_items(journal))
    draft = EntryDraft(
        company_code=intern(_needed(texts, "CompanyCode")),
        document_type=intern(_needed(texts, "AccountingDocumentType")),
        posting_date=_date(_needed(texts, "PostingDate"), "PostingDate"),
        document_date=_date(_needed(texts, "DocumentDate"), "DocumentDate"),
        currency_code=items[0][2] if items else "",
        items=[item for _, item, _ in sorted(items, key=lambda found: found[0])],
        values={"DocumentReferenceID": texts.get("DocumentReferenceID", "")},
        header_text=texts.get("DocumentHeaderText", ""),
        purchase_order=texts.get("Reference1InDocumentHeader", ""),
    )
    for name in ("OriginalReferenceDocumentType", "BusinessTransactionType", "CreatedByUser"):
        _needed(texts, name)
    if any(currency != draft.currency_code for _, _, currency in items):
        raise EntryRefused("000(RW)", "The items are in different currencies", "currencyCode")
    is_reversal = bool(texts.get("ReversalReason"))
    reverses = texts.get("ReversalReferenceDocument", "") if is_reversal else ""
    if not items and not reverses:
        raise EntryRefused("000(RW)", "The entry has no items", "Item")
    return draft, reverses


_KINDS = {"Item": ("S", "GLAccount"), "DebtorItem": ("D", "Debtor"), "ProductTaxItem": ("S", "")}
#: Items without a number come last, in the order of the message.
_UNNUMBERED = 1_000_000


def _items(journal: etree._Element) -> Iterator[tuple[int, ItemDraft, str]]:
    """Number, item and currency of every line."""
    for place, element in enumerate(journal):
        found = _KINDS.get(element.tag)
        if found is None:
            if element.tag == "CreditorItem":
                raise EntryRefused("000(RW)", "Vendors are not kept here", "CreditorItem")
            continue
        kind, account_name = found
        texts = _texts(element)
        _check_lengths(texts)
        amount, currency = _amount(element, texts)
        values: dict[str, Any] = {n: texts[n] for n in _ITEM_VALUES if texts.get(n)}
        if "ValueDate" in texts:
            values["ValueDate"] = _date(texts["ValueDate"], "ValueDate")
        if kind == "D":
            _add_terms(element, values)
        account = _needed(texts, account_name) if account_name else ""
        account = intern(alpha(account, 10) if kind == "D" else account.lstrip("0"))
        number = texts.get("ReferenceDocumentItem", "")
        order = int(number) if number.isdigit() else _UNNUMBERED + place
        company = _company_amount(texts)
        yield order, ItemDraft(kind, account, amount, company, values, not account_name), currency


def _amount(element: etree._Element, texts: dict[str, str]) -> tuple[Decimal, str]:
    """The signed amount: code H makes it a credit; a debit with a minus sign is refused."""
    name = "AmountInTransactionCurrency"
    amount = _decimal(_needed(texts, name), name)
    node = element.find(name)
    assert node is not None
    code = texts.get("DebitCreditCode", "")
    if code == "H":
        amount = -abs(amount)
    elif code == "S" and amount < 0:
        raise EntryRefused("000(RW)", f"Debit code with credit amount {amount}", "DebitCreditCode")
    return amount, intern(node.get("currencyCode", ""))


def _company_amount(texts: dict[str, str]) -> Decimal | None:
    name = "AmountInCompanyCodeCurrency"
    if name not in texts:
        return None
    amount = _decimal(texts[name], name)
    return -abs(amount) if texts.get("DebitCreditCode") == "H" else amount


def _add_terms(element: etree._Element, values: dict[str, Any]) -> None:
    """Payment terms and details of a customer's item."""
    terms = element.find("CashDiscountTerms")
    if terms is not None:
        texts = _texts(terms)
        base = _needed(texts, "DueCalculationBaseDate")
        values["DueCalculationBaseDate"] = _date(base, "DueCalculationBaseDate")
        days = _DAYS.match(_needed(texts, "NetPaymentDays"))
        if days is None:
            raise EntryRefused("000(RW)", "NetPaymentDays is no number of days", "NetPaymentDays")
        values["NetPaymentDays"] = Decimal(days.group(1))
        _add_discount(texts, values)
    details = element.find("PaymentDetails")
    if details is not None:
        texts = _texts(details)
        _check_lengths(texts)
        values.update({name: texts[name] for name in _DETAIL_VALUES if texts.get(name)})
    special = element.find("DownPaymentTerms")
    if special is not None:
        values["SpecialGLCode"] = _texts(special).get("SpecialGLCode", "")


def _add_discount(texts: dict[str, str], values: dict[str, Any]) -> None:
    """The first cash discount of an item's terms: percent, days, and the day it ends."""
    if not texts.get("CashDiscount1Percent"):
        return
    days = _DAYS.match(_needed(texts, "CashDiscount1Days"))
    if days is None:
        raise EntryRefused("000(RW)", "CashDiscount1Days is no number of days", "CashDiscount1Days")
    base = values["DueCalculationBaseDate"]
    values["CashDiscount1Days"] = Decimal(days.group(1))
    values["CashDiscount1Percent"] = _decimal(texts["CashDiscount1Percent"], "CashDiscount1Percent")
    values["CashDiscount1DueDate"] = base + timedelta(days=int(days.group(1)))


def _needed(texts: dict[str, str], name: str) -> str:
    text = texts.get(name, "")
    if not text:
        raise EntryRefused("000(RW)", f"{name} is missing", name)
    return text


def _check_lengths(texts: dict[str, str]) -> None:
    for name in _LENGTHS.keys() & texts.keys():
        limit = _LENGTHS[name]
        if len(texts[name]) > limit:
            raise EntryRefused("000(RW)", f"{name} is longer than {limit} characters", name)


def _date(text: str, name: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise EntryRefused("000(RW)", f"{name} {text!r} is no date", name) from None


def _decimal(text: str, name: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite():
        raise EntryRefused("000(RW)", f"{name} {text!r} is no amount", name)
    return amount


# -- clearing -----------------------------------------------------------------------------------


def parse_clearing(
    entry: etree._Element, message_id: str, distribution_amount: str
) -> ClearingDraft:
    """One ``JournalEntryClearingRequest``; the last argument names a settings-dependent element.

    Raises:
        ClearingRefused: a value that is missing or wrong.
    """
    journal = entry.find("JournalEntry")
    if journal is None:
        raise ClearingRefused("JournalEntry is missing")
    texts = _texts(journal)
    try:
        return ClearingDraft(
            message_id,
            _needed(texts, "CompanyCode"),
            _needed(texts, "AccountingDocumentType"),
            _date(_needed(texts, "DocumentDate"), "DocumentDate"),
            _date(_needed(texts, "PostingDate"), "PostingDate"),
            _needed(texts, "CurrencyCode"),
            list(_clearing_items(journal, distribution_amount)),
            texts.get("DocumentHeaderText", ""),
            {"ReferenceDocument": texts.get("ReferenceDocument", "")[:16]},
        )
    except EntryRefused as refused:
        raise ClearingRefused(refused.note) from None


def _clearing_items(journal: etree._Element, distribution_amount: str) -> Iterator[ClearingItem]:
    for element in journal:
        name = element.tag
        if name not in ("GLItems", "APARItems"):
            continue
        texts = _texts(element)
        is_customer = name == "APARItems"
        if is_customer and texts.get("AccountType") != "D":
            raise ClearingRefused("Only customer items (AccountType D) are kept here")
        account = _needed(texts, "APARAccount" if is_customer else "GLAccount")
        yield ClearingItem(
            "D" if is_customer else "S",
            alpha(account, 10) if is_customer else account.lstrip("0"),
            texts.get("CompanyCode", ""),
            _needed(texts, "FiscalYear"),
            alpha(_needed(texts, "AccountingDocument"), 10),
            alpha(_needed(texts, "AccountingDocumentItem"), 3),
            _optional_amount(texts, "PartialPaymentAmtInDspCrcy"),
            _optional_amount(texts, "OtherDeductionAmountInDspCrcy"),
            _optional_amount(texts, "CashDiscountAmountInDspCrcy"),
            texts.get("PaymentDifferenceReason", ""),
            tuple(_distribution(element, distribution_amount)),
        )


def _distribution(element: etree._Element, amount_name: str) -> Iterator[tuple[str, Decimal]]:
    """Reason and amount of every part of a difference that has several reasons."""
    for part in element.iterfind("PaymentDifferenceDistribution"):
        texts = _texts(part)
        amount = _needed(texts, amount_name)
        yield _needed(texts, "PaymentDifferenceReason"), _decimal(amount, amount_name)


def _optional_amount(texts: dict[str, str], name: str) -> Decimal | None:
    return _decimal(texts[name], name) if texts.get(name) else None
