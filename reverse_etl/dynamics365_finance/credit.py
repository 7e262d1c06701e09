"""Credit limits, holds and order releases: between hub values and the product's customer.

The one trap is zero: a limit of 0 means "not checked" unless the limit is mandatory. So a limit is
only ever written as kind and amount together, and read back the same way (DESIGN §5). Customers
are changed under the ETag they have now; whoever changed them in between wins and we read again.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from ingestion.common.errors import (
    InputRefused,
    LedgerloopError,
    VendorAnswerInvalid,
    VendorRejected,
)
from ingestion.common.money import canonical_text
from ingestion.dynamics365_finance.client import D365Answer, D365Client, Operation, keyed
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
)
from reverse_etl.dynamics365_finance.settings import CUSTOMERS, KIND, OUTCOMES, D365Options
from reverse_etl.dynamics365_finance.values import company_of
from reverse_etl.ledger.commands import Command, Value
from reverse_etl.outcomes import found_by_fields, outcomes_of_whole, rejected_input
from reverse_etl.planning.governance import Governance, TargetObject

__all__ = ["CreditLimits", "OrderReleases", "changes_of", "customer_key"]

#: Statuses of a customer that hold nothing back.
_FREE = ("No", "Never", "Payment")
_HELD = ("Invoice", "All", "Requisition", "PurchOrder")


def customer_key(command: Command) -> dict[str, str]:
    """The key of the customer. The business key is ``customer/company``.

    Raises:
        InputRefused: the key has another form.
    """
    customer, _, company = command.business_key.partition("/")
    if not customer or not company:
        raise InputRefused(
            f"{command.business_key!r} is not customer/company",
            code="key_form",
            where="customer/company_code",
        )
    return {"dataAreaId": company_of(company), "CustomerAccount": customer}


def changes_of(payload: Mapping[str, Value], options: D365Options) -> dict[str, Any]:
    """The body of the change.

    Raises:
        InputRefused: an amount without its kind, a limit of zero that is not ``none_granted``.
    """
    body: dict[str, Any] = {}
    if "is_blocked" in payload:
        body["OnHoldStatus"] = options.hold_status if payload["is_blocked"] else "No"
    if "limit_kind" not in payload and "limit_amount" not in payload:
        return body
    kind = payload.get("limit_kind")
    amount = Decimal(str(payload.get("limit_amount") or "0"))
    if kind == "limited" and amount <= 0:
        raise InputRefused(
            f"a limit of {amount} would not be checked: to grant nothing, the kind must be "
            "none_granted",
            code="zero_limit",
            where="limit_amount",
        )
    if kind not in ("limited", "none_granted", "unlimited"):
        raise InputRefused(
            f"a limit amount needs its kind, got {kind!r}",
            code="limit_without_kind",
            where="limit_kind",
        )
    body["CreditLimit"] = amount if kind == "limited" else Decimal(0)
    body["CreditLimitIsMandatory"] = "No" if kind == "unlimited" else "Yes"
    if options.has_credit_management:
        body["CredManCustUnlimitedCredit"] = "Yes" if kind == "unlimited" else "No"
    return body


def kind_of(row: Mapping[str, Any]) -> str:
    """What the customer's limit means."""
    if row.get("CredManCustUnlimitedCredit") == "Yes":
        return "unlimited"
    if Decimal(str(row["CreditLimit"])):
        return "limited"
    return "none_granted" if row["CreditLimitIsMandatory"] == "Yes" else "unlimited"


def is_blocked(row: Mapping[str, Any]) -> bool:
    """Whether the customer is held. Raises VendorAnswerInvalid for an unknown symbol."""
    status = str(row["OnHoldStatus"])
    if status not in (*_FREE, *_HELD):
        raise VendorAnswerInvalid(
            f"customer status {status!r} is unknown: it means neither held nor free",
            code="unknown_status",
        )
    return status in _HELD


