"""What a read did: counts, time, drift and refusals. Values only; it prints and stores nothing."""

from dataclasses import dataclass, field
from enum import StrEnum

from ingestion.common.errors import InputRefused

__all__ = ["Drift", "DriftKind", "ObjectReport", "ReadReport"]


class DriftKind(StrEnum):
    """How a vendor's object differs from what is declared."""

    NEW_COLUMN = "new_column"
    VANISHED_COLUMN = "vanished_column"
    CHANGED_TYPE = "changed_type"


@dataclass(frozen=True, slots=True)
class Drift:
    """One difference between an object and its declaration."""

    object_name: str
    column: str
    kind: DriftKind
    message: str

    @property
    def stops_writing(self) -> bool:
        """A new column is only reported; a vanished or changed one stops write-back."""
        return self.kind is not DriftKind.NEW_COLUMN


@dataclass(frozen=True, slots=True)
class ObjectReport:
    """One object of one read.

    ``rows_read`` came over the wire; ``rows_changed`` were new or different and were loaded;
    ``rows_vanished`` left the raw table. ``seconds`` is wall time of fetching.
    """

    name: str
    rows_read: int
    rows_changed: int
    rows_vanished: int
    pages: int
    seconds: float


@dataclass(frozen=True, slots=True)
class ReadReport:
    """One read of one system."""

    system_id: str
    kind: str
    seconds: float
    cpu_seconds: float
    objects: tuple[ObjectReport, ...] = ()
    drift: tuple[Drift, ...] = ()
    refused: tuple[InputRefused, ...] = ()
    warnings: tuple[InputRefused, ...] = field(default=())
    """Input that was taken although something about it wants a person's eye (a sequence gap)."""

    @property
    def rows(self) -> int:
        """Rows that came over the wire."""
        return sum(one.rows_read for one in self.objects)

    @property
    def rows_changed(self) -> int:
        """Rows that were new, different or gone; 0 means the warehouse is as it was."""
        return sum(one.rows_changed + one.rows_vanished for one in self.objects)

    @property
    def microseconds_per_row(self) -> float:
        """CPU microseconds of this process per row read; 0 when nothing was read."""
        return self.cpu_seconds / self.rows * 1e6 if self.rows else 0.0

    @property
    def stops_writing(self) -> bool:
        """True when a column vanished or changed type: no write-back for this kind."""
        return any(one.stops_writing for one in self.drift)
