"""Numbers and dates as people type them, read strictly: what can be read two ways is refused.

Excel keeps numbers as binary floats. Their shortest 15-digit text is what the sheet shows, and that
text becomes the amount: no arithmetic is ever done on the float.
"""

import re
from datetime import date, datetime
from decimal import Decimal

from ingestion.common.errors import InputRefused
from ingestion.common.money import parse_amount

__all__ = ["amount_of", "date_of", "text_of"]

_PLAIN = re.compile(r"^-?\d+(\.\d+)?$")
_ENGLISH = re.compile(r"^-?\d{1,3}(,\d{3})+(\.\d+)?$")
_CONTINENTAL = re.compile(r"^-?\d{1,3}(\.\d{3})+,\d+$")
_COMMA = re.compile(r"^-?\d+,\d{1,2}$")
_ONE_GROUP = re.compile(r"^-?\d{1,3},\d{3}$")
_ISO = re.compile(r"^(\d{4})-?(\d{2})-?(\d{2})")
_DOTTED = re.compile(r"^(\d{1,2})\.(\d{1,2})\.(\d{4})$")
_SLASHED = re.compile(r"^(\d{1,2})[/-](\d{1,2})[/-](\d{4})$")
_MONTHS_MAX = 12


def text_of(value: object) -> str:
    """A cell as text; a whole number without a point."""
    if value is None:
        return ""
    if isinstance(value, float):
        return format(value, ".15g")
    return str(value).strip()


def amount_of(value: object, currency_code: str, where: str) -> Decimal:
    """A cell as an amount; parentheses and a trailing minus are negative.

    Raises:
        InputRefused: no number, one that can be read two ways (``1,234``), too many decimals.
    """
    text = text_of(value).replace("\u00a0", "").replace(" ", "").replace("'", "")
    is_negative = (text.startswith("(") and text.endswith(")")) or text.endswith("-")
    bare = text.strip("()").rstrip("-").lstrip("$€£")
    if _ONE_GROUP.match(bare):
        raise InputRefused(
            f"{where}: {text!r} may be a thousand or a decimal: write it with a point and no "
            "separator (1234.00)",
            code="bad_amount",
            where=where,
        )
    if _PLAIN.match(bare):
        number = bare
    elif _ENGLISH.match(bare):
        number = bare.replace(",", "")
    elif _CONTINENTAL.match(bare) or _COMMA.match(bare):
        number = bare.replace(".", "").replace(",", ".")
    else:
        number = bare or "nothing"
    found = parse_amount(number, currency_code, where=where)
    return -found if is_negative else found


def date_of(value: object, where: str) -> date | None:
    """A cell as a date; None for an empty one.

    Raises:
        InputRefused: no date, or one that can be read two ways (``03/04/2026``).
    """
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    text = text_of(value)
    if not text:
        return None
    parts = _parts(text)
    try:
        if parts:
            return date(*parts)
    except ValueError:
        pass
    raise InputRefused(
        f"{where}: {text!r} is no date, or can be read two ways: write it as 2026-04-03",
        code="bad_date",
        where=where,
    )


def _parts(text: str) -> tuple[int, int, int] | None:
    if found := _ISO.match(text):
        return int(found[1]), int(found[2]), int(found[3])
    if found := _DOTTED.match(text):
        return int(found[3]), int(found[2]), int(found[1])
    if found := _SLASHED.match(text):
        first, second, year = int(found[1]), int(found[2]), int(found[3])
        if first > _MONTHS_MAX:
            return year, second, first
        if second > _MONTHS_MAX or first == second:
            return year, first, second
    return None
