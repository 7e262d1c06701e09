"""Properties of the compiled SQL, run on rows that nobody chose."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestion.common.money import canonical_text
from tests.dbt_project.conftest import Built
from tests.dbt_project.test_aging_properties import APPLICATIONS, COMPANIES_DATED

SLOW_ENOUGH = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
DAY = date(2020, 6, 1)
AMOUNTS = st.decimals(min_value=-(10**12), max_value=10**12, places=6)
DAYS = st.integers(min_value=-200, max_value=200).map(lambda n: DAY + timedelta(days=n))


@dataclass(frozen=True)
class Bench:
    """An empty in-memory warehouse beside the compiled SQL of the project."""

    connection: Any  # DuckDB's own type here, kept alive by hypothesis, prints leaks at exit
    compiled: Path

    def empty(self, schema: str, *tables: str) -> None:
        """Further inputs of a model that are to be empty."""
        self.connection.execute(f"create schema if not exists warehouse.{schema}")
        for table in tables:
            self.connection.execute(f"create or replace table warehouse.{schema}.{table}")

    def run(self, model: str, schema: str, table: str, columns: str, rows: list[Any]) -> list[Any]:
        """Run a model's compiled SQL over ``rows`` of its one input."""
        execute = self.connection.execute
        execute(f"create schema if not exists warehouse.{schema}")
        execute(f"create or replace table warehouse.{schema}.{table} ({columns})")
        if rows:
            marks = ", ".join("?" for _ in rows[0])
            self.connection.executemany(
                f"insert into warehouse.{schema}.{table} values ({marks})", rows
            )
        # Unit tests, when they ran before, leave compiled files of the same names below a .yml.
        paths = self.compiled.rglob(f"{model}.sql")
        (path,) = (path for path in paths if path.parent.suffix != ".yml")
        found = self.connection.sql(path.read_text(encoding="utf-8"))
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


@pytest.fixture(scope="module")
def bench(built: Built) -> Iterator[Bench]:
    with duckdb.connect() as connection:
        connection.execute("attach ':memory:' as warehouse")
        yield Bench(connection, built.home / "target" / "compiled")


@SLOW_ENOUGH
@given(st.lists(AMOUNTS, min_size=1, max_size=20))
def test_money_text_is_the_same_in_sql_and_in_python(bench: Bench, amounts: list[Decimal]) -> None:
    columns = (
        "id varchar, open_balance decimal(28,6), overdue_amount decimal(28,6), system_id varchar,"
        " credit_limit decimal(28,6), credit_limit_kind varchar, is_credit_hold boolean,"
        " status varchar, as_of_date date, is_deleted boolean"
    )
    rows = [
        (str(n), amount, amount, "crm", amount, "Limited", True, "Current", DAY, False)
        for n, amount in enumerate(amounts)
    ]
    found = bench.run(
        "observed_salesforce__accounts", "staging", "stg_salesforce__accounts", columns, rows
    )
    texts = {row["object_key"]: row["open_balance"] for row in found}
    assert texts == {str(n): canonical_text(amount) for n, amount in enumerate(amounts)}


ITEMS = st.lists(
    st.tuples(
        AMOUNTS,
        DAYS,  # posted
        DAYS,  # due
        st.none() | DAYS,  # cleared
        st.sampled_from(["receivable", "payment"]),
    ),
    min_size=1,
    max_size=30,
)

#: Clearing year and document, never reversed; and the parts of the key.
REST = ("2020", "9", None, None, None, "sap", "U001", "2020", "1", "001")


def _bucket(due: date) -> str:
    late = (DAY - due).days
    bounds = [(0, "Current"), (30, "1-30"), (60, "31-60"), (90, "61-90"), (120, "91-120")]
    return next((name for last, name in bounds if late <= last), "121+")


@SLOW_ENOUGH
@given(ITEMS)
def test_open_amounts_and_buckets_agree_with_the_rule_in_plain_words(
    bench: Bench, items: list[tuple[Decimal, date, date, date | None, str]]
) -> None:
    columns = (
        "item_key varchar, amount_original decimal(28,6), amount_original_company decimal(28,6),"
        " posting_date date, due_date date, is_cleared_now boolean, clearing_date date,"
        " item_nature varchar, as_of_date date, clearing_fiscal_year varchar,"
        " clearing_document varchar, reversal_date date, reversal_fiscal_year varchar,"
        " reversal_document varchar, system_id varchar, company_code varchar,"
        " fiscal_year varchar, accounting_document varchar, accounting_document_item varchar"
    )
    bench.empty("intermediate", APPLICATIONS, COMPANIES_DATED)
    rows = [
        (str(n), amount, amount, posted, due, cleared is not None, cleared, kind, DAY, *REST)
        for n, (amount, posted, due, cleared, kind) in enumerate(items)
    ]
    found = bench.run("int_open_items_as_of", "intermediate", "int_open_items_keyed", columns, rows)
    seen = {row["item_key"]: row for row in found}
    there = {str(n): item for n, item in enumerate(items) if item[1] <= DAY}
    assert set(seen) == set(there)
    for key, (amount, _posted, due, cleared, kind) in there.items():
        row = seen[key]
        is_open = cleared is None or cleared > DAY
        assert row["amount_open"] == (amount if is_open else 0)
        assert row["amount_open"] + row["amount_applied"] == amount
        if amount >= 0:
            assert row["item_class"] == "invoice"
            assert row["aging_bucket"] == (_bucket(due) if is_open else "Paid")
        else:
            assert row["item_class"] == ("unapplied_cash" if kind == "payment" else "credit")
            assert row["aging_bucket"] is None
