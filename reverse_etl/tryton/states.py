"""Credit limits of parties and the release of orders that credit held.

In Tryton a limit without amount is no limit and zero grants nothing, so kind and amount go as one
value. Tryton has no credit hold and marks no order as blocked: it refuses to confirm one beyond the
limit, and to release an order is to confirm it once the limit allows it.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ingestion.common.config import System
from ingestion.common.errors import InputRefused
from ingestion.common.money import canonical_text
from ingestion.tryton.client import TrytonClient
from reverse_etl.delivery.verifying import differences
from reverse_etl.delivery.writer import ReadBack, Sending
from reverse_etl.planning.governance import Governance
from reverse_etl.tryton.books import Books
from reverse_etl.tryton.settings import TrytonOptions
from reverse_etl.tryton.verbs import Verb, amount_in, text_in

__all__ = ["CreditLimits", "OrderReleases"]

_CONFIRMED = ("confirmed", "processing", "done")


class CreditLimits(Verb):
    """``credit_limits/update``: the business key is ``customer/credit segment``."""

    object_name = "credit_limits"

    def __init__(
        self,
        client: TrytonClient,
        governance: Governance,
        options: TrytonOptions,
        segments: Mapping[str, str],
    ) -> None:
        super().__init__(client, governance, options)
        self._segments = segments

    def _place(self, sending: Sending) -> tuple[Books, str]:
        customer, _, segment = sending.command.business_key.rpartition("/")
        company = self._segments.get(segment)
        if company is None or not customer:
            raise InputRefused(
                f"{sending.command.business_key}: no company has the credit segment {segment!r}",
                code="key_form",
                where="customer/credit_segment",
            )
        return self.books(company), customer

    async def _row(self, sending: Sending) -> tuple[Books, dict[str, Any] | None]:
        books, customer = self._place(sending)
        rows = await books.rows(
            "party.party", [["code", "=", customer]], ("credit_limit_amount", "_timestamp"), limit=1
        )
        return books, rows[0] if rows else None

    async def _do(self, sending: Sending) -> str:
        books, row = await self._row(sending)
        if row is None:
            raise InputRefused("no such party", code="no_such_party", where="customer")
        # The version that was read goes along: whoever changed the party meanwhile wins.
        versions = {f"party.party,{row['id']}": row["_timestamp"]}
        await books.client.write(
            "model.party.party.write",
            [row["id"]],
            {"credit_limit_amount": _amount(sending.command.payload)},
            context={**books.context, "_timestamp": versions},
        )
        return sending.command.business_key

    async def _find(self, sending: Sending) -> str:
        held = await self._held(sending)
        if held.fields is None or differences(sending.command.payload, held.fields, frozenset()):
            return ""
        return held.native_id

    async def _held(self, sending: Sending) -> ReadBack:
        _, row = await self._row(sending)
        if row is None:
            return ReadBack(None)
        payload, amount = sending.command.payload, row["credit_limit_amount"]
        kind = "unlimited" if amount is None else "limited" if amount else "none_granted"
        fields: dict[str, Any] = {
            "limit_kind": kind,
            "limit_amount": canonical_text(amount) if amount is not None else None,
        }
        if kind != "limited" and payload.get("limit_kind") == kind:
            # Beside no limit, and beside nothing granted, the amount says nothing more.
            fields["limit_amount"] = payload.get("limit_amount")
        return ReadBack({name: fields.get(name) for name in payload}, sending.command.business_key)


def _amount(payload: Mapping[str, object]) -> Decimal | None:
    """The amount that stands for a limit in Tryton: None is no limit, zero grants nothing.

    Raises:
        InputRefused: an amount without its kind, or a limited one that is not above zero.
    """
    match payload.get("limit_kind"):
        case "unlimited":
            return None
        case "none_granted":
            return Decimal(0)
        case "limited":
            amount = amount_in(payload, "limit_amount")
            if amount > 0:
                return amount
    raise InputRefused(
        f"a limit of kind {payload.get('limit_kind')!r} and amount {payload.get('limit_amount')!r} "
        "says nothing certain",
        code="limit_without_kind",
        where="limit_kind",
    )


class OrderReleases(Verb):
    """``sales_orders/release``."""

    object_name = "sales_orders"

    def __init__(
        self,
        client: TrytonClient,
        governance: Governance,
        options: TrytonOptions,
        system: System,
    ) -> None:
        super().__init__(client, governance, options)
        self._companies = tuple(system.companies)

    async def _order(self, sending: Sending) -> tuple[Books, dict[str, Any]]:
        """The order and its company's books. Raises InputRefused when no company has it."""
        number = sending.command.business_key
        for company in self._companies:
            books = self.books(company)
            domain = [["company", "=", books.company], ["number", "=", number]]
            rows = await books.rows("sale.sale", domain, ("state", "number"), limit=1)
            if rows:
                return books, rows[0]
        raise InputRefused(
            f"order {number} is not there", code="no_such_order", where="sales_order"
        )

    async def _do(self, sending: Sending) -> str:
        if text_in(sending.command.payload, "is_credit_blocked") not in ("False", "false"):
            raise InputRefused(
                "only a release can be written", code="cannot_block", where="is_credit_blocked"
            )
        books, order = await self._order(sending)
        if order["state"] not in _CONFIRMED:
            await books.client.write(
                "model.sale.sale.confirm", [order["id"]], context=books.context
            )
        return sending.command.business_key

    async def _find(self, sending: Sending) -> str:
        _, order = await self._order(sending)
        return sending.command.business_key if order["state"] in _CONFIRMED else ""

    async def _held(self, sending: Sending) -> ReadBack:
        try:
            _, order = await self._order(sending)
        except InputRefused:
            return ReadBack(None)
        return ReadBack(
            {"is_credit_blocked": order["state"] not in _CONFIRMED}, sending.command.business_key
        )
