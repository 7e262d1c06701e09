"""The matrix: what it promises about the vendors' names, and how it refuses a wrong line."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from ingestion.common.errors import ConfigError, InputRefused
from reverse_etl.ledger.commands import CommandClass
from reverse_etl.planning.governance import Rule, load_governance
from sandbox.salesforce.schema import DEFAULT_SCHEMA

MATRIX = """
kinds:
  shop:
    role: crm
    objects:
      customers:
        key: {hub: customer, native: Id}
        operation: update
        class: state
        flow: crm
        groups: {limit: [kind, amount]}
        fields:
          kind: {native: Kind, format: enum, values: {a: A}}
          amount: {native: Amount, format: money, currency: currency}
          currency: {native: Currency, pattern: "[A-Z]{3}"}
          formula: {native: Formula, format: integer, owner: crm}
"""


def _load(tmp_path: Path, text: str) -> None:
    path = tmp_path / "governance.yml"
    path.write_text(text, encoding="utf-8")
    load_governance(path)


def test_the_matrix_of_the_product_is_valid_and_holds_the_agreed_objects() -> None:
    governance = load_governance()
    assert {f"{kind}.{name}" for kind, name in governance.objects} >= {
        "sap_s4hana.journal_entries", "sap_s4hana.clearings", "sap_s4hana.credit_accounts",
        "sap_s4hana.sales_orders", "salesforce.accounts", "salesforce.balances",
        "salesforce.invoices",
    }  # fmt: skip
    postings = [o.name for o in governance.of_kind("sap_s4hana")
                if o.command_class is CommandClass.POSTING]  # fmt: skip
    assert postings == [
        "journal_entries", "returned_payments", "clearings", "unidentified_clearings",
        "credit_memos", "credit_memo_clearings", "debit_memos", "refunds", "lockbox_batches",
        "payment_advices", "refund_clearings", "credit_memo_requests",
    ], "most urgent first"  # fmt: skip


def test_limits_and_holds_are_reviewed_and_nothing_of_the_crm_is() -> None:
    governance = load_governance()
    limits = governance.object("sap_s4hana", "credit_accounts")
    assert {f.initial for f in limits.fields.values()} == {Rule.REVIEW}
    assert limits.group_of("limit_amount") == ("limit_kind", "limit_amount")
    assert not governance.object("salesforce", "accounts").learns


def test_a_field_the_target_owns_is_never_written() -> None:
    invoices = load_governance().object("salesforce", "invoices")
    assert "days_past_due" in invoices.fields
    assert "days_past_due" not in {f.name for f in invoices.written}


def test_a_payload_comes_back_from_the_vendor_as_it_was_sent() -> None:
    accounts = load_governance().object("salesforce", "accounts")
    payload = {
        "open_balance": "1234.5", "credit_limit_kind": "none_granted", "credit_hold": True,
        "as_of_date": "2026-03-02", "sync_version": 3, "status": "Past Due", "credit_limit": None,
    }  # fmt: skip
    native = accounts.to_native(payload)
    assert native["AR_Credit_Limit_Kind__c"] == "None Granted"
    assert native["AR_Open_Balance__c"] == "1234.5"
    answered = {
        **native,
        "AR_Open_Balance__c": Decimal("1234.50"),
        "AR_As_Of__c": date(2026, 3, 2),
        "AR_Sync_Version__c": Decimal("3.0"),
        "Name": "not ours",
    }
    assert accounts.from_native(answered) == payload


def test_money_that_arrives_as_a_float_is_refused() -> None:
    with pytest.raises(InputRefused, match="binary float"):
        load_governance().object("salesforce", "accounts").from_native({"AR_Open_Balance__c": 1.5})


@pytest.mark.parametrize(
    ("wrong", "right", "message"),
    [
        ("format: money", "format: mony", "'mony' is none of .*; did you mean 'money'"),
        ("pattern:", "patern:", "unknown key 'patern'; did you mean 'pattern'"),
        ("[kind, amount]", "[kind, amont]", "no field 'amont'; did you mean 'amount'"),
        ("currency: currency", "currency: curency", "no field 'curency'; did you mean 'currency'"),
        ("        operation: update\n", "", "operation missing"),
        ("class: state", "class: stat", "did you mean 'state'"),
        ("values: {a: A}", "values: {}", "an enum needs values"),
        ('"[A-Z]{3}"', '"[A-Z"', "pattern: unterminated"),
        ("kinds:", "kinds: [", "not valid YAML"),
    ],
)
def test_a_wrong_line_is_named_with_the_nearest_right_one(
    tmp_path: Path, wrong: str, right: str, message: str
) -> None:
    assert wrong in MATRIX
    with pytest.raises(ConfigError, match=message):
        _load(tmp_path, MATRIX.replace(wrong, right, 1))


def test_an_unknown_object_or_field_is_named_with_the_nearest_right_one() -> None:
    governance = load_governance()
    with pytest.raises(ConfigError, match="did you mean 'invoices'"):
        governance.object("salesforce", "invoice")
    with pytest.raises(ConfigError, match="did you mean 'salesforce'"):
        governance.object("salesfroce", "invoices")
    with pytest.raises(ConfigError, match="did you mean 'open_amount'"):
        governance.object("salesforce", "invoices").to_native({"open_amont": "1"})


def test_no_text_is_let_through_that_is_longer_than_the_vendors_field() -> None:
    """What the org would refuse as STRING_TOO_LONG is refused before it becomes a command."""
    schema = {one.name: {f.name: f for f in one.fields} for one in DEFAULT_SCHEMA}
    governance = load_governance()
    compared = 0
    for (kind, _), target in governance.objects.items():
        if kind != "salesforce" or target.entity not in schema:
            continue
        for governed in target.fields.values():
            there = schema[target.entity].get(governed.native)
            if governed.max_length is not None and there is not None:
                assert governed.max_length <= there.length, (target.entity, governed.native)
                compared += 1
    assert compared >= 8
