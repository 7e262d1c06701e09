"""The [cash] section of the policy file, typed: thresholds of cash application (domain §B1).

Each is explained where its value stands (reverse_etl/policy.toml). Nothing here decides.
"""

from decimal import Decimal

from pydantic import Field

from reverse_etl.planning.policy_base import Section

__all__ = ["CashPolicy"]


class CashPolicy(Section):
    """Thresholds of cash application (domain §B1)."""

    reference_length_min: int = Field(4, ge=1)
    payer_reference_length_min: int = Field(6, ge=1)
    customer_number_length_min: int = Field(6, ge=1)
    joined_words_max: int = Field(4, ge=1, le=10)
    tail_length_min: int = Field(6, ge=4)
    mistyped_length_min: int = Field(7, ge=5)
    unresolved_digits_min: int = Field(5, ge=3)
    text_length_truncated: int = Field(136, ge=20)
    stray_pair_items_max: int = Field(12, ge=2)
    readings_max: int = Field(64, ge=1)
    subset_items_max: int = Field(150, ge=2, le=300)
    rest_percent_min: Decimal = Decimal(5)
    twin_window_days: int = Field(75, ge=0)
    inferred_items_max: int = Field(3, ge=0)
    coincidence_max: Decimal = Decimal("0.0005")
    coincidence_max_run: Decimal = Decimal("0.0002")
    coincidence_max_subset: Decimal = Decimal("0.00001")
    coincidence_max_rest: Decimal = Decimal("0.0005")
    coincidence_max_referenced: Decimal = Decimal("0.005")
    habit_payments_min: int = Field(10, ge=1)
    habit_payments_full: int = Field(30, ge=1)
    habit_lead_min: Decimal = Field(Decimal("7.5"), ge=0)
    habit_proof_min: Decimal = Field(Decimal(8), ge=0)
    discount_percents: tuple[Decimal, ...] = (Decimal(1), Decimal(2), Decimal(3))
    discount_grace_days: int = Field(7, ge=0)
    fee_amount_max: dict[str, Decimal] = Field(default_factory=lambda: {"default": Decimal(50)})
    fee_percent_max: Decimal = Decimal(2)
    fee_step: int = Field(50, ge=1)
    small_item_percent: int = Field(33, ge=0, le=100)
    over_percent_max: Decimal = Decimal(10)
    suspects_max: int = Field(5, ge=1)
    name_score_min: int = Field(75, ge=0, le=100)
    duplicate_window_days: int = Field(10, ge=0)
    proposals_max: int = Field(4, ge=1, le=20)

    def fee_limit(self, currency_code: str) -> int:
        """The largest difference that may be a bank's fee, in millionths of the currency."""
        limit = self.fee_amount_max.get(currency_code, self.fee_amount_max.get("default"))
        return int((limit or Decimal(0)).scaleb(6))
