"""Credit accounts and order releases: the OData half of the writer.

A credit account is read for its ETag just before it is changed, one by one or in two batches (read,
change); whoever changed it in between wins and we read again. A release that is already there is
the effect we want. What values mean stands in ``credit``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ingestion.common.errors import (
    InputRefused,
    LedgerloopError,
    VendorAnswerInvalid,
    VendorRejected,
)
from ingestion.sap_s4hana.client import BatchOperation, SapAnswer, SapClient
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
from reverse_etl.outcomes import Action, found_by_fields, outcomes_of_whole, rejected_input
from reverse_etl.planning.governance import Governance, TargetObject
from reverse_etl.sap_s4hana.credit import (
    account_path,
    account_read_back,
    changes_of,
    is_blocked,
    order_fields,
)
from reverse_etl.sap_s4hana.items import rows_where
from reverse_etl.sap_s4hana.settings import (
    CREDIT_SERVICE,
    ORDERS,
    ORDERS_SERVICE,
    OUTCOMES,
    RELEASE_SERVICE,
    SapOptions,
)

__all__ = ["CreditAccounts", "OrderReleases"]

KIND = "sap_s4hana"
#: Types of SAP's messages: success, information, warning; error, abort.
_GOOD_TYPES, _BAD_TYPES = ("S", "I", "W"), ("E", "A")
#: What one operation of a batch became.
Part = SapAnswer | LedgerloopError


class CreditAccounts:
    """``credit_accounts/update``."""

    def __init__(self, client: SapClient, governance: Governance, options: SapOptions) -> None:
        self._client = client
        self._target: TargetObject = governance.object(KIND, "credit_accounts")
        self._options = options

    async def send(self, batch: Sequence[Sending]) -> dict[str, Outcome]:
        """Change each account under the ETag it has now."""
        outcomes: dict[str, Outcome] = {}
        bodies: dict[str, tuple[str, dict[str, Value]]] = {}
        for sending in batch:
            command = sending.command
            try:
                path = account_path(command)
                bodies[command.command_id] = path, changes_of(command, self._target, self._options)
            except InputRefused as refused:
                outcomes[command.command_id] = rejected_input(refused)
        good = [sending for sending in batch if sending.command.command_id in bodies]
        etags: dict[str, str] = {}
        for sending, part in zip(good, await self._read(good), strict=True):
            command_id = sending.command.command_id
            if isinstance(part, LedgerloopError):
                outcomes[command_id] = _unread(part)
            else:
                etags[command_id] = part.etag
        changing = [sending for sending in good if sending.command.command_id in etags]
        operations = [
            BatchOperation("PATCH", path, body, etags[sending.command.command_id])
            for sending in changing
            for path, body in (bodies[sending.command.command_id],)
        ]
        try:
            parts = await self._run(operations)
        except LedgerloopError as error:
            return {**outcomes, **outcomes_of_whole(changing, error, OUTCOMES)}
        for sending, part in zip(changing, parts, strict=True):
            outcomes[sending.command.command_id] = self._outcome(sending, part)
        return outcomes

    async def _read(self, batch: Sequence[Sending]) -> list[Part]:
        """The account of every command, or why it could not be read."""
        paths = [account_path(sending.command) for sending in batch]
        try:
            if len(paths) == 1:
                return [await self._client.get(f"{CREDIT_SERVICE}/{paths[0]}")]
            return await self._run([BatchOperation("GET", path) for path in paths])
        except LedgerloopError as error:
            return [error] * len(paths)

    async def _run(self, operations: Sequence[BatchOperation]) -> list[Part]:
        """Operations in their order: one by its own request, more in one batch.

        Raises:
            LedgerloopError: the request as a whole had no good answer.
        """
        if not operations:
            return []
        if len(operations) > 1:
            return await self._client.batch(CREDIT_SERVICE, operations)
        one = operations[0]
        return [
            await self._client.change(one.method, CREDIT_SERVICE, one.path, one.body, etag=one.etag)
        ]

    def _outcome(self, sending: Sending, part: Part) -> Outcome:
        if isinstance(part, LedgerloopError):
            return OUTCOMES.of_error(part, field_of=self._field_of)
        return Accepted(sending.command.business_key)

    def _field_of(self, native: str) -> str:
        for name, governed in self._target.fields.items():
            if governed.native == native:
                return name
        return native

    async def look_up(self, batch: Sequence[Sending]) -> dict[str, LookUp]:
        """Whether the accounts hold what the commands want."""
        try:
            return found_by_fields(batch, await self.read_back(batch))
        except LedgerloopError as error:
            return {s.command.command_id: CannotTell(error.message) for s in batch}

    async def read_back(self, batch: Sequence[Sending]) -> dict[str, ReadBack]:
        """Raises LedgerloopError when an account cannot be read; one that is gone has no fields."""
        found: dict[str, ReadBack] = {}
        for sending, part in zip(batch, await self._read(batch), strict=True):
            command = sending.command
            if isinstance(part, VendorRejected) and part.status == 404:
                found[command.command_id] = ReadBack(None)
            elif isinstance(part, LedgerloopError):
                raise part
            else:
                found[command.command_id] = account_read_back(
                    command, part.entity, self._target, self._options
                )
        return found


class OrderReleases:
    """``sales_orders/release``: the credit block of an order ends; it cannot be set again."""

    def __init__(self, client: SapClient, governance: Governance) -> None:
        self._client = client
        self._target: TargetObject = governance.object(KIND, "sales_orders")

    async def send(self, batch: Sequence[Sending]) -> dict[str, Outcome]:
        """Release orders one after another; each has its own answer."""
        return {s.command.command_id: await self._release(s) for s in batch}

    async def _release(self, sending: Sending) -> Outcome:
        order = sending.command.business_key
        if sending.command.payload.get("is_credit_blocked") is not False:
            return Rejected(
                "cannot_block", f"order {order}: only a release can be written", "is_credit_blocked"
            )
        try:
            answer = await self._client.call_function(
                RELEASE_SERVICE, "ReleaseCreditBlock", {"SalesDocument": order}
            )
        except VendorRejected as error:
            if OUTCOMES.action_of(error.code, error.status) is not Action.REJECT:
                return OUTCOMES.of_error(error)
            refused = Rejected(error.code, error.message)
        except LedgerloopError as error:
            return OUTCOMES.of_error(error)
        else:
            message = _message_of(answer)
            kind = str(message.get("MessageType") or "S")
            if kind in _GOOD_TYPES:
                return Accepted(order)
            if kind not in _BAD_TYPES:
                return Unknown("unknown_message_type", f"order {order}: message type {kind!r}")
            refused = Rejected("release_refused", str(message.get("Message", "")))
        # A refusal may only say that nothing is blocked any more.
        held = (await self.look_up([sending]))[sending.command.command_id]
        if isinstance(held, CannotTell):
            return Unknown("release_unseen", held.reason)
        return Accepted(order) if isinstance(held, Found) else refused

    async def _orders(self, batch: Sequence[Sending]) -> dict[str, Mapping[str, Any]]:
        rows = await rows_where(
            self._client,
            ORDERS_SERVICE,
            ORDERS,
            "SalesOrder",
            [sending.command.business_key for sending in batch],
            select=("SalesOrder", "TotalCreditCheckStatus"),
        )
        return {str(row["SalesOrder"]): row for row in rows}

    async def look_up(self, batch: Sequence[Sending]) -> dict[str, LookUp]:
        """Whether the orders are free of the credit block."""
        try:
            orders = await self._orders(batch)
        except LedgerloopError as error:
            return {s.command.command_id: CannotTell(error.message) for s in batch}
        found: dict[str, LookUp] = {}
        for sending in batch:
            order = sending.command.business_key
            row = orders.get(order)
            try:
                is_free = row is not None and not is_blocked(row)
            except VendorAnswerInvalid as error:
                found[sending.command.command_id] = CannotTell(error.message)
                continue
            found[sending.command.command_id] = Found(order) if is_free else Absent()
        return found

    async def read_back(self, batch: Sequence[Sending]) -> dict[str, ReadBack]:
        """Raises LedgerloopError when the orders cannot be read, or show an unknown status."""
        orders = await self._orders(batch)
        found: dict[str, ReadBack] = {}
        for sending in batch:
            order = sending.command.business_key
            row = orders.get(order)
            found[sending.command.command_id] = (
                ReadBack(None) if row is None else ReadBack(order_fields(row, self._target), order)
            )
        return found


def _message_of(answer: SapAnswer) -> Mapping[str, Any]:
    """The ``ReturnMessage``, bare, wrapped in the function's name, or the only row."""
    entity: Any = answer.results[0] if answer.results else {}
    inner = entity.get("ReleaseCreditBlock")
    return inner if isinstance(inner, dict) else entity


def _unread(error: LedgerloopError) -> Outcome:
    """Why an account could not be read; nothing was changed."""
    if isinstance(error, VendorRejected):
        if error.status == 404:
            return Rejected("no_credit_account", error.message, "customer")
        return OUTCOMES.of_error(error)
    outcome = OUTCOMES.of_error(error)
    return outcome if isinstance(outcome, Retry) else Retry(error.code, error.message)
