"""SAP S/4HANA read for measuring, over OData v2.

SAP clears items whole: what is open is the amount of every item that is not cleared by the as-of
date. Down payments and guarantees (special G/L) are no receivables. A limit of zero is unlimited
unless its flag says that it is zero.
"""

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl

from ingestion.common.arrow_pages import PageReader
from ingestion.common.config import System
from ingestion.common.objects import ObjectSpec
from ingestion.common.transport import transport_of
from ingestion.sap_s4hana.client import SapClient
from ingestion.sap_s4hana.settings import DEFAULT_OPTIONS, OBJECTS, PAGE_STYLE
from sandbox.demo.crm_reading import frame_of
from sandbox.demo.reading.frames import (
    ITEMS,
    Balance,
    Credit,
    ErpBooks,
    LimitKind,
    Nature,
    Order,
    PayerAccount,
    normal_account,
)

__all__ = ["read"]

_OBJECTS = ("operational_items", "credit_accounts", "sales_orders", "gl_balances",
            "bank_accounts", "customers")  # fmt: skip
#: Readings carry an instant column; nothing here looks at it.
_ANY_INSTANT = datetime(2000, 1, 1, tzinfo=UTC)
_RECEIPT_TYPE = "DZ"
_ORDER_DONE = "C"
_CREDIT_BLOCKED = "B"


async def read(system: System, as_of: date) -> ErpBooks:
    """What SAP holds as of a date.

    Raises:
        LedgerloopError: SAP did not answer.
    """
    client = SapClient(system, transport_of(system))
    specs = [spec for spec in OBJECTS if spec.name in _OBJECTS]
    try:
        frames = await asyncio.gather(*(_object(client, system, spec) for spec in specs))
    finally:
        await client.close()
    sap = {spec.name: frame for spec, frame in zip(specs, frames, strict=True)}
    options = system.options_over(DEFAULT_OPTIONS)
    return ErpBooks(
        items=_items(sap["operational_items"], options["unidentified_gl_account"], as_of),
        balances=_balances(sap["gl_balances"], options.get("ar_gl_account", "12100000")),
        customers=sap["customers"]["Customer"].to_list(),
        payers=list(_payers(sap["bank_accounts"])),
        credit=[_credit(row) for row in sap["credit_accounts"].iter_rows(named=True)],
        orders=list(_orders(sap["sales_orders"], sap["customers"])),
    )


async def _object(client: SapClient, system: System, spec: ObjectSpec) -> pl.DataFrame:
    options = system.options_over(DEFAULT_OPTIONS)
    service, _, entity_set = spec.path.format_map(options).partition("/")
    reader = PageReader(spec, PAGE_STYLE, system_id=system.system_id, loaded_at=_ANY_INSTANT)
    pages = client.pages(
        service,
        entity_set,
        select=[field.name for field in spec.fields],
        filter=spec.filter.format_map(options),
        page_size=spec.page_size,
    )
    tables = [reader.read(page) async for page in pages]
    return frame_of([spec.arrow_schema().empty_table(), *tables])


