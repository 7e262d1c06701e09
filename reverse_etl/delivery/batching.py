"""How many commands share a request: single, batch or bulk by volume, smaller after failures."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

from reverse_etl.delivery.writer import Limits

__all__ = ["batch_size", "halves", "split"]

_Item = TypeVar("_Item")


def batch_size(limits: Limits, *, failures: int, volume: int) -> int:
    """The most commands that one request of this operation may carry now.

    Args:
        limits: what the writer says of the operation.
        failures: how often these commands failed together; each failure quarters the batch, so
            that a row which breaks the target ends up alone.
        volume: how many are due; from ``bulk_from`` on they go in bulk.
    """
    if failures:
        return max(1, limits.batch_max >> (2 * failures))
    if limits.bulk_from is not None and volume >= limits.bulk_from:
        return limits.bulk_max
    return limits.batch_max


def split(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    """Consecutive parts of at most ``size``."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def halves(items: Sequence[_Item]) -> tuple[Sequence[_Item], Sequence[_Item]]:
    """Two parts, in order, the first no smaller; for a batch of at least two."""
    assert len(items) > 1, "a single row cannot be halved"
    middle = (len(items) + 1) // 2
    return items[:middle], items[middle:]
