"""SWIFT MT940 (statement, end of day) and MT942 (interim report), in the forms banks send them.

Read message by message, so a file of any number of statements stays flat in memory. The mt-940
package was tried and left: it reads a file as one statement (of several, the last balances win)
and gives a reversed credit (``RC``) a positive amount. Each page (60M/62M) is a statement of its
own, whose balances must add up. It must not hold any rule that is true for every format.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from ingestion.bank_files.identity import has_reference
from ingestion.bank_files.statements import (
    Content,
    Entry,
    Statement,
    StatementKind,
    check_statement,
)
from ingestion.bank_files.swift.details import read_details
from ingestion.bank_files.swift.fields import TAG, Field, lines_of, messages
from ingestion.bank_files.swift.lines import (
    Balance,
    Line,
    read_balance,
    read_instant,
    read_line,
    read_total,
)
from ingestion.common.errors import InputRefused

__all__ = ["KIND", "NAME", "parse", "recognises"]

NAME = "MT940/MT942"
KIND = StatementKind.FINAL
_NUMBER = re.compile(r"^\s*(\d+)(?:/(\d+))?")
_INTERIM_TAGS = frozenset({"13", "13D", "34F", "90C", "90D"})
_CURRENCY_BEHIND = re.compile(r"(?<=\d)[A-Z]{3}$")


@dataclass(slots=True)
class _Movement:
    """A :61: with the :86: (or :NS:) lines behind it."""

    line: str
    words: list[str] = field(default_factory=list)


def recognises(head: bytes) -> bool:
    """True where a line begins with a SWIFT tag such as ``:20:``."""
    lines = head.replace(b"\r", b"").split(b"\n")
    return any(TAG.match(line.decode("latin-1")) for line in lines)


def parse(path: Path, where: str) -> Content:
    """Every statement of a file, checked.

    Raises:
        InputRefused: a field or balance is missing or none, or balances do not add up.
    """
    statements = [_statement(fields, where) for fields in messages(lines_of(path))]
    for statement in statements:
        check_statement(statement, where)
    if not statements:
        raise InputRefused(
            f"{where} holds no SWIFT message: ask the bank to send it again",
            code="no_statement",
            where=where,
        )
    return Content(statements=tuple(statements))


def _statement(fields: Sequence[Field], where: str) -> Statement:
    found = {one.tag: one.value.strip() for one in reversed(fields)}
    tags = {one.tag for one in fields}
    is_interim = bool(tags & _INTERIM_TAGS) and not tags & {"60F", "60M", "62F", "62M"}
    opening, closing = (None, None) if is_interim else _balances(found, where)
    currency_code = opening.currency_code if opening else _interim_currency(found, where)
    movements = _movements(fields)
    entries = tuple(
        _entry(one, number, currency_code, f"entry {number} of {where}")
        for number, one in enumerate(movements, 1)
    )
    if is_interim:
        _check_totals(entries, found, where)
    account = "".join(found.get("25", "").split())
    numbered = _NUMBER.match(found.get("28C") or found.get("28") or "")
    number = numbered.group(1).lstrip("0") if numbered else ""
    closing_date = closing.day if closing else max((e.booking_date for e in entries), default=None)
    page = f"/{numbered.group(2)}" if numbered and numbered.group(2) else ""
    day = f" {closing_date.isoformat()}" if closing_date else ""
    return Statement(
        # The bank's own reference is often one word for every statement it ever sends.
        vendor_id=f"{found.get('20', '')}{page}{day}".strip(),
        account=_without_currency(account, currency_code),
        currency_code=currency_code,
        sequence_number=number,
        opening_amount=opening.amount if opening else None,
        closing_amount=closing.amount if closing else None,
        opening_date=opening.day if opening else None,
        closing_date=closing_date,
        created_at=_created_at(found, where) if is_interim else None,
        entries=entries,
        entries_read=len(entries),
        kind=StatementKind.INTERIM if is_interim else StatementKind.FINAL,
    )


def _balances(found: dict[str, str], where: str) -> tuple[Balance, Balance]:
    """Opening and closing balance, in one currency.

    Raises:
        InputRefused: one is missing, or their currencies differ.
    """
    first = found.get("60F") or found.get("60M")
    last = found.get("62F") or found.get("62M")
    if not first or not last:
        missing = "opening balance (:60F:)" if not first else "closing balance (:62F:)"
        raise InputRefused(
            f"{where}: statement {found.get('20', '(no id)')} has no {missing}: it is cut off; ask "
            "the bank for a complete statement",
            code="missing_balance",
            where=where,
        )
    opening = read_balance(first, "", where)
    closing = read_balance(last, opening.currency_code, where)
    if closing.currency_code != opening.currency_code:
        raise InputRefused(
            f"{where}: opening balance in {opening.currency_code}, closing in "
            f"{closing.currency_code}: ask the bank for a correct statement",
            code="currency_mismatch",
            where=where,
        )
    if not found.get("25"):
        raise InputRefused(
            f"{where}: statement {found.get('20', '(no id)')} names no account (:25:): ask the "
            "bank for a complete statement",
            code="missing_account",
            where=where,
        )
    return opening, closing


def _interim_currency(found: dict[str, str], where: str) -> str:
    """The currency of an MT942: its floor limit or its totals say it."""
    for tag in ("34F", "90C", "90D"):
        match = re.search(r"[A-Z]{3}", found.get(tag, ""))
        if match:
            return match.group()
    raise InputRefused(
        f"{where}: the interim report {found.get('20', '')} names no currency (:34F:): ask the "
        "bank for a complete one",
        code="unknown_currency",
        where=where,
    )


def _created_at(found: dict[str, str], where: str) -> datetime | None:
    value = found.get("13D") or found.get("13")
    return read_instant(value, where) if value else None


def _without_currency(account: str, currency_code: str) -> str:
    """Some banks write the account's currency behind its number."""
    return (
        account[:-3]
        if account.endswith(currency_code) and _CURRENCY_BEHIND.search(account)
        else account
    )


