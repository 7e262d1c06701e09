"""Spreadsheet text as ERPs spell it and people spoil it."""

from datetime import date
from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.erp_files.settings import Column
from ingestion.erp_files.values import Spelling, converted, learnt_spelling

NUMBER = Column("BELNR", "number", 10, is_needed=True)
ACCOUNT = Column("KUNNR", "account", 10, is_needed=True)
DATE = Column("BLDAT", "date", is_needed=True)
MONEY = Column("WRBTR", "money", is_needed=True)

UNKNOWN = Spelling()


def read(column, *texts, spelling=UNKNOWN):
    """Each text's value, or its code where it cannot be read."""
    values, codes = converted(column, pa.array(texts, pa.string()), spelling)
    return [
        code if code is not None else value
        for value, code in zip(values.to_pylist(), codes.to_pylist(), strict=True)
    ]


def test_zeros_that_a_spreadsheet_took_from_numbers_come_back():
    assert read(ACCOUNT, "140105686", "0140105686", "140105686.0") == ["0140105686"] * 3
    assert read(ACCOUNT, "cust-7") == ["CUST-7"]
    assert read(NUMBER, "100000001", "00001800000001") == ["0100000001", "1800000001"]
    assert read(Column("BUKRS", "code", 4), "10", "u001") == ["0010", "U001"]


def test_digits_that_are_lost_for_good_are_refused_not_guessed():
    assert read(ACCOUNT, "1.40106E+08") == ["digits_lost"]
    assert read(NUMBER, "-2147483648", "12A4", "") == [
        "number_overflowed",
        "bad_number",
        "missing_value",
    ]
    assert read(NUMBER, "12345678901") == ["too_long"]


def test_dates_in_every_spelling_of_the_extracts_are_one_date():
    same = ("20200330", "20200330.0", "2020-03-30", "2020-03-30 00:00:00", "30-03-2020")
    assert read(DATE, *same, "30.03.2020") == [date(2020, 3, 30)] * 6


def test_a_date_that_is_none_is_refused():
    assert read(DATE, "05:23.4", "20200231", "31.02.2020", "00000000") == [
        "bad_date",
        "bad_date",
        "bad_date",
        "missing_value",
    ]


def test_month_and_day_are_told_by_the_file_or_not_at_all():
    texts = pa.array(["03/04/2020", "03/30/2020"])
    assert learnt_spelling([(DATE, texts)], Spelling()).date_order == "month"
    assert read(DATE, "03/04/2020") == ["ambiguous_date"]
    assert read(DATE, "03/04/2020", spelling=Spelling("month")) == [date(2020, 3, 4)]
    assert read(DATE, "3/4/2020", spelling=Spelling("day")) == [date(2020, 4, 3)]


def test_a_minus_behind_the_amount_is_a_minus():
    assert (
        read(MONEY, "1,234.50-", "-1,234.50", "(1,234.50)", "1 234.50-")
        == [Decimal("-1234.50")] * 4
    )


def test_the_decimal_mark_is_told_by_the_file_or_the_amount_is_refused():
    assert read(MONEY, "1.234", "1.234.567") == ["ambiguous_amount"] * 2
    german = pa.array(["1.234", "99,50-"])
    assert learnt_spelling([(MONEY, german)], Spelling()).decimal_mark == ","
    assert read(MONEY, "1.234", "99,50-", spelling=Spelling("", ",")) == [1234, Decimal("-99.5")]
    both = pa.array(["1.234,50", "1,234.50"])
    assert learnt_spelling([(MONEY, both)], Spelling()).decimal_mark == ""


def test_what_is_no_amount_is_refused():
    assert read(MONEY, "", "abc", "1e5", "1.1234567", "NaN") == [
        "missing_value",
        "bad_amount",
        "bad_amount",
        "bad_amount",
        "bad_amount",
    ]


@pytest.mark.parametrize("mark", [".", ","])
@given(amount=st.decimals(-(10**12), 10**12, places=2, allow_nan=False))
def test_an_amount_written_in_sap_s_way_is_read_to_the_cent(mark, amount):
    text = f"{abs(amount):,.2f}"
    if mark == ",":
        text = text.translate(str.maketrans(",.", ".,"))
    shown = f"{text}-" if amount < 0 else text
    assert read(MONEY, shown, spelling=Spelling("", mark)) == [amount]
