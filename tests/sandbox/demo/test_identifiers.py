"""Made-up identifiers carry right check digits."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.demo.identifiers import bank_reference, iban, is_valid_iban, own_iban, tax_number


@pytest.mark.parametrize(
    "text", ["GB82WEST12345698765432", "DE89370400440532013000", "NL91ABNA0417164300"]
)
def test_the_checker_accepts_the_standards_examples(text):
    assert is_valid_iban(text)


@given(
    st.sampled_from([("GB", "NRTH"), ("NL", "HAVN"), ("DE", "99990001")]),
    st.integers(0, 10**10 - 1),
)
def test_every_iban_has_right_check_digits(bank, account):
    assert is_valid_iban(iban(*bank, account))


@given(st.integers(0, 10**10 - 1), st.integers(4, 21), st.integers(1, 9))
def test_one_changed_digit_breaks_an_iban(account, place, step):
    text = iban("GB", "NRTH", account)
    if text[place].isdigit():
        changed = str((int(text[place]) + step) % 10)
        assert not is_valid_iban(text[:place] + changed + text[place + 1 :])


def test_own_accounts_are_the_same_on_every_machine_and_differ_by_company_and_purpose():
    assert own_iban("U001", "USD") == "GB46LEDG14319240690375"
    accounts = {
        own_iban("U001", "USD"),
        own_iban("U001", "USD", "lockbox"),
        own_iban("CA02", "CAD"),
    }
    assert len(accounts) == 3
    assert all(is_valid_iban(account) for account in accounts)


def test_an_unknown_country_is_refused():
    with pytest.raises(ValueError, match="XX"):
        iban("XX", "NRTH", 1)


def test_a_bank_reference_fills_the_sixteen_characters_that_an_erp_keeps():
    assert bank_reference(date(2026, 3, 20), "U001", 7) == "260320U001000007"


@pytest.mark.parametrize("country", ["US", "CA", "DE", "GB", "AU", "SG", "JP"])
def test_tax_numbers_fit_the_erps_field_and_say_their_country(country):
    found, number = tax_number(country, 123_456_789)
    assert found[:2] == country
    assert len(number) <= 20


@given(st.integers(1, 10**9))
def test_tax_numbers_pass_their_countries_own_checks(serial):
    product = 10
    for digit in tax_number("DE", serial)[1][2:-1]:
        product = 2 * ((int(digit) + product) % 10 or 10) % 11
    assert (product + int(tax_number("DE", serial)[1][-1])) % 10 == 1
    vat = tax_number("GB", serial)[1][2:]
    weighted = sum(int(d) * w for d, w in zip(vat, (8, 7, 6, 5, 4, 3, 2, 10, 1), strict=True))
    assert weighted % 97 == 0
    abn = [int(d) for d in tax_number("AU", serial)[1]]
    weights = (10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19)
    assert sum(d * w for d, w in zip([abn[0] - 1, *abn[1:]], weights, strict=True)) % 89 == 0
    corporate = [int(d) for d in tax_number("JP", serial)[1]]
    body = sum(d * (place % 2 + 1) for place, d in enumerate(reversed(corporate[1:])))
    assert corporate[0] == 9 - body % 9
