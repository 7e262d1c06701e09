"""Tryton read for measuring, over JSON-RPC: invoices' own amounts to pay, and unreconciled lines.

What is due of an invoice Tryton says itself. A payment's line is open until it is reconciled or
stands beside an invoice. A move that names a payment as its origin and takes from the customer's
account what it puts back there only divides that payment: its lines are parts of it, no items.
Tryton is a real server, so ``ledger`` counts effects through the same protocol.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from ingestion.common.config import System
from ingestion.common.transport import transport_of
from ingestion.tryton.client import TrytonClient
from ingestion.tryton.settings import DEFAULT_OPTIONS
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
    items_frame,
    normal_account,
    references_of,
)

__all__ = ["ledger", "read"]

ZERO = Decimal(0)
_KEY = re.compile(r"([A-Z2-7]{20})(?: (.*)|$)", re.DOTALL)
_PAGE_ROWS = 1000
_CASH = frozenset({"cash", "bank"})
_ORDERED = frozenset({"confirmed", "processing"})
_LINE_FIELDS = (
    "move", "move.number", "move.date", "move.description", "move.origin", "move.journal.type",
    "account.code", "account.type.receivable", "account.company", "account.company.currency.code",
    "party.code", "debit", "credit", "amount_second_currency", "second_currency.code",
    "reconciliation", "maturity_date",
)  # fmt: skip
_INVOICE_FIELDS = (
    "number", "reference", "invoice_date", "move", "lines_to_pay", "payment_lines",
    "amount_to_pay",
)  # fmt: skip
_SALE_FIELDS = (
    "number", "company", "state", "shipment_method", "party.code", "currency.code", "sale_date",
    "shipping_date", "create_date", "untaxed_amount",
)  # fmt: skip

Row = Mapping[str, Any]


async def read(system: System, as_of: date) -> ErpBooks:
    """What the configured companies hold; what is open is so now.

    Raises:
        LedgerloopError: the server did not answer.
    """
    client = TrytonClient(system, transport_of(system))
    options = system.options_over(DEFAULT_OPTIONS)
    items: list[Item] = []
    balances: list[Balance] = []
    credit: list[Credit] = []
    orders: list[Order] = []
    customers: dict[int, str] = {}
    try:
        own = await client.search_read("company.company", [], ["party"])
        domain = [["code", "!=", None], ["id", "not in", [row["party"] for row in own]]]
        for code, company in system.companies.items():
            books = await _read_company(client, int(code), options["unidentified_gl_account"])
            items += books.items()
            balances.append(
                await _balance(client, int(code), options.get("ar_gl_account", "1.2.1"))
            )
            parties = await _rows(
                client, "party.party", domain,
                ("code", "credit_limit_amount", "credit_amount"), int(code),
            )  # fmt: skip
            customers = {row["id"]: row["code"] for row in parties}
            credit += [
                _credit(row, company.credit_segment, company.currency_code) for row in parties
            ]
            orders += await _orders(client, int(code), parties)
        numbers = await _bank_accounts(client, options)
    finally:
        await client.close()
    return ErpBooks(
        items=items_frame(one for one in items if one.posting_date <= as_of),
        balances=balances,
        customers=list(customers.values()),
        payers=list(_payers(numbers, customers)),
        credit=credit,
        orders=orders,
    )


async def _rows(
    client: TrytonClient, model: str, domain: Sequence[Any], fields: Sequence[str], company: int
) -> list[dict[str, Any]]:
    """Every row of a model as one company sees it, archived ones too, in pages by id."""
    context = {"company": company, "active_test": False, "posted": True}
    found: list[dict[str, Any]] = []
    while True:
        last = found[-1]["id"] if found else 0
        rows = await client.search_read(
            model, [*domain, ["id", ">", last]], list(fields), limit=_PAGE_ROWS,
            order=(("id", "ASC"),), context=context,
        )  # fmt: skip
        found += rows
        if len(rows) < _PAGE_ROWS:
            return found


async def _read_company(client: TrytonClient, company: int, unidentified: str) -> "_CompanyBooks":
    domain = [
        ["account.company", "=", company],
        ["move.state", "=", "posted"],
        ["OR", ["account.type.receivable", "=", True], ["account.code", "=", unidentified]],
    ]
    lines = [
        _line(row)
        for row in await _rows(client, "account.move.line", domain, _LINE_FIELDS, company)
    ]
    posted = [["company", "=", company], ["type", "=", "out"], ["move", "!=", None]]
    invoices = await _rows(client, "account.invoice", posted, _INVOICE_FIELDS, company)
    return _CompanyBooks(lines, invoices)


@dataclass(frozen=True, slots=True)
class _Line:
    """A posted line on a receivable account, or on the unidentified-receipts account."""

    number: int
    move: int
    move_number: str
    text: str
    origin: int | None
    day: date
    is_cash: bool
    is_receivable: bool
    company: int
    party: str | None
    amount: Decimal
    amount_company: Decimal
    currency_code: str
    company_currency_code: str
    reconciliation: int | None
    maturity_date: date | None


def _line(row: Row) -> _Line:
    move, account = row["move."], row["account."]
    in_company = row["debit"] - row["credit"]
    company_currency = account["company."]["currency."]["code"]
    second = row.get("second_currency.")
    name, _, number = str(move["origin"] or "").partition(",")
    return _Line(
        number=row["id"],
        move=row["move"],
        move_number=move["number"],
        text=move["description"] or "",
        origin=int(number) if name == "account.move" else None,
        day=move["date"],
        is_cash=move["journal."]["type"] in _CASH,
        is_receivable=bool(account["type."]["receivable"]),
        company=account["company"],
        party=(row.get("party.") or {}).get("code"),
        amount=row["amount_second_currency"] if second else in_company,
        amount_company=in_company,
        currency_code=second["code"] if second else company_currency,
        company_currency_code=company_currency,
        reconciliation=row["reconciliation"],
        maturity_date=row["maturity_date"],
    )


class _CompanyBooks:
    """One company's lines and invoices, as items."""

    def __init__(self, lines: Sequence[_Line], invoices: Sequence[Row]) -> None:
        self._lines = lines
        self._by_number = {line.number: line for line in lines}
        self._invoices = {row["move"]: row for row in invoices}
        self._beside = {number: row for row in invoices for number in row["payment_lines"]}
        self._net: dict[int, Decimal] = {}
        self._of_move: dict[int, list[_Line]] = {}
        for line in lines:
            self._of_move.setdefault(line.move, []).append(line)
            if line.is_receivable:
                self._net[line.move] = self._net.get(line.move, ZERO) + line.amount_company
        self._reversed = {
            move for line in lines if self._reverses(line) for move in (line.move, line.origin)
        }
        self._came = {line.move: line.day for line in lines if self._is_payment(line)}
        self._divisions: dict[int, list[_Line]] = {}
        for line in lines:
            if self._divides(line) and line.is_receivable:
                assert line.origin is not None
                self._divisions.setdefault(line.origin, []).append(line)
        self._reconciled: dict[int, list[_Line]] = {}
        for line in lines:
            if line.reconciliation is not None:
                self._reconciled.setdefault(line.reconciliation, []).append(line)
        self._due = dict(self._due_lines(invoices))

    def _is_payment(self, line: _Line) -> bool:
        return line.is_cash and line.is_receivable and line.move not in self._invoices

    def _reverses(self, line: _Line) -> bool:
        """Whether a line's move undoes another one's on receivables."""
        if line.origin not in self._net:
            return False
        assert line.origin is not None
        return self._net.get(line.move) == -self._net[line.origin]

    def _divides(self, line: _Line) -> bool:
        return line.origin in self._of_move and not self._reverses(line)

    def _due_lines(self, invoices: Iterable[Row]) -> Iterator[tuple[int, Decimal]]:
        """What is due of each instalment: what was paid covers the first ones first."""
        for row in invoices:
            left: Decimal = row["amount_to_pay"]
            lines = [self._by_number[one] for one in row["lines_to_pay"] if one in self._by_number]
            lines.sort(key=lambda one: (one.maturity_date or one.day, one.number), reverse=True)
            for line in lines:
                part = ZERO
                if line.reconciliation is None and left * line.amount > 0:
                    part = min(line.amount, left, key=abs)
                left -= part
                yield line.number, part

    def _open(self, line: _Line) -> Decimal:
        """What is open of a line."""
        if line.number in self._due:
            return self._due[line.number]
        own = ZERO if self._is_used(line) else line.amount
        if not self._is_payment(line):
            return own
        parts = self._divisions.get(line.move, ())
        return own + sum((one.amount for one in parts if not self._is_used(one)), ZERO)

    def _is_used(self, line: _Line) -> bool:
        return line.reconciliation is not None or line.number in self._beside

    def items(self) -> Iterator[Item]:
        """Every customer item, and every unidentified receipt."""
        for line in self._lines:
            if self._divides(line):
                continue
            if line.is_receivable:
                yield self._customer_item(line)
            elif line.amount < 0:
                yield self._item(line, Nature.UNIDENTIFIED, line.amount)

    def _customer_item(self, line: _Line) -> Item:
        nature = Nature.PAYMENT if self._is_payment(line) else Nature.RECEIVABLE
        return self._item(line, nature, self._open(line))

    def _item(self, line: _Line, nature: Nature, still_open: Decimal) -> Item:
        invoice = self._invoices.get(line.move, {})
        is_reversed = line.move in self._reversed
        still_open = ZERO if is_reversed else still_open
        is_owed = nature is Nature.RECEIVABLE
        return Item(
            company_code=str(line.company),
            document=str(line.move),
            item=str(line.number),
            nature=nature,
            customer=None if nature is Nature.UNIDENTIFIED else line.party,
            amount=line.amount,
            amount_open=still_open,
            amount_company=line.amount_company,
            company_currency_code=line.company_currency_code,
            currency_code=line.currency_code,
            posting_date=line.day,
            document_date=invoice.get("invoice_date") or line.day,
            due_date=line.maturity_date or line.day,
            references=references_of(
                invoice.get("number") or line.move_number, invoice.get("reference")
            ),
            bank_reference="" if is_owed else _bank_reference(line.text),
            is_reversed=is_reversed,
            closing=None if still_open else self._closing(line),
        )

    def _closing(self, line: _Line) -> Closing | None:
        """What closed a line: a reconciliation, else what stands beside its invoice."""
        if line.reconciliation is not None:
            together = self._reconciled[line.reconciliation]
            by = f"R{line.reconciliation}"
        else:
            invoice = self._invoices.get(line.move) or self._beside.get(line.number)
            if invoice is None:
                return None
            numbers = (line.number, *invoice["payment_lines"])
            together = [self._by_number[one] for one in numbers if one in self._by_number]
            by = f"I{invoice['id']}"
        on = max(one.day for one in together)
        came = [
            self._came[move]
            for one in together
            for move in (one.move, one.origin)
            if move in self._came
        ]
        return Closing(on, by, min(came, default=on))


