"""Reading the diff's result row by row: what changed per key, earlier commands, what to wait for.

Only reads: the temporary tables of ``diff``, the copied ledger, and revisions from the store.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import duckdb

from reverse_etl.ledger.commands import FINAL_STATES, CommandClass, State
from reverse_etl.ledger.store import Store
from reverse_etl.planning.approvals import FieldChange
from reverse_etl.planning.building import DiffRow, Prior
from reverse_etl.planning.diff_sql import CONTEXT_COLUMNS, literal, quoted
from reverse_etl.planning.governance import TargetObject

__all__ = ["Awaited", "money_of", "read_rows", "unwanted_commands"]

_ROWS_PER_FETCH = 2_000
#: Where the newest command's id stands in a record, counted from its end.
_COMMAND_ID = -3
_FINAL = ", ".join(literal(state) for state in sorted(FINAL_STATES))
_UNSENT = ", ".join(
    literal(state) for state in (State.PLANNED, State.AWAITING_APPROVAL, State.READY, State.WAITING)
)


@dataclass(frozen=True, slots=True)
class Awaited:
    """Commands of the object that another one waits for.

    Attributes:
        by: how they are found, empty when nothing is waited for.
        open_by_key: command id per (system, key) that is planned or under way.
        lost_keys: keys whose newest command ended without an effect.
        open_by_customer: command ids per (system, customer).
    """

    by: str
    open_by_key: Mapping[tuple[str, str], str]
    lost_keys: frozenset[tuple[str, str]]
    open_by_customer: Mapping[tuple[str, str], tuple[str, ...]]

    @classmethod
    def of(
        cls,
        connection: duckdb.DuckDBPyConnection,
        target: TargetObject,
        planned: Mapping[str, Sequence[tuple[str, str, str, str]]],
    ) -> "Awaited":
        """What this object's commands may have to wait for.

        Args:
            connection: with the copied ledger.
            target: the object that waits.
            planned: per object, what this planning step already recorded.
        """
        if target.waits_for is None:
            return cls("", {}, frozenset(), {})
        name = target.waits_for.object_name
        open_by_key: dict[tuple[str, str], str] = {}
        lost = set()
        customers: dict[tuple[str, str], dict[str, None]] = {}
        rows = connection.execute(
            f"""
            select system_id, business_key, arg_max(command_id, revision),
                   arg_max(state, revision)
            from ledger.commands where object_name = ? group by all
            having arg_max(state, revision) <> '{State.VERIFIED}'
            """,  # noqa: S608 (our own words)
            [name],
        ).fetchall()
        for system_id, key, command_id, state in rows:
            if state in FINAL_STATES:
                lost.add((system_id, key))
                continue
            open_by_key[system_id, key] = command_id
            customers.setdefault((system_id, key.partition("/")[0]), {})[command_id] = None
        for system_id, key, _customer_id, command_id in planned.get(name, ()):
            open_by_key[system_id, key] = command_id
            lost.discard((system_id, key))
            customers.setdefault((system_id, key.partition("/")[0]), {})[command_id] = None
        return cls(
            target.waits_for.by,
            open_by_key,
            frozenset(lost),
            {place: tuple(ids) for place, ids in customers.items()},
        )

    def apply(self, row: DiffRow) -> DiffRow:
        """The row with what it waits for; held where that cannot happen."""
        if self.by == "customer":
            # A hub customer id is the ERP's number after a prefix: SAP-0140105686.
            customer = row.text("customer_id").partition("-")[2]
            return replace(row, after=self.open_by_customer.get((row.system_id, customer), ()))
        if self.by != "after_key":
            return row
        place = (row.system_id, row.text("after_key") or row.key)
        is_lost = place in self.lost_keys
        if not row.text("after_key"):
            return replace(row, is_after_lost=is_lost)
        command_id = self.open_by_key.get(place)
        if command_id is None:
            return replace(row, hold="what it follows is not planned")
        return replace(row, after=(command_id,), is_after_lost=is_lost)


def read_rows(
    connection: duckdb.DuckDBPyConnection,
    store: Store,
    target: TargetObject,
    system_ids: Sequence[str],
    held_companies: Mapping[tuple[str, str], str],
    awaited: Awaited,
) -> Iterator[DiffRow]:
    """Every key that differs, streamed; keys whose earlier command matters first, then by key.

    Args:
        connection: with ``diff_wide``, ``diff_changes`` and the copied ledger; nothing else may be
            asked of it while rows are read.
        store: for the revisions of postings.
        target: the object.
        system_ids: systems that no guard stopped.
        held_companies: (system, company) to the message of the guard that holds it.
        awaited: what commands of this object wait for.
    """
    reader = _Reader(target)
    is_posting = target.command_class is CommandClass.POSTING
    rows = _rows_sql(target, system_ids, has_customers=_has_customers(connection))
    connection.execute(rows, {"object_name": target.name})
    while batch := connection.fetchmany(_ROWS_PER_FETCH):
        revisions = _posting_revisions(store, target, batch) if is_posting else {}
        for record in batch:
            row = reader.row(record, revisions)
            if is_posting and held_companies:
                hold = held_companies.get((row.system_id, row.text("company_code")), "")
                row = replace(row, hold=hold) if hold else row
            yield awaited.apply(row) if awaited.by else row


def _has_customers(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether there are hub customers: a table that is pushed alone comes without them."""
    found = connection.execute(
        "select count(*) from duckdb_tables() where schema_name = 'marts'"
        " and table_name = 'dim_customers'"
    ).fetchone()
    return bool(found and found[0])


