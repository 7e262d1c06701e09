"""A dataset in the forms of several vendors: their numbers, their companies' currencies.

The generator makes one extract, as a SAP system would export it, for all ERPs of the world. Here
each customer and invoice gets the number that its own ERP would give, and amounts become ones of
its company's currency, exact to that currency's unit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import ROUND_HALF_EVEN, Decimal

import polars as pl

from sandbox.demo.dataset import INVOICES, MONEY, Dataset, unit_of
from sandbox.demo.systems import GROUP_CURRENCY, DemoCompany, ErpPlan, plan_of_company

__all__ = ["in_vendor_forms"]


def in_vendor_forms(
    dataset: Dataset, plans: Sequence[ErpPlan], rates: Mapping[str, Decimal]
) -> Dataset:
    """The dataset as the plans' ERPs hold it.

    Args:
        dataset: its companies are the plans', its amounts are in the group's currency.
        plans: the world's ERPs.
        rates: one unit of a currency in the group's.
    """
    plan_by_company = plan_of_company(plans)
    companies = {code: plan.companies[code] for code, plan in plan_by_company.items()}
    placed = dataset.customers.select("customer", "company_code").iter_rows()
    numbers = {
        customer: _customer_number(customer, plan_by_company[code]) for customer, code in placed
    }
    invoices = pl.DataFrame(
        [
            _invoice(row, plan_by_company[row["company_code"]], companies, numbers, rates)
            for row in dataset.invoices.iter_rows(named=True)
        ],
        schema=INVOICES,
        orient="row",
    )
    renumbered = pl.col("customer").replace_strict(numbers)
    return replace(
        dataset,
        customers=dataset.customers.with_columns(renumbered).sort("customer", "company_code"),
        invoices=invoices,
        receipts=_receipts(dataset.receipts, invoices, companies).with_columns(renumbered),
        name_variants=dataset.name_variants.with_columns(renumbered).sort("customer", "name"),
    )


def _customer_number(customer: str, plan: ErpPlan) -> str:
    """SAP keeps what the extract says; a number with letters loses them elsewhere."""
    if plan.customer_form == ErpPlan.__dataclass_fields__["customer_form"].default:
        return customer
    digits = "".join(character for character in customer if character.isdigit())
    return plan.customer_form.format(number=int(digits))


def _invoice(
    row: Mapping[str, object],
    plan: ErpPlan,
    companies: Mapping[str, DemoCompany],
    numbers: Mapping[str, str],
    rates: Mapping[str, Decimal],
) -> list[object]:
    currency = companies[str(row["company_code"])].currency_code
    amount = row["amount"]
    assert isinstance(amount, Decimal)
    changed = {
        "invoice_number": plan.invoice_form.format(number=row["invoice_number"]),
        "customer": numbers[str(row["customer"])],
        "amount": _in_currency(amount, currency, rates),
        "currency_code": currency,
    }
    return [changed.get(name, row[name]) for name in INVOICES]


def _in_currency(amount: Decimal, currency_code: str, rates: Mapping[str, Decimal]) -> Decimal:
    """At the world's rate, to the currency's unit; never nothing where there was something."""
    rate = Decimal(1) if currency_code == GROUP_CURRENCY else rates[currency_code]
    unit = unit_of(currency_code)
    exact = (amount / rate).quantize(unit, ROUND_HALF_EVEN)
    return exact or unit.copy_sign(amount)


def _receipts(
    receipts: pl.DataFrame, invoices: pl.DataFrame, companies: Mapping[str, DemoCompany]
) -> pl.DataFrame:
    """Receipts sum what their items became."""
    sums = invoices.group_by("receipt_number").agg(pl.col("amount").sum().cast(MONEY).alias("sum"))
    currencies = {code: one.currency_code for code, one in companies.items()}
    columns = receipts.columns
    return (
        receipts.join(sums, on="receipt_number", how="left")
        .with_columns(
            pl.col("sum").alias("amount"),
            pl.col("company_code").replace_strict(currencies).alias("currency_code"),
        )
        .select(columns)
    )
