"""The sieve before cash application: it changes how much is read, never what is decided."""

from datetime import date
from decimal import Decimal

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from reverse_etl.decisions.cash import decide_cash
from reverse_etl.decisions.cash_items import sifted
from reverse_etl.planning.policy import Policy

DAY = date(2026, 3, 2)
MONEY = pl.Decimal(28, 6)
NUMBERS = st.integers(0, 12).map(lambda n: f"1930{n:04d}")
SPELLINGS = st.sampled_from(["{}", "00{}", "INV-{}", "inv 00{}", "№{}", "Ｎ{}", "{}é", "{}/1"])
REFERENCES = st.builds(lambda spelling, number: spelling.format(number), SPELLINGS, NUMBERS)
AMOUNTS = st.sampled_from(["100", "100.00", "0.5", "12.345", "-40", "99999999999.99"])
CUSTOMERS = st.sampled_from(["SAP-0001000001", "SAP-0001000002"])
ITEMS = st.lists(
    st.tuples(st.lists(REFERENCES, max_size=3).map(";".join), AMOUNTS, CUSTOMERS), max_size=8
)
RECEIPTS = st.lists(
    st.tuples(st.lists(REFERENCES, max_size=3).map(" ".join), AMOUNTS, CUSTOMERS), max_size=4
)


def items_of(rows: list[tuple[str, str, str]]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "item_id": [f"I{n}" for n in range(len(rows))],
            "customer_id": [customer for _, _, customer in rows],
            "amount_open": pl.Series([Decimal(amount) for _, amount, _ in rows], dtype=MONEY),
            "currency_code": ["USD" for _ in rows],
            "references": [references for references, _, _ in rows],
        },
        schema_overrides={"item_id": pl.String, "customer_id": pl.String,
                          "currency_code": pl.String, "references": pl.String},
    )  # fmt: skip


def receipts_of(rows: list[tuple[str, str, str]]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "receipt_id": [f"R{n}" for n in range(len(rows))],
            "received_date": [DAY for _ in rows],
            "amount": pl.Series([abs(Decimal(amount)) for _, amount, _ in rows], dtype=MONEY),
            "currency_code": ["USD" for _ in rows],
            "known_customer_id": [customer for _, _, customer in rows],
            "text": [text for text, _, _ in rows],
        },
        schema_overrides={"receipt_id": pl.String, "received_date": pl.Date, "text": pl.String,
                          "currency_code": pl.String, "known_customer_id": pl.String},
    )  # fmt: skip


@given(ITEMS, RECEIPTS)
@settings(max_examples=150, deadline=None)
def test_sifting_never_changes_a_decision(items, receipts):
    typed = items_of(items)
    whole = typed.with_columns(pl.col("amount_open").cast(pl.String))  # text is never sifted
    paid = receipts_of(receipts)
    ours = decide_cash(paid, typed, None, None, Policy())
    assert ours.to_dicts() == decide_cash(paid, whole, None, None, Policy()).to_dicts()


def test_items_that_no_receipt_names_or_equals_are_left_out():
    items = items_of([("19300001", "10", "C"), ("INV-0019300002", "20", "C"), ("3", "30.5", "C")])
    kept = sifted(items, ["INV19300002"], [Decimal("30.50"), Decimal("10.0000001")])
    assert kept["item_id"].to_list() == ["I1", "I2"]


def test_a_frame_whose_amounts_are_still_text_comes_back_whole():
    items = items_of([("19300001", "10", "C")]).with_columns(pl.col("amount_open").cast(pl.String))
    assert sifted(items, [], []).height == 1


def test_spellings_beyond_ascii_are_never_left_out():
    assert sifted(items_of([("Ｎ19300001", "10", "C")]), [], []).height == 1
