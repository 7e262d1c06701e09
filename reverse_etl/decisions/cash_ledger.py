"""The open items with their indexes: by reference, by tail of a reference, by payer.

Built once per batch. Looking up costs a word or a payer's items, never the ledger. A payer's items
stand in the order of their due dates in arrays, so that whole runs are summed at once.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from functools import cached_property
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl
from rapidfuzz.distance import OSA

from reverse_etl.decisions.cash_frames import read_items
from reverse_etl.decisions.cash_habits import working_days
from reverse_etl.decisions.matching import Item
from reverse_etl.decisions.references import digits_in
from reverse_etl.planning.policy import CashPolicy

__all__ = ["Ledger", "Numbers", "Payables", "grouped"]

Numbers = npt.NDArray[np.int64]

Key = TypeVar("Key")
Value = TypeVar("Value")

_ALWAYS = 1
_NEVER = 10**7
#: So many characters at the end of a reference are looked up; at least one more is before them.
_END = 3


class Payables:
    """All items of one payer (one customer, or several that pay together), oldest due first."""

    def __init__(self, ledger: "Ledger", places: Sequence[int]) -> None:
        items = ledger.items
        ordered = sorted(places)
        self.places = np.array(ordered, dtype=np.int64)
        self.units = np.array([items[p].units for p in ordered], dtype=np.int64)
        self._from = np.array([_ordinal(items[p].open_from, _ALWAYS) for p in ordered])
        self._until = np.array([_ordinal(items[p].open_until, _NEVER) for p in ordered])
        self._due = np.array([_ordinal(items[p].due_date, _NEVER) for p in ordered])
        self._document = np.array([_ordinal(items[p].document_date, _ALWAYS) for p in ordered])
        self._currency = np.array([ledger.currency(items[p].currency_code) for p in ordered])
        self._ledger = ledger
        self._near: dict[str, list[int]] = {}
        self._starts: dict[int, dict[str, tuple[tuple[str, int], ...]]] = {}

    @cached_property
    def _references(self) -> list[tuple[str, int]]:
        """Every reference of the payer's items, and whose it is."""
        items = self._ledger.items
        return [(k, p) for p in self.places.tolist() for k in items[p].references]

    @cached_property
    def _by_end(self) -> dict[str, tuple[tuple[str, int], ...]]:
        """References by their last characters."""
        return grouped((pair[0][-_END:], pair) for pair in self._references)

    def _by_start(self, length: int) -> dict[str, tuple[tuple[str, int], ...]]:
        """References by so many first characters."""
        found = self._starts.get(length)
        if found is None:
            found = grouped((pair[0][:length], pair) for pair in self._references)
            self._starts[length] = found
        return found

    def near(self, key: str) -> list[int]:
        """Positions of the items with a reference one edit or transposition away from a key."""
        found = self._near.get(key)
        if found is None:
            found = self._near[key] = self._looked_near(key)
        return found

    def _looked_near(self, key: str) -> list[int]:
        """An edit near the end leaves the start as it is, any other leaves the end."""
        start = len(key) - _END - 1
        alike = [
            *self._by_end.get(key[-_END:], ()),
            *self._by_start(start).get(key[:start], ()),
        ]
        return sorted({p for k, p in alike if OSA.distance(key, k, score_cutoff=1) <= 1})

    def open_on(self, day: date, currency_code: str) -> Numbers:
        """Positions in the ledger of what is open on a day, in a currency, and not taken."""
        ordinal = day.toordinal()
        is_open = (
            (self.units != 0)
            & (self._from <= ordinal)
            & (ordinal <= self._until)
            & (self._currency == self._ledger.currency(currency_code))
        )
        found: Numbers = self.places[is_open]
        untaken: Numbers = found[~self._ledger.taken[found]]
        return untaken

    def closed_near(self, day: date, days: int) -> Numbers:
        """Amounts of what is not open on a day (or taken) and due within some days of it."""
        ordinal = day.toordinal()
        is_closed = (
            (self._from > ordinal) | (ordinal > self._until) | self._ledger.taken[self.places]
        )
        is_near = abs(self._due - ordinal) <= days
        units: Numbers = self._ledger.units[self.places[is_closed & is_near]]
        return units

    def unpaid(self) -> list[Item]:
        """Items of which nothing says that they were ever closed."""
        items = self._ledger.items
        return [items[p] for p in self.places.tolist() if items[p].open_until is None]

    def invoiced_after(self, day: date) -> Numbers:
        """Amounts of what was invoiced after a day."""
        units: Numbers = self.units[self._document > day.toordinal()]
        return units


