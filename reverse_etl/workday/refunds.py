"""``refunds/post``: what is on account of a receipt goes back to its customer.

``Submit_Customer_Refund`` names the payment, with the hub's reference id and ``Add_Only``: Workday
refunds all that is on account of it and uses it up with the same request. Paying the refund out is
Workday's own settlement.
"""

from collections.abc import Sequence

from lxml import etree

from ingestion.workday.client import add, add_reference, id_of, qualified, text_at
from reverse_etl.delivery.writer import (
    ReadBack,
    Sending,
)
from reverse_etl.ledger.commands import Value
from reverse_etl.workday.documents import Documents
from reverse_etl.workday.forms import date_text, money_of, money_text, needed, reference_id

__all__ = ["Refunds"]

_REFERENCE = "Customer_Refund_Reference"
_DATA = "Customer_Refund_Data"
_ID = "Customer_Refund_Reference_ID"
_PAYMENT = "Customer_Payment_Reference"


class Refunds(Documents):
    """See ``reverse_etl.workday.writer``."""

    reference = _REFERENCE

    def _request(self, sending: Sending) -> etree._Element:
        """The refund as Workday's message. Raises InputRefused."""
        payload, options = sending.command.payload, self._options
        currency_code = needed(payload.get("currency_code"), "currency_code")
        amount = money_of(payload.get("amount"), currency_code, "amount")
        company = needed(payload.get("company_code"), "company_code")
        customer = needed(payload.get("customer"), "customer")
        payment = needed(payload.get("receipt_document"), "receipt_document").lower()
        content = self._client.request("Submit_Customer_Refund", add_only=True)
        add(add(content, "Business_Process_Parameters"), "Auto_Complete", "true")
        data = add(content, _DATA)
        add(data, _ID, reference_id(sending.external_key))
        add(data, "Submit", "true")
        add_reference(data, "Company_Reference", options.company_id_type, company)
        add_reference(data, "Customer_Reference", "Customer_ID", customer)
        add_reference(data, "Currency_Reference", "Currency_ID", currency_code)
        add(data, "Customer_Refund_Date", needed(payload.get("posting_date"), "posting_date"))
        add(data, "Total_Refund_Amount", format(amount, "f"))
        if _memo(sending):
            add(data, "Memo", _memo(sending))
        payment_type = options.refund_payment_type
        add_reference(data, "Payment_Type_Reference", "Payment_Type_ID", payment_type)
        add_reference(add(data, "On_Account_Payments"), _PAYMENT, "WID", payment)
        return content

    async def _found(self, ids: Sequence[str]) -> dict[str, etree._Element]:
        rows = await self._client.get("Get_Customer_Refunds", ids)
        return {text_at(row, f"{_DATA}/{_ID}"): row for row in rows}

    def _shown(self, sending: Sending, row: etree._Element) -> ReadBack:
        data = row.find(qualified(_DATA))
        assert data is not None, "the row was found by its data"
        payload = dict(sending.command.payload)
        payment = data.find(f"{qualified('On_Account_Payments')}/{qualified(_PAYMENT)}")
        is_as_sent = text_at(data, "Memo") == _memo(sending)
        shown: dict[str, Value] = {
            "company_code": id_of(
                data.find(qualified("Company_Reference")), self._options.company_id_type
            ),
            "customer": id_of(data.find(qualified("Customer_Reference")), "Customer_ID"),
            "amount": money_text(text_at(data, "Total_Refund_Amount")),
            "currency_code": id_of(data.find(qualified("Currency_Reference"))),
            "posting_date": date_text(text_at(data, "Customer_Refund_Date")),
            "receipt_document": id_of(payment, "WID").upper(),
            # Both stand in the memo: as sent, where that is what Workday holds.
            "bank_reference": payload.get("bank_reference") if is_as_sent else None,
            "item_text": payload.get("item_text") if is_as_sent else text_at(data, "Memo"),
        }
        native_id = id_of(row.find(qualified(_REFERENCE)), "WID")
        return ReadBack({**payload, **shown}, native_id=native_id)


def _memo(sending: Sending) -> str:
    payload = sending.command.payload
    parts = (payload.get("item_text"), payload.get("bank_reference"))
    return " ".join(str(part) for part in parts if part)
