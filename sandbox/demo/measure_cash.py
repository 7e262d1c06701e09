"""Cash figures: which open items a booked receipt pays, what is unapplied, whether books tie.

Items and receipts are brought into the shapes that the pure cash decision takes; nothing is decided
here. One receipt has one posting: how to tell it is the same rule for every ERP (the hub's own
assignment, else company, amount and the bank's reference).
"""

from dataclasses import dataclass
from decimal import Decimal

import polars as pl

from reverse_etl.decisions.cash import decide_cash
from reverse_etl.planning.policy import Policy
from sandbox.demo.books import Books
from sandbox.demo.reading.frames import Nature

__all__ = [
    "CashDecisions",
    "booked_receipts",
    "cash_decisions",
    "customer_items",
    "gl_ties",
    "receipt_items",
    "unapplied_cash",
]

_ASSIGNMENT_LENGTH = 18
_BANK_REFERENCE_LENGTH = 16


def customer_items(books: Books) -> pl.DataFrame:
    """Customer items as of the date, each with its class; cleared and reversed ones included."""
    return books.items.filter(pl.col("nature") != Nature.UNIDENTIFIED)


def receipt_items(books: Books) -> pl.DataFrame:
    """What the ERPs hold as received money: payment credits and unidentified receipts.

    An unidentified receipt that is closed stands elsewhere by now: on its customer, or nowhere.
    """
    is_closed = (pl.col("nature") == Nature.UNIDENTIFIED) & ~pl.col("is_open")
    return books.items.filter(
        pl.col("nature") != Nature.RECEIVABLE,
        pl.col("amount") < 0,
        ~pl.col("is_reversed"),
        ~is_closed,
    )


def booked_receipts(books: Books) -> pl.DataFrame:
    """Every receipt with the ERP items that book it: ``postings`` counts them.

    ``booked_customer_id``, ``is_applied`` and ``amount_unapplied`` are those of the booking;
    without one they are null, false and the whole amount.
    """
    items = receipt_items(books).with_columns(
        (-pl.col("amount")).alias("amount"),
        _shortened("bank_reference").alias("reference"),
        (pl.col("nature") == Nature.UNIDENTIFIED).alias("is_unidentified"),
    )
    receipts = books.receipts.with_columns(
        pl.col("receipt_id").str.slice(0, _ASSIGNMENT_LENGTH).alias("assignment"),
        _shortened("bank_reference").alias("reference"),
    )
    place = ["system_id", "company_code"]
    by_hub = receipts.join(items, on=[*place, "assignment"], how="inner", suffix="_item")
    taken = by_hub.select("item_key").unique()
    by_reference = receipts.join(
        items.filter(pl.col("reference") != "").join(taken, on="item_key", how="anti"),
        on=[*place, "amount", "currency_code", "reference"],
        how="inner",
        suffix="_item",
    )
    columns = ["receipt_id", "item_key", "customer_id", "amount_open", "is_unidentified"]
    found = pl.concat([by_hub.select(columns), by_reference.select(columns)]).unique()
    counted = found.group_by("receipt_id").agg(
        pl.len().alias("postings"),
        pl.col("item_key").min().alias("booked_item_key"),
        pl.col("customer_id").filter(~pl.col("is_unidentified")).min().alias("booked_customer_id"),
        (pl.col("amount_open") == 0).all().alias("is_applied"),
        (-pl.col("amount_open")).sum().alias("amount_unapplied"),
        pl.col("is_unidentified").any(),
    )
    return books.receipts.join(counted, on="receipt_id", how="left").with_columns(
        pl.col("postings").fill_null(0),
        pl.col("is_applied").fill_null(value=False),
        pl.col("is_unidentified").fill_null(value=False),
        pl.coalesce("amount_unapplied", "amount").alias("amount_unapplied"),
    )


def _shortened(column: str) -> pl.Expr:
    """A bank reference as far as every ERP keeps it."""
    return pl.col(column).str.to_uppercase().str.slice(0, _BANK_REFERENCE_LENGTH)


@dataclass(frozen=True, slots=True)
class CashDecisions:
    """What automatic decisions say of the receipts that are not wholly applied.

    Attributes:
        paid: item_key and receipt_id of open ERP items that a receipt pays.
        on_account: customer, currency_code and (negative) amount of unbooked receipts whose payer
            is certain: cash that the ERP will hold on the customer's account.
    """

    paid: pl.DataFrame
    on_account: pl.DataFrame


