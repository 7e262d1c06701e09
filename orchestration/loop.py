"""The loop: one order of steps, two passes, called by the command line and by Dagster alike.

Money first (read, truth, decide cash, plan, deliver postings), then consequences (re-read what was
touched, truth again, decide credit, ERP states, then CRM). The second read and build are skipped
when nothing was posted, so a loop without changes starts dbt once and sends nothing. A hub figure
is never shown in the CRM before the ERP confirmed it: CRM rows are planned only after ERP states
were delivered and read back (DESIGN §7).

No SQL, no field names: steps call other rooms and carry their reports.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Self

from ingestion.common.clock import SystemClock
from ingestion.common.config import Config, System
from ingestion.common.errors import LedgerloopError
from ingestion.common.feed_checks import raw_row_counts
from ingestion.common.warehouse import (
    open_warehouse,
)
from orchestration import steps
from orchestration.dbt_process import DbtProcess
from orchestration.delivering import modes_of, open_store
from orchestration.learning import apply_learned
from orchestration.run import RunReport, RunSettings, StepReport, new_run_id
from reverse_etl.ledger.modes import Modes
from reverse_etl.planning.freshness import posted_since
from reverse_etl.planning.governance import Governance, load_governance
from reverse_etl.planning.guards import SourceHealth, untied_now
from reverse_etl.planning.planner import Plan
from reverse_etl.planning.policy import Policy, load_policy

__all__ = ["STEPS", "Loop", "Step"]

#: Counts of steps that keep a run from being verified.
_UNFINISHED = ("exceptions", "rejected", "dead", "left")

log = logging.getLogger(__name__)

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the loop.

    Attributes:
        name: shown to people; unique.
        key: Dagster's asset key of what it makes; the first part is its group.
        run: the work.
        plain: what it does, in plain words.
        is_needed: None means always.
    """

    name: str
    key: tuple[str, ...]
    run: Callable[["Loop"], StepReport]
    plain: str
    is_needed: Callable[["Loop"], bool] | None = None


class Loop:
    """One run of the loop over one warehouse. ``with Loop(...) as loop: loop.run()``.

    Args:
        config: the connected systems.
        home: where all state lies.
        as_of: the business date; None takes each company's own today.
        only: read and plan only these systems.
        plan_only: nothing is recorded, nothing sent.
        initial: allow the first load of objects that guard it.
        clock: time, given in.
    """

    def __init__(
        self,
        config: Config,
        home: Path,
        *,
        as_of: date | None = None,
        only: Sequence[str] = (),
        plan_only: bool = False,
        initial: bool = False,
        clock: SystemClock | None = None,
    ) -> None:
        self.config = config
        self.home = home
        self.clock = clock or SystemClock()
        self.governance: Governance = load_governance()
        self.policy: Policy = load_policy(config.hub.policy or None)
        started_at = self.clock.now()
        self.report = RunReport(
            RunSettings(
                run_id=new_run_id(started_at),
                started_at=started_at,
                as_of=as_of or self.clock.today(config.hub.time_zone),
                only=tuple(only),
                plan_only=plan_only,
                initial=initial,
            )
        )
        self.is_as_of_fixed = as_of is not None
        self.warehouse = home / "warehouse.duckdb"
        self.store = open_store(home)
        self.kinds = frozenset(system.kind for system in config.systems.values())
        self.dbt = DbtProcess(self.warehouse, home, self.kinds)
        self.plans: dict[str, Plan] = {}
        self.drift_found = 0
        self.drift_left = 0
        self.sources: list[SourceHealth] = []
        self.read_started_at = started_at

    # ------------------------------------------------------------------ running

    def run(self, progress: Progress | None = None) -> RunReport:
        """Run every step in order; the report says how it ended.

        Raises:
            LedgerloopError: a step failed; what was recorded before stays, and the next run
                continues from it.
        """
        tell = progress or log.info
        self.dbt.start()
        try:
            for step in STEPS:
                report = self.run_step(step)
                tell(_line(step, report))
        except LedgerloopError as error:
            self.report.status, self.report.error = "failed", error.message
            raise
        finally:
            self.report.save(self.home)
        self.finish()
        return self.report

    def run_step(self, step: Step) -> StepReport:
        """Run one step, or skip it, and remember its report."""
        started = time.perf_counter()
        if step.is_needed is not None and not step.is_needed(self):
            report = StepReport(step.name, is_skipped=True)
        else:
            report = step.run(self)
        report.seconds = round(time.perf_counter() - started, 3)
        self.report.steps.append(report)
        return report

    def finish(self) -> None:
        """Decide how the run ended and save its file.

        Verified means that every command that could go out did, and was read back: what a system
        that is down left behind makes a run partial, though nobody has to look at it yet.
        """
        is_whole = not any(self.report.total(name) for name in _UNFINISHED)
        self.report.status = "verified" if is_whole else "partial"
        self.report.save(self.home)

    def close(self) -> None:
        """Close the database and the dbt process."""
        self.dbt.close()
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # ------------------------------------------------------------------ facts for steps

    @property
    def run_id(self) -> str:
        return self.report.settings.run_id

    @property
    def as_of(self) -> date:
        return self.report.settings.as_of

    @property
    def systems(self) -> list[System]:
        """The systems this run reads and plans."""
        only = self.report.settings.only
        return [s for s in self.config.systems.values() if not only or s.system_id in only]

    @property
    def awaiting_approval(self) -> int:
        """Commands that wait for a person."""
        return sum(1 for _ in self.store.awaiting_approval())

    @property
    def modes(self) -> Modes:
        """The mode of every system: loopback is automatic, all else starts in shadow."""
        return modes_of(self.config, self.policy)

    def row_counts(self) -> dict[tuple[str, str], int]:
        """Rows of every table of the warehouse, by (schema, table): an estimate of DuckDB's."""
        return raw_row_counts(self.warehouse)

    def is_untied(self) -> bool:
        """Whether a company's sub-ledger and GL differ at this reading."""
        with open_warehouse(self.warehouse) as connection:
            return bool(untied_now(connection))

    @property
    def posted(self) -> bool:
        """Whether any run, this or another one, posted in an ERP since this one last read it."""
        return posted_since(self.store, self.read_started_at)

    @property
    def was_reread(self) -> bool:
        """Whether this run read again what was posted."""
        return any(s.step == "read again" and not s.is_skipped for s in self.report.steps)


