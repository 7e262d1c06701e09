"""What the policy says that the truth needs, as tables of the warehouse.

dbt reads no TOML: a figure that shows a group beside its limit, or a posting that waits because its
period is closed, finds the policy here. Copied at the start of a run; it judges nothing.
"""

import duckdb
import pyarrow as pa

from reverse_etl.planning.policy import Policy
from reverse_etl.planning.tables import TABLES, replace_rows

__all__ = ["keep_policy"]


def keep_policy(connection: duckdb.DuckDBPyConnection, policy: Policy) -> None:
    """Replace the tables ``policy.*``, which ``create_tables`` made."""
    rows = {
        "policy.posting": [{"closed_period": policy.posting.closed_period}],
        "policy.group_limits": [one.model_dump() for one in policy.credit.group_limits],
    }
    for name, found in rows.items():
        replace_rows(connection, name, pa.Table.from_pylist(found, schema=TABLES[name]))
