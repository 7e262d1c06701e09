"""``refunds/post``: a customer refund, applied to the payment that goes back.

One request credits the bank and uses the payment up. What is applied makes the refund's amount.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ingestion.common.errors import InputRefused, LedgerloopError
from ingestion.netsuite.client import NetSuiteClient
from reverse_etl.delivery.writer import LookUp, Outcome, ReadBack, Sending
from reverse_etl.ledger.commands import Value
from reverse_etl.netsuite.keyed import LINKS, Keyed, positive
from reverse_etl.netsuite.payments import needed, not_sent
from reverse_etl.netsuite.references import References, rows_in
from reverse_etl.netsuite.settings import KIND, NetSuiteOptions
from reverse_etl.outcomes import rejected_input
from reverse_etl.planning.governance import Governance

__all__ = ["Refunds"]


class Refunds:
    """See the module."""

    def __init__(
        self,
        client: NetSuiteClient,
        governance: Governance,
        options: NetSuiteOptions,
        references: References,
    ) -> None:
        target = governance.object(KIND, "refunds")
        self._keyed = Keyed(client, references, options, target, "CustRfnd")

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
        payment, amount = needed(payload, "receipt_document"), positive(payload, "amount")
        body = {
            **self._keyed.head_of(payload),
            "customer": {"id": self._keyed.customer_of(payload)},
            "account": {"id": self._keyed.account_of(payload)},
            "tranId": str(payload.get("bank_reference") or ""),
            "memo": str(payload.get("item_text") or ""),
            "apply": {"items": [{"doc": {"id": payment}, "apply": True, "amount": amount}]},
        }
        if self._keyed.options.refund_payment_option:
            body["paymentOption"] = {"id": self._keyed.options.refund_payment_option}
        return body

    async def look_up(self, batch: Sequence[Sending]) -> dict[str, LookUp]:
        """By the external id."""
        return await self._keyed.look_up(batch)

    async def read_back(self, batch: Sequence[Sending]) -> dict[str, ReadBack]:
        """Raises LedgerloopError when the account cannot be read."""
        rows = await self._keyed.rows(batch)
        ids = sorted({str(one["id"]) for found in rows.values() for one in found})
        payments = await self._given_back(ids)
        return {
            s.command.command_id: self._shown(s, rows[s.command.command_id], payments)
            for s in batch
        }

    async def _given_back(self, refunds: Sequence[str]) -> dict[str, set[str]]:
        """The credits that refunds are applied to, whichever side the link shows them on."""
        found: dict[str, set[str]] = {one: set() for one in refunds}
        for side, other in (("nextdoc", "previousdoc"), ("previousdoc", "nextdoc")):
            query = f"{LINKS}{side}"
            for row in await rows_in(self._keyed.client, query, refunds, order="1, 2"):
                found[str(row[side])].add(str(row[other]))
        return found

    def _shown(
        self,
        sending: Sending,
        rows: Sequence[Mapping[str, Any]],
        payments: Mapping[str, set[str]],
    ) -> ReadBack:
        if not rows:
            return ReadBack(None)
        payload, first = sending.command.payload, rows[0]
        given_back = payments[str(first["id"])]
        fields: dict[str, Value] = {
            **self._keyed.shown(rows),
            "bank_gl_account": first.get("acctnumber"),
            "bank_reference": first.get("tranid"),
            "item_text": first.get("memo"),
            "receipt_document": ",".join(sorted(given_back)),
            "receipt_key": payload.get("receipt_key"),
        }
        return ReadBack(fields, native_id=str(first["id"]))
