"""The typed receivables extract that the demo seeds its systems from.

One shape for the real extract and for the synthetic twin, so that everything behind it (additions,
seeding, measuring) cannot tell them apart. Frames are checked on construction; nothing here reads
files or knows a vendor.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Final

import polars as pl

from ingestion.common.errors import LedgerloopError
from sandbox.core.currencies import minor_digits

__all__ = [
    "CUSTOMERS",
    "INVOICES",
    "MONEY",
    "NAME_VARIANTS",
    "RECEIPTS",
    "Dataset",
    "DatasetError",
    "Dropped",
    "unit_of",
]

#: Money of a dataset: minor units of two digits are enough, the third is the reader's to round.
MONEY: Final[pl.DataType] = pl.Decimal(18, 2)

#: One row per customer x company code; ``name`` is the customer's most frequent spelling.
CUSTOMERS = pl.Schema(
    {
        "customer": pl.String(),
        "company_code": pl.String(),
        "name": pl.String(),
        "payment_terms": pl.String(),
        "net_days": pl.Int32(),
    }
)

#: One row per item; ``receipt_number`` is empty while the bank has not seen its money.
INVOICES = pl.Schema(
    {
        "invoice_number": pl.String(),
        "company_code": pl.String(),
        "customer": pl.String(),
        "amount": MONEY,
        "currency_code": pl.String(),
        "document_date": pl.Date(),
        "posting_date": pl.Date(),
        "due_date": pl.Date(),
        "payment_terms": pl.String(),
        "net_days": pl.Int32(),
        "receipt_number": pl.String(),
    }
)

#: One row per payment: a customer's items of one company, currency and clear date, summed.
RECEIPTS = pl.Schema(
    {
        "receipt_number": pl.String(),
        "company_code": pl.String(),
        "customer": pl.String(),
        "currency_code": pl.String(),
        "amount": MONEY,
        "clear_date": pl.Date(),
        "items": pl.UInt32(),
    }
)

NAME_VARIANTS = pl.Schema({"customer": pl.String(), "name": pl.String()})


def unit_of(currency_code: str) -> Decimal:
    """The smallest amount of a currency: a cent, a yen."""
    digits = minor_digits(currency_code)
    return Decimal(1).scaleb(-(2 if digits is None else min(digits, 2)))


class DatasetError(LedgerloopError):
    """The extract cannot be used: the message names the file, the column and what to do."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """Rows that were left out, or values that were mended, and why."""

    reason: str
    rows: int


@dataclass(frozen=True, slots=True)
class Dataset:
    """A receivables extract in four frames, with the business date it stands at.

    Attributes:
        source: where it came from, in words for people.
        as_of: the day after the last receipt or posting.
        notes: what was dropped or mended on the way in.
    """

    source: str
    customers: pl.DataFrame
    invoices: pl.DataFrame
    receipts: pl.DataFrame
    name_variants: pl.DataFrame
    as_of: date
    notes: tuple[Dropped, ...] = ()

    def __post_init__(self) -> None:
        for name, schema in (
            ("customers", CUSTOMERS),
            ("invoices", INVOICES),
            ("receipts", RECEIPTS),
            ("name_variants", NAME_VARIANTS),
        ):
            found = getattr(self, name).schema
            if found != schema:
                raise DatasetError(
                    f"{name}: expected {schema}, found {found}", code="dataset_shape"
                )

    @property
    def companies(self) -> dict[str, str]:
        """Company code to its currency: the one most of its money is in."""
        ranked = (
            self.invoices.group_by("company_code", "currency_code")
            .len()
            .sort(["company_code", "len", "currency_code"], descending=[False, True, False])
            .unique("company_code", keep="first", maintain_order=True)
        )
        return dict(ranked.select("company_code", "currency_code").iter_rows())

    @property
    def open_from(self) -> date:
        """First day of the earliest posting year: where the ledger's periods must begin."""
        earliest = self.invoices["posting_date"].min()
        assert isinstance(earliest, date)
        return earliest.replace(month=1, day=1)

    def of_companies(self, known: Collection[str]) -> "Dataset":
        """The same dataset without companies that are not known, which a note counts.

        Raises:
            DatasetError: nothing would be left.
        """
        strange = sorted(set(self.customers["company_code"]) - set(known))
        if not strange:
            return self
        is_known = pl.col("company_code").is_in(list(known))
        invoices, receipts = self.invoices.filter(is_known), self.receipts.filter(is_known)
        names = ", ".join(strange)
        if not invoices.height:
            raise DatasetError(
                f"{self.source}: only company codes that the ERP lacks ({names})",
                code="dataset_companies",
            )
        left_out = self.invoices.height - invoices.height
        note = Dropped(f"items of company codes that the ERP lacks ({names})", left_out)
        customers = self.customers.filter(is_known)
        return replace(
            self,
            customers=customers,
            invoices=invoices,
            receipts=receipts,
            name_variants=self.name_variants.join(customers, on="customer", how="semi"),
            as_of=Dataset.day_after(invoices, receipts),
            notes=(*self.notes, note),
        )

    @staticmethod
    def day_after(invoices: pl.DataFrame, receipts: pl.DataFrame) -> date:
        """The as-of date of a pair of frames: the day after the last receipt or posting."""
        days = [invoices["posting_date"].max(), receipts["clear_date"].max()]
        return max(day for day in days if isinstance(day, date)) + timedelta(days=1)
