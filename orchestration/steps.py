"""The work of every step of the loop: calls into other rooms, and what they reported.

``orchestration.loop`` holds the order. No SQL and no field names stand here.
"""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING

from ingestion import read_system
from ingestion.common.config import System
from ingestion.common.report import ReadReport
from ingestion.common.warehouse import (
    LastRead,
    Run,
    create_declared_tables,
    last_reads,
    open_warehouse,
    write_config,
)
from orchestration.delivering import deliver_ready
from orchestration.publish import publish
from orchestration.run import StepReport
from orchestration.truth import build_truth
from reverse_etl.decide import run_cash
from reverse_etl.decide_credit import (
    keep_approved_limits,
    keep_ended_holds,
    keep_temporary_limits,
    run_credit,
)
from reverse_etl.decide_deductions import record_deductions, run_deductions
from reverse_etl.decide_links import run_links
from reverse_etl.delivery.report import DeliveryReport
from reverse_etl.planning.guards import SourceHealth, untied_now
from reverse_etl.planning.mirror import mirror_ledger
from reverse_etl.planning.overtaken import withdraw_overtaken
from reverse_etl.planning.planner import plan
from reverse_etl.planning.policy_tables import keep_policy
from reverse_etl.planning.problems import keep_drift, keep_problems
from reverse_etl.planning.tables import create_tables

if TYPE_CHECKING:
    from orchestration.loop import Loop

__all__ = [
    "build",
    "build_again",
    "catch_up",
    "decide_cash",
    "decide_credit",
    "decide_deductions",
    "decide_links",
    "deliver_step",
    "look_twice",
    "plan_crm",
    "plan_step",
    "prepare",
    "publish_step",
    "read",
    "reread",
]

#: How often a run that another one overtakes reads again before it goes on.
_CATCH_UPS_MAX = 3


def read(loop: "Loop") -> StepReport:
    """Read every system; drift stops writing for its kind."""
    report = StepReport("read")
    with open_warehouse(loop.warehouse):  # opened once: each opening reads every view's text
        for system in loop.systems:
            answer = read_system(
                system, loop.warehouse, run_started_at=loop.report.settings.started_at
            )
            _take_over(loop, answer, report)
        prepare(loop)
    return report


def _take_over(loop: "Loop", answer: ReadReport, report: StepReport) -> None:
    """Add one read to the step's report; record what a person must look at."""
    report.counts[f"rows_{answer.system_id}"] = answer.rows
    report.counts["rows_changed"] = report.counts.get("rows_changed", 0) + answer.rows_changed
    for drift in answer.drift:
        report.messages.append(f"{answer.system_id}: {drift.message}")
    report.messages += [one.message for one in (*answer.refused, *answer.warnings)]
    if not loop.report.settings.plan_only:
        opened = keep_drift(loop.store, answer)
        report.counts["exceptions"] = report.counts.get("exceptions", 0) + opened


def prepare(loop: "Loop") -> None:
    """Write this run's configuration and the operations database's copy into the warehouse."""
    settings = loop.report.settings
    dates = {
        (system.system_id, code): loop.clock.today(company.time_zone)
        for system in loop.config.systems.values()
        for code, company in system.companies.items()
    }
    run = Run(
        settings.run_id,
        settings.as_of,
        settings.started_at,
        {} if loop.is_as_of_fixed else dates,
    )
    with open_warehouse(loop.warehouse) as connection:
        create_declared_tables(connection)
        create_tables(connection)
        write_config(connection, loop.config, run)
        keep_policy(connection, loop.policy)
        mirror_ledger(connection, loop.store)
        read = {one.system_id: one for one in last_reads(connection)}
    # Also those that this run does not read (--only): stale-source guards stay.
    connected = loop.config.systems.values()
    loop.sources = [_health(system, read.get(system.system_id)) for system in connected]