class Ledger:
    """Every open item of a batch."""

    def __init__(self, frame: pl.DataFrame, policy: CashPolicy) -> None:
        # In one order, whatever the order of the input: nothing may depend on that.
        self.items: list[Item] = sorted(read_items(frame), key=_order)
        self.units = np.array([item.units for item in self.items], dtype=np.int64)
        self.due_days = working_days([item.due_date for item in self.items])
        self.taken = np.zeros(len(self.items), dtype=bool)
        self.taken_by: dict[int, str] = {}
        self._policy = policy
        self._currencies: dict[str, int] = {}
        items = list(enumerate(self.items))
        self.by_key = grouped((key, place) for place, item in items for key in self._keys(item))
        self._by_customer = grouped((item.customer_id, place) for place, item in items)
        self.key_lengths = sorted({len(k) for k in self.by_key if k.isdigit()}, reverse=True)
        self._payables: dict[frozenset[str], Payables] = {}

    def _keys(self, item: Item) -> set[str]:
        """Every exact spelling of an item's references, digits alone where they are long enough."""
        keys: set[str] = set()
        for key in item.references:
            if len(key) >= self._policy.reference_length_min and any(c.isdigit() for c in key):
                keys.add(key)
                if not key.isdigit():
                    keys.update(digits_in(key, self._policy.payer_reference_length_min))
        return keys

    @cached_property
    def by_tail(self) -> dict[str, tuple[int, ...]]:
        """Last digits (as many as the policy's shortest tail) of every reference → positions."""
        length = self._policy.tail_length_min
        return grouped(
            (tail, place)
            for place, item in enumerate(self.items)
            for tail in {k[-length:] for k in item.references if len(k) > length}
            if tail.isdigit()
        )

    @cached_property
    def by_amount(self) -> dict[tuple[int, str], tuple[int, ...]]:
        """Positions by amount and currency."""
        return grouped(
            ((item.units, item.currency_code), place) for place, item in enumerate(self.items)
        )

    def currency(self, code: str) -> int:
        """A number for a currency."""
        return self._currencies.setdefault(code, len(self._currencies))

    def payables(self, customers: frozenset[str]) -> Payables:
        """All items of a payer."""
        found = self._payables.get(customers)
        if found is None:
            places = [p for c in sorted(customers) for p in self._by_customer.get(c, ())]
            found = self._payables[customers] = Payables(self, places)
        return found

    def has_customer(self, customer_id: str) -> bool:
        """Whether any item of the batch is a customer's."""
        return customer_id in self._by_customer

    def take(self, places: Iterable[int], receipt_id: str) -> None:
        """Give items to a receipt: they are nobody else's in this run."""
        for place in places:
            self.taken[place] = True
            self.taken_by[place] = receipt_id

    def release(self, places: Iterable[int]) -> None:
        """Items held for a receipt are open to that receipt."""
        for place in places:
            self.taken[place] = False


def grouped(pairs: Iterable[tuple[Key, Value]]) -> dict[Key, tuple[Value, ...]]:
    """Values by key; in tuples, because the garbage collector walks over lists again and again."""
    found: dict[Key, list[Value]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return {key: tuple(values) for key, values in found.items()}


def _ordinal(day: date | None, otherwise: int) -> int:
    return otherwise if day is None else day.toordinal()


def _order(item: Item) -> tuple[date, str, str]:
    """Oldest due first, then by number: how statements are written and payment runs pay."""
    number = item.references[0] if item.references else ""
    return (item.due_date or item.document_date or date.max, number.zfill(20), item.item_id)
