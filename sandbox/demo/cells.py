"""Single cells of a spreadsheet export as typed values: ids, customer numbers, dates, money.

Each function is one polars expression over a text column; what it cannot read becomes null and the
reader decides what that means. Nothing here drops a row.
"""

import polars as pl

from sandbox.demo.dataset import MONEY

__all__ = ["amount", "customer_number", "date_of", "identifier", "mend_swapped"]

_DATE_FORMATS = ("%Y-%m-%d", "%Y%m%d", "%d-%m-%Y", "%m/%d/%Y", "%Y/%m/%d")
_DAYS_SWAP_SUSPECT = 45
_DAYS_SWAP_CLOSE = 10


def identifier(column: str) -> pl.Expr:
    """An id as digits: a float's ``.0`` cut, scientific notation spelled out, overflow emptied."""
    text = pl.col(column).str.replace(r"\.0+$", "")
    exact = text.cast(pl.Float64, strict=False)
    spelled = (
        pl.when(text.str.contains(r"^\d\.\d{5,}[eE]\+?\d+$"))
        .then(exact.cast(pl.Int64, strict=False).cast(pl.String))
        .otherwise(text)
    )
    is_lost = spelled.str.contains(r"^-|^\d\.\d*[eE]|^0*$|^(?i:nan|none|null|n/a)$")
    return pl.when(is_lost.not_()).then(spelled)


def customer_number() -> pl.Expr:
    """SAP's ten characters: numeric numbers get back the zeros a spreadsheet took."""
    number = identifier("customer").str.to_uppercase()
    is_numeric = number.str.contains(r"^\d{1,10}$")
    return pl.when(is_numeric).then(number.str.zfill(10)).otherwise(number.str.slice(0, 10))


def date_of(column: str) -> pl.Expr:
    """The first format that reads the text; a time without a day (``05:23.4``) reads as empty."""
    text = pl.col(column).str.replace(r"\.0+$", "").str.replace(r"[ T]\d{2}:.*$", "")
    return pl.coalesce(text.str.to_date(shape, strict=False, exact=True) for shape in _DATE_FORMATS)


def _swapped(column: str) -> pl.Expr:
    """The same date with month and day exchanged; empty where that is no date."""
    day = pl.col(column)
    return (
        pl.when(day.dt.day() <= 12)
        .then(pl.date(day.dt.year(), day.dt.day(), day.dt.month()))
        .otherwise(pl.lit(None, pl.Date))
    )


def mend_swapped(frame: pl.DataFrame, column: str, anchor: str) -> tuple[pl.DataFrame, int]:
    """Swap month and day back where the date is far from its anchor and the swapped one is near.

    Returns:
        The mended frame and how many values were mended.
    """
    far = (pl.col(column) - pl.col(anchor)).dt.total_days().abs() > _DAYS_SWAP_SUSPECT
    near = (_swapped(column) - pl.col(anchor)).dt.total_days().abs() <= _DAYS_SWAP_CLOSE
    is_back = (far & near).fill_null(value=False)
    mended = frame.with_columns(
        pl.when(is_back).then(_swapped(column)).otherwise(column).alias(column)
    )
    return mended, int(frame.select(is_back.sum()).item())


def amount() -> pl.Expr:
    """Exact two decimals from the text; separators of thousands go, noise of a float rounds off."""
    text = pl.col("amount").str.replace_all(r"[,\s$]", "").str.replace(r"^\((.*)\)$", "-$1")
    return text.cast(pl.Decimal(28, 8), strict=False).round(2).cast(MONEY)
