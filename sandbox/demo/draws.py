"""Random parts of exact size: a share of eighty customers should not swing from seed to seed."""

from collections.abc import Sequence

import numpy as np

__all__ = ["chosen"]


def chosen(
    customers: Sequence[str], share: float, random: np.random.Generator, *, at_least: int = 0
) -> set[str]:
    """A random ``share`` of the customers, rounded, and no fewer than ``at_least``."""
    count = min(len(customers), max(at_least, round(len(customers) * share)))
    return {customers[index] for index in random.choice(len(customers), count, replace=False)}
