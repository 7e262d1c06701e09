"""All systems read at one moment, straight through their protocols, into polars frames.

It shares the vendors' clients with the product and nothing else: no warehouse, no dbt, no
operations database, so figures counted on these frames check the product instead of repeating it.
Every ERP stands in the same frames (``reading/frames.py``); which kind it is, nothing here asks.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Self

import polars as pl

from ingestion.common.config import Config, System
from sandbox.demo.bank_reading import read_receipts
from sandbox.demo.crm_reading import read_crm
from sandbox.demo.reading import can_read, read_erp
from sandbox.demo.reading.frames import (
    ITEMS,
    MONEY,
    Balance,
    Credit,
    ErpBooks,
    Nature,
    Order,
    PayerAccount,
    frame_of_rows,
)

__all__ = ["Books", "erp_systems", "read_books"]

_CRM = "salesforce"


@dataclass(frozen=True, slots=True)
class Books:
    """What the systems hold. Every frame of an ERP starts with ``system_id``.

    Attributes:
        items: customer items and unidentified receipts, closed and reversed ones included: the
            columns of ``frames.ITEMS`` with item_key, customer_id, item_class (invoice, credit,
            unapplied_cash, unidentified) and is_open.
        customers: customer and customer_id.
        payers: customer_id and account of the ERPs' master data.
        credit: credit accounts with what their limit means; is_expired as of the date.
        orders: open sales orders.
        balances: the general ledger's receivables by company.
        crm: ``accounts``, ``ar_balances``, ``ar_invoices`` of all CRM systems together.
        receipts: booked bank entries that brought money in.
        as_of: the business date that figures are counted for.
    """

    items: pl.DataFrame
    customers: pl.DataFrame
    payers: pl.DataFrame
    credit: pl.DataFrame
    orders: pl.DataFrame
    balances: pl.DataFrame
    crm: dict[str, pl.DataFrame]
    receipts: pl.DataFrame
    as_of: date

    @classmethod
    def of(
        cls,
        erps: Sequence[tuple[System, ErpBooks]],
        *,
        crm: dict[str, pl.DataFrame],
        receipts: pl.DataFrame,
        as_of: date,
    ) -> Self:
        """The books of all systems as one."""

        def united(kind: type[Any], name: str) -> pl.DataFrame:
            empty = frame_of_rows(kind, "", ())
            rows = [
                frame_of_rows(kind, system.system_id, getattr(erp, name)) for system, erp in erps
            ]
            return pl.concat([empty, *rows])

        prefixes = {system.system_id: system.key_prefix for system, _ in erps}
        numbers = [(system.system_id, one) for system, erp in erps for one in erp.customers]
        columns = {"system_id": pl.String(), "customer": pl.String()}
        is_expired = (pl.col("valid_until") < as_of).fill_null(value=False)
        return cls(
            items=_moved(_keyed([_owned(system, erp.items) for system, erp in erps], prefixes)),
            customers=_named(pl.DataFrame(numbers, schema=columns, orient="row"), prefixes),
            payers=_named(united(PayerAccount, "payers"), prefixes),
            credit=united(Credit, "credit").with_columns(is_expired=is_expired),
            orders=united(Order, "orders"),
            balances=united(Balance, "balances"),
            crm=crm,
            receipts=receipts,
            as_of=as_of,
        )


def read_books(config: Config, as_of: date) -> Books:
    """Read every connected system.

    Raises:
        ConfigError: an ERP that nobody can measure.
        LedgerloopError: a system did not answer, or a bank file cannot be read.
    """
    return asyncio.run(_read(config, as_of))


def erp_systems(config: Config) -> list[System]:
    """Every connected system that keeps customers' accounts."""
    return [one for one in config.systems.values() if one.companies or can_read(one.kind)]


async def _read(config: Config, as_of: date) -> Books:
    systems = erp_systems(config)
    erps, crms = await asyncio.gather(
        asyncio.gather(*(read_erp(system, as_of) for system in systems)),
        asyncio.gather(*(read_crm(system) for system in config.of_kind(_CRM))),
    )
    return Books.of(
        list(zip(systems, erps, strict=True)),
        crm=_merged(crms),
        receipts=read_receipts(config, as_of),
        as_of=as_of,
    )


def _merged(read: Sequence[dict[str, pl.DataFrame]]) -> dict[str, pl.DataFrame]:
    """The same object of several systems as one frame."""
    names = dict.fromkeys(name for frames in read for name in frames)
    return {name: pl.concat([frames[name] for frames in read]) for name in names}


