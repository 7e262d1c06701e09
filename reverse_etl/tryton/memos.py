"""Credit notes: an invoice with a negative quantity, posted, then applied to what it is about.

The key stands in the invoice's reference. Create, post and apply are steps of one command; each is
found done in the books and not done again.
"""

from typing import Any

from ingestion.common.errors import InputRefused
from ingestion.common.money import canonical_text
from reverse_etl.delivery.writer import ReadBack, Sending
from reverse_etl.tryton.applications import apply_line, beside_of
from reverse_etl.tryton.books import Books
from reverse_etl.tryton.invoices import InvoiceVerb, invoice_id
from reverse_etl.tryton.verbs import text_in

__all__ = ["CreditMemos"]


class CreditMemos(InvoiceVerb):
    """``credit_memos/post``."""

    object_name = "credit_memos"

    def _keyed(self, key: str) -> list[Any]:
        return [["reference", "=", key]]

    async def _do(self, sending: Sending) -> str:
        books = self.books(text_in(sending.command.payload, "company_code"))
        about = await self._due(books, sending)
        memo = await self._post_once(books, sending)
        lines = await books.lines(memo["lines_to_pay"])
        for line in lines.values():
            if line["reconciliation"] is None:
                await apply_line(books, line, about)
        return invoice_id(books, memo)

    async def _due(self, books: Books, sending: Sending) -> dict[str, Any]:
        """The receivable line of the invoice that the memo is about.

        Raises:
            InputRefused: no such invoice of this customer.
        """
        about = await self._about(books, sending)
        found = list((await books.lines(about["lines_to_pay"])).values())
        still_open = [line for line in found if line["reconciliation"] is None]
        if not found:
            raise InputRefused(
                f"invoice {about['number']} has nothing to pay",
                code="no_such_invoice",
                where="invoice_number",
            )
        return (still_open or found)[0]

    async def _values(self, books: Books, sending: Sending) -> dict[str, Any]:
        payload, options = sending.command.payload, self._options
        is_write_off = text_in(payload, "posting_kind") == "write_off"
        account = options.allowance_gl_account if is_write_off else options.returns_gl_account
        header = await self._header(books, sending)
        line = await self._line(books, sending, header["currency"], -1, account)
        return {
            **header,
            "reference": sending.external_key,
            "description": text_in(payload, "item_text") or None,
            "lines": [["create", [line]]],
        }

    async def _find(self, sending: Sending) -> str:
        books = self.books(text_in(sending.command.payload, "company_code"))
        memo = await self._posted(books, sending.external_key)
        if memo is None:
            return ""
        about = await self._due(books, sending)
        invoice, beside = await beside_of(books, about)
        lines = await books.lines(memo["lines_to_pay"])
        standing = {one["id"] for one in beside}
        if invoice is not None:
            standing |= set(invoice["payment_lines"])
        is_applied = all(
            line["reconciliation"] is not None or line["id"] in standing for line in lines.values()
        )
        return invoice_id(books, memo) if is_applied else ""

    async def _held(self, sending: Sending) -> ReadBack:
        payload = sending.command.payload
        native_id = await self._find(sending)
        if not native_id:
            return ReadBack(None)
        books = self.books(text_in(payload, "company_code"))
        memo = await self._posted(books, sending.external_key)
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
