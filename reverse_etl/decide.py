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
from reverse_etl.decide_unchanged import is_unchanged, mark_of, remember
from reverse_etl.decisions.cash import decide_cash
from reverse_etl.planning.policy import Policy
from reverse_etl.planning.tables import TABLES, replace_rows

__all__ = ["CashSummary", "NotConserved", "run_cash"]

# Who paid: the customer whose account the ERP shows it on, else what a person said of it last.
_RECEIPTS = """
    with said as (
        select native_id as receipt_id, arg_max(customer_id, linked_at) as customer_id
        from ledger.links
        where relation = 'receipt' and unlinked_at is null
        group by native_id
    )
    select receipts.receipt_id, system_id, company_code, value_date as received_date,
           amount_unapplied as amount, currency_code,
           system_id || '/' || payer_account_key as payer_account,
           system_id || '/' || virtual_account_key as virtual_account, payer_name,
           concat_ws(' ', remittance_text, references_text) as text,
           coalesce(booked_customer_id, said.customer_id) as known_customer_id
    from marts.fct_receipts as receipts
    left join said on receipts.receipt_id = said.receipt_id
    where amount_unapplied > 0 and needs_review_reason is null
        -- What somebody asked to give back is nothing to apply, unless it was refused.
        and receipts.receipt_id not in (
            select business_key from ledger.commands
            where object_name = 'refunds'
                and state not in ('rejected', 'dead', 'superseded', 'void')
        )
        and (booked_by <> 'none' or bank_line = 'hub')
"""
# What is cleared, with the day of the payment that did it.
_CLEARED = """
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
    )
"""
# What was cleared since the oldest receipt to be decided is no choice any more, but was one when
# that receipt came: else a receipt that two sets explained would look certain in the next run. A
# receipt that waits for a person or for the ERP is not decided and keeps no paid items in view.
_CLEARED_SINCE = f"""
    {_CLEARED},
    cleared_since as (
        select * from cleared
        where item_class in ('invoice', 'credit') and paid_on >= (
            select min(received_date) from ({_RECEIPTS})
        )
    )
"""  # noqa: S608 (our own text)
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
# Who pays from an account is said ERP by ERP: one payer may be a customer of several, and money on
# a company's bank account belongs to that company's ERP.
_PAYERS = """
    select customers.system_id || '/' || payers.payer_account_key as payer_account,
           payers.customer_id, payers.valid_from, payers.valid_to
    from marts.dim_payer_accounts as payers
    inner join marts.dim_customers as customers on payers.customer_id = customers.customer_id
"""
_ALIASES = "select payer_name, customer_id from marts.dim_payer_aliases"
# Receipts that are applied already: a second payment of the same is held against them. Only one of
# just the amount and currency of a receipt to be decided can be repeated by it.
_EARLIER = f"""
    with decidable as (
        select amount, currency_code, min(received_date) as first_date,
               max(received_date) as last_date
        from ({_RECEIPTS})
        group by all
    )
    select earlier.receipt_id, earlier.value_date as received_date, earlier.amount,
           earlier.currency_code, earlier.booked_customer_id as customer_id,
           concat_ws(' ', earlier.remittance_text, earlier.references_text) as text
    from marts.fct_receipts as earlier
    inner join decidable
        on earlier.amount = decidable.amount and earlier.currency_code = decidable.currency_code
        and earlier.value_date between decidable.first_date - interval 60 days
            and decidable.last_date
    where earlier.amount > 0 and earlier.amount_unapplied = 0
        and earlier.booked_customer_id is not null
"""  # noqa: S608 (our own text)
# How the customers of receipts paid before: only that is asked whose payment explains itself badly.
_SETTLED = f"""
    with {_CLEARED},
    decidable as (select * from ({_RECEIPTS}))
    select customer_id, due_date, least(document_date, posting_date) as open_from, paid_on,
           clearing_date as known_on
    from cleared
    where item_class = 'invoice' and paid_on is not null
        and paid_on >= (select min(received_date) - interval 400 days from decidable)
"""  # noqa: S608 (our own text)
_REMITTANCE_LINES = """
    select * replace (amount_paid - adjustment_amount as amount_paid)
    from intermediate.int_remittances_matched
"""
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
#: The arguments of ``decide_cash``.
_FRAMES = {
    "receipts": _RECEIPTS,
    "open_items": _OPEN_ITEMS,
    "payers": _PAYERS,
    "aliases": _ALIASES,
    "reserved": _RESERVED,
    "remittance_lines": _REMITTANCE_LINES,
    "earlier": _EARLIER,
    "settled": _SETTLED,
}
_TABLE = "decisions.applications"


class NotConserved(LedgerloopError):
    """The rows decided about a receipt do not sum to it: nothing of this run may be sent."""


@dataclass(frozen=True, slots=True)
class CashSummary:
    """What cash application decided: receipts by decision, and money applied by currency."""

    receipts_by_decision: dict[str, int]
    applied_by_currency: dict[str, Decimal]


def run_cash(connection: duckdb.DuckDBPyConnection, policy: Policy, as_of: date) -> CashSummary:
    """Decide every receipt that is not wholly applied; replaces ``decisions.applications``.

    Where nothing that decisions follow from has changed, the table stays as it is.

    Raises:
        NotConserved: a cent was lost or made between receipts and decisions.
    """
    frames = {name: connection.sql(query).pl() for name, query in _FRAMES.items()}
    mark = mark_of(frames, policy, as_of)
    if not is_unchanged(connection, _TABLE, mark):
        decided = decide_cash(policy=policy, **frames)
        _check_conserved(frames["receipts"], decided)
        _replace(connection, _TABLE, _rows(decided, frames["receipts"], as_of))
        remember(connection, _TABLE, mark)
    return _summary(connection)


def _rows(decided: pl.DataFrame, receipts: pl.DataFrame, as_of: date) -> pl.DataFrame:
    """What was decided with the columns of the table."""
    of_receipt = receipts.select("receipt_id", "system_id", "company_code")
    return decided.join(of_receipt, on="receipt_id", how="left").with_columns(
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


def _summary(connection: duckdb.DuckDBPyConnection) -> CashSummary:
    """What the table says: receipts by decision, and what is applied by itself."""
    first = f"select * from {_TABLE} where rank = 1"  # noqa: S608 (our own text)
    counted = connection.sql(
        f"select decision, count(distinct receipt_id) from ({first}) group by 1 order by 1"  # noqa: S608
    )
    applied = connection.sql(
        f"select currency_code, sum(amount) from ({first})"  # noqa: S608
        " where decision = 'auto' and kind = 'apply' group by 1 order by 1"
    )
    return CashSummary(dict(counted.pl().iter_rows()), dict(applied.pl().iter_rows()))


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