def _bank_reference(text: str) -> str:
    """The bank's reference in a payment's text, with the hub's key before it or not."""
    found = _KEY.match(text)
    return (found.group(2) or "") if found else text


async def _bank_accounts(client: TrytonClient, options: Mapping[str, str]) -> list[dict[str, Any]]:
    """Numbers of bank accounts with their owners; none where that module is not installed."""
    if options["reads_bank_accounts"] == "no":
        return []
    fields = ["number", "account.owners"]
    return await client.search_read("bank.account.number", [["account.active", "=", True]], fields)


def _payers(numbers: Iterable[Row], customers: Mapping[int, str]) -> Iterator[PayerAccount]:
    for row in numbers:
        for owner in row["account."]["owners"]:
            if owner in customers:
                yield PayerAccount(customers[owner], normal_account(row["number"]))


async def _balance(client: TrytonClient, company: int, account: str) -> Balance:
    """The receivables account's balance as Tryton adds it up."""
    domain = [["company", "=", company], ["code", "=", account]]
    rows = await _rows(client, "account.account", domain, ("balance",), company)
    return Balance(str(company), sum((row["balance"] for row in rows), ZERO))


def _credit(row: Row, segment: str, currency_code: str) -> Credit:
    """A company's limit; Tryton knows no hold. Zero refuses every order."""
    amount = row["credit_limit_amount"]
    kind = LimitKind.LIMITED if amount else LimitKind.NONE_GRANTED
    return Credit(
        customer=row["code"],
        credit_segment=segment,
        segment_currency=currency_code,
        limit_kind=LimitKind.UNLIMITED if amount is None else kind,
        limit_amount=amount or ZERO,
        is_blocked=False,
    )


