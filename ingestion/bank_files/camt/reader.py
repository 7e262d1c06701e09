"""A camt file as statements, streamed: neither a huge nor a hostile file fills memory.

Entities and document types are refused. Pending and informational entries are no movements and are
left out. What differs between the three messages is given by the format module.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from lxml import etree

from ingestion.bank_files.camt.elements import (
    account,
    amount_of,
    children,
    day,
    instant,
    name,
    text,
)
from ingestion.bank_files.camt.entries import entries_of
from ingestion.bank_files.statements import (
    Content,
    Entry,
    Statement,
    StatementKind,
    check_statement,
)
from ingestion.common.errors import InputRefused

__all__ = ["read_camt"]

_OPENING, _CLOSING, _INTERIM = ("OPBD", "PRCD"), ("CLBD",), "ITBD"


@dataclass(slots=True)
class _Gathered:
    """Entries since the last end of a container, and what already was said about it."""

    entries: list[Entry] = field(default_factory=list)
    entries_read: int = 0


def read_camt(path: Path, where: str, *, container: str, kind: StatementKind) -> Content:
    """Every statement of a file, checked.

    Args:
        path: the file.
        where: its name, for messages.
        container: the element that is one statement (``Stmt``, ``Rpt``, ``Ntfctn``).
        kind: what the message may claim.

    Raises:
        InputRefused: cut off or not XML, a DTD, a missing part, an amount or currency that is
            none, balances that do not add up.
    """
    statements: list[Statement] = []
    gathered = _Gathered()
    try:
        with path.open("rb") as file:
            for element in _elements(file, container, where):
                if name(element) == "Ntry":
                    _gather(element, gathered, kind, where)
                else:
                    statements.append(_statement(element, gathered, kind, where))
                    gathered = _Gathered()
                element.clear()
                _forget_before(element)
    except etree.XMLSyntaxError as error:
        raise InputRefused(
            f"{where} is cut off or not well-formed XML (line {error.lineno}: {error.msg}): ask "
            "the bank to send it again",
            code="truncated",
            where=where,
        ) from error
    if not statements:
        raise InputRefused(
            f"{where} holds no statement ({container}): ask the bank to send it again",
            code="no_statement",
            where=where,
        )
    for statement in statements:
        if kind is not StatementKind.NOTICE:
            check_statement(statement, where)
    return Content(statements=tuple(statements))


def _elements(file: IO[bytes], container: str, where: str) -> Iterator[etree._Element]:
    """Entries and containers as they end; the caller clears them.

    Raises:
        InputRefused: the file carries a document type definition.
    """
    _, root = next(_events(file, ("start",)))
    information: Any = root.getroottree().docinfo
    if information.doctype:
        raise InputRefused(
            f"{where} carries a document type definition, which no statement needs: it is not "
            "read; ask the bank where it comes from",
            code="forbidden_doctype",
            where=where,
        )
    file.seek(0)
    for _, element in _events(file, ("end",), (f"{{*}}{container}", "{*}Ntry")):
        parent = element.getparent()
        if name(element) == container or (parent is not None and name(parent) == container):
            yield element


def _events(
    file: IO[bytes], events: tuple[str, ...], tags: tuple[str, ...] | None = None
) -> Iterator[tuple[str, etree._Element]]:
    """Parsing events; nothing outside the file is ever read, and no entity is expanded."""
    found: Iterator[tuple[str, etree._Element]] = etree.iterparse(
        file,
        events=events,
        tag=tags,
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
    )
    return found


def _forget_before(element: etree._Element) -> None:
    """Drop cleared entries before this one: even empty, 100,000 of them weigh 60 MB."""
    parent = element.getparent()
    if parent is None or name(element) != "Ntry":
        return
    previous = element.getprevious()
    if previous is not None and name(previous) == "Ntry":
        parent.remove(previous)


def _gather(element: etree._Element, gathered: _Gathered, kind: StatementKind, where: str) -> None:
    gathered.entries_read += 1
    place = f"entry {gathered.entries_read} of {where}"
    # A notice is no money, so an entry without a date is still of use.
    fallback = date.min if kind is StatementKind.NOTICE else None
    gathered.entries += entries_of(element, len(gathered.entries), fallback, place)


def _statement(
    element: etree._Element, gathered: _Gathered, kind: StatementKind, where: str
) -> Statement:
    vendor_id = text(element, "Id")
    own_account = account(element, "Acct")
    balances = _balances(element, vendor_id, where) if kind is StatementKind.FINAL else None
    created_at = instant(text(element, "CreDtTm"), where)
    days = [one.booking_date for one in gathered.entries if one.booking_date > date.min]
    count = text(element, "TxsSummry", "TtlNtries", "NbOfNtries")
    return Statement(
        vendor_id=vendor_id,
        account=own_account,
        currency_code=balances.currency_code if balances else _currency(element, gathered),
        sequence_number=text(element, "ElctrncSeqNb") or text(element, "LglSeqNb"),
        opening_amount=balances.opening_amount if balances else None,
        closing_amount=balances.closing_amount if balances else None,
        opening_date=balances.opening_date if balances else min(days, default=None),
        closing_date=balances.closing_date if balances else max(days, default=None),
        created_at=created_at,
        entries=tuple(_finished(one, own_account) for one in gathered.entries),
        entries_read=gathered.entries_read,
        declared_entries=int(count) if count.isdigit() else None,
        kind=kind,
    )


def _finished(entry: Entry, own_account: str) -> Entry:
    """An entry without the creditor account where that is just the statement's own."""
    is_own = _plain(entry.virtual_account) == _plain(own_account)
    return replace(entry, virtual_account="") if is_own and entry.virtual_account else entry


