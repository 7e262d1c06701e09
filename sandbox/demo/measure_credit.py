"""Credit figures: stale limits, and orders blocked though the customer is in good standing.

Good standing is the release test of the product on what the systems hold, with the approved limit
and with what booked receipts pay taken off: that money is at the bank already.
"""

from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl

from ingestion.common.config import Config
from reverse_etl.decisions.credit import CreditStanding, passes_release_test
from reverse_etl.planning.policy import Policy
from sandbox.demo.books import Books

__all__ = ["blocked_in_good_standing", "limits", "stale_limits"]

_CENT = Decimal("0.01")


def limits(books: Books) -> pl.DataFrame:
    """The ERP's limits: zero means unlimited unless the flag says it is zero; expired or not."""
    amount = pl.col("CreditLimitAmount").fill_null(0)
    kind = (
        pl.when(amount != 0)
        .then(pl.lit("limited"))
        .when("CreditLimitIsZero")
        .then(pl.lit("none_granted"))
        .otherwise(pl.lit("unlimited"))
    )
    return books.sap["credit_accounts"].select(
        "system_id",
        pl.col("BusinessPartner").alias("customer"),
        pl.col("CreditSegment").alias("credit_segment"),
        kind.alias("limit_kind"),
        amount.alias("limit_amount"),
        pl.col("CreditSegmentCurrency").alias("segment_currency"),
        pl.col("CreditAccountIsBlocked").fill_null(value=False).alias("is_blocked"),
        (pl.col("CreditLimitValidityEndDate") < books.as_of)
        .fill_null(value=False)
        .alias("is_expired"),
    )


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


def stale_limits(books: Books, approved: pl.DataFrame) -> int:
    """Accounts whose limit or kind is not the last approved one."""
    joined = limits(books).join(
        _last_approved(approved), on=["system_id", "customer", "credit_segment"]
    )
    differs = (pl.col("limit_kind") != pl.col("approved_kind")) | (
        (pl.col("limit_kind") == "limited") & (pl.col("limit_amount") != pl.col("approved_amount"))
    )
    return joined.filter(differs).height


def blocked_in_good_standing(
    books: Books,
    config: Config,
    approved: pl.DataFrame,
    unpaid: pl.DataFrame,
    policy: Policy,
) -> int:
    """Blocked orders that pass the release test.

    Args:
        books: what the systems hold.
        config: rates and companies.
        approved: approved limits; an approved limit counts, not the ERP's stale one.
        unpaid: open customer items (``customer_items``) less those that booked receipts pay.
        policy: the release test's thresholds.
    """
    accounts = limits(books).join(
        _last_approved(approved), on=["system_id", "customer", "credit_segment"], how="left"
    )
    orders = _orders(books, config)
    owed = _owed(unpaid, config, books.as_of)
    waiting: dict[tuple[str, str], list[dict[str, Any]]] = {}
    committed: dict[tuple[str, str], Decimal] = {}
    for order in orders.sort("requested_date", "sales_order").iter_rows(named=True):
        place = (order["system_id"], order["customer"])
        if order["is_blocked"]:
            waiting.setdefault(place, []).append(order)
        else:
            committed[place] = committed.get(place, Decimal(0)) + order["amount_segment"]
    passing = 0
    for account in accounts.iter_rows(named=True):
        place = (account["system_id"], account["customer"])
        if place in waiting:
            standing = _standing(account, owed.get(place), committed.get(place, Decimal(0)))
            passing += _passing(standing, waiting[place], policy)
    return passing


def _passing(standing: CreditStanding, orders: list[dict[str, Any]], policy: Policy) -> int:
    """How many of a customer's blocked orders pass, oldest first, each consuming credit."""
    planned, count = Decimal(0), 0
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
        exposure=(owed["exposure"] if owed else Decimal(0)) + committed,
        overdue_amount=owed["overdue"] if owed else Decimal(0),
        overdue_days_max=owed["overdue_days"] if owed else 0,
        is_blocked=account["is_blocked"],
        feed_is_stale=False,
        is_limit_expired=account["is_expired"],
    )


def _owed(
    unpaid: pl.DataFrame, config: Config, as_of: date
) -> dict[tuple[str, str], dict[str, Any]]:
    """Exposure and overdue per customer in the segment's currency, at the stored rates."""
    late = (pl.lit(as_of) - pl.col("due_date")).dt.total_days()
    is_late = (pl.col("item_class") == "invoice") & (late > 0)
    summed = unpaid.group_by("system_id", "customer", "currency_code").agg(
        pl.col("amount").sum().alias("exposure"),
        pl.col("amount").filter(is_late).sum().alias("overdue"),
        late.filter(is_late).max().fill_null(0).alias("overdue_days"),
    )
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in summed.iter_rows(named=True):
        rate = config.hub.rates.get(row["currency_code"], Decimal(1))
        place = found.setdefault(
            (row["system_id"], row["customer"]),
            {"exposure": Decimal(0), "overdue": Decimal(0), "overdue_days": 0},
        )
        place["exposure"] += row["exposure"] * rate
        place["overdue"] += row["overdue"] * rate
        place["overdue_days"] = max(place["overdue_days"], row["overdue_days"])
    for place in found.values():
        place["exposure"] = place["exposure"].quantize(_CENT)
        place["overdue"] = place["overdue"].quantize(_CENT)
    return found


def _orders(books: Books, config: Config) -> pl.DataFrame:
    """Open orders with their value in the segment's currency and any block beside credit's."""
    rates = {code: str(rate) for code, rate in config.hub.rates.items()}
    rate = pl.col("TransactionCurrency").replace_strict(rates, default="1")
    customers = books.sap["customers"].select(
        "system_id", "OrderIsBlockedForCustomer", SoldToParty="Customer"
    )
    blocks = pl.col("DeliveryBlockReason", "HeaderBillingBlockReason", "OrderIsBlockedForCustomer")
    orders = books.sap["sales_orders"].join(customers, on=["system_id", "SoldToParty"], how="left")
    return orders.filter(pl.col("OverallSDProcessStatus").fill_null("") != "C").select(
        "system_id",
        pl.col("SalesOrder").alias("sales_order"),
        pl.col("SoldToParty").alias("customer"),
        pl.col("RequestedDeliveryDate").alias("requested_date"),
        (pl.col("TotalNetAmount") * rate.cast(pl.Decimal(12, 6)))
        .round(2)
        .cast(pl.Decimal(28, 6))
        .alias("amount_segment"),
        (pl.col("TotalCreditCheckStatus") == "B").alias("is_blocked"),
        pl.concat_str(blocks.fill_null("")).alias("other_block"),
    )
