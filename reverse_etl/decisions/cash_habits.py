"""When a payer pays: learned from its payments that say themselves what they pay.

For every open item there is a chance that a payment takes it along, by the working days between its
due date and the payment (a due date on a weekend counts as the Monday after). Chances are counted
per payer; where a delay was seen seldom they lean on its neighbours, and those on all payers. A
habit never explains an amount: it says how likely the payer paid a set with just that amount. It
proves the only one there is and ranks several. Of closed items it only reads that they are closed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache

import numpy as np
import numpy.typing as npt

__all__ = ["NEVER", "NO_DAY", "Habit", "Habits", "Settled", "working_day", "working_days"]

Floats = npt.NDArray[np.float64]
Days = npt.NDArray[np.int64]

#: The working day of an item without a due date: beyond every delay that is counted.
NO_DAY = -(10**6)
_MONDAY = np.datetime64("1970-01-05")
_EARLY, _LATE = 60, 120
_BUCKETS = _EARLY + _LATE + 1
_NEIGHBOURS = np.ones(9)
#: What is believed before anybody has shown anything: one item in fifty is paid at any delay, as if
#: so many payments had shown it.
_BELIEVED, _BELIEVED_PAYMENTS = 0.02, 10.0
_CHANCE_MIN = 1e-4
#: Payments before a batch that are looked back on.
_SETTLED_MAX = 80
#: The day on which an item is paid that is not.
NEVER = 10**7


def working_days(days: Sequence[date | None]) -> Days:
    """Days counted in working days; one on a weekend counts as the Monday after."""
    given = np.array([day or date(1970, 1, 5) for day in days], dtype="datetime64[D]")
    rolled = np.busday_offset(given, 0, roll="forward")
    counted: Days = np.busday_count(_MONDAY, rolled).astype(np.int64)
    counted[[day is None for day in days]] = NO_DAY
    return counted


@lru_cache(maxsize=4096)
def working_day(day: date) -> int:
    """One day counted in working days."""
    return int(working_days([day])[0])


@dataclass(frozen=True, slots=True)
class Habit:
    """What a payer's habit says of each item it has open.

    Attributes:
        odds: natural logarithm of the odds of each item to be paid by a payment now.
        payments: how many payments it was learned from.
    """

    odds: Floats
    payments: int

    def score(self, positions: Sequence[int]) -> float:
        """Logarithm of how much likelier a set is than that nothing is paid."""
        return float(self.odds[list(positions)].sum())

    @property
    def none(self) -> float:
        """Logarithm of the chance that nothing of all this is paid."""
        return -float(np.log1p(np.exp(self.odds)).sum())


@dataclass(slots=True)
class _Counts:
    """Per delay: payments that found items open, and the share of them that was paid."""

    payments: int = 0
    found: Floats = field(default_factory=lambda: np.zeros(_BUCKETS))
    paid: Floats = field(default_factory=lambda: np.zeros(_BUCKETS))

    def add(self, found: Floats, paid_share: Floats) -> None:
        self.payments += 1
        self.found += found
        self.paid += paid_share


class Settled:
    """What one customer paid before a batch: its latest payments, each as it became known."""

    def __init__(self, due: Days, opened: Days, paid: Days, known: Days) -> None:
        """Per item its due date in working days, and the days it was opened, paid, known as paid.

        Days are ordinals; an item that is not paid has a day beyond all others.
        """
        days = np.unique(paid[paid < NEVER])[-_SETTLED_MAX:]
        counts = [_shares(day, due, opened, paid) for day in days.tolist()]
        told = np.array([int(known[paid == day].max()) for day in days.tolist()], dtype=np.int64)
        order = np.argsort(told, kind="stable")
        self._known = told[order]
        self._found = np.array([found for found, _share in counts]).reshape(-1, _BUCKETS)[order]
        self._share = np.array([share for _found, share in counts]).reshape(-1, _BUCKETS)[order]

    def before(self, day: int) -> tuple[int, Floats, Floats]:
        """How many payments were known before a day, and their sums per delay."""
        count = int(np.searchsorted(self._known, day))
        return count, self._found[:count].sum(axis=0), self._share[:count].sum(axis=0)


def _shares(day: int, due: Days, opened: Days, paid: Days) -> tuple[Floats, Floats]:
    """Of one payment: per delay whether items were open, and the share of them that it paid."""
    is_open = (opened <= day) & (day <= paid)
    places = _bucket(working_day(date.fromordinal(day)) - due[is_open])
    return _found_and_share(places, places[paid[is_open] == day])


def _found_and_share(places: Days, paid: Days) -> tuple[Floats, Floats]:
    """Per delay whether items were open, and the share of them that was paid."""
    found = np.bincount(places, minlength=_BUCKETS)
    taken = np.bincount(paid, minlength=_BUCKETS)
    return (found > 0).astype(float), taken / np.maximum(found, 1)


class Habits:
    """The delays of every payer of a batch: of one customer, or of several that pay together."""

    def __init__(self, settled: Callable[[str], Settled | None] | None = None) -> None:
        """``settled``: what a customer paid before the batch, where that is known."""
        self._of_all = _Counts()
        self._by_payer: dict[frozenset[str], _Counts] = {}
        self._settled = settled or (lambda _customer: None)

    def learn(self, payer: frozenset[str], delays: Days, paid_positions: Sequence[int]) -> None:
        """One sure payment: the delays of everything open, and which of it was paid."""
        places = _bucket(delays)
        found, share = _found_and_share(places, places[list(paid_positions)])
        self._of_all.add(found, share)
        self._by_payer.setdefault(payer, _Counts()).add(found, share)

    def knows(self, customer: str) -> bool:
        """Whether anything is known of what a customer paid before the batch."""
        return self._settled(customer) is not None

    def payments(self, payer: frozenset[str], day: date) -> int:
        """How many payments of a payer were learned from, on a day."""
        own = self._by_payer.get(payer)
        return self._before(payer, day)[0] + (own.payments if own else 0)

    def of(self, payer: frozenset[str], delays: Days, day: date) -> Habit:
        """The habit of a payer over what it has open on a day.

        Of what was settled before the batch only that counts which was known before the day: a
        receipt that stays undecided must not be decided by what its own run settled.
        """
        every, own = self._of_all, self._by_payer.get(payer) or _Counts()
        payments, found, paid = self._before(payer, day)
        found, paid = found + own.found, paid + own.paid
        believed = _BELIEVED * _BELIEVED_PAYMENTS
        general = (every.paid + believed) / (every.found + _BELIEVED_PAYMENTS)
        near = (_around(paid) + general) / (_around(found) + 1)
        chance = np.clip((paid + near) / (found + 1), _CHANCE_MIN, 1 - _CHANCE_MIN)
        odds: Floats = np.log(chance / (1 - chance))
        return Habit(odds[_bucket(delays)], own.payments + payments)

    def _before(self, payer: frozenset[str], day: date) -> tuple[int, Floats, Floats]:
        settled = self._settled(next(iter(payer))) if len(payer) == 1 else None
        if settled is None:
            return 0, np.zeros(_BUCKETS), np.zeros(_BUCKETS)
        return settled.before(day.toordinal())


def _around(counts: Floats) -> Floats:
    found: Floats = np.convolve(counts, _NEIGHBOURS, mode="same")
    return found


def _bucket(delays: Days) -> Days:
    found: Days = np.minimum(np.maximum(delays, -_EARLY), _LATE) + _EARLY
    return found
