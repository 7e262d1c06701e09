"""Spreadsheet text to values, a whole column at a time.

Numbers, dates and amounts come as ERPs spell them and spreadsheets spoil them. Every function
returns the values and which rows cannot be read, with a code; nothing is guessed where two readings
are possible: then the file must show which one it means, or the configuration.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

import pyarrow as pa
import pyarrow.compute as pc

from ingestion.erp_files.settings import Column

__all__ = ["Spelling", "converted", "learnt_spelling", "trimmed"]

DateOrder = Literal["", "day", "month"]
DecimalMark = Literal["", ".", ","]
#: A code for each row; null where the value is good.
Codes: TypeAlias = "pa.Array"

_FLOAT_TAIL = r"\.0+$"
_ISO = r"^\d{4}-\d{2}-\d{2}"
_COMPACT = r"^\d{8}$"
_DAY_FIRST = r"^(\d{1,2})[.\-](\d{1,2})[.\-](\d{4})$"
_SLASHED = r"^(\d{1,2})/(\d{1,2})/(\d{4})$"
_NO_DATE = ("", "00000000", "00.00.0000", "0000-00-00", "0")
_MONEY = r"^-?\d{1,22}(\.\d{1,6})?$"


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a file writes what can be read in two ways; empty where it did not show."""

    date_order: DateOrder = ""
    decimal_mark: DecimalMark = ""


def trimmed(column: Any) -> pa.Array:
    """A column as text without blanks around it; nulls are empty."""
    text = column if pa.types.is_string(column.type) else pc.cast(column, pa.string())
    text = text.combine_chunks() if isinstance(text, pa.ChunkedArray) else text
    return pc.utf8_trim_whitespace(pc.fill_null(text, ""))


def learnt_spelling(columns: list[tuple[Column, pa.Array]], told: Spelling) -> Spelling:
    """What a sample of a file shows about its own spelling; what the configuration says wins.

    A date with 13 or more in one place, or an amount whose last mark has other than three digits
    behind it, settles it for all rows.
    """
    order, mark = told.date_order, told.decimal_mark
    for column, values in columns:
        if column.form == "date" and not order:
            order = _shown_order(values)
        if column.form == "money" and not mark:
            mark = _shown_mark(values)
    return Spelling(order, mark)


def _shown_order(values: pa.Array) -> DateOrder:
    slashed = values.filter(pc.match_substring_regex(values, _SLASHED))
    if not len(slashed):
        return ""
    first = pc.cast(pc.replace_substring_regex(slashed, _SLASHED, r"\1"), pa.int32())
    second = pc.cast(pc.replace_substring_regex(slashed, _SLASHED, r"\2"), pa.int32())
    is_day_first = (pc.max(first).as_py() or 0) > 12
    is_month_first = (pc.max(second).as_py() or 0) > 12
    if is_day_first == is_month_first:
        return ""
    return "day" if is_day_first else "month"


def _shown_mark(values: pa.Array) -> DecimalMark:
    def any_match(pattern: str) -> bool:
        return bool(pc.any(pc.match_substring_regex(values, pattern)).as_py())

    # Two marks of different sorts, or one with other than three digits behind it.
    is_point = any_match(r",\d{3}\.\d") or any_match(r"^[^.,]*\.(\d{1,2}|\d{4,})[-)]?$")
    is_comma = any_match(r"\.\d{3},\d") or any_match(r"^[^.,]*,(\d{1,2}|\d{4,})[-)]?$")
    if is_point == is_comma:
        return ""
    return "." if is_point else ","


def converted(column: Column, values: pa.Array, spelling: Spelling) -> tuple[pa.Array, Codes]:
    """A column's values and the codes of the rows that cannot be read."""
    return _FORMS[column.form](column, values, spelling)


def _where(condition: Any, code: str, codes: Codes) -> Codes:
    """Set a code where a condition holds and none is set."""
    fresh = pc.and_(pc.fill_null(condition, False), pc.is_null(codes))
    return pc.if_else(fresh, pa.scalar(code, pa.string()), codes)


