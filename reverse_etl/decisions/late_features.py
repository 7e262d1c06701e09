"""What is known of an unpaid item on one day, as numbers a model can learn from.

Strictly as of that day: the item's own dates and amount, and the delays of items cleared until
then. Left out on purpose: calendar month, the whole ledger's running mean, raw history length and
open balance. They describe when an extract begins, not how a customer pays, and a model that
learns them breaks out of time (domain §C2).
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reverse_etl.decisions.late_history import Delays, History, weekday
from reverse_etl.decisions.late_items import Floats, Ints, Items
from reverse_etl.decisions.late_policy import LatePolicy

__all__ = ["LATE_30_DAYS", "Unpaid", "snapshot_of", "stacked"]

#: The second question beside "late at all".
LATE_30_DAYS = 30

_WEEK = 7
_WELL_KNOWN = 50
_KNOWN = 30
_LITTLE_KNOWN = 20
_DAYS_SINCE_MAX = 90
_DAYS_AHEAD_MAX = 21


@dataclass(frozen=True, slots=True)
class Unpaid:
    """Unpaid items, each on one day, as parallel arrays.

    ``median`` and ``mean`` are the customer's plain as-of figures (naive baselines), ``base`` the
    median of the delays that are still possible, ``p_late`` and ``p_late_30`` their shares beyond
    0 and 30 days, drawn towards all customers' where a customer shows few. ``spread`` is the days
    between the customer's early and late tenth (-1: nothing known), ``paid_items`` the length of
    its history; both only sort the rows for reports and intervals.
    """

    day: Ints
    items: Items
    features: Floats
    waited: Ints
    median: Floats
    mean: Floats
    base: Floats
    p_late: Floats
    p_late_30: Floats
    spread: Floats
    paid_items: Ints

    def __len__(self) -> int:
        return len(self.waited)

    def take(self, rows: NDArray[Any]) -> "Unpaid":
        """The rows at the given positions, or where a mask is true."""
        return Unpaid(**{one.name: _taken(getattr(self, one.name), rows) for one in fields(self)})

    def delay_known_on(self, day: int) -> Ints:
        """Delay in days as far as it is known on ``day``.

        Of an item unpaid then: the days it is overdue then. It will be paid later than that.
        """
        known: Ints = np.minimum(self.items.cleared, day) - self.items.due
        return known


def stacked(parts: Sequence[Unpaid]) -> Unpaid:
    """Several snapshots as one; there must be at least one."""
    items = Items(*(_joined([getattr(p.items, f.name) for p in parts]) for f in fields(Items)))
    own = {
        f.name: _joined([getattr(p, f.name) for p in parts])
        for f in fields(Unpaid)
        if f.name != "items"
    }
    return Unpaid(items=items, **own)


def _taken(values: Any, rows: NDArray[Any]) -> Any:
    return values.take(rows) if isinstance(values, Items) else values[rows]


def _joined(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(arrays)


def snapshot_of(items: Items, history: History, day: int, policy: LatePolicy) -> Unpaid:
    """Describe unpaid ``items`` on ``day`` by the items paid until then."""
    customer, waited = items.customer, day - items.due
    delays, everyone = history.of_customer, np.zeros(len(items), dtype=np.int64)
    shares = []
    for limit in (0, LATE_30_DAYS):
        overall = _share(history.of_all, everyone, waited, limit)
        shares.append(_drawn(delays, customer, waited, limit, overall, policy))
    p_late, p_late_30 = shares
    known = delays.median(customer)
    median = np.where(np.isnan(known), np.nan_to_num(history.of_all.median(everyone)), known)
    known = history.mean_of(history.delay.astype(np.float64))[customer]
    mean = np.where(np.isnan(known), history.mean_of_all(), known)
    columns = [
        *_of_item(items, waited),
        *_of_customer(items, history, waited),
        *_of_recent_and_settled(items, history, day, p_late, policy),
        *_of_weekdays(items, history, day, p_late, policy),
        *_of_payments(items, history, day),
        p_late,
        p_late_30,
    ]
    return Unpaid(
        day=np.full(len(items), day, dtype=np.int64),
        items=items,
        features=np.column_stack([np.asarray(one, dtype=np.float64) for one in columns]),
        waited=waited,
        median=median,
        mean=mean,
        base=_base(history, customer, waited, policy),
        p_late=np.where(waited >= 0, 1.0, p_late),
        p_late_30=np.where(waited >= LATE_30_DAYS, 1.0, p_late_30),
        spread=history.spread(customer),
        paid_items=delays.count(customer),
    )


def _share(delays: Delays, group: Ints, waited: Ints, limit: int) -> Floats:
    """Share of the still possible delays beyond ``limit``; 0 where nothing is possible."""
    beyond = delays.count_beyond(group, np.maximum(waited, limit))
    share: Floats = beyond / np.maximum(delays.count_beyond(group, waited), 1)
    return share


def _drawn(
    delays: Delays, group: Ints, waited: Ints, limit: int, towards: Floats, policy: LatePolicy
) -> Floats:
    """The same share, with ``prior_items`` made-up items that behave as ``towards``."""
    beyond = delays.count_beyond(group, np.maximum(waited, limit))
    possible = delays.count_beyond(group, waited)
    prior = max(policy.prior_items, 1)
    drawn: Floats = (beyond + prior * towards) / (possible + prior)
    return drawn


def _base(history: History, customer: Ints, waited: Ints, policy: LatePolicy) -> Floats:
    """Median of the delays that are still possible, at least one day from now.

    The customer's; else, before the due date, its plain median; else all customers'; else the due
    date or a fixed wait from now.
    """
    everyone = np.zeros(len(customer), dtype=np.int64)
    soonest = waited + 1.0
    found = history.of_customer.median(customer, waited)
    plain = history.of_customer.median(customer)
    found = np.where(np.isnan(found) & (waited < 0), np.maximum(plain, soonest), found)
    found = np.where(np.isnan(found), history.of_all.median(everyone, waited), found)
    otherwise = np.where(waited < 0, 0.0, waited + float(policy.overdue_wait_days))
    base: Floats = np.maximum(np.where(np.isnan(found), otherwise, found), soonest)
    return base


def _of_item(items: Items, waited: Ints) -> list[Floats | Ints]:
    due = items.due.astype("datetime64[D]")
    day_of_month = (due - due.astype("datetime64[M]")).astype(np.int64) + 1
    return [waited, items.due - items.document, weekday(items.due), day_of_month, items.size]


def _of_customer(items: Items, history: History, waited: Ints) -> list[Floats | Ints]:
    """The customer's delays: all of them, and those that are still possible."""
    delays, customer = history.of_customer, items.customer
    possible = delays.count_beyond(customer, waited)
    beyond_5 = delays.count_beyond(customer, np.maximum(waited, 5))
    usual_size = history.mean_of(history.paid.size)[customer]
    trimmed = np.clip(history.delay, -30, 60).astype(np.float64)
    return [
        np.minimum(delays.count(customer), _WELL_KNOWN),
        delays.median(customer),
        *(delays.quantile(customer, share) for share in (0.1, 0.25, 0.75, 0.9)),
        np.minimum(possible, _KNOWN),
        delays.median(customer, waited),
        *(delays.quantile(customer, share, waited) for share in (0.25, 0.75)),
        beyond_5 / np.maximum(possible, 1),
        history.mean_of(trimmed)[customer],
        items.size - usual_size,
    ]


