"""Credit figures: stale limits, and orders blocked though the customer is in good standing.

Good standing is the release test of the product on what the systems hold, with the approved limit
and with what booked receipts pay taken off: that money is at the bank already.
"""

from collections.abc import Mapping
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import polars as pl

from ingestion.common.config import Config
from ingestion.common.money import MINOR_DIGITS
from reverse_etl.decisions.credit import CreditStanding, passes_release_test
from reverse_etl.planning.policy import Policy
from sandbox.demo.books import Books

__all__ = ["blocked_in_good_standing", "stale_limits"]

ZERO = Decimal(0)
#: System, customer and credit segment.
_Place = tuple[str, str, str]


def _last_approved(approved: pl.DataFrame) -> pl.DataFrame:
    """The newest approval of every customer and segment."""
    amount = pl.col("limit_amount").cast(pl.Decimal(28, 6), strict=False).fill_null(0)
    return (
        approved.sort("approved_at")
        .unique(["system_id", "customer", "credit_segment"], keep="last", maintain_order=True)
        .select(
            "system_id",
            "customer",
            "credit_segment",
            approved_kind="limit_kind",
            approved_amount=amount,
        )
    )


def stale_limits(books: Books, approved: pl.DataFrame) -> pl.DataFrame:
    """Accounts whose limit or kind is not the last approved one."""
    joined = books.credit.join(
        _last_approved(approved), on=["system_id", "customer", "credit_segment"]
    )
    differs = (pl.col("limit_kind") != pl.col("approved_kind")) | (
        (pl.col("limit_kind") == "limited") & (pl.col("limit_amount") != pl.col("approved_amount"))
    )
    return joined.filter(differs)


def blocked_in_good_standing(
    books: Books,
    config: Config,
    approved: pl.DataFrame,
    unpaid: pl.DataFrame,
    policy: Policy,
) -> dict[str, int]:
    """Blocked orders that pass the release test, by system.

    Args:
        books: what the systems hold.
        config: rates, and which credit segment a company belongs to.
        approved: approved limits; an approved limit counts, not the ERP's stale one.
        unpaid: open customer items (``amount`` is what is open) less those that booked receipts
            pay.
        policy: the release test's thresholds.
    """
    accounts = books.credit.join(
        _last_approved(approved), on=["system_id", "customer", "credit_segment"], how="left"
    )
    segments = _Segments(config, books)
    owed = _owed(unpaid, segments, books.as_of)
    waiting: dict[_Place, list[dict[str, Any]]] = {}
    committed: dict[_Place, Decimal] = {}
    for order in books.orders.sort("requested_date", "sales_order").iter_rows(named=True):
        place = segments.place_of(order)
        value = segments.valued(order["amount"], order["currency_code"], place)
        if order["is_blocked"]:
            waiting.setdefault(place, []).append({**order, "amount_segment": value})
        else:
            committed[place] = committed.get(place, ZERO) + value
    passing = dict.fromkeys(books.credit["system_id"].unique().sort(), 0)
    for account in accounts.iter_rows(named=True):
        place = (account["system_id"], account["customer"], account["credit_segment"])
        if place in waiting:
            standing = _standing(account, owed.get(place), committed.get(place, ZERO))
            passing[account["system_id"]] += _passing(standing, waiting[place], policy)
    return passing


class _Segments:
    """Which credit segment a document counts in, and what it is worth in the segment's currency."""

    def __init__(self, config: Config, books: Books) -> None:
        self._rates = config.hub.rates
        self._of_company = {
            (system.system_id, code): company.credit_segment
            for system in config.systems.values()
            for code, company in system.companies.items()
        }
        columns = ("system_id", "customer", "credit_segment", "segment_currency")
        self._currencies = {
            (system, customer, segment): currency
            for system, customer, segment, currency in books.credit.select(columns).iter_rows()
        }

    def place_of(self, row: Mapping[str, Any]) -> _Place:
        """System, customer and segment of a document's company."""
        segment = self._of_company.get((row["system_id"], row["company_code"]), "")
        return (row["system_id"], row["customer"], segment)

    def valued(self, amount: Decimal, currency_code: str, place: _Place) -> Decimal:
        """An amount in the segment's currency, rounded to its minor unit."""
        target = self._currencies.get(place, currency_code)
        return _rounded(self.crossed(amount, currency_code, place), target)

    def crossed(self, amount: Decimal, currency_code: str, place: _Place) -> Decimal:
        """An amount in the segment's currency at the stored rates, not rounded."""
        target = self._currencies.get(place, currency_code)
        if currency_code == target:
            return amount
        one = Decimal(1)
        return amount * self._rates.get(currency_code, one) / self._rates.get(target, one)

    def rounded(self, amount: Decimal, place: _Place) -> Decimal:
        """A sum in the segment's currency, rounded to its minor unit."""
        return _rounded(amount, self._currencies.get(place, ""))


def _rounded(amount: Decimal, currency_code: str) -> Decimal:
    digits = MINOR_DIGITS.get(currency_code, 2)
    return amount.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN)


def _passing(standing: CreditStanding, orders: list[dict[str, Any]], policy: Policy) -> int:
    """How many of a customer's blocked orders pass, oldest first, each consuming credit."""
    planned, count = ZERO, 0
    for order in orders:
        test = passes_release_test(
            standing,
            order["amount_segment"],
            policy.credit,
            planned_before=planned,
            other_block=order["other_block"],
        )
        if test.passes:
            planned += order["amount_segment"]
            count += 1
    return count


def _standing(
    account: dict[str, Any], owed: dict[str, Any] | None, committed: Decimal
) -> CreditStanding:
    is_approved = account["approved_kind"] is not None
    kind = account["approved_kind"] if is_approved else account["limit_kind"]
    amount = account["approved_amount"] if is_approved else account["limit_amount"]
    return CreditStanding(
        limit_kind=kind,
        limit_amount=amount if kind == "limited" else None,
        exposure=(owed["exposure"] if owed else ZERO) + committed,
        overdue_amount=owed["overdue"] if owed else ZERO,
        overdue_days_max=owed["overdue_days"] if owed else 0,
        is_blocked=account["is_blocked"],
        feed_is_stale=False,
        is_limit_expired=account["is_expired"],
    )


def _owed(unpaid: pl.DataFrame, segments: _Segments, as_of: date) -> dict[_Place, dict[str, Any]]:
    """Exposure and overdue per customer and segment in its currency, at the stored rates."""
    late = (pl.lit(as_of) - pl.col("due_date")).dt.total_days()
    is_late = (pl.col("item_class") == "invoice") & (late > 0)
    summed = unpaid.group_by("system_id", "company_code", "customer", "currency_code").agg(
        pl.col("amount").sum().alias("exposure"),
        pl.col("amount").filter(is_late).sum().alias("overdue"),
        late.filter(is_late).max().fill_null(0).alias("overdue_days"),
    )
    found: dict[_Place, dict[str, Any]] = {}
    for row in summed.iter_rows(named=True):
        place = segments.place_of(row)
        sums = found.setdefault(place, {"exposure": ZERO, "overdue": ZERO, "overdue_days": 0})
        for name in ("exposure", "overdue"):
            sums[name] += segments.crossed(row[name], row["currency_code"], place)
        sums["overdue_days"] = max(sums["overdue_days"], row["overdue_days"])
    for place, sums in found.items():
        for name in ("exposure", "overdue"):
            sums[name] = segments.rounded(sums[name], place)
    return found