async def _orders(client: TrytonClient, company: int, parties: Iterable[Row]) -> list[Order]:
    """Confirmed orders, and quotations that the credit limit would not let anyone confirm."""
    credit = {row["code"]: (row["credit_limit_amount"], row["credit_amount"]) for row in parties}
    states = [*_ORDERED, "quotation"]
    domain = [["company", "=", company], ["state", "in", states], ["number", "!=", None]]
    found = []
    for row in await _rows(client, "sale.sale", domain, _SALE_FIELDS, company):
        customer, amount = row["party."]["code"], row["untaxed_amount"]
        limit, used = credit.get(customer, (None, ZERO))
        is_blocked = (
            row["state"] == "quotation"
            and row["shipment_method"] == "order"
            and amount > 0
            and limit is not None
            and used + amount > limit
        )
        if row["state"] == "quotation" and not is_blocked:
            continue
        made: datetime = row["create_date"]
        found.append(
            Order(
                sales_order=row["number"],
                company_code=str(company),
                customer=customer,
                requested_date=row["shipping_date"] or row["sale_date"] or made.date(),
                amount=amount,
                currency_code=row["currency."]["code"],
                is_blocked=is_blocked,
            )
        )
    return found


async def ledger(system: System) -> dict[str, Any]:
    """Effects as a sandbox's books show them, counted in Tryton's moves.

    Returns:
        ``documents_by_key``: the hub's key to posted moves (and credit notes); a move that was
        cancelled, and what cancels it, count no more. ``bookings_by_bank_reference``: receipts.
        ``journals``: debits and credits by company. ``waiting_clearings``: drafts with a key,
        which nobody finished.

    Raises:
        LedgerloopError: the server did not answer.
    """
    client = TrytonClient(system, transport_of(system))
    documents: dict[str, list[str]] = {}
    bookings: dict[str, list[str]] = {}
    journals: dict[str, dict[str, Decimal]] = {}
    waiting = 0
    try:
        for code in system.companies:
            company = int(code)
            moves = await _rows(
                client, "account.move", [["company", "=", company]],
                ("description", "state", "origin", "journal.type"), company,
            )  # fmt: skip
            memos = await _rows(
                client, "account.invoice",
                [["company", "=", company], ["state", "in", ["posted", "paid"]]],
                ("reference",), company,
            )  # fmt: skip
            waiting += sum(
                row["state"] == "draft" and bool(_KEY.match(row["description"] or ""))
                for row in moves
            )
            for key, reference, move in _live(moves):
                if key:
                    documents.setdefault(key, []).append(f"move/{move}")
                if reference:
                    bookings.setdefault(f"{code}|{reference}", []).append(f"move/{move}")
            for row in memos:
                if _KEY.fullmatch(row["reference"] or ""):
                    documents.setdefault(row["reference"], []).append(f"invoice/{row['id']}")
            journals[code] = await _sums(client, company)
    finally:
        await client.close()
    return {
        "documents_by_key": documents,
        "bookings_by_bank_reference": bookings,
        "journals": journals,
        "waiting_clearings": waiting,
    }