def _line(step: Step, report: StepReport) -> str:
    """One line of progress for people."""
    if report.is_skipped:
        return f"  {step.name:<18} skipped: {report.skipped_because}"
    counts = ", ".join(f"{k.replace('_', ' ')} {v:,}" for k, v in report.counts.items() if v)
    money = ", ".join(f"{v} {k}" for k, v in report.money.items())
    detail = "; ".join(part for part in (counts, money) if part) or "nothing to do"
    return f"  {step.name:<18} {report.seconds:6.1f} s  {detail}"


#: Flows of governance.yml by the pass that sends them: money first, then consequences.
_POSTINGS = ("cash_posting", "cash_clearing", "deductions")
#: What people ask for by itself: recorded by their commands, never planned from a view.
_ASKED = ("refunds", "debit_memos")
_STATES = ("credit", "order_release")

STEPS: tuple[Step, ...] = (
    Step("read", ("read", "raw"), steps.read, "copy every system's objects into the warehouse"),
    Step("truth", ("truth", "marts"), steps.build, "build marts and what targets should hold"),
    Step(
        "look twice",
        ("truth", "twice"),
        steps.look_twice,
        "read again where sub-ledger and GL differ",
        Loop.is_untied,
    ),
    Step(
        "decide cash", ("decisions", "applications"), steps.decide_cash, "find what the money means"
    ),
    Step(
        "decide deductions",
        ("decisions", "deductions"),
        steps.decide_deductions,
        "open disputes for what was paid short, propose credit memos",
    ),
    Step(
        "plan postings",
        ("plan", "postings"),
        steps.plan_postings("plan postings", *_POSTINGS),
        "turn receipts and applications into postings",
    ),
    Step(
        "deliver postings",
        ("deliver", "erp", "postings"),
        steps.deliver_step("deliver postings", *_POSTINGS, *_ASKED),
        "post and clear in the ERP, read back",
    ),
    Step(
        "read again",
        ("read", "again"),
        steps.reread,
        "re-read what was touched",
        lambda loop: loop.posted,
    ),
    Step(
        "truth again",
        ("truth", "again"),
        steps.build,
        "build on what the ERP confirmed",
        lambda loop: loop.was_reread,
    ),
    Step(
        "apply learned",
        ("deliver", "erp", "learned"),
        apply_learned("apply learned", *_POSTINGS),
        "apply what the run's own postings made certain",
        lambda loop: loop.was_reread,
    ),
    Step(
        "decide credit",
        ("decisions", "credit"),
        steps.decide_credit,
        "limits, holds, order releases",
    ),
    Step(
        "decide links",
        ("decisions", "link_proposals"),
        steps.decide_links,
        "propose which CRM accounts are which customers",
    ),
    Step(
        "plan credit",
        ("plan", "credit"),
        steps.plan_step("plan credit", *_STATES),
        "turn credit decisions into ERP states",
    ),
    Step(
        "deliver credit",
        ("deliver", "erp", "credit"),
        steps.deliver_step("deliver credit", *_STATES),
        "write ERP states, read back",
    ),
    Step(
        "plan crm",
        ("plan", "differences"),
        steps.plan_crm,
        "find where the CRM differs from what the ERP confirmed",
    ),
    Step(
        "deliver crm",
        ("deliver", "crm"),
        steps.deliver_step("deliver crm", "crm"),
        "write the CRM, read back",
    ),
    Step(
        "publish", ("publish", "warehouse"), steps.publish_step, "publish the warehouse for readers"
    ),
)
