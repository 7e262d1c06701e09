"""``payments/post``: a receipt as a customer payment, on the customer or without one.

The reference id holds the hub's key and ``Add_Only`` makes Workday refuse a second one, so a
repeated send has no second effect. A payment without a remit-from customer is Workday's own form
of a receipt whose payer is not known.
"""

import asyncio
from collections.abc import Mapping, Sequence

from lxml import etree

from ingestion.common.errors import InputRefused, LedgerloopError
from ingestion.workday.client import WorkdayClient, add, add_reference, id_of, qualified, text_at
from reverse_etl.delivery.writer import (
    Absent,
    Accepted,
    CannotTell,
    Found,
    LookUp,
    Outcome,
    ReadBack,
    Sending,
)
from reverse_etl.ledger.commands import Value
from reverse_etl.outcomes import rejected_input
from reverse_etl.planning.governance import TargetObject
from reverse_etl.workday.forms import (
    date_text,
    money_of,
    money_text,
    needed,
    reference_id,
)
from reverse_etl.workday.settings import OUTCOMES, WorkdayOptions

__all__ = ["PAYMENT_DATA", "PAYMENT_REFERENCE", "PAYMENT_REFERENCE_ID", "Payments", "wid_of"]

PAYMENT_REFERENCE = "Customer_Payment_for_Invoices_Reference"
PAYMENT_REFERENCE_ID = "Customer_Payment_for_Invoices_Reference_ID"
PAYMENT_DATA = "Customer_Payment_Data"


def wid_of(row: etree._Element, name: str) -> str:
    """The Workday id of a row or response, from its reference element."""
    return id_of(row.find(qualified(name)), "WID")


class Payments:
    """See ``reverse_etl.workday.writer``."""

    def __init__(
        self, client: WorkdayClient, target: TargetObject, options: WorkdayOptions
    ) -> None:
        self._client = client
        self._target = target
        self._options = options

    async def send(self, batch: Sequence[Sending]) -> dict[str, Outcome]:
        """One request per payment; Workday takes no more at once."""
        found = await asyncio.gather(*(self._post(sending) for sending in batch))
        return {s.command.command_id: one for s, one in zip(batch, found, strict=True)}

    async def _post(self, sending: Sending) -> Outcome:
        try:
            content = self._request(sending)
        except InputRefused as refused:
            return rejected_input(refused)
        try:
            response = await self._client.change(content)
        except LedgerloopError as error:
            return OUTCOMES.of_error(error, field_of=self._field_of)
        return Accepted(wid_of(response, PAYMENT_REFERENCE))

    def _request(self, sending: Sending) -> etree._Element:
        """The payment as Workday's message. Raises InputRefused."""
        payload = sending.command.payload
        kind = payload.get("posting_kind")
        if kind not in ("customer", "unidentified"):
            raise InputRefused(
                f"posting kind {kind!r} is neither customer nor unidentified",
                code="posting_kind",
                where="posting_kind",
            )
        currency_code = needed(payload.get("currency_code"), "currency_code")
        amount = money_of(payload.get("amount"), currency_code, "amount")
        content = self._client.request("Put_Customer_Payment", add_only=True)
        data = add(content, PAYMENT_DATA)
        add(data, PAYMENT_REFERENCE_ID, reference_id(sending.external_key))
        company = needed(payload.get("company_code"), "company_code")
        add_reference(data, "Company_Reference", self._options.company_id_type, company)
        add_reference(data, "Payment_Currency_Reference", "Currency_ID", currency_code)
        add(data, "Payment_Date", needed(payload.get("posting_date"), "posting_date"))
        payment_type = self._options.payment_type
        add_reference(data, "Payment_Type_Reference", "Payment_Type_ID", payment_type)
        if payload.get("bank_reference"):
            add(data, "Payment_Number", str(payload["bank_reference"]))
        add(data, "Payment_Amount", format(amount, "f"))
        if kind == "customer":
            customer = needed(payload.get("customer"), "customer")
            add_reference(data, "Remitfrom_Customer_Reference", "Customer_ID", customer)
        if payload.get("item_text"):
            add(data, "Payment_Memo", str(payload["item_text"]))
        add(data, "Ready_to_AutoApply", "false")
        return content

    def _field_of(self, native: str) -> str:
        for name, governed in self._target.fields.items():
            if governed.native == native:
                return name
        return native

    async def rows(self, batch: Sequence[Sending]) -> dict[str, etree._Element]:
        """The payments that carry the commands' keys, by command id."""
        by_id = {reference_id(s.external_key): s.command.command_id for s in batch}
        rows = await self._client.get("Get_Customer_Payments", list(by_id))
        found = {}
        for row in rows:
            command_id = by_id.get(text_at(row, f"{PAYMENT_DATA}/{PAYMENT_REFERENCE_ID}"))
            if command_id is not None:
                found[command_id] = row
        return found

    async def look_up(self, batch: Sequence[Sending]) -> dict[str, LookUp]:
        """Whether a payment has the reference id of each command."""
        try:
            rows = await self.rows(batch)
        except LedgerloopError as error:
            return {s.command.command_id: CannotTell(error.message) for s in batch}
        return {
            s.command.command_id: Found(wid_of(rows[s.command.command_id], PAYMENT_REFERENCE))
            if s.command.command_id in rows
            else Absent()
            for s in batch
        }

    async def read_back(self, batch: Sequence[Sending]) -> Mapping[str, ReadBack]:
        """Raises LedgerloopError when Workday cannot be read."""
        rows = await self.rows(batch)
        return {s.command.command_id: self._shown(rows.get(s.command.command_id)) for s in batch}

    def _shown(self, row: etree._Element | None) -> ReadBack:
        if row is None:
            return ReadBack(None)
        data = row.find(qualified(PAYMENT_DATA))
        customer = id_of(
            row.find(f"{qualified(PAYMENT_DATA)}/{qualified('Remitfrom_Customer_Reference')}"),
            "Customer_ID",
        )
        assert data is not None, "the row was found by its data"
        fields: dict[str, Value] = {
            "company_code": id_of(
                data.find(qualified("Company_Reference")), self._options.company_id_type
            ),
            "posting_kind": "customer" if customer else "unidentified",
            "customer": customer or None,
            "amount": money_text(text_at(data, "Payment_Amount")),
            "currency_code": id_of(data.find(qualified("Payment_Currency_Reference"))),
            "posting_date": date_text(text_at(data, "Payment_Date")),
            "bank_reference": text_at(data, "Payment_Number") or None,
            "item_text": text_at(data, "Payment_Memo") or None,
        }
        return ReadBack(fields, native_id=wid_of(row, PAYMENT_REFERENCE))