def cash_decisions(books: Books, policy: Policy) -> CashDecisions:
    """Ask the pure cash decision about every receipt that is not wholly applied."""
    booked = booked_receipts(books)
    waiting = booked.filter(
        ~pl.col("is_applied"),
        ~pl.col("is_unidentified"),
        (pl.col("postings") > 0) | (pl.col("bank_line") == "hub"),
    )
    items = _choices(customer_items(books), waiting)
    decided = decide_cash(
        receipts=waiting.select(
            "receipt_id", "system_id", "company_code", "currency_code", "payer_account",
            "payer_name", "text",
            amount="amount_unapplied",
            received_date="value_date",
            known_customer_id="booked_customer_id",
        ),
        open_items=items.select(
            "system_id", "customer_id", "company_code", "document_date", "due_date",
            "currency_code", "references", "discount_percent", "discount_date",
            item_id="item_key",
            customer_number="customer",
            amount_open=pl.when("is_open").then("amount_open").otherwise("amount"),
            open_from=pl.min_horizontal("document_date", "posting_date"),
            open_until=pl.when(~pl.col("is_open")).then("paid_on"),
        ),
        payers=_payers(books),
        aliases=None,
        policy=policy,
        earlier=_applied(booked),
        reserved=items.filter(~pl.col("is_open")).select(
            receipt_id="closed_by", item_id="item_key"
        ),
    )  # fmt: skip
    paid = decided.filter(pl.col("decision") == "auto", pl.col("kind") == "apply")
    proposed = decided.filter(pl.col("decision") == "proposal", pl.col("rank") == 1)
    unbooked = waiting.filter(pl.col("postings") == 0).select(
        "receipt_id", "system_id", "company_code"
    )
    numbers = books.customers.select("customer_id", "customer")
    on_account = (
        proposed.join(unbooked, on="receipt_id")
        .join(numbers, on="customer_id")
        .select(
            "system_id", "company_code", "customer", "currency_code",
            (-pl.col("amount")).alias("amount"),
        )
    )  # fmt: skip
    return CashDecisions(
        paid.select(item_key="item_id", receipt_id="receipt_id").unique("item_key"), on_account
    )


def _applied(booked: pl.DataFrame) -> pl.DataFrame:
    """Receipts that the ERP holds as applied: a second payment of the same is none."""
    return booked.filter("is_applied", pl.col("booked_customer_id").is_not_null()).select(
        "receipt_id", "amount", "currency_code", "text",
        received_date="value_date",
        customer_id="booked_customer_id",
    )  # fmt: skip


def _choices(items: pl.DataFrame, waiting: pl.DataFrame) -> pl.DataFrame:
    """Items that are open, and those that were when the oldest waiting receipt came."""
    oldest = waiting["value_date"].min()
    is_item = pl.col("item_class").is_in(["invoice", "credit"]) & ~pl.col("is_reversed")
    was_open = pl.col("is_open") | (pl.col("paid_on") >= pl.lit(oldest, pl.Date))
    return items.filter(is_item, was_open)


def _payers(books: Books) -> pl.DataFrame:
    """Payer accounts of the ERPs' master data that belong to exactly one customer."""
    pairs = books.payers.select(payer_account="account", customer_id="customer_id").unique()
    return pairs.filter(pl.len().over("payer_account") == 1)


def unapplied_cash(books: Books) -> pl.DataFrame:
    """Money received and not applied, by system and currency: what no ERP booked yet counts too."""
    unbooked = booked_receipts(books).filter(pl.col("postings") == 0)
    both = pl.concat(
        [
            receipt_items(books).select(
                "system_id", "currency_code", (-pl.col("amount_open")).alias("amount")
            ),
            unbooked.select("system_id", "currency_code", "amount"),
        ]
    )
    summed = both.group_by("system_id", "currency_code").agg(pl.col("amount").sum())
    return summed.filter(pl.col("amount") != 0).sort("system_id", "currency_code")


def gl_ties(books: Books) -> dict[tuple[str, str], Decimal]:
    """Sub-ledger less G/L balance per system and company in its currency; without zeros."""
    place = ("system_id", "company_code")
    both = pl.concat(
        [
            customer_items(books).select(*place, amount="amount_open_company"),
            books.balances.select(*place, amount=-pl.col("amount")),
        ]
    )
    summed = both.group_by(place).agg(pl.col("amount").sum()).sort(place)
    return {(system, company): rest for system, company, rest in summed.iter_rows() if rest}
