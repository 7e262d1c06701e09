"""Customer invoice journals: debts that are booked as such, against a bank or a main account.

A line is an invoice of its own, under a number that the client chooses and with its own due date.
Like every journal it is written in parts and posted later, as a whole or not at all.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from sandbox.core.ledger import PostingRefused
from sandbox.dynamics365_finance.books import Books, Posting, refused
from sandbox.dynamics365_finance.catalogue import (
    CUSTOMERS,
    INVOICE_JOURNAL_LINES,
    INVOICE_JOURNALS,
)
from sandbox.dynamics365_finance.odata.answers import write_failed
from sandbox.dynamics365_finance.odata.model import Row
from sandbox.dynamics365_finance.odata.tables import Table
from sandbox.dynamics365_finance.settings import D365Settings
from sandbox.dynamics365_finance.state import D365State

__all__ = ["InvoiceJournals", "display_value", "offset_account", "offset_of"]

ZERO = Decimal(0)


def display_value(text: str) -> str:
    """An account out of a display value, whose dashes are escaped."""
    return text.replace("\\-", "-")


def offset_of(line: Mapping[str, Any]) -> tuple[str, str]:
    """Type and number of a line's offset account."""
    kind = line.get("OffsetAccountType") or "Ledger"
    return str(kind), display_value(line.get("OffsetAccountDisplayValue", ""))


def offset_account(settings: D365Settings, line: Mapping[str, Any]) -> str | None:
    """The main account that the other side of a line goes to; None where there is none."""
    kind, account = offset_of(line)
    if kind == "Bank":
        return settings.bank_accounts.get(account)
    return account if account in settings.main_accounts else None


class InvoiceJournals:
    """Writes and posts lines; ``wait`` lets a journal be posted later."""

    def __init__(
        self, state: D365State, books: Books, wait: Callable[[str, str, str], None]
    ) -> None:
        self._state = state
        self._settings = state.settings
        self._books = books
        self._wait = wait

    def create_line(self, table: Table, values: Row) -> Row:
        """A line of an unposted journal. Raises ODataError."""
        entity, company = table.entity.entity, values["dataAreaId"]
        number = values.get("JournalBatchNumber", "")
        header = self._state.tables[INVOICE_JOURNALS].get(company, number)
        if header is None:
            raise write_failed(entity, f"Journal {number} does not exist")
        if header["IsPosted"] == "Yes":
            raise write_failed(entity, f"Journal {number} is posted")
        if not values.get("LineNumber"):
            values["LineNumber"] = Decimal(1 + len(table.under(company, number)))
        if table.get(company, number, values["LineNumber"]) is not None:
            raise write_failed(entity, "The record already exists")
        self._check(entity, company, values)
        row = table.insert({**values, "Voucher": self._books.next_voucher(company, "INV-")})
        self._wait(INVOICE_JOURNALS, company, number)
        return row

    def _check(self, entity: str, company: str, line: Row) -> None:
        """What the product's validation says of a line."""
        account = display_value(line.get("CustomerAccountDisplayValue", ""))
        if self._state.tables[CUSTOMERS].get(company, account) is None:
            raise write_failed(entity, f"Customer account {account} does not exist")
        if offset_account(self._settings, line) is None:
            kind, offset = offset_of(line)
            words = "Bank account" if kind == "Bank" else "Main account"
            raise write_failed(entity, f"{words} {offset} does not exist")
        for field, words in (("InvoiceId", "Invoice"), ("InvoiceDate", "Date")):
            if not line.get(field):
                raise write_failed(entity, f"Field '{words}' must be filled in")
        if not _amount_of(line):
            raise write_failed(entity, "The line has no amount")
        if self._settings.checks_period == "post":
            return
        try:
            self._check_posting(company, line)
        except PostingRefused as error:
            raise refused(error, entity) from None

    def _check_posting(self, company: str, line: Row) -> None:
        currency = line.get("Currency", "")
        self._books.check(company, line["InvoiceDate"], currency, _amount_of(line))

    def post(self, company: str, number: str) -> None:
        """Post every line of a journal, or none. Raises PostingRefused."""
        header = self._state.tables[INVOICE_JOURNALS].get(company, number)
        if header is None or header["IsPosted"] == "Yes":
            return
        lines = self._state.tables[INVOICE_JOURNAL_LINES].under(company, number)
        for line in lines:
            self._check_posting(company, line)
        for line in lines:
            self._post_line(company, line)
        self._state.tables[INVOICE_JOURNALS].update(header, IsPosted="Yes")

    def _post_line(self, company: str, line: Row) -> None:
        amount, offset = _amount_of(line), offset_account(self._settings, line)
        assert offset is not None, "checked when the line was written"
        row = self._books.post(
            Posting(
                company,
                display_value(line["CustomerAccountDisplayValue"]),
                amount,
                line["Currency"],
                line["InvoiceDate"],
                "Cust",
                ((offset, -amount),),
                document_date=line["DocumentDate"],
                due_date=line["DueDate"],
                invoice=line["InvoiceId"],
                text=line["TransactionText"],
                document_number=line["DocumentNumber"],
                voucher=line["Voucher"],
            )
        )
        if line["DocumentNumber"]:
            keys = self._state.effects.external_keys
            keys.setdefault(line["DocumentNumber"], []).append(f"{company}/{row['RecId']}")


def _amount_of(line: Mapping[str, Any]) -> Decimal:
    """What the line debits on its customer: debit less credit."""
    amount: Decimal = line.get("DebitAmount", ZERO) - line.get("CreditAmount", ZERO)
    return amount
