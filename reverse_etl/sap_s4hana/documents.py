"""Documents made by one deep insert: lockbox batches, payment advices, credit memo requests.

SAP numbers them itself and keeps no idempotency key (contracts/erp.md §1.1), so the hub's own key
travels in a field that can be asked for, and the document is looked up before anything is said
about an uncertain one. It sends each document once and changes none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from ingestion.common.errors import InputRefused, LedgerloopError
from ingestion.common.money import canonical_text
from ingestion.sap_s4hana.client import SapClient
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
from reverse_etl.planning.governance import Governance, TargetObject
from reverse_etl.sap_s4hana.items import plain_date, rows_where
from reverse_etl.sap_s4hana.settings import OUTCOMES, SapOptions

__all__ = ["ADVICES", "LOCKBOXES", "REQUESTS", "DocumentForm", "Documents"]

KIND = "sap_s4hana"


@dataclass(frozen=True, slots=True)
class DocumentForm:
    """One object: where it is made, which field holds our key and how much of it, its lines.

    ``lines`` maps what a line is called in the payload to the vendor's name, in order;
    ``line_amount`` is the line's part of the total, and must be there.
    """

    object_name: str
    service: str
    entity_set: str
    key_field: str
    key_length: int
    number_field: str
    navigation: str
    lines: Mapping[str, str]
    line_amount: str = "amount"
    nested: str = ""
    nested_lines: Mapping[str, str] | None = None
    computed: tuple[str, ...] = ()
    """Header fields that SAP works out itself; they are read back and never sent."""


LOCKBOXES = DocumentForm(
    "lockbox_batches",
    "API_LOCKBOXPOST_IN",
    "LockboxBatch",
    "LockboxBatchOrigin",
    10,
    "LockboxBatchInternalKey",
    "to_Item",
    {
        "item": "LockboxBatchItem",
        "amount": "AmountInTransactionCurrency",
        "currency_code": "Currency",
        "cheque": "Cheque",
        "partner_bank": "PartnerBank",
        "partner_account": "PartnerBankAccount",
        "partner_country": "PartnerBankCountry",
    },
    nested="to_LockboxClearing",
    nested_lines={
        "payment_reference": "PaymentReference",
        "amount": "NetPaymentAmountInPaytCurrency",
        "deduction_amount": "DeductionAmountInPaytCurrency",
        "reason_code": "PaymentDifferenceReason",
        "currency_code": "Currency",
    },
)
ADVICES = DocumentForm(
    "payment_advices",
    "API_PAYMENT_ADVICE_SRV",
    "A_PaymentAdvice",
    "PaymentAdviceHeaderText",
    20,
    "PaymentAdvice",
    "to_PaymentAdviceItem",
    {
        "item": "PaymentAdviceItem",
        "document": "AccountingDocument",
        "fiscal_year": "FiscalYear",
        "document_item": "AccountingDocumentItem",
        "reference": "AssignmentReference",
        "amount": "NetPaymentAmountInPaytCurrency",
        "discount_amount": "CashDiscountAmountInPaytCrcy",
        "currency_code": "Currency",
    },
)
REQUESTS = DocumentForm(
    "credit_memo_requests",
    "API_CREDIT_MEMO_REQUEST_SRV",
    "A_CreditMemoRequest",
    "PurchaseOrderByCustomer",
    20,
    "CreditMemoRequest",
    "to_Item",
    {
        "item": "CreditMemoRequestItem",
        "text": "CreditMemoRequestItemText",
        "material": "Material",
        "quantity": "RequestedQuantity",
        "amount": "NetAmount",
        "currency_code": "TransactionCurrency",
    },
    computed=("TotalNetAmount",),
)


class Documents:
    """``<object>/create``."""

    def __init__(
        self, client: SapClient, governance: Governance, options: SapOptions, form: DocumentForm
    ) -> None:
        self._client = client
        self._target: TargetObject = governance.object(KIND, form.object_name)
        self._options = options
        self._form = form

    async def send(self, batch: Sequence[Sending]) -> dict[str, Outcome]:
        """Make each document, one after another."""
        return {s.command.command_id: await self._send(s) for s in batch}

    async def _send(self, sending: Sending) -> Outcome:
        form = self._form
        try:
            body = self._body(sending)
        except InputRefused as refused:
            return rejected_input(refused)
        # SAP would make a second one: whatever made us send again, look first.
        if sending.attempt > 1:
            there = (await self.look_up([sending]))[sending.command.command_id]
            if isinstance(there, Found):
                return Accepted(there.native_id)
        try:
            answer = await self._client.change("POST", form.service, form.entity_set, body)
        except LedgerloopError as error:
            return OUTCOMES.of_error(error, field_of=self._field_of)
        number = str(answer.entity.get(form.number_field) or "")
        if not number:
            return Rejected("no_number", "the answer names no document", is_business=False)
        return Accepted(number)

    def _key(self, sending: Sending) -> str:
        return sending.external_key[: self._form.key_length]

    def _body(self, sending: Sending) -> dict[str, Value]:
        """The request. Raises InputRefused when the lines do not make the total."""
        form, payload = self._form, sending.command.payload
        native = self._target.to_native(payload)
        left_out = {form.navigation, *form.computed}
        body: dict[str, Value] = {
            name: value
            for name, value in native.items()
            if value is not None and name not in left_out
        }
        for name, governed in self._target.fields.items():
            if governed.format == "date" and body.get(governed.native):
                body[governed.native] = f"{payload[name]}T00:00:00"
        body[form.key_field] = self._key(sending)
        raw = payload.get("lines")
        if not isinstance(raw, list) or not raw:
            raise InputRefused("a document without lines", code="field_missing", where="lines")
        total = sum((_amount(line, form.line_amount) for line in raw), Decimal(0))
        if total != _amount(payload, "amount"):
            raise InputRefused(
                f"the lines make {canonical_text(total)}, not {payload.get('amount')}",
                code="not_the_total",
                where="lines",
            )
        body[form.navigation] = {"results": [self._line(line, form.lines) for line in raw]}
        return body

    def _line(self, line: Value, names: Mapping[str, str]) -> dict[str, Value]:
        """One line in the vendor's names. Raises InputRefused for a name that is not known."""
        assert isinstance(line, dict), "lines were summed before"
        made: dict[str, Value] = {}
        for name, value in line.items():
            if name == "clearings" and self._form.nested and isinstance(value, list):
                made[self._form.nested] = {"results": self._clearings(line, value)}
            elif name not in names:
                raise InputRefused(f"no line has {name!r}", code="line_field", where="lines")
            elif value is not None:
                is_reason = name == "reason_code"
                made[names[name]] = self._options.native_reason(str(value)) if is_reason else value
        return made

    def _clearings(self, line: Mapping[str, Value], raw: Sequence[Value]) -> list[Value]:
        """What an item pays; together no more than the item."""
        paid = sum((_amount(one, "amount") for one in raw), Decimal(0))
        if paid > _amount(line, "amount"):
            raise InputRefused(
                f"an item of {line.get('amount')} cannot pay {canonical_text(paid)}",
                code="over_applied",
                where="lines",
            )
        return [self._line(one, self._form.nested_lines or {}) for one in raw]

    def _field_of(self, native: str) -> str:
        for name, governed in self._target.fields.items():
            if governed.native == native:
                return name
        return native

    async def _rows(self, batch: Sequence[Sending]) -> dict[str, list[dict[str, Any]]]:
        """The documents that carry each command's key, by command id."""
        form = self._form
        by_key = {self._key(s): s.command.command_id for s in batch}
        found: dict[str, list[dict[str, Any]]] = {s.command.command_id: [] for s in batch}
        rows = await rows_where(self._client, form.service, form.entity_set, form.key_field, by_key)
        for row in rows:
            found[by_key[str(row[form.key_field])]].append(row)
        return found

    async def look_up(self, batch: Sequence[Sending]) -> dict[str, LookUp]:
        """By the hub's key in the field that holds it."""
        try:
            found = await self._rows(batch)
        except LedgerloopError as error:
            return {s.command.command_id: CannotTell(error.message) for s in batch}
        return {
            command_id: Found(str(rows[0][self._form.number_field])) if rows else Absent()
            for command_id, rows in found.items()
        }

    async def read_back(self, batch: Sequence[Sending]) -> dict[str, ReadBack]:
        """The header as SAP holds it; two documents with one key show the sum of their amounts.

        Raises:
            LedgerloopError: the documents cannot be read.
        """
        found = await self._rows(batch)
        return {s.command.command_id: self._held(s, found[s.command.command_id]) for s in batch}

    def _held(self, sending: Sending, rows: Sequence[Mapping[str, Any]]) -> ReadBack:
        if not rows:
            return ReadBack(None)
        amount = self._target.field("amount").native
        shown = dict(rows[0])
        if amount in shown:
            shown[amount] = sum((Decimal(str(row[amount])) for row in rows), Decimal(0))
        for governed in self._target.fields.values():
            if governed.format == "date" and governed.native in shown:
                shown[governed.native] = plain_date(shown[governed.native])
        fields = self._target.from_native(shown)
        held = {name: fields.get(name) for name in sending.command.payload if name in fields}
        return ReadBack(held, native_id=str(rows[0][self._form.number_field]))


def _amount(one: Value | Mapping[str, Value], name: str) -> Decimal:
    value = one.get(name) if isinstance(one, Mapping) else None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not isinstance(value, str | int) or not amount.is_finite() or amount <= 0:
        raise InputRefused(f"{name} {value!r} is not a positive amount", code="amount", where=name)
    return amount
