"""``returned_payments/post``: the bank took a payment back, and what it had paid is open again.

Two steps. A journal entry under the hub's key takes the money off the bank's account and puts it
back on the customer: Oracle's own way for a returned check. Then the payment is applied to that
entry in place of everything it had paid, which reopens its invoices and leaves nothing of it. The
entry comes first, so that a refusal (a closed period) changes nothing; each step sent again changes
nothing either. The bank's fee stays open on the entry: the customer owes it.
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
)
from reverse_etl.ledger.commands import Value
from reverse_etl.netsuite.keyed import LINKS, Keyed, positive
from reverse_etl.netsuite.payments import needed, not_sent
from reverse_etl.netsuite.references import References, rows_in
from reverse_etl.netsuite.settings import KIND, OUTCOMES, NetSuiteOptions, external_id_of
from reverse_etl.outcomes import rejected_input
from reverse_etl.planning.governance import Governance

__all__ = ["ReturnedPayments"]

ZERO = Decimal(0)
#: The line of the journal entry on receivables; the bank's comes first.
_RECEIVABLE_LINE = 1
_SHOWN = """SELECT t.id, t.externalid, t.memo, m.subsidiary, u.symbol, a.acctnumber, c.entityid,
n.foreignamount, n.memo AS linememo, TO_CHAR(t.trandate, 'YYYY-MM-DD') AS trandate
FROM transaction t
JOIN transactionline m ON m.transaction = t.id AND m.mainline = 'T'
JOIN transactionaccountingline x ON x.transaction = t.id AND x.transactionline = m.id
JOIN account a ON a.id = x.account
JOIN currency u ON u.id = t.currency
JOIN transactionline n ON n.transaction = t.id AND n.id = 1
LEFT JOIN customer c ON c.id = n.entity
WHERE t.type = 'Journal' AND t.externalid"""
_PAYMENTS = "SELECT id FROM transaction WHERE type = 'CustPymt' AND id"


class ReturnedPayments:
    """See the module."""

    def __init__(
        self,
        client: NetSuiteClient,
        governance: Governance,
        options: NetSuiteOptions,
        references: References,
    ) -> None:
        target = governance.object(KIND, "returned_payments")
        self._keyed = Keyed(client, references, options, target, "Journal")

    # -- sending --------------------------------------------------------------------------------

    async def send(self, batch: Sequence[Sending]) -> dict[str, Outcome]:
        """One after another; a payment that is not there is refused before anything leaves."""
        payments = sorted({str(s.command.payload.get("receipt_document") or "") for s in batch})
        try:
            await self._keyed.load(batch)
            rows = await rows_in(self._keyed.client, _PAYMENTS, payments, order="id")
        except LedgerloopError as error:
            return not_sent(batch, error)
        there = {str(row["id"]) for row in rows}
        return {s.command.command_id: await self._send(s, there) for s in batch}

    async def _send(self, sending: Sending, payments: set[str]) -> Outcome:
        payload = sending.command.payload
        try:
            body = self._entry_of(payload)
            payment = needed(payload, "receipt_document")
            if payment not in payments:
                raise InputRefused(
                    f"NetSuite has no payment {payment}",
                    code="payment_missing",
                    where="receipt_document",
                )
        except InputRefused as refused:
            return rejected_input(refused)
        made = await self._keyed.put(sending, body)
        return await self._open_again(sending, made) if isinstance(made, Accepted) else made

    def _entry_of(self, payload: Mapping[str, Value]) -> dict[str, Any]:
        """The journal entry. Raises InputRefused for an amount or account that is none."""
        keyed, options = self._keyed, self._keyed.options
        whole = positive(payload, "amount")
        if payload.get("fee_amount"):
            whole += positive(payload, "fee_amount")
        receivables = keyed.references.id_of(
            "account", options.ar_gl_account, where="ar_gl_account"
        )
        customer, bank = keyed.customer_of(payload), keyed.account_of(payload)
        text = str(payload.get("item_text") or "")
        return {
            **keyed.head_of(payload),
            "memo": str(payload.get("bank_reference") or ""),
            "line": {
                "items": [
                    {"account": {"id": bank}, "credit": whole, "memo": text},
                    {
                        "account": {"id": receivables},
                        "debit": whole,
                        "entity": {"id": customer},
                        "memo": text,
                    },
                ]
            },
        }

    async def _open_again(self, sending: Sending, made: Accepted) -> Outcome:
        """Apply the payment to the entry and to nothing else."""
        payload = sending.command.payload
        payment = str(payload["receipt_document"])
        path = record_path("customerPayment", payment) + "?replace=apply,credit"
        line = {
            "doc": {"id": made.native_id},
            "line": _RECEIVABLE_LINE,
            "apply": True,
            "amount": positive(payload, "amount"),
        }
        try:
            await self._keyed.client.change("PATCH", path, {"apply": {"items": [line]}})
        except LedgerloopError as error:
            outcome = OUTCOMES.of_error(error)
            if isinstance(outcome, Rejected):
                text = (
                    f"journal entry {made.native_id} stands, but payment {payment} could not be "
                    f"applied to it: {outcome.message}"
                )
                return Rejected(outcome.code, text, "lines", is_partial=True)
            return outcome
        return made

    # -- looking --------------------------------------------------------------------------------

    async def _rows(self, batch: Sequence[Sending]) -> dict[str, list[dict[str, Any]]]:
        by_key = {external_id_of(s.external_key): s.command.command_id for s in batch}
        found: dict[str, list[dict[str, Any]]] = {s.command.command_id: [] for s in batch}
        for row in await rows_in(self._keyed.client, _SHOWN, sorted(by_key), order="t.id"):
            found[by_key[row["externalid"]]].append(row)
        return found

    async def _applied(self, entries: Sequence[str]) -> dict[tuple[str, str], Decimal]:
        """What payments hold of journal entries, by (entry, payment)."""
        found: dict[tuple[str, str], Decimal] = {}
        query = f"{LINKS}previousdoc"
        for row in await rows_in(self._keyed.client, query, entries, order="1, 2"):
            place = (str(row["previousdoc"]), str(row["nextdoc"]))
            found[place] = found.get(place, ZERO) + Decimal(str(row.get("foreignamount") or "0"))
        return found

    async def look_up(self, batch: Sequence[Sending]) -> dict[str, LookUp]:
        """Found when the entry stands under the external id and the payment is applied to it."""
        try:
            rows = await self._rows(batch)
            applied = await self._applied(_ids(rows))
        except LedgerloopError as error:
            return {s.command.command_id: CannotTell(error.message) for s in batch}
        return {s.command.command_id: _look_up(s, rows, applied) for s in batch}

    async def read_back(self, batch: Sequence[Sending]) -> dict[str, ReadBack]:
        """Raises LedgerloopError when the account cannot be read."""
        rows = await self._rows(batch)
        applied = await self._applied(_ids(rows))
        return {s.command.command_id: _shown(s, rows[s.command.command_id], applied) for s in batch}


def _ids(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    return sorted({str(one["id"]) for found in rows.values() for one in found})


def _is_applied(
    sending: Sending, entry: Mapping[str, Any], applied: Mapping[tuple[str, str], Decimal]
) -> bool:
    payload = sending.command.payload
    place = (str(entry["id"]), str(payload.get("receipt_document")))
    return applied.get(place) == Decimal(str(payload.get("amount")))


def _look_up(
    sending: Sending,
    rows: Mapping[str, Sequence[Mapping[str, Any]]],
    applied: Mapping[tuple[str, str], Decimal],
) -> LookUp:
    for entry in rows[sending.command.command_id]:
        if _is_applied(sending, entry, applied):
            return Found(str(entry["id"]))
    return Absent()


def _shown(
    sending: Sending,
    rows: Sequence[Mapping[str, Any]],
    applied: Mapping[tuple[str, str], Decimal],
) -> ReadBack:
    """What stands there: all entries under the key; the payment only where it is applied."""
    if not rows:
        return ReadBack(None)
    payload, first = sending.command.payload, rows[0]
    total = sum((abs(Decimal(str(row.get("foreignamount") or "0"))) for row in rows), ZERO)
    fee = Decimal(str(payload.get("fee_amount") or "0"))
    fields: dict[str, Value] = {
        **payload,
        "company_code": first.get("subsidiary"),
        "customer": str(first.get("entityid") or "").upper(),
        "amount": canonical_text(total - fee),
        "currency_code": first.get("symbol"),
        "posting_date": first.get("trandate"),
        "bank_gl_account": first.get("acctnumber"),
        "bank_reference": first.get("memo"),
        "item_text": first.get("linememo"),
    }
    if not _is_applied(sending, first, applied):
        fields["receipt_document"] = None
    return ReadBack(fields, native_id=str(first["id"]))
