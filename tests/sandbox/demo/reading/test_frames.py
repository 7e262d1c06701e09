"""What every ERP is measured by: shares of open parts, closings, and that no ERP is left out."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.common.config import Company, Config, System
from ingestion.common.errors import ConfigError
from sandbox.demo import books
from sandbox.demo.books import erp_systems
from sandbox.demo.reading import can_read, reader_of
from sandbox.demo.reading.frames import (
    Closing,
    Item,
    Nature,
    closed_by_last,
    items_frame,
    normal_account,
    references_of,
)

DAY = date(2026, 5, 1)
CENTS = st.integers(1, 10**9)


def item(amount: Decimal, still_open: Decimal, in_company: Decimal, currency: str = "JPY") -> Item:
    return Item(
        company_code="JPMF",
        document="1",
        item="001",
        nature=Nature.RECEIVABLE,
        customer="C1",
        amount=amount,
        amount_open=still_open,
        amount_company=in_company,
        company_currency_code=currency,
        currency_code="USD",
        posting_date=DAY,
        document_date=DAY,
        due_date=DAY,
    )


def open_company(*items: Item) -> list[Decimal]:
    return items_frame(items)["amount_open_company"].to_list()


@given(cents=CENTS, share=st.fractions(0, 1), in_company=CENTS)
def test_an_open_part_is_a_share_of_the_whole_in_whole_units_of_the_companys_currency(
    cents: int, share: object, in_company: int
) -> None:
    amount, whole = Decimal(cents) / 100, Decimal(in_company)
    still_open = (amount * Decimal(share.numerator) / Decimal(share.denominator)).quantize(
        Decimal("0.01")
    )
    (found,) = open_company(item(amount, still_open, whole))
    assert found == found.to_integral_value()
    assert 0 <= found <= whole
    assert abs(found - whole * still_open / amount) <= Decimal("0.5")


def test_all_or_nothing_open_is_exact_whatever_the_rate() -> None:
    amount, in_company = Decimal("-33.33"), Decimal(-5001)
    assert open_company(item(amount, amount, in_company), item(amount, Decimal(0), in_company)) == [
        in_company,
        0,
    ]


def test_of_several_parts_the_last_one_closed_an_item() -> None:
    first = Closing(date(2026, 5, 2), "P1", date(2026, 5, 1))
    last = Closing(date(2026, 5, 9), "P2", date(2026, 5, 7))
    assert closed_by_last([last, first]) == last
    assert closed_by_last([]) is None


def test_accounts_and_references_are_compared_without_what_people_put_between() -> None:
    assert normal_account("", None, "de05 1234-56") == "DE05123456"
    assert references_of("INV1", None, " INV1 ", "", "77") == "INV1;77"


def test_every_kind_that_feeds_the_truth_can_be_measured() -> None:
    staging = Path("dbt_project/models/staging")
    fed = {path.parent.name for path in staging.glob("*/feed_*__items.sql")}
    files_only = {"erp_files"}
    assert {kind for kind in fed - files_only if not can_read(kind)} == set()


def test_an_erp_that_nobody_can_measure_is_refused_and_not_left_out() -> None:
    strange = System(
        system_id="old", kind="oldvendor", companies={"1": Company(currency_code="USD")}
    )
    assert erp_systems(Config(systems={"old": strange})) == [strange]
    with pytest.raises(ConfigError, match="oldvendor"):
        reader_of("oldvendor")


def test_a_document_number_of_another_year_is_another_document() -> None:
    """SAP counts anew in every company and year: a moved receipt is no news of its namesake."""
    system = System(system_id="sap", kind="sap_s4hana", key_prefix="SAP")

    def one(number: str, nature: Nature, day: date, amount: int, reference: str) -> Item:
        money = Decimal(amount)
        found = item(money, money, money)
        return replace(
            found, document=number, nature=nature, posting_date=day, bank_reference=reference,
            amount=money, customer=None if nature is Nature.UNIDENTIFIED else "C1",
        )  # fmt: skip

    first, again = date(2025, 3, 1), date(2026, 3, 1)
    rows = [
        one("7", Nature.PAYMENT, first, -50, "bank 1"),
        one("3", Nature.UNIDENTIFIED, first, -80, "bank 2"),
        one("7", Nature.UNIDENTIFIED, again, 80, "3"),
        one("7", Nature.PAYMENT, again, -80, "3"),
    ]
    keyed = books._keyed([books._owned(system, items_frame(rows))], {"sap": "SAP"})
    moved = books._moved(keyed).filter(pl.col("nature") == Nature.PAYMENT)
    assert dict(moved.select("fiscal_year", "bank_reference").iter_rows()) == {
        "2025": "bank 1",
        "2026": "bank 2",
    }
