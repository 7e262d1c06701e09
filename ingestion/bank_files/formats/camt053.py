"""camt.053 (ISO 20022 bank-to-customer statement), versions 001.02 to 001.13.

Streamed with lxml, entities and DTDs refused, so neither a huge nor a hostile file fills memory.
Namespaces are ignored below the root: versions differ in them and in wrappers (``Pty``, ``Sts/Cd``)
only. Pending and informational entries are no movements and are left out.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import IO

from lxml import etree

from ingestion.bank_files.statements import Entry, Statement, check_statement, total_of
from ingestion.common.errors import InputRefused
from ingestion.common.money import parse_amount

__all__ = ["NAME", "parse", "recognises"]

NAME = "camt.053"
_NAMESPACE = re.compile(
    rb"urn:(?:iso:std:iso:20022:tech:xsd|swift:xsd)[:\w$.]*camt\.053\.001\.\d\d"
)
_OPENING, _CLOSING, _INTERIM = ("OPBD", "PRCD"), ("CLBD",), "ITBD"
_LINE_CHARACTERS = 140
_NOT_PROVIDED = frozenset({"NOTPROVIDED", "NOT PROVIDED"})


def recognises(head: bytes) -> bool:
    """True for a document in a camt.053 namespace."""
    return _NAMESPACE.search(head) is not None


def parse(path: Path, where: str) -> list[Statement]:
    """Every statement of a file, checked.

    Raises:
        InputRefused: cut off or not XML, a DTD, a missing part, an amount or currency that is
            none, balances that do not add up.
    """
    statements: list[Statement] = []
    entries: list[Entry] = []
    entries_read = 0
    try:
        with path.open("rb") as file:
            for element in _elements(file, where):
                if _name(element) == "Ntry":
                    entries_read += 1
                    entries += _entries(element, len(entries), f"entry {entries_read} of {where}")
                else:
                    statements.append(_statement(element, entries, entries_read, where))
                    entries, entries_read = [], 0
                element.clear()
    except etree.XMLSyntaxError as error:
        raise InputRefused(
            f"{where} is cut off or not well-formed XML (line {error.lineno}: {error.msg}): ask "
            "the bank to send it again",
            code="truncated",
            where=where,
        ) from error
    if not statements:
        raise InputRefused(
            f"{where} holds no statement (Stmt): ask the bank to send it again",
            code="no_statement",
            where=where,
        )
    for statement in statements:
        check_statement(statement, where)
    return statements


def _elements(file: IO[bytes], where: str) -> Iterator[etree._Element]:
    """Entries and statements as they end; the caller clears them."""
    events = etree.iterparse(
        file,
        events=("start", "end"),
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
    )
    is_first = True
    for event, element in events:
        if event == "start":
            if is_first and element.getroottree().docinfo.doctype:
                raise InputRefused(
                    f"{where} carries a document type definition, which no statement needs: it is "
                    "not read; ask the bank where it comes from",
                    code="forbidden_doctype",
                    where=where,
                )
            is_first = False
            continue
        name, parent = _name(element), element.getparent()
        is_entry = name == "Ntry" and parent is not None and _name(parent) == "Stmt"
        if is_entry or name == "Stmt":
            yield element


def _statement(
    element: etree._Element, entries: Sequence[Entry], entries_read: int, where: str
) -> Statement:
    vendor_id = _text(element, "Id")
    balances = [(_balance_type(one), one) for one in _all(element, "Bal")]
    interim = [one for kind, one in balances if kind == _INTERIM]
    opening = _first_of(balances, _OPENING)
    if opening is None and interim:
        opening = interim[0]
    closing = _first_of(balances, _CLOSING)
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
    opening_amount, currency_code = _signed(opening, where)
    closing_amount, closing_currency = _signed(closing, where)
    declared = _text(element, "Acct", "Ccy") or currency_code
    if {closing_currency, declared} != {currency_code}:
        raise InputRefused(
            f"statement {vendor_id} in {where}: the account is in {declared}, the opening balance "
            f"in {currency_code}, the closing balance in {closing_currency}: ask the bank for a "
            "correct statement",
            code="currency_mismatch",
            where=where,
        )
    count = _text(element, "TxsSummry", "TtlNtries", "NbOfNtries")
    return Statement(
        vendor_id=vendor_id,
        account=_account(element, "Acct"),
        currency_code=currency_code,
        sequence_number=_text(element, "ElctrncSeqNb") or _text(element, "LglSeqNb"),
        opening_amount=opening_amount,
        closing_amount=closing_amount,
        opening_date=_date(opening, "Dt", where),
        closing_date=_date(closing, "Dt", where),
        created_at=_instant(_text(element, "CreDtTm"), where),
        entries=tuple(entries),
        entries_read=entries_read,
        declared_entries=int(count) if count.isdigit() else None,
    )


def _entries(element: etree._Element, before: int, where: str) -> list[Entry]:
    """The movements of one ``Ntry``: none when pending, several when a batch can be split."""
    status = _text(element, "Sts", "Cd") or _text(element, "Sts", "Prtry") or _text(element, "Sts")
    if status not in ("", "BOOK"):
        return []
    amount, currency_code = _signed(element, where)
    booked = _date(element, "BookgDt", where)
    valued = _date(element, "ValDt", where)
    if booked is None and valued is None:
        raise InputRefused(
            f"{where} has neither booking nor value date: ask the bank for a correct statement",
            code="missing_date",
            where=where,
        )
    whole = Entry(
        position=before + 1,
        amount=amount,
        currency_code=currency_code,
        booking_date=booked or valued or date.min,
        value_date=valued or booked or date.min,
        is_reversal=_text(element, "RvslInd") in ("true", "1"),
        account_servicer_reference=_text(element, "AcctSvcrRef"),
        entry_reference=_text(element, "NtryRef"),
        bank_code=_bank_code(element),
    )
    details = [tx for group in _all(element, "NtryDtls") for tx in _all(group, "TxDtls")]
    split = _split(whole, details, where)
    if split:
        return split
    return [_with_details(whole, details, _text(element, "AddtlNtryInf"))]


def _split(whole: Entry, details: Sequence[etree._Element], where: str) -> list[Entry]:
    """A batch booking as its transactions, when each has an amount and they sum to the entry."""
    if len(details) < 2:
        return []
    amounts = [_detail_amount(one, whole, where) for one in details]
    if None in amounts:
        return []
    parts = []
    for number, (one, amount) in enumerate(zip(details, amounts, strict=True), 1):
        assert amount is not None
        own = _text(one, "Refs", "AcctSvcrRef")
        shared = whole.account_servicer_reference
        has_own = own not in ("", shared)
        reference = own if has_own else (f"{shared}/{number}" if shared else "")
        part = replace(
            whole,
            position=whole.position + number - 1,
            amount=amount,
            account_servicer_reference=reference,
        )
        parts.append(_with_details(part, [one], ""))
    return parts if total_of(parts) == whole.amount else []


def _detail_amount(element: etree._Element, whole: Entry, where: str) -> Decimal | None:
    """A transaction's amount in the account's currency, signed; None when it has none."""
    for path in (("AmtDtls", "TxAmt"), ()):
        holder = _child(element, *path) if path else element
        found = None if holder is None else _child(holder, "Amt")
        if found is None or found.get("Ccy") != whole.currency_code:
            continue
        amount = parse_amount(found.text or "", whole.currency_code, where=where)
        side = _text(element, "CdtDbtInd")
        is_debit = side == "DBIT" if side else whole.amount < 0
        return -amount if is_debit else amount
    return None


def _with_details(entry: Entry, details: Sequence[etree._Element], fallback: str) -> Entry:
    """An entry with what its transaction details say; of several only what they agree on."""

    def agreed(*path: str) -> str:
        found = {_text(one, *path) for one in details} - {""}
        return found.pop() if len(found) == 1 else ""

    def party(role: str) -> str:
        return agreed("RltdPties", role, "Pty", "Nm") or agreed("RltdPties", role, "Nm")

    accounts = {
        _account(parties, "DbtrAcct")
        for one in details
        if (parties := _child(one, "RltdPties")) is not None
    } - {""}
    end_to_end = agreed("Refs", "EndToEndId")
    texts = [text for one in details if (text := _remittance(one))]
    return replace(
        entry,
        account_servicer_reference=entry.account_servicer_reference
        or agreed("Refs", "AcctSvcrRef"),
        end_to_end_id="" if end_to_end in _NOT_PROVIDED else end_to_end,
        remittance_text="\n".join(texts) or agreed("AddtlTxInf") or fallback,
        structured_references=";".join(_structured(details, "RfrdDocInf", "Nb")),
        creditor_reference=";".join(_structured(details, "CdtrRefInf", "Ref")),
        payer_name=party("Dbtr"),
        payer_account=accounts.pop() if len(accounts) == 1 else "",
        ultimate_payer_name=party("UltmtDbtr"),
    )


def _remittance(element: etree._Element) -> str:
    """``Ustrd`` repeats as one text: a full line runs on, a shorter one ends a word."""
    information = _child(element, "RmtInf")
    if information is None:
        return ""
    text = ""
    for line in _all(information, "Ustrd"):
        piece = (line.text or "").replace("\n", " ").strip("\r")
        text += piece if len(piece) >= _LINE_CHARACTERS else piece + " "
    return text.strip()


def _structured(details: Sequence[etree._Element], *path: str) -> list[str]:
    """Structured references, each once, in order."""
    found: dict[str, None] = {}
    for one in details:
        information = _child(one, "RmtInf")
        if information is None:
            continue
        for part in _all(information, "Strd"):
            for holder in _all(part, path[0]):
                text = _text(holder, *path[1:])
                if text:
                    found[text] = None
    return list(found)


def _bank_code(element: etree._Element) -> str:
    code = _child(element, "BkTxCd")
    if code is None:
        return ""
    family = ("Domn", "Fmly")
    parts = (
        _text(code, "Domn", "Cd"),
        _text(code, *family, "Cd"),
        _text(code, *family, "SubFmlyCd"),
    )
    return "-".join(part for part in parts if part) or _text(code, "Prtry", "Cd")


def _account(element: etree._Element, name: str) -> str:
    """An account's IBAN or other id, without blanks."""
    for path in (("Id", "IBAN"), ("Id", "Othr", "Id"), ("Id", "PrtryAcct", "Id"), ("Id", "BBAN")):
        text = _text(element, name, *path)
        if text:
            return text.replace(" ", "")
    return ""


