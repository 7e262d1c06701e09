"""From items to aging and metrics: the compiled SQL on items and dates that nobody chose.

The chain runs in an in-memory DuckDB: int_open_items_as_of, fct_open_items, fct_aging,
int_sales_counted_back, fct_receivable_metrics. What is expected is worked out in plain Python.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.dbt_project.conftest import Built

ENOUGH = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
DAY = date(2020, 6, 15)
#: Each company's own currency and as-of date; their days differ.
COMPANIES = {"U001": ("USD", DAY), "CA02": ("CAD", DAY - timedelta(days=40))}
BUCKETS = {
    "amount_current": 0, "amount_1_30": 30, "amount_31_60": 60, "amount_61_90": 90,
    "amount_91_120": 120, "amount_over_120": 10**6,
}  # fmt: skip
KEYED = (
    "item_key varchar, system_id varchar, company_code varchar, fiscal_year varchar,"
    " accounting_document varchar, accounting_document_item varchar, customer_id varchar,"
    " customer varchar, item_nature varchar, document_type varchar, invoice_number varchar,"
    " reference_text varchar,"
    " sales_document varchar, posting_date date, document_date date, due_date date,"
    " is_due_date_missing boolean, currency_code varchar, amount_original decimal(28,6),"
    " company_currency_code varchar, amount_original_company decimal(28,6),"
    " is_cleared_now boolean, clearing_date date, clearing_fiscal_year varchar,"
    " clearing_document varchar, reversal_date date, reversal_fiscal_year varchar,"
    " reversal_document varchar, is_payment_blocked boolean, discount_percent double,"
    " discount_date date, external_key varchar, as_of_date date"
)
#: Empty here: parts of items and their companies have a unit test of their own.
APPLICATIONS = (
    "int_erp_applications_united (system_id varchar, company_code varchar, fiscal_year varchar,"
    " accounting_document varchar, accounting_document_item varchar, applied_date date,"
    " amount decimal(28,6), amount_company decimal(28,6), applying_document varchar)"
)
#: Empty here too.
DISPUTES = "int_disputes_summed (item_key varchar, amount_disputed decimal(28,6))"
COMPANIES_DATED = "int_companies_dated (system_id varchar, company_code varchar, as_of_date date)"
CHAIN = (
    ("int_open_items_as_of", "intermediate"),
    ("fct_open_items", "marts"),
    ("fct_aging", "marts"),
    ("int_sales_counted_back", "intermediate"),
    ("fct_receivable_metrics", "marts"),
)


@dataclass(frozen=True)
class Item:
    """One line item as the ERP shows it; the company amount is a tenth more than the other."""

    amount: Decimal
    company: str
    customer: str
    currency: str
    kind: str
    posted: date
    due: date
    cleared: date | None
    reversed: date | None

    @property
    def as_of(self) -> date:
        return COMPANIES[self.company][1]

    @property
    def is_there(self) -> bool:
        return self.posted <= self.as_of

    @property
    def is_open(self) -> bool:
        ends = [day for day in (self.cleared, self.reversed) if day is not None]
        return self.is_there and all(day > self.as_of for day in ends)

    def row(self, number: int) -> tuple[Any, ...]:
        nature = "payment" if self.kind == "DZ" else "receivable"
        return (
            str(number), "sap", self.company, "2020", str(number), "001", self.customer,
            self.customer, nature, self.kind, str(number), "", None, self.posted, self.posted,
            self.due,
            False, self.currency, self.amount, COMPANIES[self.company][0],
            self.amount * Decimal("1.1"), self.cleared is not None, self.cleared, "2020", "9",
            self.reversed, "2020", None, False, None, None, None, self.as_of,
        )  # fmt: skip


def days(least: int, most: int) -> st.SearchStrategy[date]:
    return st.integers(least, most).map(lambda n: DAY + timedelta(days=n))


ITEMS = st.lists(
    st.builds(
        Item,
        amount=st.decimals(min_value=-(10**9), max_value=10**9, places=2),
        company=st.sampled_from(sorted(COMPANIES)),
        customer=st.sampled_from(["SAP-1", "SAP-2"]),
        currency=st.sampled_from(["USD", "CAD"]),
        kind=st.sampled_from(["RV", "RG", "DZ", "AB"]),
        posted=days(-200, 20),
        due=days(-200, 60),
        cleared=st.none() | days(-150, 30),
        reversed=st.none() | st.none() | days(-150, 30),
    ),
    max_size=25,
)


@dataclass(frozen=True)
class Chain:
    """The five models as views over one table of keyed items."""

    connection: Any  # DuckDB's own type here, kept alive by hypothesis, prints leaks at exit

    def see(self, items: Sequence[Item], model: str) -> list[dict[str, Any]]:
        """A model's rows for these items."""
        table = "warehouse.intermediate.int_open_items_keyed"
        self.connection.execute(f"delete from {table}")
        if items:
            marks = ", ".join("?" for _ in items[0].row(0))
            self.connection.executemany(
                f"insert into {table} values ({marks})", [i.row(n) for n, i in enumerate(items)]
            )
        found = self.connection.sql(f"select * from warehouse.marts.{model} order by all")
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


