"""Who paid: the payer's account, a customer number or invoice numbers in the text, an alias.

A payer is *certain* or not known; there is no likely payer here. One account may pay for several
customers (a parent, a factor, a service centre): then the payer is that set. Evidence that points
two ways is reported as a conflict, never weighed (domain §B1, stage 0). A similar name suggests.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import polars as pl
from rapidfuzz import fuzz, process

from reverse_etl.decisions.cash_frames import day_of, require
from reverse_etl.decisions.matching import Receipt
from reverse_etl.decisions.references import fold, normalise

__all__ = ["Payer", "PayerDirectory", "account_rows", "identify_payer"]


@dataclass(frozen=True, slots=True)
class Payer:
    """Who paid, or why nobody is named.

    Attributes:
        customers: whose items the money may pay; empty when nobody is certain.
        named: of those, whom the text names; where the account is shared it decides.
        how: known | account | shared | customer_number | reference | alias | none | conflict.
        confidence: 0 to 1.
        reason: plain words.
    """

    customers: frozenset[str]
    how: str
    confidence: float
    reason: str
    named: frozenset[str] = frozenset()

    @property
    def customer_id(self) -> str:
        """The one customer; empty when there are several or none."""
        certain = self.named or self.customers
        return next(iter(certain)) if len(certain) == 1 else ""


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account of a payer and the days on which it was his."""

    account: str
    customer_id: str
    valid_from: date | None
    valid_to: date | None

    def holds_on(self, day: date) -> bool:
        """Whether the row counts on a day."""
        return (self.valid_from is None or self.valid_from <= day) and (
            self.valid_to is None or day <= self.valid_to
        )


def account_rows(frame: pl.DataFrame | None) -> Iterator[AccountRow]:
    """The payers' accounts of a frame. Raises InputRefused for a missing column or a bad date."""
    if frame is None:
        return
    require(frame, ("payer_account", "customer_id"), "payers")
    for row in frame.iter_rows(named=True):
        account, customer = row["payer_account"], row["customer_id"]
        if account is None or customer is None:
            continue
        where = f"payer account of {customer}"
        yield AccountRow(
            _account(str(account)),
            str(customer),
            day_of(row.get("valid_from"), where),
            day_of(row.get("valid_to"), where),
        )


def _account(text: str) -> str:
    return text.replace(" ", "").upper()


class PayerDirectory:
    """What is known about payers: accounts, customer numbers, aliases and names."""

    def __init__(
        self,
        accounts: Iterable[AccountRow],
        aliases: Iterable[tuple[str, str]],
        customer_numbers: Iterable[tuple[str, str]],
        names: Iterable[tuple[str, str]],
        *,
        number_length_min: int,
    ) -> None:
        """Index accounts and pairs of (alias | number | name, customer id)."""
        self._accounts: dict[str, list[AccountRow]] = {}
        for row in accounts:
            if row.account:
                self._accounts.setdefault(row.account, []).append(row)
        self._aliases = _grouped((normalise(name), customer) for name, customer in aliases)
        pairs = ((normalise(number), customer) for number, customer in customer_numbers)
        self.numbers = _grouped(
            (number, customer)
            for number, customer in pairs
            if len(number) >= number_length_min and any(c.isdigit() for c in number)
        )
        self._names = _grouped((_plain(name), customer) for name, customer in names)

    def by_account(self, account: str, day: date) -> frozenset[str]:
        """Customers that pay from an account on a day; several when it is shared."""
        rows = self._accounts.get(_account(account), ()) if account else ()
        return frozenset(row.customer_id for row in rows if row.holds_on(day))

    def of_receipt(self, receipt: Receipt) -> frozenset[str]:
        """Customers that the ERP, a virtual account or the payer's account lead to."""
        day = receipt.received_date
        known = {receipt.known_customer_id} - {""}
        accounts = self.by_account(receipt.virtual_account, day)
        return accounts | self.by_account(receipt.payer_account, day) | known

    def by_alias(self, name: str) -> frozenset[str]:
        """Customers that a person confirmed under this spelling of a name."""
        return self._aliases.get(normalise(name), frozenset()) if name else frozenset()

    @cached_property
    def _spellings(self) -> list[str]:
        return list(self._names)

    def by_name(self, name: str, score_min: int, limit: int) -> list[tuple[str, float]]:
        """Customers with a similar name, best first, with a score of 0 to 100. Only suggests."""
        plain = _plain(name)
        if not plain or not self._spellings:
            return []
        hits = process.extract(
            plain,
            self._spellings,
            scorer=fuzz.token_sort_ratio,
            score_cutoff=score_min,
            limit=limit,
        )
        found: dict[str, float] = {}
        for spelling, score, _index in hits:
            for customer in sorted(self._names[spelling]):
                found.setdefault(customer, score)
        return list(found.items())[:limit]


