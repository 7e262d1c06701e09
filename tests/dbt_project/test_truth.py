"""The marts of the small story: what is open, how old, who owes it, and whether the books agree."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

from tests.dbt_project.small_story import (
    RECEIPT_BY_ERP,
    RECEIPT_CLEARED,
    RECEIPT_NEW,
    RECEIPT_STRANGER,
)

Rows = Callable[[str], list[tuple[Any, ...]]]


def test_items_are_open_as_of_the_date(rows: Rows) -> None:
    found = rows(
        "select accounting_document, item_class, amount_open, aging_bucket "
        "from marts.fct_open_items where company_code in ('CA02', 'U001') order by 1"
    )
    assert found == [
        ("101", "invoice", Decimal("300.10"), "Current"),
        ("102", "invoice", Decimal("200.20"), "1-30"),
        ("103", "credit", Decimal("-50.05"), None),
        ("105", "unapplied_cash", Decimal("-200.20"), None),
        ("201", "invoice", Decimal(80), "121+"),
        ("202", "invoice", Decimal(20), "31-60"),
        ("401", "invoice", Decimal(0), "Paid"),
        ("402", "unapplied_cash", Decimal(0), None),
        ("900", "invoice", Decimal("1.01"), "Current"),
    ]


def test_an_item_without_due_date_ages_from_its_posting_and_says_so(rows: Rows) -> None:
    assert rows(
        "select due_date, is_due_date_missing, days_past_due from marts.fct_open_items "
        "where accounting_document = '202'"
    ) == [(date(2020, 5, 1), True, 31)]


def test_aging_nets_nothing_into_a_bucket(rows: Rows) -> None:
    assert rows(
        "select amount_current, amount_1_30, amount_credits, amount_unapplied, amount_net, "
        "amount_overdue from marts.fct_aging where customer = '0000000001'"
    ) == [
        (
            Decimal("300.10"),
            Decimal("200.20"),
            Decimal("-50.05"),
            Decimal("-200.20"),
            Decimal("250.05"),
            Decimal("200.20"),
        )
    ]


def test_the_books_tie_to_the_cent_or_show_the_cent(rows: Rows) -> None:
    assert rows(
        "select company_code, subledger, posted_after_as_of, gl_balance, difference, is_tied "
        "from marts.rec_gl_ties where company_code in ('CA02', 'U001') order by 1"
    ) == [
        ("CA02", Decimal(100), Decimal(0), Decimal("100.01"), Decimal("-0.01"), False),
        ("U001", Decimal("251.06"), Decimal(90), Decimal("341.06"), Decimal(0), True),
    ]


def test_receipts_know_who_booked_them_and_why_a_person_must_look(rows: Rows) -> None:
    found = {
        receipt: rest
        for receipt, *rest in rows(
            "select receipt_id, booked_by, booked_document, booked_customer_id, amount_unapplied, "
            "needs_review_reason, company_code from marts.fct_receipts "
            "where right(receipt_id, 1) <> 'x'"
        )
    }
    one, four = "SAP-0000000001", "SAP-0000000004"
    assert found == {
        RECEIPT_NEW: ["none", None, None, Decimal("250.05"), None, "U001"],
        RECEIPT_BY_ERP: ["erp", "105", one, Decimal("200.20"), None, "U001"],
        RECEIPT_CLEARED: ["hub", "402", four, Decimal(0), None, "U001"],
        RECEIPT_STRANGER: ["none", None, None, Decimal(33), None, "U001"],
        "e5" * 10: ["none", None, None, Decimal(5), "unknown_bank_account", None],
        "f6" * 10: ["none", None, None, Decimal(6), None, "U001"],
    }


def test_a_payer_is_known_by_his_account_however_it_is_written(rows: Rows) -> None:
    assert rows(
        "select payer_customer_id, payer_account_masked from marts.fct_receipts "
        f"where receipt_id = '{RECEIPT_NEW}'"
    ) == [("SAP-0000000001", "****1111")]


def test_credit_counts_open_items_and_unblocked_orders_of_the_segment(rows: Rows) -> None:
    found = rows(
        "select customer, exposure_open_items, exposure_orders, limit_kind, available, "
        "utilisation, overdue_amount, is_blocked, feed_is_stale "
        "from marts.fct_credit where customer < '0000000003' order by 1"
    )
    assert found == [
        (
            "0000000001",
            Decimal("250.05"),
            Decimal(40),
            "limited",
            Decimal("709.95"),
            Decimal("0.29005"),
            Decimal("200.20"),
            True,
            False,
        ),
        (
            "0000000002",
            Decimal(75),  # 100 CAD at 0.75
            Decimal(0),
            "none_granted",
            Decimal(-75),
            None,
            Decimal(75),
            False,
            False,
        ),
    ]


def test_a_customer_without_credit_account_is_unlimited_with_its_reason(rows: Rows) -> None:
    assert rows(
        "select limit_kind, limit_reason, available from marts.fct_credit "
        "where customer = '0000000004'"
    ) == [("unlimited", "no_credit_account", None)]


def test_links_are_strong_and_conflicts_are_shown(rows: Rows) -> None:
    assert rows(
        "select native_id, customer_id from marts.dim_customer_links"
        " where native_id < '001M' order by 1"
    ) == [
        ("001A", "SAP-0000000001"),
        ("001B", "SAP-0000000002"),
        ("001E", "SAP-0000000004"),
    ]
    assert rows(
        "select native_id, conflict from marts.ops_link_conflicts"
        " where native_id < '001M' order by 1"
    ) == [
        ("001C", "several_accounts"),
        ("001D", "several_accounts"),
    ]


def test_bank_and_erp_are_compared_by_company(rows: Rows) -> None:
    assert rows(
        "select receipts, amount_bank, amount_booked_hub, amount_booked_erp, amount_unbooked, "
        "erp_postings_unmatched, is_tied from marts.rec_bank_erp where company_code = 'U001'"
    ) == [
        (
            5,
            Decimal("559.25"),
            Decimal(70),
            Decimal("200.20"),
            Decimal("289.05"),
            0,
            False,
        )
    ]


def test_drift_is_told_with_cause_owner_and_age(rows: Rows) -> None:
    assert rows(
        "select object_key, cause, owner, is_explained, age_hours from marts.rec_target_drift"
    ) == [("001A", "changed by somebody else in the target", "accounts receivable", False, 1)]


def test_problems_say_what_to_do(rows: Rows) -> None:
    found = rows(
        "select code, object_key from marts.ops_data_problems"
        " where object_name not in ('hierarchy', 'links') order by 1, 2"
    )
    assert found == [
        ("missing_customer", "SAP-U001-2020-900-001"),
        ("missing_due_date", "SAP-CA02-2020-202-001"),
        ("unknown_bank_account", "e5" * 10),
    ]


def test_applications_are_what_was_cleared_by_the_date(rows: Rows) -> None:
    assert rows(
        "select item_key, applied_date, amount_applied from marts.fct_applications order by 1"
    ) == [
        ("SAP-U001-2020-401-001", date(2020, 5, 20), Decimal(70)),
        ("SAP-U001-2020-402-001", date(2020, 5, 20), Decimal(-70)),
    ]
