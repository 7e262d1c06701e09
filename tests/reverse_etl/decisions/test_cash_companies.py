"""Money on a company's bank account is its own: what names another company waits for a person."""

from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from reverse_etl.decisions.cash import decide_cash
from reverse_etl.planning.policy import Policy
from tests.reverse_etl.decisions.cash_desk import DAY, OURS, owed, paid

HERE = {"system_id": "sap", "company_code": "DE01"}


def _decided(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return decide_cash(
        pl.DataFrame([paid("100", "1930600001 1930600002", **HERE)]),
        pl.DataFrame(items).with_columns(open_from=pl.lit(DAY)),
        pl.DataFrame([{"payer_account": "ACC1", "customer_id": OURS}]),
        None,
        Policy(),
    ).to_dicts()


@pytest.mark.parametrize(
    "elsewhere",
    [{"company_code": "GB01"}, {"company_code": "2", "system_id": "netsuite", "customer_id": "NS"}],
    ids=["another company", "another ERP"],
)
def test_a_payment_for_two_companies_applies_nothing_and_shows_a_person_both_parts(
    elsewhere: dict[str, Any],
) -> None:
    items = [owed("1930600001", "60", **HERE), owed("1930600002", "40", **(HERE | elsewhere))]
    rows = _decided(items)
    assert {row["decision"] for row in rows} <= {"proposal", "unidentified"}
    (first,) = [row for row in rows if row["rank"] == 1]
    assert (first["kind"], first["amount"]) == ("on_account", Decimal(100))
    if "system_id" not in elsewhere:
        assert first["stage"] == "other_company"
        parts = {row["item_id"] for row in rows if row["rank"] == 2}
        assert parts == {"1930600001", "1930600002"}


def test_the_same_payment_for_one_company_is_applied() -> None:
    items = [owed("1930600001", "60", **HERE), owed("1930600002", "40", **HERE)]
    rows = _decided(items)
    assert [(row["decision"], row["item_id"]) for row in rows] == [
        ("auto", "1930600001"), ("auto", "1930600002"),
    ]  # fmt: skip
