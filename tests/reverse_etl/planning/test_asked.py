"""What people ask for: each ERP kind gets the fields it governs, and small sums stay small."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.common.errors import InputRefused
from reverse_etl.planning.asked import is_within
from reverse_etl.planning.debit_memos import NewDebitMemo, debit_memo_command
from reverse_etl.planning.governance import load_governance
from reverse_etl.planning.policy import ApprovalBands
from reverse_etl.planning.refunds import refund_command

NOW = datetime(2026, 5, 22, 8, tzinfo=UTC)
RECEIPT = {
    "receipt_id": "ab" * 10,
    "system_id": "erp",
    "company_code": "U001",
    "customer": "C1",
    "customer_name": "Acme",
    "booked_customer_id": "SAP-C1",
    "booked_document": "1400000001",
    "amount": Decimal("10.50"),
    "amount_unapplied": Decimal("10.50"),
    "currency_code": "USD",
    "as_of_date": date(2026, 5, 22),
    "gl_account": "11001000",
    "bank_reference": "BANKREF-000000001",
    "correlation_id": "rcpt-1",
    "is_unidentified": False,
    "needs_review_reason": None,
    "is_returned": False,
}
ACCOUNT = {
    "customer_id": "SAP-C1",
    "system_id": "erp",
    "customer": "C1",
    "customer_name": "Acme",
    "company_code": "U001",
    "as_of_date": date(2026, 5, 22),
}
MEMO = NewDebitMemo(Decimal("35.00"), "USD", "BANK-FEE", "Returned payment", "DM-1")
KINDS = sorted({kind for kind, name in load_governance().objects if name == "refunds"})


def refund(kind, **changes):
    return refund_command(
        {**RECEIPT, **changes}, load_governance(),
        kind=kind, revision=1, by="anna", reason="paid twice", now=NOW,
    )  # fmt: skip


def charge(kind, memo=MEMO, *, is_agreed=False):
    return debit_memo_command(
        ACCOUNT, memo, load_governance(),
        kind=kind, revision=1, by="anna", is_agreed=is_agreed, now=NOW,
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gets_the_fields_it_governs_and_waits_for_another_person(kind):
    governance = load_governance()
    for command, rule in ((refund(kind), "refund"), (charge(kind), "debit_memo")):
        target = governance.object(kind, command.object_name)
        assert list(command.payload) == list(target.fields)
        assert (command.approval_rule, command.proposed_by) == (rule, "anna")
        assert (command.flow, command.priority) == (target.flow, target.priority)


def test_a_kind_that_has_no_such_object_is_told_plainly():
    for ask, words in ((refund, "refunds"), (charge, "debit memos")):
        with pytest.raises(InputRefused, match=f"the hub writes no {words} to salesforce"):
            ask("salesforce")


def test_what_the_policy_lets_go_needs_nobody_and_a_value_that_does_not_fit_is_refused():
    assert charge("sap_s4hana", is_agreed=True).approval_rule == ""
    with pytest.raises(InputRefused, match="receipt document"):
        refund("netsuite", booked_document="9" * 21)


@given(
    amounts=st.lists(st.decimals("0.01", "60", places=2), min_size=1, max_size=8),
    most=st.decimals("1", "50", places=2),
    year=st.decimals("0", "150", places=2),
)
def test_what_goes_by_itself_never_sums_to_more_than_the_policy_lets_go(amounts, most, year):
    bands = ApprovalBands(change_amount_max=most, cumulative_12_months_max=year)
    gone, rates = Decimal(0), {"USD": Decimal(1), "EUR": Decimal("1.25")}
    for place, amount in enumerate(amounts):
        code = ("USD", "EUR")[place % 2]
        if is_within(bands, amount, code, {"USD": gone}, rates):
            assert amount * rates[code] <= most
            gone += amount * rates[code]
    assert gone <= year
    assert not is_within(bands, Decimal("0.01"), "XAU", {}, rates)
    always = ApprovalBands(change_amount_max=most, cumulative_12_months_max=year, always=True)
    assert not is_within(always, Decimal("0.01"), "USD", {}, rates)