def _health(system: System, read: LastRead | None) -> SourceHealth:
    """How the last whole reading of a system went, whichever run made it."""
    if read is None:
        return SourceHealth(system.system_id, system.kind, problem="it was never read")
    return SourceHealth(system.system_id, system.kind, read.problem, read.read_at)


def build(loop: "Loop") -> StepReport:
    """One dbt build: marts, sync and observed views, their tests.

    Files and rows that cannot be used become exceptions here, from the warehouse: a run that was
    killed after reading, or that only planned, loses none of them.
    """
    is_again = any(s.step == "truth" for s in loop.report.steps)
    name = "truth again" if is_again else "truth"
    built = build_truth(loop.dbt, loop.warehouse, connected=loop.kinds, is_again=is_again)
    report = StepReport(name, counts=dict(built.counts), messages=list(built.messages))
    if not loop.report.settings.plan_only:
        with open_warehouse(loop.warehouse) as connection:
            report.counts["exceptions"] = keep_problems(connection, loop.store)
    return report


def decide_cash(loop: "Loop") -> StepReport:
    """Find what the money means: which open items each receipt pays."""
    with open_warehouse(loop.warehouse) as connection:
        summary = run_cash(connection, loop.policy, loop.as_of)
    return StepReport(
        "decide cash",
        counts={f"receipts_{k}": v for k, v in summary.receipts_by_decision.items()},
        money=_texts(summary.applied_by_currency),
    )


def decide_deductions(loop: "Loop") -> StepReport:
    """Open disputes for what was paid short, and say what follows from those that are decided."""
    with open_warehouse(loop.warehouse) as connection:
        mirror_ledger(connection, loop.store)
        summary = run_deductions(connection, loop.policy, loop.as_of)
        counts = dict(summary.rows_by_action)
        if not loop.report.settings.plan_only:
            counts |= record_deductions(connection, loop.store)
    return StepReport("decide deductions", counts=counts, money=_texts(summary.amount_by_currency))


def decide_credit(loop: "Loop") -> StepReport:
    """Decide limits, holds and order releases on what the ERP confirmed."""
    catch_up(loop)
    is_acting = not loop.report.settings.plan_only
    with open_warehouse(loop.warehouse) as connection:
        if is_acting:
            keep_temporary_limits(loop.store, loop.policy, loop.as_of)
        mirror_ledger(connection, loop.store)
        if is_acting and keep_ended_holds(connection, loop.store):
            mirror_ledger(connection, loop.store)
        summary = run_credit(connection, loop.policy, loop.as_of)
        if is_acting:
            keep_approved_limits(connection, loop.store, loop.policy)
    return StepReport("decide credit", counts=dict(summary.rows_by_action))


def decide_links(loop: "Loop") -> StepReport:
    """Propose which CRM accounts are which customers; a person accepts."""
    with open_warehouse(loop.warehouse) as connection:
        summary = run_links(connection, loop.policy, loop.as_of)
    return StepReport(
        "decide links", counts={"proposals": summary.proposals, "accounts": summary.accounts}
    )


def plan_step(name: str, *flows: str) -> Callable[["Loop"], StepReport]:
    """A planning step over the objects of some flows, of every connected target."""

    def run(loop: "Loop") -> StepReport:
        settings = loop.report.settings
        objects = [f"{one.kind}.{one.name}" for one in loop.governance.of_flows(flows)]
        with open_warehouse(loop.warehouse) as connection:
            mirror_ledger(connection, loop.store)
            planned = plan(
                connection,
                loop.store,
                loop.config,
                loop.governance,
                loop.policy,
                objects=objects,
                only=settings.only,
                now=loop.clock.now(),
                run_id=loop.run_id,
                plan_only=settings.plan_only,
                initial=settings.initial,
                modes=loop.modes,
                sources=loop.sources,
            )
        loop.plans[name] = planned
        loop.drift_found += planned.drift_rows
        loop.drift_left += planned.unexplained_rows
        return StepReport(
            name,
            counts=dict(planned.counts),
            money=_texts(planned.money),
            messages=list(planned.messages),
        )

    return run


