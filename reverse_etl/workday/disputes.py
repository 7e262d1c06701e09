"""``invoice_disputes/update``: the dispute in an invoice's collection information.

A put replaces the whole information, so hold, dunning and promises of the invoice are read just
before and put back. Notes are not shown by a get: what a put without them does to those that are
there is not verified (README.md).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from lxml import etree

from ingestion.common.errors import InputRefused, LedgerloopError, VendorRejected
from ingestion.common.money import canonical_text
from ingestion.workday.client import WorkdayClient, add, add_reference, id_of, qualified, text_at
from reverse_etl.delivery.writer import (
    Accepted,
    CannotTell,
    LookUp,
    Outcome,
    ReadBack,
    Rejected,
    Sending,
)
from reverse_etl.ledger.commands import Value
from reverse_etl.outcomes import found_by_fields, rejected_input
from reverse_etl.planning.governance import TargetObject
from reverse_etl.workday.forms import date_text, money_text
from reverse_etl.workday.settings import OUTCOMES, WorkdayOptions

__all__ = ["Dispute", "InvoiceDisputes", "put_dispute"]

_REFERENCE = "Customer_Invoice_Reference"
_DATA = "Customer_Invoice_Data"
_INFORMATION = "Customer_Invoice_Collection_Information_Data"
_REASON = "Dispute_Reason_Reference"
#: What a put must bring back, in the schema's order; promises stand in an element of their own.
_KEPT = ("On_Hold", "Is_Excluded_from_Dunning_Letter", "Followup_Date")
_PROMISES = ("Collection_Date", "Payment_Amount_Promised")


@dataclass(frozen=True, slots=True)
class Dispute:
    """What is disputed of an invoice; an amount of zero ends it. Empty texts keep what is there."""

    invoice: str
    amount: Decimal
    reason: str = ""
    day: str = ""


async def put_dispute(client: WorkdayClient, dispute: Dispute) -> None:
    """Write a dispute, unless the invoice shows it already.

    Raises:
        VendorRejected: no such invoice (``invoice_missing``), or Workday refused.
        LedgerloopError: as the client.
    """
    rows = await client.get("Get_Customer_Invoices", [dispute.invoice], id_type="WID")
    if not rows:
        raise VendorRejected(
            f"invoice {dispute.invoice} does not exist", code="invoice_missing", status=400
        )
    data = rows[0].find(qualified(_DATA))
    assert data is not None, "asked for with its data"
    held = Decimal(text_at(data, "Dispute_Amount") or "0")
    reason = id_of(data.find(qualified(_REASON)))
    is_same = held == dispute.amount and dispute.reason in ("", reason)
    if is_same and dispute.day in ("", date_text(text_at(data, "Dispute_Date"))):
        return
    await client.change(_request(client, data, dispute, reason))


def _request(
    client: WorkdayClient, data: etree._Element, dispute: Dispute, reason: str
) -> etree._Element:
    content = client.request("Put_Customer_Invoice_Collection_Information")
    add_reference(content, _REFERENCE, "WID", dispute.invoice)
    information = add(content, _INFORMATION)
    for name in _KEPT:
        if text_at(data, name):
            add(information, name, text_at(data, name))
    if dispute.amount:
        part = add(information, "Dispute_Data")
        day = dispute.day or date_text(text_at(data, "Dispute_Date"))
        if day:
            add(part, "Dispute_Date", day)
        add(part, "Dispute_Amount", format(dispute.amount, "f"))
        if dispute.reason or reason:
            add_reference(part, _REASON, "Dispute_Reason_ID", dispute.reason or reason)
    if any(text_at(data, name) for name in _PROMISES):
        promises = add(information, "Collection_Data")
        for name in _PROMISES:
            if text_at(data, name):
                add(promises, name, text_at(data, name))
    return content


class InvoiceDisputes:
    """See ``reverse_etl.workday.writer``. The business key is the Workday id in capitals."""

    def __init__(
        self, client: WorkdayClient, target: TargetObject, options: WorkdayOptions
    ) -> None:
        self._client = client
        self._target = target
        self._options = options

    async def send(self, batch: Sequence[Sending]) -> dict[str, Outcome]:
        """One invoice after the other is read and put."""
        found = await asyncio.gather(*(self._put(sending) for sending in batch))
        return {s.command.command_id: one for s, one in zip(batch, found, strict=True)}

    async def _put(self, sending: Sending) -> Outcome:
        payload = sending.command.payload
        invoice = sending.command.business_key.lower()
        try:
            reason = payload.get("dispute_reason")
            native = self._options.dispute_reason(str(reason)) if reason else ""
        except InputRefused as refused:
            return rejected_input(refused)
        if "dispute_amount" not in payload and not payload.get("dispute_date"):
            return Rejected("field_missing", "a dispute needs its amount", "dispute_amount")
        try:
            if "dispute_amount" in payload:
                amount = Decimal(str(payload["dispute_amount"] or "0"))
            else:
                amount = await self._amount_of(invoice)
            day = str(payload.get("dispute_date") or "")
            await put_dispute(self._client, Dispute(invoice, amount, native, day))
        except LedgerloopError as error:
            return OUTCOMES.of_error(error)
        return Accepted(invoice)

    async def _amount_of(self, invoice: str) -> Decimal:
        rows = await self._client.get("Get_Customer_Invoices", [invoice], id_type="WID")
        text = text_at(rows[0], f"{_DATA}/Dispute_Amount") if rows else ""
        return Decimal(text or "0")

    async def look_up(self, batch: Sequence[Sending]) -> dict[str, LookUp]:
        """Whether the invoices show what the commands want."""
        try:
            return found_by_fields(batch, await self.read_back(batch))
        except LedgerloopError as error:
            return {s.command.command_id: CannotTell(error.message) for s in batch}

    async def read_back(self, batch: Sequence[Sending]) -> dict[str, ReadBack]:
        """Raises LedgerloopError when Workday cannot be read."""
        wids = sorted({s.command.business_key.lower() for s in batch})
        rows = await self._client.get("Get_Customer_Invoices", wids, id_type="WID")
        by_wid = {id_of(row.find(qualified(_REFERENCE)), "WID"): row for row in rows}
        return {
            s.command.command_id: self._shown(s, by_wid.get(s.command.business_key.lower()))
            for s in batch
        }

    def _shown(self, sending: Sending, row: etree._Element | None) -> ReadBack:
        if row is None:
            return ReadBack(None)
        data = row.find(qualified(_DATA))
        assert data is not None, "asked for with its data"
        payload = sending.command.payload
        amount = money_text(text_at(data, "Dispute_Amount"))
        if not amount and payload.get("dispute_amount") in ("0", None):
            amount = canonical_text(Decimal(0)) if payload.get("dispute_amount") else ""
        reason = id_of(data.find(qualified(_REASON)))
        wanted = payload.get("dispute_reason")
        is_as_sent = wanted and reason == self._options.dispute_reason(str(wanted))
        shown: dict[str, Value] = {
            "dispute_amount": amount or None,
            "dispute_date": date_text(text_at(data, "Dispute_Date")) or None,
            "dispute_reason": wanted if is_as_sent else reason or None,
        }
        fields = {name: shown.get(name) for name in payload}
        return ReadBack(fields, native_id=sending.command.business_key.lower())
