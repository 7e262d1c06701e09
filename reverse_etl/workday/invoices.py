"""Customer invoices that the hub raises: ``debit_memos/post``, and what a returned payment opens.

``Submit_Customer_Invoice`` with the hub's reference id and ``Add_Only``. Workday has no ledger
account in an invoice: each line carries a revenue category (an option), and the tenant's posting
rules say what that credits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from lxml import etree

from ingestion.workday.client import WorkdayClient, add, add_reference, id_of, qualified, text_at
from reverse_etl.delivery.writer import (
    ReadBack,
    Sending,
)
from reverse_etl.ledger.commands import Value
from reverse_etl.workday.documents import Documents
from reverse_etl.workday.forms import date_text, money_of, money_text, needed, reference_id
from reverse_etl.workday.settings import WorkdayOptions

__all__ = ["INVOICE_DATA", "DebitMemos", "Invoice", "Part", "found_invoices", "invoice_wid"]

_REFERENCE = "Customer_Invoice_Reference"
INVOICE_DATA = "Customer_Invoice_Data"
_ID = "Customer_Invoice_ID"
_LINE = "Customer_Invoice_Line_Replacement_Data"


@dataclass(frozen=True, slots=True)
class Part:
    """One line: the revenue category whose posting rule says what it credits."""

    category: str
    amount: Decimal
    description: str = ""


@dataclass(frozen=True, slots=True)
class Invoice:
    """What a customer owes. ``number`` empty: Workday gives one. ``quoted``: other number of it."""

    reference_id: str
    company_code: str
    customer: str
    currency_code: str
    parts: tuple[Part, ...]
    day: str
    document_day: str
    due_day: str
    memo: str
    number: str = ""
    quoted: str = ""

    @property
    def amount(self) -> Decimal:
        """The sum of its lines."""
        return sum((part.amount for part in self.parts), Decimal(0))

    def request(self, client: WorkdayClient, options: WorkdayOptions) -> etree._Element:
        """The invoice as Workday's message. Raises InputRefused."""
        content = client.request("Submit_Customer_Invoice", add_only=True)
        add(add(content, "Business_Process_Parameters"), "Auto_Complete", "true")
        data = add(content, INVOICE_DATA)
        add(data, _ID, self.reference_id)
        add(data, "Submit", "true")
        if self.number:
            add(data, "Invoice_Number", self.number)
        add_reference(data, "Company_Reference", options.company_id_type, self.company_code)
        add_reference(data, "Customer_Reference", "Customer_ID", self.customer)
        add_reference(data, "Currency_Reference", "Currency_ID", self.currency_code)
        add(data, "Invoice_Date", self.document_day)
        add(data, "Due_Date_Override", self.due_day)
        add(data, "Accounting_Date", self.day)
        add(data, "Control_Amount_Total", format(self.amount, "f"))
        if self.quoted:
            add(data, "Customer_PO_Number", self.quoted)
        if self.memo:
            add(data, "Memo", self.memo)
        for number, part in enumerate(self.parts, 1):
            line = add(data, _LINE)
            add(line, "Line_Order", str(number))
            if part.description:
                add(line, "Line_Item_Description", part.description)
            add_reference(line, "Revenue_Category_Reference", "Revenue_Category_ID", part.category)
            add(line, "Extended_Amount", format(part.amount, "f"))
        return content


async def found_invoices(client: WorkdayClient, ids: Sequence[str]) -> dict[str, etree._Element]:
    """Invoices by reference id, those that exist. Raises LedgerloopError."""
    if not ids:
        return {}
    rows = await client.get("Get_Customer_Invoices", ids)
    return {text_at(row, f"{INVOICE_DATA}/{_ID}"): row for row in rows}


def invoice_wid(row: etree._Element) -> str:
    """The Workday id of an invoice's row, or of the answer to its submission."""
    return id_of(row.find(qualified(_REFERENCE)), "WID")


class DebitMemos(Documents):
    """A debit memo is a customer invoice of its own, under the number that was agreed."""

    reference = _REFERENCE

    def _request(self, sending: Sending) -> etree._Element:
        return self._invoice(sending).request(self._client, self._options)

    def _invoice(self, sending: Sending) -> Invoice:
        payload = sending.command.payload
        currency_code = needed(payload.get("currency_code"), "currency_code")
        day = needed(payload.get("posting_date"), "posting_date")
        part = Part(
            self._options.debit_memo_category,
            money_of(payload.get("amount"), currency_code, "amount"),
            needed(payload.get("reason_code"), "reason_code"),
        )
        return Invoice(
            reference_id(sending.external_key),
            company_code=needed(payload.get("company_code"), "company_code"),
            customer=needed(payload.get("customer"), "customer"),
            currency_code=currency_code,
            parts=(part,),
            day=day,
            document_day=str(payload.get("document_date") or day),
            due_day=str(payload.get("due_date") or day),
            memo=_memo(sending),
            number=needed(payload.get("document_reference"), "document_reference"),
        )

    async def _found(self, ids: Sequence[str]) -> dict[str, etree._Element]:
        return await found_invoices(self._client, ids)

    def _shown(self, sending: Sending, row: etree._Element) -> ReadBack:
        data = row.find(qualified(INVOICE_DATA))
        assert data is not None, "the row was found by its data"
        payload = sending.command.payload
        is_as_sent = text_at(data, "Memo") == _memo(sending)
        fields: dict[str, Value] = {
            "company_code": id_of(
                data.find(qualified("Company_Reference")), self._options.company_id_type
            ),
            "customer": id_of(data.find(qualified("Customer_Reference")), "Customer_ID"),
            "amount": money_text(text_at(data, "Control_Amount_Total")),
            "currency_code": id_of(data.find(qualified("Currency_Reference"))),
            "posting_date": date_text(text_at(data, "Accounting_Date")),
            "document_date": date_text(text_at(data, "Invoice_Date")),
            "due_date": date_text(text_at(data, "Due_Date_Override")),
            "document_reference": text_at(data, "Invoice_Number"),
            "reason_code": text_at(data, f"{_LINE}/Line_Item_Description"),
            # Both stand in the memo: as sent, where that is what Workday holds.
            "invoice_number": payload.get("invoice_number") if is_as_sent else None,
            "item_text": payload.get("item_text") if is_as_sent else text_at(data, "Memo"),
        }
        return ReadBack(fields, native_id=invoice_wid(row))


def _memo(sending: Sending) -> str:
    """The text, with the invoice that the memo concerns: there is no field for that."""
    payload = sending.command.payload
    concerned = payload.get("invoice_number")
    text = str(payload.get("item_text") or "")
    return f"{text} (invoice {concerned})".strip() if concerned else text
