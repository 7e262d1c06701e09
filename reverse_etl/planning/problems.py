"""Problems of the input become exceptions, and exceptions whose input was corrected close.

What is wrong stands in the warehouse (``marts.ops_data_problems``: refused files, items without a
customer, …) or in the report of a read (a vanished column); both are compared with the open
exceptions, so nothing is lost when a run is killed between reading and recording, and a run that
finds the same again adds no event. What a person settled stays settled. It judges nothing itself.
"""

from collections.abc import Callable, Collection, Iterable

import duckdb

from ingestion.common.money import canonical_text
from ingestion.common.report import DriftKind, ReadReport
from reverse_etl.ledger.exceptions import (
    BUSINESS,
    TECHNICAL,
    NewException,
    StoredException,
)
from reverse_etl.ledger.store import Store

__all__ = ["GUARD_PREFIX", "close_passed_guards", "keep_drift", "keep_problems"]

#: Codes of exceptions that a guard opened begin with this.
GUARD_PREFIX = "guard_"

#: Who closes an exception whose cause is gone.
_HUB = "ledgerloop"
#: With the customer and invoice that people know it by, where there are any.
_PROBLEMS = """
    select problems.system_id, problems.code, problems.object_name, problems.object_key,
           problems.message, problems.amount, coalesce(problems.currency_code, ''),
           coalesce(items.customer_id, customers.customer_id, ''), coalesce(customers.name, ''),
           coalesce(customers.country, ''), coalesce(items.invoice_number, '')
    from marts.ops_data_problems as problems
    left join marts.fct_open_items as items
        on problems.object_name = 'open_items' and problems.object_key = items.item_key
    left join marts.dim_customers as customers
        on customers.customer_id = case
            when problems.object_name in ('aging', 'hierarchy') then problems.object_key
            else items.customer_id
        end
    order by all
"""
#: Objects of ``marts.ops_data_problems``; no target object has one of these names.
_OBJECTS = frozenset({"aging", "files", "hierarchy", "links", "open_items", "receipts"})

_Identity = tuple[str, str, str, str]


def keep_problems(connection: duckdb.DuckDBPyConnection, store: Store) -> int:
    """Open and close exceptions so that they are the data problems of now.

    Args:
        connection: the working warehouse, after dbt.
        store: the operations database.

    Returns:
        How many were opened.
    """
    found = [
        NewException(
            exception_class=BUSINESS,
            code=code,
            message=message,
            is_retryable=False,
            system_id=system_id,
            object_name=object_name,
            object_key=object_key,
            correlation_id=f"rcpt-{object_key}" if object_name == "receipts" else "",
            region=region,
            customer_id=customer_id,
            customer_name=customer_name,
            invoice=invoice,
            amount_text="" if amount is None else canonical_text(amount),
            currency_code=currency_code,
        )
        for (
            system_id, code, object_name, object_key, message, amount, currency_code,
            customer_id, customer_name, region, invoice,
        ) in connection.execute(_PROBLEMS).fetchall()
    ]  # fmt: skip
    return _keep(store, found, lambda one: one.object_name in _OBJECTS)


def keep_drift(store: Store, answer: ReadReport) -> int:
    """Open an exception for each column that vanished or changed; close those that are back.

    Args:
        store: the operations database.
        answer: one read of one system.

    Returns:
        How many were opened.
    """
    kinds = {str(kind) for kind in DriftKind}
    found = [
        NewException(
            exception_class=TECHNICAL,
            code=str(drift.kind),
            message=drift.message,
            is_retryable=False,
            system_id=answer.system_id,
            object_name=drift.object_name,
            object_key=drift.column,
        )
        for drift in answer.drift
        if drift.stops_writing
    ]
    return _keep(store, found, lambda one: one.system_id == answer.system_id and one.code in kinds)


def close_passed_guards(
    store: Store, object_name: str, system_ids: Collection[str], failing: Iterable[NewException]
) -> None:
    """Close what guards of an object opened and hold back no longer.

    Args:
        store: the operations database.
        object_name: the target object that was planned.
        system_ids: where it was planned; guards of other systems were not asked.
        failing: what its guards hold back now.
    """
    now = {(one.system_id, one.code, one.object_key) for one in failing}
    gone = [
        one.exception_id
        for one in store.exceptions(state="open", object_name=object_name)
        if one.code.startswith(GUARD_PREFIX)
        and one.system_id in system_ids
        and (one.system_id, one.code, one.object_key) not in now
    ]
    if gone:
        store.resolve_exceptions(gone, by=_HUB, reason="the guard holds nothing back any more")


def _keep(
    store: Store,
    found: Iterable[NewException],
    is_ours: Callable[[StoredException], bool],
) -> int:
    """Open what is new, close what is gone; returns how many were opened."""
    known: dict[_Identity, StoredException] = {
        (one.system_id, one.object_name, one.object_key, one.code): one
        for one in store.exceptions()
        if is_ours(one)
    }
    now = {(one.system_id, one.object_name, one.object_key, one.code): one for one in found}
    gone = [
        one.exception_id
        for identity, one in known.items()
        if one.state == "open" and identity not in now
    ]
    if gone:
        store.resolve_exceptions(gone, by=_HUB, reason="the input was corrected")
    new = [one for identity, one in now.items() if _is_new(known.get(identity))]
    if new:
        store.open_exceptions(new)
    return len(new)


def _is_new(before: StoredException | None) -> bool:
    """Never seen, or closed because it was corrected and now wrong again."""
    return before is None or (before.state != "open" and before.closed_by == _HUB)