def _rows_sql(target: TargetObject, system_ids: Sequence[str], *, has_customers: bool) -> str:
    """Keys that differ with their changes as lists, and the newest command on each.

    The region of a row is its view's word, else the country of its customer.
    """
    systems = ", ".join(literal(system_id) for system_id in system_ids)
    desired = [quoted(f"desired_{f.name}") for f in (*target.compared, *target.carried)]
    observed = [quoted(f"observed_{f.name}") for f in target.compared]
    shown = ", ".join(f"w.{name}" for name in (*desired, *observed, *CONTEXT_COLUMNS))
    customers = ""
    if has_customers:
        shown = shown.replace("w.ctx_region", "coalesce(w.ctx_region, r.country) as ctx_region")
        customers = (
            "left join (select customer_id, any_value(country) as country"
            " from marts.dim_customers group by all) as r on w.ctx_customer_id = r.customer_id"
        )
    return f"""
        with changed as (
            select system_id, object_key, list(field) as fields, list(class) as classes,
                   list(action) as actions, list(acknowledged) as acknowledged
            from diff_changes where system_id in ({systems}) group by all
        ),
        prior as (
            select system_id, business_key,
                   count(*) filter (state in ({_FINAL})) as finals,
                   arg_max(command_id, revision) as command_id,
                   arg_max(state, revision) as state,
                   arg_max(payload, revision) as payload
            from ledger.commands where object_name = $object_name group by all
        )
        select w.system_id, w.object_key, {shown}, c.fields, c.classes, c.actions, c.acknowledged,
               p.finals, p.command_id, p.state, p.payload
        from diff_wide as w
        inner join changed as c on w.system_id = c.system_id and w.object_key = c.object_key
        left join prior as p on w.system_id = p.system_id and w.object_key = p.business_key
        {customers}
        where w.is_desired
        order by {_early_sql(target)} desc, w.system_id, w.object_key
    """  # noqa: S608 (names come from governance, values are quoted)


def _early_sql(target: TargetObject) -> str:
    """Keys whose earlier command matters: any of a posting, an unfinished one of a state."""
    if target.command_class is CommandClass.POSTING:
        return "p.command_id is not null"
    return f"coalesce(p.state not in ({_FINAL}), false)"


class _Reader:
    """Makes rows of one object's records; the order of columns is that of ``_rows_sql``."""

    def __init__(self, target: TargetObject) -> None:
        self._observed = tuple(f.name for f in target.compared)
        self._desired = (*self._observed, *(f.name for f in target.carried))
        self._from_observed = 2 + len(self._desired)
        self._from_context = self._from_observed + len(self._observed)
        self._from_changes = self._from_context + len(CONTEXT_COLUMNS)

    def row(self, record: tuple[Any, ...], revisions: Mapping[tuple[str, str], int]) -> DiffRow:
        system_id, key = record[0], record[1]
        desired = dict(zip(self._desired, record[2 : self._from_observed], strict=True))
        observed = dict(
            zip(self._observed, record[self._from_observed : self._from_context], strict=True)
        )
        names, classes, actions, acknowledged, finals, command_id, state, payload = record[
            self._from_changes :
        ]
        changes = [
            FieldChange(name, klass, action, desired.get(name), known, observed.get(name))
            for name, klass, action, known in zip(
                names, classes, actions, acknowledged, strict=True
            )
        ]
        return DiffRow(
            system_id,
            key,
            desired,
            observed,
            changes,
            dict(
                zip(CONTEXT_COLUMNS, record[self._from_context : self._from_changes], strict=True)
            ),
            Prior() if command_id is None else Prior(finals, command_id, state, payload),
            revisions.get((system_id, key), 1),
        )


def _posting_revisions(
    store: Store, target: TargetObject, records: Sequence[tuple[Any, ...]]
) -> dict[tuple[str, str], int]:
    """The store's next revision for keys that had a command before; all others start at 1."""
    keys: dict[str, list[str]] = {}
    for record in records:
        if record[_COMMAND_ID] is not None:
            keys.setdefault(record[0], []).append(record[1])
    return {
        (system_id, key): revision
        for system_id, asked in keys.items()
        for key, revision in store.posting_revisions(system_id, target.name, asked).items()
    }


def unwanted_commands(
    connection: duckdb.DuckDBPyConnection, target: TargetObject, system_ids: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Unsent commands on keys where nothing is left to change: (command id, why)."""
    if not system_ids:
        return
    systems = ", ".join(literal(system_id) for system_id in system_ids)
    named = ""
    if target.desire == "partial":
        named = f"and c.business_key in (select object_key from sync.{target.view_name})"  # noqa: S608
    rows = connection.execute(
        f"""
        select command_id from ledger.commands as c
        anti join diff_changes as d
            on c.system_id = d.system_id and c.business_key = d.object_key
        where c.object_name = ? and c.system_id in ({systems}) and c.state in ({_UNSENT}) {named}
        order by command_id
        """,  # noqa: S608 (our own words, systems are quoted)
        [target.name],
    ).fetchall()
    for (command_id,) in rows:
        yield command_id, "hub and target no longer differ here"


def money_of(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, Decimal]]:
    """Absolute money of the changed keys, per system and currency."""
    rows = connection.execute("""
        select w.system_id, coalesce(w.ctx_currency_code, ''),
               sum(abs(try_cast(w.ctx_amount as decimal(28, 6))))
        from diff_wide as w
        semi join diff_changes as c
            on w.system_id = c.system_id and w.object_key = c.object_key
        group by all
    """).fetchall()
    found: dict[str, dict[str, Decimal]] = {}
    for system_id, currency_code, amount in rows:
        found.setdefault(system_id, {})[currency_code] = amount or Decimal(0)
    return found
