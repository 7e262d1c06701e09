"""Groups of customers: who stands under whom, and how much room a group limit leaves.

A group limit bounds what a customer and all below it owe together, in every system and segment,
each account once. What is no tree (a circle, two parents at one time) is rejected: its members have
no known group, and where group limits exist nothing is released for them. Pure.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl

from ingestion.common.money import canonical_text
from reverse_etl.planning.policy_credit import GroupLimit

__all__ = ["GroupRoom", "Hierarchy", "hierarchy_of"]

_ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Parents by customer. ``unclear``: customers whose place is no place in a tree."""

    parent_of: Mapping[str, str]
    unclear: frozenset[str]

    def above(self, customer_id: str) -> tuple[str, ...]:
        """The customer itself and everybody above it, nearest first."""
        chain = [customer_id]
        while chain[-1] in self.parent_of:
            chain.append(self.parent_of[chain[-1]])
        return tuple(chain)


def hierarchy_of(rows: pl.DataFrame, as_of: date) -> Hierarchy:
    """The hierarchy of one day.

    Args:
        rows: customer_id, parent_customer_id and, where it changes in time, valid_from and
            valid_until (both days included; null is open).
        as_of: the day.
    """
    parents: dict[str, set[str]] = {}
    for row in rows.iter_rows(named=True):
        starts, ends = row.get("valid_from") or date.min, row.get("valid_until") or date.max
        if starts <= as_of <= ends:
            parents.setdefault(row["customer_id"], set()).add(row["parent_customer_id"])
    several = {customer for customer, found in parents.items() if len(found) > 1}
    single = {c: next(iter(found)) for c, found in parents.items() if len(found) == 1}
    broken = several | _circular(single)
    below = {c for c in single if broken & set(_walk(c, single))}
    unclear = frozenset(broken | below)
    return Hierarchy({c: p for c, p in single.items() if c not in unclear}, unclear)


def _walk(start: str, parent_of: Mapping[str, str]) -> list[str]:
    """From a customer upwards until the top or a customer seen before."""
    seen = [start]
    while (above := parent_of.get(seen[-1])) is not None and above not in seen:
        seen.append(above)
    return seen


def _circular(parent_of: Mapping[str, str]) -> set[str]:
    """Everybody who stands above themselves."""
    found: set[str] = set()
    done: set[str] = set()
    for start in parent_of:
        path: dict[str, int] = {}
        here: str | None = start
        while here is not None and here not in done and here not in path:
            path[here] = len(path)
            here = parent_of.get(here)
        if here is not None and here in path:
            found |= {one for one, place in path.items() if place >= path[here]}
        done |= set(path)
    return found


class GroupRoom:
    """What group limits leave for releases and proposals; remembers what was planned."""

    def __init__(
        self,
        limits: Iterable[GroupLimit],
        hierarchy: Hierarchy,
        accounts: Iterable[Mapping[str, Any]],
        rates: Mapping[str, Decimal],
        as_of: date,
    ) -> None:
        """Add up the exposure of every group.

        Args:
            limits: group limits, of any day.
            hierarchy: who stands under whom.
            accounts: rows of ``marts.fct_credit``.
            rates: rate to group currency by currency code.
            as_of: the day.
        """
        self._limits = {one.customer_id: one for one in limits if one.holds_on(as_of)}
        self._hierarchy = hierarchy
        self._rates = rates
        self._exposure: dict[str, Decimal | None] = dict.fromkeys(self._limits, _ZERO)
        self._granted: dict[str, Decimal | None] = dict.fromkeys(self._limits, _ZERO)
        counted: set[tuple[str, str, str]] = set()
        for row in accounts if self._limits else ():
            key = (row["system_id"], row["customer"], row["credit_segment"])
            if key in counted:
                continue
            counted.add(key)
            for top in self._tops(row["customer_id"]):
                currency = row["segment_currency"]
                self._plan(self._exposure, top, row["exposure"], currency)
                if row["limit_kind"] == "limited":
                    self._plan(self._granted, top, row["limit_amount"], currency)

    def obstacle(self, customer_id: str, amount: Decimal | None, currency_code: str) -> str:
        """Why a group limit stops a release of this much; empty when none does."""
        if not self._limits:
            return ""
        if customer_id in self._hierarchy.unclear:
            return "its place in the hierarchy is not clear: it stands in a circle or has two heads"
        for top in self._tops(customer_id):
            limit = self._limits[top]
            exposure = self._exposure[top]
            order = self._converted(amount, currency_code, limit.currency_code)
            if exposure is None or order is None:
                return f"what the group of {top} owes is not known: an amount in it has no rate"
            if exposure + order > limit.limit_amount:
                return (
                    f"the group of {top} would owe {canonical_text(exposure + order)}, more than "
                    f"its limit {canonical_text(limit.limit_amount)} {limit.currency_code}"
                )
        return ""

    def consume(self, customer_id: str, amount: Decimal | None, currency_code: str) -> None:
        """Count a planned release."""
        for top in self._tops(customer_id):
            self._plan(self._exposure, top, amount, currency_code)

    def most(
        self, customer_id: str, present: Decimal, currency_code: str
    ) -> tuple[Decimal | None, str]:
        """The most an account's limit may be so that the group's limits do not pass the group's.

        Returns:
            None where no group limit bounds it; below zero never. And which group bounds it.
        """
        if customer_id in self._hierarchy.unclear and self._limits:
            return present, "its place in the hierarchy is not clear"
        found: Decimal | None = None
        which = ""
        for top in self._tops(customer_id):
            limit, granted = self._limits[top], self._granted[top]
            rate = self._rates.get(currency_code)
            own = self._converted(present, currency_code, limit.currency_code)
            if granted is None or own is None or not rate:
                return present, f"limits in the group of {top} have no rate"
            free = max(limit.limit_amount - granted + own, _ZERO)
            here = free * self._rates[limit.currency_code] / rate
            if found is None or here < found:
                found, which = here, f"the limit of the group of {top}"
        return found, which

    def _tops(self, customer_id: str) -> list[str]:
        if customer_id in self._hierarchy.unclear:
            return []
        return [one for one in self._hierarchy.above(customer_id) if one in self._limits]

    def _plan(
        self, sums: dict[str, Decimal | None], top: str, amount: Decimal | None, currency: str
    ) -> None:
        before = sums[top]
        more = self._converted(amount, currency, self._limits[top].currency_code)
        sums[top] = None if before is None or more is None else before + more

    def _converted(self, amount: Decimal | None, source: str, target: str) -> Decimal | None:
        """An amount in another currency; None when it or a rate is not known."""
        if amount is None or source == target:
            return amount
        from_rate, to_rate = self._rates.get(source), self._rates.get(target)
        return None if from_rate is None or not to_rate else amount * from_rate / to_rate
