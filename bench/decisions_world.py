"""The world that cash application is judged in: real or made-up invoices, and who paid them when.

Clearing groups (customer, clear date, company, currency) are the payments. Customers are split in
two halves by a hash of their number: thresholds were tuned on half A, half B is only reported on.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path

from sandbox.demo.dataset import Dataset
from sandbox.demo.generator import generate
from sandbox.demo.highradius import read_directory
from sandbox.demo.payments import purchase_order
from sandbox.demo.settings import load_settings

__all__ = ["Group", "Invoice", "World", "half_of", "real_world", "twin_world"]


@dataclass(frozen=True, slots=True)
class Invoice:
    """One open item with the days between which it is really open."""

    item_id: str
    customer: str
    company_code: str
    number: str
    purchase_order: str
    amount: Decimal
    currency_code: str
    document_date: date
    due_date: date
    open_from: date
    open_until: date | None
    group: str


@dataclass(frozen=True, slots=True)
class Group:
    """One clearing group: what one payment really paid."""

    group: str
    customer: str
    company_code: str
    currency_code: str
    clear_date: date
    items: tuple[Invoice, ...]

    @property
    def amount(self) -> Decimal:
        """Sum of the group's items."""
        return sum((item.amount for item in self.items), Decimal(0))


@dataclass(slots=True)
class World:
    """Invoices, payments and names of some customers."""

    name: str
    invoices: list[Invoice]
    groups: list[Group]
    names: dict[str, list[str]]
    by_customer: dict[str, list[Invoice]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for invoice in self.invoices:
            self.by_customer.setdefault(invoice.customer, []).append(invoice)

    def half(self, half: str) -> "World":
        """The customers of half ``A`` or ``B``; ``AB`` is everybody."""
        return World(
            f"{self.name}-{half}",
            [i for i in self.invoices if half_of(i.customer) in half],
            [g for g in self.groups if half_of(g.customer) in half],
            {c: names for c, names in self.names.items() if half_of(c) in half},
        )

    def without_largest(self) -> "World":
        """All but the payer with most items: its texts are cut off, and nothing shows the rest."""
        largest = max(self.by_customer, key=lambda customer: len(self.by_customer[customer]))
        return World(
            f"{self.name}-less-largest",
            [i for i in self.invoices if i.customer != largest],
            [g for g in self.groups if g.customer != largest],
            {c: names for c, names in self.names.items() if c != largest},
        )


def half_of(customer: str) -> str:
    """``A`` or ``B``, by a hash of the customer's number."""
    return "AB"[hashlib.sha256(customer.encode()).digest()[0] % 2]


def real_world(directory: Path) -> World:
    """The real extract."""
    return _world("real", read_directory(directory))


def twin_world(
    seed: int, customers: int = 200, open_items: int = 4000, closed: int = 9000
) -> World:
    """The synthetic twin of the extract."""
    dataset = generate(
        load_settings(), seed=seed, customers=customers, open_items=open_items, closed_items=closed
    )
    return _world("twin", dataset)


def _world(name: str, dataset: Dataset) -> World:
    cleared = dataset.receipts.select("receipt_number", "clear_date")
    frame = dataset.invoices.join(cleared, on="receipt_number", how="left").sort("invoice_number")
    invoices = [_invoice(row) for row in frame.iter_rows(named=True)]
    names: dict[str, list[str]] = {}
    for customer, spelling in dataset.name_variants.iter_rows():
        names.setdefault(customer, []).append(spelling)
    return World(name, invoices, list(_groups(invoices)), names)


def _invoice(row: dict[str, object]) -> Invoice:
    number, cleared = str(row["invoice_number"]), row["clear_date"]
    document, due = row["document_date"], row["due_date"]
    assert isinstance(document, date)
    assert isinstance(due, date)
    amount = row["amount"]
    assert isinstance(amount, Decimal)
    return Invoice(
        item_id=f"{row['company_code']}-{number}",
        customer=str(row["customer"]),
        company_code=str(row["company_code"]),
        number=number,
        purchase_order=purchase_order(number),
        amount=amount,
        currency_code=str(row["currency_code"]),
        document_date=document,
        due_date=due,
        open_from=document,
        open_until=cleared if isinstance(cleared, date) else None,
        group=str(row["receipt_number"] or ""),
    )


def _groups(invoices: list[Invoice]) -> Iterator[Group]:
    found: dict[str, list[Invoice]] = {}
    for invoice in invoices:
        if invoice.group:
            found.setdefault(invoice.group, []).append(invoice)
    for group in sorted(found):
        items = found[group]
        first = items[0]
        cleared = first.open_until
        assert cleared is not None
        yield Group(
            group, first.customer, first.company_code, first.currency_code, cleared, tuple(items)
        )
