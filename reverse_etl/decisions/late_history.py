"""What paid items say about a customer's delays, given how long an item is unpaid already.

An item unpaid ``waited`` days after its due date (negative before it) can only be paid later than
that: every figure here is asked of the delays beyond it, so an early payer's item that is still
unpaid two days before its due date is no longer expected a week before it. Counting is by binary
search in one sorted array, so a snapshot of thousands of items needs no loop.
"""

import numpy as np
from numpy.typing import NDArray

from reverse_etl.decisions.late_items import Floats, Ints, Items

__all__ = ["DELAY_DAYS_MAX", "DELAY_DAYS_MIN", "Delays", "History", "weekday"]

#: Delays beyond these are the same to us: paid months early, or as good as never.
DELAY_DAYS_MIN = -90
DELAY_DAYS_MAX = 300

_SPAN = 100_000
_SHIFT = 50_000
_MEDIAN = 0.5


def weekday(days: Ints) -> Ints:
    """Monday 0 to Sunday 6 (1970-01-01 was a Thursday)."""
    found: Ints = (days + 3) % 7
    return found


class Delays:
    """Sorted delays of groups numbered from 0; asks are vectors of (group, days waited)."""

    def __init__(self, group: Ints, delay: Ints, groups: int) -> None:
        keys = group * _SPAN + delay + _SHIFT
        order = np.argsort(keys, kind="stable")
        self._keys = keys[order]
        self._delay = delay[order].astype(np.float64)
        self._end = np.searchsorted(self._keys, np.arange(1, groups + 1) * _SPAN)
        self._start = np.concatenate([[0], self._end[:-1]])

    def count(self, group: Ints) -> Ints:
        """How many delays a group has."""
        found: Ints = self._end[group] - self._start[group]
        return found

    def count_beyond(self, group: Ints, days: Ints) -> Ints:
        """How many of a group's delays are longer than ``days``."""
        found: Ints = self._end[group] - self._after(group, days)
        return found

    def quantile(self, group: Ints, share: float, waited: Ints | None = None) -> Floats:
        """A group's quantile of the delays longer than ``waited``; NaN where there is none."""
        first = self._start[group] if waited is None else self._after(group, waited)
        rows = self._end[group] - first
        found = np.full(len(group), np.nan)
        some = rows > 0
        place = first[some] + share * (rows[some] - 1)
        low = np.floor(place).astype(np.int64)
        high = np.ceil(place).astype(np.int64)
        found[some] = self._delay[low] + (place - low) * (self._delay[high] - self._delay[low])
        return found

    def median(self, group: Ints, waited: Ints | None = None) -> Floats:
        """The median of the delays longer than ``waited``; NaN where there is none."""
        return self.quantile(group, _MEDIAN, waited)

    def _after(self, group: Ints, days: Ints) -> Ints:
        bounded = np.clip(days, DELAY_DAYS_MIN - 1, DELAY_DAYS_MAX)
        found: Ints = np.searchsorted(self._keys, group * _SPAN + bounded + _SHIFT, side="right")
        return found


class History:
    """The paid items known on one day, ready to be asked.

    Args:
        paid: items cleared on or before the day.
        customers: how many customers the numbers in ``paid`` can name.
    """

    def __init__(self, paid: Items, customers: int) -> None:
        self.paid = paid
        self.customers = customers
        self.delay: Ints = np.clip(paid.delay, DELAY_DAYS_MIN, DELAY_DAYS_MAX)
        self.of_customer = Delays(paid.customer, self.delay, customers)
        self.of_all = Delays(np.zeros(len(paid), dtype=np.int64), self.delay, 1)

    def part(self, is_in: NDArray[np.bool_]) -> Delays:
        """Delays per customer of only some of the items."""
        return Delays(self.paid.customer[is_in], self.delay[is_in], self.customers)

    def pay_days_per_week(self, day: int) -> Floats:
        """Customers × weekdays: on how many of the weeks since its first payment each paid then."""
        payments = np.unique(np.column_stack([self.paid.customer, self.paid.cleared]), axis=0)
        counts = np.zeros((self.customers, 7))
        np.add.at(counts, (payments[:, 0], weekday(payments[:, 1])), 1)
        first = -self.last_of(-self.paid.cleared)
        weeks = np.maximum((day - np.nan_to_num(first, nan=float(day))) / 7, 1.0)
        rates: Floats = counts / weeks[:, None]
        return rates

    def spread(self, customer: Ints) -> Floats:
        """Days between a customer's early and late tenth; -1 where nothing is known."""
        late = self.of_customer.quantile(customer, 0.9)
        found: Floats = np.nan_to_num(late - self.of_customer.quantile(customer, 0.1), nan=-1.0)
        return found

    def mean_of(self, values: Floats) -> Floats:
        """Mean per customer of a value per paid item; NaN for a customer without any."""
        rows = np.bincount(self.paid.customer, minlength=self.customers)
        sums = np.bincount(self.paid.customer, values, self.customers)
        return np.where(rows > 0, sums / np.maximum(rows, 1), np.nan)

    def mean_of_all(self) -> float:
        """Mean delay of all paid items in days; 0 where nothing is paid yet."""
        return float(self.delay.mean()) if len(self.delay) else 0.0

    def last_of(self, days: Ints) -> Floats:
        """The latest of a day per paid item, per customer; NaN for a customer without any."""
        latest = np.full(self.customers, -np.inf)
        np.maximum.at(latest, self.paid.customer, days.astype(np.float64))
        return np.where(np.isfinite(latest), latest, np.nan)
