"""Exposure from documents: whatever is ordered, invoiced, reversed and paid counts exactly once.

The chain int_sales_orders_valued, fct_sales_orders, int_credit_exposures_summed runs as compiled,
in an in-memory DuckDB. What is expected is worked out in plain Python.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.dbt_project.conftest import Built

ENOUGH = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
RATES = {"USD": Decimal(1), "CAD": Decimal("0.75")}
CHAIN = (
    ("int_sales_orders_valued", "intermediate"),
    ("fct_sales_orders", "marts"),
    ("int_credit_exposures_summed", "intermediate"),
)
TABLES = """
create schema warehouse.intermediate;
create schema warehouse.marts;
create table warehouse.intermediate.int_erp_sales_orders_united (system_id varchar,
    company_code varchar, sales_order varchar, customer varchar, requested_date date,
    order_date date, amount decimal(28, 6), currency_code varchar, is_credit_blocked boolean,
    is_open boolean, other_block varchar);
create table warehouse.intermediate.int_erp_customers_united (system_id varchar, customer varchar,
    order_block_reason varchar, is_posting_blocked boolean);
create table warehouse.intermediate.int_companies_dated as select 'sap' as system_id,
    'U001' as company_code, 'SAP' as key_prefix, '1000' as credit_segment, 'USD' as group_currency;
create table warehouse.intermediate.int_credit_limits_kinded as select 'sap' as system_id,
    'SAP-' || customer as customer_id, customer, '1000' as credit_segment,
    'USD' as segment_currency from (values ('1'), ('2')) as customers (customer);
create table warehouse.intermediate.int_rates_crossed as select source_currency_code,
    'USD' as target_currency_code, cast(rate as decimal(18, 8)) as rate
    from (values ('USD', 1), ('CAD', 0.75)) as rates (source_currency_code, rate);
create table warehouse.marts.fct_open_items (system_id varchar, company_code varchar,
    customer_id varchar, sales_document varchar, currency_code varchar, item_class varchar,
    amount_original decimal(28, 6), amount_open decimal(28, 6), is_reversed boolean,
    days_past_due integer);
"""


@dataclass(frozen=True)
class Invoice:
    """A part of an order that was invoiced: what is open of it, and whether it was reversed."""

    amount: Decimal
    is_paid: bool
    is_reversed: bool

    @property
    def amount_open(self) -> Decimal:
        return Decimal(0) if self.is_paid or self.is_reversed else self.amount


@dataclass(frozen=True)
class Order:
    """A sales order with its invoices."""

    customer: str
    currency: str
    amount: Decimal
    is_open: bool
    is_blocked: bool
    invoices: tuple[Invoice, ...]


_money = st.integers(1, 100_000).map(lambda cents: Decimal(cents) / 100)
_invoices = st.builds(Invoice, _money, st.booleans(), st.booleans())
ORDERS = st.lists(
    st.builds(
        Order,
        st.sampled_from("12"),
        st.sampled_from(list(RATES)),
        _money,
        st.booleans(),
        st.booleans(),
        st.lists(_invoices, max_size=3).map(tuple),
    ),
    max_size=6,
)


@dataclass(frozen=True)
class Chain:
    """The models as views over orders and items."""

    connection: Any  # DuckDB's own type here, kept alive by hypothesis, prints leaks at exit

    def exposures(self, orders: Sequence[Order]) -> dict[str, tuple[Decimal, Decimal]]:
        """Open items and orders per customer, in USD."""
        run = self.connection.execute
        run("delete from warehouse.intermediate.int_erp_sales_orders_united")
        run("delete from warehouse.marts.fct_open_items")
        for number, order in enumerate(orders):
            run(
                "insert into warehouse.intermediate.int_erp_sales_orders_united values"
                " ('sap', 'U001', ?, ?, null, null, ?, ?, ?, ?, null)",
                [str(number), order.customer, order.amount, order.currency, order.is_blocked,
                 order.is_open],
            )  # fmt: skip
            for one in order.invoices:
                run(
                    "insert into warehouse.marts.fct_open_items values"
                    " ('sap', 'U001', ?, ?, ?, 'invoice', ?, ?, ?, 0)",
                    [f"SAP-{order.customer}", str(number), order.currency, one.amount,
                     one.amount_open, one.is_reversed],
                )  # fmt: skip
        rows = run(
            "select customer_id, exposure_open_items, exposure_orders"
            " from warehouse.intermediate.int_credit_exposures_summed"
        ).fetchall()
        return {row[0]: (row[1], row[2]) for row in rows}


@pytest.fixture(scope="module")
def chain(built: Built) -> Iterator[Chain]:
    compiled: Path = built.home / "target" / "compiled"
    with duckdb.connect() as connection:
        connection.execute("attach ':memory:' as warehouse")
        connection.execute(TABLES)
        for model, schema in CHAIN:
            # Unit tests, when they ran before, leave compiled files of the same names below a .yml.
            paths = compiled.rglob(f"{model}.sql")
            (path,) = (path for path in paths if path.parent.suffix != ".yml")
            sql = path.read_text(encoding="utf-8")
            connection.execute(f"create view warehouse.{schema}.{model} as {sql}")
        yield Chain(connection)


@ENOUGH
@given(ORDERS)
def test_every_document_counts_in_exactly_one_class(chain: Chain, orders: list[Order]) -> None:
    """What is invoiced is an item, open or paid; only the rest of an order is an order."""
    expected = {f"SAP-{c}": [Decimal(0), Decimal(0)] for c in "12"}
    for order in orders:
        sums = expected[f"SAP-{order.customer}"]
        sums[0] += sum(one.amount_open for one in order.invoices) * RATES[order.currency]
        if order.is_open and not order.is_blocked:
            invoiced = sum(one.amount for one in order.invoices if not one.is_reversed)
            rest = max(order.amount - invoiced, Decimal(0)) * RATES[order.currency]
            sums[1] += _rounded(rest)
    found = chain.exposures(orders)
    for customer_id, (items, rest) in expected.items():
        assert found[customer_id] == (_rounded(items), rest)


@ENOUGH
@given(_money, st.integers(0, 100))
def test_invoicing_a_part_of_an_order_moves_it_and_adds_nothing(
    chain: Chain, amount: Decimal, percent: int
) -> None:
    part = (amount * percent / 100).quantize(Decimal("0.01"))
    before = Order("1", "USD", amount, True, False, ())
    invoices = (Invoice(part, False, False),) if part else ()
    after = Order("1", "USD", amount, True, False, invoices)
    assert sum(chain.exposures([before])["SAP-1"]) == amount
    assert sum(chain.exposures([after])["SAP-1"]) == amount


def _rounded(amount: Decimal) -> Decimal:
    """Halves to even, as the models round."""
    return amount.quantize(Decimal("0.01"), "ROUND_HALF_EVEN")
