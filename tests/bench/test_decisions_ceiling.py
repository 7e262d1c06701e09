"""What the data can decide: rivals of the right set are counted, in favour of the matcher."""

from datetime import date, timedelta
from decimal import Decimal

import polars as pl
import pytest

from bench.decisions_ceiling import RIVALS_MAX, bounds
from bench.decisions_noise import MONEY, Case, Truth

DAY = date(2026, 3, 2)


def _case(
    amount: str, text: str, pays: list[str], owed: dict[str, str], account: str = "A"
) -> Case:
    """One receipt; items are due a day after the other, in the order given."""
    items = [
        {"item_id": number, "customer_id": "C-100001", "customer_name": "Corner Shop",
         "document_date": DAY - timedelta(days=60), "due_date": DAY - timedelta(days=30 - place),
         "amount_open": Decimal(units), "currency_code": "USD", "references": number,
         "open_from": None, "open_until": None}
        for place, (number, units) in enumerate(owed.items())
    ]  # fmt: skip
    receipt = {
        "receipt_id": "R1", "received_date": DAY, "amount": Decimal(amount), "currency_code": "USD",
        "payer_account": account, "payer_name": "Corner Shop", "text": text,
    }  # fmt: skip
    truth = Truth("full", "C-100001", frozenset(pays), Decimal(amount), "", text, len(pays))
    return Case(
        receipts=pl.DataFrame([receipt], schema_overrides={"amount": MONEY}),
        open_items=pl.DataFrame(
            items,
            schema_overrides={"amount_open": MONEY, "open_from": pl.Date, "open_until": pl.Date},
        ),
        payers=pl.DataFrame({"payer_account": ["A"], "customer_id": ["C-100001"]}),
        aliases=pl.DataFrame(schema={"payer_name": pl.String, "customer_id": pl.String}),
        truths={"R1": truth},
        numbers={},
    )


_OWED = {"9000001": "100.01", "9000002": "250.07", "9000003": "100.01", "9000004": "733.31"}


@pytest.mark.parametrize(
    ("amount", "text", "pays", "rivals"),
    [
        # What is named and has the amount has no rival, though a twin is open.
        ("100.01", "INV 9000001", ["9000001"], 0),
        # Without a word each of two equal items explains it as well.
        ("100.01", "THANK YOU", ["9000001"], 1),
        # A run is plainer than the same amount with a twin from outside it.
        ("350.08", "THANK YOU", ["9000001", "9000002"], 1),
        ("1083.39", "THANK YOU", ["9000002", "9000003", "9000004"], 0),
        # What is odder than a run has the run as its rival too.
        ("1083.39", "THANK YOU", ["9000001", "9000002", "9000004"], 1),
        # Less one item that is named: the same may be said of its twin.
        ("983.38", "INV 9000001, 9000002, 9000004", ["9000002", "9000004"], 0),
    ],
)
def test_rivals_are_as_good_as_the_right_set_in_every_respect(
    amount: str, text: str, pays: list[str], rivals: int
):
    assert bounds(_case(amount, text, pays, _OWED))["R1"].rivals == rivals


def test_sets_of_many_equal_items_have_more_rivals_than_are_counted():
    owed = {f"90000{n:02d}": "50.00" for n in range(20)}
    pays = [f"90000{n:02d}" for n in range(0, 20, 2)]
    assert bounds(_case("500.00", "THANK YOU", pays, owed))["R1"].rivals == RIVALS_MAX


@pytest.mark.parametrize(("account", "is_named"), [("A", True), ("NEW", False)])
def test_a_payer_whom_only_a_name_tells_is_not_named(account: str, is_named: bool):
    case = _case("250.07", "THANK YOU", ["9000002"], _OWED, account)
    assert bounds(case)["R1"].is_payer_named is is_named
