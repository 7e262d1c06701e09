"""Planning: differences become recorded commands, under governance, policy and guards.

Per object, most urgent first: compare (``diff``), ask the guards, build one command per key
(``building``), record them in the operations database in one transaction, write what was found to
``plan.differences``. With ``plan_only`` nothing is recorded. It never sends and never reads a
vendor.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import chain

import duckdb

from ingestion.common.config import Config
from reverse_etl.ledger.commands import Command
from reverse_etl.ledger.exceptions import BUSINESS, NewException
from reverse_etl.ledger.modes import Mode, Modes
from reverse_etl.ledger.plan import Adopted, PlanResult
from reverse_etl.ledger.store import Store
from reverse_etl.planning.approvals import Approver, approved_limits
from reverse_etl.planning.building import Builder, DiffRow, KeyPlan
from reverse_etl.planning.diff import Sizes, agreements, compare
from reverse_etl.planning.differences import write_differences
from reverse_etl.planning.governance import Governance, TargetObject
from reverse_etl.planning.guards import (
    GuardResult,
    SourceHealth,
    check_object,
    money_at_stake,
    untied_companies,
)
from reverse_etl.planning.mirror import mirror_ledger
from reverse_etl.planning.plan import ObjectPlan, Plan, PlanRow, plan_rows
from reverse_etl.planning.policy import Policy, flow_modes
from reverse_etl.planning.problems import GUARD_PREFIX, close_passed_guards
from reverse_etl.planning.rows import Awaited, money_of, read_rows, unwanted_commands

__all__ = ["Plan", "PlanRow", "plan"]

#: Rows a plan carries in memory for display; ``plan.differences`` holds all.
_ROWS_SHOWN = 1_000
#: The key under which an object's first load, once allowed, is acknowledged.
_FIRST_LOAD_KEY = "*"


def plan(
    connection: duckdb.DuckDBPyConnection,
    store: Store,
    config: Config,
    governance: Governance,
    policy: Policy,
    *,
    objects: Sequence[str],
    now: datetime,
    run_id: str,
    only: Sequence[str] = (),
    plan_only: bool = False,
    initial: bool = False,
    modes: Modes | None = None,
    sources: Sequence[SourceHealth] = (),
    actor: str = "ledgerloop",
) -> Plan:
    """Plan some objects of every connected target.

    Args:
        connection: the working warehouse, open for writing, with views, ``ledger`` and ``plan``.
        store: the operations database.
        config: the connected systems.
        governance: the matrix.
        policy: thresholds.
        objects: ``<kind>.<object>``; planned most urgent first.
        now: the clock, UTC.
        run_id: this run.
        only: plan only these systems; empty means all.
        plan_only: write ``plan.differences`` and nothing to the operations database.
        initial: the first load of guarded objects is allowed.
        modes: the mode of every system; the policy's flow modes make them stricter, never looser.
        sources: how the reading of the systems went, where the caller knows.
        actor: who wants this: the hub, or a person who then may not approve it.

    Raises:
        ConfigError: an unknown object, a missing view or a missing column (named).
    """
    mirror_ledger(connection, store)
    made = Plan(run_id, plan_only)
    targets = [governance.object(*name.split(".", 1)) for name in objects]
    run = _Run(connection, store, config, policy, now, plan_only, initial, sources,
               flow_modes(modes or Modes(), config, policy), actor)  # fmt: skip
    for target in sorted(targets, key=lambda one: (one.priority, one.name)):
        system_ids = [
            system.system_id
            for system in config.of_kind(target.kind)
            if (not only or system.system_id in only)
            and run.modes.of(system.system_id, target.flow) is not Mode.OFF
        ]
        if system_ids:
            made.objects.append(_plan_object(run, target, system_ids))
    shown = [(one.kind, one.object_name) for one in made.objects]
    made.rows = list(plan_rows(connection, shown, _ROWS_SHOWN))
    return made


@dataclass(slots=True)
class _Run:
    """What every object of one planning step shares."""

    connection: duckdb.DuckDBPyConnection
    store: Store
    config: Config
    policy: Policy
    now: datetime
    plan_only: bool
    initial: bool
    sources: Sequence[SourceHealth]
    modes: Modes
    actor: str
    planned: dict[str, list[tuple[str, str, str, str]]] = field(default_factory=dict)
    """Per object: (system, key, customer id, command id) planned in this step."""


def _plan_object(run: _Run, target: TargetObject, system_ids: Sequence[str]) -> ObjectPlan:
    """Plan one object in its systems."""
    made = ObjectPlan(target.kind, target.name)
    started_at = _run_started_at(run.connection)
    sizes = compare(run.connection, target, system_ids, run_started_at=started_at)
    made.changed = sum(size.changed for size in sizes)
    made.guards = list(_guards(run, target, sizes))
    stopped = {
        g.system_id: g.message for g in made.guards if not g.is_passed and not g.company_code
    }
    companies = {
        (g.system_id, g.company_code): g.message
        for g in made.guards
        if not g.is_passed and g.company_code
    }
    open_ids = [system_id for system_id in system_ids if system_id not in stopped]
    key_plans = _key_plans(run, target, open_ids, companies, made)
    if run.plan_only:
        done = [_without_command(one) for one in key_plans]
    else:
        done = _record(run, target, open_ids, key_plans, made)
    write_differences(run.connection, target, system_ids, done, stopped, run.now)
    for one in done:
        made.unexplained += not one.is_explained
    made.actions["wait"] += sum(size.changed for size in sizes if size.system_id in stopped)
    if not run.plan_only:
        _keep_exceptions(run, target, system_ids, made, done)
    return made


def _without_command(one: KeyPlan) -> KeyPlan:
    """The same, without what only the operations database needs: 50,000 stay small."""
    return KeyPlan(
        one.system_id, one.key, one.action, one.rule, problem_field=one.problem_field,
        fields=one.fields, is_explained=one.is_explained, about=one.about,
    )  # fmt: skip


def _run_started_at(connection: duckdb.DuckDBPyConnection) -> datetime | None:
    """When this run began to read, from ``config.run``; None where no run is recorded."""
    try:
        ((started_at,),) = connection.execute("select max(started_at) from config.run").fetchall()
    except duckdb.CatalogException:
        return None
    return started_at if isinstance(started_at, datetime) else None


def _guards(run: _Run, target: TargetObject, sizes: Sequence[Sizes]) -> Iterator[GuardResult]:
    """Every guard of one object, per system, then the tie of its companies."""
    limits = run.policy.guards.of(target.kind, target.name)
    rates = {**run.config.hub.rates, run.config.hub.group_currency: Decimal(1)}
    money = money_of(run.connection)
    for size in sizes:
        yield from check_object(
            target,
            size,
            money_at_stake(money.get(size.system_id, {}), rates),
            limits,
            is_first_load=_is_first_load(run.connection, size.system_id, target.name),
            is_initial=run.initial,
            sources=run.sources,
            now=run.now,
        )
    if any(size.changed for size in sizes):
        yield from untied_companies(run.connection, target, [size.system_id for size in sizes])


def _is_first_load(connection: duckdb.DuckDBPyConnection, system_id: str, object_name: str) -> bool:
    """Whether the hub never wrote this object in this system, and was never allowed to."""
    values = [system_id, object_name]
    for table in ("acknowledged", "commands"):
        found = connection.execute(
            f"select 1 from ledger.{table} where system_id = ? and object_name = ? limit 1",  # noqa: S608
            values,
        ).fetchall()
        if found:
            return False
    return True


def _key_plans(
    run: _Run,
    target: TargetObject,
    system_ids: Sequence[str],
    companies: dict[tuple[str, str], str],
    made: ObjectPlan,
) -> Iterator[KeyPlan]:
    """One plan per key that differs; keys with an earlier command come first."""
    if not system_ids:
        return
    approved = approved_limits(run.connection) if target.learns else {}
    builder = Builder(
        target,
        Approver(run.policy, approved, _cumulative(run.store)),
        planned_at=run.now,
        group_currency=run.config.hub.group_currency,
        proposed_by=run.actor,
    )
    awaited = Awaited.of(run.connection, target, run.planned)
    for row in read_rows(run.connection, run.store, target, system_ids, companies, awaited):
        one = builder.plan(row)
        made.actions[one.action] += 1
        made.awaiting += one.action == "review" and one.command is not None
        if one.action in {"send", "review"}:
            _add_money(made, one, row)
        yield one


def _add_money(made: ObjectPlan, one: KeyPlan, row: DiffRow) -> None:
    if one.command is not None and one.command.amount_text:
        currency_code = row.text("currency_code")
        so_far = made.money.get(currency_code, Decimal(0))
        made.money[currency_code] = so_far + abs(one.command.amount)


def _cumulative(store: Store) -> Callable[[str, str, str], Decimal]:
    def money(customer_id: str, object_name: str, currency_code: str) -> Decimal:
        found = store.cumulative_amounts(customer_id, object_name)
        return found.get(currency_code, Decimal(0))

    return money


def _record(
    run: _Run,
    target: TargetObject,
    system_ids: Sequence[str],
    key_plans: Iterator[KeyPlan],
    made: ObjectPlan,
) -> list[KeyPlan]:
    """Record the commands in one transaction, streamed; returns the plans without them.

    What supersedes or corrects an earlier command is known before the first new one is recorded:
    keys with an earlier command come first. Objects that ask for approvals are small and are built
    whole before the transaction, because judging them reads the operations database.
    """
    done: list[KeyPlan] = []
    adopted = list(_adopted(run, target, system_ids))
    unwanted = list(unwanted_commands(run.connection, target, system_ids))
    early: list[KeyPlan] = []
    late: Iterator[KeyPlan] = key_plans
    for one in key_plans:
        early.append(one)
        if not one.touches_prior and not target.learns:
            break
    result = run.store.record_plan(
        _commands(run, target, chain(early, late), done),
        supersede=[*unwanted, *(one.supersede for one in early if one.supersede is not None)],
        corrected=[one.corrected for one in early if one.corrected is not None],
        adopted=adopted,
        modes=run.modes,
        actor=run.actor,
    )
    _take_over(run, result, made)
    return done


def _commands(
    run: _Run, target: TargetObject, key_plans: Iterable[KeyPlan], done: list[KeyPlan]
) -> Iterator[Command]:
    """The commands of a stream of plans; remembers what later objects of this step wait for."""
    planned = run.planned.setdefault(target.name, [])
    for one in key_plans:
        done.append(_without_command(one))
        if one.command is not None:
            customer_id = one.command.subject.get("customer_id", "")
            planned.append((one.system_id, one.key, customer_id, one.command.command_id))
            yield one.command


def _take_over(run: _Run, result: PlanResult, made: ObjectPlan) -> None:
    made.recorded += result.recorded
    made.superseded += result.superseded
    made.adopted += result.adopted
    made.refused += len(result.refused)
    made.messages += [f"{made.object_name}: {one.message}" for one in result.refused]
    if result.superseded:
        # Dependants of what was superseded went along: later objects must see it.
        mirror_ledger(run.connection, run.store)


def _adopted(run: _Run, target: TargetObject, system_ids: Sequence[str]) -> Iterator[Adopted]:
    """Values both sides agree on, and the mark that a first load was allowed."""
    if not system_ids:
        return
    for system_id, key, values in agreements(run.connection, target, system_ids):
        yield Adopted(system_id, target.name, key, values, "hub and target agree")
    for system_id in system_ids:
        is_guarded = target.first_load == "guarded" and run.initial
        if is_guarded and _is_first_load(run.connection, system_id, target.name):
            yield Adopted(
                system_id,
                target.name,
                _FIRST_LOAD_KEY,
                {"first_load": "allowed"},
                "the first load was allowed by --initial",
            )


def _keep_exceptions(
    run: _Run,
    target: TargetObject,
    system_ids: Sequence[str],
    made: ObjectPlan,
    done: Sequence[KeyPlan],
) -> None:
    """What a person must look at: guards that held something back, values that may not be sent.

    A guard that holds nothing back any more closes its exception.
    """
    new = [
        NewException(
            exception_class=BUSINESS,
            code=f"{GUARD_PREFIX}{guard.guard}",
            message=guard.message,
            system_id=guard.system_id,
            object_name=target.name,
            object_key=guard.company_code or _FIRST_LOAD_KEY,
        )
        for guard in made.guards
        if not guard.is_passed
    ]
    new += [_invalid_value(target, one) for one in done if one.problem_field]
    close_passed_guards(run.store, target.name, system_ids, new)
    if new:
        run.store.open_exceptions(new)
        made.exceptions += len(new)


def _invalid_value(target: TargetObject, one: KeyPlan) -> NewException:
    """A value that may not be sent, with what people need to recognise the key."""
    about = one.about or {}
    return NewException(
        exception_class=BUSINESS,
        code="invalid_value",
        message=one.rule,
        field=one.problem_field,
        system_id=one.system_id,
        object_name=target.name,
        object_key=one.key,
        correlation_id=about.get("correlation_id", ""),
        region=about.get("region", ""),
        customer_id=about.get("customer_id", ""),
        customer_name=about.get("customer_name", ""),
        invoice=about.get("invoice", ""),
        amount_text=about.get("amount", ""),
        currency_code=about.get("currency_code", ""),
    )
