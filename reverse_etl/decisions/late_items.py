"""Receivable items as the late-payment prediction reads them: typed, dated, cut at the as-of date.

What was cleared after the as-of date is not known then: such rows are left out before anything is
computed, so a file that holds the future gives the same answer as one that ends at the as-of date.
A missing document date is the due date less the customer's most frequent term. Nothing here learns
or predicts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ingestion.common.errors import InputRefused
from reverse_etl.decisions.late_policy import LatePolicy

__all__ = [
    "CLOSED_COLUMNS",
    "OPEN_COLUMNS",
    "STILL_OPEN",
    "Floats",
    "Ints",
    "Items",
    "day_number",
    "joined",
    "known_items",
]

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

OPEN_COLUMNS = ("item_id", "customer_id", "document_date", "due_date", "amount", "currency_code")
CLOSED_COLUMNS = (*OPEN_COLUMNS, "cleared_date")

#: Day number of an item that nobody has paid yet: later than every real day.
STILL_OPEN = 10_000_000

_EPOCH = date(1970, 1, 1)
_DATES = ("document_date", "due_date", "cleared_date")


@dataclass(frozen=True, slots=True)
class Items:
    """Items as parallel arrays; days are numbered from 1970-01-01.

    ``customer`` numbers the customers of one prediction from 0; ``cleared`` is STILL_OPEN while
    nobody paid; ``size`` is the natural logarithm of the amount in its own currency, a feature and
    never money.
    """

    customer: Ints
    document: Ints
    due: Ints
    cleared: Ints
    size: Floats

    def __len__(self) -> int:
        return len(self.due)

    @property
    def delay(self) -> Ints:
        """Days from the due date to the payment, negative when early."""
        return self.cleared - self.due

    def take(self, rows: NDArray[Any]) -> "Items":
        """The items at the given positions, or where a mask is true."""
        return Items(
            self.customer[rows],
            self.document[rows],
            self.due[rows],
            self.cleared[rows],
            self.size[rows],
        )


def joined(first: Items, second: Items) -> Items:
    """The items of both."""
    return Items(
        np.concatenate([first.customer, second.customer]),
        np.concatenate([first.document, second.document]),
        np.concatenate([first.due, second.due]),
        np.concatenate([first.cleared, second.cleared]),
        np.concatenate([first.size, second.size]),
    )


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - _EPOCH).days


def known_items(
    closed: pl.DataFrame, open_items: pl.DataFrame, as_of: date, policy: LatePolicy
) -> tuple[Items, Items, int]:
    """Cut two frames at the as-of date.

    Args:
        closed: CLOSED_COLUMNS; rows cleared after ``as_of`` are left out, so are rows without due
            or clear date, exact duplicates, and items paid before they were issued (prepayments,
            which say nothing about when an invoice is paid).
        open_items: OPEN_COLUMNS.
        as_of: the last day whose payments are known.
        policy: the term where no customer shows one.

    Returns:
        The items paid until then, one row per row of ``open_items`` in its order (all still open),
        and how many customers the two name.

    Raises:
        InputRefused: a column is missing or holds no dates or numbers.
    """
    paid = _typed(closed, CLOSED_COLUMNS, "closed items").unique(
        ["item_id", "customer_id", "due_date", "cleared_date", "amount"], maintain_order=True
    )
    paid = paid.filter(
        pl.col("cleared_date") <= as_of,
        pl.col("due_date").is_not_null(),
        pl.col("customer_id").is_not_null(),
    )
    still_open = _typed(open_items, OPEN_COLUMNS, "open items").with_columns(
        pl.col("customer_id").fill_null("")
    )
    paid, still_open = _with_dates(paid, still_open, as_of, policy)
    paid = paid.filter(pl.col("cleared_date") >= pl.col("document_date"))
    names = pl.concat([paid["customer_id"], still_open["customer_id"]]).unique().sort()
    numbers = pl.DataFrame({"customer_id": names}).with_row_index("customer")
    return _arrays(paid, numbers), _arrays(still_open, numbers), len(names)


def _typed(frame: pl.DataFrame, columns: Sequence[str], what: str) -> pl.DataFrame:
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise InputRefused(
            f"{what}: column {', '.join(missing)} is missing (found: {', '.join(frame.columns)})",
            code="late_columns",
            where=what,
        )
    typed = []
    for name in columns:
        dtype = pl.Date() if name in _DATES else pl.Float64() if name == "amount" else pl.String()
        try:
            typed.append(_cast(frame[name], dtype))
        except (pl.exceptions.PolarsError, ValueError) as error:
            raise InputRefused(
                f"{what}: column {name} holds something else than {_SAID[dtype]}: "
                f"{str(error).splitlines()[0]}",
                code="late_values",
                where=what,
            ) from None
    return pl.DataFrame(typed)


_SAID = {pl.Date(): "dates (2019-10-31)", pl.Float64(): "amounts", pl.String(): "text"}


def _cast(values: pl.Series, dtype: pl.DataType) -> pl.Series:
    if values.dtype == pl.String and dtype != pl.String:
        text = values.str.strip_chars()
        values = text.set(text == "", None)
        if dtype == pl.Date:
            return values.str.slice(0, 10).str.to_date("%Y-%m-%d")
    return values.cast(dtype)


def _with_dates(
    paid: pl.DataFrame, still_open: pl.DataFrame, as_of: date, policy: LatePolicy
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Fill document dates (and an open item's due date) with the customer's most frequent term."""
    columns = ["customer_id", "document_date", "due_date"]
    dated = pl.concat([paid.select(columns), still_open.select(columns)]).filter(
        pl.col("document_date") <= as_of, pl.col("due_date") >= pl.col("document_date")
    )
    days = (pl.col("due_date") - pl.col("document_date")).dt.total_days()
    counted = (
        dated.select("customer_id", days.alias("term"))
        .group_by("customer_id", "term")
        .len()
        .sort(["len", "term"], descending=[True, False])
    )
    usual = counted.unique("customer_id", keep="first", maintain_order=True).drop("len")
    overall = counted.group_by("term").agg(pl.col("len").sum())
    overall = overall.sort(["len", "term"], descending=[True, False])
    fallback = int(overall["term"][0]) if overall.height else policy.term_days_default
    term = pl.duration(days=pl.col("term").fill_null(fallback))
    filled = [
        frame.join(usual, on="customer_id", how="left", maintain_order="left")
        .with_columns(
            pl.coalesce("due_date", pl.col("document_date") + term, pl.lit(as_of)).alias("due_date")
        )
        .with_columns(
            pl.coalesce("document_date", pl.col("due_date") - term).alias("document_date")
        )
        for frame in (paid, still_open)
    ]
    return filled[0], filled[1]


def _arrays(frame: pl.DataFrame, numbers: pl.DataFrame) -> Items:
    joined = frame.join(numbers, on="customer_id", how="left", maintain_order="left")
    size = np.log(np.maximum(np.abs(joined["amount"].fill_null(1.0).to_numpy()), 1.0))
    cleared = (
        _days(joined["cleared_date"])
        if "cleared_date" in joined.columns
        else np.full(joined.height, STILL_OPEN, dtype=np.int64)
    )
    return Items(
        customer=joined["customer"].to_numpy().astype(np.int64),
        document=_days(joined["document_date"]),
        due=_days(joined["due_date"]),
        cleared=cleared,
        size=size.astype(np.float64),
    )


def _days(values: pl.Series) -> Ints:
    days: Ints = values.to_physical().to_numpy().astype(np.int64)
    return days
