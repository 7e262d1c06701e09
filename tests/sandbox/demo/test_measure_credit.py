"""The demo counts the orders that should go out by the release test, in the segment's currency."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import polars as pl
import pytest

from ingestion.common.config import Company, Config, Hub, System
from reverse_etl.planning.policy import Policy
from sandbox.demo.books import Books
from sandbox.demo.measure_credit import blocked_in_good_standing, stale_limits
from sandbox.demo.reading.frames import MONEY, Credit, ErpBooks, LimitKind, Order, items_frame

DAY = date(2026, 5, 23)
COMPANIES = {
    "DE01": Company(currency_code="EUR", credit_segment="1000"),
    "GB01": Company(currency_code="GBP", credit_segment="1000"),
    "US01": Company(currency_code="USD", credit_segment="2000"),
}
SYSTEM = System(system_id="erp", kind="sap_s4hana", key_prefix="SAP", companies=COMPANIES)
RATES = {"EUR": Decimal("1.08"), "GBP": Decimal("1.20"), "USD": Decimal(1)}
CONFIG = Config(hub=Hub(group_currency="USD", rates=RATES), systems={"erp": SYSTEM})
ACCOUNT = Credit("1", "1000", "EUR", LimitKind.LIMITED, Decimal(1000), is_blocked=False)
ORDER = Order("5001", "DE01", "1", DAY, Decimal(400), "EUR", is_blocked=True)
UNPAID = pl.Schema(
    {
        "system_id": pl.String(), "company_code": pl.String(), "customer": pl.String(),
        "currency_code": pl.String(), "amount": MONEY, "due_date": pl.Date(),
        "item_class": pl.String(),
    }
)  # fmt: skip
APPROVED = pl.Schema(
    dict.fromkeys(
        ("system_id", "customer", "credit_segment", "limit_kind", "limit_amount", "approved_at"),
        pl.String(),
    )
)


def books(*accounts: Credit, orders: tuple[Order, ...] = (ORDER,)) -> Books:
    erp = ErpBooks(items_frame(()), (), ["1"], credit=accounts, orders=orders)
    return Books.of([(SYSTEM, erp)], crm={}, receipts=pl.DataFrame(), as_of=DAY)


def passing(held: Books, *unpaid: tuple[str, str, Decimal]) -> int:
    rows = [
        ("erp", company, "1", currency, amount, DAY + timedelta(days=9), "invoice")
        for company, currency, amount in unpaid
    ]
    count = blocked_in_good_standing(
        held,
        CONFIG,
        pl.DataFrame(schema=APPROVED),
        pl.DataFrame(rows, schema=UNPAID, orient="row"),
        Policy(),
    )
    return count["erp"]


@pytest.mark.parametrize(
    ("valid_until", "wanted"),
    [(None, 1), (DAY, 1), (date(2026, 5, 22), 0), (date(9999, 12, 31), 1)],
)
def test_an_order_is_not_counted_after_the_last_day_of_the_limit(
    valid_until: date | None, wanted: int
) -> None:
    assert passing(books(replace(ACCOUNT, valid_until=valid_until))) == wanted


def test_what_is_owed_in_another_currency_counts_at_the_crossed_rate() -> None:
    # 540 pounds are 600 euros: with the order of 400 exactly the limit, and a penny more is above.
    assert passing(books(ACCOUNT), ("GB01", "GBP", Decimal("540.00"))) == 1
    assert passing(books(ACCOUNT), ("GB01", "GBP", Decimal("540.01"))) == 0


def test_what_is_owed_in_another_segment_does_not_count() -> None:
    assert passing(books(ACCOUNT), ("US01", "USD", Decimal(5000))) == 1


def test_a_limit_differs_from_its_approval_by_kind_or_by_amount_but_never_by_an_unused_amount() -> (
    None
):
    approved = pl.DataFrame(
        [("erp", "1", "1000", "unlimited", "", "2026-01-01T00:00:00Z")],
        schema=APPROVED,
        orient="row",
    )
    unlimited = replace(ACCOUNT, limit_kind=LimitKind.UNLIMITED, limit_amount=Decimal(7))
    assert stale_limits(books(ACCOUNT), approved).height == 1
    assert stale_limits(books(unlimited), approved).is_empty()
