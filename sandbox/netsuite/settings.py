"""Switches of the sandboxed NetSuite account. What no source verified stands here, not in code."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Literal

from sandbox.core.companies import CompanyFacts, cross_rates

__all__ = ["GlAccount", "NetSuiteSettings", "Subsidiary", "settings_for"]


@dataclass(frozen=True, slots=True)
class Subsidiary:
    """One legal entity. ``open_from``: first day that may be posted to; None means long ago."""

    currency_code: str
    name: str = ""
    open_from: date | None = None


@dataclass(frozen=True, slots=True)
class GlAccount:
    """One account of the chart; ``kind`` as SuiteQL's ``accttype`` says it."""

    number: str
    name: str
    kind: str


def _subsidiaries() -> Mapping[str, Subsidiary]:
    return {"1": Subsidiary("USD", "North America"), "2": Subsidiary("CAD", "Canada")}


def _accounts() -> Mapping[str, GlAccount]:
    return {
        "101": GlAccount("11001000", "Bank", "Bank"),
        "102": GlAccount("12100000", "Accounts Receivable", "AcctRec"),
        "103": GlAccount("21650000", "Unidentified Receipts", "OthCurrLiab"),
        "104": GlAccount("22000000", "Sales Tax Payable", "OthCurrLiab"),
        "105": GlAccount("41000000", "Sales", "Income"),
        "106": GlAccount("44000000", "Sales Discounts", "Income"),
        "107": GlAccount("44100000", "Returns and Allowances", "Income"),
        "108": GlAccount("65100000", "Bad Debt", "Expense"),
        "109": GlAccount("71000000", "Realized Gain/Loss", "OthIncome"),
        "110": GlAccount("51000000", "Adjustments", "Income"),
    }


def _currencies() -> Mapping[str, str]:
    codes = ("USD", "CAD", "EUR", "GBP", "JPY", "KWD", "AUD", "SGD", "INR", "CHF", "MXN", "BRL")
    return {str(number): code for number, code in enumerate(codes, 1)}


@dataclass(frozen=True, slots=True)
class NetSuiteSettings:
    """Everything about the account that its protocols do not say.

    Attributes:
        subsidiaries, accounts, currencies, items: lists by internal id; an item names the number
            of the account that it posts to.
        rates: units of the second currency per unit of the first.
        page_rows_max: rows of a page that the server gives at most, whatever was asked for.
        rows_max: rows of a SuiteQL query that can be reached by its pages.
        concurrency_limit: requests at once, over all services. ``request_seconds``: how long each
            takes at least, so that requests can meet.
        concurrency_answer: what too many are told: 429, or the 401 that says INVALID_LOGIN.
        job_polls: how often an asynchronous job says pending before it is done.
        token_seconds: life of an OAuth 2.0 token. ``clock_skew_seconds``: how old a signature may
            be.
        date_format: how SuiteQL shows a bare date: the account's preference.
        enforces_credit: new orders of customers on hold or above their limit wait for approval.
        application_link_type: ``linktype`` of a payment or credit applied to an invoice.
    """

    account_id: str = "TSTDRV1_SB1"
    consumer_key: str = "ck-ledgerloop-0001"
    consumer_secret: str = "Sandbox-1"  # noqa: S105 - loopback only, handed out in the endpoints file
    token_id: str = "tk-ledgerloop-0001"  # noqa: S105 - as above
    token_secret: str = "Sandbox-2"  # noqa: S105 - as above
    client_id: str = "ledgerloop-m2m"
    certificate_id: str = "cert-0001"
    subsidiaries: Mapping[str, Subsidiary] = field(default_factory=_subsidiaries)
    accounts: Mapping[str, GlAccount] = field(default_factory=_accounts)
    currencies: Mapping[str, str] = field(default_factory=_currencies)
    items: Mapping[str, tuple[str, str]] = field(
        default_factory=lambda: {
            "1": ("Goods", "41000000"),
            "2": ("Allowance", "44100000"),
            "3": ("Write-off", "65100000"),
            "4": ("Charges", "51000000"),
        }
    )
    rates: Mapping[tuple[str, str], Decimal] = field(
        default_factory=lambda: {("CAD", "USD"): Decimal("0.72")}
    )
    ar_account: str = "12100000"
    discount_account: str = "44000000"
    difference_account: str = "71000000"
    default_bank_account: str = "11001000"
    open_item_accounts: frozenset[str] = frozenset({"21650000"})
    page_rows_max: int = 1_000
    rows_max: int = 100_000
    concurrency_limit: int = 5
    request_seconds: float = 0.0
    concurrency_answer: Literal["429", "401"] = "429"
    job_polls: int = 1
    token_seconds: int = 3_600
    clock_skew_seconds: int = 300
    date_format: str = "%-m/%-d/%Y"
    enforces_credit: bool = True
    application_link_type: str = "Payment"
    bank_details_table: str = "customrecord_2663_entity_bank_details"


def settings_for(
    companies: Mapping[str, CompanyFacts], rates: Mapping[str, Decimal]
) -> NetSuiteSettings:
    """An account with these subsidiaries; ``rates`` as ``cross_rates`` takes them."""
    return replace(
        NetSuiteSettings(),
        subsidiaries={code: Subsidiary(one.currency_code) for code, one in companies.items()},
        rates=cross_rates(companies.values(), rates),
    )
