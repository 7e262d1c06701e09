"""One way of writing: what is the same compares equal, what is made up identifies nobody."""

import pytest

from reverse_etl.decisions.identity_text import (
    customer_number,
    identifier,
    mail_address,
    mail_domain,
    name_parts,
    phone_number,
    postal_code,
    street_parts,
    tax_number,
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1001 W. Roosevelt Rd", "1001 West Roosevelt Road 606"),
        ("Hauptstraße 12", "Hauptstr. 12"),
        ("12 rue de la Paix", "12, RUE DE LA PAIX"),
        ("843 W. 103rd Street", "843 W 103RD ST"),
        ("Beethovenweg 4b", "Beethovenweg 4"),
    ],
)
def test_one_address_written_two_ways_is_one_address(one: str, other: str) -> None:
    assert street_parts(one) == street_parts(other)
    assert street_parts(one).number
    assert street_parts(one).stem


def test_an_ordinal_is_a_street_and_not_a_house_number() -> None:
    assert (street_parts("221 E. 51st St.").number, street_parts("221 E. 51st St.").stem) == (
        "221",
        "51",
    )
    assert street_parts("51st Street").number == ""


@pytest.mark.parametrize(
    "made_up",
    ["000000000", "999999999", "12-3456789", "987654321", "N/A", "none", "Unknown", "XX-XXXXXXX",
     "TBD", "-", "", "  ", "12", "0000", "applied for", None],
)  # fmt: skip
def test_a_placeholder_is_no_tax_id(made_up: str | None) -> None:
    assert identifier(made_up) is None
    assert tax_number(made_up, "US") is None


def test_a_vat_id_is_its_country_and_number_however_it_is_written() -> None:
    assert tax_number("DE 813 495 425") == ("DE", "813495425")
    assert tax_number("de813495425") == ("DE", "813495425")
    assert tax_number("81-3495425", "US") == ("", "813495425")
    assert tax_number("EL094259216") == ("GR", "094259216")
    assert tax_number("CHE-116.281.710 MWST") == ("CH", "116281710")
    assert tax_number("813495425.0") == ("", "813495425")


def test_lost_zeros_of_a_customer_number_come_back() -> None:
    assert customer_number("140105686") == customer_number("0140105686") == "140105686"
    assert customer_number("1930659387.0") == "1930659387"
    assert customer_number("cust-7") == "CUST-7"
    assert customer_number("n/a") is customer_number("0000") is None


def test_phones_compare_by_their_end_and_made_up_ones_not_at_all() -> None:
    assert phone_number("+1 (312) 386-5286 ext. 12") == phone_number("3123865286")
    assert phone_number("386-5286") == "3865286"
    assert phone_number("555") is phone_number("0000000") is phone_number("1234567") is None


def test_free_mail_names_no_company_and_a_date_is_no_mail() -> None:
    assert mail_domain(mail_address("Ann.Lee@Acme-Steel.com")) == "acme-steel.com"
    assert mail_domain(mail_address("x@gmail.com")) is None
    assert mail_domain(mail_address("x@yahoo.co.uk")) is None
    assert mail_address("01/31/14") is None


def test_only_loose_legal_forms_may_be_dropped_or_mixed_up() -> None:
    assert name_parts("ACME Steel, Inc.") == name_parts("The Acme Steel Co")
    assert name_parts("Acme GmbH & Co. KG").legal_forms == ("gmbh", "kg")
    assert name_parts("Acme S.p.A.").legal_forms == ("spa",)
    assert name_parts("Limited").words == ("limited",)


def test_postal_codes_lose_their_tail_and_keep_their_zero() -> None:
    assert postal_code("60302-1234") == "60302"
    assert postal_code("2116", "US") == "02116"
    assert postal_code("sw1a 1aa") == "SW1A1AA"
    assert postal_code("00000") is None
