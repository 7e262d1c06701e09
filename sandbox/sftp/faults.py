"""What goes wrong with file transfers, on a seed: cuts, refused renames, half listings, delay.

Every draw comes from the seed. Byte counts are of one direction over all connections since the
faults were set.
"""

from dataclasses import dataclass, field
from random import Random

__all__ = ["FileFaults"]


@dataclass(slots=True)
class FileFaults:
    """Faults of one file server. Without any nothing goes wrong.

    Attributes:
        cut_after_written: the connection is cut when so many bytes were written; each point once.
        cut_after_read: the same for bytes read.
        refused_renames: so many renames are refused before one passes.
        lost_renames: so many renames are done and the connection is cut instead of the answer.
        partial_listings: so many listings show only the first half of a folder.
        latency_seconds: every read and write waits so long.
    """

    cut_after_written: list[int] = field(default_factory=list)
    cut_after_read: list[int] = field(default_factory=list)
    refused_renames: int = 0
    lost_renames: int = 0
    partial_listings: int = 0
    latency_seconds: float = 0.0
    bytes_written: int = 0
    bytes_read: int = 0
    struck: list[str] = field(default_factory=list)

    @classmethod
    def seeded(cls, seed: int, *, bytes_total: int, cuts: int = 2) -> "FileFaults":
        """Cuts somewhere in a transfer of so many bytes, and now and then a lost rename."""
        random = Random(seed)  # noqa: S311 - repeatable
        points = sorted(random.randrange(1, bytes_total) for _ in range(cuts))
        return cls(
            cut_after_written=points,
            refused_renames=0,
            lost_renames=random.randrange(3),
        )

    def on_written(self, count: int) -> int | None:
        """How many of these bytes still arrive before the cut; None when there is none."""
        return self._on("written", count, self.cut_after_written)

    def on_read(self, count: int) -> int | None:
        """The same for bytes read."""
        return self._on("read", count, self.cut_after_read)

    def _on(self, way: str, count: int, points: list[int]) -> int | None:
        name = f"bytes_{way}"
        before: int = getattr(self, name)
        setattr(self, name, before + count)
        if points and before + count >= points[0]:
            self.struck.append(f"cut_{way}_{points[0]}")
            return max(0, points.pop(0) - before)
        return None

    def take(self, name: str) -> bool:
        """Whether a counted fault strikes now."""
        left: int = getattr(self, name)
        if left <= 0:
            return False
        setattr(self, name, left - 1)
        self.struck.append(name)
        return True
