"""``credit_memos/post``: a decided deduction becomes a credit memo made of its invoice.

One request transforms the invoice, replaces its items by the one for allowances or write-offs, and
applies the memo. The hub's key is its external id, which NetSuite lets exist once.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
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
    Rejected,
    Sending,
    Unknown,
)
from reverse_etl.ledger.commands import Value
from reverse_etl.netsuite.payments import needed
from reverse_etl.netsuite.references import rows_in
from reverse_etl.netsuite.settings import KIND, OUTCOMES, NetSuiteOptions, external_id_of
from reverse_etl.outcomes import rejected_input
from reverse_etl.planning.governance import Governance, TargetObject

__all__ = ["CreditMemos"]

_SHOWN = """SELECT t.id, t.externalid, t.foreigntotal, t.memo, c.entityid, m.subsidiary, u.symbol,
TO_CHAR(t.trandate, 'YYYY-MM-DD') AS trandate FROM transaction t
JOIN transactionline m ON m.transaction = t.id AND m.mainline = 'T'
JOIN currency u ON u.id = t.currency LEFT JOIN customer c ON c.id = t.entity
WHERE t.type = 'CustCred' AND t.externalid"""
_LINKS = "SELECT previousdoc, nextdoc FROM nexttransactionlinelink WHERE nextdoc"


class CreditMemos:
    """See the module."""

    def __init__(
        self, client: NetSuiteClient, governance: Governance, options: NetSuiteOptions
    ) -> None:
        self._client = client
        self._target: TargetObject = governance.object(KIND, "credit_memos")
        self._options = options

    async def send(self, batch: Sequence[Sending]) -> dict[str, Outcome]:
        """One after another; a refusal may mean that an earlier delivery made it: look."""
        return {s.command.command_id: await self._send(s) for s in batch}

    async def _send(self, sending: Sending) -> Outcome:
        try:
            invoice, body = self._body_of(sending)
        except InputRefused as refused:
            return rejected_input(refused)
        path = record_path("invoice", invoice) + "/!transform/creditMemo?replace=item"
        try:
            return Accepted(await self._client.change("POST", path, body))
        except LedgerloopError as error:
            outcome = OUTCOMES.of_error(error)
        if not isinstance(outcome, Rejected):
            return outcome
        held = (await self.look_up([sending]))[sending.command.command_id]
        if isinstance(held, CannotTell):
            return Unknown("refused_unseen", held.reason)
        return Accepted(held.native_id) if isinstance(held, Found) else outcome

    def _body_of(self, sending: Sending) -> tuple[str, dict[str, Any]]:
        """The invoice and the memo. Raises InputRefused for an amount or invoice that is none."""
        payload = sending.command.payload
        native = self._target.to_native(payload)
        invoice = needed(native, "createdFrom")
        amount = Decimal(needed(native, "total"))
        if amount <= 0:
            raise InputRefused(
                f"a credit memo of {amount}", code="not_a_credit_memo", where="amount"
            )
        is_write_off = payload.get("posting_kind") == "write_off"
        item = self._options.write_off_item if is_write_off else self._options.credit_memo_item
        return invoice, {
            "externalId": external_id_of(sending.external_key),
            "tranDate": needed(native, "tranDate"),
            "memo": self._memo(payload),
            "item": {"items": [{"item": {"id": item}, "amount": amount}]},
            "apply": {"items": [{"doc": {"id": invoice}, "apply": True, "amount": amount}]},
        }

    def _memo(self, payload: Mapping[str, Value]) -> str:
        word = self._options.reason_word(str(payload.get("reason_code") or "OTHER"))
        return f"{word} {payload.get('item_text') or ''}".strip()

    async def _rows(self, batch: Sequence[Sending]) -> dict[str, list[dict[str, Any]]]:
        by_key = {external_id_of(s.external_key): s.command.command_id for s in batch}
        found: dict[str, list[dict[str, Any]]] = {s.command.command_id: [] for s in batch}
        for row in await rows_in(self._client, _SHOWN, sorted(by_key), order="t.id"):
            found[by_key[row["externalid"]]].append(row)
        return found

    async def look_up(self, batch: Sequence[Sending]) -> dict[str, LookUp]:
        """By the external id."""
        try:
            rows = await self._rows(batch)
        except LedgerloopError as error:
            return {s.command.command_id: CannotTell(error.message) for s in batch}
        return {
            command_id: Found(str(one[0]["id"])) if one else Absent()
            for command_id, one in rows.items()
        }

    async def read_back(self, batch: Sequence[Sending]) -> dict[str, ReadBack]:
        """Raises LedgerloopError when the account cannot be read."""
        rows = await self._rows(batch)
        ids = sorted({str(one["id"]) for found in rows.values() for one in found})
        links = await rows_in(self._client, _LINKS, ids, order="nextdoc, previousdoc")
        invoices: dict[str, set[str]] = {}
        for link in links:
            invoices.setdefault(str(link["nextdoc"]), set()).add(str(link["previousdoc"]))
        return {
            s.command.command_id: self._shown(s, rows[s.command.command_id], invoices)
            for s in batch
        }

    def _shown(
        self,
        sending: Sending,
        rows: Sequence[Mapping[str, Any]],
        invoices: Mapping[str, set[str]],
    ) -> ReadBack:
        """What stands there; the memo's item says its kind, and is as sent where the text is."""
        if not rows:
            return ReadBack(None)
        payload, first = sending.command.payload, rows[0]
        applied = invoices.get(str(first["id"]), set())
        invoice = str(payload.get("invoice_document"))
        is_text_as_sent = first.get("memo", "") == self._memo(payload)
        fields: dict[str, Value] = {
            "company_code": first.get("subsidiary"),
            "customer": str(first.get("entityid", "")).upper(),
            "amount": canonical_text(
                sum((Decimal(str(row.get("foreigntotal") or "0")) for row in rows), Decimal(0))
            ),
            "currency_code": first.get("symbol"),
            "posting_date": first.get("trandate"),
            "invoice_document": invoice if invoice in applied else ",".join(sorted(applied)),
            "posting_kind": payload.get("posting_kind"),
            "is_agreed": payload.get("is_agreed"),
            "reason_code": payload.get("reason_code") if is_text_as_sent else None,
            "item_text": payload.get("item_text") if is_text_as_sent else first.get("memo"),
        }
        return ReadBack(fields, native_id=str(first["id"]))
