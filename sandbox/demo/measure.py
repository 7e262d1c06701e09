"""The demo's figures (DESIGN §9), counted from the systems themselves through their protocols.

``measure`` reads every ERP, the CRM and the bank's files anew each time and shares no table, model
or state with the product; only the pure decisions say what an automatic decision would be. What the
product knows and the systems do not (drift, approvals) its caller adds.
"""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from ingestion.common.config import Config, System
from ingestion.common.money import MINOR_DIGITS
from reverse_etl.planning.policy import Policy, load_policy
from sandbox.demo.books import Books, erp_systems, read_books
from sandbox.demo.measure_cash import (
    CashDecisions,
    booked_receipts,
    cash_decisions,
    customer_items,
    gl_ties,
    unapplied_cash,
)
from sandbox.demo.measure_credit import blocked_in_good_standing, stale_limits
from sandbox.demo.measure_crm import crm_figures

__all__ = ["figures_of", "measure"]

_APPROVALS = pl.Schema(
    dict.fromkeys(
        ("system_id", "customer", "credit_segment", "limit_kind", "limit_amount", "approved_at"),
        pl.String(),
    )
)


def measure(
    config: Config,
    *,
    home: Path,
    as_of: date,
    approved_limits: pl.DataFrame | None = None,
    policy: Policy | None = None,
    awaiting_approval: int | None = None,
    drift_rows: int | None = None,
) -> dict[str, Any]:
    """Count all figures now.

    Args:
        config: the connected systems.
        home: ``LEDGERLOOP_HOME``; the approved limits are read from its demo folder.
        as_of: the business date.
        approved_limits: instead of that file, the same columns as text.
        policy: thresholds; None takes the configured one.
        awaiting_approval: known to the caller only; left out when None.
        drift_rows: the same.

    Raises:
        LedgerloopError: a system did not answer.
    """
    if approved_limits is None:
        path = home / "demo" / "approved_limits.csv"
        approved_limits = pl.read_csv(path, infer_schema=False) if path.exists() else None
    policy = policy or load_policy(config.hub.policy or None)
    approved = pl.DataFrame(schema=_APPROVALS) if approved_limits is None else approved_limits
    figures = figures_of(read_books(config, as_of), config, approved, policy)
    given = {"awaiting_approval": awaiting_approval, "drift_rows": drift_rows}
    return figures | {name: value for name, value in given.items() if value is not None}


def figures_of(
    books: Books, config: Config, approved: pl.DataFrame, policy: Policy
) -> dict[str, Any]:
    """The figures of one reading of all systems, and what is behind them in ``details``."""
    items = customer_items(books)
    cash = cash_decisions(books, policy)
    unpaid = _after_payments(items.filter("is_open"), books, cash)
    crm = crm_figures(books, config, items)
    differences = gl_ties(books)
    stale = stale_limits(books, approved)
    blocked = blocked_in_good_standing(books, config, approved, unpaid, policy)
    unapplied = unapplied_cash(books)
    return {
        "paid_but_open": cash.paid.height,
        "stale_limits": stale.height,
        "blocked_in_good_standing": sum(blocked.values()),
        "crm_wrong_status": crm.wrong,
        "crm_unlinked": crm.unlinked,
        "unapplied_cash": _by_currency(unapplied),
        "gl_ties": not differences,
        "details": {
            "crm_wrong_accounts": crm.accounts,
            "crm_wrong_balances": crm.balances,
            "crm_wrong_invoices": crm.invoices,
            "gl_differences": {
                f"{system}/{company}": str(rest) for (system, company), rest in differences.items()
            },
            "open_items": int(items["is_open"].sum()),
            "receipts": books.receipts.height,
        },
        "systems": {
            system.system_id: {
                "kind": system.kind,
                "open_items": _count(items.filter("is_open"), system),
                "receipts": _count(books.receipts, system),
                "paid_but_open": _count(cash.paid.join(items, on="item_key", how="left"), system),
                "stale_limits": _count(stale, system),
                "blocked_in_good_standing": blocked.get(system.system_id, 0),
                "unapplied_cash": _by_currency(_of(unapplied, system)),
                "gl_ties": not any(one == system.system_id for one, _ in differences),
            }
            for system in erp_systems(config)
        },
    }


def _of(frame: pl.DataFrame, system: System) -> pl.DataFrame:
    return frame.filter(pl.col("system_id") == system.system_id)


def _count(frame: pl.DataFrame, system: System) -> int:
    return _of(frame, system).height


def _by_currency(amounts: pl.DataFrame) -> dict[str, str]:
    """Amounts of several systems by currency, as text; nothing for a sum of zero."""
    summed = amounts.group_by("currency_code").agg(pl.col("amount").sum()).sort("currency_code")
    return {
        code: f"{amount:.{MINOR_DIGITS.get(code, 2)}f}"
        for code, amount in summed.iter_rows()
        if amount
    }


def _after_payments(items: pl.DataFrame, books: Books, cash: CashDecisions) -> pl.DataFrame:
    """What a customer will owe once automatic decisions are in the ERP.

    Items that a receipt pays go, with the booked cash that pays them; receipts that only go on
    account lower exposure as they do in the ERP.
    """
    applied = booked_receipts(books).join(
        cash.paid.select("receipt_id").unique(), on="receipt_id", how="semi"
    )
    spent = applied.select(item_key="booked_item_key").drop_nulls()
    left = items.join(cash.paid, on="item_key", how="anti").join(spent, on="item_key", how="anti")
    place = ["system_id", "company_code", "customer", "currency_code"]
    on_account = cash.on_account.select(
        *place,
        "amount",
        pl.lit("unapplied_cash").alias("item_class"),
        pl.lit(books.as_of).alias("due_date"),
    )
    amount = pl.col("amount_open").alias("amount")
    return pl.concat([left.select(*place, amount, "item_class", "due_date"), on_account])
