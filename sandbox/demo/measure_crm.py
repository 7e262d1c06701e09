"""CRM figures: linked accounts, balances and invoices that differ from the ERPs.

What each should show is worked out again from the ERPs' items, independent of the product's models:
same definitions (DESIGN §9), other code. One account may stand for customers of several ERPs: their
money adds up by company and currency, and in the group currency on the account itself. A
difference is a whole object, however many fields.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import polars as pl

from ingestion.common.config import Config
from sandbox.demo.books import Books
from sandbox.demo.reading.frames import LimitKind

__all__ = ["CrmFigures", "crm_figures"]

_BUCKETS = (
    ("AR_Current__c", "Current"),
    ("AR_1_30__c", "1-30"),
    ("AR_31_60__c", "31-60"),
    ("AR_61_90__c", "61-90"),
    ("AR_91_120__c", "91-120"),
    ("AR_Over_120__c", "121+"),
)
_OTHERS = ("AR_Credits__c", "AR_Unapplied_Cash__c", "AR_Net__c")
_BUCKET_DAYS = 30
_KINDS = {"limited": "Limited", "unlimited": "Unlimited", "none_granted": "None Granted"}
ZERO = Decimal(0)
#: Sums that were converted may round the last cent either way.
_ROUNDING = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class CrmFigures:
    """How many objects differ, and how many accounts have no sure customer."""

    accounts: int
    balances: int
    invoices: int
    unlinked: int

    @property
    def wrong(self) -> int:
        """All that differ, of linked accounts."""
        return self.accounts + self.balances + self.invoices


def crm_figures(books: Books, config: Config, items: pl.DataFrame) -> CrmFigures:
    """Compare the CRM with the ERPs.

    Args:
        books: what the systems hold.
        config: rates.
        items: ``customer_items``.
    """
    links, live = _links(books)
    aged = _aged(items, books)
    return CrmFigures(
        accounts=_wrong_accounts(books, config, links, aged),
        balances=_wrong_balances(books, links, aged),
        invoices=_wrong_invoices(books, links, aged),
        unlinked=live - links["account_id"].n_unique(),
    )


def _links(books: Books) -> tuple[pl.DataFrame, int]:
    """Account id to each customer whose number only this one live account carries.

    An account names its customers by hub id (``SAP-0200123456``) or by the ERP's number, with or
    without leading zeros, several between semicolons. A number that customers of two systems have
    names nobody.
    """
    accounts = books.crm["accounts"].filter(~pl.col("IsDeleted").fill_null(value=False))
    named = (
        accounts.select(
            pl.col("Id").alias("account_id"),
            pl.col("ERP_Customer_Id__c").str.to_uppercase().str.split(";").alias("name"),
        )
        .explode("name")
        .with_columns(pl.col("name").str.strip_chars().replace("", None).alias("name"))
        .drop_nulls()
    )
    names = pl.concat(
        [books.customers.select("customer_id", name=one) for one in ("customer_id", "customer")]
    ).with_columns(pl.col("name").str.to_uppercase())
    # People leave out the zeros that ERPs put before a number; with them it is taken as it stands.
    bare = pl.col("name").str.replace(r"^(.*-)?0+(\d+)$", "${1}${2}")
    certain = (
        pl.concat([names, names.with_columns(bare)])
        .unique()
        .filter(pl.col("customer_id").n_unique().over("name") == 1)
    )
    links = named.join(certain, on="name").select("account_id", "customer_id").unique()
    return links.filter(pl.len().over("customer_id") == 1), accounts.height


def _aged(items: pl.DataFrame, books: Books) -> pl.DataFrame:
    """Items with days past due and aging bucket; credits and cash have no bucket."""
    late = (pl.lit(books.as_of) - pl.col("due_date")).dt.total_days()
    names = [name for _, name in _BUCKETS]
    index = (
        pl.when(late <= 0).then(0).otherwise(pl.min_horizontal((late - 1) // _BUCKET_DAYS + 1, 5))
    )
    bucket = index.replace_strict(dict(enumerate(names)), return_dtype=pl.String)
    return items.with_columns(
        late.alias("late"),
        pl.when(pl.col("item_class") == "invoice").then(bucket).alias("bucket"),
    )


def _sums(aged: pl.DataFrame) -> pl.DataFrame:
    """Balance per customer, company and currency, in the CRM's columns."""
    amount = pl.col("amount_open")
    buckets = [
        amount.filter(pl.col("bucket") == name).sum().alias(column) for column, name in _BUCKETS
    ]
    return (
        aged.filter("is_open")
        .group_by("customer_id", "company_code", "currency_code")
        .agg(
            *buckets,
            amount.filter(pl.col("item_class") == "credit").sum().alias("AR_Credits__c"),
            amount.filter(pl.col("item_class") == "unapplied_cash")
            .sum()
            .alias("AR_Unapplied_Cash__c"),
            amount.sum().alias("AR_Net__c"),
            amount.filter((pl.col("item_class") == "invoice") & (pl.col("late") > 0))
            .sum()
            .alias("overdue"),
        )
    )


