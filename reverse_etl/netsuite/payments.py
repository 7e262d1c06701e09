"""``payments/post``: one receipt becomes one customer payment, or one journal entry.

It is made under the hub's key as external id (``PUT eid:``) and unapplied, so sending it again
changes nothing. Many at once travel as asynchronous collections with an idempotency key. Whatever
a job says, what counts is what stands under the key.
"""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from ingestion.common.errors import InputRefused, LedgerloopError
from ingestion.common.money import canonical_text
from ingestion.netsuite.client import Job, NetSuiteClient, record_path
from reverse_etl.delivery.writer import (
    Absent,
    Accepted,
    CannotTell,
    Found,
    LookUp,
    Outcome,
    ReadBack,
    Rejected,
    Retry,
    Sending,
    Unknown,
)
from reverse_etl.ledger.commands import Value
from reverse_etl.netsuite.references import References, rows_in
from reverse_etl.netsuite.settings import KIND, OUTCOMES, NetSuiteOptions, external_id_of
from reverse_etl.outcomes import outcomes_of_whole, rejected_input
from reverse_etl.planning.governance import Governance, TargetObject

__all__ = ["Payments", "idempotency_key_of", "needed", "not_sent"]

_NAMESPACE = uuid.UUID("6f0b7a5e-6c0e-5f0c-9d61-0d6d3f6d1d11")
_FIRST_POLL_SECONDS = 0.5
_POLL_SECONDS_MAX = 10.0
#: Payments show their own lines; a journal entry its line on the unidentified account. The bank's
#: line comes first in both.
_SHOWN = """SELECT t.id, t.externalid, t.type, t.foreigntotal, t.otherrefnum, t.memo,
TO_CHAR(t.trandate, 'YYYY-MM-DD') AS trandate, c.entityid, m.subsidiary, u.symbol, a.acctnumber,
n.foreignamount AS unidentifiedamount, n.memo AS linememo
FROM transaction t
JOIN transactionline m ON m.transaction = t.id AND m.mainline = 'T'
JOIN transactionaccountingline x ON x.transaction = t.id AND x.transactionline = m.id
JOIN account a ON a.id = x.account
JOIN currency u ON u.id = t.currency
LEFT JOIN customer c ON c.id = t.entity
LEFT JOIN transactionline n ON t.type = 'Journal' AND n.transaction = t.id AND n.id = 1
WHERE t.externalid"""