def plan_postings(name: str, *flows: str) -> Callable[["Loop"], StepReport]:
    """A planning step for money: what people asked for on other grounds is taken back first."""

    def run(loop: "Loop") -> StepReport:
        if loop.report.settings.plan_only:
            return plan_step(name, *flows)(loop)
        with open_warehouse(loop.warehouse) as connection:
            ids = [system.system_id for system in loop.systems if system.companies]
            withdrawn = withdraw_overtaken(connection, loop.store, ids)
        report = plan_step(name, *flows)(loop)
        report.counts["exceptions"] = report.counts.get("exceptions", 0) + withdrawn
        return report

    return run


def plan_crm(loop: "Loop") -> StepReport:
    """Find where the CRM differs from what the ERP confirmed, whoever posted there last."""
    catch_up(loop)
    return plan_step("plan crm", "crm")(loop)


def deliver_step(name: str, *flows: str) -> Callable[["Loop"], StepReport]:
    """A delivery step: everything ready of some flows, to every connected target."""

    def run(loop: "Loop") -> StepReport:
        if loop.report.settings.plan_only:
            return StepReport(name, is_skipped=True, skipped_because="only planning was asked for")
        objects = {one.name for one in loop.governance.of_flows(flows)}
        sent = asyncio.run(
            deliver_ready(loop.config, loop.store, loop.governance, loop.modes, objects)
        )
        return _delivery_step(name, sent)

    return run


def _delivery_step(name: str, sent: DeliveryReport) -> StepReport:
    return StepReport(
        name,
        counts={
            "writes": sent.sent,
            "verified": sent.verified,
            "rejected": sent.rejected,
            "unknown": sent.unknown,
            "waiting": sent.waiting,
            "dead": sent.dead,
            "unconfirmed": sent.unconfirmed,
            "left": sent.waiting + sent.unknown + sent.unconfirmed + sent.ready,
            "exceptions": sent.exceptions_opened,
            "requests": sent.requests,
            "look_ups": sent.look_ups,
        },
        messages=list(sent.messages),
    )


def reread(loop: "Loop") -> StepReport:
    """Read again the systems that money was posted to."""
    report = StepReport("read again")
    loop.read_started_at = started_at = loop.clock.now()
    with open_warehouse(loop.warehouse):
        for system in loop.systems:
            if system.companies:
                answer = read_system(system, loop.warehouse, run_started_at=started_at)
                _take_over(loop, answer, report)
        prepare(loop)
    return report


def catch_up(loop: "Loop") -> None:
    """Read and build again where another run posted since this one read.

    Without it this run would decide and show what the ERP held before, and undo in the CRM what
    the other run has just put right. A run that keeps being overtaken goes on: the other one shows
    its own postings after it.
    """
    for _ in range(_CATCH_UPS_MAX):
        if not loop.posted:
            return
        reread(loop)
        build_again(loop)


def build_again(loop: "Loop") -> None:
    """Build on what was read again; what cannot be used was reported by the build before."""
    loop.dbt.build(is_refresh=True)


def look_twice(loop: "Loop") -> StepReport:
    """Read and build once more: a GL difference that stays blocks that company's postings."""
    report = reread(loop)
    report.step = "look twice"
    build_again(loop)
    with open_warehouse(loop.warehouse) as connection:
        untied = untied_now(connection)
    report.counts["untied_companies"] = len(untied)
    report.messages += [f"{company}: sub-ledger and GL still differ" for company in untied]
    return report


def publish_step(loop: "Loop") -> StepReport:
    """Publish the warehouse; a run that left exceptions is published too, and says so."""
    publish(loop.warehouse, loop.home, loop.run_id)
    return StepReport("publish")


def _texts(money: dict[str, Decimal]) -> dict[str, str]:
    return {currency: format(amount, "f") for currency, amount in sorted(money.items())}
