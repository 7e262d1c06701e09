"""Cash figures: which open items a booked receipt pays, what is unapplied, whether books tie.

Items and receipts are brought into the shapes that the pure cash decision takes; nothing is decided
here. One receipt has one posting: how to tell it is the same rule everywhere (the hub's own
assignment, else company, amount and the bank's reference).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import polars as pl

from ingestion.common.config import Config
from reverse_etl.decisions.cash import decide_cash
from reverse_etl.planning.policy import Policy
from sandbox.demo.books import Books

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


def _keyed(books: Books, config: Config) -> pl.DataFrame:
    """All read items in plain columns; ``is_open`` as of the date of the books."""
    prefixes = {system.system_id: system.key_prefix for system in config.systems.values()}
    unidentified = {
        system.system_id: str(system.options.get("unidentified_gl_account", "21650000"))
        for system in config.of_kind("sap_s4hana")
    }
    text = pl.col("system_id")
    cleared_on = pl.coalesce("ClearingDate", "ClearingCreationDate", "PostingDate")
    is_cleared = pl.col("IsCleared") & ~pl.col("ClearingIsReversed").fill_null(value=False)
    is_reversed = pl.col("IsReversed").fill_null(value=False) | pl.col("IsReversal").fill_null(
        value=False
    )
    prefix = text.replace_strict(prefixes, default="")
    return books.sap["operational_items"].select(
        "system_id",
        pl.concat_str(
            prefix, "CompanyCode", "FiscalYear", "AccountingDocument", "AccountingDocumentItem",
            separator="-",
        ).alias("item_key"),
        pl.col("CompanyCode").alias("company_code"),
        pl.concat_str(prefix, pl.col("Customer"), separator="-").alias("customer_id"),
        pl.col("Customer").alias("customer"),
        pl.col("AccountingDocumentType").alias("document_type"),
        pl.col("AmountInTransactionCurrency").alias("amount"),
        pl.col("AmountInCompanyCodeCurrency").alias("amount_company"),
        pl.col("TransactionCurrency").alias("currency_code"),
        pl.col("PostingDate").alias("posting_date"),
        pl.col("DocumentDate").alias("document_date"),
        pl.coalesce("NetDueDate", "PostingDate").alias("due_date"),
        pl.col("DocumentReferenceID").fill_null("").alias("reference"),
        pl.col("AssignmentReference").fill_null("").alias("assignment"),
        pl.col("Reference3IDByBusinessPartner").fill_null("").alias("external_key"),
        pl.concat_str(
            pl.col(
                "DocumentReferenceID", "PaymentReference", "BillingDocument",
                "AccountingDocument", "SalesDocument",
            ).replace("", None),
            separator=";",
            ignore_nulls=True,
        ).alias("references"),
        (pl.col("GLAccount") == text.replace_strict(unidentified, default="")).alias(
            "is_unidentified"
        ),
        (pl.col("FinancialAccountType") == "D").alias("is_customer"),
        pl.col("SpecialGLCode").fill_null("").alias("special_gl"),
        pl.col("CashDiscount1Percent").fill_null(0).alias("discount_percent"),
        pl.col("CashDiscount1DueDate").alias("discount_date"),
        is_reversed.alias("is_reversed"),
        (is_cleared & (cleared_on <= books.as_of)).alias("is_cleared"),
        cleared_on.alias("cleared_on"),
        pl.concat_str("ClearingDocFiscalYear", "ClearingAccountingDocument", separator="/").alias(
            "clearing"
        ),
    ).filter(pl.col("posting_date") <= books.as_of, pl.col("special_gl") == "")  # fmt: skip


def customer_items(books: Books, config: Config) -> pl.DataFrame:
    """Customer items as of the date, each with its class; cleared and reversed ones included."""
    item_class = (
        pl.when(pl.col("amount") >= 0)
        .then(pl.lit("invoice"))
        .when(pl.col("document_type") == "DZ")
        .then(pl.lit("unapplied_cash"))
        .otherwise(pl.lit("credit"))
    )
    return (
        _keyed(books, config)
        .filter("is_customer")
        .with_columns(
            item_class.alias("item_class"),
            (~(pl.col("is_cleared") | pl.col("is_reversed"))).alias("is_open"),
        )
    )


def receipt_items(books: Books, config: Config) -> pl.DataFrame:
    """What the ERP holds as received money: payment credits and unidentified receipts."""
    is_payment = pl.col("is_customer") & (pl.col("document_type") == "DZ")
    return _keyed(books, config).filter(
        is_payment | pl.col("is_unidentified"), pl.col("amount") < 0, ~pl.col("is_reversed")
    )


def booked_receipts(books: Books, config: Config) -> pl.DataFrame:
    """Every receipt with the ERP items that book it: ``postings`` counts them.

    ``booked_customer_id`` and ``is_applied`` are those of the booking, null and false without one.
    """
    items = receipt_items(books, config).with_columns(
        (-pl.col("amount")).alias("amount"),
        pl.col("reference").str.to_uppercase().str.slice(0, _BANK_REFERENCE_LENGTH),
    )
    receipts = books.receipts.with_columns(
        pl.col("receipt_id").str.slice(0, _ASSIGNMENT_LENGTH).alias("assignment"),
        pl.col("bank_reference")
        .str.to_uppercase()
        .str.slice(0, _BANK_REFERENCE_LENGTH)
        .alias("reference"),
    )
    place = ["system_id", "company_code"]
    by_hub = receipts.join(items, on=[*place, "assignment"], how="inner", suffix="_item")
    taken = by_hub.select("item_key").unique()
    by_erp = receipts.join(
        items.filter(pl.col("reference") != "").join(taken, on="item_key", how="anti"),
        on=[*place, "amount", "currency_code", "reference"],
        how="inner",
        suffix="_item",
    )
    columns = ["receipt_id", "item_key", "customer_id", "is_cleared", "is_unidentified"]
    found = pl.concat([by_hub.select(columns), by_erp.select(columns)]).unique()
    counted = found.group_by("receipt_id").agg(
        pl.len().alias("postings"),
        pl.col("item_key").min().alias("booked_item_key"),
        pl.col("customer_id").filter(~pl.col("is_unidentified")).min().alias("booked_customer_id"),
        pl.col("is_cleared").all().alias("is_applied"),
        pl.col("is_unidentified").any(),
    )
    return books.receipts.join(counted, on="receipt_id", how="left").with_columns(
        pl.col("postings").fill_null(0),
        pl.col("is_applied").fill_null(value=False),
        pl.col("is_unidentified").fill_null(value=False),
    )


@dataclass(frozen=True, slots=True)
class CashDecisions:
    """What automatic decisions say of the receipts that are not applied.

    Attributes:
        paid: item_key and receipt_id of open ERP items that a receipt pays.
        on_account: customer, currency_code and (negative) amount of unbooked receipts whose payer
            is certain: cash that the ERP will hold on the customer's account.
    """

    paid: pl.DataFrame
    on_account: pl.DataFrame


def cash_decisions(books: Books, config: Config, policy: Policy) -> CashDecisions:
    """Ask the pure cash decision about every receipt that is not applied."""
    waiting = booked_receipts(books, config).filter(
        ~pl.col("is_applied"),
        ~pl.col("is_unidentified"),
        (pl.col("postings") > 0) | (pl.col("bank_line") == "hub"),
    )
    items = _choices(customer_items(books, config), waiting)
    decided = decide_cash(
        receipts=waiting.select(
            "receipt_id", "system_id", "company_code", "amount", "currency_code", "payer_account",
            "payer_name", "text",
            received_date="value_date",
            known_customer_id="booked_customer_id",
        ),
        open_items=items.select(
            "system_id", "customer_id", "company_code", "document_date", "due_date",
            "currency_code", "references", "discount_percent", "discount_date",
            item_id="item_key",
            customer_number="customer",
            amount_open="amount",
            open_from=pl.min_horizontal("document_date", "posting_date"),
            open_until="paid_on",
        ),
        payers=_payers(books, config),
        aliases=None,
        policy=policy,
        earlier=_applied(books, config),
        reserved=items.filter(~pl.col("is_open")).select(receipt_id="clearing", item_id="item_key"),
    )  # fmt: skip
    paid = decided.filter(pl.col("decision") == "auto", pl.col("kind") == "apply")
    proposed = decided.filter(pl.col("decision") == "proposal", pl.col("rank") == 1)
    unbooked = waiting.filter(pl.col("postings") == 0).select("receipt_id", "system_id")
    on_account = proposed.join(unbooked, on="receipt_id").select(
        "system_id",
        pl.col("customer_id").str.split("-").list.last().alias("customer"),
        "currency_code",
        (-pl.col("amount")).alias("amount"),
    )
    return CashDecisions(
        paid.select(item_key="item_id", receipt_id="receipt_id").unique("item_key"), on_account
    )


def _applied(books: Books, config: Config) -> pl.DataFrame:
    """Receipts that the ERP holds as applied: a second payment of the same is none."""
    return (
        booked_receipts(books, config)
        .filter("is_applied", pl.col("booked_customer_id").is_not_null())
        .select(
            "receipt_id", "amount", "currency_code", "text",
            received_date="value_date",
            customer_id="booked_customer_id",
        )
    )  # fmt: skip


def _choices(items: pl.DataFrame, waiting: pl.DataFrame) -> pl.DataFrame:
    """Items that are open, and those that were when the oldest waiting receipt came."""
    place = ["system_id", "company_code", "clearing"]
    paid_on = (
        pl.when(pl.col("item_class") == "unapplied_cash").then("posting_date").min().over(place)
    )
    dated = items.with_columns(
        pl.when(~pl.col("is_open"))
        .then(pl.coalesce(paid_on, pl.col("cleared_on")))
        .alias("paid_on")
    )
    oldest = waiting["value_date"].min()
    is_item = pl.col("item_class").is_in(["invoice", "credit"]) & ~pl.col("is_reversed")
    was_open = pl.col("is_open") | (pl.col("paid_on") >= pl.lit(oldest, pl.Date))
    return dated.filter(is_item, was_open)


def _payers(books: Books, config: Config) -> pl.DataFrame:
    """Payer accounts of the ERP's master data that belong to exactly one customer."""
    prefixes = {system.system_id: system.key_prefix for system in config.systems.values()}
    account = pl.coalesce(pl.col("IBAN", "BankAccount").replace("", None))
    prefix = pl.col("system_id").replace_strict(prefixes, default="")
    pairs = (
        books.sap["bank_accounts"]
        .select(
            account.str.replace_all(r"[^A-Za-z0-9]", "").str.to_uppercase().alias("payer_account"),
            pl.concat_str(prefix, pl.col("BusinessPartner"), separator="-").alias("customer_id"),
        )
        .drop_nulls()
        .unique()
    )
    return pairs.filter(pl.len().over("payer_account") == 1)


