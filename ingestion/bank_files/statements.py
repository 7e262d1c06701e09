"""A bank statement as every format yields it, its checks, and the sequence of its numbers.

Formats only read; what must hold for any statement (balances add up, one currency) is checked here
once. Amounts are signed from our account's view: credit +, debit −.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from ingestion.bank_files.identity import Known, receipt_id_of, receipt_ids, statement_id_of
from ingestion.bank_files.remittances import Remittance, RemittanceLine
from ingestion.common.errors import InputRefused
from ingestion.common.redact import mask_account

__all__ = [
    "Content",
    "Entry",
    "Known",
    "Sequences",
    "Statement",
    "StatementKind",
    "check_statement",
    "receipt_id_of",
    "receipt_ids",
    "statement_id_of",
    "total_of",
]


class StatementKind(StrEnum):
    """What a bank's message may claim.

    ``final`` has balances and is the truth. ``interim`` shows a day before it is over. A ``notice``
    tells more about movements that a statement books; by itself it is never money.
    """

    FINAL = "final"
    INTERIM = "interim"
    NOTICE = "notice"


@dataclass(frozen=True, slots=True)
class Entry:
    """One booked movement of an account; of a split batch booking, one of its transactions.

    ``batch_reference`` is the bank's reference of the whole booking where this is a part of it.
    ``transactions`` counts the payments inside an entry that could not be split (0: not told).
    ``original_reference`` and ``return_reason`` belong to a reversal: the payment that came back.
    """

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
    virtual_account: str = ""
    batch_reference: str = ""
    original_reference: str = ""
    return_reason: str = ""
    transactions: int = 0
    lines: tuple[RemittanceLine, ...] = ()

    @property
    def whole_reference(self) -> str:
        """The bank's reference of the booking that this is, or is a part of."""
        return self.batch_reference or self.account_servicer_reference


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of one account. ``declared_entries`` is the sender's own count, or None.

    Balances are None where the format gives none: interim reports, notices, and BAI2 statements
    whose bank sends no ledger balance (their control totals are checked instead).
    """

    vendor_id: str
    account: str
    currency_code: str
    sequence_number: str
    opening_amount: Decimal | None
    closing_amount: Decimal | None
    opening_date: date | None
    closing_date: date | None
    created_at: datetime | None
    entries: tuple[Entry, ...]
    entries_read: int = 0
    declared_entries: int | None = None
    kind: StatementKind = StatementKind.FINAL
    warnings: tuple[InputRefused, ...] = ()

    @property
    def is_interim(self) -> bool:
        """True for a report of a day that is not over."""
        return self.kind is StatementKind.INTERIM

    @property
    def statement_id(self) -> str:
        """Identity: account, the bank's id and its sequence number.

        Interim reports and notices of a day often share both, so their instant counts too.
        """
        if self.kind is StatementKind.FINAL:
            return statement_id_of(self.account, self.vendor_id, self.sequence_number)
        instant = self.created_at.isoformat() if self.created_at else ""
        vendor_id = f"{self.kind.value} {self.vendor_id} {instant}"
        return statement_id_of(self.account, vendor_id, self.sequence_number)

    @property
    def label(self) -> str:
        """How people find it: the bank's id, and the account's last digits."""
        what = {
            StatementKind.FINAL: "statement",
            StatementKind.INTERIM: "interim report",
            StatementKind.NOTICE: "notice",
        }[self.kind]
        return f"{what} {self.vendor_id or '(no id)'} of account {mask_account(self.account)}"


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds: statements of any kind, and advices that name no entry of theirs."""

    statements: tuple[Statement, ...] = ()
    remittances: tuple[Remittance, ...] = ()


def check_statement(statement: Statement, where: str) -> None:
    """What must hold for any statement: one currency, and, where it has balances, their sum.

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
    if statement.opening_amount is None or statement.closing_amount is None:
        return
    total = total_of(statement.entries)
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
