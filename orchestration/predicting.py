"""Late payment on its own schedule: learn on the working warehouse, then publish it."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

from ingestion.common.clock import SystemClock
from ingestion.common.config import Config
from ingestion.common.warehouse import open_warehouse
from orchestration.publish import publish
from orchestration.run import new_run_id
from reverse_etl.decide_late import LateSummary, run_late
from reverse_etl.planning.policy import load_policy

__all__ = ["predict"]


def predict(
    config: Config,
    home: Path,
    as_of: date | None = None,
    *,
    clock: SystemClock | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> LateSummary:
    """Learn when customers pay, predict every open invoice, forecast cash, and publish.

    Args:
        config: the connected systems; its policy file is used.
        home: where the warehouse lies; a loop must have filled it.
        as_of: the business date; None takes the hub's own today.
        clock: time, given in.
        progress: told what is being done and the share that is behind.
    """
    clock = clock or SystemClock()
    policy = load_policy(config.hub.policy or None)
    warehouse = home / "warehouse.duckdb"
    with open_warehouse(warehouse) as connection:
        summary = run_late(
            connection, policy, as_of or clock.today(config.hub.time_zone), progress=progress
        )
    publish(warehouse, home, new_run_id(clock.now()))
    return summary
