"""Groups and accounts over several ERPs and currencies, on hierarchies and amounts nobody chose.

The compiled SQL runs in an in-memory DuckDB; what is expected is worked out in plain Python. A sum
over currencies is either converted at stored rates, whole, or not stated at all.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reverse_etl.decisions.credit_groups import hierarchy_of
from tests.dbt_project.conftest import Built
from tests.support.warehouse import AS_OF

ENOUGH = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
RATES = {"USD": Decimal(1), "CAD": Decimal("0.75"), "JPY": Decimal("0.009")}
CUSTOMERS = [f"{'SAP' if n % 2 else 'NS'}-{n}" for n in range(6)]
ACCOUNTS = ["A", "B"]
MODELS = (
    ("int_customer_parents", "intermediate"),
    ("fct_credit_groups", "marts"),
    ("sync_salesforce__accounts", "sync"),
)
TABLES = """
create schema warehouse.intermediate; create schema warehouse.marts; create schema warehouse.sync;
create schema warehouse.staging; create schema warehouse.config; create schema warehouse.policy;
create schema warehouse.ledger;
create table warehouse.config.run as
    select date '2020-06-01' as as_of_date, 'USD' as group_currency;
create table warehouse.intermediate.int_rates_crossed (source_currency_code varchar,
    target_currency_code varchar, rate decimal(18, 8));
create table warehouse.intermediate.int_customers_mapped (customer_id varchar, system_id varchar,
    parent_customer_id varchar);
create table warehouse.intermediate.int_customer_links_doubted (system_id varchar,
    native_id varchar, customer_id varchar, conflict varchar);
create table warehouse.marts.dim_customers (customer_id varchar, name varchar);
create table warehouse.marts.dim_legal_entities (system_id varchar, company_code varchar,
    credit_segment varchar);
create table warehouse.marts.dim_customer_links (system_id varchar, native_id varchar,
    customer_id varchar, relation varchar, account_name varchar);
create table warehouse.marts.fct_credit (system_id varchar, customer_id varchar, customer varchar,
    credit_segment varchar, segment_currency varchar, exposure_open_items decimal(28, 6),
    exposure_orders decimal(28, 6), exposure decimal(28, 6), overdue_amount decimal(28, 6),
    overdue_days_max integer, limit_kind varchar, limit_reason varchar,
    limit_amount decimal(28, 6),
    is_blocked boolean, feed_is_stale boolean, credit_loaded_at timestamptz);
create table warehouse.marts.fct_aging (customer_id varchar, currency_code varchar,
    amount_net decimal(28, 6), amount_overdue decimal(28, 6), as_of_date date);
create table warehouse.staging.stg_salesforce__accounts (system_id varchar, id varchar,
    name varchar, is_deleted boolean);
create table warehouse.policy.group_limits (customer_id varchar, limit_amount decimal(28, 6),
    currency_code varchar, valid_from date, valid_until date);
create table warehouse.ledger.acknowledged (system_id varchar, object_name varchar,
    object_key varchar, field varchar, value varchar, acknowledged_at timestamptz);