class CreditLimits:
    """``credit_limits/update``."""

    def __init__(self, client: D365Client, governance: Governance, options: D365Options) -> None:
        self._client = client
        self._target: TargetObject = governance.object(KIND, "credit_limits")
        self._options = options

    async def send(self, batch: Sequence[Sending]) -> dict[str, Outcome]:
        """Change each customer under the ETag it has now."""
        outcomes: dict[str, Outcome] = {}
        bodies: dict[str, dict[str, Any]] = {}
        for sending in batch:
            command = sending.command
            try:
                customer_key(command)
                bodies[command.command_id] = changes_of(command.payload, self._options)
            except InputRefused as refused:
                outcomes[command.command_id] = rejected_input(refused)
        good = [sending for sending in batch if sending.command.command_id in bodies]
        changing: list[tuple[Sending, Operation]] = []
        for sending, part in zip(good, await self._read(good), strict=True):
            command_id = sending.command.command_id
            if isinstance(part, LedgerloopError):
                outcomes[command_id] = _unread(part)
            else:
                path = keyed(CUSTOMERS, **customer_key(sending.command))
                operation = Operation("PATCH", path, bodies[command_id], part.etag)
                changing.append((sending, operation))
        outcomes.update(await self._change(changing))
        return outcomes

    async def _change(self, changing: Sequence[tuple[Sending, Operation]]) -> dict[str, Outcome]:
        """One by its own request, more in one batch with a change set each."""
        if not changing:
            return {}
        outcomes: dict[str, Outcome] = {}
        sendings = [sending for sending, _ in changing]
        try:
            if len(changing) == 1:
                one = changing[0][1]
                await self._client.change(one.method, one.path, one.body, etag=one.etag)
                results: Sequence[list[D365Answer] | LedgerloopError] = [[]]
            else:
                results = await self._client.batch([[operation] for _, operation in changing])
        except LedgerloopError as error:
            return outcomes_of_whole(sendings, error, OUTCOMES)
        for sending, result in zip(sendings, results, strict=True):
            command = sending.command
            if isinstance(result, LedgerloopError):
                outcomes[command.command_id] = OUTCOMES.of_error(result)
            else:
                outcomes[command.command_id] = Accepted(command.business_key)
        return outcomes

    async def _read(self, batch: Sequence[Sending]) -> list[D365Answer | LedgerloopError]:
        """The customer of every command, or why it could not be read."""
        paths = [keyed(CUSTOMERS, **customer_key(sending.command)) for sending in batch]
        try:
            if len(paths) == 1:
                return [await self._client.get(paths[0])]
            if not paths:
                return []
            results = await self._client.batch([[Operation("GET", path)] for path in paths])
        except LedgerloopError as error:
            return [error] * len(paths)
        return [one if isinstance(one, LedgerloopError) else one[0] for one in results]

    async def look_up(self, batch: Sequence[Sending]) -> dict[str, LookUp]:
        """Whether the customers hold what the commands want."""
        try:
            return found_by_fields(batch, await self.read_back(batch))
        except LedgerloopError as error:
            return {s.command.command_id: CannotTell(error.message) for s in batch}

    async def read_back(self, batch: Sequence[Sending]) -> dict[str, ReadBack]:
        """Raises LedgerloopError when a customer cannot be read."""
        found: dict[str, ReadBack] = {}
        for sending, part in zip(batch, await self._read(batch), strict=True):
            command = sending.command
            if isinstance(part, VendorRejected) and part.status == 404:
                found[command.command_id] = ReadBack(None)
            elif isinstance(part, LedgerloopError):
                raise part
            else:
                fields = _held(command.payload, part.entity)
                found[command.command_id] = ReadBack(fields, command.business_key)
        return found


def _held(payload: Mapping[str, Value], row: Mapping[str, Any]) -> dict[str, Value]:
    """The command's fields as the customer has them.

    The amount beside ``unlimited`` or ``none_granted`` means nothing: the command's own spelling
    (0 or none) is kept.
    """
    kind = kind_of(row)
    amount: Value = canonical_text(Decimal(str(row["CreditLimit"])))
    if kind != "limited" and payload.get("limit_kind") == kind and amount == "0":
        amount = payload.get("limit_amount")
    known: dict[str, Value] = {
        "limit_kind": kind,
        "limit_amount": amount,
        "is_blocked": is_blocked(row),
    }
    return {name: known.get(name) for name in payload}


