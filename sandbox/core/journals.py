"""What journals are made of: companies, accounts, lines, headers, and the ledger's refusals.

Plain data without rules; the rules stand in ``ledger``. Keys are plain tuples, so that books can be
written to disk and read again.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

__all__ = [
    "Account",
    "Application",
    "Company",
    "Header",
    "Journal",
    "JournalKey",
    "Line",
    "LineKey",
    "PostingRefused",
    "Refusal",
]

JournalKey = tuple[str, int, str]
"""Company code, fiscal year, document number."""
LineKey = tuple[str, int, str, int]
"""Journal key and the line's position, counted from 1."""

ZERO = Decimal(0)


class Refusal(StrEnum):
    """Why the ledger refused; each vendor's sandbox maps it to that vendor's own message."""

    UNKNOWN_COMPANY = "unknown_company"
    UNKNOWN_ACCOUNT = "unknown_account"
    UNKNOWN_CURRENCY = "unknown_currency"
    UNKNOWN_ITEM = "unknown_item"
    TOO_MANY_DECIMALS = "too_many_decimals"
    NO_LINES = "no_lines"
    UNBALANCED = "unbalanced"
    PERIOD_CLOSED = "period_closed"
    PARTY_MISSING = "party_missing"
    NOT_OPEN_ITEM_MANAGED = "not_open_item_managed"
    NOT_OPEN = "not_open"
    OVER_APPLIED = "over_applied"
    OTHER_COMPANY = "other_company"
    OTHER_CURRENCY = "other_currency"
    TWICE = "twice"
    NOT_NET_ZERO = "not_net_zero"
    ALREADY_REVERSED = "already_reversed"
    HAS_CLEARED_ITEMS = "has_cleared_items"


class PostingRefused(Exception):
    """The books did not change. ``subject`` is what it was about: an account, an item, a sum."""

    def __init__(self, refusal: Refusal, message: str, *, subject: str = "") -> None:
        super().__init__(message)
        self.refusal = refusal
        self.message = message
        self.subject = subject


@dataclass(frozen=True, slots=True)
class Company:
    """One legal entity with its own books in its own currency."""

    code: str
    currency_code: str


@dataclass(frozen=True, slots=True)
class Account:
    """One G/L account. A reconciliation account carries a party (customer) on every line."""

    number: str
    name: str = ""
    is_open_item_managed: bool = False
    is_reconciliation: bool = False


@dataclass(slots=True)
class Line:
    """One line of a journal: debit positive, credit negative.

    ``amount_open`` is what is not yet applied, in transaction currency; lines of accounts that are
    not open-item managed keep zero. ``clearing`` is the journal that closed the line.
    """

    account: str
    amount: Decimal
    party: str = ""
    amount_company: Decimal | None = None
    amount_open: Decimal = ZERO
    amount_company_open: Decimal = ZERO
    clearing: JournalKey | None = None
    clearing_date: date | None = None


@dataclass(frozen=True, slots=True)
class Application:
    """Part or (amount None) the whole of an open item; the amount has the item's own sign."""

    item: LineKey
    amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """What a journal says of itself. Fiscal year is the calendar year of the posting date."""

    company_code: str
    document_type: str
    posting_date: date
    document_date: date
    currency_code: str
    number_range: str
    """First number of the range, as text with all its digits; the number grows from there."""


@dataclass(slots=True)
class Journal:
    """A posted journal. ``applications`` holds what it cleared: item, amount, company amount."""

    key: JournalKey
    header: Header
    lines: list[Line]
    applications: tuple[tuple[LineKey, Decimal, Decimal], ...] = ()
    reverses: JournalKey | None = None
    reversed_by: JournalKey | None = None
