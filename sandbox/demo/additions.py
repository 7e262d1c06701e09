"""What the extract lacks, from one seed: the whole world that the demo's systems are seeded with.

The parts are made in a fixed order by their own modules, each from its own random stream, so that a
change in one does not shift the others. ``truth_of`` puts what is really so in one tree; it is
written to ``demo/truth.json`` and product code never reads it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from sandbox.demo.credit import CreditPlan, make_credit
from sandbox.demo.crm import CrmAccount, make_accounts
from sandbox.demo.dataset import Dataset
from sandbox.demo.partners import Partner, make_partners
from sandbox.demo.payments import Payments, make_payments
from sandbox.demo.settings import Settings
from sandbox.demo.systems import ErpPlan, plan_of_company, plans_of

__all__ = ["World", "make_world", "truth_of"]


@dataclass(frozen=True, slots=True)
class World:
    """A dataset, the ERPs that hold it, and everything that was added to it."""

    dataset: Dataset
    plans: tuple[ErpPlan, ...]
    settings: Settings
    seed: int
    partners: dict[str, Partner]
    payments: Payments
    credit: CreditPlan
    crm_accounts: list[CrmAccount]

    @property
    def items(self) -> pl.DataFrame:
        """Invoices and credit memos together: all that is posted to customers before any cash."""
        return pl.concat([self.dataset.invoices, self.payments.credit_memos])

    def of_system(self, plan: ErpPlan) -> "World":
        """The part of it that one ERP holds; accounts of the CRM stay with the whole."""
        companies = list(plan.companies)
        is_here = pl.col("company_code").is_in(companies)
        data, payments = self.dataset, self.payments
        customers = data.customers.filter(is_here)
        numbers = set(customers["customer"])
        return replace(
            self,
            dataset=replace(
                data,
                customers=customers,
                invoices=data.invoices.filter(is_here),
                receipts=data.receipts.filter(is_here),
                name_variants=data.name_variants.join(customers, on="customer", how="semi"),
            ),
            plans=(plan,),
            partners={key: one for key, one in self.partners.items() if key in numbers},
            payments=Payments(
                tuple(one for one in payments.payments if one.company_code in plan.companies),
                tuple(one for one in payments.accounts if one.system_id == plan.system_id),
                payments.credit_memos.filter(is_here),
            ),
            credit=CreditPlan(
                tuple(one for one in self.credit.accounts if one.customer in numbers),
                tuple(one for one in self.credit.orders if one.company_code in plan.companies),
                {key: one for key, one in self.credit.standings.items() if key in numbers},
            ),
            crm_accounts=[],
        )


def make_world(
    dataset: Dataset,
    settings: Settings,
    plans: Sequence[ErpPlan] = (),
    *,
    seed: int | None = None,
    overdue_days_max: int = 30,
) -> World:
    """Add all that is missing.

    Args:
        dataset: the extract or its twin.
        settings: shares of everything.
        plans: the ERPs that the dataset was made for; none makes the one of an extract.
        seed: replaces the settings' seed.
        overdue_days_max: the release policy's bound; only the truth's opinion on orders uses it.
    """
    seed = settings.seed if seed is None else seed
    plans = tuple(plans) or plans_of(dataset.companies)
    partners = make_partners(dataset, plans, settings, seed)
    payments = make_payments(dataset, plans, partners, settings, seed)
    credit = make_credit(dataset, plans, partners, payments, settings, seed, overdue_days_max)
    accounts = make_accounts(partners, plans, credit, dataset.as_of, settings, seed)
    return World(dataset, plans, settings, seed, partners, payments, credit, accounts)


def truth_of(world: World) -> dict[str, Any]:
    """What is really so, as a tree for JSON: money as text, dates in ISO form.

    A CRM account that is a customer of several ERPs has a link for each.
    """
    system_of = {code: plan.system_id for code, plan in plan_of_company(world.plans).items()}
    customer_systems = {
        customer: system_of[min(partner.companies)] for customer, partner in world.partners.items()
    }
    return {
        "seed": world.seed,
        "as_of": world.dataset.as_of.isoformat(),
        "receipts": [
            {
                "system_id": system_of[payment.company_code],
                "bank_reference": payment.bank_reference,
                "account": payment.account,
                "company_code": payment.company_code,
                "customer": payment.customer,
                "amount": str(payment.amount),
                "currency_code": payment.currency_code,
                "value_date": payment.value_date.isoformat(),
                "kind": payment.kind.value,
                "booked_by": payment.booked_by,
                "pays": {number: str(amount) for number, amount in payment.pays.items()},
            }
            for payment in world.payments.payments
        ],
        "links": [
            {
                "crm_account_number": account.fields["AccountNumber"],
                "name": account.fields["Name"],
                "system_id": customer_systems[customer],
                "customer": customer,
                "is_linked": account.is_linked,
            }
            for account in world.crm_accounts
            for customer in account.customers
        ],
        "limits": [
            {
                "system_id": customer_systems[account.customer],
                "customer": account.customer,
                "credit_segment": account.credit_segment,
                "limit_kind": account.approval.limit.kind.value,
                "limit_amount": str(account.approval.limit.amount),
                "currency_code": account.currency_code,
                "is_stale_in_erp": account.is_stale,
            }
            for account in world.credit.accounts
            if account.approval
        ],
        "manual_blocks": [a.customer for a in world.credit.accounts if a.block_reason],
        "orders": [
            {
                "system_id": customer_systems[order.customer],
                "purchase_order": order.purchase_order,
                "customer": order.customer,
                "company_code": order.company_code,
                "amount": str(order.amount),
                "currency_code": order.currency_code,
                "is_expected_released": order.is_expected_released,
            }
            for order in world.credit.orders
        ],
    }