def _live(moves: Iterable[Row]) -> Iterator[tuple[str, str, int]]:
    """Key, bank reference and id of posted cash moves that nobody cancelled.

    A cancelling move carries the text of what it cancels; a move that divides another one has a
    key of its own and is no receipt.
    """
    posted = [row for row in moves if row["state"] == "posted" and row["journal."]["type"] in _CASH]
    texts = {f"account.move,{row['id']}": row["description"] for row in posted}
    cancelling = [
        row for row in posted if row["origin"] and texts.get(row["origin"]) == row["description"]
    ]
    gone = {row["id"] for row in cancelling}
    gone |= {int(row["origin"].partition(",")[2]) for row in cancelling}
    for row in posted:
        if row["id"] in gone:
            continue
        text = row["description"] or ""
        found = _KEY.match(text)
        reference = "" if row["origin"] in texts else _bank_reference(text)
        yield found.group(1) if found else "", reference, row["id"]


async def _sums(client: TrytonClient, company: int) -> dict[str, Decimal]:
    """Debits and credits of all posted lines of a company."""
    domain = [["account.company", "=", company], ["move.state", "=", "posted"]]
    lines = await _rows(client, "account.move.line", domain, ("debit", "credit"), company)
    return {name: sum((row[name] for row in lines), ZERO) for name in ("debit", "credit")}
