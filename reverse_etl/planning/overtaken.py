"""Taking back what people asked for, while it is unsent, when the ERPs have moved on since."""

from collections.abc import Sequence

import duckdb

from reverse_etl.ledger.store import Store
from reverse_etl.planning import debit_memos, refunds
from reverse_etl.planning.asked import take_back

__all__ = ["withdraw_overtaken"]


def withdraw_overtaken(
    connection: duckdb.DuckDBPyConnection, store: Store, system_ids: Sequence[str]
) -> int:
    """Take back what should not go out any more; whoever asked is told.

    That is a refund of a receipt that is not whole any more, and a debit memo whose number the ERP
    holds by now.

    Args:
        connection: the warehouse, built on what the ERPs hold now.
        store: the operations database.
        system_ids: the ERPs.

    Returns:
        How many were taken back.
    """
    given_back = take_back(
        store, system_ids, refunds.OBJECT, lambda _, one: refunds.problem_now(connection, one)
    )
    charged = take_back(
        store,
        system_ids,
        debit_memos.OBJECT,
        lambda system_id, one: debit_memos.problem_now(connection, system_id, one),
    )
    return given_back + charged