def _wrong_balances(books: Books, links: pl.DataFrame, aged: pl.DataFrame) -> int:
    """Balances that differ, lack, or stand for nothing any more and are not zero."""
    columns = [column for column, _ in _BUCKETS] + list(_OTHERS)
    place = ["account_id", "company_code", "currency_code"]
    wanted = (
        _sums(aged)
        .join(links, on="customer_id")
        .group_by(place)
        .agg(pl.col(column).sum() for column in columns)
    )
    shown = (
        books.crm["ar_balances"]
        .filter(~pl.col("IsDeleted").fill_null(value=False))
        .select(
            pl.col("Company_Code__c").alias("company_code"),
            pl.col("CurrencyIsoCode").alias("currency_code"),
            pl.col("Account__c").alias("account_id"),
            *columns,
        )
    )
    joined = wanted.join(shown, on=place, how="full", coalesce=True, suffix="_shown")
    differs = pl.any_horizontal(
        pl.col(column).fill_null(0) != pl.col(f"{column}_shown").fill_null(0) for column in columns
    )
    mine = joined.join(links, on="account_id", how="semi")
    is_missing = pl.col("AR_Net__c").is_not_null() & pl.col("AR_Net__c_shown").is_null()
    return mine.filter(differs | is_missing).height


def _wrong_invoices(books: Books, links: pl.DataFrame, aged: pl.DataFrame) -> int:
    """Open invoices that lack or differ, and paid ones that the CRM still shows otherwise."""
    status = (
        pl.when(~pl.col("is_open"))
        .then(pl.lit("Paid"))
        .when(pl.col("late") > 0)
        .then(pl.lit("Overdue"))
        .otherwise(pl.lit("Open"))
    )
    wanted = (
        aged.filter(pl.col("item_class") == "invoice")
        .join(links, on="customer_id")
        .select(
            "account_id",
            "item_key",
            "is_open",
            status=status,
            due_date="due_date",
            amount="amount",
            open_amount="amount_open",
            bucket=pl.when("is_open").then("bucket").otherwise(pl.lit("Paid")),
        )
    )
    shown = (
        books.crm["ar_invoices"]
        .filter(~pl.col("IsDeleted").fill_null(value=False))
        .select(
            item_key="ERP_Invoice_Key__c",
            account_id_shown="Account__c",
            status_shown="Status__c",
            due_date_shown="Due_Date__c",
            amount_shown="Amount__c",
            open_amount_shown="Open_Amount__c",
            bucket_shown="Aging_Bucket__c",
        )
    )
    joined = wanted.join(shown, on="item_key", how="left")
    fields = ("account_id", "status", "due_date", "amount", "open_amount", "bucket")
    differs = pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}_shown")) for name in fields)
    is_absent = pl.col("status_shown").is_null()
    return joined.filter((is_absent & pl.col("is_open")) | (~is_absent & differs)).height