class Payments:
    """See the module."""

    def __init__(
        self,
        client: NetSuiteClient,
        governance: Governance,
        options: NetSuiteOptions,
        references: References,
    ) -> None:
        self._client = client
        self._target: TargetObject = governance.object(KIND, "payments")
        self._options = options
        self._references = references

    # -- sending --------------------------------------------------------------------------------

    async def send(self, batch: Sequence[Sending]) -> dict[str, Outcome]:
        """Make the records; a row that cannot be built is refused before anything leaves."""
        try:
            await self._load(batch)
        except LedgerloopError as error:
            return not_sent(batch, error)
        outcomes: dict[str, Outcome] = {}
        bodies: dict[str, list[tuple[Sending, dict[str, Any]]]] = {}
        for sending in batch:
            try:
                kind, body = self._body_of(sending)
            except InputRefused as refused:
                outcomes[sending.command.command_id] = rejected_input(refused)
            else:
                bodies.setdefault(kind, []).append((sending, body))
        for kind, rows in bodies.items():
            if len(rows) >= self._options.async_from:
                outcomes.update(await self._send_together(kind, rows))
            else:
                found = await asyncio.gather(*(self._send_one(kind, *row) for row in rows))
                for (sending, _), one in zip(rows, found, strict=True):
                    outcomes[sending.command.command_id] = one
        return outcomes

    async def _load(self, batch: Sequence[Sending]) -> None:
        payloads = [sending.command.payload for sending in batch]
        accounts = {str(one.get("bank_gl_account") or "") for one in payloads}
        await self._references.load("account", {*accounts, self._options.unidentified_gl_account})
        await self._references.load("currency", {str(one.get("currency_code")) for one in payloads})
        await self._references.load(
            "customer", {str(one.get("customer") or "") for one in payloads}
        )

    def _body_of(self, sending: Sending) -> tuple[str, dict[str, Any]]:
        """Record type and body. Raises InputRefused for what no receipt can be."""
        native = self._target.to_native(sending.command.payload)
        amount = Decimal(needed(native, "payment"))
        if amount <= 0:
            raise InputRefused(
                f"a receipt of {amount} cannot be posted: its amount must be positive",
                code="not_a_receipt",
                where="amount",
            )
        references, options = self._references, self._options
        bank = references.id_of("account", needed(native, "account"), where="bank_gl_account")
        shared: dict[str, Any] = {
            "subsidiary": {"id": needed(native, "subsidiary")},
            "currency": {
                "id": references.id_of(
                    "currency", needed(native, "currency"), where="currency_code"
                )
            },
            "tranDate": needed(native, "tranDate"),
        }
        text = str(native.get("memo") or "")
        reference = str(native.get("checkNumber") or "")
        if is_unidentified(sending):
            other = references.id_of(
                "account", options.unidentified_gl_account, where="unidentified_gl_account"
            )
            lines = [
                {"account": {"id": bank}, "debit": amount, "memo": text},
                {"account": {"id": other}, "credit": amount, "memo": text},
            ]
            return "journalEntry", {**shared, "memo": reference, "line": {"items": lines}}
        customer = references.id_of("customer", needed(native, "customer"), where="customer")
        return "customerPayment", {
            **shared,
            "customer": {"id": customer},
            "payment": amount,
            "account": {"id": bank},
            "undepFunds": False,
            "autoApply": False,
            "memo": text,
            "checkNumber": reference,
        }

    async def _send_one(self, kind: str, sending: Sending, body: Mapping[str, Any]) -> Outcome:
        path = record_path(kind, f"eid:{external_id_of(sending.external_key)}")
        try:
            return Accepted(await self._client.change("PUT", path, body))
        except LedgerloopError as error:
            return OUTCOMES.of_error(error, field_of=self._field_of)

    async def _send_together(
        self, kind: str, rows: Sequence[tuple[Sending, Mapping[str, Any]]]
    ) -> dict[str, Outcome]:
        """One collection as an asynchronous job; outcomes by external id, never by position."""
        batch = [sending for sending, _ in rows]
        items = [
            {"externalId": external_id_of(sending.external_key), **body} for sending, body in rows
        ]
        try:
            job = await self._client.submit(
                "PUT", kind, items, idempotency_key=idempotency_key_of(batch)
            )
            result = await self._result(job)
        except LedgerloopError as error:
            return outcomes_of_whole(batch, error, OUTCOMES)
        said = {str(one.get("externalId", "")): one for one in result or ()}
        held = await self.look_up(batch)
        return {
            sending.command.command_id: self._outcome(
                held[sending.command.command_id], said.get(external_id_of(sending.external_key))
            )
            for sending in batch
        }

    async def _result(self, job: Job) -> list[dict[str, Any]] | None:
        """What a job says at its end; None when it still works after ``job_seconds``."""
        waited, wait = 0.0, _FIRST_POLL_SECONDS
        while waited < self._options.job_seconds:
            result = await self._client.job_result(job)
            if result is not None:
                return result
            await self._client.pause(wait)
            waited += wait
            wait = min(2 * wait, _POLL_SECONDS_MAX)
        return None

    def _outcome(self, held: LookUp, said: Mapping[str, Any] | None) -> Outcome:
        if isinstance(held, Found):
            return Accepted(held.native_id)
        details = (said or {}).get("o:errorDetails") or []
        if isinstance(held, Absent) and details and isinstance(details[0], dict):
            first = details[0]
            return OUTCOMES.of_refusal(
                str(first.get("o:errorCode") or "refused"),
                str(first.get("detail") or "refused"),
                field_name=self._field_of(str(first.get("o:errorPath") or "")),
            )
        return Unknown("job_undecided", "the job named no outcome for this row")

    def _field_of(self, native: str) -> str:
        name = native.partition(".")[0].partition("[")[0]
        for field_name, governed in self._target.fields.items():
            if governed.native == name:
                return field_name
        return native

    # -- looking --------------------------------------------------------------------------------

    async def _rows(self, batch: Sequence[Sending]) -> dict[str, list[dict[str, Any]]]:
        """Transactions under each command's external id, by command id."""
        by_key = {external_id_of(s.external_key): s.command.command_id for s in batch}
        found: dict[str, list[dict[str, Any]]] = {s.command.command_id: [] for s in batch}
        for row in await rows_in(self._client, _SHOWN, sorted(by_key), order="t.id"):
            found[by_key[row["externalid"]]].append(row)
        return found

    async def look_up(self, batch: Sequence[Sending]) -> dict[str, LookUp]:
        """By the external id, of payments and journal entries alike."""
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
        return {s.command.command_id: self._shown(rows[s.command.command_id]) for s in batch}

    def _shown(self, rows: Sequence[Mapping[str, Any]]) -> ReadBack:
        """The sum over all under the key: a payment beside a journal shows as twice the money."""
        if not rows:
            return ReadBack(None)
        first = rows[0]
        is_journal = first["type"] == "Journal"
        amount = sum((_amount(row) for row in rows), Decimal(0))
        fields = self._target.from_native(
            {
                "subsidiary": first.get("subsidiary"),
                "customer": None if is_journal else str(first.get("entityid") or "").upper(),
                "payment": canonical_text(amount),
                "currency": first.get("symbol"),
                "tranDate": first.get("trandate"),
                "account": first.get("acctnumber"),
                "checkNumber": first.get("memo" if is_journal else "otherrefnum"),
                "memo": first.get("linememo" if is_journal else "memo"),
            }
        )
        fields["posting_kind"] = "unidentified" if is_journal else "customer"
        return ReadBack(fields, native_id=str(first["id"]))


