"""Which unpaid items of the past the late-payment model learns from.

Each past week is looked at as the as-of date will be: the items unpaid on that day, described by
what was known on that day. Rows are chosen by document date with a full observation lag, never by
"paid before the cut-off", which would drop exactly the late ones (domain §C2); what is still
unpaid after the lag counts as late by as much as is certain. The first weeks of an extract are
left out: their history holds early payers only. Overdue items are left out too: few and odd, they
spoil the model for all others, and what the customer's longer delays say of them is as good.
"""

from collections.abc import Callable

import numpy as np

from reverse_etl.decisions.late_features import Unpaid, snapshot_of, stacked
from reverse_etl.decisions.late_history import History
from reverse_etl.decisions.late_items import Items, joined
from reverse_etl.decisions.late_policy import LatePolicy

__all__ = ["observed_on", "past_weeks"]


def past_weeks(
    paid: Items,
    still_open: Items,
    customers: int,
    day: int,
    policy: LatePolicy,
    on_progress: Callable[[float], None] | None = None,
) -> Unpaid | None:
    """The unpaid, not yet overdue items of every past week; None where the history is too short.

    Args:
        paid: items cleared on or before ``day``.
        still_open: items unpaid on ``day``.
        customers: how many customers the two name.
        day: the as-of date.
        policy: step, lag, how much history a first week needs.
        on_progress: told the finished share, 0 to 1.
    """
    if not len(paid):
        return None
    first = int(paid.cleared.min()) + policy.history_days_min
    step = policy.snapshot_step_days
    days = range(day - step, first - 1, -step)[: policy.training_weeks_max]
    everything = joined(paid, still_open)
    everything = everything.take(everything.document <= day - policy.document_age_days_min)
    found = []
    for number, past in enumerate(days, 1):
        is_unpaid = (everything.document <= past) & (everything.cleared > past)
        is_unpaid &= everything.due >= past
        if is_unpaid.any():
            history = History(paid.take(paid.cleared <= past), customers)
            found.append(snapshot_of(everything.take(is_unpaid), history, past, policy))
        if on_progress is not None:
            on_progress(number / len(days))
    return stacked(found) if found else None


def observed_on(weeks: Unpaid, day: int, policy: LatePolicy) -> Unpaid:
    """What could be learned from on ``day``: earlier weeks, items whose lag is over, the newest."""
    age = day - weeks.items.document
    is_observed = (weeks.day < day) & (age >= policy.document_age_days_min)
    return weeks.take(np.flatnonzero(is_observed)[: policy.training_rows_max])
