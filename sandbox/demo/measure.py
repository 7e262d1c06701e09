"""The demo's figures (DESIGN §9), counted from the systems themselves through their protocols.

``measure`` reads SAP, the CRM and the bank's files anew each time and shares no table, model or
state with the product; only the pure decisions say what an automatic decision would be. What the
product knows and the systems do not (drift, approvals) its caller adds. ``verify_postings`` counts
effects per receipt, because a ledger with a double posting balances just as well.
"""

import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from ingestion.common.config import Config
from reverse_etl.planning.policy import Policy, load_policy
from sandbox.demo.books import Books, read_books
from sandbox.demo.measure_cash import (
    CashDecisions,
    booked_receipts,
    cash_decisions,
    customer_items,
    gl_ties,
    unapplied_cash,
)
from sandbox.demo.measure_credit import blocked_in_good_standing, limits, stale_limits
from sandbox.demo.measure_crm import crm_figures

__all__ = ["Postings", "figures_of", "measure", "verify_postings"]

_APPROVALS = pl.Schema(
    dict.fromkeys(
        ("system_id", "customer", "credit_segment", "limit_kind", "limit_amount", "approved_at"),
        pl.String(),
    )
)
_READ_SECONDS_MAX = 60.0


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
    items = customer_items(books, config)
    cash = cash_decisions(books, config, policy)
    unpaid = _after_payments(items.filter("is_open"), books, config, cash)
    crm = crm_figures(books, config, items, limits(books))
    differences = gl_ties(books, config)
    return {
        "paid_but_open": cash.paid.height,
        "stale_limits": stale_limits(books, approved),
        "blocked_in_good_standing": blocked_in_good_standing(
            books, config, approved, unpaid, policy
        ),
        "crm_wrong_status": crm.wrong,
        "crm_unlinked": crm.unlinked,
        "unapplied_cash": unapplied_cash(books, config),
        "gl_ties": not differences,
        "details": {
            "crm_wrong_accounts": crm.accounts,
            "crm_wrong_balances": crm.balances,
            "crm_wrong_invoices": crm.invoices,
            "gl_differences": {company: str(rest) for company, rest in differences.items()},
            "open_items": int(items["is_open"].sum()),
            "receipts": books.receipts.height,
        },
    }


def _after_payments(
    items: pl.DataFrame, books: Books, config: Config, cash: CashDecisions
) -> pl.DataFrame:
    """What a customer will owe once automatic decisions are in the ERP.

    Items that a receipt pays go, with the booked cash that pays them; receipts that only go on
    account lower exposure as they do in the ERP.
    """
    applied = booked_receipts(books, config).join(
        cash.paid.select("receipt_id").unique(), on="receipt_id", how="semi"
    )
    spent = applied.select(item_key="booked_item_key").drop_nulls()
    left = items.join(cash.paid, on="item_key", how="anti").join(spent, on="item_key", how="anti")
    columns = ["system_id", "customer", "currency_code", "amount"]
    on_account = cash.on_account.select(
        *columns,
        pl.lit("unapplied_cash").alias("item_class"),
        pl.lit(books.as_of).alias("due_date"),
    )
    return pl.concat([left.select(*columns, "item_class", "due_date"), on_account])


@dataclass(frozen=True, slots=True)
class Postings:
    """How often each receipt was posted, and whether the books balance."""

    receipts: int
    missing: int
    doubled: int
    keys_doubled: int
    unbalanced: int
    clearings_waiting: int

    @property
    def is_exact(self) -> bool:
        """One posting per receipt and per external key, and debits equal credits everywhere."""
        wrong = (self.missing, self.doubled, self.keys_doubled, self.unbalanced)
        return not any(wrong) and not self.clearings_waiting

    @property
    def summary(self) -> str:
        """One line for people."""
        if self.is_exact:
            return f"{self.receipts:,} receipts, each posted exactly once; debits equal credits"
        return (
            f"{self.receipts:,} receipts, {self.missing} not posted, {self.doubled} posted twice, "
            f"{self.keys_doubled} external keys with several documents, {self.unbalanced} company "
            f"currencies out of balance, {self.clearings_waiting} clearings waiting"
        )


def verify_postings(
    config: Config, *, home: Path, admin_url: str, as_of: date | None = None
) -> dict[str, Any]:
    """Count postings per bank receipt and per external key, and debits against credits.

    Args:
        config: the connected systems.
        home: ``LEDGERLOOP_HOME``; the business date is read from its demo folder.
        admin_url: where the sandbox shows its ledger.
        as_of: instead of the date in that folder.

    Returns:
        The fields of ``Postings`` with ``is_exact`` and ``summary``.
    """
    if as_of is None:
        about = json.loads((home / "demo" / "dataset.json").read_text(encoding="utf-8"))
        as_of = date.fromisoformat(about["as_of"])
    counted = booked_receipts(read_books(config, as_of), config)
    postings = counted["postings"]
    keys = unbalanced = waiting = 0
    for system in config.of_kind("sap_s4hana"):
        ledger = _ledger(admin_url, system.system_id)
        places = (ledger["effects"], ledger["bookings_by_bank_reference"])
        keys += sum(len(set(documents)) > 1 for place in places for documents in place.values())
        unbalanced += _unbalanced(ledger["journals"])
        waiting += int(ledger.get("waiting_clearings", 0))
    found = Postings(
        receipts=counted.height,
        missing=int((postings == 0).sum()),
        doubled=int((postings > 1).sum()),
        keys_doubled=keys,
        unbalanced=unbalanced,
        clearings_waiting=waiting,
    )
    fields = {name: getattr(found, name) for name in Postings.__dataclass_fields__}
    return {**fields, "is_exact": found.is_exact, "summary": found.summary}


def _ledger(admin_url: str, system_id: str) -> dict[str, Any]:
    """The sandbox's own books, which only checks may look at."""
    address = f"{admin_url}/ledger/{system_id}"
    with urllib.request.urlopen(address, timeout=_READ_SECONDS_MAX) as answer:  # noqa: S310
        tree: dict[str, Any] = json.loads(answer.read())
    return tree


def _unbalanced(journals: Any) -> int:
    """Companies and currencies whose debits are not their credits, in whatever nesting."""
    if isinstance(journals, Mapping):
        if {"debit", "credit"} <= set(journals):
            return int(Decimal(str(journals["debit"])) != Decimal(str(journals["credit"])))
        return sum(_unbalanced(part) for part in journals.values())
    if isinstance(journals, list):
        return sum(_unbalanced(part) for part in journals)
    return 0
