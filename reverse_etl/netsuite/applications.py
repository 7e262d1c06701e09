"""``applications/apply``: a posted payment gets its lines in ``apply`` and ``credit``.

A line settles ``amount`` of an item, of which discount and fees go into the line's ``disc``
(NetSuite knows one difference per line) and a deduction stays open on the invoice. What no line
uses stays unapplied on the payment. Setting the same lines again changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from ingestion.common.errors import InputRefused, LedgerloopError
from ingestion.common.money import canonical_text
from ingestion.netsuite.client import NetSuiteClient, record_path
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
from reverse_etl.netsuite.references import rows_in
from reverse_etl.netsuite.settings import KIND, OUTCOMES
from reverse_etl.outcomes import rejected_input
from reverse_etl.planning.governance import Governance, TargetObject

__all__ = ["Applications", "AppliedLine", "lines_of"]

ZERO = Decimal(0)
_FIRST_ITEM = "001"
_HEADS = """SELECT t.id, c.entityid, m.subsidiary, u.symbol FROM transaction t
JOIN transactionline m ON m.transaction = t.id AND m.mainline = 'T'
JOIN currency u ON u.id = t.currency LEFT JOIN customer c ON c.id = t.entity
WHERE t.type = 'CustPymt' AND t.id"""
#: What invoices hold of these credits, and of others: a credit memo pays beside the payment.
_LINKS = """SELECT previousdoc, nextdoc, nexttype, foreignamount, discount
FROM nexttransactionlinelink WHERE previousdoc"""


@dataclass(frozen=True, slots=True)
class AppliedLine:
    """One line. ``amount`` is what is paid of the item, without sign; ``discount`` closes more."""

    document: str
    item: str
    is_credit: bool
    amount: Decimal
    discount: Decimal

    def native(self) -> dict[str, Any]:
        """The line of the sublist ``apply`` or ``credit``."""
        shown: dict[str, Any] = {"doc": {"id": self.document}, "apply": True, "amount": self.amount}
        if self.item != _FIRST_ITEM:
            shown["line"] = int(self.item) - 1
        if self.discount:
            shown["disc"] = self.discount
        return shown


def lines_of(raw: Value) -> list[AppliedLine]:
    """The lines of a payload; what stays on account is no line.

    Raises:
        InputRefused: no line, or one without document or with an amount that is none.
    """
    if not isinstance(raw, list) or not raw:
        raise InputRefused("an application without lines", code="field_missing", where="lines")
    found = [_line(one) for one in raw if isinstance(one, dict) and one.get("kind") != "on_account"]
    if not found:
        raise InputRefused("nothing is to be applied", code="no_lines", where="lines")
    return found


def _line(raw: Mapping[str, Value]) -> AppliedLine:
    try:
        amount = Decimal(str(raw.get("amount")))
        discount = Decimal(str(raw.get("discount_amount") or "0"))
        kept = ZERO
        differences = raw.get("differences") or []
        assert isinstance(differences, list)
        for one in differences:
            assert isinstance(one, dict)
            part = Decimal(str(one.get("amount")))
            if one.get("kind") == "fee":
                discount += part
            else:
                kept += part
    except (InvalidOperation, AssertionError):
        raise InputRefused("a line has no amount", code="bad_line", where="lines") from None
    document = str(raw.get("document") or "")
    if not document:
        raise InputRefused("a line has no document", code="bad_line", where="lines")
    paid = abs(amount) - discount - kept
    if paid < 0 or (amount < 0 and (discount or kept)):
        raise InputRefused(
            f"document {document}: more is kept back than is settled",
            code="bad_line",
            where="lines",
        )
    return AppliedLine(document, str(raw.get("item") or _FIRST_ITEM), amount < 0, paid, discount)


class Applications:
    """See the module."""

    def __init__(self, client: NetSuiteClient, governance: Governance) -> None:
        self._client = client
        self._target: TargetObject = governance.object(KIND, "applications")

    async def send(self, batch: Sequence[Sending]) -> dict[str, Outcome]:
        """One after another: each has its own answer."""
        return {s.command.command_id: await self._send(s) for s in batch}

    async def _send(self, sending: Sending) -> Outcome:
        try:
            payment = payment_of(sending)
            lines = lines_of(sending.command.payload.get("lines"))
        except InputRefused as refused:
            return rejected_input(refused)
        body: dict[str, Any] = {
            "apply": {"items": [one.native() for one in lines if not one.is_credit]}
        }
        credits_used = [one.native() for one in lines if one.is_credit]
        if credits_used:
            body["credit"] = {"items": credits_used}
        try:
            await self._client.change("PATCH", record_path("customerPayment", payment), body)
        except LedgerloopError as error:
            return OUTCOMES.of_error(error, field_of=self._field_of)
        return Accepted(payment)

    def _field_of(self, native: str) -> str:
        return "lines" if native.startswith(("apply", "credit")) else native

    # -- looking --------------------------------------------------------------------------------

    async def _held(
        self, batch: Sequence[Sending]
    ) -> dict[str, dict[str, tuple[Decimal, Decimal]]]:
        """Per command and invoice what is applied by its payment or by credit memos it names."""
        wanted: dict[str, tuple[str, list[AppliedLine]]] = {}
        for sending in batch:
            lines = lines_of(sending.command.payload.get("lines"))
            wanted[sending.command.command_id] = (payment_of(sending), lines)
        invoices = sorted({x.document for _, ls in wanted.values() for x in ls if not x.is_credit})
        rows = await rows_in(self._client, _LINKS, invoices, order="previousdoc, nextdoc")
        found: dict[str, dict[str, tuple[Decimal, Decimal]]] = {}
        for command_id, (payment, lines) in wanted.items():
            sources = {payment, *(line.document for line in lines if line.is_credit)}
            held: dict[str, tuple[Decimal, Decimal]] = {}
            for row in rows:
                if row["nextdoc"] in sources:
                    amount, discount = held.get(row["previousdoc"], (ZERO, ZERO))
                    held[row["previousdoc"]] = (
                        amount + Decimal(row.get("foreignamount") or "0"),
                        discount + Decimal(row.get("discount") or "0"),
                    )
            found[command_id] = held
        return found

    async def look_up(self, batch: Sequence[Sending]) -> dict[str, LookUp]:
        """Found when every line is applied as it was wanted."""
        found: dict[str, LookUp] = {}
        good = []
        for sending in batch:
            try:
                payment_of(sending)
                lines_of(sending.command.payload.get("lines"))
            except InputRefused as refused:
                found[sending.command.command_id] = CannotTell(refused.message)
            else:
                good.append(sending)
        try:
            held = await self._held(good)
        except LedgerloopError as error:
            return {s.command.command_id: CannotTell(error.message) for s in batch}
        for sending in good:
            is_there = _is_applied(sending, held[sending.command.command_id])
            found[sending.command.command_id] = Found(payment_of(sending)) if is_there else Absent()
        return found

    async def read_back(self, batch: Sequence[Sending]) -> dict[str, ReadBack]:
        """Raises LedgerloopError when the account cannot be read, InputRefused for a bad line."""
        heads = await rows_in(
            self._client, _HEADS, sorted({payment_of(s) for s in batch}), order="t.id"
        )
        by_id = {str(row["id"]): row for row in heads}
        held = await self._held(batch)
        return {
            s.command.command_id: self._shown(
                s, by_id.get(payment_of(s)), held[s.command.command_id]
            )
            for s in batch
        }

    def _shown(
        self,
        sending: Sending,
        head: Mapping[str, Any] | None,
        held: Mapping[str, tuple[Decimal, Decimal]],
    ) -> ReadBack:
        if head is None or not held:
            return ReadBack(None)
        payload, payment = sending.command.payload, payment_of(sending)
        fields: dict[str, Value] = {
            "company_code": head.get("subsidiary"),
            "customer": str(head.get("entityid", "")).upper(),
            "currency_code": head.get("symbol"),
            "payment_document": payment if payload.get("payment_document") else None,
            "lines": payload.get("lines") if _is_applied(sending, held) else _said(held),
        }
        return ReadBack(fields, native_id=payment)


def payment_of(sending: Sending) -> str:
    """Internal id of the payment: named by the command, or by the one that posted it.

    Raises:
        InputRefused: neither names it.
    """
    named = sending.command.payload.get("payment_document")
    found = str(named or sending.predecessors.get(sending.command.business_key) or "")
    if not found:
        raise InputRefused(
            "the payment to apply is not known", code="payment_missing", where="payment_document"
        )
    return found


def _is_applied(sending: Sending, held: Mapping[str, tuple[Decimal, Decimal]]) -> bool:
    """Whether every invoice holds what was wanted of it."""
    lines = lines_of(sending.command.payload.get("lines"))
    return all(
        held.get(line.document) == (line.amount, line.discount)
        for line in lines
        if not line.is_credit
    )


def _said(held: Mapping[str, tuple[Decimal, Decimal]]) -> list[Value]:
    """What NetSuite holds, for people who look at a mismatch."""
    return [
        {"document": doc, "amount": canonical_text(a), "discount_amount": canonical_text(d)}
        for doc, (a, d) in sorted(held.items())
    ]
