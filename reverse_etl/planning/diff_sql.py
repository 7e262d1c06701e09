"""The SQL of the three-way diff, generated from governance.

Text in, text out: nothing here touches a database. Values are compared raw over whole tables (cheap
masks), and brought to canonical text only for the rows that differ, so that a column's type or an
empty text in place of null never counts as a difference.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reverse_etl.ledger.commands import CommandClass
from reverse_etl.planning.governance import GovernedField, Rule, TargetObject
from reverse_etl.planning.values import Format

__all__ = ["CONTEXT_COLUMNS", "Columns", "canonical_sql", "changes_sql", "equal_sql", "wide_sql"]

#: What a sync view says about a row beside its fields; absent columns count as null.
CONTEXT_COLUMNS = (
    "ctx_correlation_id",
    "ctx_lane",
    "ctx_customer_id",
    "ctx_customer_name",
    "ctx_region",
    "ctx_company_code",
    "ctx_document",
    "ctx_amount",
    "ctx_currency_code",
    "ctx_after_key",
)


@dataclass(frozen=True, slots=True)
class Columns:
    """Column types of the two sides of one object, and where its rows stand."""

    desired: Mapping[str, str]
    observed: Mapping[str, str]
    desired_from: str
    observed_from: str


def quoted(name: str) -> str:
    """An identifier in SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("'", "''") + "'"


def canonical_sql(expression: str, governed: GovernedField, column_type: str) -> str:
    """SQL that brings a column to the canonical text of ``planning.values``."""
    is_text = column_type.upper().startswith("VARCHAR")
    match governed.format:
        case Format.MONEY:
            number = f"try_cast({expression} as decimal(28, 6))"
            text = f"rtrim(rtrim(cast({number} as varchar), '0'), '.')"
            return f"coalesce({text}, nullif({expression}, ''))" if is_text else text
        case Format.DATE:
            if is_text:
                return f"nullif(left({expression}, 10), '')"
            return f"strftime({expression}, '%Y-%m-%d')"
        case Format.BOOLEAN:
            return f"cast(try_cast({expression} as boolean) as varchar)"
        case Format.INTEGER:
            return f"cast(try_cast({expression} as bigint) as varchar)"
        case Format.ENUM:
            text = f"nullif(cast({expression} as varchar), '')"
            other = {ours: theirs for ours, theirs in governed.values.items() if ours != theirs}
            if not other:
                return text
            cases = " ".join(f"when {literal(v)} then {literal(k)}" for k, v in other.items())
            return f"case {text} {cases} else {text} end"
        case _:
            return f"nullif(cast({expression} as varchar), '')"


def _systems(system_ids: Sequence[str]) -> str:
    return ", ".join(literal(system_id) for system_id in system_ids)


def _mask(target: TargetObject, governed: GovernedField) -> str:
    """True where a field may differ and the hub has an opinion."""
    name = quoted(governed.name)
    mask = f"d.{name} is distinct from o.{name}"
    leader = target.leader_of(governed.name)
    if leader:
        mask = f"(d.{quoted(leader)} is not null and {mask})"
    if governed.receivers:
        mask = f"(d.system_id in ({_systems(governed.receivers)}) and {mask})"
    return mask


def wide_sql(target: TargetObject, columns: Columns, system_ids: Sequence[str]) -> str:
    """One row per key that may differ: canonical text of both sides, and the row's context.

    ``complete`` objects are joined in full, so that keys the hub no longer wants show up;
    ``sparse`` ones from the desired side. Postings differ by being absent, never by a field.
    """
    is_posting = target.command_class is CommandClass.POSTING
    compared = target.compared
    wanted = (*compared, *target.carried)
    picked = [f"d.{quoted(f.name)} as {quoted('d_' + f.name)}" for f in wanted]
    picked += [f"o.{quoted(f.name)} as {quoted('o_' + f.name)}" for f in compared]
    context = [
        f"d.{name}" if name in columns.desired else f"cast(null as varchar) as {name}"
        for name in CONTEXT_COLUMNS
    ]
    if is_posting:
        join, masks = "left join", ["o.object_key is null"]
    else:
        join = "full outer join" if target.desire == "complete" else "left join"
        masks = ["d.object_key is null", "o.object_key is null"]
        masks += [_mask(target, governed) for governed in compared]
    shown = [
        f"{canonical_sql(quoted('d_' + f.name), f, columns.desired[f.name])}"
        f" as {quoted('desired_' + f.name)}"
        for f in wanted
    ]
    shown += [
        f"{canonical_sql(quoted('o_' + f.name), f, columns.observed[f.name])}"
        f" as {quoted('observed_' + f.name)}"
        for f in compared
    ]
    systems = _systems(system_ids)
    return f"""
        with candidates as (
            select coalesce(d.system_id, o.system_id) as system_id,
                   coalesce(d.object_key, o.object_key) as object_key,
                   d.object_key is not null as is_desired,
                   o.object_key is not null as is_observed,
                   {", ".join(picked)}, {", ".join(context)}
            from (select * from {columns.desired_from} where system_id in ({systems})) as d
            {join} (select * from {columns.observed_from} where system_id in ({systems})) as o
                on d.system_id = o.system_id and d.object_key = o.object_key
            where {" or ".join(masks)}
        )
        select system_id, object_key, is_desired, is_observed, {", ".join(shown)},
               {", ".join(CONTEXT_COLUMNS)}
        from candidates
    """  # noqa: S608 (names come from governance, values are quoted)


