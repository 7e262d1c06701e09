"""What a write means, by set: the one place where sets and business meet.

Orders are checked against the credit limit when a line is added, as the product's blocking rules do
it at their checkpoints; a hold is released by a custom action only.
"""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from sandbox.core.ledger import PostingRefused
from sandbox.dynamics365_finance.books import Books, Part, refused
from sandbox.dynamics365_finance.catalogue import (
    BANK_ACCOUNTS,
    CUSTOMERS,
    DISPUTES,
    INVOICE_JOURNAL_LINES,
    INVOICE_JOURNALS,
    INVOICE_LINES,
    INVOICES,
    JOURNAL_LINES,
    JOURNALS,
    ORDER_LINES,
    ORDERS,
)
from sandbox.dynamics365_finance.journals import Journals
from sandbox.dynamics365_finance.odata.answers import bad_request, write_failed
from sandbox.dynamics365_finance.odata.model import Row
from sandbox.dynamics365_finance.odata.tables import Table
from sandbox.dynamics365_finance.ports import ClockPort, FaultsPort
from sandbox.dynamics365_finance.state import D365State

__all__ = ["BusinessRules"]

ZERO = Decimal(0)
#: Lines of journals and where their headers stand.
_HEADERS = {JOURNAL_LINES: JOURNALS, INVOICE_JOURNAL_LINES: INVOICE_JOURNALS}


