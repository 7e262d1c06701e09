"""Which stored movement an entry is: identities that outlive resends, interim reports and notices.

A reference identifies a movement together with its amount and value date. An interim report shows
a movement before its statement does, perhaps under another reference: a statement therefore first
claims what interim reports of its account left open. It must not read files or the warehouse.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING

from ingestion.common.money import canonical_text

if TYPE_CHECKING:
    from ingestion.bank_files.statements import Entry, Statement

__all__ = [
    "Known",
    "digest",
    "has_reference",
    "receipt_id_of",
    "receipt_ids",
    "statement_id_of",
]

_ID_HEX = 20
#: What banks write when there is no reference.
_NO_REFERENCE = frozenset({"", "NONREF", "NOTPROVIDED", "NONE", "0"})


@dataclass(frozen=True, slots=True)
class Known:
    """An entry that is stored already, as far as identity needs it.

    ``is_interim``: only an interim report has shown it so far; the rest is then filled too.
    """

    amount: Decimal
    value_date: date
    is_interim: bool = False
    account: str = ""
    booking_date: date = date.min
    end_to_end_id: str = ""
    payer_account: str = ""


_NONE_KNOWN: Mapping[str, Known] = MappingProxyType({})


def digest(*parts: str) -> str:
    """A short stable hash of several texts."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:_ID_HEX]


def statement_id_of(account: str, vendor_id: str, sequence_number: str) -> str:
    """The identity of a statement."""
    return digest(account, vendor_id, sequence_number)


def receipt_id_of(account: str, *parts: str) -> str:
    """The identity of a receipt: own account and the bank's reference, or what stands for it."""
    return digest(account, *parts)


def has_reference(reference: str) -> bool:
    """True for a reference that says something."""
    return reference.upper() not in _NO_REFERENCE


def receipt_ids(
    statement: "Statement",
    known: Mapping[str, Known],
    interim: Mapping[str, Known] = _NONE_KNOWN,
) -> list[str]:
    """One id per entry, stable when the bank sends the same movement again.

    Where a bank uses one reference for two movements (a reversal, a recurring text) the later one
    is identified by its place in the statement, so that no receipt overwrites another.

    Args:
        statement: whose entries.
        known: stored entries by receipt id.
        interim: those of ``known`` that only interim reports have shown so far.
    """
    found: list[str] = []
    taken: set[str] = set()
    open_interim = _open_interim(statement, interim)
    for entry in statement.entries:
        receipt_id = _by_reference(statement, entry, known)
        if receipt_id is None or receipt_id in taken:
            receipt_id = _by_place(statement, entry)
        open_interim.pop(receipt_id, None)
        taken.add(receipt_id)
        found.append(receipt_id)
    return _claim(statement.entries, found, known, open_interim) if open_interim else found


def _by_place(statement: "Statement", entry: "Entry") -> str:
    return receipt_id_of(
        statement.account,
        statement.statement_id,
        str(entry.position),
        canonical_text(entry.amount),
        entry.value_date.isoformat(),
    )


def _by_reference(statement: "Statement", entry: "Entry", known: Mapping[str, Known]) -> str | None:
    """The id of the bank's reference, unless another movement has it already."""
    if not has_reference(entry.account_servicer_reference):
        return None
    receipt_id = receipt_id_of(statement.account, entry.account_servicer_reference)
    before = known.get(receipt_id)
    if before is None or before.amount != entry.amount:
        return receipt_id if before is None else None
    # An interim report may have expected another value date.
    is_same = before.is_interim or statement.is_interim or before.value_date == entry.value_date
    return receipt_id if is_same else None


def _open_interim(statement: "Statement", interim: Mapping[str, Known]) -> dict[str, Known]:
    """Interim movements that this statement must hold, by id."""
    if statement.is_interim or statement.closing_date is None:
        return {}
    return {
        receipt_id: one
        for receipt_id, one in interim.items()
        if one.account == statement.account and one.booking_date <= statement.closing_date
    }


def _claim(
    entries: Sequence["Entry"],
    found: list[str],
    known: Mapping[str, Known],
    open_interim: dict[str, Known],
) -> list[str]:
    """Give new entries the ids of interim movements that the bank renamed.

    Only entries of the same amount and booking date are the same; among several the payment's own
    reference decides, then the payer's account, then their order.
    """
    claimed = list(found)
    for likeness in (_same_end_to_end, _same_payer, _same_day):
        for place, entry in enumerate(entries):
            if claimed[place] in known or claimed[place] != found[place]:
                continue
            for receipt_id, one in open_interim.items():
                if one.amount == entry.amount and likeness(entry, one):
                    claimed[place] = receipt_id
                    del open_interim[receipt_id]
                    break
    return claimed


def _same_end_to_end(entry: "Entry", one: Known) -> bool:
    return bool(one.end_to_end_id) and one.end_to_end_id == entry.end_to_end_id


def _same_payer(entry: "Entry", one: Known) -> bool:
    is_same = bool(one.payer_account) and one.payer_account == entry.payer_account
    return is_same and one.booking_date == entry.booking_date


def _same_day(entry: "Entry", one: Known) -> bool:
    # A payment's own reference that differs is another payment.
    is_other = bool(one.end_to_end_id and entry.end_to_end_id) and (
        one.end_to_end_id != entry.end_to_end_id
    )
    return one.booking_date == entry.booking_date and not is_other
