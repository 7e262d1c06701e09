"""``applications/apply``: a posted payment gets remittance advice, and Workday applies it.

Three kinds of change, each safe to repeat. First the remittance lines, by reading the payment,
adding what is missing and putting all of it back; a line is the hub's when its details hold the
hub's key. Then an adjustment for each discount or fee that the payer kept, under a reference id of
its own. Then the dispute of an invoice of which a deduction stays open. What is there already is
not done again, so a send that was cut off goes on where it stopped.
"""

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal

from lxml import etree

from ingestion.common.errors import InputRefused, LedgerloopError
from ingestion.workday.client import WorkdayClient, id_of, qualified, text_at
from reverse_etl.delivery.writer import (
    Absent,
    Accepted,
    CannotTell,
    Found,
    LookUp,
    Outcome,
    ReadBack,
    Rejected,
    Sending,
)
from reverse_etl.ledger.commands import Value
from reverse_etl.outcomes import rejected_input
from reverse_etl.planning.governance import TargetObject
from reverse_etl.workday.adjustments import Adjustment, adjustment_request, found_adjustments
from reverse_etl.workday.disputes import Dispute, put_dispute
from reverse_etl.workday.forms import money_text, reference_id
from reverse_etl.workday.lines import ApplyLine, lines_of
from reverse_etl.workday.payments import PAYMENT_DATA, PAYMENT_REFERENCE, wid_of
from reverse_etl.workday.remittances import ADVICE, advising_request, is_advised, is_applied
from reverse_etl.workday.settings import OUTCOMES, WorkdayOptions

__all__ = ["Applications"]


