"""Credit: limits in the ERPs, what was last approved, manual blocks, and sales orders.

Some of the ERP's limits are stale (amount or kind differs from the approval), some approvals are
tight, some customers are blocked by a person. Limits are in the currency of the customer's credit
segment. Orders are only proposed here: whether one is blocked is the ERP's own credit check, made
when the order is created.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum

import numpy as np
import polars as pl

from sandbox.demo.dataset import Dataset, unit_of
from sandbox.demo.draws import chosen
from sandbox.demo.partners import Partner
from sandbox.demo.payments import Payments
from sandbox.demo.settings import CreditSettings, Settings
from sandbox.demo.systems import DemoCompany, ErpPlan, plan_of_company

__all__ = [
    "Approval",
    "CreditAccount",
    "CreditPlan",
    "Limit",
    "LimitKind",
    "Order",
    "Standing",
    "make_credit",
]

_APPROVERS = ("m.okafor", "j.lindqvist", "r.duarte")
_SECOND_APPROVERS = ("s.haddad", "t.varga")
_SECOND_APPROVER_FROM = Decimal(250_000)
_BLOCK_REASONS = ("02", "03")
_LIMIT_MIN = Decimal(10_000)
#: Orders are 10 to 27 percent of the free limit, but of no less than this.
_ORDER_BASE_MIN = Decimal(5000)


class LimitKind(StrEnum):
    """What a limit means; the amount alone never says it."""

    LIMITED = "limited"
    UNLIMITED = "unlimited"
    NONE_GRANTED = "none_granted"


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit with its kind; the amount is zero unless it is limited."""

    kind: LimitKind
    amount: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Approval:
    """Who approved a limit and when; large ones have a second person."""

    limit: Limit
    approved_by: str
    second_approver: str
    approved_at: datetime


@dataclass(frozen=True, slots=True)
class CreditAccount:
    """A customer's account in the credit segment of its company.

    Attributes:
        currency_code: of the segment, in which the limits are.
        block_reason: a person blocked it.
    """

    customer: str
    credit_segment: str
    currency_code: str
    limit: Limit
    approval: Approval | None
    block_reason: str
    risk_class: str

    @property
    def is_stale(self) -> bool:
        """Whether the ERP's limit differs from the last approved one."""
        return self.approval is not None and self.approval.limit != self.limit


@dataclass(frozen=True, slots=True)
class Order:
    """A sales order to be created in the ERP. ``is_expected_released`` is the truth's opinion."""

    customer: str
    company_code: str
    amount: Decimal
    currency_code: str
    requested_date: date
    purchase_order: str
    is_expected_released: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """What a customer owes, in the segment's currency, once all exact payments are applied.

    Attributes:
        before: everything open in the ERP before any receipt is applied.
        after: what stays open.
        overdue_days_max: of what stays open, at the as-of date; 0 when nothing is overdue.
        has_doubtful_payments: some receipt cannot be applied by references alone.
    """

    before: Decimal = Decimal(0)
    after: Decimal = Decimal(0)
    overdue_days_max: int = 0
    has_doubtful_payments: bool = False


@dataclass(frozen=True, slots=True)
class CreditPlan:
    """All credit accounts, orders and standings."""

    accounts: tuple[CreditAccount, ...]
    orders: tuple[Order, ...]
    standings: Mapping[str, Standing]


def make_credit(
    dataset: Dataset,
    plans: Sequence[ErpPlan],
    partners: Mapping[str, Partner],
    payments: Payments,
    settings: Settings,
    seed: int,
    overdue_days_max: int,
) -> CreditPlan:
    """Limits, approvals, blocks and orders of every customer.

    ``overdue_days_max``: from how many days overdue the release policy refuses a release.
    """
    random = np.random.default_rng([seed, 4])
    plan_by_company = plan_of_company(plans)
    homes = {
        customer: plan_by_company[min(one.companies)].companies[min(one.companies)]
        for customer, one in partners.items()
    }
    standings = _standings(dataset, payments, settings.rates, homes)
    draws = {
        plan.system_id: _Draws.of(
            [one for one, home in homes.items() if home.company_code in plan.companies],
            settings.credit,
            random,
        )
        for plan in plans
    }
    accounts, orders = [], []
    for customer, partner in partners.items():
        plan, home = plan_by_company[min(partner.companies)], homes[customer]
        standing = standings.get(customer, Standing())
        account = _account(
            customer, home, standing, draws[plan.system_id], dataset.as_of, settings, random
        )
        if not plan.has_holds:
            account = replace(account, block_reason="")
        accounts.append(account)
        if plan.has_orders:
            companies = plan.companies
            orders += _orders(
                partner, companies, account, standing, dataset, settings, overdue_days_max, random
            )
    return CreditPlan(tuple(accounts), tuple(orders), standings)