@pytest.fixture(scope="module")
def chain(built: Built) -> Iterator[Chain]:
    compiled: Path = built.home / "target" / "compiled"
    with duckdb.connect() as connection:
        connection.execute("attach ':memory:' as warehouse")
        for schema in ("intermediate", "ledger", "marts"):
            connection.execute(f"create schema warehouse.{schema}")
        connection.execute(
            "create table warehouse.ledger.commands (external_key varchar, object_name varchar)"
        )
        connection.execute(f"create table warehouse.intermediate.int_open_items_keyed ({KEYED})")
        connection.execute(f"create table warehouse.intermediate.{APPLICATIONS}")
        connection.execute(f"create table warehouse.intermediate.{COMPANIES_DATED}")
        connection.execute(f"create table warehouse.intermediate.{DISPUTES}")
        connection.execute(
            "create table warehouse.marts.dim_legal_entities"
            " (system_id varchar, company_code varchar, currency_code varchar, as_of_date date)"
        )
        for company, (currency, as_of) in COMPANIES.items():
            connection.execute(
                "insert into warehouse.marts.dim_legal_entities values ('sap', ?, ?, ?)",
                [company, currency, as_of],
            )
        for model, schema in CHAIN:
            # Unit tests, when they ran before, leave compiled files of the same names below a .yml.
            paths = compiled.rglob(f"{model}.sql")
            (path,) = (path for path in paths if path.parent.suffix != ".yml")
            sql = path.read_text(encoding="utf-8")
            connection.execute(f"create view warehouse.{schema}.{model} as {sql}")
        yield Chain(connection)


@ENOUGH
@given(ITEMS)
def test_buckets_credits_and_cash_add_up_to_what_is_open_per_company_and_currency(
    chain: Chain, items: list[Item]
) -> None:
    expected: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    company: dict[str, Decimal] = defaultdict(Decimal)
    for item in items:
        if item.is_open:
            expected[item.company, item.currency] += item.amount
            company[item.company] += item.amount * Decimal("1.1")
    found: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    found_company: dict[str, Decimal] = defaultdict(Decimal)
    for row in chain.see(items, "fct_aging"):
        parts = [row[name] for name in (*BUCKETS, "amount_credits", "amount_unapplied")]
        assert sum(parts) == row["amount_net"]
        found[row["company_code"], row["currency_code"]] += row["amount_net"]
        found_company[row["company_code"]] += row["amount_net_company"]
        assert row["company_currency_code"] == COMPANIES[row["company_code"]][0]
    assert {k: v for k, v in found.items() if v} == {k: v for k, v in expected.items() if v}
    assert {k: v for k, v in found_company.items() if v} == {k: v for k, v in company.items() if v}


@ENOUGH
@given(ITEMS)
def test_every_open_item_stands_in_its_own_column_only(chain: Chain, items: list[Item]) -> None:
    expected: dict[tuple[str, str, str, str], Decimal] = defaultdict(Decimal)
    for item in items:
        if item.is_open and item.amount:
            late = (item.as_of - item.due).days
            column = next(name for name, last in BUCKETS.items() if late <= last)
            if item.amount < 0:
                column = "amount_unapplied" if item.kind == "DZ" else "amount_credits"
            expected[item.company, item.customer, item.currency, column] += item.amount
    found = {
        (row["company_code"], row["customer_id"], row["currency_code"], column): row[column]
        for row in chain.see(items, "fct_aging")
        for column in (*BUCKETS, "amount_credits", "amount_unapplied")
        if row[column]
    }
    assert found == expected


@ENOUGH
@given(ITEMS)
def test_what_happens_after_the_as_of_date_changes_nothing(chain: Chain, items: list[Item]) -> None:
    known = [
        replace(
            item,
            cleared=item.cleared if item.cleared and item.cleared <= item.as_of else None,
            reversed=item.reversed if item.reversed and item.reversed <= item.as_of else None,
        )
        for item in items
        if item.is_there
    ]
    for model in ("fct_aging", "fct_receivable_metrics"):
        assert chain.see(items, model) == chain.see(known, model)


@ENOUGH
@given(ITEMS)
def test_metrics_agree_with_aging_and_stay_in_their_bounds(chain: Chain, items: list[Item]) -> None:
    aging = chain.see(items, "fct_aging")
    metrics = {row["company_code"]: row for row in chain.see(items, "fct_receivable_metrics")}
    assert set(metrics) == set(COMPANIES)
    for company, row in metrics.items():
        own = [one for one in aging if one["company_code"] == company]
        assert row["ar_end"] == sum(one["amount_gross_company"] for one in own)
        assert row["ar_end_net"] == sum(one["amount_net_company"] for one in own)
        assert row["unapplied_cash"] == sum(one["amount_unapplied_company"] for one in own)
        assert (row["dso"] is None) == (row["credit_sales"] == 0)
        if row["dso"] is not None:
            rest = row["dso"] - row["dso_best_possible"] - row["days_delinquent_average"]
            assert abs(rest) <= Decimal("0.00001") * max(1, row["dso"])
        effectiveness = row["collection_effectiveness_percent"]
        assert effectiveness is None or effectiveness <= 100
        assert row["current_percent"] is None or 0 <= row["current_percent"] <= 100
        assert row["days_late_weighted"] is None or row["days_late_weighted"] >= 0
        assert row["dso_count_back"] is None or row["dso_count_back"] >= 0
