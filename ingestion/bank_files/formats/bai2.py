"""BAI2 balance and transaction reporting: previous day (a statement) and same day (interim).

Control totals and record counts at 49, 98 and 99 are checked, and where the bank sends both ledger
balances (010, 015) they and the entries must add up. Groups the bank marks as deleted or as a test
are no statements. The bai2 package was tried and left: it is in beta and reads one of the six
public samples. A file is read record by record.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from ingestion.bank_files.bai.amounts import (
    Summary,
    Transaction,
    is_credit,
    money,
    summaries,
    transaction,
    units,
)
from ingestion.bank_files.bai.records import Record, records
from ingestion.bank_files.bai.texts import read_text
from ingestion.bank_files.statements import (
    Content,
    Entry,
    Statement,
    StatementKind,
    check_statement,
)
from ingestion.bank_files.swift.fields import lines_of
from ingestion.common.errors import InputRefused

__all__ = ["KIND", "NAME", "parse", "recognises"]

_T = TypeVar("_T")

NAME = "BAI2"
KIND = StatementKind.FINAL
_HEAD = re.compile(rb"^\s*01,[^,\r\n]*,[^,\r\n]*,\d{6},\d{0,4},")
#: Group status: 1 update, 2 deletion, 3 correction, 4 test only.
_NOT_TAKEN = frozenset({"2", "4"})
#: As-of-date modifier: 1 and 3 are interim, 2 and 4 are final.
_INTERIM = frozenset({"1", "3"})
_OPENING, _CLOSING, _CREDITS, _DEBITS = "010", "015", "100", "400"
#: Deposited items and ACH payments that came back, on either side.
_RETURNS = frozenset({"555", "556", "557", "558", "559", "255", "256", "257", "258", "266"})


@dataclass(slots=True)
class _Totals:
    """What a trailer must say: sum in smallest units, parts, physical records."""

    units: int = 0
    parts: int = 0
    records: int = 0


@dataclass(slots=True)
class _Group:
    """A 02 with what its accounts share."""

    as_of: date
    created_at: datetime | None
    currency_code: str
    status: str
    is_interim: bool
    totals: _Totals = field(default_factory=_Totals)


@dataclass(slots=True)
class _Account:
    """A 03 with its transactions so far."""

    account: str
    currency_code: str
    summaries: list[Summary]
    totals: _Totals
    transactions: list[Transaction] = field(default_factory=list)


@dataclass(slots=True)
class _File:
    """Where the reading stands."""

    where: str
    totals: _Totals = field(default_factory=_Totals)
    group: _Group | None = None
    account: _Account | None = None
    statements: list[Statement] = field(default_factory=list)
    is_closed: bool = False


def recognises(head: bytes) -> bool:
    """True for a BAI2 file header."""
    return _HEAD.match(head) is not None


def parse(path: Path, where: str) -> Content:
    """Every statement of a file, checked.

    Raises:
        InputRefused: records out of order or cut off, a field that is none, control totals or
            balances that do not add up.
    """
    file = _File(where)
    for record in records(lines_of(path)):
        _take(record, file)
    if not file.is_closed:
        raise _refused(where, "truncated", "the file trailer (99) is missing: it is cut off")
    if not file.statements:
        raise _refused(where, "no_statement", "it holds no account that is to be taken")
    for statement in file.statements:
        check_statement(statement, where)
    return Content(statements=tuple(_numbered(file.statements)))


def _take(record: Record, file: _File) -> None:
    file.totals.records += record.physical
    if file.group is not None:
        file.group.totals.records += record.physical
    match record.code:
        case "01":
            pass
        case "02":
            file.group = _group(record, file.where)
        case "03":
            file.account = _account(record, _inside(file.group, "03", file.where), file.where)
        case "16":
            account = _inside(file.account, "16", file.where)
            found = transaction(
                record, f"{file.where}, account record of {len(file.statements) + 1}"
            )
            account.transactions.append(found)
            account.totals.units += found.units
            account.totals.records += record.physical
        case "49":
            _close_account(record, file)
        case "98":
            group = _inside(file.group, "98", file.where)
            _check(record, group.totals, "group (98)", file.where)
            _add(file.totals, group.totals.units)
            file.group = None
        case "99":
            _check(record, file.totals, "file (99)", file.where)
            file.is_closed = True
        case _:
            raise _refused(file.where, "bad_record", f"record {record.code} has nothing before it")


def _group(record: Record, where: str) -> _Group:
    fields = [*record.fields(), "", "", "", "", "", "", ""]
    as_of = _day(fields[3], where)
    time = fields[4] if re.fullmatch(r"\d{4}", fields[4]) else ""
    created_at = None
    if time and int(time[:2]) < 24 and int(time[2:]) < 60:
        created_at = datetime(
            as_of.year, as_of.month, as_of.day, int(time[:2]), int(time[2:]), tzinfo=UTC
        )
    return _Group(
        as_of=as_of,
        created_at=created_at,
        currency_code=fields[5] or "USD",
        status=fields[2],
        is_interim=fields[6] in _INTERIM,
        totals=_Totals(records=record.physical),
    )


def _account(record: Record, group: _Group, where: str) -> _Account:
    fields = [*record.fields(), ""]
    found = summaries(record, f"{where}, account {fields[0][-4:]}")
    totals = _Totals(units=sum(one.units for one in found), records=record.physical)
    return _Account(fields[0], fields[1] or group.currency_code, found, totals)


def _close_account(record: Record, file: _File) -> None:
    group = _inside(file.group, "49", file.where)
    account = _inside(file.account, "49", file.where)
    account.totals.records += record.physical
    _check(record, account.totals, f"account ****{account.account[-4:]} (49)", file.where)
    _add(group.totals, account.totals.units)
    if group.status not in _NOT_TAKEN:
        file.statements.append(_statement(account, group, file.where))
    file.account = None


def _add(totals: _Totals, found: int) -> None:
    totals.units += found
    totals.parts += 1


def _check(record: Record, totals: _Totals, what: str, where: str) -> None:
    """A trailer against what was read.

    Raises:
        InputRefused: sum, number of parts or of records differ.
    """
    fields = record.fields()
    expected = (
        [totals.units, totals.records]
        if record.code == "49"
        else [
            totals.units,
            totals.parts,
            totals.records,
        ]
    )
    said = [units(one, where) for one in fields[: len(expected)]]
    names = (
        ["control total", "records"]
        if record.code == "49"
        else [
            "control total",
            "parts",
            "records",
        ]
    )
    # A count that the bank leaves out is not checked.
    for name, one, other, text in zip(names, said, expected, fields, strict=False):
        if text and one != other:
            raise _refused(
                where,
                "control_totals_do_not_add_up",
                f"{name} of the {what} is said to be {one}, the file holds {other}: a record is "
                "missing or wrong",
            )


def _statement(account: _Account, group: _Group, where: str) -> Statement:
    place = f"account ****{account.account[-4:]} in {where}"
    entries = tuple(
        _entry(one, number, account, group, place)
        for number, one in enumerate(account.transactions, 1)
    )
    found = {one.code: one for one in reversed(account.summaries)}
    has_ledger = not group.is_interim and _OPENING in found and _CLOSING in found

    def balance(code: str) -> Decimal | None:
        return money(found[code].units, account.currency_code, place) if has_ledger else None

    warnings = [] if has_ledger else _incomplete(entries, found, account.currency_code, where)
    return Statement(
        vendor_id=f"{group.as_of.isoformat()}",
        account=account.account,
        currency_code=account.currency_code,
        sequence_number="",
        opening_amount=balance(_OPENING),
        closing_amount=balance(_CLOSING),
        opening_date=group.as_of,
        closing_date=group.as_of,
        created_at=group.created_at,
        entries=entries,
        entries_read=len(entries),
        kind=StatementKind.INTERIM if group.is_interim else StatementKind.FINAL,
        warnings=tuple(warnings),
    )


def _incomplete(
    entries: tuple[Entry, ...], found: dict[str, Summary], currency_code: str, where: str
) -> Iterator[InputRefused]:
    """Totals of credits and debits that the transactions do not explain.

    Banks may report sums without the movements behind them, so this is a warning.
    """
    for code, side in ((_CREDITS, 1), (_DEBITS, -1)):
        if code not in found:
            continue
        total = money(found[code].units, currency_code, where)
        read = sum((e.amount for e in entries if e.amount * side > 0), Decimal(0)) * side
        if total != read:
            yield InputRefused(
                f"{where}: total {'credits' if side > 0 else 'debits'} ({code}) are {total} "
                f"{currency_code}, the transactions sum to {read}: ask the bank for the details",
                code="details_incomplete",
                where=where,
            )


def _entry(found: Transaction, number: int, account: _Account, group: _Group, where: str) -> Entry:
    side = is_credit(found.code)
    if side is None:
        raise _refused(where, "unknown_type_code", f"type code {found.code!r} is on neither side")
    amount = money(found.units, account.currency_code, where)
    words = read_text(found.text, found.customer_reference)
    is_reversal = found.code in _RETURNS
    return Entry(
        position=number,
        amount=amount if side else -amount,
        currency_code=account.currency_code,
        booking_date=group.as_of,
        value_date=_day(found.value_date, where) if found.value_date else group.as_of,
        is_reversal=is_reversal,
        account_servicer_reference=found.bank_reference,
        end_to_end_id=words.end_to_end_id,
        entry_reference=found.customer_reference,
        remittance_text=words.text,
        payer_name=words.payer_name if side else "",
        payer_account=words.payer_account if side else "",
        bank_code=found.code,
        virtual_account=words.lockbox if side else "",
        original_reference=words.original_reference if is_reversal else "",
        return_reason=words.return_reason if is_reversal else "",
    )


def _numbered(statements: list[Statement]) -> Iterator[Statement]:
    """BAI2 has no statement numbers: a second statement of an account and day says so in its id."""
    seen: dict[tuple[str, str, str], int] = {}
    for one in statements:
        key = (one.account, one.vendor_id, one.currency_code)
        seen[key] = seen.get(key, 0) + 1
        part = f" part {seen[key]}" if seen[key] > 1 else ""
        yield replace(one, vendor_id=f"{one.vendor_id} {one.currency_code}{part}")


def _day(text: str, where: str) -> date:
    if re.fullmatch(r"\d{6}", text):
        try:
            return date(2000 + int(text[:2]), int(text[2:4]), int(text[4:]))
        except ValueError:
            pass
    raise _refused(where, "bad_date", f"{text!r} is not a date")


def _inside(found: _T | None, code: str, where: str) -> _T:
    if found is None:
        raise _refused(where, "bad_record", f"record {code} stands outside its group or account")
    return found


def _refused(where: str, code: str, what: str) -> InputRefused:
    return InputRefused(f"{where}: {what}: ask the bank to send it again", code=code, where=where)
