"""Dynamics 365 Finance read for measuring, over OData v4.

A customer transaction says itself what is settled of it. Limits stand on the customer of each
company: zero means no limit, unless the limit is mandatory. An order that the credit management
holds is blocked. Dates of 1900-01-01 are no dates.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

from ingestion.common.config import System
from ingestion.common.transport import transport_of
from ingestion.dynamics365_finance.client import D365Client, literal
from ingestion.dynamics365_finance.settings import DEFAULT_OPTIONS
from sandbox.demo.reading.frames import (
    Balance,
    Closing,
    Credit,
    ErpBooks,
    Item,
    LimitKind,
    Nature,
    Order,
    PayerAccount,
    closed_by_last,
    items_frame,
    normal_account,
    references_of,
)

__all__ = ["read"]

_NO_DATE = date(1900, 1, 1)
_ASSIGNMENT_LENGTH = 18
_ORDERS_DONE = frozenset({"Invoiced", "Canceled"})
_FREE = frozenset({"No", "Never", "Payment"})

Row = Mapping[str, Any]


async def read(system: System, as_of: date) -> ErpBooks:
    """What the environment's configured companies hold; what is open is so now.

    Raises:
        LedgerloopError: the environment did not answer.
    """
    client = D365Client(system, transport_of(system))
    names = system.options_over(DEFAULT_OPTIONS)
    unidentified = names["unidentified_gl_account"]
    receivables = names.get("ar_gl_account", "130100")
    try:
        customers = await _rows(client, system, "CustomersV3")
        banks = await _rows(client, system, names["bank_accounts_entity"])
        transactions = await _rows(client, system, names["open_transactions_entity"])
        settlements = await _rows(client, system, names["settlements_entity"])
        entries = await _rows(
            client, system, names["ledger_entries_entity"], MainAccount=unidentified
        )
        balances = await _rows(client, system, names["balances_entity"], MainAccount=receivables)
        orders = await _rows(client, system, names["orders_entity"])
        lines = await _rows(client, system, names["order_lines_entity"])
        holds = await _rows(client, system, names["order_holds_entity"])
    finally:
        await client.close()
    closings = _closings(settlements, transactions)
    items = [
        *(_item(system, row, closings) for row in transactions),
        *(_unidentified(system, row) for row in entries),
        *_moves(system, entries, transactions),
    ]
    return ErpBooks(
        items=items_frame(one for one in items if one.posting_date <= as_of),
        balances=[
            Balance(row["dataAreaId"].upper(), Decimal(row["AccountingCurrencyAmount"]))
            for row in balances
        ],
        customers=sorted({_number(row["CustomerAccount"]) for row in customers}),
        payers=list(_payers(banks)),
        credit=list(_credit(system, customers)),
        orders=list(_orders(orders, lines, holds)),
    )


async def _rows(
    client: D365Client, system: System, entity_set: str, **equal: str
) -> list[dict[str, Any]]:
    """The rows of a set in the configured companies."""
    conditions = [f"{name} eq {literal(value)}" for name, value in equal.items()]
    companies = " or ".join(f"dataAreaId eq {literal(one.lower())}" for one in system.companies)
    return await client.rows(entity_set, " and ".join([*conditions, f"({companies})"]))


def _number(text: str) -> str:
    return text.strip().upper()


def _day(text: str | None) -> date | None:
    """A business date without its time; the product's null is the year 1900."""
    day = date.fromisoformat(text[:10]) if text else _NO_DATE
    return None if day == _NO_DATE else day


def _closings(settlements: Iterable[Row], transactions: Iterable[Row]) -> dict[int, list[Closing]]:
    """Transaction to its settlements; money that came has the payment's own date."""
    came = {
        int(row["RecId"]): date.fromisoformat(row["TransDate"][:10])
        for row in transactions
        if row["TransType"] == "Payment"
    }
    found: dict[int, list[Closing]] = {}
    for row in settlements:
        record, other = int(row["TransRecId"]), int(row["OffsetRecId"])
        on = date.fromisoformat(row["TransDate"][:10])
        paid_on = came.get(other) or came.get(record) or on
        closing = Closing(on, row["SettlementVoucher"], paid_on)
        found.setdefault(record, []).append(closing)
    return found


def _item(system: System, row: Row, closings: Mapping[int, list[Closing]]) -> Item:
    record, posted_on = int(row["RecId"]), date.fromisoformat(row["TransDate"][:10])
    company = row["dataAreaId"].upper()
    amount = Decimal(row["AmountCur"])
    still_open = amount - Decimal(row["SettleAmountCur"])
    is_payment = row["TransType"] == "Payment"
    return Item(
        company_code=company,
        document=str(record),
        item="001",
        nature=Nature.PAYMENT if is_payment else Nature.RECEIVABLE,
        customer=_number(row["AccountNum"]),
        amount=amount,
        amount_open=still_open,
        amount_company=Decimal(row["AmountMST"]),
        company_currency_code=system.companies[company].currency_code,
        currency_code=row["CurrencyCode"],
        posting_date=posted_on,
        document_date=_day(row["DocumentDate"]) or posted_on,
        due_date=_day(row["DueDate"]) or posted_on,
        references=references_of(row["Invoice"], row["CustomerReference"], row["Voucher"]),
        bank_reference=row["PaymId"].strip() if is_payment else "",
        assignment=row["Txt"][:_ASSIGNMENT_LENGTH] if is_payment else "",
        is_reversed=row["IsReversed"] == "Yes" or row["IsReversal"] == "Yes",
        closing=None if still_open else closed_by_last(closings.get(record, ())),
    )


