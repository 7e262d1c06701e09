"""The sieve before cash application: it changes how much is read, never what is decided."""

from datetime import date
from decimal import Decimal

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from reverse_etl.decisions.cash import decide_cash
from reverse_etl.decisions.cash_frames import customer_numbers, read_receipts
from reverse_etl.decisions.cash_items import sifted
from reverse_etl.decisions.payers import PayerDirectory
from reverse_etl.planning.policy import CashPolicy, Policy

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


@given(ITEMS, RECEIPTS, st.booleans())
@settings(max_examples=120, deadline=None)
def test_sifting_never_changes_a_decision(items, receipts, is_known):
    paid = receipts_of(receipts)
    if not is_known:
        paid = paid.drop("known_customer_id")
    whole = items_of(items)
    kept = sift(whole, paid)
    ours = decide_cash(paid, kept, None, None, Policy())
    assert ours.to_dicts() == decide_cash(paid, whole, None, None, Policy()).to_dicts()


def sift(items: pl.DataFrame, receipts: pl.DataFrame) -> pl.DataFrame:
    directory = PayerDirectory((), (), customer_numbers(items), (), number_length_min=6)
    return sifted(items, list(read_receipts(receipts)), directory, CashPolicy())


def test_customers_that_no_receipt_concerns_are_left_out_and_others_kept_whole():
    items = items_of(
        [("19300001", "10", "SAP-1"), ("INV-0019300002", "20", "SAP-2"), ("3", "30.5", "SAP-2"),
         ("4", "44", "SAP-3"), ("19300777", "99", "SAP-4")]
    )  # fmt: skip
    paid = receipts_of([("pays INV19300002", "1", ""), ("0300777", "45", "")])
    assert sift(items, paid)["item_id"].to_list() == ["I1", "I2", "I4"]


def test_a_frame_whose_amounts_are_still_text_comes_back_whole():
    items = items_of([("19300001", "10", "C")]).with_columns(pl.col("amount_open").cast(pl.String))
    assert sift(items, receipts_of([])).height == 1


def test_spellings_beyond_ascii_are_never_left_out():
    assert sift(items_of([("Ｎ19300001", "10", "C")]), receipts_of([])).height == 1


def test_a_large_ledger_is_sifted_before_it_is_read():
    rows = [(f"19{n:06d}", "10", f"SAP-{n:010d}") for n in range(60)]
    paid = receipts_of([("19000007", "10", "")])
    decided = decide_cash(paid, items_of(rows), None, None, Policy())
    assert decided["item_id"].to_list() == ["I7"]
