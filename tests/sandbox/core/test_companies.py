"""An ERP with other companies than its own knows the rates between all currencies that they use."""

from decimal import Decimal

import pytest

from sandbox import dynamics365_finance, netsuite, sap_s4hana, workday
from sandbox.core.companies import CompanyFacts, cross_rates

RATES = {"USD": Decimal(1), "EUR": Decimal("1.25"), "GBP": Decimal("1.5"), "JPY": Decimal("0.01")}
COMPANIES = {
    "DE01": CompanyFacts("EUR", "1000", "EUR"),
    "GB01": CompanyFacts("GBP", "1000", "EUR"),
}


def test_rates_lead_from_every_currency_to_every_other_that_is_used() -> None:
    assert cross_rates(COMPANIES.values(), RATES) == {
        ("EUR", "GBP"): Decimal("1.25") / Decimal("1.5"),
        ("GBP", "EUR"): Decimal("1.2"),
    }


@pytest.mark.parametrize("kind", [sap_s4hana, netsuite, dynamics365_finance, workday])
def test_every_sandboxed_erp_can_have_these_companies(kind) -> None:
    made = kind.settings_for(COMPANIES, RATES)
    companies = made.subsidiaries if kind is netsuite else made.companies
    found = {code.upper(): one.currency_code for code, one in companies.items()}
    assert found == {"DE01": "EUR", "GB01": "GBP"}
    assert made.rates["GBP", "EUR"] == Decimal("1.2")


def test_saps_credit_segments_and_lockboxes_are_those_of_its_companies() -> None:
    made = sap_s4hana.settings_for(COMPANIES, RATES)
    assert made.credit_segments == {"1000": "EUR"}
    assert [company for company, _ in made.lockboxes.values()] == ["DE01"]
