"""The demo counts the orders that should go out by the release test: never on an expired limit."""

from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from ingestion.common.config import Config, Hub
from reverse_etl.planning.policy import Policy
from sandbox.demo.books import Books
from sandbox.demo.measure_credit import blocked_in_good_standing

DAY = date(2026, 5, 23)
MONEY = pl.Decimal(28, 6)
ACCOUNT: dict[str, Any] = {
    "system_id": "sap",
    "BusinessPartner": "1",
    "CreditSegment": "1000",
    "CreditLimitAmount": Decimal(1000),
    "CreditLimitIsZero": False,
    "CreditSegmentCurrency": "USD",
    "CreditAccountIsBlocked": False,
    "CreditLimitValidityEndDate": None,
}
ORDER: dict[str, Any] = {
    "system_id": "sap",
    "SalesOrder": "5001",
    "SoldToParty": "1",
    "RequestedDeliveryDate": DAY,
    "TotalNetAmount": Decimal(400),
    "TransactionCurrency": "USD",
    "TotalCreditCheckStatus": "B",
    "OverallSDProcessStatus": "A",
    "DeliveryBlockReason": None,
    "HeaderBillingBlockReason": None,
}
CUSTOMER = {"system_id": "sap", "Customer": "1", "OrderIsBlockedForCustomer": None}
TYPES: dict[str, Any] = {
    "CreditLimitAmount": MONEY,
    "TotalNetAmount": MONEY,
    "CreditLimitValidityEndDate": pl.Date,
    "DeliveryBlockReason": pl.String,
    "HeaderBillingBlockReason": pl.String,
    "OrderIsBlockedForCustomer": pl.String,
}
UNPAID = pl.Schema(
    {
        "system_id": pl.String(), "customer": pl.String(), "currency_code": pl.String(),
        "amount": MONEY, "due_date": pl.Date(), "item_class": pl.String(),
    }
)  # fmt: skip
APPROVED = pl.Schema(
    {
        "system_id": pl.String(), "customer": pl.String(), "credit_segment": pl.String(),
        "limit_kind": pl.String(), "limit_amount": pl.String(), "approved_at": pl.String(),
    }
)  # fmt: skip


def frame(row: dict[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([row], schema_overrides=TYPES)


@pytest.mark.parametrize(
    ("valid_until", "passing"),
    [(None, 1), (DAY, 1), (date(2026, 5, 22), 0), (date(9999, 12, 31), 1)],
)
def test_an_order_is_not_counted_after_the_last_day_of_the_limit(
    valid_until: date | None, passing: int
) -> None:
    sap = {
        "credit_accounts": frame({**ACCOUNT, "CreditLimitValidityEndDate": valid_until}),
        "sales_orders": frame(ORDER),
        "customers": frame(CUSTOMER),
    }
    count = blocked_in_good_standing(
        Books(sap, {}, pl.DataFrame(), DAY),
        Config(hub=Hub(group_currency="USD"), systems={}),
        pl.DataFrame(schema=APPROVED),
        pl.DataFrame(schema=UNPAID),
        Policy(),
    )
    assert count == passing
