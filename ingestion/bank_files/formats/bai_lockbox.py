"""BAI lockbox (80 characters a record): deposits, the checks in them, the invoices on each.

Banks vary the columns of this format; those of ``_LAYOUT`` are the widespread ones. Types: 1 and 2
headers, 5 lockbox, 6 check, 4 its invoices, 7 batch total, 8 lockbox total, 9 trailer. Item counts
and totals at 7, 8 and 9 are checked. Like an 823 it is a notice, not money.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from ingestion.bank_files.remittances import ReferenceKind, RemittanceLine
from ingestion.bank_files.statements import Content, Entry, Statement, StatementKind
from ingestion.bank_files.swift.fields import lines_of
from ingestion.common.errors import InputRefused

__all__ = ["KIND", "NAME", "parse", "recognises"]

NAME = "BAI lockbox"
KIND = StatementKind.NOTICE
_HEAD = re.compile(rb"^1\d{2}[\d A-Za-z]{10}[\d A-Za-z]{10}\d{6}\d{4}\s*\r?\n[25]")
_CURRENCY = "USD"

#: First and last column (from 1) of each field, by record type.
_LAYOUT: dict[str, dict[str, tuple[int, int]]] = {
    "5": {"lockbox": (8, 14), "day": (15, 20)},
    "6": {
        "batch": (2, 4),
        "item": (5, 7),
        "amount": (8, 17),
        "routing": (18, 26),
        "account": (27, 36),
        "check": (37, 46),
        "payer": (47, 80),
    },
    "7": {"batch": (2, 4), "items": (21, 23), "amount": (24, 33)},
    "8": {"items": (21, 24), "amount": (25, 34)},
    "9": {"records": (2, 7)},
}
#: Invoice blocks of an overflow record: number and amount, from column 12 on.
_OVERFLOW_FROM, _NUMBER_WIDTH, _AMOUNT_WIDTH = 12, 15, 10


@dataclass(slots=True)
class _Check:
    """A type 6 with the type 4 records behind it."""

    batch: str
    item: str
    cents: int
    payer_account: str
    number: str
    payer: str
    lines: list[RemittanceLine] = field(default_factory=list)


@dataclass(slots=True)
class _Lockbox:
    """A type 5 with its checks; totals count from the last 7 and 8."""

    number: str
    day: date
    checks: list[_Check] = field(default_factory=list)
    batch_from: int = 0


@dataclass(slots=True)
class _File:
    where: str
    records: int = 0
    created: str = ""
    lockboxes: list[_Lockbox] = field(default_factory=list)
    is_closed: bool = False


def recognises(head: bytes) -> bool:
    """True for an immediate address header followed by a service or lockbox header."""
    return _HEAD.match(head) is not None


def parse(path: Path, where: str) -> Content:
    """Every lockbox deposit of a file as a notice.

    Raises:
        InputRefused: cut off, counts or totals that do not agree, a value that is none.
    """
    file = _File(where)
    for line in lines_of(path):
        if line.strip():
            file.records += 1
            _take(line, file)
    if not file.is_closed:
        raise _refused(where, "truncated", "the trailer (9) is missing: it is cut off")
    deposits = [_statement(one, file.created) for one in file.lockboxes if one.checks]
    if not deposits:
        raise _refused(where, "no_statement", "it holds no check")
    return Content(statements=tuple(deposits))


def _take(line: str, file: _File) -> None:
    match line[0]:
        case "1":
            file.created = line[23:33].strip()
        case "2":
            pass
        case "5":
            found = _columns(line)
            if not file.lockboxes or file.lockboxes[-1].number != found["lockbox"]:
                file.lockboxes.append(_Lockbox(found["lockbox"], _day(found["day"], file.where)))
        case "9":
            _close(line, file)
        case _:
            _take_detail(line, _last(file), file.where)


def _take_detail(line: str, box: _Lockbox, where: str) -> None:
    """A check, its invoices, or a total of checks."""
    match line[0]:
        case "6":
            box.checks.append(_check(line, where))
        case "4" if box.checks:
            box.checks[-1].lines += _overflow(line, where)
        case "7":
            _agree(line, box.checks[box.batch_from :], where)
            box.batch_from = len(box.checks)
        case "8":
            _agree(line, box.checks, where)
        case _:
            raise _refused(where, "bad_record", f"record type {line[0]!r} has no place here")


def _close(line: str, file: _File) -> None:
    said = _columns(line)["records"]
    if said.isdigit() and int(said) not in (0, file.records):
        raise _refused(
            file.where,
            "control_totals_do_not_add_up",
            f"the trailer counts {int(said)} records, the file holds {file.records}",
        )
    file.is_closed = True


def _columns(line: str) -> dict[str, str]:
    return {name: line[a - 1 : b].strip() for name, (a, b) in _LAYOUT[line[0]].items()}


def _last(file: _File) -> _Lockbox:
    if not file.lockboxes:
        raise _refused(file.where, "bad_record", "a record stands before the lockbox header (5)")
    return file.lockboxes[-1]


def _check(line: str, where: str) -> _Check:
    found = _columns(line)
    account = "/".join(part for part in (found["routing"], found["account"]) if part)
    return _Check(
        found["batch"],
        found["item"],
        _cents(found["amount"], where),
        account,
        found["check"].lstrip("0"),
        found["payer"],
    )


def _overflow(line: str, where: str) -> Iterator[RemittanceLine]:
    """Invoices of an overflow record; a block without a number is not used."""
    width = _NUMBER_WIDTH + _AMOUNT_WIDTH
    for start in range(_OVERFLOW_FROM - 1, len(line.rstrip()), width):
        number = line[start : start + _NUMBER_WIDTH].strip()
        amount = line[start + _NUMBER_WIDTH : start + width].strip()
        if number and amount:
            paid = _money(_cents(amount, where))
            kind = ReferenceKind.CREDIT_MEMO if paid < 0 else ReferenceKind.INVOICE
            yield RemittanceLine(number.lstrip("0") or number, kind, paid)


def _agree(line: str, checks: list[_Check], where: str) -> None:
    found = _columns(line)
    cents = sum(one.cents for one in checks)
    if _cents(found["amount"], where) != cents or int(found["items"] or 0) not in (0, len(checks)):
        raise _refused(
            where,
            "control_totals_do_not_add_up",
            f"total record {line[0]} says {found['items']} checks of {found['amount']} cents, the "
            f"file holds {len(checks)} of {cents}",
        )


def _statement(box: _Lockbox, created: str) -> Statement:
    reference = f"{box.number}/{box.day.isoformat()}"
    entries = tuple(
        Entry(
            position=number,
            amount=_money(one.cents),
            currency_code=_CURRENCY,
            booking_date=box.day,
            value_date=box.day,
            account_servicer_reference=f"{reference}/{one.batch}/{one.item}",
            entry_reference=one.number,
            structured_references=";".join(dict.fromkeys(x.reference for x in one.lines)),
            payer_name=one.payer,
            payer_account=one.payer_account,
            virtual_account=box.number,
            batch_reference=reference,
            transactions=1,
            lines=tuple(one.lines),
        )
        for number, one in enumerate(box.checks, 1)
    )
    return Statement(
        vendor_id=f"{reference} {created}".strip(),
        account="",
        currency_code=_CURRENCY,
        sequence_number="",
        opening_amount=None,
        closing_amount=None,
        opening_date=box.day,
        closing_date=box.day,
        created_at=datetime(box.day.year, box.day.month, box.day.day, tzinfo=UTC),
        entries=entries,
        entries_read=len(entries),
        kind=KIND,
    )


def _cents(text: str, where: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise _refused(where, "bad_amount", f"{text!r} is not an amount in cents") from None


def _money(cents: int) -> Decimal:
    return Decimal(cents).scaleb(-2)


def _day(text: str, where: str) -> date:
    try:
        return date(2000 + int(text[:2]), int(text[2:4]), int(text[4:6]))
    except ValueError:
        raise _refused(where, "bad_date", f"{text!r} is not a date") from None


def _refused(where: str, code: str, what: str) -> InputRefused:
    return InputRefused(f"{where}: {what}: ask the bank to send it again", code=code, where=where)
