"""References: one spelling, whole words only, no silent choice."""

import pytest

from reverse_etl.decisions.references import ReferenceIndex, normalise, words_of

OPTIONS = {"joined_words_max": 4, "digits_min": 6}


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
    ],
)
def test_case_blanks_separators_and_leading_zeros_are_undone(text: str, normal: str) -> None:
    assert normalise(text) == normal


def _found(text: str, *references: str) -> tuple[list[str], bool]:
    index = ReferenceIndex(enumerate(references), length_min=4)
    mentions, collides = index.mentions(words_of(text), **OPTIONS)
    return [mention.reference for mention in mentions], collides


@pytest.mark.parametrize(
    "text",
    [
        "pays 1930659387 thanks",
        "INV1930659387",
        "no.0001930659387.",
        "19306 59387",
        "1930-659-387",
        "1930659387",
    ],
)
def test_a_reference_is_found_however_it_is_spelled(text: str) -> None:
    assert _found(text, "1930659387") == (["1930659387"], False)


@pytest.mark.parametrize("text", ["91930659387", "19306593870", "A1930659387", "1930659,387"])
def test_a_number_inside_a_longer_one_or_across_a_list_is_no_match(text: str) -> None:
    if text.startswith("A"):
        assert _found(text, "930659387") == ([], False)
    else:
        assert _found(text, "1930659387") == ([], False)


def test_two_readings_of_the_same_words_are_reported() -> None:
    found, collides = _found("12345 67890", "12345", "1234567890")
    assert set(found) == {"12345", "1234567890"}
    assert collides


def test_two_spellings_of_one_item_are_one_mention() -> None:
    index = ReferenceIndex([(0, "INV1930659387"), (0, "1930659387")], length_min=4)
    mentions, collides = index.mentions(words_of("INV1930659387"), **OPTIONS)
    assert [mention.items for mention in mentions] == [(0,)]
    assert not collides


def test_short_or_digitless_references_are_left_out() -> None:
    assert _found("12 MARCH INVOICE", "12", "INVOICE") == ([], False)
