"""Switches of the sandboxed Workday tenant. What no source verified stands here, not in code."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Literal

from sandbox.core.companies import CompanyFacts, cross_rates

__all__ = ["WorkdayCompany", "WorkdaySettings", "settings_for"]


@dataclass(frozen=True, slots=True)
class WorkdayCompany:
    """One company. ``open_from``: first day that may be posted to; None means long ago."""

    currency_code: str
    name: str = ""
    open_from: date | None = None


def _companies() -> Mapping[str, WorkdayCompany]:
    return {"W100": WorkdayCompany("USD", "Ledgerloop Services")}


def _accounts() -> Mapping[str, str]:
    return {
        "11001000": "Customer Payments Clearing",
        "12100000": "Customer Receivables",
        "21650000": "Customer Payments without Customer",
        "41000000": "Service Revenue",
        "44100000": "Invoice Adjustments",
        "71000000": "Realized Gain or Loss",
    }


def _ids(text: str) -> Mapping[str, str]:
    """``ID=Descriptor;…``; an entry without a descriptor describes itself."""
    pairs = (entry.partition("=") for entry in text.split(";"))
    return {name.strip(): (words or name).strip() for name, _, words in pairs}


def _lists() -> Mapping[str, Mapping[str, str]]:
    return {
        "Currency_ID": _ids(
            "USD;CAD;EUR;GBP;JPY;KWD;AUD;SGD;INR;CHF;MXN;BRL;BHD;SEK;NOK;DKK;PLN;CZK"
        ),
        "Payment_Terms_ID": _ids("NET_0=Due on receipt;NET_15=Net 15;NET_30=Net 30;NET_60=Net 60"),
        "Payment_Type_ID": _ids("EFT=Electronic;WIRE=Wire;CHECK=Check"),
        "Customer_Category_ID": _ids("SERVICES=Services"),
        "Customer_Status_Value_ID": _ids("ACTIVE=Active;HOLD=On credit hold;INACTIVE=Inactive"),
        "Reason_for_Customer_Status_Change_ID": _ids("02;03;CREDIT=Credit decision"),
        "Adjustment_Reason_ID": _ids(
            "PRICE;QUANTITY;DAMAGE;RETURN;FREIGHT;TAX;DUPLICATE;LATE;PROMOTION;REBATE;DISCOUNT;"
            "BANK_FEE;ROUNDING;WRITE_OFF;OTHER"
        ),
        "Dispute_Reason_ID": _ids(
            "PRICE;QUANTITY;DAMAGE;RETURN;FREIGHT;TAX;DUPLICATE;LATE;PROMOTION;REBATE;OTHER"
        ),
        "Revenue_Category_ID": _ids(
            "SERVICES=Services;RETURNED_PAYMENT=Returned payments;DEBIT_MEMO=Debit memos"
        ),
        "Sales_Item_ID": _ids("SERVICE=Service"),
    }


@dataclass(frozen=True, slots=True)
class WorkdaySettings:
    """Everything about the tenant that its protocols do not say.

    Attributes:
        companies: by ``Company_Reference_ID``.
        lists: what a reference may name, by id type: id to descriptor.
        rates: units of the second currency per unit of the first.
        page_rows_max: rows of a SOAP page at most. ``page_rows``: without a ``Count``.
        auto_apply_seconds: how long Workday takes to apply a remittance, by the clock.
        echoes_moment: whether an answer names the ``As_Of_Entry_DateTime`` that it used.
        checks_order: whether elements out of the schema's order are refused.
        category_accounts: revenue category to the ledger account that its lines credit, as the
            tenant's posting rules say it; any other is revenue.
        duplicate_words: what a second ``Add_Only`` with one id is told. Not verified.
        token_seconds: life of an OAuth token.
        report_owner: who owns the custom reports; it stands in their address.
    """

    tenant: str = "ledgerloop"
    version: str = "v43.0"
    username: str = "ISU_Ledgerloop"
    password: str = "Sandbox-1"  # noqa: S105 - loopback only, handed out in the endpoints file
    client_id: str = "ledgerloop-client"
    client_secret: str = "Sandbox-2"  # noqa: S105 - as above
    refresh_token: str = "refresh-ledgerloop-0001"  # noqa: S105 - as above
    report_owner: str = "ISU_Ledgerloop"
    companies: Mapping[str, WorkdayCompany] = field(default_factory=_companies)
    lists: Mapping[str, Mapping[str, str]] = field(default_factory=_lists)
    gl_accounts: Mapping[str, str] = field(default_factory=_accounts)
    bank_account: str = "11001000"
    ar_account: str = "12100000"
    unidentified_account: str = "21650000"
    revenue_account: str = "41000000"
    adjustment_account: str = "44100000"
    difference_account: str = "71000000"
    category_accounts: Mapping[str, str] = field(
        default_factory=lambda: {"RETURNED_PAYMENT": "11001000", "DEBIT_MEMO": "44100000"}
    )
    rates: Mapping[tuple[str, str], Decimal] = field(
        default_factory=lambda: {("CAD", "USD"): Decimal("0.72")}
    )
    page_rows_max: int = 999
    page_rows: int = 100
    rest_rows_max: int = 100
    auto_apply_seconds: float = 0.0
    echoes_moment: bool = True
    checks_order: bool = True
    duplicate_words: Literal["already in use", "already exists"] = "already in use"
    token_seconds: int = 3_600


def settings_for(
    companies: Mapping[str, CompanyFacts], rates: Mapping[str, Decimal]
) -> WorkdaySettings:
    """A tenant with these companies; ``rates`` as ``cross_rates`` takes them."""
    return replace(
        WorkdaySettings(),
        companies={code: WorkdayCompany(one.currency_code) for code, one in companies.items()},
        rates=cross_rates(companies.values(), rates),
    )