def _standings(
    dataset: Dataset,
    payments: Payments,
    rates: Mapping[str, Decimal],
    homes: Mapping[str, DemoCompany],
) -> dict[str, Standing]:
    exact = [p.receipt_number for p in payments.payments if p.kind.is_exact]
    doubtful = {p.customer for p in payments.payments if not p.kind.is_exact}
    items = pl.concat([dataset.invoices, payments.credit_memos])
    texts = {code: str(value) for code, value in rates.items()}
    rate = pl.col("currency_code").replace_strict(texts, default="1").cast(pl.Decimal(12, 6))
    worth = pl.col("amount") * rate
    is_paid = pl.col("receipt_number").is_in(exact).fill_null(value=False)
    late = (pl.lit(dataset.as_of) - pl.col("due_date")).dt.total_days()
    is_debit = pl.col("amount") > 0
    summed = items.group_by("customer").agg(
        worth.sum().alias("before"),
        worth.filter(~is_paid).sum().alias("after"),
        late.filter(~is_paid & is_debit).max().alias("late"),
    )
    found = {}
    for customer, before, after, late in summed.iter_rows():
        currency = homes[customer].limit_currency
        worth_one, unit = rates.get(currency, Decimal(1)), unit_of(currency)
        found[customer] = Standing(
            (before / worth_one).quantize(unit),
            (after / worth_one).quantize(unit),
            max(0, late or 0),
            customer in doubtful,
        )
    return found


@dataclass(frozen=True, slots=True)
class _Draws:
    """Which customers of an ERP are special, drawn once so that their numbers are exact.

    ``blocked``: customer to the reason why a person has blocked it; always at least one.
    ``stale``: at least one too, as no ERP's limits are all right.
    """

    approved: set[str]
    stale: set[str]
    tight: set[str]
    blocked: Mapping[str, str]

    @classmethod
    def of(
        cls, customers: list[str], settings: CreditSettings, random: np.random.Generator
    ) -> "_Draws":
        """Draw from the settings' shares; only an approved limit can be stale."""
        approved = chosen(customers, settings.approved_share, random)
        blocked = sorted(chosen(customers, settings.manual_block_share, random, at_least=1))
        return cls(
            approved=approved,
            stale=chosen(sorted(approved), settings.stale_share, random, at_least=1),
            tight=chosen(customers, settings.tight_share, random),
            blocked={customer: _BLOCK_REASONS[int(random.integers(2))] for customer in blocked},
        )


def _account(
    customer: str,
    home: DemoCompany,
    standing: Standing,
    draws: _Draws,
    as_of: date,
    settings: Settings,
    random: np.random.Generator,
) -> CreditAccount:
    scale = _scale(home.limit_currency, settings.rates)
    right = _right_limit(standing, settings.credit, scale, random, is_tight=customer in draws.tight)
    approval = None
    if customer in draws.approved:
        is_large = (
            right.amount >= _SECOND_APPROVER_FROM * scale or right.kind is LimitKind.UNLIMITED
        )
        day = as_of - timedelta(days=int(random.integers(3, 200)))
        approval = Approval(
            limit=right,
            approved_by=_APPROVERS[int(random.integers(len(_APPROVERS)))],
            second_approver=_SECOND_APPROVERS[int(random.integers(2))] if is_large else "",
            approved_at=datetime.combine(day, time(9 + int(random.integers(8))), UTC),
        )
    return CreditAccount(
        customer=customer,
        credit_segment=home.credit_segment,
        currency_code=home.limit_currency,
        limit=_stale_limit(right, scale, random) if customer in draws.stale else right,
        approval=approval,
        block_reason=draws.blocked.get(customer, ""),
        risk_class="ABCDE"[int(random.integers(5))],
    )