def _movements(fields: Sequence[Field]) -> list[_Movement]:
    """Statement lines with their information; what follows a balance belongs to the statement."""
    found: list[_Movement] = []
    is_line = False
    for one in fields:
        if one.tag == "61":
            found.append(_Movement(one.value))
            is_line = True
        elif one.tag in ("86", "NS") and is_line:
            found[-1].words.append(one.value)
        else:
            is_line = False
    return found


def _entry(movement: _Movement, number: int, currency_code: str, where: str) -> Entry:
    line: Line = read_line(movement.line, currency_code, where)
    details = read_details("\n".join(movement.words))
    bank = line.bank_reference if has_reference(line.bank_reference) else ""
    customer = line.customer_reference if has_reference(line.customer_reference) else ""
    text = " ".join(part for part in (line.extra, details.text) if part)
    end_to_end = details.end_to_end_id
    original = details.return_reference or end_to_end or customer if line.is_reversal else ""
    return Entry(
        position=number,
        amount=line.amount,
        currency_code=currency_code,
        booking_date=line.booking_date,
        value_date=line.value_date,
        is_reversal=line.is_reversal,
        account_servicer_reference=bank,
        end_to_end_id="" if end_to_end.upper() == "NOTPROVIDED" else end_to_end,
        entry_reference=customer,
        remittance_text=text,
        payer_name=details.payer_name if line.amount > 0 else "",
        payer_account=details.payer_account if line.amount > 0 else "",
        ultimate_payer_name=details.ultimate_payer_name,
        bank_code="-".join(part for part in (line.type_code, details.code) if part),
        original_reference=original,
    )


def _check_totals(entries: Sequence[Entry], found: dict[str, str], where: str) -> None:
    """An MT942 has no balances; number and sum of its debits and credits stand for them.

    Raises:
        InputRefused: they are not those of its entries.
    """
    for tag, is_credit in (("90C", True), ("90D", False)):
        if tag not in found:
            continue
        total = read_total(found[tag], where)
        side = [abs(one.amount) for one in entries if (one.amount > 0) is is_credit]
        if (len(side), sum(side, Decimal(0))) != (total.count, total.amount):
            raise InputRefused(
                f"{where}: :{tag}: says {total.count} entries of {total.amount}, the report holds "
                f"{len(side)} of {sum(side, Decimal(0))}: ask the bank to send it again",
                code="totals_do_not_add_up",
                where=where,
            )
