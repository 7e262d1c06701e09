"""What customers paid before a batch, as a frame: read for a customer when its habit is asked.

A customer's payments are the days on which its items were paid; what else was open on such a day
was passed over. Most customers of a batch are never asked about, so nothing is read in advance.
"""

from collections.abc import Callable, Iterable
from datetime import date
from functools import cache

import numpy as np
import polars as pl

from reverse_etl.decisions.cash_frames import day_of, require
from reverse_etl.decisions.cash_habits import NEVER, Settled, working_days
from reverse_etl.decisions.cash_ledger import Ledger

__all__ = ["read_settled"]

_COLUMNS = ("customer_id", "due_date", "open_from", "paid_on", "known_on")


def read_settled(
    frame: pl.DataFrame | None, ledger: Ledger
) -> Callable[[str], Settled | None] | None:
    """The settled items of a frame, by customer.

    Raises:
        InputRefused: a column is missing; when a customer is asked about: a date cannot be read.
    """
    if frame is None:
        return None
    require(frame, _COLUMNS, "settled items")
    by_customer = {
        str(key[0]): part for key, part in frame.select(_COLUMNS).group_by("customer_id")
    }

    @cache
    def settled_of(customer: str) -> Settled | None:
        part = by_customer.get(customer)
        return None if part is None else _settled(part, ledger, customer)

    return settled_of


def _settled(part: pl.DataFrame, ledger: Ledger, customer: str) -> Settled:
    where = f"settled item of {customer}"
    rows = [tuple(day_of(value, where) for value in row[1:]) for row in part.iter_rows()]
    still_open = ledger.payables(frozenset({customer})).unpaid()
    rows += [(item.due_date, item.open_from, None, None) for item in still_open]
    due, opened, paid, known = zip(*rows, strict=True)
    return Settled(
        working_days(due),
        _ordinals(opened, 1),
        _ordinals(paid, NEVER),
        _ordinals(known, NEVER),
    )


def _ordinals(days: Iterable[date | None], otherwise: int) -> np.ndarray:
    found = [otherwise if day is None else day.toordinal() for day in days]
    return np.array(found, dtype=np.int64)