def _scale(currency_code: str, rates: Mapping[str, Decimal]) -> Decimal:
    """The power of ten between a currency's amounts and the group's: 100 for the yen."""
    rate = rates.get(currency_code, Decimal(1))
    return Decimal(10) ** max(0, round(-math.log10(rate)))


def _right_limit(
    standing: Standing,
    settings: CreditSettings,
    scale: Decimal,
    random: np.random.Generator,
    *,
    is_tight: bool,
) -> Limit:
    """The limit that is right for what the customer owes, or a tight one."""
    draw = random.random()
    if draw < settings.unlimited_share:
        return Limit(LimitKind.UNLIMITED)
    if draw < settings.unlimited_share + settings.none_granted_share and not standing.after:
        return Limit(LimitKind.NONE_GRANTED)
    percent = int(random.integers(50, 96) if is_tight else random.integers(140, 301))
    owed = max(standing.after, Decimal(0))
    return Limit(LimitKind.LIMITED, _rounded(owed * percent / 100, scale))


def _rounded(amount: Decimal, scale: Decimal) -> Decimal:
    """Limits are round: whole thousands, at least ten of them."""
    thousand = 1000 * scale
    return max(_LIMIT_MIN * scale, Decimal(math.ceil(amount / thousand)) * thousand)


def _stale_limit(right: Limit, scale: Decimal, random: np.random.Generator) -> Limit:
    """What the ERP still holds: usually an older, smaller amount, sometimes another kind."""
    if right.kind is not LimitKind.LIMITED:
        return Limit(LimitKind.LIMITED, Decimal(int(random.integers(10, 80))) * 1000 * scale)
    if random.random() < 0.15:
        return Limit(LimitKind.UNLIMITED)
    older = _rounded(right.amount * int(random.integers(35, 80)) / 100, scale)
    return Limit(LimitKind.LIMITED, older if older != right.amount else older + 1000 * scale)


def _orders(
    partner: Partner,
    companies: Mapping[str, DemoCompany],
    account: CreditAccount,
    standing: Standing,
    dataset: Dataset,
    settings: Settings,
    overdue_days_max: int,
    random: np.random.Generator,
) -> list[Order]:
    """Up to three orders of a customer; their sizes leave no doubt whether they fit the limit."""
    if not account.block_reason and random.random() >= settings.credit.customers_with_orders_share:
        return []
    company = sorted(partner.companies)[int(random.integers(len(partner.companies)))]
    currency = dataset.companies.get(company, companies[company].currency_code)
    right = account.approval.limit if account.approval else account.limit
    count = int(random.integers(1, settings.credit.orders_per_customer_max + 1))
    room = right.amount - standing.after
    scale = _scale(account.currency_code, settings.rates)
    least = _ORDER_BASE_MIN * scale
    size = room if room > 0 else Decimal(60_000) * scale
    is_good = (
        (right.kind is LimitKind.UNLIMITED or (right.kind is LimitKind.LIMITED and room >= least))
        and not account.block_reason
        and not standing.has_doubtful_payments
        and standing.overdue_days_max <= overdue_days_max
    )
    rates = settings.rates
    rate = rates.get(currency, Decimal(1)) / rates.get(account.currency_code, Decimal(1))
    made = []
    for _ in range(count):
        percent = int(random.integers(10, 28))
        amount = max(size, least) * percent / 100 / rate
        made.append(
            Order(
                customer=partner.customer,
                company_code=company,
                amount=amount.quantize(unit_of(currency)),
                currency_code=currency,
                requested_date=dataset.as_of + timedelta(days=int(random.integers(1, 40))),
                purchase_order=f"46{int(random.integers(10**8)):08d}",
                is_expected_released=is_good,
            )
        )
    return made
