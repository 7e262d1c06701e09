"""What credit notes and debit memos have in common: one command is one posted customer invoice.

Nothing in Tryton is unique that the hub may choose, so its key stands in a text of the invoice;
which one, the object says. A draft that an interrupted try left is posted, one that Tryton refuses
to post is removed.
"""

from abc import abstractmethod
from typing import Any

from ingestion.common.errors import InputRefused, VendorRejected
from reverse_etl.delivery.writer import Sending
from reverse_etl.tryton.books import Books
from reverse_etl.tryton.verbs import Verb, amount_in, day_in, text_in

__all__ = ["INVOICE_FIELDS", "InvoiceVerb", "invoice_id"]

INVOICE_FIELDS = (
    "number", "state", "reference", "description", "invoice_date", "accounting_date", "company",
    "party.code", "currency.code", "total_amount", "move", "lines_to_pay", "lines",
)  # fmt: skip
_POSTED = ("posted", "paid")
#: A payment date in the past, and another invoice of this amount: both are so by intention.
_WARNINGS = ("invoice_payment_term", "invoice_similar")


def invoice_id(books: Books, invoice: dict[str, Any]) -> str:
    """An invoice's native id: company, year and move."""
    return f"{books.company}/{invoice['invoice_date'].year}/{invoice['move']}"


class InvoiceVerb(Verb):
    """An object whose commands are invoices."""

    @abstractmethod
    def _keyed(self, key: str) -> list[Any]:
        """The domain of invoices with a key."""

    @abstractmethod
    async def _values(self, books: Books, sending: Sending) -> dict[str, Any]:
        """The invoice as Tryton wants it. Raises InputRefused for anything unknown there."""

    async def _has_begun(self, sending: Sending) -> bool:
        """Whether the command's invoice is posted."""
        company = str(sending.command.payload.get("company_code") or "")
        if not company.isdigit():
            return False
        return await self._posted(self.books(company), sending.external_key) is not None

    async def _posted(self, books: Books, key: str) -> dict[str, Any] | None:
        """The posted invoice of a key. Raises as ``_invoice``."""
        found = await self._invoice(books, key)
        return found if found is not None and found["state"] in _POSTED else None

    async def _invoice(self, books: Books, key: str) -> dict[str, Any] | None:
        """The invoice of a key, whatever its state.

        Raises:
            VendorRejected: several are posted.
        """
        domain = [["company", "=", books.company], ["state", "!=", "cancelled"], *self._keyed(key)]
        rows = await books.rows("account.invoice", domain, INVOICE_FIELDS)
        posted = [row for row in rows if row["state"] in _POSTED]
        if len(posted) > 1:
            raise VendorRejected(
                f"invoices {', '.join(row['number'] for row in posted)} carry the same key: "
                "cancel all but one",
                code="posted_twice",
                status=200,
            )
        return next(iter(posted or rows), None)

    async def _post_once(self, books: Books, sending: Sending) -> dict[str, Any]:
        """The one posted invoice of a command, made from wherever it stands.

        Raises:
            LedgerloopError: a step failed; what is there is found by the key again.
        """
        client, name = books.client, "model.account.invoice"
        found = await self._invoice(books, sending.external_key)
        if found is not None and found["state"] in _POSTED:
            return found
        if found is None:
            values = await self._values(books, sending)
            (number,) = await client.write(f"{name}.create", [values], context=books.context)
        else:
            number = found["id"]
        try:
            await client.write_knowing(
                f"{name}.post", [number], warnings=_WARNINGS, context=books.context
            )
        except VendorRejected:
            await client.write(f"{name}.delete", [number], context=books.context)
            raise
        made = await self._posted(books, sending.external_key)
        if made is None:
            raise InputRefused("the invoice vanished", code="vanished", where="external_key")
        return made

    async def _about(self, books: Books, sending: Sending) -> dict[str, Any]:
        """The posted invoice that a command is about, by its number or the customer's reference.

        Raises:
            InputRefused: this customer has no such invoice, or several.
        """
        payload = sending.command.payload
        number, customer = text_in(payload, "invoice_number"), text_in(payload, "customer")
        domain = [
            ["company", "=", books.company], ["party.code", "=", customer], ["type", "=", "out"],
            ["state", "in", list(_POSTED)],
            ["OR", ["number", "=", number], ["reference", "=", number]],
        ]  # fmt: skip
        rows = await books.rows("account.invoice", domain, INVOICE_FIELDS)
        rows = [row for row in rows if row["number"] == number] or rows
        if len(rows) != 1:
            raise InputRefused(
                f"{customer} has {len(rows) or 'no'} posted {number}, one is needed",
                code="no_such_invoice",
                where="invoice_number",
            )
        return rows[0]

    async def _header(self, books: Books, sending: Sending) -> dict[str, Any]:
        """Whose invoice it is, in which currency, of which days.

        Raises:
            InputRefused: a closed period, or a party or currency that Tryton cannot invoice.
        """
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
        }

    async def _line(
        self, books: Books, sending: Sending, currency: int, quantity: int, account: str
    ) -> dict[str, Any]:
        """The invoice's one line; ``account`` is a code, empty for the account of sales."""
        payload = sending.command.payload
        words = (text_in(payload, "reason_code"), text_in(payload, "item_text"))
        return {
            "type": "line",
            "company": books.company,
            "currency": currency,
            "quantity": quantity,
            "unit_price": amount_in(payload, "amount"),
            "account": await self._account(books, account),
            "description": " ".join(filter(None, words)),
        }

    async def _account(self, books: Books, code: str) -> int:
        """An account by code, or the one that sales are posted on."""
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
                "no revenue account: name one in the system's options",
                code="no_such_code",
                where="account",
            )
        return int(rows[0]["id"])
