"""The decide step: public marts in, pure decisions, ``decisions.*`` tables out.

Nothing is decided here; this module only carries frames between the warehouse and
``reverse_etl.decisions``. It replaces the whole decision table of a pass, so a rerun on the same
truth gives the same rows. Sums are checked: what was decided about a receipt is the receipt.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import duckdb
import polars as pl

from ingestion.common.errors import LedgerloopError
from reverse_etl.decisions.cash import decide_cash
from reverse_etl.planning.policy import Policy
from reverse_etl.planning.tables import TABLES, replace_rows

__all__ = ["CashSummary", "NotConserved", "run_cash"]

_RECEIPTS = """
    select receipt_id, system_id, company_code, value_date as received_date,
           amount_unapplied as amount, currency_code, payer_account_key as payer_account,
           virtual_account_key as virtual_account, payer_name,
           concat_ws(' ', remittance_text, references_text) as text,
           booked_customer_id as known_customer_id
    from marts.fct_receipts
    where amount_unapplied > 0 and needs_review_reason is null and not is_unidentified
        and (booked_by <> 'none' or bank_line = 'hub')
"""
# What was cleared since the oldest receipt without items is no choice any more, but was one when
# that receipt came: else a receipt that two sets explained would look certain in the next run.
_CLEARED_SINCE = """
    cleared as (
        select items.*,
               coalesce(
                   min(items.posting_date) filter (where items.item_class = 'unapplied_cash') over (
                       partition by items.system_id, items.company_code,
                           items.clearing_fiscal_year, items.clearing_document
                   ), items.clearing_date
               ) as paid_on
        from marts.fct_open_items as items
        where items.is_cleared and not items.is_reversed
    ),
    cleared_since as (
        select * from cleared
        where item_class in ('invoice', 'credit') and paid_on >= (
            select min(value_date) from marts.fct_receipts where amount_unapplied > 0
        )
    )
"""
_OPEN_ITEMS = f"""
    with {_CLEARED_SINCE},
    items as (
        select *, amount_open as amount, cast(null as date) as paid_on
        from marts.fct_open_items
        where amount_open <> 0 and item_class in ('invoice', 'credit')
        union all by name
        select *, amount_original as amount from cleared_since
    )
    select items.item_key as item_id, items.system_id, items.customer_id,
           items.customer as customer_number, customers.name as customer_name, items.company_code,
           items.document_date, items.due_date,
           items.amount as amount_open, items.currency_code, items."references",
           -- What the terms do not grant is no discount: the usual percents are for plain files.
           coalesce(items.discount_percent, 0) as discount_percent, items.discount_date,
           least(items.document_date, items.posting_date) as open_from, items.paid_on as open_until
    from items
    left join marts.dim_customers as customers on items.customer_id = customers.customer_id
"""  # noqa: S608 (our own text)
_PAYERS = """
    select payer_account_key as payer_account, customer_id, valid_from, valid_to
    from marts.dim_payer_accounts
"""
_ALIASES = "select payer_name, customer_id from marts.dim_payer_aliases"
# Receipts that are applied already: a second payment of the same is held against them.
_EARLIER = """
    select receipt_id, value_date as received_date, amount, currency_code,
           booked_customer_id as customer_id,
           concat_ws(' ', remittance_text, references_text) as text
    from marts.fct_receipts
    where amount > 0 and amount_unapplied = 0 and booked_customer_id is not null
        and value_date >= (
            select min(value_date) - interval 60 days from marts.fct_receipts
            where amount_unapplied > 0
        )
"""
_REMITTANCE_LINES = "select * from intermediate.int_remittances_matched"
_RESERVED = f"""
    with {_CLEARED_SINCE}
    select business_key as receipt_id,
           unnest(cast(payload -> '$.lines' as json[])) ->> '$.item_key' as item_id
    from ledger.commands
    where flow = 'cash_clearing'
        and state not in ('verified', 'rejected', 'dead', 'superseded', 'void')
    union all
    select clearing_document, item_key from cleared_since
"""  # noqa: S608 (our own text)


class NotConserved(LedgerloopError):
    """The rows decided about a receipt do not sum to it: nothing of this run may be sent."""


@dataclass(frozen=True, slots=True)
class CashSummary:
    """What cash application decided: receipts by decision, and money applied by currency."""

    receipts_by_decision: dict[str, int]
    applied_by_currency: dict[str, Decimal]


def run_cash(connection: duckdb.DuckDBPyConnection, policy: Policy, as_of: date) -> CashSummary:
    """Decide every receipt that is not wholly applied; replaces ``decisions.applications``.

    Raises:
        NotConserved: a cent was lost or made between receipts and decisions.
    """
    receipts = connection.sql(_RECEIPTS).pl()
    decided = decide_cash(
        receipts=receipts,
        open_items=connection.sql(_OPEN_ITEMS).pl(),
        payers=connection.sql(_PAYERS).pl(),
        aliases=connection.sql(_ALIASES).pl(),
        policy=policy,
        reserved=connection.sql(_RESERVED).pl(),
        remittance_lines=connection.sql(_REMITTANCE_LINES).pl(),
        earlier=connection.sql(_EARLIER).pl(),
    )
    _check_conserved(receipts, decided)
    of_receipt = receipts.select("receipt_id", "system_id", "company_code")
    rows = decided.join(of_receipt, on="receipt_id", how="left").with_columns(
        pl.concat_str(
            pl.col("receipt_id"),
            pl.col("rank").cast(pl.String),
            pl.col("item_id").fill_null("-"),
            pl.col("kind"),
            separator="/",
        ).alias("decision_id"),
        pl.lit(as_of).alias("as_of_date"),
        pl.col("item_id").alias("item_key"),
    )
    _replace(connection, "decisions.applications", rows)
    first = decided.filter(pl.col("rank") == 1)
    counted = first.select("receipt_id", "decision").unique().group_by("decision").len()
    applied = first.filter((pl.col("decision") == "auto") & (pl.col("kind") == "apply"))
    return CashSummary(
        dict(counted.sort("decision").iter_rows()),
        dict(applied.group_by("currency_code").agg(pl.col("amount").sum()).iter_rows()),
    )


def _check_conserved(receipts: pl.DataFrame, decided: pl.DataFrame) -> None:
    """Every receipt has a decision, and the rows of each rank sum to it, to the cent."""
    sums = decided.group_by("receipt_id", "rank").agg(pl.col("amount").sum().alias("decided"))
    joined = receipts.select("receipt_id", "amount").join(sums, on="receipt_id", how="left")
    wrong = joined.filter(
        pl.col("decided").is_null()
        | (pl.col("decided") != pl.col("amount").cast(pl.Decimal(28, 6)))
    )
    if wrong.height:
        first = wrong.row(0, named=True)
        raise NotConserved(
            f"receipt {first['receipt_id']}: {first['amount']} was received, "
            f"{first['decided']} decided; nothing is sent. Please report this.",
            code="not_conserved",
        )


def _replace(connection: duckdb.DuckDBPyConnection, table: str, rows: pl.DataFrame) -> None:
    """Put a frame into a declared table, columns by name."""
    names = TABLES[table].names
    replace_rows(connection, table, rows.select(names).to_arrow().cast(TABLES[table]))
