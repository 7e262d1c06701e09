"""Credit: limits in SAP, what was last approved, manual blocks, and sales orders.

Some of SAP's limits are stale (amount or kind differs from the approval), some approvals are tight,
some customers are blocked by a person. Orders are only proposed here: whether one is blocked is the
ERP's own credit check, made when the order is created.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum

import numpy as np
import polars as pl

from sandbox.demo.dataset import Dataset
from sandbox.demo.draws import chosen
from sandbox.demo.partners import Partner
from sandbox.demo.payments import Payments
from sandbox.demo.settings import CreditSettings, Settings

__all__ = [
    "SEGMENT",
    "SEGMENT_CURRENCY",
    "Approval",
    "CreditAccount",
    "CreditPlan",
    "Limit",
    "LimitKind",
    "Order",
    "Standing",
    "make_credit",
]

SEGMENT = "1000"
SEGMENT_CURRENCY = "USD"
_APPROVERS = ("m.okafor", "j.lindqvist", "r.duarte")
_SECOND_APPROVERS = ("s.haddad", "t.varga")
_SECOND_APPROVER_FROM = Decimal(250_000)
_BLOCK_REASONS = ("02", "03")
_LIMIT_MIN = Decimal(10_000)
_CENT = Decimal("0.01")
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
    """A customer's account in the credit segment. ``block_reason``: a person blocked it."""

    customer: str
    limit: Limit
    approval: Approval | None
    block_reason: str
    risk_class: str

    @property
    def is_stale(self) -> bool:
        """Whether SAP's limit differs from the last approved one."""
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
    standings = _standings(dataset, payments, settings.rates)
    draws = _Draws.of(list(partners), settings.credit, random)
    accounts, orders = [], []
    for customer, partner in partners.items():
        standing = standings.get(customer, Standing())
        account = _account(customer, standing, draws, dataset.as_of, settings.credit, random)
        accounts.append(account)
        orders += _orders(partner, account, standing, dataset, settings, overdue_days_max, random)
    return CreditPlan(tuple(accounts), tuple(orders), standings)


def _standings(
    dataset: Dataset, payments: Payments, rates: Mapping[str, Decimal]
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
    return {
        customer: Standing(
            before.quantize(_CENT),
            after.quantize(_CENT),
            max(0, late or 0),
            customer in doubtful,
        )
        for customer, before, after, late in summed.iter_rows()
    }


@dataclass(frozen=True, slots=True)
class _Draws:
    """Which customers are special, drawn once so that their numbers are exact.

    ``blocked``: customer to the reason why a person has blocked it; always at least one.
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
            stale=chosen(sorted(approved), settings.stale_share, random),
            tight=chosen(customers, settings.tight_share, random),
            blocked={customer: _BLOCK_REASONS[int(random.integers(2))] for customer in blocked},
        )


def _account(
    customer: str,
    standing: Standing,
    draws: _Draws,
    as_of: date,
    settings: CreditSettings,
    random: np.random.Generator,
) -> CreditAccount:
    right = _right_limit(standing, settings, random, is_tight=customer in draws.tight)
    approval = None
    if customer in draws.approved:
        is_large = right.amount >= _SECOND_APPROVER_FROM or right.kind is LimitKind.UNLIMITED
        day = as_of - timedelta(days=int(random.integers(3, 200)))
        approval = Approval(
            limit=right,
            approved_by=_APPROVERS[int(random.integers(len(_APPROVERS)))],
            second_approver=_SECOND_APPROVERS[int(random.integers(2))] if is_large else "",
            approved_at=datetime.combine(day, time(9 + int(random.integers(8))), UTC),
        )
    return CreditAccount(
        customer=customer,
        limit=_stale_limit(right, random) if customer in draws.stale else right,
        approval=approval,
        block_reason=draws.blocked.get(customer, ""),
        risk_class="ABCDE"[int(random.integers(5))],
    )


def _right_limit(
    standing: Standing, settings: CreditSettings, random: np.random.Generator, *, is_tight: bool
) -> Limit:
    """The limit that is right for what the customer owes, or a tight one."""
    draw = random.random()
    if draw < settings.unlimited_share:
        return Limit(LimitKind.UNLIMITED)
    if draw < settings.unlimited_share + settings.none_granted_share and not standing.after:
        return Limit(LimitKind.NONE_GRANTED)
    percent = int(random.integers(50, 96) if is_tight else random.integers(140, 301))
    return Limit(LimitKind.LIMITED, _rounded(max(standing.after, Decimal(0)) * percent / 100))


def _rounded(amount: Decimal) -> Decimal:
    """Limits are round: whole thousands, at least ten of them."""
    return max(_LIMIT_MIN, Decimal(math.ceil(amount / 1000)) * 1000)


def _stale_limit(right: Limit, random: np.random.Generator) -> Limit:
    """What SAP still holds: usually an older, smaller amount, sometimes another kind."""
    if right.kind is not LimitKind.LIMITED:
        return Limit(LimitKind.LIMITED, Decimal(int(random.integers(10, 80))) * 1000)
    if random.random() < 0.15:
        return Limit(LimitKind.UNLIMITED)
    older = _rounded(right.amount * int(random.integers(35, 80)) / 100)
    return Limit(LimitKind.LIMITED, older if older != right.amount else older + 1000)


def _orders(
    partner: Partner,
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
    currency = dataset.companies.get(company, SEGMENT_CURRENCY)
    right = account.approval.limit if account.approval else account.limit
    count = int(random.integers(1, settings.credit.orders_per_customer_max + 1))
    room = right.amount - standing.after
    size = room if room > 0 else Decimal(60_000)
    is_good = (
        (
            right.kind is LimitKind.UNLIMITED
            or (right.kind is LimitKind.LIMITED and room >= _ORDER_BASE_MIN)
        )
        and not account.block_reason
        and not standing.has_doubtful_payments
        and standing.overdue_days_max <= overdue_days_max
    )
    rate = settings.rates.get(currency, Decimal(1))
    made = []
    for _ in range(count):
        percent = int(random.integers(10, 28))
        amount = max(size, _ORDER_BASE_MIN) * percent / 100 / rate
        made.append(
            Order(
                customer=partner.customer,
                company_code=company,
                amount=amount.quantize(Decimal("0.01")),
                currency_code=currency,
                requested_date=dataset.as_of + timedelta(days=int(random.integers(1, 40))),
                purchase_order=f"46{int(random.integers(10**8)):08d}",
                is_expected_released=is_good,
            )
        )
    return made
