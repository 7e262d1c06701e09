"""The money fields of MT940 and MT942: statement lines (:61:), balances (:60: … :65:), totals.

Amounts come out signed from our account's view. The mark decides the sign: C and RD (the reversal
of a debit) are credits, D and RC (the reversal of a credit) are debits.
"""

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

from ingestion.common.errors import InputRefused
from ingestion.common.money import parse_amount

__all__ = ["Balance", "Line", "Total", "read_balance", "read_instant", "read_line", "read_total"]

_LINE = re.compile(
    r"^(?P<value>\d{6})(?P<entry>\d{4})?(?P<mark>R?[CD]|E[CD])(?P<funds>[A-Z])?\n?"
    r"(?P<amount>\d[\d.]*,?\d*)(?P<type>[A-Z][A-Z0-9 ]{3})?(?P<rest>.*)$",
    re.DOTALL,
)
_BALANCE = re.compile(
    r"^(?P<mark>[CD])(?P<day>\d{6})(?P<currency>[A-Z]{3})?(?P<amount>\d[\d.]*,?\d*)$"
)
_TOTAL = re.compile(r"^(?P<count>\d+)(?P<currency>[A-Z]{3})(?P<amount>\d[\d.]*,?\d*)$")
_INSTANT = re.compile(r"^(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(?:([+-])(\d{2})(\d{2}))?")
_REFERENCE_CHARACTERS = 16


@dataclass(frozen=True, slots=True)
class Line:
    """One :61:. ``extra`` is what stands behind the references."""

    amount: Decimal
    booking_date: date
    value_date: date
    is_reversal: bool
    type_code: str
    customer_reference: str
    bank_reference: str
    extra: str


@dataclass(frozen=True, slots=True)
class Balance:
    """One balance, signed."""

    amount: Decimal
    currency_code: str
    day: date


@dataclass(frozen=True, slots=True)
class Total:
    """Number and sum of the debits or credits of an MT942 (:90D:, :90C:); the sum is positive."""

    count: int
    amount: Decimal


def read_line(value: str, currency_code: str, where: str) -> Line:
    """A :61: field.

    Raises:
        InputRefused: it has not the form of one, or holds no date or amount.
    """
    found = _LINE.match(value)
    if not found:
        raise _bad(f":61:{value[:40]}", "a statement line", where)
    mark = found["mark"]
    amount = _money(found["amount"], currency_code, where)
    is_reversal = len(mark) == 2 and mark[0] == "R"
    is_credit = (mark[-1] == "C") is not is_reversal
    value_date = _day(found["value"], where)
    customer, bank, extra = _references(found["rest"])
    kind = (found["type"] or "").strip()
    return Line(
        amount=amount if is_credit else -amount,
        booking_date=_entry_day(found["entry"], value_date, where),
        value_date=value_date,
        is_reversal=is_reversal or kind.endswith("RTI"),
        type_code=kind,
        customer_reference=customer,
        bank_reference=bank,
        extra=extra,
    )


def _references(rest: str) -> tuple[str, str, str]:
    """Customer reference (16 characters at most), bank reference behind ``//``, and the rest."""
    first, _, extra = rest.partition("\n")
    customer, mark, bank = first.partition("//")
    if not mark and len(customer) > _REFERENCE_CHARACTERS:
        # Some banks put the other party's name behind the sixteenth character.
        extra = f"{customer[_REFERENCE_CHARACTERS:].strip()} {extra}".strip()
        customer = customer[:_REFERENCE_CHARACTERS]
    return customer.strip(), bank.strip(), extra.replace("\n", " ").strip()


def read_balance(value: str, currency_code: str, where: str) -> Balance:
    """A balance field; ``currency_code`` is taken where the bank left it out.

    Raises:
        InputRefused: it has not the form of one.
    """
    found = _BALANCE.match(value.partition("\n")[0].strip())
    if not found:
        raise _bad(value[:40], "a balance", where)
    currency = found["currency"] or currency_code
    amount = _money(found["amount"], currency, where)
    return Balance(amount if found["mark"] == "C" else -amount, currency, _day(found["day"], where))


def read_total(value: str, where: str) -> Total:
    """A :90D: or :90C: field.

    Raises:
        InputRefused: it has not the form of one.
    """
    found = _TOTAL.match(value.partition("\n")[0].strip())
    if not found:
        raise _bad(value[:40], "a total", where)
    return Total(int(found["count"]), _money(found["amount"], found["currency"], where))


def read_instant(value: str, where: str) -> datetime:
    """A :13D: field; without an offset it is UTC.

    Raises:
        InputRefused: it is no point in time.
    """
    found = _INSTANT.match(value)
    if not found:
        raise _bad(value[:20], "a point in time", where, code="bad_date")
    year, month, day, hour, minute = (int(one) for one in found.groups()[:5])
    zone = UTC
    if found.group(6):
        offset = timedelta(hours=int(found.group(7)), minutes=int(found.group(8)))
        zone = timezone(-offset if found.group(6) == "-" else offset)
    try:
        return datetime(2000 + year, month, day, hour, minute, tzinfo=zone).astimezone(UTC)
    except ValueError:
        raise _bad(value[:20], "a point in time", where, code="bad_date") from None


def _money(text: str, currency_code: str, where: str) -> Decimal:
    return parse_amount(
        text.replace(".", "").replace(",", ".").rstrip("."), currency_code, where=where
    )


def _day(text: str, where: str) -> date:
    """YYMMDD; the 30th of a shorter month is its last day (banks that count 360 days a year)."""
    year, month, day = 2000 + int(text[:2]), int(text[2:4]), int(text[4:])
    try:
        return date(year, month, day)
    except ValueError:
        if 1 <= month <= 12 and 28 < day <= 30:
            return date(year, month, calendar.monthrange(year, month)[1])
        raise _bad(text, "a date", where, code="bad_date") from None


def _entry_day(text: str | None, value_date: date, where: str) -> date:
    """MMDD in the year that is nearest to the value date; the value date where there is none."""
    if not text:
        return value_date
    found = _day(f"{value_date.year % 100:02d}{text}", where)
    half_year_days = 183
    if (found - value_date).days > half_year_days:
        return _day(f"{(value_date.year - 1) % 100:02d}{text}", where)
    if (value_date - found).days > half_year_days:
        return _day(f"{(value_date.year + 1) % 100:02d}{text}", where)
    return found


def _bad(text: str, what: str, where: str, code: str = "bad_field") -> InputRefused:
    return InputRefused(
        f"{where}: {text!r} is not {what}: ask the bank for a correct statement",
        code=code,
        where=where,
    )