def _unidentified(system: System, row: Row) -> Item:
    """A line on the unidentified-receipts account: credits are money that came."""
    company, amount = row["dataAreaId"].upper(), Decimal(row["TransactionCurrencyAmount"])
    day = date.fromisoformat(row["AccountingDate"][:10])
    return Item(
        company_code=company,
        document=str(row["RecId"]),
        item="001",
        nature=Nature.UNIDENTIFIED,
        customer=None,
        amount=amount,
        amount_open=amount,
        amount_company=Decimal(row["AccountingCurrencyAmount"]),
        company_currency_code=system.companies[company].currency_code,
        currency_code=row["TransactionCurrencyCode"],
        posting_date=day,
        document_date=_day(row["DocumentDate"]) or day,
        due_date=day,
        bank_reference=row["DocumentNumber"].strip(),
        assignment=row["Text"][:_ASSIGNMENT_LENGTH],
    )


def _moves(system: System, entries: Iterable[Row], transactions: Iterable[Row]) -> Iterator[Item]:
    """The other side of payments that come from the unidentified account.

    The set shows one line of a voucher only. Such a payment names the entry that it takes.
    """
    taken = {(row["dataAreaId"], str(row["RecId"])) for row in entries}
    for row in transactions:
        reference = row["PaymId"].strip()
        if row["TransType"] == "Payment" and (row["dataAreaId"], reference) in taken:
            payment = _item(system, row, {})
            yield replace(
                payment,
                item="002",
                nature=Nature.UNIDENTIFIED,
                customer=None,
                amount=-payment.amount,
                amount_open=-payment.amount,
                amount_company=-payment.amount_company,
                closing=None,
            )


def _payers(banks: Iterable[Row]) -> Iterator[PayerAccount]:
    for row in banks:
        account = normal_account(row["IBAN"], row["BankAccountNumber"])
        if account:
            yield PayerAccount(_number(row["CustomerAccountNumber"]), account)


def _credit(system: System, customers: Iterable[Row]) -> Iterator[Credit]:
    """Limits by company; of companies that share a segment the first one's counts."""
    seen: set[tuple[str, str]] = set()
    for row in sorted(customers, key=lambda one: str(one["dataAreaId"])):
        company = system.companies[row["dataAreaId"].upper()]
        place = (_number(row["CustomerAccount"]), company.credit_segment)
        if place in seen:
            continue
        seen.add(place)
        amount = Decimal(row["CreditLimit"])
        kind = LimitKind.LIMITED if amount else LimitKind.UNLIMITED
        if not amount and row["CreditLimitIsMandatory"] == "Yes":
            kind = LimitKind.NONE_GRANTED
        if row["CredManCustUnlimitedCredit"] == "Yes":
            kind = LimitKind.UNLIMITED
        yield Credit(
            customer=place[0],
            credit_segment=place[1],
            segment_currency=company.currency_code,
            limit_kind=kind,
            limit_amount=amount,
            is_blocked=row["OnHoldStatus"] not in _FREE,
            valid_until=_day(row["CredManCreditLimitExpiryDate"]),
        )


def _orders(orders: Iterable[Row], lines: Iterable[Row], holds: Iterable[Row]) -> Iterator[Order]:
    """Open orders with the sum of their lines, under company and number."""
    amounts: dict[tuple[str, str], Decimal] = {}
    for row in lines:
        if row["SalesOrderLineStatus"] != "Canceled":
            place = (row["dataAreaId"], row["SalesOrderNumber"])
            amounts[place] = amounts.get(place, Decimal(0)) + Decimal(row["LineAmount"])
    status = {(row["dataAreaId"], row["SalesOrderNumber"]): row["HoldStatus"] for row in holds}
    for row in orders:
        place = (row["dataAreaId"], row["SalesOrderNumber"])
        if row["SalesOrderStatus"] in _ORDERS_DONE:
            continue
        yield Order(
            sales_order=f"{row['dataAreaId'].upper()}-{row['SalesOrderNumber']}",
            company_code=row["dataAreaId"].upper(),
            customer=_number(row["OrderingCustomerAccountNumber"]),
            requested_date=_day(row["RequestedShippingDate"]),
            amount=amounts.get(place, Decimal(0)),
            currency_code=row["CurrencyCode"],
            is_blocked=status.get(place) == "OnHold",
            other_block="credit:rejected" if status.get(place) == "Rejected" else "",
        )
