"""The demo's measuring reads a real Tryton: what is open, what ties, what was made by which key."""

import asyncio
from datetime import date
from decimal import Decimal

import polars as pl
import pytest

from reverse_etl.delivery.writer import Accepted
from sandbox.demo.books import Books
from sandbox.demo.measure_cash import gl_ties
from sandbox.demo.reading import read_erp, reader_of
from tests.reverse_etl.tryton.conftest import Desk
from tests.reverse_etl.tryton.orders import CUSTOMER, application, line, payment

AS_OF = date(2026, 5, 31)
EXACT, SPLIT, PART, REST, NOBODY = (letter + "0" * 19 for letter in "abcde")
PAID = {EXACT: "100", SPLIT: "90.25", PART: "40", REST: "70", NOBODY: "15"}


@pytest.fixture(scope="module")
def told(desk_alone: Desk) -> tuple[Books, dict[str, str]]:
    """Five invoices of 100: paid exactly, two by one receipt, in part, not at all; and nobody's."""
    desk = desk_alone
    names = ("exact", "first", "second", "partly", "unpaid")
    invoices = {name: desk.invoice("100", name) for name in names}
    receipts = [payment(key, amount) for key, amount in PAID.items() if key != NOBODY]
    receipts.append(payment(NOBODY, PAID[NOBODY], customer=None))
    posted = desk.hub("send", *receipts)
    documents = dict(zip(PAID, (one.native_id.rpartition("/")[2] for one in posted), strict=True))
    wanted = {
        EXACT: [line(invoices["exact"], "100")],
        # 50.25 and 40: the receipt is divided, and a part of each invoice stays open.
        SPLIT: [line(invoices["first"], "50.25"), line(invoices["second"], "40")],
        PART: [line(invoices["partly"], "40")],
    }
    applied = desk.hub(
        "send", *(application(key, lines, document=documents[key]) for key, lines in wanted.items())
    )
    assert all(isinstance(one, Accepted) for one in applied), applied
    erp = asyncio.run(read_erp(desk.system, AS_OF))
    books = Books.of([(desk.system, erp)], crm={}, receipts=pl.DataFrame(), as_of=AS_OF)
    return books, {str(one["number"]): name for name, one in invoices.items()}


def test_invoices_are_open_by_what_no_receipt_paid(
    told: tuple[Books, dict[str, str]],
) -> None:
    books, names = told
    rows = books.items.filter(pl.col("item_class") == "invoice").iter_rows(named=True)
    still_open = {names[row["references"].split(";")[0]]: row["amount_open"] for row in rows}
    assert still_open == {
        "exact": 0,
        "first": Decimal("49.75"),
        "second": 60,
        "partly": 60,
        "unpaid": 100,
    }


def test_receipts_keep_the_banks_amount_and_are_open_by_what_pays_nothing(
    told: tuple[Books, dict[str, str]],
) -> None:
    books, _ = told
    cash = books.items.filter(pl.col("nature") != "receivable")
    held = {
        row["bank_reference"]: (row["amount"], row["amount_open"], row["customer"])
        for row in cash.iter_rows(named=True)
    }
    assert held == {
        f"BK{key[:12]}": (
            -Decimal(amount),
            -Decimal(amount) if key in (REST, NOBODY) else 0,
            None if key == NOBODY else CUSTOMER,
        )
        for key, amount in PAID.items()
    }
    assert gl_ties(books) == {}


def test_every_key_made_one_document_and_debits_equal_credits(
    desk_alone: Desk, told: object
) -> None:
    del told
    ledger = asyncio.run(reader_of("tryton").ledger(desk_alone.system))
    # Five receipts, and the one move that divides.
    assert len(ledger["documents_by_key"]) == len(PAID) + 1
    assert {len(made) for made in ledger["documents_by_key"].values()} == {1}
    assert sorted(ledger["bookings_by_bank_reference"]) == sorted(f"1|BK{key[:12]}" for key in PAID)
    assert ledger["journals"]["1"]["debit"] == ledger["journals"]["1"]["credit"] > 0
    assert ledger["waiting_clearings"] == 0
