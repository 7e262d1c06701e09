"""What the extract lacks, from one seed: the whole world that the demo's systems are seeded with.

The parts are made in a fixed order by their own modules, each from its own random stream, so that a
change in one does not shift the others. ``truth_of`` puts what is really so in one tree; it is
written to ``demo/truth.json`` and product code never reads it.
"""

from dataclasses import dataclass
from typing import Any

import polars as pl

from sandbox.demo.credit import CreditPlan, make_credit
from sandbox.demo.crm import CrmAccount, make_accounts
from sandbox.demo.dataset import Dataset
from sandbox.demo.partners import Partner, make_partners
from sandbox.demo.payments import Payments, make_payments
from sandbox.demo.settings import Settings

__all__ = ["World", "make_world", "truth_of"]


@dataclass(frozen=True, slots=True)
class World:
    """A dataset and everything that was added to it."""

    dataset: Dataset
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


def make_world(
    dataset: Dataset, settings: Settings, *, seed: int | None = None, overdue_days_max: int = 30
) -> World:
    """Add all that is missing.

    Args:
        dataset: the extract or its twin.
        settings: shares of everything.
        seed: replaces the settings' seed.
        overdue_days_max: the release policy's bound; only the truth's opinion on orders uses it.
    """
    seed = settings.seed if seed is None else seed
    partners = make_partners(dataset, settings, seed)
    payments = make_payments(dataset, partners, settings, seed)
    credit = make_credit(dataset, partners, payments, settings, seed, overdue_days_max)
    accounts = make_accounts(partners, credit, dataset.as_of, settings, seed)
    return World(dataset, settings, seed, partners, payments, credit, accounts)


def truth_of(world: World) -> dict[str, Any]:
    """What is really so, as a tree for JSON: money as text, dates in ISO form."""
    return {
        "seed": world.seed,
        "as_of": world.dataset.as_of.isoformat(),
        "receipts": [
            {
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
                "customer": account.customer,
                "is_linked": account.is_linked,
            }
            for account in world.crm_accounts
        ],
        "limits": [
            {
                "customer": account.customer,
                "limit_kind": account.approval.limit.kind.value,
                "limit_amount": str(account.approval.limit.amount),
                "is_stale_in_erp": account.is_stale,
            }
            for account in world.credit.accounts
            if account.approval
        ],
        "manual_blocks": [a.customer for a in world.credit.accounts if a.block_reason],
        "orders": [
            {
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
