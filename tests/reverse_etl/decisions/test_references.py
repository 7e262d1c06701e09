"""References: one spelling, whole words; what looks like one and names nothing stays visible."""

from datetime import date
from decimal import Decimal

import polars as pl
import pytest

from reverse_etl.decisions.cash_ledger import Ledger
from reverse_etl.decisions.cash_text import Reading, read_text
from reverse_etl.decisions.references import normalise
from reverse_etl.planning.policy import CashPolicy

POLICY = CashPolicy()


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("0001930659387", "1930659387"),
        ("inv-00123", "INV123"),
        ("INV 0123", "INV123"),
        ("2020/000 17", "202000017"),
        ("10-05", "1005"),
        ("  ", ""),
        ("０１２３", "123"),
        ("Prüf-017", "PRUF17"),
    ],
)
def test_case_blanks_separators_accents_and_leading_zeros_are_undone(
    text: str, normal: str
) -> None:
    assert normalise(text) == normal


def read(text: str, *references: str) -> Reading:
    frame = pl.DataFrame(
        {
            "item_id": [f"I{n}" for n in range(len(references))],
            "customer_id": ["C-100001"] * len(references),
            "amount_open": [Decimal(1)] * len(references),
            "currency_code": ["USD"] * len(references),
            "references": list(references),
            "due_date": [date(2026, 1, 1)] * len(references),
        }
    )
    return read_text(text, Ledger(frame, POLICY), {"100001": frozenset({"C-100001"})}, POLICY)


def found(text: str, *references: str) -> list[str]:
    return [token.key for token in read(text, *references).tokens]


@pytest.mark.parametrize(
    "text",
    [
        "pays 1930659387 thanks",
        "INV1930659387",
        "RechnungNr.1930659387vom Mai",
        "no.0001930659387.",
        "19306 59387",
        "1930-659-387",
        "1930659387",
        "193O6S9387",
    ],
)
def test_a_reference_is_found_however_it_is_spelled(text: str) -> None:
    assert found(text, "1930659387") == ["1930659387"]


@pytest.mark.parametrize("text", ["91930659387", "19306593870", "1930659,387"])
def test_a_number_inside_a_longer_one_or_across_a_list_is_no_match(text: str) -> None:
    assert found(text, "1930659387") == []


def test_references_run_together_are_cut_when_there_is_one_way_only() -> None:
    assert found("19306593871930659388", "1930659387", "1930659388") == ["1930659387", "1930659388"]
    assert found("1930659387193065938", "1930659387", "1930659388") == []


def test_two_readings_of_the_same_words_are_reported() -> None:
    reading = read("12345 67890", "12345", "1234567890")
    assert {token.key for token in reading.tokens} == {"12345", "1234567890"}
    assert reading.collides


def test_two_spellings_of_one_item_are_one_reference() -> None:
    reading = read("INV1930659387", "INV1930659387;1930659387")
    assert len(reading.tokens) == 1
    assert not reading.collides


def test_short_or_digitless_references_are_left_out() -> None:
    assert found("12 MARCH INVOICE", "12", "INVOICE") == []


@pytest.mark.parametrize(
    "text",
    ["paid 12.03.2026", "of 2026-03-12", "20260312", "17,284.50 USD", "1.234,56 EUR", "thank you"],
)
def test_dates_and_amounts_do_not_look_like_references(text: str) -> None:
    assert read(text, "1930659387").is_silent


def test_a_customer_number_is_no_unknown_reference() -> None:
    reading = read("customer 0000100001", "1930659387")
    assert reading.customers == {"C-100001"}
    assert not reading.unresolved


def test_what_names_nothing_is_kept_with_its_zeros() -> None:
    assert [token.raw for token in read("045755", "1930045755").unresolved] == ["045755"]
