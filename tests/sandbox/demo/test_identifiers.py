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


@pytest.mark.parametrize(("country", "kind"), [("US", "US1"), ("CA", "CA0")])
def test_tax_numbers_fit_the_erps_field(country, kind):
    found, number = tax_number(country, 123_456_789)
    assert found == kind
    assert len(number) <= 20