def _wrong_accounts(books: Books, config: Config, links: pl.DataFrame, aged: pl.DataFrame) -> int:
    """Linked accounts whose balance, overdue, limit, kind, hold or status differs."""
    shown = books.crm["accounts"].select(
        account_id="Id",
        balance="AR_Open_Balance__c",
        overdue="AR_Overdue_Amount__c",
        limit="AR_Credit_Limit__c",
        kind="AR_Credit_Limit_Kind__c",
        hold="AR_Credit_Hold__c",
        status="AR_Status__c",
    )
    rates = config.hub.rates
    money = _in_group_currency(_sums(aged).join(links, on="customer_id"), rates)
    limits = _limits_in_group_currency(books, links, rates)
    wrong = 0
    for row in shown.join(links.select("account_id").unique(), on="account_id").iter_rows(
        named=True
    ):
        balance, overdue = money.get(row["account_id"], (ZERO, ZERO))
        limit = limits.get(row["account_id"], _Limit())
        status = _status(balance, overdue, is_blocked=limit.is_blocked)
        is_right = (
            _near(row["balance"], balance)
            and _near(row["overdue"], overdue)
            and (row["limit"] is None if limit.shown is None else _near(row["limit"], limit.shown))
            and row["kind"] == _KINDS[limit.kind]
            and bool(row["hold"]) == limit.is_blocked
            and row["status"] == status
        )
        wrong += not is_right
    return wrong


@dataclass(slots=True)
class _Limit:
    """What all credit accounts behind a CRM account grant together, in the group currency."""

    kinds: set[str] = field(default_factory=set)
    amount: Decimal = ZERO
    is_blocked: bool = False

    @property
    def kind(self) -> str:
        """One that is unlimited makes all so; without any credit account nothing limits."""
        if not self.kinds or LimitKind.UNLIMITED in self.kinds:
            return LimitKind.UNLIMITED
        is_limited = LimitKind.LIMITED in self.kinds
        return LimitKind.LIMITED if is_limited else LimitKind.NONE_GRANTED

    @property
    def shown(self) -> Decimal | None:
        """The amount that stands in the CRM."""
        if self.kind == LimitKind.UNLIMITED:
            return None
        return self.amount.quantize(_ROUNDING) if self.kind == LimitKind.LIMITED else ZERO


def _limits_in_group_currency(
    books: Books, links: pl.DataFrame, rates: Mapping[str, Decimal]
) -> dict[str, _Limit]:
    """CRM account to its limit."""
    customers = books.customers.select("system_id", "customer", "customer_id")
    credit = books.credit.join(customers, on=["system_id", "customer"]).join(
        links, on="customer_id"
    )
    found: dict[str, _Limit] = {}
    for row in credit.iter_rows(named=True):
        limit = found.setdefault(row["account_id"], _Limit())
        limit.kinds.add(row["limit_kind"])
        limit.is_blocked |= row["is_blocked"]
        if row["limit_kind"] == LimitKind.LIMITED:
            limit.amount += row["limit_amount"] * rates.get(row["segment_currency"], Decimal(1))
    return found


def _status(balance: Decimal, overdue: Decimal, *, is_blocked: bool) -> str:
    if is_blocked:
        return "On Hold"
    if overdue > 0:
        return "Past Due"
    return "Current" if balance else "No Balance"


def _in_group_currency(
    sums: pl.DataFrame, rates: Mapping[str, Decimal]
) -> dict[str, tuple[Decimal, Decimal]]:
    """CRM account to net balance and overdue amount in the group currency."""
    found: dict[str, tuple[Decimal, Decimal]] = {}
    for account_id, currency, net, overdue in sums.select(
        "account_id", "currency_code", "AR_Net__c", "overdue"
    ).iter_rows():
        rate = rates.get(currency, Decimal(1))
        before = found.get(account_id, (ZERO, ZERO))
        found[account_id] = (before[0] + net * rate, before[1] + overdue * rate)
    return {
        account_id: (net.quantize(_ROUNDING), overdue.quantize(_ROUNDING))
        for account_id, (net, overdue) in found.items()
    }


def _near(shown: Decimal | None, wanted: Decimal) -> bool:
    """Equal to the last cent, which conversion may round either way."""
    return shown is not None and abs(shown - wanted) <= _ROUNDING
