"""The loop as one job, in this process, and its schedule (switched on by configuration)."""

import os

import dagster as dg

__all__ = ["loop_job", "loop_schedule"]

#: Every step shares one warehouse file and one warm dbt child: one process, steps in order.
loop_job = dg.define_asset_job(
    "loop",
    selection=dg.AssetSelection.all() - dg.AssetSelection.groups("late_payments"),
    executor_def=dg.in_process_executor,
    description="Read, decide, write back, read back: the whole loop once",
)

loop_schedule = dg.ScheduleDefinition(
    name="loop_every_hour",
    job=loop_job,
    cron_schedule=os.environ.get("LEDGERLOOP_SCHEDULE", "7 * * * *"),
    default_status=dg.DefaultScheduleStatus.RUNNING
    if os.environ.get("LEDGERLOOP_SCHEDULE")
    else dg.DefaultScheduleStatus.STOPPED,
)
