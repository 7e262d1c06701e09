"""Read-back: does the target hold what was sent? Pure judgements, no clock, no network.

Nothing is ``verified`` without this. A field that is missing in the read-back counts as dropped,
unless the writer declared that the target never shows it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from reverse_etl.delivery.bounds import Bounds
from reverse_etl.delivery.writer import Limits, ReadBack, Rejected
from reverse_etl.ledger.commands import Value
from reverse_etl.ledger.values import canonical_value

__all__ = ["Verdict", "Verified", "differences", "judge_read_back"]

#: Reads that must show the same lack before it is believed: a replica may lag behind.
_ABSENT_READS_MIN = 3
_MISMATCH_READS_MIN = 2


class Verdict(Enum):
    """What to do after a read-back."""

    VERIFIED = "verified"
    ASK_AGAIN = "ask_again"
    REJECTED = "rejected"
    NO_EFFECT = "no_effect"
    MISMATCH = "mismatch"
    NOT_CONFIRMED = "not_confirmed"


@dataclass(frozen=True, slots=True)
class Verified:
    """A verdict with its reasons. ``differences``: field to (sent, found)."""

    verdict: Verdict
    differences: Mapping[str, tuple[str | None, str | None]]
    rejection: Rejected | None = None


_NO_DIFFERENCES: Mapping[str, tuple[str | None, str | None]] = {}
_VERIFIED = Verified(Verdict.VERIFIED, _NO_DIFFERENCES)
_ASK_AGAIN = Verified(Verdict.ASK_AGAIN, _NO_DIFFERENCES)
_NOT_CONFIRMED = Verified(Verdict.NOT_CONFIRMED, _NO_DIFFERENCES)
_MISSING = object()


def differences(
    payload: Mapping[str, Value], found: Mapping[str, Value], unreadable: frozenset[str]
) -> dict[str, tuple[str | None, str | None]]:
    """Fields of a payload that the target does not hold as sent, as (sent, found) texts.

    An empty text and no value are one and the same: targets store the one as the other.
    """
    wrong: dict[str, tuple[str | None, str | None]] = {}
    for field, value in payload.items():
        there = found.get(field, _MISSING)
        if there is value or there == value and type(there) is type(value):  # noqa: RUF021
            continue
        if field in unreadable:
            continue
        sent_text = canonical_value(value) or None
        found_text = None if there is _MISSING else canonical_value(there) or None
        if sent_text != found_text:
            wrong[field] = (sent_text, found_text)
    return wrong


def judge_read_back(
    payload: Mapping[str, Value],
    found: ReadBack | None,
    limits: Limits,
    *,
    reads: int,
    age_seconds: float,
) -> Verified:
    """What a read-back means.

    Args:
        payload: what was sent.
        found: the answer, None when the target could not be read.
        limits: the operation's times.
        reads: how many answers there were so far, this one included.
        age_seconds: how long ago the target accepted the command.
    """
    if found is None or found.is_pending:
        return _NOT_CONFIRMED if age_seconds >= limits.verify_seconds else _ASK_AGAIN
    if found.rejection is not None:
        return Verified(Verdict.REJECTED, _NO_DIFFERENCES, found.rejection)
    if found.fields is None:
        is_sure = reads >= _ABSENT_READS_MIN and age_seconds >= 2 * limits.settle_seconds
        return Verified(Verdict.NO_EFFECT, _NO_DIFFERENCES) if is_sure else _ASK_AGAIN
    wrong = differences(payload, found.fields, limits.unreadable_fields)
    if not wrong:
        return _VERIFIED
    is_sure = reads >= _MISMATCH_READS_MIN and age_seconds >= limits.settle_seconds
    return Verified(Verdict.MISMATCH, wrong) if is_sure else _ASK_AGAIN


def poll_seconds(reads: int, limits: Limits, bounds: Bounds) -> float:
    """How long to wait for the next read-back: growing, never beyond the settle time's scale."""
    ceiling = max(limits.settle_seconds, limits.verify_seconds / 10)
    return min(ceiling, bounds.backoff_seconds_first * 2.0 ** min(reads - 1, 10))
