"""NetSuite read for measuring, in SuiteQL of its own.

A transaction says itself what is unpaid of it. What it posted on receivables, in the subsidiary's
currency, stands on its accounting lines. No limit is unlimited; a limit of zero grants nothing; an
order that waits for approval is one that credit holds. Receipts that nobody is known for are
journal entries.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from ingestion.common.config import System
from ingestion.common.transport import transport_of
from ingestion.netsuite.client import NetSuiteClient, Window
from ingestion.netsuite.settings import DEFAULT_OPTIONS
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

_NATURES = {
    "CustInvc": Nature.RECEIVABLE,
    "CustCred": Nature.RECEIVABLE,
    "CustPymt": Nature.PAYMENT,
}
_CREDITS = frozenset({"CustCred", "CustPymt"})
_ORDERS_DONE = frozenset("CGH")
_ORDER_WAITS = "A"
_ASSIGNMENT_LENGTH = 18
_PAGE_ROWS = 1000

_TRANSACTIONS = """
SELECT t.id, t.type, t.tranid, TO_CHAR(t.trandate, 'YYYY-MM-DD') AS day,
    TO_CHAR(t.duedate, 'YYYY-MM-DD') AS due, t.foreigntotal, t.foreignamountunpaid, t.otherrefnum,
    t.memo, u.symbol, c.entityid, l.subsidiary
FROM transaction t
JOIN transactionline l ON l.transaction = t.id AND l.mainline = 'T'
JOIN currency u ON u.id = t.currency
JOIN customer c ON c.id = t.entity
WHERE t.type IN ('CustInvc', 'CustCred', 'CustPymt') AND t.voided = 'F'"""
_RECEIVABLE = """
SELECT x.transaction AS id, SUM(x.amount) AS amount
FROM transactionaccountingline x JOIN account a ON a.id = x.account
WHERE x.posting = 'T' AND a.accttype = 'AcctRec' GROUP BY x.transaction"""
_UNIDENTIFIED = """
SELECT t.id, t.type, x.transactionline AS line, TO_CHAR(t.trandate, 'YYYY-MM-DD') AS day,
    t.otherrefnum, t.memo, l.memo AS linememo, l.foreignamount, x.amount, u.symbol, l.subsidiary
FROM transactionaccountingline x
JOIN transactionline l ON l.transaction = x.transaction AND l.id = x.transactionline
JOIN transaction t ON t.id = x.transaction
JOIN account a ON a.id = x.account
JOIN currency u ON u.id = t.currency
WHERE x.posting = 'T' AND a.acctnumber = '{unidentified_gl_account}'"""
_LINKS = """
SELECT k.previousdoc, k.nextdoc, k.nexttype, TO_CHAR(k.previousdate, 'YYYY-MM-DD') AS earlier,
    TO_CHAR(k.nextdate, 'YYYY-MM-DD') AS later
FROM nexttransactionlinelink k WHERE k.linktype = 'Payment'"""
_BALANCES = """
SELECT l.subsidiary, SUM(x.amount) AS amount
FROM transactionaccountingline x
JOIN transactionline l ON l.transaction = x.transaction AND l.id = x.transactionline
JOIN account a ON a.id = x.account
WHERE x.posting = 'T' AND a.acctnumber = '{ar_gl_account}' GROUP BY l.subsidiary"""
_CUSTOMERS = """
SELECT c.id, c.entityid, c.creditlimit, c.creditholdoverride, u.symbol
FROM customer c LEFT JOIN currency u ON u.id = c.currency"""
_RELATIONS = "SELECT r.id, r.entity, r.subsidiary FROM customersubsidiaryrelationship r"
_BANKS = """
SELECT b.id, b.custrecord_2663_parent_customer AS entity, b.custrecord_2663_entity_iban AS iban,
    b.custrecord_2663_entity_acct_no AS number
