"""``credit_limits/update``: a customer's credit limit, and the status that stands for a hold.

``Put_Customer`` replaces the customer, so it is read whole, changed and put back. The trap is
zero: an empty ``Credit_Limit`` is no limit, zero grants nothing; kind and amount are written
together. Workday has no version of a row: a person's change between our read and our put is lost,
so the two follow each other at once.
"""

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal

from lxml import etree

from ingestion.common.errors import InputRefused, LedgerloopError
from ingestion.common.money import canonical_text
from ingestion.workday.client import WorkdayClient, add, add_reference, id_of, qualified, text_at
from reverse_etl.delivery.writer import (
    Accepted,
    CannotTell,
    LookUp,
    Outcome,
    ReadBack,
    Rejected,
    Sending,
)
from reverse_etl.ledger.commands import Command, Value
from reverse_etl.outcomes import found_by_fields, rejected_input
from reverse_etl.planning.governance import TargetObject
from reverse_etl.workday.forms import copied_data, put_in_order, remove
from reverse_etl.workday.settings import CUSTOMER_ORDER, OUTCOMES, WorkdayOptions

__all__ = ["CreditLimits"]

_DATA = "Customer_Data"
_STATUS = "Customer_Status_Data"
_CURRENCY = "Credit_Limit_Currency_Reference"


class CreditLimits:
    """See ``reverse_etl.workday.writer``. The business key is ``customer/segment``."""

    def __init__(
        self, client: WorkdayClient, target: TargetObject, options: WorkdayOptions
    ) -> None:
        self._client = client
        self._target = target
        self._options = options

    async def send(self, batch: Sequence[Sending]) -> dict[str, Outcome]:
        """One customer after the other is read and put."""
        found = await asyncio.gather(*(self._put(sending.command) for sending in batch))
        return {s.command.command_id: one for s, one in zip(batch, found, strict=True)}

    async def _put(self, command: Command) -> Outcome:
        customer = _customer_of(command)
        try:
            rows = await self._client.get("Get_Customers", [customer])
            if not rows:
                return Rejected("no_customer", f"customer {customer} does not exist", "customer")
            data = copied_data(rows[0], _DATA)
            self._change(command, data)
            content = self._client.request("Put_Customer")
            add_reference(content, "Customer_Reference", "Customer_ID", customer)
            content.append(data)
            await self._client.change(content)
        except InputRefused as refused:
            return rejected_input(refused)
        except LedgerloopError as error:
            return OUTCOMES.of_error(error)
        return Accepted(customer)

    def _change(self, command: Command, data: etree._Element) -> None:
        payload = command.payload
        if "limit_kind" in payload or "limit_amount" in payload:
            self._set_limit(payload.get("limit_kind"), payload.get("limit_amount"), data)
        if "is_blocked" in payload:
            self._set_status(payload, data)

    def _set_limit(self, kind: Value, amount_text: Value, data: etree._Element) -> None:
        """Kind and amount together. Raises InputRefused for a zero that is not meant."""
        if kind == "unlimited":
            if not self._options.unlimited_is_empty:
                raise InputRefused(
                    "this tenant has no verified way to say unlimited (option unlimited_is_empty)",
                    code="unlimited_not_mapped",
                    where="limit_kind",
                )
            remove(data, ["Credit_Limit"])
            return
        if kind not in ("limited", "none_granted"):
            raise InputRefused(
                f"a limit amount needs its kind, got {kind!r}",
                code="limit_without_kind",
                where="limit_kind",
            )
        amount = Decimal(str(amount_text or "0")) if kind == "limited" else Decimal(0)
        if kind == "limited" and amount <= 0:
            raise InputRefused(
                f"a limit of {amount}: to grant nothing, the kind must be none_granted",
                code="zero_limit",
                where="limit_amount",
            )
        if data.find(qualified(_CURRENCY)) is None:
            own = id_of(data.find(qualified("Currency_Reference")))
            if not own:
                raise InputRefused(
                    "the customer has no currency: give it one before a limit",
                    code="no_limit_currency",
                    where="limit_amount",
                )
            put_in_order(data, _reference(_CURRENCY, "Currency_ID", own), CUSTOMER_ORDER)
        remove(data, ["Credit_Limit"])
        limit = etree.Element(qualified("Credit_Limit"))
        limit.text = format(amount, "f")
        put_in_order(data, limit, CUSTOMER_ORDER)

    def _set_status(self, payload: Mapping[str, Value], data: etree._Element) -> None:
        is_blocked = payload["is_blocked"] is True
        options = self._options
        status = etree.Element(qualified(_STATUS))
        value = options.hold_status if is_blocked else options.active_status
        add_reference(status, "Customer_Status_Value_Reference", "Customer_Status_Value_ID", value)
        if is_blocked and payload.get("block_reason"):
            add_reference(
                status,
                "Reason_for_Customer_Status_Change_Reference",
                options.reason_id_type,
                str(payload["block_reason"]),
            )
        remove(data, [_STATUS])
        put_in_order(data, status, CUSTOMER_ORDER)

    async def look_up(self, batch: Sequence[Sending]) -> dict[str, LookUp]:
        """Whether the customers hold what the commands want."""
        try:
            return found_by_fields(batch, await self.read_back(batch))
        except LedgerloopError as error:
            return {s.command.command_id: CannotTell(error.message) for s in batch}

    async def read_back(self, batch: Sequence[Sending]) -> dict[str, ReadBack]:
        """Raises LedgerloopError when Workday cannot be read."""
        customers = sorted({_customer_of(s.command) for s in batch})
        rows = await self._client.get("Get_Customers", customers)
        by_id = {text_at(row, f"{_DATA}/Customer_ID"): row for row in rows}
        return {
            s.command.command_id: self._shown(s.command, by_id.get(_customer_of(s.command)))
            for s in batch
        }

    def _shown(self, command: Command, row: etree._Element | None) -> ReadBack:
        if row is None:
            return ReadBack(None)
        text = text_at(row, f"{_DATA}/Credit_Limit")
        kind = _kind_of(text)
        amount: Value = canonical_text(Decimal(text)) if text else None
        payload = command.payload
        if kind != "limited" and payload.get("limit_kind") == kind:
            # The amount beside another kind means nothing: the command's own spelling is kept.
            amount = payload.get("limit_amount")
        status = row.find(f"{qualified(_DATA)}/{qualified(_STATUS)}")
        value = reason = ""
        if status is not None:
            value = id_of(status.find(qualified("Customer_Status_Value_Reference")))
            reason = id_of(status.find(qualified("Reason_for_Customer_Status_Change_Reference")))
        is_blocked = value == self._options.hold_status
        shown: dict[str, Value] = {
            "limit_kind": kind,
            "limit_amount": amount,
            "is_blocked": is_blocked,
            "block_reason": (reason or None) if is_blocked else None,
        }
        held = {name: shown.get(name) for name in payload}
        return ReadBack(held, native_id=_customer_of(command))


def _kind_of(text: str) -> str:
    if not text:
        return "unlimited"
    return "limited" if Decimal(text) > 0 else "none_granted"


def _customer_of(command: Command) -> str:
    return command.business_key.rpartition("/")[0] or command.business_key


def _reference(name: str, id_type: str, text: str) -> etree._Element:
    element = etree.Element(qualified(name))
    add(element, "ID", text).set(qualified("type"), id_type)
    return element
