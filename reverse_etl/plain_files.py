"""Plain files in, typed frames out, and back: the edge of ``ledgerloop decide``.

CSV (comma, semicolon or tab; UTF-8 with or without a mark) and Parquet. Every column is typed here
once, so that decisions see dates as dates and money as exact decimals, and every refusal names the
file, the row, the column and what to do. Nothing is decided here and nothing else is opened.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from ingestion.common.errors import InputRefused

__all__ = ["Columns", "read_frame", "write_frame"]

Form = Literal["text", "date", "money"]

_MONEY = pl.Decimal(28, 6)
#: 03/04/2020 is April on one side of an ocean and March on the other: such dates are refused.
_DATE_FORMATS = ("%Y-%m-%d", "%Y%m%d", "%d.%m.%Y")
_SEPARATORS = (",", ";", "\t", "|")


@dataclass(frozen=True, slots=True)
class Columns:
    """What a file must and may hold: column name to its form."""

    needed: Mapping[str, Form]
    optional: Mapping[str, Form]

    @property
    def all(self) -> dict[str, Form]:
        """Every known column."""
        return {**self.needed, **self.optional}


def read_frame(path: Path, columns: Columns) -> pl.DataFrame:
    """The known columns of a file, typed; columns nobody knows are left out.

    Args:
        path: ``.csv``, ``.txt``, ``.tsv`` or ``.parquet``.
        columns: what it holds.

    Raises:
        InputRefused: no such file, another format, a needed column is missing (with the nearest
            one there is), or a value that is no date or no exact amount (with its row).
    """
    raw = _raw(path)
    found = {name.strip().lower(): name for name in raw.columns}
    for name in columns.needed:
        if name not in found:
            raise _missing(path, name, raw.columns)
    known = {name: form for name, form in columns.all.items() if name in found}
    return raw.select(
        _typed(raw.get_column(found[name]).alias(name), form, path) for name, form in known.items()
    )


def write_frame(frame: pl.DataFrame, path: Path) -> None:
    """Write a frame as Parquet where the name says so, else as CSV; never half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_name(path.name + ".tmp")
    if path.suffix.lower() == ".parquet":
        frame.write_parquet(written)
    else:
        money = [name for name, form in frame.schema.items() if isinstance(form, pl.Decimal)]
        frame.with_columns(_short(pl.col(name)) for name in money).write_csv(written)
    written.replace(path)


def _short(amount: pl.Expr) -> pl.Expr:
    """Money as people write it: two decimals at least, no zeros beyond."""
    return amount.cast(pl.String).str.replace(r"(\.\d\d\d*?)0*$", "${1}")


def _raw(path: Path) -> pl.DataFrame:
    if not path.is_file():
        raise InputRefused(f"no file {path}", code="no_file", where=str(path))
    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            return pl.read_parquet(path)
        if suffix in {".csv", ".txt", ".tsv"}:
            return pl.read_csv(path, infer_schema=False, separator=_separator(path))
    except (pl.exceptions.PolarsError, OSError, UnicodeDecodeError) as error:
        said = str(error).splitlines()[0]
        raise InputRefused(
            f"{path} cannot be read: {said}", code="unreadable", where=str(path)
        ) from None
    raise InputRefused(
        f"{path}: expected .csv or .parquet, found {suffix or 'no ending'}",
        code="unknown_format",
        where=str(path),
    )


def _separator(path: Path) -> str:
    """The separator of the header line: the one that makes most columns."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        header = file.readline()
    return max(_SEPARATORS, key=header.count)


def _missing(path: Path, name: str, there: Sequence[str]) -> InputRefused:
    near = difflib.get_close_matches(name, there, n=1, cutoff=0.5)
    hint = f"; is {near[0]!r} meant?" if near else ""
    return InputRefused(
        f"{path}: no column {name!r}{hint} (found: {', '.join(there)})",
        code="missing_column",
        where=str(path),
    )


def _typed(column: pl.Series, form: Form, path: Path) -> pl.Series:
    if form == "text":
        return column.cast(pl.String).str.strip_chars()
    if form == "date":
        return column if column.dtype == pl.Date else _dates(column, path)
    return _money(column, path)


def _dates(column: pl.Series, path: Path) -> pl.Series:
    """ISO dates or instants; also 20200330 and 30.03.2020, one form per column."""
    if isinstance(column.dtype, pl.Datetime):
        return column.dt.date()
    text = column.cast(pl.String).str.strip_chars()
    text = text.set(text == "", None)
    tried = [
        text.str.replace(r"[T ].*$", "").str.to_date(form, strict=False) for form in _DATE_FORMATS
    ]
    best = min(tried, key=lambda one: one.null_count())
    _refuse_lost(text, best, path, "is not a date; write YYYY-MM-DD, in one form all through")
    return best


def _money(column: pl.Series, path: Path) -> pl.Series:
    """Exact decimals. A binary float counts as the shortest decimal that it prints as."""
    if column.dtype.is_integer():
        return column.cast(_MONEY)
    if isinstance(column.dtype, pl.Decimal):
        # Never rounded on the way in: what has more than six decimals is refused below.
        column = column.cast(pl.String).str.replace(r"(\.\d*?)0+$", "${1}").str.replace(r"\.$", "")
    text = column.cast(pl.String).str.strip_chars()
    text = text.set(text == "", None)
    amounts = text.cast(_MONEY, strict=False)
    is_plain = text.str.contains(r"^[+-]?\d+(\.\d{1,6})?$")
    amounts = amounts.set(~is_plain.fill_null(value=False), None)
    _refuse_lost(text, amounts, path, "is not an amount; write 1234.56, at most six decimals")
    return amounts


def _refuse_lost(text: pl.Series, typed: pl.Series, path: Path, why: str) -> None:
    """Refuse the file when a value that was there did not survive typing."""
    lost = (typed.is_null() & text.is_not_null()).arg_true()
    if lost.len():
        first = int(lost[0])
        raise InputRefused(
            f"{path}: row {first + 2}, column {text.name!r}: {text[first]!r} {why}"
            + (f" ({lost.len()} such rows)" if lost.len() > 1 else ""),
            code="bad_value",
            where=str(path),
        )
