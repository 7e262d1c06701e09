"""BAI2 amounts and what follows them: summaries of an account (03) and transactions (16).

Amounts are in the currency's smallest unit without a point. A transaction's sign is its type
code's: 100–399 and 920–959 are credits, 400–699 and 960–999 are debits.
"""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from ingestion.bank_files.bai.records import CONTINUED, Record
from ingestion.common.errors import InputRefused
from ingestion.common.money import minor_digits

__all__ = ["Summary", "Transaction", "is_credit", "money", "summaries", "transaction", "units"]

#: How many fields follow the funds type of an amount; ``D`` counts its own.
_AVAILABILITY = {"S": 3, "V": 2}


@dataclass(frozen=True, slots=True)
class Summary:
    """One status or summary of an account: its type code, amount in smallest units and count."""

    code: str
    units: int
    count: str


@dataclass(frozen=True, slots=True)
class Transaction:
    """One 16: amounts in smallest units, as given (never signed)."""

    code: str
    units: int
    value_date: str
    bank_reference: str
    customer_reference: str
    text: str


def units(text: str, where: str) -> int:
    """An amount field in smallest units; empty is 0.

    Raises:
        InputRefused: it is no whole number.
    """
    bare = text.strip().replace("\n", "")
    if not bare:
        return 0
    try:
        return int(bare)
    except ValueError:
        raise InputRefused(
            f"{where}: {bare!r} is not a whole number of smallest units: ask the bank for a "
            "correct file",
            code="bad_amount",
            where=where,
        ) from None


def money(found: int, currency_code: str, where: str) -> Decimal:
    """Smallest units as an amount of a currency. Raises InputRefused for an unknown currency."""
    try:
        return Decimal(found).scaleb(-minor_digits(currency_code, where=where))
    except InvalidOperation as error:  # more digits than a decimal holds
        raise InputRefused(
            f"{where}: {found} is not an amount: ask the bank for a correct file",
            code="bad_amount",
            where=where,
        ) from error


def is_credit(code: str) -> bool | None:
    """Which side a transaction's type code is on; None for one that is on neither."""
    if not code.isdigit():
        return None
    number = int(code)
    if 100 <= number <= 399 or 920 <= number <= 959:
        return True
    if 400 <= number <= 699 or 960 <= number <= 999:
        return False
    return None


def summaries(record: Record, where: str) -> list[Summary]:
    """Status and summary amounts of a 03 and its continuations.

    Raises:
        InputRefused: an amount is none, or the fields of a funds type are cut off.
    """
    fields = record.fields()[2:]
    found = []
    place = 0
    while place < len(fields):
        code = fields[place]
        amount = fields[place + 1] if place + 1 < len(fields) else ""
        count = fields[place + 2] if place + 2 < len(fields) else ""
        kind = fields[place + 3] if place + 3 < len(fields) else ""
        if code:
            found.append(Summary(code, units(amount, where), count))
        place += 4 + _availability(fields, place + 4, kind, where)
    return found


def _availability(fields: list[str], place: int, kind: str, where: str) -> int:
    """Fields that belong to a funds type, from ``place`` on."""
    if kind == "D":
        pairs = fields[place] if place < len(fields) else ""
        if not pairs.isdigit():
            raise InputRefused(
                f"{where}: a distributed availability (D) names no number of days: ask the bank "
                "for a correct file",
                code="bad_field",
                where=where,
            )
        return 1 + 2 * int(pairs)
    return _AVAILABILITY.get(kind, 0)


def transaction(record: Record, where: str) -> Transaction:
    """A 16 with its continuations.

    Raises:
        InputRefused: it is too short, or its amount is none.
    """
    fields = record.body.split(",")
    if len(fields) < 2:
        raise InputRefused(
            f"{where}: a transaction has no amount: ask the bank for a correct file",
            code="bad_field",
            where=where,
        )
    kind = fields[2].strip() if len(fields) > 2 else ""
    place = 3 + _availability([one.strip() for one in fields], 3, kind, where)
    rest = [*fields[place : place + 2], "", ""]
    text = ",".join(fields[place + 2 :]).replace(CONTINUED, "\n").strip("\n, ")
    return Transaction(
        code=fields[0].strip(),
        units=units(fields[1], where),
        value_date=fields[3].strip() if kind == "V" and len(fields) > 3 else "",
        bank_reference=rest[0].strip(),
        customer_reference=rest[1].strip(),
        text=text,
    )