def _items(lines: pl.DataFrame, unidentified: str, as_of: date) -> pl.DataFrame:
    """Customer items and unidentified receipts that were posted by a date."""
    is_customer = pl.col("FinancialAccountType") == "D"
    is_receipt = pl.col("AccountingDocumentType") == _RECEIPT_TYPE
    is_unidentified = pl.col("GLAccount") == unidentified
    # A line may be a customer's and stand on that account: then it is the customer's item.
    nature = (
        pl.when(is_customer & is_receipt)
        .then(pl.lit(Nature.PAYMENT.value))
        .when(is_customer)
        .then(pl.lit(Nature.RECEIVABLE.value))
        .when(is_unidentified)
        .then(pl.lit(Nature.UNIDENTIFIED.value))
    )
    cleared_on = pl.coalesce("ClearingDate", "ClearingCreationDate", "PostingDate")
    is_cleared = (
        pl.col("IsCleared")
        & ~pl.col("ClearingIsReversed").fill_null(value=False)
        & (cleared_on <= as_of)
    )
    is_reversed = pl.any_horizontal(pl.col("IsReversed", "IsReversal").fill_null(value=False))
    is_open = ~(is_cleared | is_reversed)
    found = lines.filter(
        pl.col("PostingDate") <= as_of, pl.col("SpecialGLCode").fill_null("") == ""
    ).select(
        company_code="CompanyCode",
        fiscal_year="FiscalYear",
        document="AccountingDocument",
        item="AccountingDocumentItem",
        nature=nature,
        customer="Customer",
        amount="AmountInTransactionCurrency",
        amount_open=pl.when(is_open).then("AmountInTransactionCurrency").otherwise(0),
        amount_open_company=pl.when(is_open).then("AmountInCompanyCodeCurrency").otherwise(0),
        currency_code="TransactionCurrency",
        posting_date="PostingDate",
        document_date="DocumentDate",
        due_date=pl.coalesce("NetDueDate", "PostingDate"),
        references=pl.concat_str(
            pl.col(
                "DocumentReferenceID", "PaymentReference", "BillingDocument",
                "AccountingDocument", "SalesDocument",
            ).replace("", None),
            separator=";",
            ignore_nulls=True,
        ),
        bank_reference=pl.col("DocumentReferenceID").fill_null(""),
        assignment=pl.col("AssignmentReference").fill_null(""),
        discount_percent=pl.col("CashDiscount1Percent").fill_null(0),
        discount_date="CashDiscount1DueDate",
        is_reversed=is_reversed,
        closed_on=pl.when(~is_open).then(cleared_on),
        closed_by=pl.concat_str(
            "ClearingDocFiscalYear", "ClearingAccountingDocument", separator="/"
        ),
    )  # fmt: skip
    return _with_payment_days(found.filter(pl.col("nature").is_not_null()))


def _with_payment_days(items: pl.DataFrame) -> pl.DataFrame:
    """The day on which the money came that a clearing took: else the day of the clearing."""
    is_cash = (pl.col("nature") == Nature.PAYMENT) & (pl.col("amount") < 0)
    came_on = pl.when(is_cash).then("posting_date").min().over("company_code", "closed_by")
    paid_on = pl.when(pl.col("closed_on").is_not_null()).then(pl.coalesce(came_on, "closed_on"))
    typed = [pl.col(name).cast(kind) for name, kind in ITEMS.items()]
    return items.with_columns(paid_on=paid_on).select(typed)


def _balances(rows: pl.DataFrame, receivables: str) -> list[Balance]:
    of_account = rows.filter(pl.col("GLAccount") == receivables)
    columns = ("CompanyCode", "AmountInCompanyCodeCurrency")
    return [Balance(company, amount) for company, amount in of_account.select(columns).iter_rows()]


def _payers(rows: pl.DataFrame) -> Iterator[PayerAccount]:
    for row in rows.iter_rows(named=True):
        account = normal_account(row["IBAN"], row["BankAccount"])
        if account:
            yield PayerAccount(row["BusinessPartner"], account)


def _credit(row: dict[str, Any]) -> Credit:
    amount = row["CreditLimitAmount"] or Decimal(0)
    kind = LimitKind.LIMITED if amount else LimitKind.UNLIMITED
    if not amount and row["CreditLimitIsZero"]:
        kind = LimitKind.NONE_GRANTED
    return Credit(
        customer=row["BusinessPartner"],
        credit_segment=row["CreditSegment"],
        segment_currency=row["CreditSegmentCurrency"],
        limit_kind=kind,
        limit_amount=amount,
        is_blocked=bool(row["CreditAccountIsBlocked"]),
        valid_until=row["CreditLimitValidityEndDate"],
    )


def _orders(rows: pl.DataFrame, customers: pl.DataFrame) -> Iterator[Order]:
    blocked = dict(customers.select("Customer", "OrderIsBlockedForCustomer").iter_rows())
    for row in rows.iter_rows(named=True):
        if row["OverallSDProcessStatus"] == _ORDER_DONE:
            continue
        blocks = (
            row["DeliveryBlockReason"],
            row["HeaderBillingBlockReason"],
            blocked.get(row["SoldToParty"]),
        )
        yield Order(
            sales_order=row["SalesOrder"],
            company_code=row["SalesOrganization"],
            customer=row["SoldToParty"],
            requested_date=row["RequestedDeliveryDate"],
            amount=row["TotalNetAmount"],
            currency_code=row["TransactionCurrency"],
            is_blocked=row["TotalCreditCheckStatus"] == _CREDIT_BLOCKED,
            other_block="".join(block or "" for block in blocks),
        )