def _none(count: int) -> Codes:
    return pa.nulls(count, pa.string())


def _needed(column: Column, values: pa.Array, codes: Codes) -> Codes:
    return _where(pc.equal(values, ""), "missing_value", codes) if column.is_needed else codes


def _text(column: Column, values: pa.Array, _: Spelling) -> tuple[pa.Array, Codes]:
    return values, _needed(column, values, _none(len(values)))


def _code(column: Column, values: pa.Array, _: Spelling) -> tuple[pa.Array, Codes]:
    upper = pc.utf8_upper(values)
    codes = _needed(column, upper, _none(len(values)))
    if column.name == "BUKRS":
        # A company such as 0010 loses its zeros in a spreadsheet.
        bare = pc.replace_substring_regex(upper, _FLOAT_TAIL, "")
        is_digits = pc.match_substring_regex(bare, r"^\d+$")
        upper = pc.if_else(is_digits, pc.utf8_lpad(bare, 4, "0"), upper)
    return upper, _where(pc.greater(pc.utf8_length(upper), column.width), "too_long", codes)


def _number(column: Column, values: pa.Array, _: Spelling) -> tuple[pa.Array, Codes]:
    """Digits with the zeros back that a spreadsheet took away."""
    bare = pc.replace_substring_regex(values, _FLOAT_TAIL, "")
    codes = _needed(column, bare, _none(len(values)))
    codes = _lost_digits(bare, codes)
    is_digits = pc.match_substring_regex(bare, r"^\d+$")
    padded = pc.if_else(is_digits, pc.utf8_lpad(bare, column.width, "0"), bare)
    wrong = pc.and_(pc.not_equal(bare, ""), pc.invert(is_digits))
    codes = _where(wrong, "bad_number", codes)
    # More zeros than SAP shows are no more digits.
    padded = pc.replace_substring_regex(padded, rf"^0+(\d{{{column.width}}})$", r"\1")
    return padded, _where(pc.greater(pc.utf8_length(padded), column.width), "too_long", codes)


def _account(column: Column, values: pa.Array, _: Spelling) -> tuple[pa.Array, Codes]:
    """A customer number: padded when numeric, else in capitals."""
    bare = pc.utf8_upper(pc.replace_substring_regex(values, _FLOAT_TAIL, ""))
    codes = _lost_digits(bare, _needed(column, bare, _none(len(values))))
    is_digits = pc.match_substring_regex(bare, r"^\d+$")
    padded = pc.if_else(is_digits, pc.utf8_lpad(bare, column.width, "0"), bare)
    return padded, _where(pc.greater(pc.utf8_length(padded), column.width), "too_long", codes)


def _lost_digits(values: pa.Array, codes: Codes) -> Codes:
    """What no padding brings back: ``1.40E+08``, and integers that ran over."""
    is_scientific = pc.match_substring_regex(values, r"^-?\d+(\.\d+)?[eE][+-]?\d+$")
    codes = _where(is_scientific, "digits_lost", codes)
    return _where(pc.match_substring_regex(values, r"^-\d+"), "number_overflowed", codes)


