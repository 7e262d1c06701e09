"""``credit_memos/post``: a deduction as an adjustment that lowers its invoice, applied to it.

``Submit_Customer_Invoice_Adjustment`` with the hub's reference id and ``Add_Only``. A write-off is
the same with another reason. ``applications`` posts discounts and fees this way, too.
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

__all__ = ["Adjustment", "CreditMemos", "adjustment_request", "found_adjustments"]

_REFERENCE = "Customer_Invoice_Adjustment_Reference"
_DATA = "Customer_Invoice_Adjustment_Data"
_ID = "Customer_Invoice_Adjustment_ID"


@dataclass(frozen=True, slots=True)
class Adjustment:
    """Less due on one invoice. ``reason``: the tenant's own id; ``invoice``: a Workday id."""

    reference_id: str
    company_code: str
    customer: str
    currency_code: str
    amount: Decimal
    reason: str
    invoice: str
    day: str
    memo: str


def adjustment_request(
    client: WorkdayClient, adjustment: Adjustment, options: WorkdayOptions
) -> etree._Element:
    """The adjustment as Workday's message. Raises InputRefused."""
    content = client.request("Submit_Customer_Invoice_Adjustment", add_only=True)
    add(add(content, "Business_Process_Parameters"), "Auto_Complete", "true")
    data = add(content, _DATA)
    add(data, _ID, adjustment.reference_id)
    add(data, "Submit", "true")
    add_reference(data, "Company_Reference", options.company_id_type, adjustment.company_code)
    add_reference(data, "Customer_Reference", "Customer_ID", adjustment.customer)
    add_reference(data, "Currency_Reference", "Currency_ID", adjustment.currency_code)
    add_reference(data, "Adjustment_Reason_Reference", "Adjustment_Reason_ID", adjustment.reason)
    add(data, "Increase_Amount_Due", "false")
    add_reference(data, "Original_Customer_Invoice_Reference", "WID", adjustment.invoice)
    add(data, "AutoApply_Adjustment_to_Invoice", "true")
    add(data, "Adjustment_Date", adjustment.day)
    add(data, "Control_Amount_Total", format(adjustment.amount, "f"))
    if adjustment.memo:
        add(data, "Memo", adjustment.memo)
    line = add(data, "Customer_Invoice_Line_Replacement_Data")
    add(line, "Line_Order", "1")
    add(line, "Extended_Amount", format(adjustment.amount, "f"))
    return content


async def found_adjustments(client: WorkdayClient, ids: Sequence[str]) -> dict[str, etree._Element]:
    """Adjustments by reference id, those that exist. Raises LedgerloopError."""
    if not ids:
        return {}
    rows = await client.get("Get_Customer_Invoice_Adjustments", ids)
    return {text_at(row, f"{_DATA}/{_ID}"): row for row in rows}


class CreditMemos(Documents):
    """See ``reverse_etl.workday.writer``."""

    reference = _REFERENCE

    def _request(self, sending: Sending) -> etree._Element:
        return adjustment_request(self._client, self._adjustment(sending), self._options)

    def _adjustment(self, sending: Sending) -> Adjustment:
        payload = sending.command.payload
        currency_code = needed(payload.get("currency_code"), "currency_code")
        return Adjustment(
            reference_id(sending.external_key),
            company_code=needed(payload.get("company_code"), "company_code"),
            customer=needed(payload.get("customer"), "customer"),
            currency_code=currency_code,
            amount=money_of(payload.get("amount"), currency_code, "amount"),
            reason=self._reason(sending),
            invoice=needed(payload.get("invoice_document"), "invoice_document").lower(),
            day=needed(payload.get("posting_date"), "posting_date"),
            memo=str(payload.get("item_text") or ""),
        )

    def _reason(self, sending: Sending) -> str:
        payload = sending.command.payload
        is_write_off = payload.get("posting_kind") == "write_off"
        code = "WRITE-OFF" if is_write_off else str(payload.get("reason_code") or "OTHER")
        return self._options.adjustment_reason(code)

    async def _found(self, ids: Sequence[str]) -> dict[str, etree._Element]:
        return await found_adjustments(self._client, ids)

    def _shown(self, sending: Sending, row: etree._Element) -> ReadBack:
        data = row.find(qualified(_DATA))
        assert data is not None, "the row was found by its data"
        payload = sending.command.payload
        reason = id_of(data.find(qualified("Adjustment_Reason_Reference")))
        is_as_sent = reason == self._reason(sending)
        invoice = id_of(data.find(qualified("Original_Customer_Invoice_Reference")), "WID")
        fields: dict[str, Value] = {
            "company_code": id_of(
                data.find(qualified("Company_Reference")), self._options.company_id_type
            ),
            "customer": id_of(data.find(qualified("Customer_Reference")), "Customer_ID"),
            # Both stand in the one reason: as sent, where that is what Workday holds.
            "posting_kind": payload.get("posting_kind") if is_as_sent else None,
            "reason_code": payload.get("reason_code") if is_as_sent else reason,
            "amount": money_text(text_at(data, "Control_Amount_Total")),
            "currency_code": id_of(data.find(qualified("Currency_Reference"))),
            "posting_date": date_text(text_at(data, "Adjustment_Date")),
            "invoice_document": invoice.upper(),
            "item_text": text_at(data, "Memo") or None,
        }
        return ReadBack(fields, native_id=id_of(row.find(qualified(_REFERENCE)), "WID"))
