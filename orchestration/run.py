"""One run of the loop: its settings, its step reports, and the file that remembers both.

The file ``<home>/runs/<run_id>.json`` is what ``--json`` copies, what Dagster shows, and what lets
a step in another process know what the steps before it did.
"""

import json
import os
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

__all__ = ["RunReport", "RunSettings", "StepReport", "new_run_id"]


def new_run_id(started_at: datetime) -> str:
    """A sortable id, unique on one machine: instant and process."""
    return f"{started_at:%Y%m%dT%H%M%S%f}"[:-3] + f"-{os.getpid()}"


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What a run was asked to do. ``as_of`` is the hub's business date."""

    run_id: str
    started_at: datetime
    as_of: date
    only: tuple[str, ...] = ()
    plan_only: bool = False
    initial: bool = False


@dataclass(slots=True)
class StepReport:
    """What one step did, in counts and in money by currency, with plain messages."""

    step: str
    seconds: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    money: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)
    is_skipped: bool = False
    skipped_because: str = "nothing to do"


@dataclass(slots=True)
class RunReport:
    """The whole run. ``status``: verified, partial (exceptions were opened) or failed."""

    settings: RunSettings
    steps: list[StepReport] = field(default_factory=list)
    status: str = "running"
    error: str = ""

    def total(self, name: str) -> int:
        """A count summed over the steps."""
        return sum(step.counts.get(name, 0) for step in self.steps)

    @property
    def seconds(self) -> float:
        """Wall seconds of all steps."""
        return sum(step.seconds for step in self.steps)

    def as_json(self) -> dict[str, Any]:
        """The public form of ``ledgerloop sync --json``."""
        return {
            "run_id": self.settings.run_id,
            "as_of": self.settings.as_of.isoformat(),
            "status": self.status,
            "error": self.error,
            "writes": self.total("writes"),
            "verified": self.total("verified"),
            "exceptions": self.total("exceptions"),
            "awaiting_approval": self.total("awaiting_approval"),
            "seconds": round(self.seconds, 3),
            "steps": [asdict(step) for step in self.steps],
        }

    def save(self, home: Path) -> Path:
        """Write the run's file atomically."""
        folder = home / "runs"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.settings.run_id}.json"
        fresh = path.with_suffix(".next")
        tree = {"settings": asdict(self.settings), **self.as_json()}
        fresh.write_text(json.dumps(tree, indent=1, default=_as_text), encoding="utf-8")
        fresh.replace(path)
        return path

    @classmethod
    def load(cls, home: Path, run_id: str) -> Self:
        """Read a run's file back."""
        path = home / "runs" / f"{run_id}.json"
        tree = json.loads(path.read_text(encoding="utf-8"))
        settings = tree["settings"]
        return cls(
            settings=RunSettings(
                run_id=settings["run_id"],
                started_at=datetime.fromisoformat(settings["started_at"]),
                as_of=date.fromisoformat(settings["as_of"]),
                only=tuple(settings["only"]),
                plan_only=settings["plan_only"],
                initial=settings["initial"],
            ),
            steps=[StepReport(**step) for step in tree["steps"]],
            status=tree["status"],
            error=tree["error"],
        )


def _as_text(value: object) -> str:
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"{type(value).__name__} has no JSON form here")