def _balance_type(element: etree._Element) -> str:
    return _text(element, "Tp", "CdOrPrtry", "Cd") or _text(element, "Tp", "Cd")


def _first_of(
    balances: Sequence[tuple[str, etree._Element]], kinds: Sequence[str]
) -> etree._Element | None:
    """The first balance of the most wanted kind."""
    for kind in kinds:
        for found, element in balances:
            if found == kind:
                return element
    return None


def _signed(element: etree._Element, where: str) -> tuple[Decimal, str]:
    """``Amt`` with its currency, negative for a debit."""
    holder = _child(element, "Amt")
    side = _text(element, "CdtDbtInd")
    if holder is None or side not in ("CRDT", "DBIT"):
        missing = "amount (Amt)" if holder is None else "credit/debit sign (CdtDbtInd)"
        raise InputRefused(
            f"{where} lacks its {missing}: ask the bank for a correct statement",
            code="missing_amount",
            where=where,
        )
    currency_code = holder.get("Ccy", "")
    amount = parse_amount(holder.text or "", currency_code, where=where)
    return (-amount if side == "DBIT" else amount), currency_code


def _date(element: etree._Element, name: str, where: str) -> date | None:
    """A date given as ``Dt`` or ``DtTm``; the calendar day that the bank wrote."""
    text = _text(element, name, "Dt") or _text(element, name, "DtTm")
    if not text:
        return None
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise InputRefused(
            f"{where}: {text!r} is not a date: ask the bank for a correct statement",
            code="bad_date",
            where=where,
        ) from None


def _instant(text: str, where: str) -> datetime | None:
    """An instant; without an offset it is taken as UTC."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InputRefused(
            f"{where}: {text!r} is not a point in time: ask the bank for a correct statement",
            code="bad_date",
            where=where,
        ) from None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


def _name(element: etree._Element) -> str:
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def _all(element: etree._Element, name: str) -> list[etree._Element]:
    """Direct children of a name, in any namespace."""
    return [child for child in element if _name(child) == name]


def _child(element: etree._Element, *path: str) -> etree._Element | None:
    for name in path:
        found = next((child for child in element if _name(child) == name), None)
        if found is None:
            return None
        element = found
    return element


def _text(element: etree._Element, *path: str) -> str:
    """Text at a path of names, stripped; empty when absent."""
    found = _child(element, *path)
    return (found.text or "").strip() if found is not None else ""
