"""Bank data and payment terms never change without a person, whatever they are worth."""

from decimal import Decimal

import pytest

from reverse_etl.planning.approvals import Approver, FieldChange
from reverse_etl.planning.governance import load_governance
from reverse_etl.planning.policy import load_policy


@pytest.mark.parametrize(
    ("object_name", "field", "rule"),
    [
        ("customers", "iban", "bank_data"),
        ("customers", "bank_country", "bank_data"),
        ("customer_companies", "alternative_payer", "bank_data"),
        ("customer_companies", "payment_terms", "payment_terms"),
        ("customers", "city", ""),
    ],
)
def test_a_change_of_bank_data_or_terms_waits_for_a_person(
    object_name: str, field: str, rule: str
) -> None:
    target = load_governance().object("sap_s4hana", object_name)
    approver = Approver(load_policy(), {}, lambda *_: Decimal(0))
    change = FieldChange(field, "update", "send", "new", "old", "old")
    verdict = approver.judge(
        target, "sap", "1", [change], {field: "new"}, {field: "old"},
        customer_id="SAP-1", currency_code="USD",
    )  # fmt: skip
    assert verdict.rule == rule
