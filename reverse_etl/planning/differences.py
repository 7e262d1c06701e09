"""Writing ``plan.differences``: every field that differs, with its class, action and reason.

The table holds the latest comparison of each object and system; drift views and people read it.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import duckdb
import pyarrow as pa

from reverse_etl.ledger.commands import CommandClass
from reverse_etl.planning.building import KeyPlan
from reverse_etl.planning.diff_sql import literal, quoted
from reverse_etl.planning.governance import TargetObject

__all__ = ["write_differences"]


def write_differences(
    connection: duckdb.DuckDBPyConnection,
    target: TargetObject,
    system_ids: Sequence[str],
    planned: Sequence[KeyPlan],
    stopped: Mapping[str, str],
    planned_at: datetime,
) -> None:
    """Replace the rows of one object in some systems.

    Args:
        connection: with ``diff_wide`` and ``diff_changes`` of this object.
        target: the object.
        system_ids: systems that were compared.
        planned: what was decided per key.
        stopped: systems that a guard stopped, with its message.
        planned_at: the clock, UTC.
    """
    connection.register("_actions", _actions(planned))
    connection.register("_stopped", _stopped(stopped))
    systems = ", ".join(literal(system_id) for system_id in system_ids)
    constants = {
        "kind": target.kind,
        "object_name": target.name,
        "planned_at": planned_at.astimezone(UTC),
    }
    connection.execute("begin")
    connection.execute(
        f"""delete from plan.differences
            where kind = $kind and object_name = $object_name and system_id in ({systems})""",  # noqa: S608
        {"kind": target.kind, "object_name": target.name},
    )
    connection.execute(_insert_sql(target), constants)
    if target.desire == "complete":
        connection.execute(_VANISHED, constants)
    connection.execute("commit")
    connection.unregister("_actions")
    connection.unregister("_stopped")


def _actions(planned: Sequence[KeyPlan]) -> pa.Table:
    return pa.table(
        {
            "system_id": pa.array([one.system_id for one in planned], pa.string()),
            "object_key": pa.array([one.key for one in planned], pa.string()),
            "action": pa.array([one.action for one in planned], pa.string()),
            "rule": pa.array([one.rule for one in planned], pa.string()),
            "fields": pa.array([list(one.fields) for one in planned], pa.list_(pa.string())),
        }
    )


def _stopped(stopped: Mapping[str, str]) -> pa.Table:
    return pa.table(
        {
            "system_id": pa.array(list(stopped), pa.string()),
            "message": pa.array(list(stopped.values()), pa.string()),
        }
    )


_CONTEXT = """
    w.ctx_correlation_id, w.ctx_customer_id, w.ctx_customer_name, w.ctx_company_code,
    w.ctx_document, try_cast(w.ctx_amount as decimal(28, 6)), w.ctx_currency_code,
    cast($planned_at as timestamptz)
"""


def _insert_sql(target: TargetObject) -> str:
    """The differing fields with the action of their key."""
    return f"""
        insert into plan.differences
        with fields as ({_fields_sql(target)})
        select f.system_id, $kind, $object_name, f.object_key, f.field, f.desired, f.acknowledged,
               f.observed, f.class,
               case
                   when s.system_id is not null then 'wait'
                   when f.action = 'adopt' then 'adopt'
                   when len(a.fields) > 0 and not list_contains(a.fields, f.field) then 'wait'
                   else coalesce(a.action, f.action)
               end,
               case
                   when s.system_id is not null then 'guard: ' || s.message
                   when len(a.fields) > 0 and not list_contains(a.fields, f.field)
                       then 'after the fields that need nobody'
                   else coalesce(a.rule, '')
               end,
               {_CONTEXT}
        from fields as f
        inner join diff_wide as w on f.system_id = w.system_id and f.object_key = w.object_key
        left join _actions as a on f.system_id = a.system_id and f.object_key = a.object_key
        left join _stopped as s on f.system_id = s.system_id
    """  # noqa: S608 (names come from governance)


def _fields_sql(target: TargetObject) -> str:
    """Changed fields; of a posting every field that has a value."""
    if target.command_class is not CommandClass.POSTING:
        return "select * from diff_changes"
    return " union all ".join(
        f"select system_id, object_key, {literal(f.name)} as field,"  # noqa: S608
        f" {quoted('desired_' + f.name)} as desired, cast(null as varchar) as acknowledged,"
        f" cast(null as varchar) as observed, 'posting' as class, 'send' as action"
        f" from diff_wide where {quoted('desired_' + f.name)} is not null"
        for f in target.compared
    )


_VANISHED = f"""
    insert into plan.differences
    select w.system_id, $kind, $object_name, w.object_key, '', null, null, null, 'vanished',
           'none', 'the hub no longer wants this row; nothing is ever deleted in a target',
           {_CONTEXT}
    from diff_wide as w
    semi join (select * from ledger.acknowledged where object_name = $object_name) as a
        on w.system_id = a.system_id and w.object_key = a.object_key
    where not w.is_desired
"""  # noqa: S608 (our own words)
