"""Is every receipt in the books exactly once? Counted by effect, not by balance.

A ledger with a double posting balances just as well, so effects are counted per receipt, per
external key and per bank reference, in every ERP: in the sandbox's own books through the admin
address, and in an ERP that is a real server through its protocol (its reading module offers
``ledger``, in the same words).
"""

import asyncio
import json
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from ingestion.common.config import Config, System
from sandbox.demo.books import erp_systems, read_books
from sandbox.demo.measure_cash import booked_receipts
from sandbox.demo.reading import reader_of

__all__ = ["Postings", "verify_postings"]

_READ_SECONDS_MAX = 60.0
#: A booking without the bank's reference says nothing about another one.
_NO_REFERENCE = "|"


@dataclass(frozen=True, slots=True)
class Postings:
    """How often each receipt was posted in an ERP (or in all), and whether the books balance."""

    receipts: int = 0
    missing: int = 0
    doubled: int = 0
    keys_doubled: int = 0
    unbalanced: int = 0
    clearings_waiting: int = 0

    def __add__(self, other: "Postings") -> "Postings":
        sums = {
            one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(self)
        }
        return Postings(**sums)

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

    @property
    def tree(self) -> dict[str, Any]:
        """The figures, whether they are exact, and the line for people."""
        figures = {one.name: getattr(self, one.name) for one in fields(self)}
        return {**figures, "is_exact": self.is_exact, "summary": self.summary}


def verify_postings(
    config: Config, *, home: Path, admin_url: str, as_of: date | None = None
) -> dict[str, Any]:
    """Count postings per bank receipt and per external key, and debits against credits.

    Args:
        config: the connected systems.
        home: ``LEDGERLOOP_HOME``; the business date is read from its demo folder.
        admin_url: where the sandbox shows its ledgers.
        as_of: instead of the date in that folder.

    Returns:
        ``Postings.tree`` of all ERPs together, and of each one under ``systems``.

    Raises:
        LedgerloopError: a system did not answer.
    """
    if as_of is None:
        about = json.loads((home / "demo" / "dataset.json").read_text(encoding="utf-8"))
        as_of = date.fromisoformat(about["as_of"])
    counted = booked_receipts(read_books(config, as_of))
    found = {
        system.system_id: _postings_of(system, counted, admin_url) for system in erp_systems(config)
    }
    together = sum(found.values(), Postings())
    return {**together.tree, "systems": {name: one.tree for name, one in found.items()}}


def _postings_of(system: System, counted: pl.DataFrame, admin_url: str) -> Postings:
    """One ERP's part."""
    ledger = _ledger(system, admin_url)
    places = (ledger["documents_by_key"], ledger["bookings_by_bank_reference"])
    postings = counted.filter(pl.col("system_id") == system.system_id)["postings"]
    return Postings(
        receipts=len(postings),
        missing=int((postings == 0).sum()),
        doubled=int((postings > 1).sum()),
        keys_doubled=sum(
            len(set(documents)) > 1
            for place in places
            for key, documents in place.items()
            if not key.endswith(_NO_REFERENCE)
        ),
        unbalanced=_unbalanced(ledger["journals"]),
        clearings_waiting=int(ledger["waiting_clearings"]),
    )


def _ledger(system: System, admin_url: str) -> dict[str, Any]:
    """The ERP's own books, which only checks may look at.

    Returns:
        ``documents_by_key``: external key to the documents that it made; ``journals``: sums of
        debits and credits; ``bookings_by_bank_reference``: ``company|reference`` to documents;
        ``waiting_clearings``: how many were accepted and are not done.
    """
    tree: dict[str, Any]
    own = getattr(reader_of(system.kind), "ledger", None)
    if own is not None:
        tree = asyncio.run(own(system))
        return tree
    address = f"{admin_url}/ledger/{system.system_id}"
    with urllib.request.urlopen(address, timeout=_READ_SECONDS_MAX) as answer:  # noqa: S310
        tree = json.loads(answer.read())
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