def _moves(items: pl.DataFrame) -> pl.DataFrame:
    """Unidentified receipts that a debit on their account took off it: credit and debit.

    The debit has the same amount, and carries the credit's assignment or names its document.
    """
    place = ["system_id", "company_code", "currency_code", "amount"]
    columns = [*place, "item_key", "fiscal_year", "document", "assignment", "bank_reference",
               "posting_date"]  # fmt: skip
    unidentified = items.filter(pl.col("nature") == Nature.UNIDENTIFIED, ~pl.col("is_reversed"))
    receipts = unidentified.filter(pl.col("amount") < 0).select(columns)
    debits = (
        unidentified.filter(pl.col("amount") > 0)
        .select(columns)
        .with_columns(amount=-pl.col("amount"))
    )
    named = [
        receipts.join(
            debits.filter(pl.col(theirs) != ""),
            left_on=[*place, ours],
            right_on=[*place, theirs],
            suffix="_debit",
            coalesce=False,
        )
        for ours, theirs in (("assignment", "assignment"), ("document", "bank_reference"))
    ]
    return (
        pl.concat(named)
        .unique("item_key", keep="first", maintain_order=True)
        .unique("item_key_debit", keep="first", maintain_order=True)
    )


def _moved(items: pl.DataFrame) -> pl.DataFrame:
    """Items after unidentified receipts were moved to their customers.

    The receipt and the debit that took it are closed, and the payment in the debit's own document
    has the receipt's bank reference.
    """
    moves = _moves(items)
    closed = pl.concat(
        [
            moves.select(item_key=name, moved_on="posting_date_debit")
            for name in ("item_key", "item_key_debit")
        ]
    )
    # A vendor's document numbers begin anew in every company and year.
    document = ["system_id", "company_code", "fiscal_year", "document"]
    payments = moves.select(
        "system_id",
        "company_code",
        fiscal_year="fiscal_year_debit",
        document="document_debit",
        moved_reference="bank_reference",
    ).unique(document)
    is_open = pl.col("is_open") & pl.col("moved_on").is_null()
    reference = (
        pl.when(pl.col("nature") == Nature.PAYMENT)
        .then(pl.coalesce("moved_reference", "bank_reference"))
        .otherwise("bank_reference")
    )
    return (
        items.join(closed, on="item_key", how="left")
        .join(payments, on=document, how="left")
        .with_columns(
            is_open=is_open,
            amount_open=pl.when(is_open).then("amount_open").otherwise(0).cast(MONEY),
            closed_on=pl.coalesce("closed_on", "moved_on"),
            bank_reference=reference,
        )
        .drop("moved_on", "moved_reference")
    )


def _owned(system: System, items: pl.DataFrame) -> pl.DataFrame:
    return items.select(pl.lit(system.system_id).alias("system_id"), *ITEMS.names())


def _named(frame: pl.DataFrame, prefixes: dict[str, str]) -> pl.DataFrame:
    """A frame of customers with the id that the hub gives them."""
    prefix = pl.col("system_id").replace_strict(prefixes, default="", return_dtype=pl.String)
    name = pl.concat_str(prefix, pl.col("customer"), separator="-")
    return frame.with_columns(name.alias("customer_id"))


def _keyed(frames: Sequence[pl.DataFrame], prefixes: dict[str, str]) -> pl.DataFrame:
    """Items with their keys, classes and whether they are open."""
    empty = pl.DataFrame(schema={"system_id": pl.String(), **ITEMS})
    prefix = pl.col("system_id").replace_strict(prefixes, default="", return_dtype=pl.String)
    item_class = (
        pl.when(pl.col("nature") == Nature.UNIDENTIFIED)
        .then(pl.lit("unidentified"))
        .when(pl.col("amount") >= 0)
        .then(pl.lit("invoice"))
        .when(pl.col("nature") == Nature.PAYMENT)
        .then(pl.lit("unapplied_cash"))
        .otherwise(pl.lit("credit"))
    )
    return _named(pl.concat([empty, *frames]), prefixes).with_columns(
        pl.concat_str(
            prefix, "company_code", "fiscal_year", "document", "item", separator="-"
        ).alias("item_key"),
        item_class.alias("item_class"),
        (pl.col("amount_open") != 0).alias("is_open"),
    )
