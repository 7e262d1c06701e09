"""``disputes/upsert``: the collection status of a transaction, where the product keeps disputes.

There is at most one per transaction: it is found by the transaction's record id, changed under its
ETag, or made. The business key is ``company/record id``.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from ingestion.common.errors import InputRefused, LedgerloopError, VendorRejected
from ingestion.common.money import canonical_text
from ingestion.dynamics365_finance.client import D365Client, keyed, literal
from reverse_etl.delivery.writer import (
    Accepted,
    CannotTell,
    LookUp,
    Outcome,
    ReadBack,
    Retry,
    Sending,
)
from reverse_etl.dynamics365_finance.settings import DISPUTES, KIND, OUTCOMES, D365Options
from reverse_etl.dynamics365_finance.values import company_of, noon, plain_date
from reverse_etl.ledger.commands import Value
from reverse_etl.outcomes import found_by_fields, rejected_input
from reverse_etl.planning.governance import Governance, TargetObject

__all__ = ["Disputes"]


class Disputes:
    """Fits the writer's verbs."""

    def __init__(self, client: D365Client, governance: Governance, options: D365Options) -> None:
        self._client = client
        self._target: TargetObject = governance.object(KIND, "disputes")
        self._options = options

    async def send(self, batch: Sequence[Sending]) -> dict[str, Outcome]:
        """Set each status by itself."""
        return {s.command.command_id: await self._set(s) for s in batch}

    async def _set(self, sending: Sending) -> Outcome:
        key = sending.command.business_key
        try:
            company, record = _place(sending)
            body = self._body(sending)
            row = await self._row(company, record)
        except InputRefused as refused:
            return rejected_input(refused)
        except VendorRejected as error:
            return OUTCOMES.of_error(error)
        except LedgerloopError as error:
            outcome = OUTCOMES.of_error(error)
            return outcome if isinstance(outcome, Retry) else Retry(error.code, error.message)
        try:
            if row is None:
                known = {"dataAreaId": company, "CustTrans": record}
                await self._client.change("POST", DISPUTES, {**known, **body})
            else:
                path = keyed(DISPUTES, dataAreaId=company, SysRecId=int(row["SysRecId"]))
                await self._client.change("PATCH", path, body, etag=str(row["@odata.etag"]))
        except LedgerloopError as error:
            return OUTCOMES.of_error(error)
        return Accepted(key)

    def _body(self, sending: Sending) -> dict[str, Any]:
        """The fields of the change. Raises InputRefused for a wrong one."""
        payload = dict(sending.command.payload)
        body: dict[str, Any] = self._target.to_native(payload)
        if "ReasonCode" in body:
            body["ReasonCode"] = self._options.native_reason(str(body["ReasonCode"] or "OTHER"))
        if "AmountCur" in body:
            body["AmountCur"] = Decimal(str(body["AmountCur"] or "0"))
        if "FollowUpDate" in body:
            day = body["FollowUpDate"]
            body["FollowUpDate"] = noon(str(day or "1900-01-01"), "follow_up_date")
        return {name: "" if value is None else value for name, value in body.items()}

    async def _row(self, company: str, record: int) -> dict[str, Any] | None:
        text = f"CustTrans eq {record} and dataAreaId eq {literal(company)}"
        rows = await self._client.rows(DISPUTES, text)
        return rows[0] if rows else None

    async def look_up(self, batch: Sequence[Sending]) -> dict[str, LookUp]:
        """Whether the statuses are as the commands want them."""
        try:
            return found_by_fields(batch, await self.read_back(batch))
        except LedgerloopError as error:
            return {s.command.command_id: CannotTell(error.message) for s in batch}

    async def read_back(self, batch: Sequence[Sending]) -> dict[str, ReadBack]:
        """Raises LedgerloopError when the statuses cannot be read."""
        found: dict[str, ReadBack] = {}
        for sending in batch:
            command = sending.command
            row = await self._row(*_place(sending))
            if row is None:
                found[command.command_id] = ReadBack(None)
                continue
            shown = {
                **row,
                "AmountCur": canonical_text(Decimal(str(row["AmountCur"]))),
                "FollowUpDate": plain_date(row["FollowUpDate"]),
            }
            fields: dict[str, Value] = self._target.from_native(shown)
            wanted = command.payload.get("reason_code")
            if wanted and self._options.native_reason(str(wanted)) == row["ReasonCode"]:
                fields["reason_code"] = wanted
            held = {name: fields.get(name) for name in command.payload}
            found[command.command_id] = ReadBack(held, command.business_key)
        return found


def _place(sending: Sending) -> tuple[str, int]:
    company, _, record = sending.command.business_key.partition("/")
    if not company or not record.isdigit():
        raise InputRefused(
            f"{sending.command.business_key!r} is not company/record id",
            code="key_form",
            where="company_code/document",
        )
    return company_of(company), int(record)
