"""Every step of ``orchestration.loop.STEPS`` as assets; the order stands there and only there.

Each step is one operation that materialises the keys it fills: ``[<kind>_raw, object]`` for
reading, ``[<schema>, <model>]`` for dbt, ``[decisions, …]``, ``[plan, …]``, ``[deliver, <kind>]``.
A step depends on the step before it, so the graph is the loop. Metadata shows counts, money and
the plan. Blocking checks stand before delivery: implausible feeds and untied books stop the run.
Everything that opens the DuckDB file is in the pool ``warehouse``.
"""

from collections.abc import Callable, Iterator, Sequence
from graphlib import TopologicalSorter
from typing import Any

import dagster as dg

from ingestion.common.feed_checks import judge
from orchestration.defs.loop.catalog import specs_of
from orchestration.loop import STEPS, Loop, Step
from orchestration.run import StepReport
from orchestration.running import end_loop, loop_of
from orchestration.show import plan_markdown

__all__ = ["step_assets"]

FEEDS_CHECK = "feeds_are_plausible"
GUARDS_CHECK = "guards_passed"
Result = dg.MaterializeResult[Any] | dg.AssetCheckResult


def step_metadata(report: StepReport) -> dict[str, Any]:
    """Counts, money by currency, seconds and messages as Dagster metadata."""
    shown: dict[str, Any] = {"seconds": report.seconds}
    shown |= {name.replace("_", " "): count for name, count in report.counts.items()}
    shown |= {f"money {currency}": text for currency, text in report.money.items()}
    if report.is_skipped:
        shown["skipped"] = report.skipped_because
    if report.messages:
        shown["messages"] = dg.MetadataValue.md("\n".join(f"- {m}" for m in report.messages[:50]))
    return shown


def _checks(step: Step, specs: Sequence[dg.AssetSpec]) -> list[dg.AssetCheckSpec]:
    """The blocking checks of a step."""
    if step.name == "read":
        return [
            dg.AssetCheckSpec(
                FEEDS_CHECK,
                asset=specs[0].key,
                blocking=True,
                description="Great Expectations: what the vendors sent can be true",
            )
        ]
    if step.key[0] == "plan":
        return [
            dg.AssetCheckSpec(
                GUARDS_CHECK,
                asset=dg.AssetKey(step.key),
                blocking=True,
                description="Volume, money, freshness and ties allow what is planned to leave",
            )
        ]
    return []


def _check_result(loop: Loop, step: Step, check: dg.AssetCheckSpec) -> dg.AssetCheckResult:
    """Judge one check. A guard that stops one object or company only warns: the rest may go."""
    if check.name == FEEDS_CHECK:
        found = judge(loop.warehouse)
        return dg.AssetCheckResult(
            check_name=check.name,
            asset_key=check.asset_key,
            passed=not found,
            metadata={one.name: f"{one.rows} {one.message}" for one in found},
        )
    planned = loop.plans[step.name]
    failed = [guard for guard in planned.guards if not guard.is_passed]
    stopped = {guard.object_name for guard in failed if not guard.company_code}
    holds_all = len(stopped) == len(planned.objects) > 0
    return dg.AssetCheckResult(
        check_name=check.name,
        asset_key=check.asset_key,
        passed=not failed,
        severity=dg.AssetCheckSeverity.ERROR if holds_all else dg.AssetCheckSeverity.WARN,
        metadata={"guards": len(planned.guards)}
        | {f"held {number}": guard.message for number, guard in enumerate(failed, 1)},
    )


def _operation(
    step: Step, specs: Sequence[dg.AssetSpec], checks: Sequence[dg.AssetCheckSpec]
) -> Callable[[dg.AssetExecutionContext], Iterator[Result]]:
    """The work of one step inside Dagster."""

    def run(context: dg.AssetExecutionContext) -> Iterator[Result]:
        loop = loop_of(context.run_id)
        report = loop.run_step(step)
        for line in report.messages:
            context.log.info(line)
        shown = step_metadata(report)
        if step.name in loop.plans:
            shown["plan"] = dg.MetadataValue.md(plan_markdown(loop.plans[step.name]))
        counts = loop.row_counts()
        for spec in specs:
            rows = counts.get((spec.key.path[0], spec.key.path[-1]))
            own = {} if rows is None else {"dagster/row_count": rows}
            yield dg.MaterializeResult(asset_key=spec.key, metadata={**shown, **own})
        for check in checks:
            yield _check_result(loop, step, check)
        if step is STEPS[-1]:
            loop.finish()
            end_loop(context.run_id)

    return run


def _after(spec: dg.AssetSpec, before: Sequence[dg.AssetKey]) -> dg.AssetSpec:
    """The asset with the step before as a further dependency."""
    known = {dep.asset_key for dep in spec.deps}
    more = [key for key in before if key not in known]
    return spec.replace_attributes(deps=[*spec.deps, *more])


def _ordered(specs: Sequence[dg.AssetSpec]) -> list[dg.AssetSpec]:
    """What others of the step depend on first: Dagster wants results in that order."""
    by_key = {spec.key: spec for spec in specs}
    needs = {spec.key: {d.asset_key for d in spec.deps} & by_key.keys() for spec in specs}
    return [by_key[key] for key in TopologicalSorter(needs).static_order()]


def _build() -> list[dg.AssetsDefinition]:
    """One multi-asset per step, chained in the loop's order."""
    made: list[dg.AssetsDefinition] = []
    before: list[dg.AssetKey] = []
    for step in STEPS:
        specs = _ordered([_after(spec, before) for spec in specs_of(step)])
        checks = _checks(step, specs)
        wrap = dg.multi_asset(
            name=step.name.replace(" ", "_"),
            specs=specs,
            check_specs=checks,
            pool="warehouse",
        )
        made.append(wrap(_operation(step, specs, checks)))
        before = [specs[-1].key]
    return made


step_assets = _build()
