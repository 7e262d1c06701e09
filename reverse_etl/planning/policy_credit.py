"""The sections [deductions] and [credit.*] of the policy file, typed.

Apart from ``policy.py`` because only the credit and deduction decisions read them. Numbers and
lists, no rule. Amounts are in group currency unless a field says otherwise.
"""

from datetime import date
from decimal import Decimal

from pydantic import Field, field_validator, model_validator

from reverse_etl.planning.policy_base import Section

__all__ = [
    "REASON_CODES",
    "DeductionsPolicy",
    "GroupLimit",
    "ScorecardPolicy",
    "TemporaryLimit",
]

#: Every internal reason code of a deduction (domain §B5).
REASON_CODES = (
    "PRICE", "QTY", "DAMAGE", "RETURN", "FREIGHT", "TAX", "DUPLICATE", "LATE-DELIVERY", "PROMO",
    "REBATE", "UNEARNED-DISC", "EARNED-DISC", "WHT", "BANK-FEE", "FX", "NOT-RECEIVED", "WRONG-PO",
    "ROUNDING", "OTHER",
)  # fmt: skip


class DeductionsPolicy(Section):
    """Reason codes, clocks and who may agree to how much."""

    sla_days: int = Field(30, ge=1)
    sla_days_by_reason: dict[str, int] = Field(default_factory=dict)
    small_amount_max: Decimal = Field(Decimal(0), ge=0)
    codes: dict[str, str] = Field(default_factory=dict)
    customer_codes: dict[str, dict[str, str]] = Field(default_factory=dict)
    role_amount_max: dict[str, Decimal] = Field(default_factory=dict)
    roles: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _known(self) -> "DeductionsPolicy":
        maps = [self.codes, *self.customer_codes.values()]
        wrong = sorted({code for one in maps for code in one.values()} - set(REASON_CODES))
        wrong += sorted(set(self.sla_days_by_reason) - set(REASON_CODES))
        if wrong:
            raise ValueError(f"{wrong[0]!r} is no reason code; known: {', '.join(REASON_CODES)}")
        homeless = sorted(set(self.roles.values()) - set(self.role_amount_max))
        if homeless:
            raise ValueError(f"the role {homeless[0]!r} has no amount in role_amount_max")
        return self


class ScorecardPolicy(Section):
    """The scorecard: points per input (0 best, 100 worst) by thresholds, classes, the limit.

    ``weights`` are relative; an input that is not known takes no part and is named as missing.
    ``thresholds``: value from which an input costs 25, 50, 75 and 100 points.
    """

    enabled: bool = False
    weights: dict[str, int] = Field(default_factory=dict)
    thresholds: dict[str, tuple[Decimal, Decimal, Decimal, Decimal]] = Field(default_factory=dict)
    class_points_max: tuple[int, int, int, int] = (15, 30, 50, 75)
    country_risk: dict[str, int] = Field(default_factory=dict)
    known_weight_percent_min: int = Field(40, ge=0, le=100)
    sales_multiple_by_class: dict[str, Decimal] = Field(default_factory=dict)
    net_worth_percent: Decimal = Decimal(10)
    self_retained_by_class: dict[str, Decimal] = Field(default_factory=dict)
    terms_days_default: int = Field(30, ge=1)
    rounding_amount: Decimal = Field(Decimal(1000), gt=0)
    change_percent_min: Decimal = Field(Decimal(10), ge=0)
    history_days_min: int = Field(90, ge=0)


class _Dated(Section):
    """An amount that holds between two days, both included; an open end has no day."""

    limit_amount: Decimal = Field(ge=0)
    currency_code: str = Field(min_length=3, max_length=3)
    valid_from: date | None = None
    valid_until: date | None = None

    @field_validator("valid_from", "valid_until", mode="before")
    @classmethod
    def _day(cls, value: object) -> object:
        return date.fromisoformat(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _in_order(self) -> "_Dated":
        if self.valid_from and self.valid_until and self.valid_until < self.valid_from:
            raise ValueError("valid_until lies before valid_from")
        return self

    def holds_on(self, day: date) -> bool:
        """Whether it holds on a day."""
        return (self.valid_from or date.min) <= day <= (self.valid_until or date.max)


class GroupLimit(_Dated):
    """What a customer and all below it in the hierarchy may owe together."""

    customer_id: str


class TemporaryLimit(_Dated):
    """A limit between two days; afterwards ``back_to_amount`` holds again. Two people agreed."""

    system_id: str
    customer: str
    credit_segment: str
    valid_from: date
    valid_until: date
    back_to_amount: Decimal = Field(gt=0)
    approved_by: str = Field(min_length=1)
    second_approver: str = Field(min_length=1)

    @model_validator(mode="after")
    def _two_people(self) -> "TemporaryLimit":
        if self.approved_by.casefold() == self.second_approver.casefold():
            raise ValueError("a temporary limit needs two people")
        if not self.limit_amount:
            raise ValueError("a temporary limit needs an amount above zero")
        return self
