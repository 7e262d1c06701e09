"""``debit_memos/post``: an invoice of one item, under the number that the customer will quote.

NetSuite has no debit memo of its own; an invoice with the item of an option is what its users post.
Reason, text and the invoice it concerns stand in the memo, since NetSuite has no field for them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ingestion.common.errors import InputRefused, LedgerloopError
from ingestion.netsuite.client import NetSuiteClient
from reverse_etl.delivery.writer import LookUp, Outcome, ReadBack, Sending
from reverse_etl.ledger.commands import Value
from reverse_etl.netsuite.keyed import Keyed, positive
from reverse_etl.netsuite.payments import needed, not_sent
from reverse_etl.netsuite.references import References
from reverse_etl.netsuite.settings import KIND, NetSuiteOptions
from reverse_etl.outcomes import rejected_input
from reverse_etl.planning.governance import Governance

__all__ = ["DebitMemos"]

#: What the memo says, as one text.
_IN_MEMO = ("reason_code", "item_text", "invoice_number")


class DebitMemos:
    """See the module."""

    def __init__(
        self,
        client: NetSuiteClient,
        governance: Governance,
        options: NetSuiteOptions,
        references: References,
    ) -> None:
        target = governance.object(KIND, "debit_memos")
        self._keyed = Keyed(client, references, options, target, "CustInvc")

    async def send(self, batch: Sequence[Sending]) -> dict[str, Outcome]:
        """One after another: each has its own answer."""
        try:
            await self._keyed.load(batch)
        except LedgerloopError as error:
            return not_sent(batch, error)
        return {s.command.command_id: await self._send(s) for s in batch}

    async def _send(self, sending: Sending) -> Outcome:
        try:
            body = self._body_of(sending.command.payload)
        except InputRefused as refused:
            return rejected_input(refused)
        return await self._keyed.put(sending, body)

    def _body_of(self, payload: Mapping[str, Value]) -> dict[str, Any]:
        item = self._keyed.options.debit_memo_item
        amount = positive(payload, "amount")
        return {
            **self._keyed.head_of(payload),
            "entity": {"id": self._keyed.customer_of(payload)},
            "tranId": needed(payload, "document_reference"),
            "dueDate": needed(payload, "due_date"),
            "memo": self._memo(payload),
            "item": {"items": [{"item": {"id": item}, "amount": amount}]},
        }

    def _memo(self, payload: Mapping[str, Value]) -> str:
        word = self._keyed.options.reason_word(str(payload.get("reason_code") or "OTHER"))
        text = f"{word} {payload.get('item_text') or ''}".strip()
        invoice = payload.get("invoice_number")
        return f"{text} ({invoice})" if invoice else text

    async def look_up(self, batch: Sequence[Sending]) -> dict[str, LookUp]:
        """By the external id."""
        return await self._keyed.look_up(batch)

    async def read_back(self, batch: Sequence[Sending]) -> dict[str, ReadBack]:
        """Raises LedgerloopError when the account cannot be read."""
        rows = await self._keyed.rows(batch)
        return {s.command.command_id: self._shown(s, rows[s.command.command_id]) for s in batch}

    def _shown(self, sending: Sending, rows: Sequence[Mapping[str, Any]]) -> ReadBack:
        if not rows:
            return ReadBack(None)
        payload, first = sending.command.payload, rows[0]
        is_text_as_sent = first.get("memo", "") == self._memo(payload)
        fields: dict[str, Value] = {
            **self._keyed.shown(rows),
            "due_date": first.get("duedate"),
            "document_reference": first.get("tranid"),
            **{name: payload.get(name) if is_text_as_sent else None for name in _IN_MEMO},
        }
        if not is_text_as_sent:
            fields["item_text"] = first.get("memo")
        return ReadBack(fields, native_id=str(first["id"]))
