"""Debit memos: what a customer is asked to pay beside its invoices, as an invoice of its own.

Its reference is what the customer will quote, so the hub's key opens the invoice's description.
Where it concerns an invoice, its line names that invoice's line as its origin, as Tryton's own
corrections do. It must not be applied to anything: it is there to be paid.
"""

from typing import Any

from ingestion.common.errors import InputRefused
from ingestion.common.money import canonical_text
from reverse_etl.delivery.writer import ReadBack, Sending
from reverse_etl.tryton.books import Books
from reverse_etl.tryton.invoices import InvoiceVerb, invoice_id
from reverse_etl.tryton.verbs import amount_in, day_in, text_in

__all__ = ["DebitMemos"]

_LINE = "account.invoice.line"


class DebitMemos(InvoiceVerb):
    """``debit_memos/post``."""

    object_name = "debit_memos"

    def _keyed(self, key: str) -> list[Any]:
        return [["description", "like", f"{key}%"]]

    async def _do(self, sending: Sending) -> str:
        books = self.books(text_in(sending.command.payload, "company_code"))
        return invoice_id(books, await self._post_once(books, sending))

    async def _values(self, books: Books, sending: Sending) -> dict[str, Any]:
        payload = sending.command.payload
        if amount_in(payload, "amount") <= 0:
            raise InputRefused("a debit memo has an amount", code="no_amount", where="amount")
        header = await self._header(books, sending)
        account = self._options.adjustments_gl_account
        line = await self._line(books, sending, header["currency"], 1, account)
        if payload.get("invoice_number"):
            about = await self._about(books, sending)
            line["origin"] = f"{_LINE},{about['lines'][0]}"
        text = text_in(payload, "item_text")
        return {
            **header,
            "reference": text_in(payload, "document_reference") or None,
            "description": f"{sending.external_key} {text}".strip(),
            # Without a payment term this is the day on which all of it is due.
            "payment_term_date": day_in(payload, "due_date"),
            "lines": [["create", [line]]],
        }

    async def _find(self, sending: Sending) -> str:
        books = self.books(text_in(sending.command.payload, "company_code"))
        memo = await self._posted(books, sending.external_key)
        return invoice_id(books, memo) if memo is not None else ""

    async def _held(self, sending: Sending) -> ReadBack:
        payload = sending.command.payload
        books = self.books(text_in(payload, "company_code"))
        memo = await self._posted(books, sending.external_key)
        if memo is None:
            return ReadBack(None)
        due = next(iter((await books.lines(memo["lines_to_pay"])).values()))
        about = await self._origin(books, memo)
        number = payload.get("invoice_number")
        held: dict[str, Any] = {
            "company_code": str(memo["company"]),
            "customer": memo["party."]["code"],
            "amount": canonical_text(memo["total_amount"]),
            "currency_code": memo["currency."]["code"],
            "posting_date": (memo["accounting_date"] or memo["invoice_date"]).isoformat(),
            "document_date": memo["invoice_date"].isoformat(),
            "due_date": due["maturity_date"].isoformat(),
            "document_reference": memo["reference"],
            # An invoice goes by Tryton's number and by the customer's reference.
            "invoice_number": number if number in about else next(iter(about), None),
            "item_text": memo["description"][21:] or None,
        }
        return ReadBack({name: held.get(name) for name in payload}, invoice_id(books, memo))

    async def _origin(self, books: Books, memo: dict[str, Any]) -> list[str]:
        """Number and reference of the invoice that the memo concerns; empty where it has none."""
        rows = await books.rows(_LINE, [["id", "in", memo["lines"]]], ("origin",))
        origins = [str(row["origin"]).partition(",")[2] for row in rows if row["origin"]]
        if not origins:
            return []
        domain = [["lines", "in", [int(one) for one in origins]]]
        found = await books.rows("account.invoice", domain, ("number", "reference"))
        return [str(text) for row in found for text in (row["number"], row["reference"]) if text]