FROM customrecord_2663_entity_bank_details b WHERE b.isinactive = 'F'"""
_ORDERS = """
SELECT t.id, TO_CHAR(t.shipdate, 'YYYY-MM-DD') AS ships, TO_CHAR(t.trandate, 'YYYY-MM-DD') AS day,
    t.foreigntotal, t.status, u.symbol, c.entityid, l.subsidiary
FROM transaction t
JOIN transactionline l ON l.transaction = t.id AND l.mainline = 'T'
JOIN currency u ON u.id = t.currency
JOIN customer c ON c.id = t.entity
WHERE t.type = 'SalesOrd'"""

Row = Mapping[str, Any]


async def read(system: System, as_of: date) -> ErpBooks:
    """What the account holds; what is open is so now.

    Raises:
        LedgerloopError: the account did not answer.
    """
    client = NetSuiteClient(system, transport_of(system))
    options = system.options_over(DEFAULT_OPTIONS)
    try:
        customers = await _rows(client, _CUSTOMERS, "c.id")
        relations = await _rows(client, _RELATIONS, "r.id, r.subsidiary")
        documents = await _rows(client, _TRANSACTIONS, "t.id")
        posted = await _rows(client, _RECEIVABLE, "x.transaction")
        unknown = await _rows(client, _UNIDENTIFIED.format_map(options), "t.id, x.transactionline")
        links = await _rows(client, _LINKS, "k.nextdoc, k.previousdoc")
        balances = await _rows(client, _BALANCES.format_map(options), "l.subsidiary")
        banks = await _rows(client, _BANKS, "b.id")
        orders = await _rows(client, _ORDERS, "t.id")
    finally:
        await client.close()
    amounts = {row["id"]: Decimal(row["amount"]) for row in posted}
    closings = _closings(links)
    items = [
        *(_item(system, row, amounts, closings) for row in documents),
        *(_unidentified(system, row) for row in unknown),
    ]
    numbers = {row["id"]: row["entityid"].upper() for row in customers}
    return ErpBooks(
        items=items_frame(one for one in items if one.posting_date <= as_of),
        balances=[Balance(row["subsidiary"], Decimal(row["amount"])) for row in balances],
        customers=list(numbers.values()),
        payers=list(_payers(banks, numbers)),
        credit=list(_credit(system, customers, relations)),
        orders=[_order(row) for row in orders if row["status"] not in _ORDERS_DONE],
    )


async def _rows(client: NetSuiteClient, query: str, key: str) -> list[dict[str, Any]]:
    """All rows of a query, in pages behind the last key."""
    select, _, rest = " ".join(query.split()).removeprefix("SELECT ").partition(" FROM ")
    source, _, group = rest.partition(" GROUP BY ")
    source, _, condition = source.partition(" WHERE ")
    places = tuple(f"key{number}" for number, _ in enumerate(key.split(", ")))
    keys = tuple(key.split(", "))
    listed = ", ".join(f"{one} AS {name}" for one, name in zip(keys, places, strict=True))
    window = Window(keys, places, tuple("subsidiary" not in one for one in keys))
    found: list[dict[str, Any]] = []
    async for page in client.pages(
        f"{select}, {listed}",
        source,
        window,
        conditions=[condition] if condition else [],
        group_by=group,
        page_size=_PAGE_ROWS,
    ):
        found += json.loads(page)["items"]
    return found


def _closings(links: Iterable[Row]) -> dict[str, list[Closing]]:
    """Transaction to what was applied: a link closes a part of both its ends."""
    found: dict[str, list[Closing]] = {}
    for row in links:
        earlier, later = date.fromisoformat(row["earlier"]), date.fromisoformat(row["later"])
        on = max(earlier, later)
        paid_on = later if row["nexttype"] == "CustPymt" else on
        found.setdefault(row["previousdoc"], []).append(Closing(on, row["nextdoc"], paid_on))
        found.setdefault(row["nextdoc"], []).append(Closing(on, row["nextdoc"], paid_on))
    return found


def _item(
    system: System, row: Row, amounts: Mapping[str, Decimal], closings: Mapping[str, list[Closing]]
) -> Item:
    sign = -1 if row["type"] in _CREDITS else 1
    day = date.fromisoformat(row["day"])
    still_open = sign * Decimal(row["foreignamountunpaid"])
    memo = row.get("memo", "")
    is_payment = row["type"] == "CustPymt"
    return Item(
        company_code=row["subsidiary"],
        document=row["id"],
        item="001",
        nature=_NATURES[row["type"]],
        customer=row["entityid"].upper(),
        amount=sign * Decimal(row["foreigntotal"]),
        amount_open=still_open,
        amount_company=amounts[row["id"]],
        company_currency_code=system.companies[row["subsidiary"]].currency_code,
        currency_code=row["symbol"],
        posting_date=day,
        document_date=day,
        due_date=date.fromisoformat(row["due"]) if row.get("due") else day,
        references=references_of(row.get("tranid"), row.get("otherrefnum"), row["id"]),
        bank_reference=row.get("otherrefnum", "") if is_payment else "",
        assignment=_assignment(memo) if is_payment else "",
        closing=None if still_open else closed_by_last(closings.get(row["id"], ())),
    )


def _unidentified(system: System, row: Row) -> Item:
    """A line on the unidentified-receipts account: credits are money that came.

    A payment that comes from there debits it, under the reference that the payment has.
    """
    day, posted = date.fromisoformat(row["day"]), Decimal(row["amount"])
    is_payment = row["type"] == "CustPymt"
    amount = Decimal(row["foreignamount"]).copy_sign(posted)
    return Item(
        company_code=row["subsidiary"],
        document=row["id"],
        item=f"{int(row['line']) + 1:03d}",
        nature=Nature.UNIDENTIFIED,
        customer=None,
        amount=amount,
        amount_open=amount,
        amount_company=posted,
        company_currency_code=system.companies[row["subsidiary"]].currency_code,
        currency_code=row["symbol"],
        posting_date=day,
        document_date=day,
        due_date=day,
        bank_reference=row.get("otherrefnum" if is_payment else "memo", ""),
        assignment=_assignment(row.get("linememo") or row.get("memo", "")),
    )


def _assignment(text: str) -> str:
    """The receipt id that the hub puts before its text; empty in other people's texts."""
    word = text[:_ASSIGNMENT_LENGTH]
    is_ours = len(word) == _ASSIGNMENT_LENGTH and not set(word) - set("0123456789abcdef")
    return word if is_ours else ""