def unapplied_cash(books: Books, config: Config) -> dict[str, str]:
    """Money received and not applied to items, by currency: what no ERP booked yet counts too."""
    items = receipt_items(books, config).filter(~pl.col("is_cleared"))
    unbooked = booked_receipts(books, config).filter(pl.col("postings") == 0)
    both = pl.concat(
        [
            items.select("currency_code", (-pl.col("amount")).alias("amount")),
            unbooked.select("currency_code", "amount"),
        ]
    )
    summed = both.group_by("currency_code").agg(pl.col("amount").sum()).sort("currency_code")
    return {code: f"{amount:.2f}" for code, amount in summed.iter_rows() if amount}


def gl_ties(books: Books, config: Config) -> dict[str, Decimal]:
    """Sub-ledger less G/L balance per company in its currency; empty when all are zero."""
    accounts = {
        system.system_id: str(system.options.get("ar_gl_account", "12100000"))
        for system in config.of_kind("sap_s4hana")
    }
    account = pl.col("system_id").replace_strict(accounts, default="")
    ledger = (
        books.sap["gl_balances"]
        .filter(pl.col("GLAccount") == account)
        .select(company_code="CompanyCode", amount=-pl.col("AmountInCompanyCodeCurrency"))
    )
    items = customer_items(books, config).filter("is_open")
    both = pl.concat([items.select("company_code", amount="amount_company"), ledger])
    summed = both.group_by("company_code").agg(pl.col("amount").sum())
    differences: Mapping[str, Decimal] = dict(summed.iter_rows())
    return {company: rest for company, rest in sorted(differences.items()) if rest}