"""


@dataclass(frozen=True)
class Customer:
    """One ERP customer: its head, the CRM account that names it, and its figures."""

    head: str | None
    account: str | None
    currency: str
    exposure: Decimal
    limit: Decimal | None
    is_blocked: bool


_money = st.integers(0, 100_000).map(lambda cents: Decimal(cents) / 100)
_customer = st.builds(
    Customer,
    st.none() | st.sampled_from([*CUSTOMERS, "SAP-HEAD"]),
    st.none() | st.sampled_from(ACCOUNTS),
    st.sampled_from([*RATES, "CHF"]),
    _money,
    st.none() | _money,
    st.booleans(),
)
WORLDS = st.lists(_customer, min_size=1, max_size=len(CUSTOMERS)).map(
    lambda found: dict(zip(CUSTOMERS, found, strict=False))
)


@dataclass(frozen=True)
class Chain:
    """The models as views over customers."""

    connection: Any  # DuckDB's own type here, kept alive by hypothesis, prints leaks at exit

    def tell(self, world: dict[str, Customer]) -> None:
        """Replace what the ERPs and the CRM say."""
        run = self.connection.execute
        for table in ("dim_customers", "dim_customer_links", "fct_credit", "fct_aging"):
            run(f"delete from warehouse.marts.{table}")
        run("delete from warehouse.intermediate.int_customers_mapped")
        for customer_id, one in world.items():
            system = customer_id.split("-")[0].lower()
            mapped = [customer_id, system, one.head]
            run("insert into warehouse.intermediate.int_customers_mapped values (?, ?, ?)", mapped)
            run("insert into warehouse.marts.dim_customers values (?, ?)", [customer_id] * 2)
            if one.account:
                run(
                    "insert into warehouse.marts.dim_customer_links values"
                    " ('crm', ?, ?, 'account', 'Account')",
                    [one.account, customer_id],
                )
            kind = "unlimited" if one.limit is None else "limited" if one.limit else "none_granted"
            run(
                "insert into warehouse.marts.fct_credit values"
                " (?, ?, ?, 'S', ?, ?, 0, ?, 0, 0, ?, 'set', ?, ?, false, null)",
                [system, customer_id, customer_id, one.currency, one.exposure, one.exposure, kind,
                 one.limit, one.is_blocked],
            )  # fmt: skip
            run(
                "insert into warehouse.marts.fct_aging values (?, ?, ?, 0, '2020-06-01')",
                [customer_id, one.currency, one.exposure],
            )

    def rows(self, columns: str, model: str) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self.connection.execute(
            f"select {columns} from warehouse.{model}"
        ).fetchall()
        return found


@pytest.fixture(scope="module")
def chain(built: Built) -> Iterator[Chain]:
    compiled: Path = built.home / "target" / "compiled"
    with duckdb.connect() as connection:
        connection.execute("attach ':memory:' as warehouse")
        connection.execute(TABLES)
        connection.executemany(
            "insert into warehouse.intermediate.int_rates_crossed values (?, 'USD', ?)",
            list(RATES.items()),
        )
        for model, schema in MODELS:
            # Unit tests, when they ran before, leave compiled files of the same names below a .yml.
            paths = compiled.rglob(f"{model}.sql")
            (path,) = (path for path in paths if path.parent.suffix != ".yml")
            sql = path.read_text(encoding="utf-8")
            name = model.removeprefix("sync_")
            connection.execute(f"create view warehouse.{schema}.{name} as {sql}")
        yield Chain(connection)


def _in_group_currency(found: list[Customer]) -> Decimal | None:
    """The sum at the stored rates; None when one of them has no rate."""
    if any(one.currency not in RATES for one in found):
        return None
    total = sum((one.exposure * RATES[one.currency] for one in found), Decimal(0))
    return total.quantize(Decimal("0.01"), "ROUND_HALF_EVEN")


@ENOUGH
@given(WORLDS)
def test_every_customer_is_in_one_group_whose_sum_is_whole_or_not_stated(
    chain: Chain, world: dict[str, Customer]
) -> None:
    chain.tell(world)
    columns = "customer_id, parent_customer_id, group_id, is_circular"
    placed = chain.rows(columns, "intermediate.int_customer_parents")
    group_of = {customer: group for customer, _, group, _ in placed}
    assert len(group_of) == len(placed)
    groups: dict[str, list[Customer]] = {}
    for customer_id, one in world.items():
        groups.setdefault(group_of.get(customer_id, customer_id), []).append(one)
    expected = {
        group: (len(found), _in_group_currency(found))
        for group, found in groups.items()
        if len(found) > 1
    }
    rows = chain.rows("group_id, customers, exposure", "marts.fct_credit_groups")
    assert {group: (customers, exposure) for group, customers, exposure in rows} == expected


@ENOUGH
@given(WORLDS)
def test_the_decision_and_the_mart_reject_the_same_circles_and_find_the_same_tops(
    chain: Chain, world: dict[str, Customer]
) -> None:
    chain.tell(world)
    columns = "customer_id, parent_customer_id, group_id, is_circular"
    placed = chain.rows(columns, "intermediate.int_customer_parents")
    names = {"customer_id": pl.String, "parent_customer_id": pl.String}
    edges = pl.DataFrame([row[:2] for row in placed], schema=names, orient="row")
    hierarchy = hierarchy_of(edges, AS_OF)
    assert hierarchy.unclear == {row[0] for row in placed if row[3]}
    for customer, _, group, is_circular in placed:
        assert group == (customer if is_circular else hierarchy.above(customer)[-1])


@ENOUGH
@given(WORLDS)
def test_an_account_shows_the_whole_of_its_customers_or_nothing(
    chain: Chain, world: dict[str, Customer]
) -> None:
    chain.tell(world)
    shown = {
        account: rest
        for account, *rest in chain.rows(
            "object_key, open_balance, credit_limit_kind, credit_limit, credit_hold",
            "sync.salesforce__accounts",
        )
    }
    for account in ACCOUNTS:
        found = [one for one in world.values() if one.account == account]
        total = _in_group_currency(found)
        if not found or total is None:
            assert account not in shown
            continue
        balance, kind, limit, hold = shown[account]
        assert Decimal(balance) == total
        assert hold == str(any(one.is_blocked for one in found)).lower()
        limits = [one.limit for one in found]
        if None in limits:
            assert (kind, limit) == ("unlimited", None)
        elif not any(limits):
            assert (kind, limit) == ("none_granted", "0")
        else:
            granted = sum((one.limit or 0) * RATES[one.currency] for one in found)
            assert kind == "limited"
            assert Decimal(limit) == Decimal(granted).quantize(Decimal("0.01"), "ROUND_HALF_EVEN")


def test_no_mart_shows_money_without_a_currency_beside_it(
    built: Built, rows: Callable[[str], list[tuple[Any, ...]]]
) -> None:
    found = rows(
        "select table_name, list(column_name), list(column_name) filter ("
        "data_type = 'DECIMAL(28,6)') from duckdb_columns() where schema_name = 'marts' group by 1"
    )
    assert len(found) >= 25
    for table, columns, money in found:
        currencies = [one for one in columns if re.search(r"(^|_)currency(_code)?$", one)]
        assert currencies or not money, table