_LEGAL_FORMS_TEXT = (
    "LLC LTD INC CORP CORPORATION CO COMPANY US IN TRUST ASSOCIATES FOUNDATION SYSTEMS GMBH AG KG "
    "SA SARL SRL SPA BV NV AB AS OY PLC SP ZOO THE AND"
)
_LEGAL_FORMS = frozenset(_LEGAL_FORMS_TEXT.split())


def _plain(name: str) -> str:
    """A name without accents, signs and legal forms."""
    words = "".join(c if c.isalnum() else " " for c in fold(name)).split()
    return " ".join(w for w in words if w not in _LEGAL_FORMS) or " ".join(words)


def _grouped(pairs: Iterable[tuple[str, str]]) -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for key, customer_id in pairs:
        if key and customer_id:
            found.setdefault(key, set()).add(customer_id)
    return {key: frozenset(customers) for key, customers in found.items()}


def identify_payer(
    receipt: Receipt,
    numbered: frozenset[str],
    referenced: frozenset[str],
    directory: PayerDirectory,
) -> Payer:
    """Say who paid one receipt.

    Args:
        receipt: the receipt.
        numbered: customers whose number stands in the text.
        referenced: customers of the open items that the text names.
        directory: accounts and aliases.
    """
    known = receipt.known_customer_id
    if known:
        return Payer(frozenset({known}), "known", 1.0, "the ERP or a person says so")
    day = receipt.received_date
    for account in (receipt.virtual_account, receipt.payer_account):
        accounts = directory.by_account(account, day)
        if len(accounts) == 1:
            return Payer(accounts, "account", 0.99, "the payer's account belongs to one customer")
        if accounts:
            return _among_shared(accounts, numbered, referenced)
    return _by_text(numbered, referenced) or _by_alias(directory.by_alias(receipt.payer_name))


def _by_text(numbered: frozenset[str], referenced: frozenset[str]) -> Payer | None:
    """Whom the text names; nothing where it names nobody."""
    if len(numbered) > 1:
        return _nobody("conflict", "the text holds the numbers of several customers")
    if numbered:
        if referenced and referenced != numbered:
            return _nobody("conflict", "the text names a customer and the invoices of another")
        return Payer(numbered, "customer_number", 0.97, "the text holds the customer's number")
    if len(referenced) > 1:
        return _nobody("conflict", "the text names open invoices of several customers")
    if referenced:
        why = "every open invoice in the text is of one customer"
        return Payer(referenced, "reference", 0.97, why)
    return None


def _by_alias(aliases: frozenset[str]) -> Payer:
    if len(aliases) == 1:
        return Payer(aliases, "alias", 0.9, "a person confirmed this name for one customer")
    return _nobody("none", "no account, number, open invoice or confirmed name names a payer")


def _nobody(how: str, reason: str) -> Payer:
    return Payer(frozenset(), how, 0.0, reason)


def _among_shared(
    accounts: frozenset[str], numbered: frozenset[str], referenced: frozenset[str]
) -> Payer:
    """The customers of a shared account that the text names; all must be of that account."""
    named = numbered | referenced
    if not named <= accounts:
        return _nobody("conflict", "the text names a customer that does not pay from this account")
    why = (
        f"{len(accounts)} customers pay from this account and the text names {len(named) or 'none'}"
    )
    if not named:
        return _nobody("shared", why)
    return Payer(accounts, "shared", 0.97 if len(named) == 1 else 0.95, why, named)
