"""``returned_payments/post``: what a payment that the bank took back had paid is due again.

Workday has no web service that reverses a payment. So what the bank took is owed again as customer
invoices, one for each that the receipt had paid, with its due date and its number as the customer's
reference; their lines carry a revenue category that the tenant posts to the bank. What the payment
still has on account is used up by an invoice of its own. Each step has an id, so that a send that
was cut off goes on where it stopped.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from lxml import etree

from ingestion.common.errors import InputRefused, LedgerloopError
from ingestion.common.money import canonical_text
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
    Unknown,
)
from reverse_etl.ledger.commands import Value
from reverse_etl.outcomes import rejected_input
from reverse_etl.planning.governance import TargetObject
from reverse_etl.workday.forms import money_of, needed, reference_id
from reverse_etl.workday.invoices import (
    INVOICE_DATA,
    Invoice,
    Part,
    found_invoices,
    invoice_wid,
)
from reverse_etl.workday.lines import ApplyLine, lines_of
from reverse_etl.workday.payments import PAYMENT_DATA
from reverse_etl.workday.remittances import advising_request, is_advised, is_applied
from reverse_etl.workday.settings import OUTCOMES, WorkdayOptions

__all__ = ["ReturnedPayments"]

ZERO = Decimal(0)
_ON_ACCOUNT, _FEE = "A", "F"


@dataclass(frozen=True, slots=True)
class _Return:
    """A returned payment as its command means it.

    ``on_account``: what of the receipt had paid nothing, zero when all of it had; ``account``: the
    invoice that uses it up.
    """

    invoices: tuple[Invoice, ...]
    payment: str
    on_account: Decimal
    account: Invoice | None

    @property
    def all(self) -> tuple[Invoice, ...]:
        """Every invoice that is raised."""
        return (*self.invoices, self.account) if self.account else self.invoices


class ReturnedPayments:
    """See ``reverse_etl.workday.writer``."""

    def __init__(
        self, client: WorkdayClient, target: TargetObject, options: WorkdayOptions
    ) -> None:
        self._client = client
        self._target = target
        self._options = options

    async def send(self, batch: Sequence[Sending]) -> dict[str, Outcome]:
        """One return after the other, each in its steps."""
        found = await asyncio.gather(*(self._post(sending) for sending in batch))
        return {s.command.command_id: one for s, one in zip(batch, found, strict=True)}

    async def _post(self, sending: Sending) -> Outcome:
        try:
            meant = self._meant(sending)
            requests = [one.request(self._client, self._options) for one in meant.all]
        except InputRefused as refused:
            return rejected_input(refused)
        try:
            if meant.account is not None and await self._payment(meant) is None:
                text = f"payment {meant.payment} does not exist"
                return Rejected("payment_missing", text, "receipt_document")
        except LedgerloopError as error:
            return OUTCOMES.of_error(error)
        return await self._open_again(sending, meant, requests)

    async def _open_again(
        self, sending: Sending, meant: _Return, requests: Sequence[etree._Element]
    ) -> Outcome:
        """Raise every invoice that is not there, then use the payment up."""
        raised = 0
        try:
            for content in requests:
                await self._raise(content)
                raised += 1
            there = await found_invoices(self._client, [one.reference_id for one in meant.all])
            if len(there) < len(requests):
                return Unknown("invoice_unseen", "an invoice was accepted and is not shown")
            if meant.account is not None:
                await self._use_up(sending, meant, there[meant.account.reference_id])
        except LedgerloopError as error:
            outcome = OUTCOMES.of_error(error)
            if isinstance(outcome, Rejected) and raised:
                text = f"{raised} of {len(requests)} invoices stand, the next step was refused: "
                return replace(outcome, message=text + outcome.message, is_partial=True)
            return outcome
        return Accepted(invoice_wid(there[meant.all[0].reference_id]))

    async def _raise(self, content: etree._Element) -> None:
        """Raise an invoice unless it is there. Raises LedgerloopError."""
        try:
            await self._client.change(content)
        except LedgerloopError as error:
            if error.code != "duplicate_reference":
                raise

    async def _use_up(self, sending: Sending, meant: _Return, invoice: etree._Element) -> None:
        """Let the payment pay the invoice of what it has on account. Raises LedgerloopError."""
        row = await self._payment(meant)
        assert row is not None, "Workday deletes no payments"
        key = reference_id(sending.external_key)
        lines = [self._line(sending, meant, invoice)]
        content = advising_request(self._client, row, key, lines)
        if content is not None:
            await self._client.change(content)

    @staticmethod
    def _line(sending: Sending, meant: _Return, invoice: etree._Element) -> ApplyLine:
        customer = str(sending.command.payload.get("customer") or "")
        return ApplyLine(invoice_wid(invoice), customer, meant.on_account)

    # -- meaning ----------------------------------------------------------------------------

    def _meant(self, sending: Sending) -> _Return:
        """Raises InputRefused for a field that is missing or wrong, or lines that do not sum."""
        payload = sending.command.payload
        if not self._options.returned_category:
            raise InputRefused(
                "this tenant has no revenue category that is posted to the bank (option "
                "returned_category): reverse the payment there",
                code="no_returned_category",
                where="receipt_document",
            )
        currency_code = needed(payload.get("currency_code"), "currency_code")
        amount = money_of(payload.get("amount"), currency_code, "amount")
        named, on_account = _lines_in(payload)
        if not named:
            on_account = amount
        lines = lines_of(sending) if named else []
        cash = _cash_of(lines)
        if sum(cash, ZERO) + on_account != amount:
            made = canonical_text(sum(cash, ZERO) + on_account)
            raise InputRefused(
                f"the lines open {made}, the bank took {canonical_text(amount)}",
                code="not_the_payment",
                where="lines",
            )
        opened = [
            self._invoice(sending, str(place), self._parts(line, part), raw)
            for place, (raw, line, part) in enumerate(zip(named, lines, cash, strict=True), 1)
            if part or line.charged_off
        ]
        if payload.get("fee_amount"):
            fee = money_of(payload["fee_amount"], currency_code, "fee_amount")
            opened.append(self._invoice(sending, _FEE, [self._part(fee)], {}))
        account = None
        if on_account:
            account = self._invoice(sending, _ON_ACCOUNT, [self._part(on_account)], {})
        payment = needed(payload.get("receipt_document"), "receipt_document").lower()
        return _Return(tuple(opened), payment, on_account, account)

    def _part(self, amount: Decimal) -> Part:
        return Part(self._options.returned_category, amount)

    def _parts(self, line: ApplyLine, cash: Decimal) -> list[Part]:
        """What the bank took, and what the application had granted beside the cash."""
        granted = [
            Part(self._options.debit_memo_category, part, f"{reason} taken back")
            for reason, part in line.charged_off
        ]
        return [self._part(cash), *granted] if cash else granted

    def _invoice(
        self, sending: Sending, place: str, parts: Sequence[Part], raw: Mapping[str, Value]
    ) -> Invoice:
        payload = sending.command.payload
        day = needed(payload.get("posting_date"), "posting_date")
        number = str(raw.get("invoice_number") or "")
        reference = str(payload.get("bank_reference") or "")
        texts = (str(payload.get("item_text") or "Returned payment"), reference, number)
        return Invoice(
            reference_id(sending.external_key, place),
            company_code=needed(payload.get("company_code"), "company_code"),
            customer=str(raw.get("customer") or needed(payload.get("customer"), "customer")),
            currency_code=needed(payload.get("currency_code"), "currency_code"),
            parts=tuple(parts),
            day=day,
            document_day=str(payload.get("document_date") or day),
            due_day=str(raw.get("due_date") or day),
            memo=" ".join(text for text in texts if text),
            quoted=number or reference,
        )

    # -- looking ----------------------------------------------------------------------------

    async def look_up(self, batch: Sequence[Sending]) -> dict[str, LookUp]:
        """Whether every invoice of a command is there, and the payment used up."""
        found: dict[str, LookUp] = {}
        for sending in batch:
            command_id = sending.command.command_id
            try:
                found[command_id] = await self._found(sending)
            except LedgerloopError as error:
                found[command_id] = CannotTell(error.message)
        return found

    async def _found(self, sending: Sending) -> LookUp:
        meant = self._meant(sending)
        there = await found_invoices(self._client, [one.reference_id for one in meant.all])
        if len(there) < len(meant.all):
            return Absent()
        if meant.account is not None:
            row = await self._payment(meant)
            line = self._line(sending, meant, there[meant.account.reference_id])
            key = reference_id(sending.external_key)
            if row is None or not is_advised(row, key, [line]):
                return Absent()
        return Found(invoice_wid(there[meant.all[0].reference_id]))

    async def _payment(self, meant: _Return) -> etree._Element | None:
        rows = await self._client.get("Get_Customer_Payments", [meant.payment], id_type="WID")
        return rows[0] if rows else None

    async def read_back(self, batch: Sequence[Sending]) -> dict[str, ReadBack]:
        """Raises LedgerloopError when Workday cannot be read."""
        return {s.command.command_id: await self._shown(s) for s in batch}

    async def _shown(self, sending: Sending) -> ReadBack:
        """The payload as sent when just its invoices stand, and the payment is used up."""
        meant = self._meant(sending)
        there = await found_invoices(self._client, [one.reference_id for one in meant.all])
        if not there:
            return ReadBack(None)
        payload = dict(sending.command.payload)
        held = {name: _held(row) for name, row in there.items()}
        wanted = {one.reference_id: (one.customer, one.amount) for one in meant.all}
        is_pending = False
        if held != wanted:
            payload["amount"] = canonical_text(sum((amount for _, amount in held.values()), ZERO))
            payload["lines"] = None
        elif meant.account is not None:
            row = await self._payment(meant)
            is_pending = row is None or not _is_used_up(row)
        first = there.get(meant.all[0].reference_id)
        native_id = "" if first is None else invoice_wid(first)
        return ReadBack(payload, native_id=native_id, is_pending=is_pending)


def _lines_in(payload: Mapping[str, Value]) -> tuple[list[dict[str, Value]], Decimal]:
    """Lines that name an invoice, and what stood on account. Raises InputRefused."""
    raw = payload.get("lines") or []
    if not isinstance(raw, list) or not all(isinstance(one, dict) for one in raw):
        raise InputRefused("lines is no list of lines", code="line_form", where="lines")
    lines = [one for one in raw if isinstance(one, dict)]
    on_account = [one for one in lines if one.get("kind") == "on_account"]
    named = [one for one in lines if one.get("kind") != "on_account"]
    return named, sum((Decimal(str(one.get("amount"))) for one in on_account), ZERO)


def _cash_of(lines: Sequence[ApplyLine]) -> list[Decimal]:
    """What cash paid of each line; credits paid the first ones, and stay used."""
    credits_left = -sum((line.cash for line in lines if line.cash < 0), ZERO)
    left = []
    for line in lines:
        by_credit = min(max(line.cash, ZERO), credits_left)
        credits_left -= by_credit
        left.append(max(line.cash, ZERO) - by_credit)
    return left


def _held(row: etree._Element) -> tuple[str, Decimal]:
    data = row.find(qualified(INVOICE_DATA))
    assert data is not None, "the row was found by its data"
    customer = id_of(data.find(qualified("Customer_Reference")), "Customer_ID")
    return customer, Decimal(text_at(data, "Control_Amount_Total") or "0")


def _is_used_up(payment: etree._Element) -> bool:
    data = payment.find(qualified(PAYMENT_DATA))
    return data is not None and is_applied(data)
