"""``credit_memos/post``: a decided deduction as a free text invoice with a negative amount.

The hub's key travels as external invoice id and as the customer's reference, which the posted
transaction keeps; it corrects the invoice, and the product settles the two when it is posted.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from ingestion.common.errors import InputRefused, LedgerloopError, VendorRejected
from ingestion.common.money import canonical_text
from ingestion.dynamics365_finance.client import D365Client, Operation
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
from reverse_etl.dynamics365_finance.settings import (
    INVOICE_LINES,
    INVOICES,
    KIND,
    OUTCOMES,
    D365Options,
)
from reverse_etl.dynamics365_finance.values import (
    amount_in,
    company_of,
    needed,
    noon,
    plain_date,
    rows_with,
)
from reverse_etl.ledger.commands import Value
from reverse_etl.outcomes import outcomes_of_whole, rejected_input
from reverse_etl.planning.governance import Governance, TargetObject

__all__ = ["CreditMemos"]


class CreditMemos:
    """Fits the writer's verbs."""

    def __init__(self, client: D365Client, governance: Governance, options: D365Options) -> None:
        self._client = client
        self._target: TargetObject = governance.object(KIND, "credit_memos")
        self._options = options

    def _bodies(self, sending: Sending) -> list[Operation]:
        """Header and line. Raises InputRefused for a missing or wrong field."""
        payload, key = sending.command.payload, sending.external_key
        kind, options = needed(payload, "posting_kind"), self._options
        accounts = {"credit_memo": options.returns_account, "write_off": options.write_off_account}
        if kind not in accounts:
            raise InputRefused(
                f"posting kind {kind!r} is unknown", code="posting_kind", where="posting_kind"
            )
        currency_code = needed(payload, "currency_code")
        company = company_of(needed(payload, "company_code"))
        header = {
            "dataAreaId": company,
            "CustomerAccount": needed(payload, "customer"),
            "InvoiceDate": noon(needed(payload, "posting_date"), "posting_date"),
            "CurrencyCode": currency_code,
            "CorrectionReasonCode": options.native_reason(needed(payload, "reason_code")),
            "IsCorrection": "Yes",
            "CorrectedInvoiceId": needed(payload, "invoice_number"),
            "ExternalInvoiceId": key,
            "CustomerReference": key,
        }
        line = {
            "dataAreaId": company,
            "ExternalInvoiceId": key,
            "LineNumber": Decimal(1),
            "MainAccountDisplayValue": accounts[kind],
            "Description": str(payload.get("item_text") or ""),
            "TransactionCurrencyAmount": -amount_in(payload, "amount", currency_code),
        }
        return [Operation("POST", INVOICES, header), Operation("POST", INVOICE_LINES, line)]

    async def send(self, batch: Sequence[Sending]) -> dict[str, Outcome]:
        """Write each credit note in a change set of its own."""
        outcomes: dict[str, Outcome] = {}
        good: list[tuple[Sending, list[Operation]]] = []
        for sending in batch:
            try:
                good.append((sending, self._bodies(sending)))
            except InputRefused as refused:
                outcomes[sending.command.command_id] = rejected_input(refused)
        if not good:
            return outcomes
        sendings = [sending for sending, _ in good]
        try:
            results = await self._client.batch([operations for _, operations in good])
        except LedgerloopError as error:
            return {**outcomes, **outcomes_of_whole(sendings, error, OUTCOMES)}
        for sending, result in zip(sendings, results, strict=True):
            if isinstance(result, VendorRejected) and result.code == "already_exists":
                outcome = await self._existing(sending, result)
            elif isinstance(result, LedgerloopError):
                outcome = OUTCOMES.of_error(result)
            else:
                outcome = Accepted(_native_id(result[0].entity))
            outcomes[sending.command.command_id] = outcome
        return outcomes

    async def _existing(self, sending: Sending, refused: VendorRejected) -> Outcome:
        """The same external id is there: it is this command's own, of an earlier delivery."""
        answer = (await self.look_up([sending]))[sending.command.command_id]
        if isinstance(answer, Found):
            return Accepted(answer.native_id)
        if isinstance(answer, CannotTell):
            return Unknown("refused_unseen", answer.reason)
        return Rejected(refused.code, refused.message, is_business=False)

    async def _headers(self, batch: Sequence[Sending]) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {s.external_key: [] for s in batch}
        for row in await rows_with(self._client, INVOICES, "ExternalInvoiceId", [*found]):
            found[row["ExternalInvoiceId"]].append(row)
        return found

    async def look_up(self, batch: Sequence[Sending]) -> dict[str, LookUp]:
        """By the external invoice id, posted or not."""
        try:
            found = await self._headers(batch)
        except LedgerloopError as error:
            return {s.command.command_id: CannotTell(error.message) for s in batch}
        return {
            s.command.command_id: Found(_native_id(rows[0])) if rows else Absent()
            for s in batch
            for rows in (found[s.external_key],)
        }

    async def read_back(self, batch: Sequence[Sending]) -> dict[str, ReadBack]:
        """What was posted. Raises LedgerloopError when that cannot be read."""
        headers = await self._headers(batch)
        posted = await rows_with(
            self._client,
            self._options.open_transactions_entity,
            "CustomerReference",
            [s.external_key for s in batch],
        )
        found: dict[str, ReadBack] = {}
        for sending in batch:
            rows = headers[sending.external_key]
            effects = [r for r in posted if r["CustomerReference"] == sending.external_key]
            if not rows:
                found[sending.command.command_id] = ReadBack(None)
            elif rows[0]["IsPosted"] != "Yes" or not effects:
                native_id = _native_id(rows[0])
                found[sending.command.command_id] = ReadBack(None, native_id, is_pending=True)
            else:
                found[sending.command.command_id] = self._shown(sending, rows[0], effects)
        return found

    def _shown(
        self, sending: Sending, header: dict[str, Any], effects: Sequence[dict[str, Any]]
    ) -> ReadBack:
        """The credit note in hub names; a doubled one shows twice its amount.

        Reason and account stand on what was written once and cannot be changed by the posting.
        """
        payload = sending.command.payload
        total = -sum((Decimal(row["AmountCur"]) for row in effects), Decimal(0))
        company = str(payload.get("company_code") or "")
        shown: dict[str, Value] = {
            **payload,
            "company_code": company if company.lower() == header["dataAreaId"] else None,
            "customer": header["CustomerAccount"],
            "amount": canonical_text(total),
            "currency_code": header["CurrencyCode"],
            "posting_date": plain_date(header["InvoiceDate"]),
            "invoice_number": header["CorrectedInvoiceId"],
        }
        return ReadBack(shown, _native_id(header))


def _native_id(header: dict[str, Any]) -> str:
    return f"{header['dataAreaId']}/{header['FreeTextNumber']}"
