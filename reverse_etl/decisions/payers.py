"""Who paid: the payer's account, a customer number or invoice numbers in the text, an alias.

A payer is *certain* or not known; there is no likely payer here. Evidence that points two ways is
reported as a conflict, never weighed (domain §B1, stage 0).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from reverse_etl.decisions.references import Mention, Word, normalise, spans_of

__all__ = ["Payer", "PayerDirectory", "identify_payer"]


@dataclass(frozen=True, slots=True)
class Payer:
    """Who paid, or why nobody is named.

    Attributes:
        customer_id: the customer, empty when nobody is certain.
        how: known | account | customer_number | reference | alias | none | conflict | shared.
        confidence: 0 to 1.
        reason: plain words.
    """

    customer_id: str
    how: str
    confidence: float
    reason: str


class PayerDirectory:
    """What is known about payers: accounts, customer numbers and aliases, all exact."""

    def __init__(
        self,
        accounts: Iterable[tuple[str, str]],
        aliases: Iterable[tuple[str, str]],
        customer_numbers: Iterable[tuple[str, str]],
        *,
        number_length_min: int,
    ) -> None:
        """Index pairs of (account | name | number, customer id)."""
        self._accounts = _grouped((account.strip(), customer) for account, customer in accounts)
        self._aliases = _grouped((normalise(name), customer) for name, customer in aliases)
        numbers = ((normalise(number), customer) for number, customer in customer_numbers)
        self._numbers = _grouped(
            (number, customer)
            for number, customer in numbers
            if len(number) >= number_length_min and any(c.isdigit() for c in number)
        )
        self._number_length_min = number_length_min

    def by_account(self, account: str) -> frozenset[str]:
        """Customers that pay from an account; several when it is shared."""
        return self._accounts.get(account.strip(), frozenset()) if account else frozenset()

    def by_alias(self, name: str) -> frozenset[str]:
        """Customers that a person confirmed under this spelling of a name."""
        return self._aliases.get(normalise(name), frozenset()) if name else frozenset()

    def in_text(self, words: Sequence[Word], joined_words_max: int) -> frozenset[str]:
        """Customers whose number stands in a text."""
        found: set[str] = set()
        spans = spans_of(
            words, joined_words_max=joined_words_max, digits_min=self._number_length_min
        )
        for _start, _end, key in spans:
            found |= self._numbers.get(key, frozenset())
        return frozenset(found)


def _grouped(pairs: Iterable[tuple[str, str]]) -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for key, customer_id in pairs:
        if key and customer_id:
            found.setdefault(key, set()).add(customer_id)
    return {key: frozenset(customers) for key, customers in found.items()}


def identify_payer(
    *,
    known_customer_id: str,
    account: str,
    name: str,
    numbered: frozenset[str],
    mentions: Sequence[tuple[Mention, frozenset[str]]],
    directory: PayerDirectory,
    reference_length_min: int,
) -> Payer:
    """Say who paid one receipt.

    Args:
        known_customer_id: the customer the ERP already shows for this receipt, empty when none.
        account: the payer's account key, empty when the bank gave none.
        name: the payer's name; used only through the alias table.
        numbered: customers whose number stands in the text.
        mentions: references in the text with the customers whose open items carry them.
        directory: accounts and aliases.
        reference_length_min: a shorter reference says nothing about who paid.
    """
    if known_customer_id:
        return Payer(known_customer_id, "known", 1.0, "the ERP already shows this customer")
    referenced = _customers_of(mentions, reference_length_min)
    accounts = directory.by_account(account)
    if len(accounts) == 1:
        (customer_id,) = accounts
        return Payer(customer_id, "account", 0.99, "the payer's account belongs to one customer")
    if accounts:
        return _among_shared(accounts, numbered, referenced)
    if len(numbered) == 1:
        if referenced and referenced != numbered:
            return Payer(
                "", "conflict", 0.0, "the text names a customer and the invoices of another"
            )
        (customer_id,) = numbered
        return Payer(customer_id, "customer_number", 0.97, "the text holds the customer's number")
    if len(numbered) > 1:
        return Payer("", "conflict", 0.0, "the text holds the numbers of several customers")
    if len(referenced) == 1:
        (customer_id,) = referenced
        return Payer(
            customer_id, "reference", 0.97, "every open invoice in the text is of one customer"
        )
    if len(referenced) > 1:
        return Payer("", "conflict", 0.0, "the text names open invoices of several customers")
    aliases = directory.by_alias(name)
    if len(aliases) == 1:
        (customer_id,) = aliases
        return Payer(customer_id, "alias", 0.9, "a person confirmed this name for one customer")
    return Payer(
        "", "none", 0.0, "no account, number, open invoice or confirmed name names a payer"
    )


def _among_shared(
    accounts: frozenset[str], numbered: frozenset[str], referenced: frozenset[str]
) -> Payer:
    """The one customer of a shared account that the text names, if it names exactly one."""
    named = (numbered | referenced) or frozenset()
    if len(named) == 1 and named <= accounts:
        (customer_id,) = named
        return Payer(customer_id, "account", 0.97, "the text names one customer of this account")
    return Payer(
        "",
        "shared",
        0.0,
        f"{len(accounts)} customers pay from this account and the text names none",
    )


def _customers_of(
    mentions: Sequence[tuple[Mention, frozenset[str]]], length_min: int
) -> frozenset[str]:
    """Customers of the references in a text; a reference of two customers names both."""
    found: set[str] = set()
    for mention, customers in mentions:
        if len(mention.reference) >= length_min:
            found |= customers
    return frozenset(found)
