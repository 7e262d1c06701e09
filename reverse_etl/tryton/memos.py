"""Credit notes: an invoice with a negative quantity, posted, then applied to what it is about.

The key stands in the invoice's reference. Create, post and apply are steps of one command; each is
found done in the books and not done again.
"""

from collections.abc import Sequence
from typing import Any

from ingestion.common.errors import InputRefused, VendorRejected
from ingestion.common.money import canonical_text
from reverse_etl.delivery.writer import ReadBack, Sending
from reverse_etl.tryton.applications import apply_line, beside_of
from reverse_etl.tryton.books import Books
from reverse_etl.tryton.verbs import Verb, amount_in, day_in, text_in

__all__ = ["CreditMemos"]

_FIELDS = (
    "number", "state", "reference", "description", "invoice_date", "accounting_date", "company",
    "party.code", "currency.code", "total_amount", "move", "lines_to_pay",
)  # fmt: skip
_POSTED = ("posted", "paid")
#: A payment date in the past, and another invoice of this amount: both are so by intention.
_WARNINGS = ("invoice_payment_term", "invoice_similar")


class CreditMemos(Verb):
    """``credit_memos/post``."""

    object_name = "credit_memos"

    async def _do(self, sending: Sending) -> str:
        payload = sending.command.payload
        books = self.books(text_in(payload, "company_code"))
        about = await self._about(books, sending)
        memo = await self._memo(books, sending.external_key)
        if memo is None or memo["state"] not in _POSTED:
            memo = await self._post(books, sending, memo)
        lines = await books.lines(memo["lines_to_pay"])
        for line in lines.values():
            if line["reconciliation"] is None:
                await apply_line(books, line, about)
        return f"{books.company}/{memo['invoice_date'].year}/{memo['move']}"

    async def _memo(self, books: Books, key: str) -> dict[str, Any] | None:
        """The credit note of a key, whatever its state.

        Raises:
            VendorRejected: several are posted.
        """
        domain = [
            ["company", "=", books.company], ["reference", "=", key],
            ["state", "!=", "cancelled"],
        ]  # fmt: skip
        rows = await books.rows("account.invoice", domain, _FIELDS)
        posted = [row for row in rows if row["state"] in _POSTED]
        if len(posted) > 1:
            raise VendorRejected(
                f"invoices {', '.join(row['number'] for row in posted)} carry the same key: "
                "cancel all but one",
                code="posted_twice",
                status=200,
            )
        return next(iter(posted or rows), None)

    async def _post(
        self, books: Books, sending: Sending, memo: dict[str, Any] | None
    ) -> dict[str, Any]:
        client, name = books.client, "model.account.invoice"
        if memo is None:
            values = await self._values(books, sending)
            (number,) = await client.write(f"{name}.create", [values], context=books.context)
        else:
            number = memo["id"]
        try:
            await client.write_knowing(
                f"{name}.post", [number], warnings=_WARNINGS, context=books.context
            )
        except VendorRejected:
            await client.write(f"{name}.delete", [number], context=books.context)
            raise
        made = await self._memo(books, sending.external_key)
        if made is None:
            raise InputRefused("the credit note vanished", code="vanished", where="external_key")
        return made

    async def _about(self, books: Books, sending: Sending) -> dict[str, Any]:
        """The receivable line of the invoice that the memo is about.

        Raises:
            InputRefused: no such invoice of this customer, or less open than the memo is over.
        """
        payload = sending.command.payload
        number, customer = text_in(payload, "invoice_number"), text_in(payload, "customer")
        domain = [
            ["company", "=", books.company], ["number", "=", number],
            ["party.code", "=", customer], ["type", "=", "out"],
        ]  # fmt: skip
        rows = await books.rows("account.invoice", domain, _FIELDS)
        lines: Sequence[dict[str, Any]] = []
        if rows:
            found = await books.lines(rows[0]["lines_to_pay"])
            lines = [line for line in found.values() if line["reconciliation"] is None] or list(
                found.values()
            )
        if not lines:
            raise InputRefused(
                f"{customer} has no posted invoice {number}",
                code="no_such_invoice",
                where="invoice_number",
            )
        return lines[0]

    async def _values(self, books: Books, sending: Sending) -> dict[str, Any]:
        """The credit note as Tryton wants it. Raises InputRefused for anything unknown there."""
        payload = sending.command.payload
        day = day_in(payload, "posting_date")
        await books.period(day)
        party = await books.party(text_in(payload, "customer"))
        addresses = await books.rows("party.address", [["party", "=", party["id"]]], ("id",))
        currencies = await books.rows(
            "currency.currency", [["code", "=", text_in(payload, "currency_code")]], ("id",)
        )
        if not addresses or not currencies:
            raise InputRefused(
                "the party has no address, or the currency is unknown",
                code="master_data",
                where="customer" if currencies else "currency_code",
            )
        line = {
            "type": "line",
            "company": books.company,
            "currency": currencies[0]["id"],
            "quantity": -1,
            "unit_price": amount_in(payload, "amount"),
            "account": await self._account(books, text_in(payload, "posting_kind")),
            "description": " ".join(
                filter(None, (text_in(payload, "reason_code"), text_in(payload, "item_text")))
            ),
        }
        return {
            "type": "out",
            "company": books.company,
            "party": party["id"],
            "invoice_address": addresses[0]["id"],
            "currency": currencies[0]["id"],
            "account": party["account_receivable"],
            "journal": await books.journal(self._options.revenue_journal),
            "invoice_date": day_in(payload, "document_date"),
            "accounting_date": day,
            "reference": sending.external_key,
            "description": text_in(payload, "item_text") or None,
            "lines": [["create", [line]]],
        }

    async def _account(self, books: Books, posting_kind: str) -> int:
        """What a credit note or a write-off costs: the configured account, else the sales' own."""
        is_write_off = posting_kind == "write_off"
        options = self._options
        code = options.allowance_gl_account if is_write_off else options.returns_gl_account
        if code:
            return await books.account(code)
        domain = [
            ["company", "=", books.company],
            ["type.revenue", "=", True],
            ["closed", "!=", True],
        ]
        rows = await books.rows("account.account", domain, ("id",), limit=1)
        if not rows:
            raise InputRefused(
                "no revenue account (option returns_gl_account)",
                code="no_such_code",
                where="posting_kind",
            )
        return int(rows[0]["id"])

    async def _find(self, sending: Sending) -> str:
        books = self.books(text_in(sending.command.payload, "company_code"))
        memo = await self._memo(books, sending.external_key)
        if memo is None or memo["state"] not in _POSTED:
            return ""
        about = await self._about(books, sending)
        invoice, beside = await beside_of(books, about)
        lines = await books.lines(memo["lines_to_pay"])
        standing = {one["id"] for one in beside}
        if invoice is not None:
            standing |= set(invoice["payment_lines"])
        is_applied = all(
            line["reconciliation"] is not None or line["id"] in standing for line in lines.values()
        )
        return f"{books.company}/{memo['invoice_date'].year}/{memo['move']}" if is_applied else ""

    async def _held(self, sending: Sending) -> ReadBack:
        payload = sending.command.payload
        native_id = await self._find(sending)
        if not native_id:
            return ReadBack(None)
        books = self.books(text_in(payload, "company_code"))
        memo = await self._memo(books, sending.external_key)
        assert memo is not None
        held: dict[str, Any] = {
            "company_code": str(memo["company"]),
            "customer": memo["party."]["code"],
            "amount": canonical_text(-memo["total_amount"]),
            "currency_code": memo["currency."]["code"],
            "posting_date": (memo["accounting_date"] or memo["invoice_date"]).isoformat(),
            "document_date": memo["invoice_date"].isoformat(),
            "invoice_number": payload.get("invoice_number"),
            "item_text": memo["description"],
        }
        return ReadBack({name: held.get(name) for name in payload}, native_id)
