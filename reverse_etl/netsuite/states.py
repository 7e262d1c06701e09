"""Credit limits, holds and order releases.

No limit (null) is unlimited and zero grants nothing, so kind and amount are written as one value. A
hold is ``ON`` and its release ``AUTO``, which leaves the decision to the limit; ``OFF`` would
switch every check off and is never written. A release approves an order that waits for approval.
"""

import asyncio
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
from reverse_etl.ledger.commands import Command, Value
from reverse_etl.netsuite.payments import not_sent
from reverse_etl.netsuite.references import References, rows_in
from reverse_etl.netsuite.settings import OUTCOMES, NetSuiteOptions
from reverse_etl.outcomes import found_by_fields, rejected_input

__all__ = ["CreditLimits", "OrderReleases", "changes_of"]

_CUSTOMERS = """SELECT id, UPPER(entityid) AS entityid, creditlimit, creditholdoverride
FROM customer WHERE UPPER(entityid)"""
_ORDERS = "SELECT id, status FROM transaction WHERE type = 'SalesOrd' AND id"
_HOLD, _RELEASE = "ON", "AUTO"


def changes_of(command: Command) -> dict[str, Any]:
    """The body of the change.

    Raises:
        InputRefused: an amount without its kind, or a granted limit that is not above zero.
    """
    payload = command.payload
    body: dict[str, Any] = {}
    if "limit_kind" in payload or "limit_amount" in payload:
        body["creditLimit"] = _limit(payload.get("limit_kind"), payload.get("limit_amount"))
    if payload.get("is_blocked") is not None:
        body["creditHoldOverride"] = {"id": _HOLD if payload["is_blocked"] else _RELEASE}
    return body


def _limit(kind: Value, amount_text: Value) -> Decimal | None:
    if kind == "unlimited":
        return None
    if kind == "none_granted":
        return Decimal(0)
    amount = Decimal(str(amount_text or "0"))
    if kind != "limited" or amount <= 0:
        raise InputRefused(
            f"a limit of {amount} with the kind {kind!r}: a granted limit needs its kind and an "
            "amount above zero",
            code="limit_without_kind" if kind != "limited" else "zero_limit",
            where="limit_kind",
        )
    return amount


def _customer_of(sending: Sending) -> str:
    return sending.command.business_key.partition("/")[0]


class CreditLimits:
    """``credit_limits/update``: fields of the customer."""

    def __init__(self, client: NetSuiteClient, references: References) -> None:
        self._client = client
        self._references = references

    async def send(self, batch: Sequence[Sending]) -> dict[str, Outcome]:
        try:
            await self._references.load("customer", {_customer_of(s) for s in batch})
        except LedgerloopError as error:
            return not_sent(batch, error)
        found = await asyncio.gather(*(self._send(s) for s in batch))
        return {s.command.command_id: one for s, one in zip(batch, found, strict=True)}

    async def _send(self, sending: Sending) -> Outcome:
        try:
            number = self._references.id_of("customer", _customer_of(sending), where="customer")
            body = changes_of(sending.command)
        except InputRefused as refused:
            return rejected_input(refused)
        try:
            await self._client.change("PATCH", record_path("customer", number), body)
        except LedgerloopError as error:
            return OUTCOMES.of_error(error)
        return Accepted(sending.command.business_key)

    async def look_up(self, batch: Sequence[Sending]) -> dict[str, LookUp]:
        """Whether the customers hold what the commands want."""
        try:
            return found_by_fields(batch, await self.read_back(batch))
        except LedgerloopError as error:
            return {s.command.command_id: CannotTell(error.message) for s in batch}

    async def read_back(self, batch: Sequence[Sending]) -> dict[str, ReadBack]:
        """Raises LedgerloopError when the account cannot be read."""
        names = sorted({_customer_of(s).upper() for s in batch})
        rows = {
            row["entityid"]: row
            for row in await rows_in(self._client, _CUSTOMERS, names, order="id")
        }
        return {
            s.command.command_id: _shown(s.command, rows.get(_customer_of(s).upper()))
            for s in batch
        }


def _shown(command: Command, row: Mapping[str, Any] | None) -> ReadBack:
    """What a customer holds, in hub names: only the fields the command is about."""
    if row is None:
        return ReadBack(None)
    limit = row.get("creditlimit")
    amount = None if limit is None else Decimal(str(limit))
    kind = "unlimited" if amount is None else "limited" if amount else "none_granted"
    fields: dict[str, Value] = {
        "limit_kind": kind,
        "limit_amount": None if amount is None else canonical_text(amount),
        "is_blocked": row.get("creditholdoverride") == _HOLD,
    }
    if kind != "limited" and command.payload.get("limit_kind") == kind:
        # The amount beside these kinds means nothing: the command's own spelling is kept.
        fields["limit_amount"] = command.payload.get("limit_amount")
    held = {name: fields.get(name) for name in command.payload}
    return ReadBack(held, native_id=command.business_key)


class OrderReleases:
    """``sales_orders/release``: an order that waits for approval is approved."""

    def __init__(self, client: NetSuiteClient, options: NetSuiteOptions) -> None:
        self._client = client
        self._options = options

    async def send(self, batch: Sequence[Sending]) -> dict[str, Outcome]:
        """One after another; what is approved already is the effect we want."""
        return {s.command.command_id: await self._release(s) for s in batch}

    async def _release(self, sending: Sending) -> Outcome:
        order = sending.command.business_key
        if sending.command.payload.get("is_credit_blocked") is not False:
            return Rejected(
                "cannot_block", f"order {order}: only a release can be written", "is_credit_blocked"
            )
        held = (await self.look_up([sending]))[sending.command.command_id]
        if isinstance(held, Found):
            return Accepted(order)
        body = {"orderStatus": {"id": self._options.approved_order_status}}
        try:
            await self._client.change("PATCH", record_path("salesOrder", order), body)
        except LedgerloopError as error:
            outcome = OUTCOMES.of_error(error)
            if not isinstance(outcome, Rejected):
                return outcome
            held = (await self.look_up([sending]))[sending.command.command_id]
            if isinstance(held, CannotTell):
                return Unknown("release_unseen", held.reason)
            return Accepted(order) if isinstance(held, Found) else outcome
        return Accepted(order)

    async def _statuses(self, batch: Sequence[Sending]) -> dict[str, str]:
        orders = sorted({s.command.business_key for s in batch})
        rows = await rows_in(self._client, _ORDERS, orders, order="id")
        return {str(row["id"]): str(row.get("status", "")).rpartition(":")[2] for row in rows}

    async def look_up(self, batch: Sequence[Sending]) -> dict[str, LookUp]:
        """Whether the orders wait for approval no more."""
        try:
            statuses = await self._statuses(batch)
        except LedgerloopError as error:
            return {s.command.command_id: CannotTell(error.message) for s in batch}
        found: dict[str, LookUp] = {}
        for sending in batch:
            order = sending.command.business_key
            status = statuses.get(order)
            is_free = bool(status) and status != self._options.pending_order_status
            found[sending.command.command_id] = Found(order) if is_free else Absent()
        return found

    async def read_back(self, batch: Sequence[Sending]) -> dict[str, ReadBack]:
        """Raises LedgerloopError when the orders cannot be read."""
        statuses = await self._statuses(batch)
        found: dict[str, ReadBack] = {}
        for sending in batch:
            order = sending.command.business_key
            status = statuses.get(order)
            found[sending.command.command_id] = (
                ReadBack(None)
                if not status
                else ReadBack(
                    {"is_credit_blocked": status == self._options.pending_order_status}, order
                )
            )
        return found