def _of_recent_and_settled(
    items: Items, history: History, day: int, p_late: Floats, policy: LatePolicy
) -> list[Floats | Ints]:
    """The newest delays, and those of items due so long ago that nearly all are paid.

    The second is not biased towards early payers, the first follows a customer that changes.
    """
    customer, waited = items.customer, day - items.due
    columns: list[Floats | Ints] = []
    for days_from, days_to in ((75, 5), (400, 30)):
        due = history.paid.due
        part = history.part((due <= day - days_to) & (due > day - days_from))
        columns += [
            part.median(customer, waited),
            np.minimum(part.count(customer), _KNOWN),
            _drawn(part, customer, waited, 0, p_late, policy),
        ]
    return columns


def _of_weekdays(
    items: Items, history: History, day: int, p_late: Floats, policy: LatePolicy
) -> list[Floats | Ints]:
    """Delays of the customer's items due on the same weekday, and the weekday it usually pays on.

    Many customers pay on fixed days of the week: what is due on a Friday waits for Tuesday.
    """
    paid, waited, due_on = history.paid, day - items.due, weekday(items.due)
    groups = Delays(
        paid.customer * _WEEK + weekday(paid.due), history.delay, history.customers * _WEEK
    )
    group = items.customer * _WEEK + due_on
    counts = np.zeros((history.customers, _WEEK))
    np.add.at(counts, (paid.customer, weekday(paid.cleared)), 1)
    total = counts.sum(axis=1)
    pays_on, known = counts.argmax(axis=1)[items.customer], total[items.customer] > 0
    share = (counts.max(axis=1) / np.maximum(total, 1))[items.customer]
    return [
        groups.median(group, waited),
        np.minimum(groups.count_beyond(group, waited), _LITTLE_KNOWN),
        _drawn(groups, group, waited, 0, p_late, policy),
        np.where(known, pays_on, -1),
        np.where(known, share, np.nan),
        np.where(known, (pays_on - due_on) % _WEEK, np.nan),
    ]


def _of_payments(items: Items, history: History, day: int) -> list[Floats | Ints]:
    """How often and on which weekdays the customer pays, when it last did, and what it has paid.

    The days on which it can be expected to pay until the due date say more about being late than
    any average of delays: who pays once a week on Thursdays cannot be on time on a Wednesday.
    """
    rates = history.pay_days_per_week(day)
    customer, due_on = items.customer, weekday(items.due)
    until_due = np.zeros(len(items))
    for ahead in range(1, _DAYS_AHEAD_MAX + 1):
        rate = rates[customer, (weekday(np.asarray([day])) + ahead) % _WEEK]
        until_due += np.where(day + ahead <= items.due, rate, 0.0)
    last_paid = history.last_of(history.paid.cleared)[customer]
    last_due = history.last_of(history.paid.due)[customer]
    return [
        rates.sum(axis=1)[customer],
        rates[customer, due_on],
        rates[customer, (due_on - 1) % _WEEK],
        until_due,
        np.minimum(day - last_paid, _DAYS_SINCE_MAX),
        np.clip(items.due - last_due, -60, 120),
    ]