def _payers(banks: Iterable[Row], numbers: Mapping[str, str]) -> Iterator[PayerAccount]:
    for row in banks:
        account = normal_account(row.get("iban"), row.get("number"))
        if account and row.get("entity") in numbers:
            yield PayerAccount(numbers[row["entity"]], account)


def _credit(system: System, customers: Iterable[Row], relations: Iterable[Row]) -> Iterator[Credit]:
    """A customer has one limit for all its subsidiaries: it counts in the first one's segment."""
    segments: dict[str, set[str]] = {}
    for row in relations:
        company = system.companies.get(row["subsidiary"])
        if company is not None:
            segments.setdefault(row["entity"], set()).add(company.credit_segment)
    for row in customers:
        if row["id"] not in segments:
            continue
        amount = Decimal(row.get("creditlimit", "0"))
        kind = LimitKind.LIMITED if amount else LimitKind.NONE_GRANTED
        yield Credit(
            customer=row["entityid"].upper(),
            credit_segment=min(segments[row["id"]]),
            segment_currency=row["symbol"],
            limit_kind=kind if "creditlimit" in row else LimitKind.UNLIMITED,
            limit_amount=amount,
            is_blocked=row.get("creditholdoverride") == "ON",
        )


def _order(row: Row) -> Order:
    return Order(
        sales_order=row["id"],
        company_code=row["subsidiary"],
        customer=row["entityid"].upper(),
        requested_date=date.fromisoformat(row.get("ships") or row["day"]),
        amount=Decimal(row["foreigntotal"]),
        currency_code=row["symbol"],
        is_blocked=row["status"].rpartition(":")[2] == _ORDER_WAITS,
    )
