"""The CRM before the loop: accounts under their own spellings, stale or missing receivables.

Accounts are planned from the partners; balances and invoices need the documents that the ERP
confirmed, so they are made of those. What is stale here is what the loop must mend; which customer
an account really is stands only in the truth.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

import numpy as np

from sandbox.demo.credit import CreditAccount, CreditPlan, LimitKind, Standing
from sandbox.demo.dataset import unit_of
from sandbox.demo.draws import chosen
from sandbox.demo.partners import Partner
from sandbox.demo.settings import CrmSettings, Settings
from sandbox.demo.systems import ErpPlan, plan_of_company

__all__ = [
    "CrmAccount",
    "ItemNature",
    "PostedItem",
    "balance_rows",
    "invoice_rows",
    "make_accounts",
]

_KINDS = {
    LimitKind.LIMITED: "Limited",
    LimitKind.UNLIMITED: "Unlimited",
    LimitKind.NONE_GRANTED: "None Granted",
}
_STATUSES = ("Current", "Past Due", "On Hold", "No Balance")
_BUCKET_FIELDS = ("AR_Current__c", "AR_1_30__c", "AR_31_60__c", "AR_61_90__c", "AR_91_120__c",
           "AR_Over_120__c")  # fmt: skip
_BUCKET_NAMES = ("Current", "1-30", "31-60", "61-90", "91-120", "121+")
_STALE_DAYS = 9

_COUNTRIES = {
    "US": "United States",
    "CA": "Canada",
    "DE": "Germany",
    "GB": "United Kingdom",
    "AU": "Australia",
    "SG": "Singapore",
    "JP": "Japan",
}

Row = dict[str, str | bool | None]


@dataclass(frozen=True, slots=True)
class CrmAccount:
    """One account: the fields as sent, and (the truth) which customers it is.

    ``customers``: one, or those of several ERPs, the first ERP's first.
    """

    fields: Row
    customers: tuple[str, ...]
    is_linked: bool


class ItemNature(StrEnum):
    """What a posted item is, whatever its ERP calls it."""

    INVOICE = "invoice"
    CREDIT_MEMO = "credit_memo"
    PAYMENT = "payment"


@dataclass(frozen=True, slots=True)
class PostedItem:
    """One customer item as the ERP confirmed it. ``amount`` is signed, credits negative."""

    item_key: str
    customer: str
    company_code: str
    nature: ItemNature
    invoice_number: str
    amount: Decimal
    currency_code: str
    document_date: date
    due_date: date


def make_accounts(
    partners: Mapping[str, Partner],
    plans: Sequence[ErpPlan],
    credit: CreditPlan,
    as_of: date,
    settings: Settings,
    seed: int,
) -> list[CrmAccount]:
    """One account per business, most with the ERP's number; a few have a second account.

    A business that is a customer of several ERPs has one account with all its numbers, each behind
    its ERP's prefix.
    """
    random = np.random.default_rng([seed, 5])
    limits = {a.customer: a for a in credit.accounts}
    linked = chosen(list(partners), settings.crm.linked_share, random)
    families = _families(partners)
    prefixes = {code: one.key_prefix for code, one in plan_of_company(plans).items()}
    made: list[CrmAccount] = []
    for customer, partner in partners.items():
        customers = families.get(partner.family, (customer,))
        if customer != customers[0]:
            continue
        is_linked = customer in linked or len(customers) > 1
        fields = _master(partner, random)
        if is_linked:
            ids = [f"{prefixes[min(partners[one].companies)]}-{one}" for one in customers]
            is_alone = len(ids) == 1
            typed = _as_typed(customer, settings.crm, random) if is_alone else ";".join(ids)
            fields["ERP_Customer_Id__c"] = typed
            fields |= _receivables(
                limits[customer], _owed(customers, credit, settings), as_of, settings.crm, random
            )
        made.append(CrmAccount(fields, customers, is_linked))
        if random.random() < settings.crm.second_account_share:
            made.append(CrmAccount(_master(partner, random), customers[:1], is_linked=False))
    return made


def _families(partners: Mapping[str, Partner]) -> dict[str, tuple[str, ...]]:
    """Family to its customers, the one that it is named after first."""
    found: dict[str, tuple[str, ...]] = {}
    for customer, partner in partners.items():
        if partner.family and customer != partner.family:
            found[partner.family] = (*found.get(partner.family, (partner.family,)), customer)
    return found


def _owed(customers: tuple[str, ...], credit: CreditPlan, settings: Settings) -> Standing:
    """What all customers of an account owe together, in the group's currency."""
    currencies = {a.customer: a.currency_code for a in credit.accounts}
    standings = {one: credit.standings.get(one, Standing()) for one in customers}
    before = sum(
        (
            standing.before * settings.rates.get(currencies[one], Decimal(1))
            for one, standing in standings.items()
        ),
        Decimal(0),
    )
    late = max(standing.overdue_days_max for standing in standings.values())
    return Standing(before=before.quantize(Decimal("0.01")), overdue_days_max=late)


def _master(partner: Partner, random: np.random.Generator) -> Row:
    """Name in one of the real spellings; address mostly the ERP's, sometimes without a street."""
    name = partner.spellings[int(random.integers(len(partner.spellings)))]
    has_street = random.random() < 0.85
    return {
        "Name": name,
        "AccountNumber": f"A-{int(random.integers(10**7)):07d}",
        "BillingStreet": f"{partner.house_number} {partner.street}" if has_street else None,
        "BillingCity": partner.city,
        "BillingPostalCode": partner.postal_code,
        "BillingCountry": _COUNTRIES[partner.country],
        "Phone": f"+1 555 {int(random.integers(10**7)):07d}",
    }