class BusinessRules:
    """Fits ``odata.service.Rules``."""

    def __init__(
        self,
        state: D365State,
        books: Books,
        journals: Journals,
        clock: ClockPort,
        faults: FaultsPort,
    ) -> None:
        self._state = state
        self._books = books
        self._journals = journals
        self._clock = clock
        self._faults = faults
        self._creators = {
            JOURNALS: journals.create_header,
            JOURNAL_LINES: journals.create_line,
            INVOICE_JOURNALS: journals.create_header,
            INVOICE_JOURNAL_LINES: journals.create_invoice_journal_line,
            INVOICES: journals.create_invoice,
            INVOICE_LINES: journals.create_invoice_line,
            DISPUTES: self._create_dispute,
            ORDERS: self._create_order,
            ORDER_LINES: self._create_order_line,
            CUSTOMERS: self._create_customer,
            BANK_ACCOUNTS: self._create_of_customer,
            state.settings.settled_invoices_entity: self._create_mark,
        }

    def create(self, table: Table, values: Row) -> Row:
        """Insert a row after the set's own checks."""
        company = values.get("dataAreaId")
        if company is not None and company not in self._state.settings.companies:
            raise write_failed(table.entity.entity, f"Company {company} does not exist")
        creator = self._creators.get(table.entity.name)
        if creator is not None:
            return creator(table, values)
        key = tuple(values.get(name) for name in table.entity.keys)
        if key in table.rows:
            raise write_failed(table.entity.entity, "The record already exists")
        return table.insert(values)

    def change(self, table: Table, row: Row, values: Row) -> None:
        """Change a row after the set's own checks."""
        name = table.entity.name
        header = self._header_of(name, row)
        if header is not None and header["IsPosted"] == "Yes":
            raise write_failed(table.entity.entity, "The journal is posted")
        if name == CUSTOMERS and values.get("CreditLimit", ZERO) < 0:
            raise write_failed(table.entity.entity, "The credit limit is negative")
        dropped = self._faults.dropped_field(f"PATCH {name}", values)
        if dropped:
            values = {k: v for k, v in values.items() if k != dropped}
        table.update(row, **values)

    def remove(self, table: Table, row: Row) -> None:
        """Delete a row, unless it is posted."""
        name = table.entity.name
        if name not in (*_HEADERS, BANK_ACCOUNTS, DISPUTES):
            raise write_failed(table.entity.entity, "The record cannot be deleted")
        header = self._header_of(name, row)
        if header is not None and header["IsPosted"] == "Yes":
            raise write_failed(table.entity.entity, "The journal is posted")
        table.delete(row)

    def swallows(self, verb: str, table: Table) -> bool:
        """Whether a fault lets this write be answered and forgotten."""
        return self._faults.swallow(f"{verb} {table.entity.name}")

    def _header_of(self, name: str, row: Row) -> Row | None:
        """What is posted or not of a row: its journal, or itself; None of what is never posted."""
        if name in (JOURNALS, INVOICE_JOURNALS, INVOICES):
            return row
        if name not in _HEADERS:
            return None
        headers = self._state.tables[_HEADERS[name]]
        return headers.rows[row["dataAreaId"], row["JournalBatchNumber"]]

    # -- customers --------------------------------------------------------------------------

    def _create_customer(self, table: Table, values: Row) -> Row:
        company = values["dataAreaId"]
        account = values.get("CustomerAccount") or (
            f"C{self._state.next_number(company + '/customer'):06d}"
        )
        if table.get(company, account) is not None:
            raise write_failed(table.entity.entity, f"Customer {account} already exists")
        party = values.get("PartyNumber") or f"{self._state.next_number('party'):09d}"
        return table.insert({**values, "CustomerAccount": account, "PartyNumber": party})

    def _create_of_customer(self, table: Table, values: Row) -> Row:
        customers = self._state.tables[CUSTOMERS]
        account = values.get("CustomerAccountNumber", "")
        if customers.get(values["dataAreaId"], account) is None:
            raise write_failed(table.entity.entity, f"Customer account {account} does not exist")
        key = tuple(values.get(name) for name in table.entity.keys)
        if key in table.rows:
            raise write_failed(table.entity.entity, "The record already exists")
        return table.insert(values)

    # -- disputes and marks -------------------------------------------------------------------

    def _create_dispute(self, table: Table, values: Row) -> Row:
        items = self._state.tables[self._state.settings.open_transactions_entity]
        company, record = values["dataAreaId"], values.get("CustTrans", 0)
        item = items.get(company, record)
        if item is None:
            raise write_failed(table.entity.entity, f"Transaction {record} does not exist")
        if any(
            r["CustTrans"] == record and r["dataAreaId"] == company for r in table.rows.values()
        ):
            raise write_failed(table.entity.entity, "The record already exists")
        known = {"SysRecId": self._state.next_record(), "TransactionBalance": item["OpenAmountCur"]}
        return table.insert({**values, **known})

    def _create_mark(self, table: Table, values: Row) -> Row:
        line = self._state.tables[JOURNAL_LINES].get(
            values["dataAreaId"],
            values.get("JournalBatchNumber", ""),
            values.get("JournalLineNumber", ZERO),
        )
        if line is None:
            raise write_failed(table.entity.entity, "The journal line does not exist")
        header = self._header_of(JOURNAL_LINES, line)
        if header is not None and header["IsPosted"] == "Yes":
            raise write_failed(table.entity.entity, "The journal is posted")
        number = values.get("InvoiceNumber", "")
        item = self._journals.invoice_item(
            values["dataAreaId"], line["AccountDisplayValue"], number
        )
        if item is None:
            raise write_failed(table.entity.entity, f"Invoice {number} is not open")
        amount = values.get("SettlementAmountInInvoiceCurrency", ZERO)
        if amount > item["OpenAmountCur"]:
            raise write_failed(table.entity.entity, "The amount is more than the open balance")
        key = tuple(values.get(name) for name in table.entity.keys)
        if key in table.rows:
            raise write_failed(table.entity.entity, "The record already exists")
        return table.insert(values)

    # -- orders -----------------------------------------------------------------------------

    def _create_order(self, table: Table, values: Row) -> Row:
        company = values["dataAreaId"]
        account = values.get("OrderingCustomerAccountNumber", "")
        if self._state.tables[CUSTOMERS].get(company, account) is None:
            raise write_failed(table.entity.entity, f"Customer account {account} does not exist")
        number = values.get("SalesOrderNumber") or (
            f"SO{self._state.next_number(company + '/order'):06d}"
        )
        known = {
            "SalesOrderNumber": number,
            "SalesOrderStatus": "Backorder",
            "OrderCreationDateTime": self._clock.now(),
        }
        return table.insert({**values, **known})

    def _create_order_line(self, table: Table, values: Row) -> Row:
        company, number = values["dataAreaId"], values.get("SalesOrderNumber", "")
        order = self._state.tables[ORDERS].get(company, number)
        if order is None:
            raise write_failed(table.entity.entity, f"Order {number} does not exist")
        lot = values.get("InventoryLotId") or f"LOT{self._state.next_number('lot'):08d}"
        known = {"InventoryLotId": lot, "SalesOrderLineStatus": "Backorder"}
        row = table.insert({**values, **known, "CurrencyCode": order["CurrencyCode"]})
        self._check_credit(order)
        return row

    def _check_credit(self, order: Row) -> None:
        """Hold the order when open items and open orders are above the limit."""
        company, account = order["dataAreaId"], order["OrderingCustomerAccountNumber"]
        customer = self._state.tables[CUSTOMERS].rows[company, account]
        if customer["CredManExclude"] == "Yes" or customer["CredManCustUnlimitedCredit"] == "Yes":
            return
        limit = customer["CreditLimit"]
        if not limit and customer["CreditLimitIsMandatory"] == "No":
            return
        exposure = self._open_items(company, account) + self._open_orders(company, account)
        holds = self._state.tables[self._state.settings.order_holds_entity]
        hold = holds.get(company, order["SalesOrderNumber"])
        if exposure <= limit or hold is not None:
            return
        holds.insert(
            {
                "dataAreaId": company,
                "SalesOrderNumber": order["SalesOrderNumber"],
                "CustomerAccount": account,
                "HoldStatus": "OnHold",
                "BlockingReason": "Credit limit",
                "AmountCur": exposure - limit,
                "CurrencyCode": self._state.settings.companies[company].currency_code,
                "ModifiedDateTime": self._clock.now(),
            }
        )

    def _open_items(self, company: str, account: str) -> Decimal:
        items = self._state.tables[self._state.settings.open_transactions_entity]
        return sum(
            (
                row["AmountMST"] - row["SettleAmountMST"]
                for row in items.rows.values()
                if row["AccountNum"] == account and row["dataAreaId"] == company
            ),
            ZERO,
        )

    def _open_orders(self, company: str, account: str) -> Decimal:
        """Open orders that no hold keeps back, in the company's currency; the new one included."""
        tables, currency = self._state.tables, self._state.settings.companies[company].currency_code
        holds = tables[self._state.settings.order_holds_entity]
        total = ZERO
        for line in tables[ORDER_LINES].rows.values():
            order = tables[ORDERS].rows[line["dataAreaId"], line["SalesOrderNumber"]]
            hold = holds.get(line["dataAreaId"], line["SalesOrderNumber"])
            is_open = order["SalesOrderStatus"] in ("Backorder", "Delivered")
            is_of_customer = order["OrderingCustomerAccountNumber"] == account
            is_free = hold is None or hold["HoldStatus"] == "Released"
            if is_open and is_free and is_of_customer and line["dataAreaId"] == company:
                amount, source = line["LineAmount"], line["CurrencyCode"]
                total += self._state.ledger.convert(amount, source or currency, currency)
        return total

    # -- actions ----------------------------------------------------------------------------

    def release(self, _: Mapping[str, Any], row: Row | None) -> Any:
        """Release an order from its credit hold."""
        if row is None:
            raise bad_request("The action is bound to one record.")
        if row["HoldStatus"] != "OnHold":
            raise bad_request(f"Order {row['SalesOrderNumber']} is not on hold.")
        table = self._state.tables[self._state.settings.order_holds_entity]
        if not self.swallows("POST", table):
            table.update(row, HoldStatus="Released", ModifiedDateTime=self._clock.now())
            order = f"{row['dataAreaId']}/{row['SalesOrderNumber']}"
            self._state.effects.orders.setdefault(order, []).append("released")
        return "Released"

    def post_journal(self, _: Mapping[str, Any], row: Row | None) -> Any:
        """Post a journal at once, where an installation offers that."""
        if row is None:
            raise bad_request("The action is bound to one record.")
        return self._posted(self._journals.post_journal, row, "CustomerPaymentJournalHeader")

    def post_invoice_journal(self, _: Mapping[str, Any], row: Row | None) -> Any:
        """Post a customer invoice journal at once, where an installation offers that."""
        if row is None:
            raise bad_request("The action is bound to one record.")
        return self._posted(self._journals.post_invoice_journal, row, "CustInvoiceJournalHeader")

    @staticmethod
    def _posted(post: Callable[[str, str], None], row: Row, entity: str) -> str:
        try:
            post(row["dataAreaId"], row["JournalBatchNumber"])
        except PostingRefused as error:
            raise refused(error, entity) from None
        return "Posted"

    def settle(self, parameters: Mapping[str, Any], row: Row | None) -> Any:
        """Settle an open payment or credit note against transactions of its company."""
        if row is None:
            raise bad_request("The action is bound to one record.")
        try:
            parts = [_part(one) for one in parameters["settlements"]]
            day = (
                self._state.tables[self._state.settings.open_transactions_entity]
                .entity.properties["TransDate"]
                .parsed_instant(parameters["transDate"])
            )
        except (KeyError, TypeError, ArithmeticError):
            raise bad_request("settlements and transDate are expected.") from None
        assert day is not None
        try:
            return self._books.settle(row, parts, day)
        except PostingRefused as error:
            raise refused(error, "CustTransOpenEntity") from None


def _part(tree: Mapping[str, Any]) -> Part:
    """One settlement of the action's parameters."""
    write_offs = tuple(
        (str(one["reasonCode"]), Decimal(one["amount"])) for one in tree.get("writeOffs", [])
    )
    return Part(
        int(tree["transRecId"]),
        Decimal(tree["amount"]),
        Decimal(tree.get("cashDiscount", 0)),
        write_offs,
    )