class Applications:
    """See ``reverse_etl.workday.writer``."""

    def __init__(
        self, client: WorkdayClient, target: TargetObject, options: WorkdayOptions
    ) -> None:
        self._client = client
        self._target = target
        self._options = options

    async def send(self, batch: Sequence[Sending]) -> dict[str, Outcome]:
        """One payment after the other is worked on by itself."""
        found = await asyncio.gather(*(self._apply(sending) for sending in batch))
        return {s.command.command_id: one for s, one in zip(batch, found, strict=True)}

    async def _apply(self, sending: Sending) -> Outcome:
        try:
            lines = lines_of(sending)
            adjustments = self._adjustments(sending, lines)
            disputes = self._disputes(lines)
        except InputRefused as refused:
            return rejected_input(refused)
        wid = payment_of(sending)
        if not wid:
            return Rejected("payment_missing", "the payment has no Workday id", "payment_document")
        try:
            rows = await self._client.get("Get_Customer_Payments", [wid], id_type="WID")
            if not rows:
                return Rejected(
                    "payment_missing", f"payment {wid} does not exist", "payment_document"
                )
            key = reference_id(sending.external_key)
            content = advising_request(self._client, rows[0], key, lines)
            if content is not None:
                await self._client.change(content)
        except LedgerloopError as error:
            return OUTCOMES.of_error(error)
        return await self._settle(wid, adjustments, disputes)

    async def _settle(
        self, wid: str, adjustments: Sequence[Adjustment], disputes: Sequence[Dispute]
    ) -> Outcome:
        """What the payer kept, once the cash is applied."""
        try:
            for adjustment in adjustments:
                await self._adjust(adjustment)
            for dispute in disputes:
                await put_dispute(self._client, dispute)
        except LedgerloopError as error:
            outcome = OUTCOMES.of_error(error)
            if isinstance(outcome, Rejected):
                message = f"the payment is applied, what was kept is not: {outcome.message}"
                return Rejected(outcome.code, message, "lines", outcome.is_business)
            return outcome
        return Accepted(wid)

    async def _adjust(self, adjustment: Adjustment) -> None:
        """Post an adjustment unless it is there. Raises LedgerloopError."""
        try:
            await self._client.change(adjustment_request(self._client, adjustment, self._options))
        except LedgerloopError as error:
            if error.code != "duplicate_reference":
                raise

    def _adjustments(self, sending: Sending, lines: Sequence[ApplyLine]) -> list[Adjustment]:
        """Discounts and fees as adjustments with ids of their own. Raises InputRefused."""
        payload = sending.command.payload
        kept = [(line, reason, amount) for line in lines for reason, amount in line.charged_off]
        return [
            Adjustment(
                reference_id(sending.external_key, str(number)),
                company_code=str(payload.get("company_code") or ""),
                customer=line.customer,
                currency_code=str(payload.get("currency_code") or ""),
                amount=amount,
                reason=self._options.adjustment_reason(reason),
                invoice=line.invoice,
                day=sending.command.planned_at.date().isoformat(),
                memo=f"{reason} of {sending.command.business_key}",
            )
            for number, (line, reason, amount) in enumerate(kept, 1)
        ]

    def _disputes(self, lines: Sequence[ApplyLine]) -> list[Dispute]:
        """Deductions that stay open, as disputes of their invoices. Raises InputRefused."""
        return [
            Dispute(
                line.invoice,
                amount=sum((amount for _, amount in line.deductions), Decimal(0)),
                reason=self._options.dispute_reason(line.deductions[0][0]),
            )
            for line in lines
            if line.deductions
        ]

    async def _rows(self, batch: Sequence[Sending]) -> dict[str, etree._Element]:
        wids = {s.command.command_id: payment_of(s) for s in batch}
        wanted = sorted({wid for wid in wids.values() if wid})
        rows = (
            await self._client.get("Get_Customer_Payments", wanted, id_type="WID") if wanted else []
        )
        by_wid = {wid_of(row, PAYMENT_REFERENCE): row for row in rows}
        return {command_id: by_wid[wid] for command_id, wid in wids.items() if wid in by_wid}

    async def look_up(self, batch: Sequence[Sending]) -> dict[str, LookUp]:
        """Whether every line and adjustment of a command is there."""
        try:
            rows = await self._rows(batch)
            return {
                s.command.command_id: await self._found(s, rows.get(s.command.command_id))
                for s in batch
            }
        except LedgerloopError as error:
            return {s.command.command_id: CannotTell(error.message) for s in batch}

    async def _found(self, sending: Sending, row: etree._Element | None) -> LookUp:
        lines = lines_of(sending)
        key = reference_id(sending.external_key)
        if row is None or not is_advised(row, key, lines):
            return Absent()
        adjustments = self._adjustments(sending, lines)
        there = await found_adjustments(self._client, [one.reference_id for one in adjustments])
        if len(there) < len(adjustments):
            return Absent()
        return Found(wid_of(row, PAYMENT_REFERENCE))

    async def read_back(self, batch: Sequence[Sending]) -> dict[str, ReadBack]:
        """Raises LedgerloopError when Workday cannot be read."""
        rows = await self._rows(batch)
        found = {}
        for sending in batch:
            row = rows.get(sending.command.command_id)
            found[sending.command.command_id] = (
                ReadBack(None) if row is None else self._shown(sending, row)
            )
        return found

    def _shown(self, sending: Sending, row: etree._Element) -> ReadBack:
        """A payment's remittance in hub names; pending until Workday has applied it."""
        data = row.find(qualified(PAYMENT_DATA))
        assert data is not None, "asked for with its data"
        payload = sending.command.payload
        planned = str(payload.get("payment_document") or "")
        lines = lines_of(sending)
        wid = wid_of(row, PAYMENT_REFERENCE)
        is_there = is_advised(row, reference_id(sending.external_key), lines)
        fields: dict[str, Value] = {
            "company_code": id_of(
                data.find(qualified("Company_Reference")), self._options.company_id_type
            ),
            "customer": id_of(data.find(qualified("Remitfrom_Customer_Reference")), "Customer_ID"),
            "currency_code": id_of(data.find(qualified("Payment_Currency_Reference"))),
            "payment_document": planned if planned.lower() in ("", wid) else wid.upper(),
            "lines": payload.get("lines") if is_there else _lines_shown(row),
        }
        return ReadBack(fields, native_id=wid, is_pending=is_there and not is_applied(data))


def payment_of(sending: Sending) -> str:
    """The Workday id of the payment: planned with it, or made by the command before."""
    planned = str(sending.command.payload.get("payment_document") or "")
    return (planned or sending.predecessors.get(sending.command.business_key, "")).lower()


def _lines_shown(row: etree._Element) -> list[Value]:
    """What the payment's remittance says, for a comparison that fails."""
    shown: list[Value] = []
    for element in row.findall(f"{qualified(PAYMENT_DATA)}/{qualified(ADVICE)}"):
        invoice = id_of(element.find(qualified("Customer_Invoice_Reference")), "WID")
        line: Mapping[str, Value] = {
            "document": invoice.upper(),
            "amount": money_text(text_at(element, "Amount_to_Pay")),
        }
        shown.append(dict(line))
    return shown