def _plain(number: str) -> str:
    return "".join(one for one in number if one.isalnum()).upper()


def _currency(element: etree._Element, gathered: _Gathered) -> str:
    """The account's currency where there are no balances to compare it with."""
    declared = text(element, "Acct", "Ccy")
    if declared or not gathered.entries:
        return declared
    return gathered.entries[0].currency_code


@dataclass(frozen=True, slots=True)
class _Balances:
    opening_amount: Decimal
    closing_amount: Decimal
    opening_date: date | None
    closing_date: date | None
    currency_code: str


def _balances(element: etree._Element, vendor_id: str, where: str) -> _Balances:
    """Opening and closing balance, in one currency.

    Raises:
        InputRefused: one is missing, or their currencies differ.
    """
    found = [(_balance_type(one), one) for one in children(element, "Bal")]
    interim = [one for kind, one in found if kind == _INTERIM]
    opening, closing = _first_of(found, _OPENING), _first_of(found, _CLOSING)
    if opening is None and interim:
        opening = interim[0]
    if closing is None and len(interim) > 1:
        closing = interim[-1]
    if opening is None or closing is None:
        raise InputRefused(
            f"statement {vendor_id} in {where} has no "
            f"{'opening' if opening is None else 'closing'} balance "
            f"({'OPBD' if opening is None else 'CLBD'}): ask the bank for a complete statement",
            code="missing_balance",
            where=where,
        )
    opening_amount, currency_code = amount_of(opening, where)
    closing_amount, closing_currency = amount_of(closing, where)
    declared = text(element, "Acct", "Ccy") or currency_code
    if {closing_currency, declared} != {currency_code}:
        raise InputRefused(
            f"statement {vendor_id} in {where}: the account is in {declared}, the opening balance "
            f"in {currency_code}, the closing balance in {closing_currency}: ask the bank for a "
            "correct statement",
            code="currency_mismatch",
            where=where,
        )
    return _Balances(
        opening_amount,
        closing_amount,
        day(opening, "Dt", where),
        day(closing, "Dt", where),
        currency_code,
    )


def _balance_type(element: etree._Element) -> str:
    return text(element, "Tp", "CdOrPrtry", "Cd") or text(element, "Tp", "Cd")


def _first_of(
    balances: list[tuple[str, etree._Element]], kinds: tuple[str, ...]
) -> etree._Element | None:
    """The first balance of the most wanted kind."""
    for kind in kinds:
        for found, element in balances:
            if found == kind:
                return element
    return None