def _date(column: Column, values: pa.Array, spelling: Spelling) -> tuple[pa.Array, Codes]:
    bare = pc.replace_substring_regex(values, _FLOAT_TAIL, "")
    is_empty = pc.is_in(bare, pa.array(_NO_DATE))
    iso = pc.if_else(pc.match_substring_regex(bare, _ISO), pc.utf8_slice_codeunits(bare, 0, 10), "")
    compact = pc.replace_substring_regex(bare, r"^(\d{4})(\d{2})(\d{2})$", r"\1-\2-\3")
    iso = pc.if_else(pc.match_substring_regex(bare, _COMPACT), compact, iso)
    iso = pc.if_else(
        pc.match_substring_regex(bare, _DAY_FIRST), _reordered(bare, _DAY_FIRST, "2", "1"), iso
    )
    is_slashed = pc.match_substring_regex(bare, _SLASHED)
    month, day = ("2", "1") if spelling.date_order == "day" else ("1", "2")
    iso = pc.if_else(is_slashed, _reordered(bare, _SLASHED, month, day), iso)
    codes = _none(len(values))
    if column.is_needed:
        codes = _where(is_empty, "missing_value", codes)
    if not spelling.date_order:
        codes = _where(is_slashed, "ambiguous_date", codes)
    instants = pc.strptime(iso, format="%Y-%m-%d", unit="s", error_is_null=True)
    dates = pc.cast(instants, pa.date32())
    # The thirty-first of February is read as a day in March: what comes back must be what went in.
    is_real = pc.fill_null(pc.equal(pc.cast(dates, pa.string()), iso), False)
    codes = _where(pc.and_(pc.invert(is_empty), pc.invert(is_real)), "bad_date", codes)
    return pc.if_else(is_real, dates, pa.scalar(None, pa.date32())), codes


def _reordered(values: pa.Array, pattern: str, month: str, day: str) -> pa.Array:
    """Parts of a date as ISO text, with two digits each."""
    iso = pc.replace_substring_regex(values, pattern, rf"\3-0\{month}-0\{day}")
    return pc.replace_substring_regex(iso, r"-0(\d{2})", r"-\1")


def _money(column: Column, values: pa.Array, spelling: Spelling) -> tuple[pa.Array, Codes]:
    """An amount: minus behind or in front or brackets, either decimal mark, thousands marks."""
    bare = pc.replace_substring_regex(values, r"[\s\x{a0}']", "")
    bare = pc.replace_substring_regex(bare, r"^\((.*)\)$", r"-\1")
    bare = pc.replace_substring_regex(bare, r"^(.*\d)-$", r"-\1")
    codes = _needed(column, bare, _none(len(values)))
    mark = spelling.decimal_mark
    if not mark:
        # One mark with three digits behind it is thousands or thousandths.
        is_doubtful = pc.match_substring_regex(bare, r"^-?\d{1,3}([.,]\d{3})+$")
        codes = _where(is_doubtful, "ambiguous_amount", codes)
    if mark == ",":
        plain = pc.replace_substring(pc.replace_substring(bare, ".", ""), ",", ".")
    else:
        plain = pc.replace_substring(bare, ",", "")
    is_amount = pc.match_substring_regex(plain, _MONEY)
    codes = _where(pc.and_(pc.not_equal(bare, ""), pc.invert(is_amount)), "bad_amount", codes)
    readable = pc.if_else(is_amount, plain, pa.scalar(None, pa.string()))
    return pc.cast(readable, pa.decimal128(28, 6)), codes


def _days(_: Column, values: pa.Array, __: Spelling) -> tuple[pa.Array, Codes]:
    bare = pc.replace_substring_regex(values, _FLOAT_TAIL, "")
    is_number = pc.match_substring_regex(bare, r"^\d{1,4}$")
    codes = _where(
        pc.and_(pc.not_equal(bare, ""), pc.invert(is_number)), "bad_number", _none(len(values))
    )
    readable = pc.if_else(is_number, bare, pa.scalar(None, pa.string()))
    return pc.cast(readable, pa.int64()), codes


def _flag(_: Column, values: pa.Array, __: Spelling) -> tuple[pa.Array, Codes]:
    upper = pc.utf8_upper(values)
    return pc.is_in(upper, pa.array(["X", "TRUE", "1", "YES"])), _none(len(values))


_Form = Callable[[Column, pa.Array, Spelling], tuple[pa.Array, Codes]]
_FORMS = cast(
    "dict[str, _Form]",
    {
        "text": _text,
        "code": _code,
        "number": _number,
        "account": _account,
        "date": _date,
        "money": _money,
        "days": _days,
        "flag": _flag,
    },
)
