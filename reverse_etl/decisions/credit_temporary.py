"""Limits for some time: when one begins and when the old one is back.

Two people write a temporary limit into the policy, with the amount that holds afterwards. On its
first day it becomes the approved limit of the account, after its last day the old amount does. An
approval that people gave meanwhile is newer and stays: nothing here overrides it. Pure.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from reverse_etl.planning.policy_credit import TemporaryLimit

__all__ = ["ApprovedNow", "DueLimit", "due_limits"]

_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class ApprovedNow:
    """The approved limit of an account as it stands."""

    limit_kind: str
    limit_amount: Decimal | None
    approved_at: datetime


@dataclass(frozen=True, slots=True)
class DueLimit:
    """A limit that must become the approved one: the amount, and since when it should be."""

    source: TemporaryLimit
    limit_amount: Decimal
    since: datetime


def due_limits(
    approved: Mapping[_Key, ApprovedNow], temporary: Iterable[TemporaryLimit], as_of: date
) -> list[DueLimit]:
    """What has to be approved now because a temporary limit began or ended.

    Args:
        approved: per system, customer and segment.
        temporary: the policy's, of any day.
        as_of: the business date.

    Returns:
        At most one per account, in the order of the policy; a second call after these were
        recorded (``approved_at`` = ``since``) finds nothing.
    """
    found: dict[_Key, DueLimit] = {}
    for one in sorted(temporary, key=lambda t: t.valid_from):
        key = (one.system_id, one.customer, one.credit_segment)
        now = approved.get(key)
        begins, ends = _at(one.valid_from), _at(one.valid_until + timedelta(days=1))
        if one.holds_on(as_of):
            if now is None or now.approved_at < begins:
                found[key] = DueLimit(one, one.limit_amount, begins)
        elif as_of > one.valid_until and now is not None and now.approved_at == begins:
            found[key] = DueLimit(one, one.back_to_amount, ends)
    return list(found.values())


def _at(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