def _amount(row: Mapping[str, Any]) -> Decimal:
    if row["type"] == "Journal":
        return abs(Decimal(str(row.get("unidentifiedamount") or "0")))
    return Decimal(str(row.get("foreigntotal") or "0"))


def is_unidentified(sending: Sending) -> bool:
    """Whether the receipt goes to the account for unidentified receipts.

    Raises:
        InputRefused: the kind of posting is neither of the two.
    """
    kind = sending.command.payload.get("posting_kind")
    if kind not in ("customer", "unidentified"):
        raise InputRefused(
            f"posting kind {kind!r} is neither customer nor unidentified",
            code="posting_kind",
            where="posting_kind",
        )
    return kind == "unidentified"


def idempotency_key_of(batch: Sequence[Sending]) -> str:
    """One key per set of commands and attempt: the same request is the same job."""
    parts = sorted(f"{s.command.command_id}/{s.attempt}" for s in batch)
    return str(uuid.uuid5(_NAMESPACE, "\n".join(parts)))


def needed(native: Mapping[str, Value], name: str) -> str:
    """A value that must be there. Raises InputRefused."""
    value = native.get(name)
    if value in (None, ""):
        raise InputRefused(f"{name} is missing", code="field_missing", where=name)
    return str(value)


def not_sent(batch: Sequence[Sending], error: LedgerloopError) -> dict[str, Outcome]:
    """What was wanted could not even be looked up: certainly no effect."""
    outcomes = outcomes_of_whole(batch, error, OUTCOMES)
    return {key: _certain(one, error) for key, one in outcomes.items()}


def _certain(outcome: Outcome, error: LedgerloopError) -> Outcome:
    if isinstance(outcome, Unknown):
        return Retry(error.code or "not_read", error.message)
    if isinstance(outcome, Rejected):
        return Rejected(outcome.code, outcome.message, is_business=False)
    return outcome
