"""The generator's settings: every share and size of the demo's data, read from one TOML file.

Shares are fractions of one. A wrong key or a share outside 0..1 is refused when the file is read,
so a typo never silently changes the data.
"""

import tomllib
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sandbox.demo.dataset import DatasetError

__all__ = [
    "CreditSettings",
    "CrmSettings",
    "PayerSettings",
    "ReceiptSettings",
    "Settings",
    "SystemSettings",
    "TwinSettings",
    "load_settings",
]

_FILE = Path(__file__).parents[2] / "data" / "generator.toml"

Share = Annotated[float, Field(ge=0, le=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TwinSettings(_Strict):
    """Size and shape of the synthetic twin, fitted to the real extract's profile."""

    customers: int = Field(ge=10)
    open_items: int = Field(ge=1)
    closed_items: int = Field(ge=1)
    largest_customer_share: Share
    next_nine_share: Share
    amount_median: Decimal
    amount_mean: Decimal
    repeated_amount_share: Share
    paid_early_share: Share
    paid_on_day_share: Share
    late_over_5_days_share: Share
    late_over_30_days_share: Share
    many_invoice_share: Share
    many_invoice_mean: float = Field(gt=2)
    invoices_per_payment_max: int
    spellings_mean: float
    spellings_max: int
    shared_name_share: Share
    duplicate_row_share: Share
    lost_zeros_share: Share
    float_id_share: Share
    other_date_format_share: Share
    missing_document_date_share: Share
    missing_posting_date_share: Share
    punctual_share: Share
    clear_date_first: date
    clear_date_last: date
    posting_date_first: date
    posting_date_last: date
    companies: dict[str, Share]


class SystemSettings(_Strict):
    """One ERP of the synthetic world: its share of all customers, its companies' shares of these.

    Shares need not sum to one.
    """

    share: Share = Field(gt=0)
    companies: dict[str, Share]


class PayerSettings(_Strict):
    """Who pays from which account, and what SAP knows of it."""

    account_known_share: Share
    shared_account_share: Share
    third_party_name_share: Share
    sloppy_share: Share = Field(gt=0)


class ReceiptSettings(_Strict):
    """Shares of receipts that are not a plain exact payment."""

    missing_reference_share: Share
    purchase_order_share: Share
    wrong_number_share: Share
    short_share: Share
    over_share: Share
    unknown_payer_share: Share
    duplicate_share: Share
    credit_memo_share: Share
    structured_share: Share
    clerk_booked_share: Share
    erp_line_share: Share


class CreditSettings(_Strict):
    """Limits, their approvals, manual blocks and sales orders."""

    approved_share: Share
    unlimited_share: Share
    none_granted_share: Share
    tight_share: Share
    stale_share: Share
    manual_block_share: Share
    customers_with_orders_share: Share
    orders_per_customer_max: int


class CrmSettings(_Strict):
    """How well the CRM knows the ERP's customers and how stale its receivables are."""

    linked_share: Share
    lost_zeros_share: Share
    second_account_share: Share
    stale_account_share: Share
    missing_account_fields_share: Share
    stale_invoice_share: Share
    missing_invoice_share: Share
    stale_balance_share: Share
    missing_balance_share: Share
    shared_account_share: Share


class Settings(_Strict):
    """All settings; ``rates``: one unit of a currency in US dollars, the group currency."""

    seed: int
    twin: TwinSettings
    systems: dict[str, SystemSettings]
    payers: PayerSettings
    receipts: ReceiptSettings
    credit: CreditSettings
    crm: CrmSettings
    rates: dict[str, Decimal]


def load_settings(path: Path | None = None) -> Settings:
    """Read the generator's settings (default: the committed ``data/generator.toml``).

    Raises:
        DatasetError: no such file, not TOML, an unknown key or a value out of range.
    """
    path = path or _FILE
    try:
        return Settings.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise DatasetError(f"no generator settings at {path}", code="settings_missing") from None
    except tomllib.TOMLDecodeError as error:
        raise DatasetError(f"{path} is not valid TOML: {error}", code="settings_syntax") from None
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise DatasetError(f"{path}: " + "; ".join(lines), code="settings_key") from None