def _of_rule(fields: Sequence[GovernedField], rule: Rule, column: str) -> str:
    names = [literal(f.name) for f in fields if getattr(f, column) is rule]
    return f"field in ({', '.join(names)})" if names else "false"


def changes_sql(target: TargetObject) -> str:
    """One row per field that differs, from ``diff_wide``, with class and the rule's action.

    Parameters of the statement: ``object_name``, ``run_started_at`` (null: no echo is suppressed).
    The hub's own write that is newer than the read and says the desired value is an echo on its
    way, not a difference.
    """
    parts = []
    for governed in target.compared:
        desired, observed = (quoted(f"{side}_{governed.name}") for side in ("desired", "observed"))
        leader = target.leader_of(governed.name)
        wanted = f" and {quoted('desired_' + leader)} is not null" if leader else ""
        if governed.receivers:
            wanted += f" and system_id in ({_systems(governed.receivers)})"
        parts.append(
            f"select system_id, object_key, is_observed, {literal(governed.name)} as field,"  # noqa: S608
            f" {desired} as desired, {observed} as observed from diff_wide"
            f" where is_desired and {desired} is distinct from {observed}{wanted}"
        )  # fmt: skip
    fields = target.compared
    return f"""
        with fields as ({" union all ".join(parts)}),
        known as (
            select a.* from ledger.acknowledged as a
            semi join diff_wide as w
                on a.system_id = w.system_id and a.object_key = w.object_key
            where a.object_name = $object_name
        ),
        keys as (select distinct system_id, object_key from known),
        compared as (
            select f.system_id, f.object_key, f.field, f.desired, f.observed, f.is_observed,
                   a.value as acknowledged,
                   a.object_key is not null as is_acknowledged,
                   k.object_key is not null as is_known,
                   a.acknowledged_at
            from fields as f
            left join known as a
                on f.system_id = a.system_id and f.object_key = a.object_key and f.field = a.field
            left join keys as k on f.system_id = k.system_id and f.object_key = k.object_key
        ),
        classed as (
            select *, case
                when not is_observed and is_known then 'vanished'
                when not is_observed then 'create'
                when not is_acknowledged then 'initial'
                when observed is not distinct from acknowledged then 'update'
                else 'foreign_edit'
            end as class
            from compared
            where not coalesce(
                acknowledged is not distinct from desired and is_acknowledged
                and acknowledged_at > cast($run_started_at as timestamptz), false)
        )
        select system_id, object_key, field, desired, acknowledged, observed, class,
            case
                when class in ('create', 'initial')
                    then if({_of_rule(fields, Rule.REVIEW, "initial")}, 'review', 'send')
                when class = 'update' then 'send'
                when {_of_rule(fields, Rule.REVIEW, "foreign_edit")} then 'review'
                when {_of_rule(fields, Rule.ADOPT, "foreign_edit")}
                    and desired is not distinct from acknowledged then 'adopt'
                else 'send'
            end as action
        from classed
    """  # noqa: S608 (names come from governance, values are quoted)


def equal_sql(target: TargetObject, columns: Columns, system_ids: Sequence[str]) -> str:
    """Fields on which hub and target agree while the ledger does not know it yet.

    Only asked where it matters who wrote a value last (``TargetObject.learns``).
    """
    parts = []
    for governed in target.compared:
        name = quoted(governed.name)
        desired = canonical_sql(f"d.{name}", governed, columns.desired[governed.name])
        observed = canonical_sql(f"o.{name}", governed, columns.observed[governed.name])
        leader = target.leader_of(governed.name)
        wanted = f"d.{quoted(leader)}" if leader else f"d.{name}"
        parts.append(
            f"select d.system_id, d.object_key, {literal(governed.name)} as field,"  # noqa: S608
            f" {desired} as value from {columns.desired_from} as d"
            f" inner join {columns.observed_from} as o"
            f" on d.system_id = o.system_id and d.object_key = o.object_key"
            f" where d.system_id in ({_systems(system_ids)}) and {wanted} is not null"
            f" and {desired} is not distinct from {observed}"
        )  # fmt: skip
    return f"""
        select e.system_id, e.object_key, list(e.field order by e.field) as fields,
               list(e.value order by e.field) as texts
        from ({" union all ".join(parts)}) as e
        left join ledger.acknowledged as a
            on a.object_name = $object_name and a.system_id = e.system_id
            and a.object_key = e.object_key and a.field = e.field
        where a.object_key is null or a.value is distinct from e.value
        group by all
        order by all
    """  # noqa: S608 (names come from governance, values are quoted)
