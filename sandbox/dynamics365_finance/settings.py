"""Switches of the sandboxed Dynamics 365 Finance: what no source verified stands here."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Literal

from sandbox.core.companies import CompanyFacts, cross_rates

__all__ = ["D365Company", "D365Settings", "settings_for"]


@dataclass(frozen=True, slots=True)
class D365Company:
    """One legal entity (``dataAreaId``). ``open_from``: first open day; None means long ago."""

    currency_code: str
    name: str = ""
    open_from: date | None = None


def _companies() -> Mapping[str, D365Company]:
    return {
        "usmf": D365Company("USD"),
        "aumf": D365Company("AUD"),
        "jpmf": D365Company("JPY"),
        "sgmf": D365Company("SGD"),
    }


def _main_accounts() -> Mapping[str, str]:
    return {
        "110110": "Bank",
        "130100": "Accounts receivable",
        "201150": "Unidentified receipts",
        "202100": "Sales tax payable",
        "401100": "Revenue",
        "403300": "Cash discounts given",
        "418100": "Returns and allowances",
        "605150": "Bank charges",
        "618160": "Small differences",
        "801600": "Realised exchange differences",
    }


@dataclass(frozen=True, slots=True)
class D365Settings:
    """Everything about the environment that its protocol does not say.

    Attributes:
        tenant: Entra tenant; the token address is ``/{tenant}/oauth2/v2.0/token`` on our own port.
        default_company: seen without ``cross-company=true``; empty takes the first.
        page_size: the most rows of one page.
        next_link: ``skip`` counts rows, ``key`` goes on after the last key. No source says which.
        posting_lag_seconds: how long a complete journal or free text invoice waits for its posting.
        post_action: name of a bound action that posts a journal at once; empty offers none, as the
            standard product does.
        open_transactions_entity, settlements_entity, ledger_entries_entity, balances_entity,
            order_holds_entity: sets that are custom entities in practice.
        settled_invoices_entity: from a generated client, not from the vendor's text.
        settle_action, release_action: custom bound actions; empty offers none.
        checks_period: whether a closed period is refused when a line is written, or when posted.
        settles_corrections: whether a posted credit note settles the invoice it corrects.
        is_sequence_manual: whether clients may choose journal numbers.
        if_match_required: 428 for a change without If-Match; the product does not ask for it.
        bank_accounts: bank account id to its main account.
        write_off_accounts: reason code to main account.
    """

    tenant: str = "5a9d0b1e-0000-4000-8000-5a9db0cce55e"
    client_id: str = "1f0e5c6a-0000-4000-8000-1ed9e51009aa"
    client_secret: str = "Sandbox-3"  # noqa: S105 - loopback only, handed out in the endpoints file
    companies: Mapping[str, D365Company] = field(default_factory=_companies)
    default_company: str = ""
    main_accounts: Mapping[str, str] = field(default_factory=_main_accounts)
    ar_account: str = "130100"
    revenue_account: str = "401100"
    unidentified_account: str = "201150"
    discount_account: str = "403300"
    difference_account: str = "801600"
    write_off_account: str = "618160"
    write_off_accounts: Mapping[str, str] = field(default_factory=lambda: {"BANK-FEE": "605150"})
    bank_accounts: Mapping[str, str] = field(default_factory=lambda: {"OPER-01": "110110"})
    rates: Mapping[tuple[str, str], Decimal] = field(
        default_factory=lambda: {
            ("AUD", "USD"): Decimal("0.65"),
            ("SGD", "USD"): Decimal("0.74"),
            ("USD", "JPY"): Decimal(150),
            ("KWD", "USD"): Decimal("3.25"),
        }
    )
    payment_terms: Mapping[str, int] = field(default_factory=dict)
    page_size: int = 10_000
    next_link: Literal["skip", "key"] = "skip"
    token_seconds: int = 3_599
    posting_lag_seconds: float = 1.0
    import_lag_seconds: float = 0.0
    post_action: str = ""
    open_transactions_entity: str = "CustTransOpenEntities"
    settlements_entity: str = "CustSettlementEntities"
    ledger_entries_entity: str = "GeneralJournalAccountEntryEntities"
    balances_entity: str = "MainAccountBalanceEntities"
    order_holds_entity: str = "CredManHoldEntities"
    settled_invoices_entity: str = "PaymentJournalLineSettledInvoices"
    settle_action: str = "settle"
    release_action: str = "release"
    checks_period: Literal["write", "post"] = "write"
    settles_corrections: bool = True
    is_sequence_manual: bool = True
    if_match_required: bool = False
    batch_operations_max: int = 5_000

    @property
    def home_company(self) -> str:
        """The company a request sees that names none."""
        return self.default_company or next(iter(self.companies))


def settings_for(
    companies: Mapping[str, CompanyFacts], rates: Mapping[str, Decimal]
) -> D365Settings:
    """An environment with these legal entities; ``rates`` as ``cross_rates`` takes them."""
    return replace(
        D365Settings(),
        companies={code.lower(): D365Company(one.currency_code) for code, one in companies.items()},
        rates=cross_rates(companies.values(), rates),
    )
