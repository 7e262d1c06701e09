"""Several ERPs at once: one CRM account of customers in many, groups, and what a zero means."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import polars as pl

from reverse_etl.decisions.credit_groups import hierarchy_of
from tests.dbt_project.many_erps import OF_CLOSED_PERIOD
from tests.support.warehouse import AS_OF

Rows = Callable[[str], list[tuple[Any, ...]]]


def test_one_account_stands_for_customers_of_several_erps_however_their_numbers_are_written(
    rows: Rows,
) -> None:
    assert rows(
        "select customer_id from marts.dim_customer_links where native_id = '001M' order by 1"
    ) == [("D365-AP-1",), ("NS-C100",), ("SAP-0000000006",)]


def test_a_number_of_two_erps_links_nothing_and_a_person_is_asked(rows: Rows) -> None:
    assert rows(
        "select customer_id, conflict from marts.ops_link_conflicts where native_id = '001N'"
        " order by 1"
    ) == [("NS-77", "several_customers"), ("SAP-0000000077", "several_customers")]
    assert rows("select * from marts.dim_customer_links where native_id = '001N'") == []
    ((message,),) = rows("select message from marts.ops_data_problems where object_key = '001N/77'")
    assert message == (
        "account Account 001N names 77, which 2 customers have: name the customer id, or link one"
        " of them"
    )


def test_an_account_shows_all_its_erps_together_in_the_group_currency(rows: Rows) -> None:
    # 100 EUR at 1.1, 40 USD (overdue), 10,000 JPY at 0.009; limits 1,000, 500 and 900 USD.
    assert rows(
        "select open_balance, overdue_amount, credit_limit_kind, credit_limit, credit_hold, status"
        " from sync.salesforce__accounts where object_key = '001M'"
    ) == [("240", "40", "limited", "2400", "true", "On Hold")]


def test_an_account_shows_every_companys_part_in_its_own_currency(rows: Rows) -> None:
    assert rows(
        "select object_key, company_code, currency_code, net, ctx_customer_id"
        " from sync.salesforce__balances where account_id = '001M' order by 1"
    ) == [
        ("D365-JPMF-AP-1-JPY", "JPMF", "JPY", "10000", "D365-AP-1"),
        ("NS-2-C100-USD", "2", "USD", "40", "NS-C100"),
        ("SAP-DE01-0000000006-EUR", "DE01", "EUR", "100", "SAP-0000000006"),
    ]
    assert rows(
        "select object_key, currency_code, open_amount from sync.salesforce__invoices"
        " where account_id = '001M' order by 1"
    ) == [
        ("D365-JPMF-2020-81-001", "JPY", "10000"),
        ("NS-2-2020-71-001", "USD", "40"),
        ("SAP-DE01-2020-601-001", "EUR", "100"),
    ]


def test_while_one_customer_is_in_doubt_totals_wait_and_what_is_certain_is_shown(
    rows: Rows,
) -> None:
    assert rows("select * from sync.salesforce__accounts where object_key = '001P'") == []
    assert rows(
        "select object_key, net from sync.salesforce__balances where account_id = '001P'"
    ) == [("SAP-DE01-0000000010-EUR", "10")]
    assert rows("select code from marts.ops_data_problems where object_key = '001P/NS-GONE'") == [
        ("no_customer",)
    ]


def test_a_group_adds_up_each_customer_once_over_all_its_erps(rows: Rows) -> None:
    # 001M holds 110 + 40 + 90 USD, and C200 below C100 owes 10 more; the policy allows 200 EUR.
    assert rows(
        "select group_id, customers, systems, exposure, overdue_amount, limit_granted,"
        " accounts_unlimited, group_limit, available, is_blocked"
        " from marts.fct_credit_groups order by 1"
    ) == [
        (
            "SAP-0000000010", 2, 1, Decimal(33), Decimal(11), Decimal(0), 2, None, None, False,
        ),
        (
            "crm_main/001M", 4, 3, Decimal(250), Decimal(50), Decimal(2400), 0, Decimal(220),
            Decimal(-30), True,
        ),
    ]  # fmt: skip


def test_a_circle_is_told_and_every_other_group_goes_on(rows: Rows) -> None:
    assert rows(
        "select object_key, object_name from marts.ops_data_problems"
        " where code = 'circular_hierarchy' order by 1"
    ) == [("SAP-0000000012", "hierarchy"), ("SAP-0000000013", "hierarchy")]
    assert rows("select count(*) from marts.fct_credit_groups") == [(2,)]


def test_the_decision_sees_the_same_groups_as_the_mart(rows: Rows) -> None:
    found = rows(
        "select customer_id, parent_customer_id, group_id, is_circular"
        " from intermediate.int_customer_parents"
    )
    hierarchy = hierarchy_of(
        pl.DataFrame(
            [row[:2] for row in found],
            schema=["customer_id", "parent_customer_id"],
            orient="row",
        ),
        AS_OF,
    )
    assert hierarchy.unclear == {customer for customer, *_, is_circular in found if is_circular}
    for customer, _, group, is_circular in found:
        assert is_circular or hierarchy.above(customer)[-1] == group


def test_money_goes_to_the_erp_of_its_bank_account_on_the_first_open_day_with_its_value_date(
    rows: Rows,
) -> None:
    views = {
        "sap_emea": "sap_s4hana__journal_entries",
        "netsuite_na": "netsuite__payments",
        "d365_apac": "dynamics365_finance__payments",
        "workday_services": "workday__payments",
        "tryton_works": "tryton__payments",
    }
    for system_id, view in views.items():
        has_day = "value_date" in {row[0] for row in rows(f"describe sync.{view}")}
        found = rows(
            "select object_key, system_id, company_code, currency_code, posting_date,"
            f" {'value_date' if has_day else 'item_text'} from sync.{view}"
            " where right(object_key, 1) = 'x'"
        )
        company, currency = OF_CLOSED_PERIOD[system_id]
        ((receipt, *rest, day),) = found
        assert receipt.startswith(system_id)
        assert rest == [system_id, company, currency, "2020-05-01"]
        assert "2020-04-15" in day


def test_zero_never_means_unlimited_on_any_erp(rows: Rows) -> None:
    found = rows(
        "select systems.kind, credit.customer, credit.limit_kind, credit.limit_amount"
        " from marts.fct_credit as credit inner join config.systems as systems using (system_id)"
        " where credit.limit_reason <> 'no_credit_account'"
    )
    kinds = {"sap_s4hana", "netsuite", "dynamics365_finance", "workday", "tryton"}
    by_kind: dict[str, set[str]] = {kind: set() for kind in kinds}
    for kind, customer, limit_kind, amount in found:
        by_kind[kind].add(limit_kind)
        expected = {"unlimited": amount is None, "none_granted": amount == 0}
        assert expected.get(limit_kind, bool(amount)), (kind, customer, limit_kind, amount)
    # Every vendor's three ways of saying it were read: a limit, none at all, and no limit.
    assert by_kind == {kind: {"limited", "none_granted", "unlimited"} for kind in kinds}
