"""X12 823 (lockbox): deposits with the checks in them and what each check pays.

The bank's statement books the deposit as one amount; this file says which payments it is made of,
so it is a notice. The deposit's own total must be the sum of its checks.
"""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from ingestion.bank_files.remittances import Remittance
from ingestion.bank_files.statements import Content, Entry, Statement, StatementKind
from ingestion.bank_files.x12.payments import amount, day, payments
from ingestion.bank_files.x12.segments import Segment, Set, sets
from ingestion.common.errors import InputRefused

__all__ = ["KIND", "NAME", "parse", "recognises"]

NAME = "EDI 823"
KIND = StatementKind.NOTICE
_SET = re.compile(rb"ST.823[^A-Za-z0-9]")


def recognises(head: bytes) -> bool:
    """True for an interchange whose first transaction set is an 823."""
    return head.startswith(b"ISA") and _SET.search(head) is not None


def parse(path: Path, where: str) -> Content:
    """Every deposit of a file as a notice.

    Raises:
        InputRefused: cut off, counts or a deposit's total that do not agree, a value that is none.
    """
    found: list[Statement] = []
    for one in sets(path, where):
        if one.kind == "823":
            found += _deposits(one, where)
    if not found:
        raise InputRefused(
            f"{where} holds no deposit (DEP): ask the bank to send it again",
            code="no_statement",
            where=where,
        )
    return Content(statements=tuple(found))


def _deposits(one: Set, where: str) -> list[Statement]:
    currency = next((s[2] for s in one.segments if s.name == "CUR" and s[2]), "USD")
    parts: list[list[Segment]] = []
    for segment in one.segments:
        if segment.name == "DEP":
            parts.append([segment])
        elif parts:
            parts[-1].append(segment)
    return [_deposit(part, currency, f"set {one.control_number} of {where}") for part in parts]


def _deposit(segments: Sequence[Segment], currency_code: str, where: str) -> Statement:
    head = segments[0]
    deposited = day(head[2], where)
    if deposited is None:
        raise InputRefused(
            f"{where}: deposit {head[1]} has no date: ask the bank to send it again",
            code="missing_date",
            where=where,
        )
    start = next((n for n, s in enumerate(segments) if s.name == "BPR"), len(segments))
    checks = payments(segments[start:], currency_code, where)
    total = sum((one.payment_amount for one in checks), Decimal(0))
    said = next((s[2] for s in segments[:start] if s.name == "AMT"), "")
    if said and amount(said, currency_code, where) != total:
        raise InputRefused(
            f"{where}: deposit {head[1]} is said to be {said}, its checks sum to {total} "
            f"{currency_code}: ask the bank to send it again",
            code="control_totals_do_not_add_up",
            where=where,
        )
    reference = "/".join(part for part in (head[1], head[4]) if part)
    return Statement(
        vendor_id=f"{reference} {deposited.isoformat()}",
        account=head[8],
        currency_code=currency_code,
        sequence_number="",
        opening_amount=None,
        closing_amount=None,
        opening_date=deposited,
        closing_date=deposited,
        created_at=datetime(deposited.year, deposited.month, deposited.day, tzinfo=UTC),
        entries=tuple(
            _entry(one, number, head[1], reference, deposited)
            for number, one in enumerate(checks, 1)
        ),
        entries_read=len(checks),
        kind=KIND,
    )


def _entry(check: Remittance, number: int, lockbox: str, reference: str, deposited: date) -> Entry:
    return Entry(
        position=number,
        amount=check.payment_amount,
        currency_code=check.currency_code,
        booking_date=deposited,
        value_date=deposited,
        account_servicer_reference=f"{reference}/{number}",
        entry_reference=check.trace_reference,
        structured_references=";".join(
            dict.fromkeys(line.reference for line in check.lines if line.reference)
        ),
        payer_name=check.payer_name,
        payer_account=check.payer_account,
        virtual_account=lockbox,
        batch_reference=reference,
        transactions=1,
        lines=check.lines,
    )