def _as_typed(customer: str, settings: CrmSettings, random: np.random.Generator) -> str:
    """The number as somebody typed it: sometimes without its leading zeros."""
    is_bare = customer.isdigit() and random.random() < settings.lost_zeros_share
    return customer.lstrip("0") if is_bare else customer


def _receivables(
    account: CreditAccount,
    standing: Standing,
    as_of: date,
    settings: CrmSettings,
    random: np.random.Generator,
) -> Row:
    """AR fields of an account: missing, stale, or as the ERP stands before the loop."""
    if random.random() < settings.missing_account_fields_share:
        return {}
    owed = standing.before
    is_stale = random.random() < settings.stale_account_share
    if is_stale:
        owed = (owed * int(random.integers(20, 90)) / 100).quantize(Decimal("0.01"))
    overdue = owed if standing.overdue_days_max else Decimal(0)
    status = "Past Due" if overdue else ("Current" if owed else "No Balance")
    if is_stale:
        status = _STATUSES[int(random.integers(len(_STATUSES)))]
    is_limited = account.limit.kind is LimitKind.LIMITED
    return {
        "AR_Open_Balance__c": str(owed),
        "AR_Overdue_Amount__c": str(overdue),
        "AR_Credit_Limit__c": str(account.limit.amount) if is_limited else None,
        "AR_Credit_Limit_Kind__c": _KINDS[account.limit.kind],
        "AR_Credit_Hold__c": bool(account.block_reason) and not is_stale,
        "AR_Status__c": status,
        "AR_As_Of__c": (as_of - timedelta(days=_STALE_DAYS)).isoformat(),
    }


def invoice_rows(
    items: list[PostedItem],
    account_ids: Mapping[str, str],
    as_of: date,
    settings: Settings,
    seed: int,
) -> list[Row]:
    """``AR_Invoice__c`` rows of linked customers: most right, some stale, some missing."""
    random = np.random.default_rng([seed, 6])
    missing, stale = settings.crm.missing_invoice_share, settings.crm.stale_invoice_share
    rows: list[Row] = []
    for item in items:
        if item.nature is not ItemNature.INVOICE or item.customer not in account_ids:
            continue
        draw = random.random()
        if draw < missing:
            continue
        late = (as_of - item.due_date).days
        open_amount, status = item.amount, "Overdue" if late > 0 else "Open"
        bucket = _BUCKET_NAMES[_bucket(late)]
        if draw < missing + stale:
            status, bucket = "Open", "Current"
            if random.random() < 0.3:
                open_amount, status, bucket = Decimal(0), "Paid", "Paid"
        rows.append(
            {
                "ERP_Invoice_Key__c": item.item_key,
                "Account__c": account_ids[item.customer],
                "Company_Code__c": item.company_code,
                "CurrencyIsoCode": item.currency_code,
                "Invoice_Number__c": item.invoice_number,
                "Amount__c": str(item.amount),
                "Open_Amount__c": str(open_amount),
                "Invoice_Date__c": item.document_date.isoformat(),
                "Due_Date__c": item.due_date.isoformat(),
                "Status__c": status,
                "Aging_Bucket__c": bucket,
                "AR_As_Of__c": (as_of - timedelta(days=1)).isoformat(),
            }
        )
    return rows


def _bucket(late_days: int) -> int:
    """Index of the aging bucket: due on the day is current, one day late is 1-30, 121 the last."""
    return 0 if late_days <= 0 else min(5, (late_days - 1) // 30 + 1)


def balance_rows(
    items: list[PostedItem],
    account_ids: Mapping[str, str],
    plans: Sequence[ErpPlan],
    as_of: date,
    settings: Settings,
    seed: int,
) -> list[Row]:
    """``AR_Balance__c`` rows per linked customer, company and currency, as the ERP stands now.

    Some are stale (amounts of long ago), some are missing.
    """
    prefixes = {code: one.key_prefix for code, one in plan_of_company(plans).items()}
    random = np.random.default_rng([seed, 7])
    rows: list[Row] = []
    for place, group in _by_place(items, as_of).items():
        customer, company, currency = place
        draw = random.random()
        if customer not in account_ids or draw < settings.crm.missing_balance_share:
            continue
        is_stale = draw < settings.crm.missing_balance_share + settings.crm.stale_balance_share
        factor = int(random.integers(10, 90)) if is_stale else 100
        amounts = [(amount * factor / 100).quantize(unit_of(currency)) for amount in group]
        gross, (memos, unapplied) = amounts[:6], amounts[6:]
        row: Row = {
            "ERP_Balance_Key__c": f"{prefixes[company]}-{company}-{customer}-{currency}",
            "Account__c": account_ids[customer],
            "Company_Code__c": company,
            "CurrencyIsoCode": currency,
            "AR_Credits__c": str(memos),
            "AR_Unapplied_Cash__c": str(unapplied),
            "AR_Net__c": str(sum(gross, Decimal(0)) + memos + unapplied),
            "AR_As_Of__c": (as_of - timedelta(days=1)).isoformat(),
        }
        rows.append(
            row | {name: str(value) for name, value in zip(_BUCKET_FIELDS, gross, strict=True)}
        )
    return rows


def _by_place(items: list[PostedItem], as_of: date) -> dict[tuple[str, str, str], list[Decimal]]:
    """Customer, company and currency to eight sums: six gross buckets, credits, unapplied cash."""
    places: dict[tuple[str, str, str], list[Decimal]] = {}
    for item in items:
        place = (item.customer, item.company_code, item.currency_code)
        sums = places.setdefault(place, [Decimal(0)] * 8)
        late = (as_of - item.due_date).days
        index = {ItemNature.INVOICE: _bucket(late), ItemNature.PAYMENT: 7}.get(item.nature, 6)
        sums[index] += item.amount
    return places
