"""A bank statement as every format yields it, its checks, and the identity of what is in it.

Formats only read; what must hold for any statement (balances add up, one currency) is checked here
once. Amounts are signed from our account's view: credit +, debit −.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from ingestion.common.errors import InputRefused
from ingestion.common.money import canonical_text
from ingestion.common.redact import mask_account

__all__ = [
    "Entry",
    "Known",
    "Statement",
    "check_statement",
    "receipt_id_of",
    "receipt_ids",
    "statement_id_of",
]

_ID_HEX = 20
#: What banks write when there is no reference.
_NO_REFERENCE = frozenset({"", "NONREF", "NOTPROVIDED", "NONE", "0"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One booked movement of an account; of a split batch booking, one of its transactions."""

    position: int
    amount: Decimal
    currency_code: str
    booking_date: date
    value_date: date
    status: str = "BOOK"
    is_reversal: bool = False
    account_servicer_reference: str = ""
    end_to_end_id: str = ""
    entry_reference: str = ""
    remittance_text: str = ""
    structured_references: str = ""
    creditor_reference: str = ""
    payer_name: str = ""
    payer_account: str = ""
    ultimate_payer_name: str = ""
    bank_code: str = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of one account. ``declared_entries`` is the sender's own count, or None."""

    vendor_id: str
    account: str
    currency_code: str
    sequence_number: str
    opening_amount: Decimal
    closing_amount: Decimal
    opening_date: date | None
    closing_date: date | None
    created_at: datetime | None
    entries: tuple[Entry, ...]
    entries_read: int = 0
    declared_entries: int | None = None

    @property
    def statement_id(self) -> str:
        """Identity: account, the bank's id and its sequence number."""
        return statement_id_of(self.account, self.vendor_id, self.sequence_number)

    @property
    def label(self) -> str:
        """How people find it: the bank's id, and the account's last digits."""
        return f"statement {self.vendor_id or '(no id)'} of account {mask_account(self.account)}"


@dataclass(frozen=True, slots=True)
class Known:
    """An entry that is stored already, as far as identity needs it."""

    amount: Decimal
    value_date: date


def statement_id_of(account: str, vendor_id: str, sequence_number: str) -> str:
    """The identity of a statement."""
    return _digest(account, vendor_id, sequence_number)


def receipt_id_of(account: str, *parts: str) -> str:
    """The identity of a receipt: own account and the bank's reference, or what stands for it."""
    return _digest(account, *parts)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:_ID_HEX]


def receipt_ids(statement: Statement, known: Mapping[str, Known]) -> list[str]:
    """One id per entry, stable when the bank sends the same movement again.

    A reference identifies a movement only together with its amount and value date: where a bank
    uses one reference for two movements (a reversal, a recurring text) the later one is identified
    by its place in the statement, so that no receipt overwrites another.

    Args:
        statement: whose entries.
        known: stored entries by receipt id.
    """
    taken: dict[str, Known] = dict(known)
    found: list[str] = []
    for entry in statement.entries:
        mine = Known(entry.amount, entry.value_date)
        place = (
            statement.statement_id,
            str(entry.position),
            canonical_text(entry.amount),
            entry.value_date.isoformat(),
        )
        receipt_id = receipt_id_of(statement.account, *place)
        if entry.account_servicer_reference.upper() not in _NO_REFERENCE:
            by_reference = receipt_id_of(statement.account, entry.account_servicer_reference)
            is_free = by_reference not in found and taken.get(by_reference, mine) == mine
            receipt_id = by_reference if is_free else receipt_id
        found.append(receipt_id)
    return found


def check_statement(statement: Statement, where: str) -> None:
    """What must hold for any statement.

    Raises:
        InputRefused: an entry in another currency, or balances that do not add up.
    """
    label = f"{statement.label} in {where}"
    for entry in statement.entries:
        if entry.currency_code != statement.currency_code:
            raise InputRefused(
                f"{label}: entry {entry.position} is in {entry.currency_code}, the account in "
                f"{statement.currency_code}: ask the bank for a correct statement",
                code="currency_mismatch",
                where=where,
            )
    total = sum((entry.amount for entry in statement.entries), Decimal(0))
    difference = statement.opening_amount + total - statement.closing_amount
    if difference:
        raise InputRefused(
            f"{label}: opening {statement.opening_amount} plus entries {total} is not closing "
            f"{statement.closing_amount} {statement.currency_code} (difference {difference}): an "
            "entry is missing or wrong; ask the bank to send the statement again",
            code="balances_do_not_add_up",
            where=where,
        )


@dataclass(slots=True)
class Sequences:
    """Sequence numbers per account and year, to see what is missing in between."""

    numbers: dict[tuple[str, int], set[int]] = field(default_factory=dict)

    def add(self, account: str, day: date | None, number: str) -> None:
        """Remember a statement's number; a number that is none is not counted."""
        if day is not None and number.isdigit():
            self.numbers.setdefault((account, day.year), set()).add(int(number))

    def gap_before(self, statement: Statement) -> range | None:
        """Numbers missing directly before a statement; None when none are, or nothing is known.

        Banks restart numbering each year, so only numbers of the same year are compared.
        """
        if statement.closing_date is None or not statement.sequence_number.isdigit():
            return None
        number = int(statement.sequence_number)
        known = self.numbers.get((statement.account, statement.closing_date.year), set())
        lower = [one for one in known if one < number]
        if not lower or max(lower) == number - 1:
            return None
        return range(max(lower) + 1, number)


def total_of(entries: Iterable[Entry]) -> Decimal:
    """The sum of entries' amounts."""
    return sum((entry.amount for entry in entries), Decimal(0))
