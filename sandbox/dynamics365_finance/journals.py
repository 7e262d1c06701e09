"""Payment journals and free text invoices: written in parts, posted later as a whole.

The product offers no standard action that posts a journal: a person or a batch job does it. Here a
batch job does, after a lag. A journal that cannot be posted stays as it is, unposted.
"""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from sandbox.core.ledger import PostingRefused
from sandbox.dynamics365_finance.books import Books, Part, Posting, refused
from sandbox.dynamics365_finance.catalogue import (
    CUSTOMERS,
    INVOICE_JOURNALS,
    INVOICE_LINES,
    INVOICES,
    JOURNAL_LINES,
    JOURNALS,
)
from sandbox.dynamics365_finance.invoice_journals import (
    InvoiceJournals,
    display_value,
    offset_account,
    offset_of,
)
from sandbox.dynamics365_finance.odata.answers import write_failed
from sandbox.dynamics365_finance.odata.model import Row
from sandbox.dynamics365_finance.odata.tables import Table
from sandbox.dynamics365_finance.ports import ClockPort
from sandbox.dynamics365_finance.state import D365State

__all__ = ["Journals"]

ZERO = Decimal(0)


class Journals:
    """Creates and posts; creation refuses with ODataError."""

    def __init__(self, state: D365State, books: Books, clock: ClockPort) -> None:
        self._state = state
        self._settings = state.settings
        self._books = books
        self._clock = clock
        self._invoice_journals = InvoiceJournals(state, books, self._wait)
        self._invoices = {
            (row["dataAreaId"], row["ExternalInvoiceId"]): row
            for row in state.tables[INVOICES].rows.values()
        }

    # -- writing ----------------------------------------------------------------------------

    def create_header(self, table: Table, values: Row) -> Row:
        """A journal; its number is the client's where the sequence is manual, else the system's."""
        entity = table.entity.entity
        number = values.get("JournalBatchNumber", "")
        if not values.get("JournalName"):
            raise write_failed(entity, "Field 'Name' must be filled in")
        if number and not self._settings.is_sequence_manual:
            raise write_failed(entity, "The number sequence does not allow manual numbers")
        if not number:
            number = f"{self._state.next_number(values['dataAreaId'] + '/journal'):05d}"
        if len(number) > 10:
            raise write_failed(entity, f"'{number}' is longer than 10 characters")
        if table.get(values["dataAreaId"], number) is not None:
            raise write_failed(
                entity,
                f"Cannot create a record in Journal (LedgerJournalTable). Journal batch number: "
                f"{number}. The record already exists",
            )
        return table.insert({**values, "JournalBatchNumber": number})

    def create_line(self, table: Table, values: Row) -> Row:
        """A line of an unposted journal."""
        entity = table.entity.entity
        company, number = values["dataAreaId"], values.get("JournalBatchNumber", "")
        header = self._state.tables[JOURNALS].get(company, number)
        if header is None:
            raise write_failed(entity, f"Journal {number} does not exist")
        if header["IsPosted"] == "Yes":
            raise write_failed(entity, f"Journal {number} is posted")
        if not values.get("LineNumber"):
            values["LineNumber"] = Decimal(1 + len(table.under(company, number)))
        if table.get(company, number, values["LineNumber"]) is not None:
            raise write_failed(entity, "The record already exists")
        self._check_line(entity, company, values)
        customer = self._customer(company, values)
        name = customer["OrganizationName"] if customer else ""
        voucher = self._books.next_voucher(company, "PAY-")
        row = table.insert({**values, "CustomerName": name, "Voucher": voucher})
        self._wait(JOURNALS, company, number)
        return row

    def create_invoice_journal_line(self, table: Table, values: Row) -> Row:
        """A line of an unposted customer invoice journal."""
        return self._invoice_journals.create_line(table, values)

    def _customer(self, company: str, line: Mapping[str, Any]) -> Row | None:
        account = display_value(str(line.get("AccountDisplayValue", "")))
        return self._state.tables[CUSTOMERS].get(company, account)

    def _check_line(self, entity: str, company: str, line: Row) -> None:
        """What the product's validation says of a line."""
        account = display_value(line.get("AccountDisplayValue", ""))
        if line.get("AccountType", "Ledger") == "Cust":
            customer = self._customer(company, line)
            if customer is None:
                raise write_failed(entity, f"Customer account {account} does not exist")
            if customer["OnHoldStatus"] == "All":
                raise write_failed(entity, f"Customer {account} is on hold")
        elif account not in self._settings.main_accounts:
            raise write_failed(entity, f"Main account {account} does not exist")
        if offset_account(self._settings, line) is None:
            kind, offset = offset_of(line)
            words = "Bank account" if kind == "Bank" else "Main account"
            raise write_failed(entity, f"{words} {offset} does not exist")
        amount = _amount_of(line)
        if not amount:
            raise write_failed(entity, "The line has no amount")
        day = line.get("TransactionDate")
        if day is None:
            raise write_failed(entity, "Field 'Date' must be filled in")
        if self._settings.checks_period == "post":
            return
        try:
            self._books.check(company, day, line.get("CurrencyCode", ""), amount)
        except PostingRefused as error:
            raise refused(error, entity) from None

    def create_invoice(self, table: Table, values: Row) -> Row:
        """A free text invoice; with its first line it waits for its posting."""
        entity, company = table.entity.entity, values["dataAreaId"]
        if self._state.tables[CUSTOMERS].get(company, values.get("CustomerAccount", "")) is None:
            account = values.get("CustomerAccount", "")
            raise write_failed(entity, f"Customer account {account} does not exist")
        external = values.get("ExternalInvoiceId", "")
        if external and (company, external) in self._invoices:
            raise write_failed(entity, f"External invoice id {external} already exists")
        number = f"FTI-{self._state.next_number(company + '/invoice'):06d}"
        values.setdefault("InvoiceId", number)
        try:
            day = values.get("InvoiceDate") or self._clock.today()
            values["InvoiceDate"] = day
            self._books.check(company, day, values.get("CurrencyCode", ""), Decimal(1))
        except PostingRefused as error:
            raise refused(error, entity) from None
        row = table.insert({**values, "FreeTextNumber": values.get("FreeTextNumber") or number})
        self._invoices[company, external] = row
        self._state.undo.add(lambda: self._invoices.pop((company, external)))
        return row

    def create_invoice_line(self, table: Table, values: Row) -> Row:
        """A line; it names its header by the external id."""
        entity, company = table.entity.entity, values["dataAreaId"]
        header = self._invoices.get((company, values.get("ExternalInvoiceId", "")))
        if header is None:
            raise write_failed(entity, "The invoice of this line does not exist")
        if header["IsPosted"] == "Yes":
            raise write_failed(entity, "The invoice is posted")
        if values.get("MainAccountDisplayValue", "") not in self._settings.main_accounts:
            raise write_failed(entity, "The main account does not exist")
        values.setdefault("LineNumber", Decimal(1))
        if table.get(company, values["ExternalInvoiceId"], values["LineNumber"]) is not None:
            raise write_failed(entity, "The record already exists")
        try:
            amount = values.get("TransactionCurrencyAmount", ZERO)
            self._books.check(company, header["InvoiceDate"], header["CurrencyCode"], amount)
        except PostingRefused as error:
            raise refused(error, entity) from None
        row = table.insert(values)
        self._wait(INVOICES, company, header["FreeTextNumber"])
        return row

    def _wait(self, set_name: str, company: str, number: str) -> None:
        lag = timedelta(seconds=self._settings.posting_lag_seconds)
        self._state.wait(set_name, company, number, self._clock.now() + lag)

    # -- posting ----------------------------------------------------------------------------

    def work(self) -> None:
        """Post what is due; a refused journal waits no more and stays unposted."""
        waiting = self._state.waiting
        if not waiting:
            return
        now = self._clock.now()
        for place in [place for place, due_at in waiting.items() if due_at <= now]:
            del waiting[place]
            set_name, company, number = place
            try:
                if set_name == JOURNALS:
                    self.post_journal(company, number)
                elif set_name == INVOICE_JOURNALS:
                    self._invoice_journals.post(company, number)
                else:
                    self._post_invoice(company, number)
            except PostingRefused:
                continue

    def post_invoice_journal(self, company: str, number: str) -> None:
        """Post every line of a customer invoice journal, or none. Raises PostingRefused."""
        self._invoice_journals.post(company, number)

    def post_journal(self, company: str, number: str) -> None:
        """Post every line of a journal, or none. Raises PostingRefused."""
        header = self._state.tables[JOURNALS].get(company, number)
        if header is None or header["IsPosted"] == "Yes":
            return
        lines = self._state.tables[JOURNAL_LINES].under(company, number)
        for line in lines:
            day, currency = line["TransactionDate"], line["CurrencyCode"]
            self._books.check(company, day, currency, _amount_of(line))
        for line in lines:
            self._post_line(company, line)
        self._state.tables[JOURNALS].update(header, IsPosted="Yes")

    def _post_line(self, company: str, line: Row) -> None:
        amount = _amount_of(line)
        offset = offset_account(self._settings, line)
        assert offset is not None, "checked when the line was written"
        posting = Posting(
            company,
            display_value(line["AccountDisplayValue"]),
            -amount,
            line["CurrencyCode"],
            line["TransactionDate"],
            "Payment",
            ((offset, amount),),
            text=line["TransactionText"],
            reference=line["PaymentReference"],
            payment_id=line["PaymentId"],
            voucher=line["Voucher"],
        )
        if line["AccountType"] == "Cust":
            row = self._books.post(posting)
            self._settle_marked(line, row)
        else:
            row = self._books.post_unidentified(posting)
        keys = self._state.effects.external_keys
        if line["PaymentReference"]:
            document = f"{company}/{row['RecId']}"
            keys.setdefault(line["PaymentReference"], []).append(document)

    def _settle_marked(self, line: Row, payment: Row) -> None:
        """Settle what was marked on the line; a mark that no longer fits stays unsettled."""
        marks = self._state.tables[self._settings.settled_invoices_entity]
        marked = {
            row["InvoiceNumber"]: row
            for row in marks.under(line["dataAreaId"], line["JournalBatchNumber"])
            if row["JournalLineNumber"] == line["LineNumber"]
        }
        parts = []
        for number, row in marked.items():
            item = self.invoice_item(line["dataAreaId"], payment["AccountNum"], number)
            if item is not None:
                amount = row["SettlementAmountInInvoiceCurrency"]
                discount = row["CashDiscountToTakeInInvoiceCurrency"]
                parts.append(Part(item["RecId"], amount - discount, discount))
        if not marked and line["MarkedInvoice"] and line["SettleVoucher"] == "SelectedTransact":
            item = self.invoice_item(
                line["dataAreaId"], payment["AccountNum"], line["MarkedInvoice"]
            )
            if item is not None:
                amount = min(item["OpenAmountCur"], -payment["OpenAmountCur"])
                parts.append(Part(item["RecId"], amount))
        if parts:
            try:
                self._books.settle(payment, parts, line["TransactionDate"])
            except PostingRefused:
                return

    def invoice_item(self, company: str, customer: str, number: str) -> Row | None:
        """The open transaction of an invoice number."""
        items = self._state.tables[self._settings.open_transactions_entity]
        for row in items.rows.values():
            if (
                row["Invoice"] == number
                and row["dataAreaId"] == company
                and row["AccountNum"] == customer
                and row["OpenAmountCur"]
            ):
                return row
        return None

    def _post_invoice(self, company: str, number: str) -> None:
        header = self._state.tables[INVOICES].get(company, number)
        if header is None or header["IsPosted"] == "Yes":
            return
        lines = self._state.tables[INVOICE_LINES].under(company, header["ExternalInvoiceId"])
        total = sum((line["TransactionCurrencyAmount"] for line in lines), ZERO)
        terms = self._settings.payment_terms.get(header["TermsOfPayment"], 0)
        item = self._books.post(
            Posting(
                company,
                header["InvoiceAccount"] or header["CustomerAccount"],
                total,
                header["CurrencyCode"],
                header["InvoiceDate"],
                "Cust",
                tuple(
                    (line["MainAccountDisplayValue"], -line["TransactionCurrencyAmount"])
                    for line in lines
                ),
                document_date=header["DocumentDate"],
                due_date=header["DueDate"] or header["InvoiceDate"] + timedelta(days=terms),
                invoice=header["InvoiceId"],
                text=lines[0]["Description"] if lines else "",
                customer_reference=header["CustomerReference"],
            )
        )
        self._state.tables[INVOICES].update(header, IsPosted="Yes")
        external = header["ExternalInvoiceId"]
        if external:
            keys = self._state.effects.external_keys
            keys.setdefault(external, []).append(f"{company}/{item['RecId']}")
        if self._settings.settles_corrections and header["CorrectedInvoiceId"] and total < 0:
            self._settle_corrected(header, item)

    def _settle_corrected(self, header: Row, memo: Row) -> None:
        company, customer = header["dataAreaId"], memo["AccountNum"]
        item = self.invoice_item(company, customer, header["CorrectedInvoiceId"])
        if item is None:
            return
        amount = min(item["OpenAmountCur"], -memo["OpenAmountCur"])
        if amount > 0:
            self._books.settle(memo, [Part(item["RecId"], amount)], memo["TransDate"])


def _amount_of(line: Mapping[str, Any]) -> Decimal:
    """What the line credits on its account: credit less debit."""
    amount: Decimal = line.get("CreditAmount", ZERO) - line.get("DebitAmount", ZERO)
    return amount