def _unread(error: LedgerloopError) -> Outcome:
    """Why a customer could not be read; nothing was changed."""
    if isinstance(error, VendorRejected):
        if error.status == 404:
            return Rejected("no_customer", error.message, "customer")
        return OUTCOMES.of_error(error)
    outcome = OUTCOMES.of_error(error)
    return outcome if isinstance(outcome, Retry) else Retry(error.code, error.message)


class OrderReleases:
    """``sales_orders/release``: the credit hold of an order ends; it cannot be set again."""

    def __init__(self, client: D365Client, governance: Governance, options: D365Options) -> None:
        self._client = client
        self._target: TargetObject = governance.object(KIND, "sales_orders")
        self._options = options

    def _path(self, sending: Sending) -> str:
        """The hold's address. The business key is ``COMPANY-order``. Raises InputRefused."""
        company, _, order = sending.command.business_key.partition("-")
        if not company or not order:
            raise InputRefused(
                f"{sending.command.business_key!r} is not company-order",
                code="key_form",
                where="sales_order",
            )
        entity_set = self._options.order_holds_entity
        return keyed(entity_set, dataAreaId=company_of(company), SalesOrderNumber=order)

    async def send(self, batch: Sequence[Sending]) -> dict[str, Outcome]:
        """Release orders one after another; each has its own answer."""
        return {s.command.command_id: await self._release(s) for s in batch}

    async def _release(self, sending: Sending) -> Outcome:
        order, options = sending.command.business_key, self._options
        if sending.command.payload.get("is_credit_blocked") is not False:
            return Rejected("cannot_block", f"order {order}: only a release can be written")
        if not options.order_holds_entity or not options.release_action:
            return Rejected(
                "no_release_action",
                "this installation has no action that releases an order from credit hold: release "
                "it there (Credit management, Hold list); the hub sees it with the next reading",
            )
        try:
            await self._client.call(self._path(sending), options.release_action, {})
        except InputRefused as refused:
            return rejected_input(refused)
        except VendorRejected as error:
            # A refusal may only say that nothing is held any more.
            held = (await self.look_up([sending]))[sending.command.command_id]
            return Accepted(order) if isinstance(held, Found) else OUTCOMES.of_error(error)
        except LedgerloopError as error:
            return OUTCOMES.of_error(error)
        return Accepted(order)

    async def look_up(self, batch: Sequence[Sending]) -> dict[str, LookUp]:
        """Whether the orders are free of the hold."""
        found: dict[str, LookUp] = {}
        for sending in batch:
            command = sending.command
            try:
                shown = (await self.read_back([sending]))[command.command_id].fields
            except LedgerloopError as error:
                found[command.command_id] = CannotTell(error.message)
                continue
            is_free = shown is not None and shown["is_credit_blocked"] is False
            found[command.command_id] = Found(command.business_key) if is_free else Absent()
        return found

    async def read_back(self, batch: Sequence[Sending]) -> dict[str, ReadBack]:
        """Raises LedgerloopError when the holds cannot be read, or show an unknown status."""
        found: dict[str, ReadBack] = {}
        for sending in batch:
            command = sending.command
            try:
                row = (await self._client.get(self._path(sending))).entity
            except VendorRejected as error:
                if error.status != 404:
                    raise
                found[command.command_id] = ReadBack(None)
                continue
            status = str(row["HoldStatus"])
            if status not in ("None", "OnHold", "Released", "Rejected"):
                raise VendorAnswerInvalid(
                    f"order {command.business_key}: hold status {status!r} is unknown",
                    code="unknown_status",
                )
            is_held = status in ("OnHold", "Rejected")
            found[command.command_id] = ReadBack(
                {"is_credit_blocked": is_held}, command.business_key
            )
        return found
