"""The tables that Python steps make in the warehouse: their Arrow schemas and empty creation.

``policy.*`` is what the policy says that the truth needs, ``ledger.*`` a copy of the operations
database, ``decisions.*`` what was decided, ``plan.*`` the differences. They exist empty before dbt
runs, so that its views always build (DESIGN §4). The ``config.*`` tables belong to ingestion. This
module must not fill anything.
"""

from collections.abc import Mapping

import duckdb
import pyarrow as pa

__all__ = ["TABLES", "create_tables", "replace_rows"]

_MONEY = pa.decimal128(28, 6)
_AT = pa.timestamp("us", tz="UTC")


def _table(**columns: pa.DataType) -> pa.Schema:
    """A schema; a trailing underscore escapes Python keywords (``class_`` → ``class``)."""
    return pa.schema([(name.rstrip("_"), form) for name, form in columns.items()])


_TEXT = pa.string()

#: Schema and table name to columns, in the order of the brief.
TABLES: Mapping[str, pa.Schema] = {
    "policy.posting": _table(closed_period=_TEXT),
    "policy.group_limits": _table(
        customer_id=_TEXT,
        limit_amount=_MONEY,
        currency_code=_TEXT,
        valid_from=pa.date32(),
        valid_until=pa.date32(),
    ),
    "ledger.acknowledged": _table(
        system_id=_TEXT,
        object_name=_TEXT,
        object_key=_TEXT,
        field=_TEXT,
        value=_TEXT,
        command_id=_TEXT,
        acknowledged_at=_AT,
    ),
    "ledger.commands": _table(
        command_id=_TEXT,
        correlation_id=_TEXT,
        system_id=_TEXT,
        kind=_TEXT,
        object_name=_TEXT,
        business_key=_TEXT,
        operation=_TEXT,
        revision=pa.int32(),
        command_class=_TEXT,
        payload=_TEXT,
        payload_hash=_TEXT,
        lane=_TEXT,
        flow=_TEXT,
        state=_TEXT,
        native_id=_TEXT,
        external_key=_TEXT,
        approval_rule=_TEXT,
        amount=_MONEY,
        currency_code=_TEXT,
        planned_at=_AT,
        updated_at=_AT,
    ),
    "ledger.links": _table(
        system_id=_TEXT,
        native_id=_TEXT,
        customer_id=_TEXT,
        relation=_TEXT,
        how=_TEXT,
        linked_at=_AT,
        unlinked_at=_AT,
    ),
    "ledger.exceptions": _table(
        exception_id=_TEXT,
        class_=_TEXT,
        code=_TEXT,
        field=_TEXT,
        message=_TEXT,
        system_id=_TEXT,
        object_name=_TEXT,
        object_key=_TEXT,
        command_id=_TEXT,
        correlation_id=_TEXT,
        team=_TEXT,
        region=_TEXT,
        customer_id=_TEXT,
        customer_name=_TEXT,
        invoice=_TEXT,
        amount=_MONEY,
        currency_code=_TEXT,
        opened_at=_AT,
        closed_at=_AT,
        state=_TEXT,
    ),
    "ledger.approved_limits": _table(
        system_id=_TEXT,
        customer=_TEXT,
        credit_segment=_TEXT,
        limit_kind=_TEXT,
        limit_amount=_MONEY,
        currency_code=_TEXT,
        approved_by=_TEXT,
        second_approver=_TEXT,
        approved_at=_AT,
    ),
    "ledger.disputes": _table(
        dispute_id=_TEXT,
        item_key=_TEXT,
        receipt_id=_TEXT,
        system_id=_TEXT,
        company_code=_TEXT,
        customer_id=_TEXT,
        customer=_TEXT,
        reason_code=_TEXT,
        external_code=_TEXT,
        claim_text=_TEXT,
        amount=_MONEY,
        currency_code=_TEXT,
        status=_TEXT,
        version=pa.int32(),
        verdict=_TEXT,
        amount_accepted=_MONEY,
        decided_by=_TEXT,
        decided_at=_AT,
        approvals=_TEXT,
        assigned_to=_TEXT,
        note=_TEXT,
        opened_by=_TEXT,
        opened_at=_AT,
        due_at=_AT,
        closed_at=_AT,
    ),
    "decisions.applications": _table(
        decision_id=_TEXT,
        receipt_id=_TEXT,
        system_id=_TEXT,
        company_code=_TEXT,
        decision=_TEXT,
        rank=pa.int32(),
        customer_id=_TEXT,
        item_key=_TEXT,
        kind=_TEXT,
        amount=_MONEY,
        currency_code=_TEXT,
        stage=_TEXT,
        confidence=pa.float64(),
        reason=_TEXT,
        as_of_date=pa.date32(),
    ),
    "decisions.credit": _table(
        decision_id=_TEXT,
        system_id=_TEXT,
        customer_id=_TEXT,
        customer=_TEXT,
        credit_segment=_TEXT,
        action=_TEXT,
        sales_document=_TEXT,
        limit_kind=_TEXT,
        limit_amount=_MONEY,
        currency_code=_TEXT,
        is_blocked=pa.bool_(),
        block_reason=_TEXT,
        reason=_TEXT,
        as_of_date=pa.date32(),
    ),
    "decisions.scorecards": _table(
        system_id=_TEXT,
        customer_id=_TEXT,
        customer=_TEXT,
        credit_segment=_TEXT,
        risk_class=_TEXT,
        points=_MONEY,
        known_weight_percent=pa.int32(),
        reason_codes=_TEXT,
        missing_inputs=_TEXT,
        limit_proposed=_MONEY,
        currency_code=_TEXT,
        reason=_TEXT,
        as_of_date=pa.date32(),
    ),
    "decisions.deductions": _table(
        decision_id=_TEXT,
        dispute_id=_TEXT,
        receipt_id=_TEXT,
        system_id=_TEXT,
        company_code=_TEXT,
        customer_id=_TEXT,
        customer=_TEXT,
        item_key=_TEXT,
        reason_code=_TEXT,
        external_code=_TEXT,
        amount=_MONEY,
        currency_code=_TEXT,
        status=_TEXT,
        action=_TEXT,
        version=pa.int32(),
        approved=pa.bool_(),
        due_at=_AT,
        reason=_TEXT,
        as_of_date=pa.date32(),
    ),
    "decisions.late_payments": _table(
        item_key=_TEXT,
        customer_id=_TEXT,
        expected_pay_date=pa.date32(),
        p_late=pa.float64(),
        p_late_30=pa.float64(),
        model=_TEXT,
        as_of_date=pa.date32(),
    ),
    "decisions.late_comparison": _table(
        measure=_TEXT,
        model=_TEXT,
        value=pa.float64(),
        as_of_date=pa.date32(),
    ),
    "decisions.cash_forecast": _table(
        week_start=pa.date32(),
        currency_code=_TEXT,
        amount_expected=_MONEY,
        amount_low=_MONEY,
        amount_high=_MONEY,
        as_of_date=pa.date32(),
    ),
    "decisions.link_proposals": _table(
        decision_id=_TEXT,
        system_id=_TEXT,
        native_id=_TEXT,
        customer_id=_TEXT,
        relation=_TEXT,
        decision=_TEXT,
        score=pa.float64(),
        reason=_TEXT,
        as_of_date=pa.date32(),
    ),
    "plan.differences": _table(
        system_id=_TEXT,
        kind=_TEXT,
        object_name=_TEXT,
        object_key=_TEXT,
        field=_TEXT,
        desired=_TEXT,
        acknowledged=_TEXT,
        observed=_TEXT,
        class_=_TEXT,
        action=_TEXT,
        rule=_TEXT,
        correlation_id=_TEXT,
        customer_id=_TEXT,
        customer_name=_TEXT,
        company_code=_TEXT,
        document=_TEXT,
        amount=_MONEY,
        currency_code=_TEXT,
        planned_at=_AT,
    ),
}


def create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Create every declared table that is absent, empty; those that exist keep their rows."""
    for schema_name in sorted({name.split(".")[0] for name in TABLES}):
        connection.execute(f"create schema if not exists {schema_name}")
    for name, schema in TABLES.items():
        connection.register("_declared", schema.empty_table())
        connection.execute(f"create table if not exists {name} as select * from _declared")  # noqa: S608
        connection.unregister("_declared")


def replace_rows(connection: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> None:
    """Replace all rows of a declared table in one transaction.

    Args:
        connection: the working warehouse, open for writing.
        name: ``schema.table``, one of ``TABLES``.
        rows: with the declared columns (any order; missing ones become null).
    """
    schema = TABLES[name]
    columns = [
        rows.column(f.name).cast(f.type) if f.name in rows.column_names
        else pa.nulls(rows.num_rows, f.type)
        for f in schema
    ]  # fmt: skip
    connection.register("_rows", pa.Table.from_arrays(columns, schema=schema))
    connection.execute("begin")
    connection.execute(f"delete from {name}")  # noqa: S608 (a name of TABLES)
    connection.execute(f"insert into {name} select * from _rows")  # noqa: S608
    connection.execute("commit")
    connection.unregister("_rows")
