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
from reverse_etl.decisions.credit import decide_credit
from reverse_etl.planning.policy import Policy
from reverse_etl.planning.tables import TABLES, replace_rows

__all__ = ["CashSummary", "CreditSummary", "NotConserved", "run_cash", "run_credit"]

_RECEIPTS = """
    select receipt_id, system_id, company_code, value_date as received_date,
           amount_unapplied as amount, currency_code, payer_account_key as payer_account,
           payer_name, concat_ws(' ', remittance_text, references_text) as text,
           booked_customer_id as known_customer_id
    from marts.fct_receipts
    where amount_unapplied > 0 and needs_review_reason is null and not is_unidentified
        and (booked_by <> 'none' or bank_line = 'hub')
"""
_OPEN_ITEMS = """
    select items.item_key as item_id, items.system_id, items.customer_id,
           items.customer as customer_number, items.company_code, items.document_date,
           items.due_date, items.amount_open, items.currency_code, items."references"
    from marts.fct_open_items as items
    where items.amount_open <> 0 and items.item_class in ('invoice', 'credit')
"""
_PAYERS = "select payer_account_key as payer_account, customer_id from marts.dim_payer_accounts"
_RESERVED = """
    select business_key as receipt_id,
           unnest(cast(payload -> '$.lines' as json[])) ->> '$.item_key' as item_id
    from ledger.commands
    where object_name = 'clearings'
        and state not in ('verified', 'rejected', 'dead', 'superseded', 'void')
"""
_OWN_HOLDS = """
    select distinct held.system_id, accounts.customer, accounts.credit_segment
    from ledger.acknowledged as held
    inner join marts.fct_credit as accounts
        on held.system_id = accounts.system_id
        and held.object_key = accounts.customer || '/' || accounts.credit_segment
    inner join observed.sap_s4hana__credit_accounts as observed
        on held.system_id = observed.system_id and held.object_key = observed.object_key
    inner join ledger.acknowledged as reason
        on held.system_id = reason.system_id and held.object_name = reason.object_name
        and held.object_key = reason.object_key and reason.field = 'block_reason'
    inner join ledger.commands as commands
        on held.command_id = commands.command_id and commands.state = 'verified'
    where held.object_name = 'credit_accounts' and held.field = 'is_blocked'
        and held.value = 'true' and observed.is_blocked
        and observed.block_reason is not distinct from reason.value
"""


class NotConserved(LedgerloopError):
    """The rows decided about a receipt do not sum to it: nothing of this run may be sent."""


@dataclass(frozen=True, slots=True)
class CashSummary:
    """What cash application decided: receipts by decision, and money applied by currency."""

    receipts_by_decision: dict[str, int]
    applied_by_currency: dict[str, Decimal]


@dataclass(frozen=True, slots=True)
class CreditSummary:
    """What credit decided: rows by action."""

    rows_by_action: dict[str, int]


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
        aliases=None,
        policy=policy,
        reserved=connection.sql(_RESERVED).pl(),
    )
    _check_conserved(receipts, decided)
    of_receipt = receipts.select("receipt_id", "system_id", "company_code")
    rows = decided.join(of_receipt, on="receipt_id", how="left").with_columns(
        pl.concat_str(
            pl.col("receipt_id"),
            pl.col("rank").cast(pl.String),
            pl.col("item_id").fill_null("on-account"),
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


def run_credit(connection: duckdb.DuckDBPyConnection, policy: Policy, as_of: date) -> CreditSummary:
    """Decide limits, holds and order releases; replaces ``decisions.credit``."""
    decided = decide_credit(
        fct_credit=connection.sql("select * from marts.fct_credit").pl(),
        orders=connection.sql("select * from marts.fct_sales_orders").pl(),
        approved_limits=connection.sql("select * from ledger.approved_limits").pl(),
        own_holds=connection.sql(_OWN_HOLDS).pl(),
        policy=policy,
        as_of=as_of,
    )
    _replace(connection, "decisions.credit", decided)
    counted = decided.group_by("action").len().sort("action")
    return CreditSummary(dict(counted.iter_rows()))


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
