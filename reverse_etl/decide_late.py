"""Late payment: marts in, ``decisions.late_payments``, its comparison and the cash forecast out.

Learning costs seconds and changes slowly, so this is no step of the loop: it runs on its own
schedule. Every run learns anew from what is known on the as-of date and says how it compares with
the naive rules; nothing here is sent anywhere.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import duckdb
import polars as pl

from reverse_etl.decisions.late import learn_late
from reverse_etl.decisions.late_comparison import Comparison
from reverse_etl.decisions.late_forecast import forecast_cash
from reverse_etl.decisions.late_policy import LatePolicy
from reverse_etl.planning.policy import Policy
from reverse_etl.planning.tables import TABLES, replace_rows

__all__ = ["LateSummary", "run_late"]

_PAID = """
    select item_key as item_id, customer_id, document_date, due_date, cleared_date, amount,
           currency_code
    from marts.fct_paid_history
"""
_OPEN = """
    select item_key as item_id, customer_id, document_date, due_date, amount_open as amount,
           currency_code
    from marts.fct_open_items
    where item_class = 'invoice' and amount_open > 0
    order by item_key
"""


@dataclass(frozen=True, slots=True)
class LateSummary:
    """How many items were predicted, how many weeks forecast, and what the learning is worth."""

    items: int
    weeks: int
    comparison: Comparison


def run_late(
    connection: duckdb.DuckDBPyConnection,
    policy: Policy,
    as_of: date,
    *,
    progress: Callable[[str, float], None] | None = None,
) -> LateSummary:
    """Learn, predict every open invoice and forecast cash; replaces the three tables.

    Raises:
        ConfigError: the [late] section of the policy is wrong.
    """
    rules = LatePolicy.from_section(policy.late)
    open_items = connection.sql(_OPEN).pl()
    learned = learn_late(connection.sql(_PAID).pl(), open_items, as_of, rules, progress=progress)
    forecast = forecast_cash(learned, open_items, rules)
    comparison = learned.comparison
    _replace(connection, "decisions.late_payments", learned.late_payments(), as_of)
    _replace(connection, "decisions.late_comparison", comparison.rows(), as_of)
    _replace(connection, "decisions.cash_forecast", forecast, as_of)
    weeks = forecast.get_column("week_start").n_unique()
    return LateSummary(open_items.height, weeks, comparison)


def _replace(
    connection: duckdb.DuckDBPyConnection, table: str, rows: pl.DataFrame, as_of: date
) -> None:
    schema = TABLES[table]
    dated = rows.with_columns(pl.lit(as_of).alias("as_of_date")).select(schema.names)
    replace_rows(connection, table, dated.to_arrow().cast(schema))
