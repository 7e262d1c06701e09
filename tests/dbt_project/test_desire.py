"""The sync and observed views of the small story: what targets should hold, and what they hold."""

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tests.dbt_project.small_story import (
    RECEIPT_BY_ERP,
    RECEIPT_CLEARED,
    RECEIPT_NEW,
    RECEIPT_STRANGER,
)

Rows = Callable[[str], list[tuple[Any, ...]]]


def test_unbooked_receipts_of_hub_lines_are_to_be_posted(rows: Rows) -> None:
    found = rows(
        "select object_key, posting_kind, customer, amount, posting_date, bank_gl_account, "
        "item_text, ctx_lane, ctx_correlation_id from sync.sap_s4hana__journal_entries "
        "where company_code = 'U001' order by 1"
    )
    assert found == [
        (
            RECEIPT_NEW,
            "customer",
            "0000000001",
            "250.05",
            "2020-05-29",
            "11001000",
            "ONE INC",
            "sap_emea/U001/0000000001",
            f"rcpt-{RECEIPT_NEW}",
        ),
        (
            RECEIPT_STRANGER,
            "unidentified",
            None,
            "33",
            "2020-05-29",
            "11001000",
            "Nobody",
            "sap_emea/U001/unidentified",
            f"rcpt-{RECEIPT_STRANGER}",
        ),
    ]


def test_clearings_use_the_booked_document_or_wait_for_the_posting(rows: Rows) -> None:
    found = {
        key: (document, item, after, json.loads(lines))
        for key, document, item, after, lines in rows(
            "select object_key, receipt_document, receipt_item, ctx_after_key, lines "
            "from sync.sap_s4hana__clearings"
        )
    }
    assert set(found) == {RECEIPT_NEW, RECEIPT_BY_ERP}
    assert found[RECEIPT_BY_ERP][:3] == ("105", "001", None)
    document, item, after, lines = found[RECEIPT_NEW]
    assert (document, item, after) == (None, None, RECEIPT_NEW)
    assert [line["item_key"] for line in lines] == sorted(line["item_key"] for line in lines)
    assert sum(Decimal(line["amount"]) for line in lines) == Decimal("250.05")


def test_a_decided_limit_is_wanted_and_an_undecided_hold_is_left_alone(rows: Rows) -> None:
    assert rows(
        "select object_key, limit_kind, limit_amount, is_blocked, block_reason "
        "from sync.sap_s4hana__credit_accounts"
    ) == [("0000000001/1000", "limited", "2500.5", None, None)]
    assert rows(
        "select object_key, limit_kind, limit_amount, is_blocked, block_reason "
        "from observed.sap_s4hana__credit_accounts where object_key < '0000000006' order by 1"
    ) == [
        ("0000000001/1000", "limited", "1000", "true", "01"),
        ("0000000002/1000", "none_granted", "0", "false", None),
    ]


def test_no_order_is_wanted_released_without_a_decision(rows: Rows) -> None:
    assert rows("select * from sync.sap_s4hana__sales_orders") == []
    assert rows(
        "select object_key, is_credit_blocked from observed.sap_s4hana__sales_orders order by 1"
    ) == [("5001", "false"), ("5002", "true")]


def test_accounts_show_what_the_erp_confirmed(rows: Rows) -> None:
    found = rows(
        "select object_key, open_balance, overdue_amount, credit_limit_kind, credit_limit, "
        "credit_hold, status, as_of_date from sync.salesforce__accounts"
        " where object_key < '001M' order by 1"
    )
    assert found == [
        ("001A", "250.05", "200.2", "limited", "1000", "true", "On Hold", "2020-06-01"),
        ("001B", "75", "75", "none_granted", "0", "false", "Past Due", "2020-06-01"),
        ("001E", "0", "0", "unlimited", None, "false", "No Balance", "2020-06-01"),
    ]


def test_a_balance_that_is_gone_wants_zeros_on_its_account(rows: Rows) -> None:
    found = rows(
        "select object_key, account_id, amount_current, credits, unapplied_cash, net "
        "from sync.salesforce__balances where account_id < '001M' order by 1"
    )
    assert found == [
        ("SAP-CA02-0000000002-CAD", "001B", "0", "0", "0", "100"),
        ("SAP-U001-0000000001-USD", "001A", "300.1", "-50.05", "-200.2", "250.05"),
        ("SAP-U001-0000000004-USD", "001E", "0", "0", "0", "0"),
    ]


def test_invoices_are_open_ones_and_paid_ones_the_crm_knows(rows: Rows) -> None:
    found = rows(
        "select object_key, account_id, open_amount, status, aging_bucket, ctx_correlation_id "
        "from sync.salesforce__invoices where account_id < '001M' order by 1"
    )
    item = "SAP-U001-2020-"
    assert found == [
        ("SAP-CA02-2020-201-001", "001B", "80", "Overdue", "121+", "item-SAP-CA02-2020-201-001"),
        ("SAP-CA02-2020-202-001", "001B", "20", "Overdue", "31-60", "item-SAP-CA02-2020-202-001"),
        (f"{item}101-001", "001A", "300.1", "Open", "Current", f"item-{item}101-001"),
        (f"{item}102-001", "001A", "200.2", "Overdue", "1-30", f"item-{item}102-001"),
        (f"{item}401-001", "001E", "0", "Paid", "Paid", f"rcpt-{RECEIPT_CLEARED}"),
    ]


def test_what_the_hub_posted_is_observed_with_its_clearing(rows: Rows) -> None:
    assert rows(
        "select object_key, posting_kind, customer, amount, native_id "
        "from observed.sap_s4hana__journal_entries"
    ) == [(RECEIPT_CLEARED, "customer", "0000000004", "70", "U001/2020/402")]
    ((key, lines),) = rows("select object_key, lines from observed.sap_s4hana__clearings")
    assert key == RECEIPT_CLEARED
    assert [line["item_key"] for line in json.loads(lines)] == ["SAP-U001-2020-401-001"]
