"""Switches of the sandboxed S/4HANA system. What no source verified stands here, not in code."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Literal

from sandbox.core.companies import CompanyFacts, cross_rates

__all__ = ["SapCompany", "SapSettings", "settings_for"]


@dataclass(frozen=True, slots=True)
class SapCompany:
    """One company code. ``open_from``: first day that may be posted to; None means long ago."""

    currency_code: str
    credit_segment: str = "1000"
    name: str = ""
    open_from: date | None = None


def _companies() -> Mapping[str, SapCompany]:
    found = {code: SapCompany("USD") for code in ("U001", "U002", "U005", "U007", "U013")}
    found["CA02"] = SapCompany("CAD")
    return found


def _accounts() -> Mapping[str, str]:
    return {
        "11001000": "Bank",
        "12100000": "Trade receivables",
        "21650000": "Unidentified receipts",
        "22000000": "Output tax",
        "19900000": "Allowance for doubtful accounts",
        "41000000": "Revenue",
        "44000000": "Sales discounts",
        "44100000": "Returns and price allowances",
        "51000000": "Adjustments",
        "65100000": "Bank charges",
        "65200000": "Small differences",
        "71000000": "Realised exchange differences",
    }


def _charge_offs() -> Mapping[str, str]:
    return {"BNK": "65100000", "DIF": "65200000"}


@dataclass(frozen=True, slots=True)
class SapSettings:
    """Everything about the system that its protocols do not say.

    Attributes:
        page_size: rows of a page that the server cuts (``__next``).
        clearing_lag_seconds: how long an accepted clearing request waits, by the clock.
        clearing_lag_reads: instead of seconds, how many reads of the open items it outlives.
        gl_balance_service: ``SERVICE/Set`` of the G/L balances. Not a verified SAP contract.
        clearing_log_service: ``SERVICE/Set`` of the clearing log; empty serves none. Not verified.
        duplicate_answer: what a journal entry message gets whose id was seen: ``refused`` (severity
            3, no document) or ``repeated`` (the first document again). No source shows the body.
        deduplicates_entries: whether the ids of single entries count too, not only the message's.
        needs_if_match: 428 for a change without If-Match.
        session_seconds: life of a CSRF token and its cookies; ``token_seconds`` of a bearer token.
        payment_terms: net days by terms key, for customer items that come without their own.
        rates: units of the second currency per unit of the first.
        discount_gl_account: takes cash discounts of a clearing.
        charge_off_accounts: reason codes whose difference goes to a G/L account at once; any other
            reason leaves a residual item.
        residual_shows_reference: whether a residual item names the item it came from.
        distribution_amount_element: name of the amount in ``PaymentDifferenceDistribution``.
        lockboxes: company code and bank account of each lockbox.
    """

    username: str = "COMM_USER"
    password: str = "Sandbox-1"  # noqa: S105 - loopback only, handed out in the endpoints file
    client_id: str = "ledgerloop-client"
    client_secret: str = "Sandbox-2"  # noqa: S105 - as above
    sap_client: str = "100"
    sid: str = "SBX"
    companies: Mapping[str, SapCompany] = field(default_factory=_companies)
    gl_accounts: Mapping[str, str] = field(default_factory=_accounts)
    ar_gl_account: str = "12100000"
    tax_gl_account: str = "22000000"
    difference_gl_account: str = "71000000"
    discount_gl_account: str = "44000000"
    charge_off_accounts: Mapping[str, str] = field(default_factory=_charge_offs)
    residual_shows_reference: bool = True
    distribution_amount_element: str = "DifferenceAmountInDspCrcy"
    lockboxes: Mapping[str, tuple[str, str]] = field(
        default_factory=lambda: {"1000070": ("U001", "11001000")}
    )
    bank_gl_accounts: frozenset[str] = frozenset({"11001000"})
    open_item_gl_accounts: frozenset[str] = frozenset({"21650000"})
    chart_of_accounts: str = "YCOA"
    credit_segments: Mapping[str, str] = field(default_factory=lambda: {"1000": "USD"})
    rates: Mapping[tuple[str, str], Decimal] = field(
        default_factory=lambda: {("CAD", "USD"): Decimal("0.72")}
    )
    payment_terms: Mapping[str, int] = field(default_factory=dict)
    page_size: int = 5_000
    clearing_lag_seconds: float = 1.0
    clearing_lag_reads: int | None = None
    gl_balance_service: str = "YY1_GLACCOUNTBALANCE_CDS/YY1_GLAccountBalance"
    clearing_log_service: str = "YY1_CLEARINGLOG_CDS/YY1_ClearingLog"
    duplicate_answer: Literal["refused", "repeated"] = "refused"
    deduplicates_entries: bool = True
    needs_if_match: bool = True
    session_seconds: int = 1_800
    token_seconds: int = 3_600

    #: Document types that are billing documents, and that are receipts.
    invoice_types: frozenset[str] = frozenset({"RV"})
    credit_memo_types: frozenset[str] = frozenset({"RG"})
    receipt_types: frozenset[str] = frozenset({"DZ"})
    number_ranges: Mapping[str, str] = field(
        default_factory=lambda: {
            "RV": "1800000000",
            "RG": "1600000000",
            "DR": "1800000000",
            "DG": "1600000000",
            "DZ": "1400000000",
            "DA": "1600000000",
        }
    )
    default_number_range: str = "0100000000"


def settings_for(
    companies: Mapping[str, CompanyFacts], rates: Mapping[str, Decimal]
) -> SapSettings:
    """A system with these company codes; ``rates`` as ``cross_rates`` takes them."""
    plain = SapSettings()
    lockboxes = {
        number: (code, bank)
        for code, (number, (_, bank)) in zip(companies, plain.lockboxes.items(), strict=False)
    }
    return replace(
        plain,
        companies={
            code: SapCompany(one.currency_code, one.credit_segment)
            for code, one in companies.items()
        },
        credit_segments={one.credit_segment: one.limit_currency for one in companies.values()},
        rates=cross_rates(companies.values(), rates),
        lockboxes=lockboxes,
    )
