"""Retrains the late-payment prediction and publishes how it compares with the naive rules."""

import os
from collections.abc import Iterator
from typing import Any

import dagster as dg

from ingestion.common.config import home_path, load_config

__all__ = ["late_payments", "late_payments_job", "late_payments_schedule"]

_GROUP = "late_payments"
_KEYS = ("late_payments", "late_comparison", "cash_forecast")


@dg.multi_asset(
    name="predict_late_payments",
    specs=[
        dg.AssetSpec(
            ["decisions", name],
            group_name=_GROUP,
            deps=[["marts", "fct_paid_history"], ["marts", "fct_open_items"]],
            kinds={"python", "scikitlearn", "duckdb"},
            owners=["team:credit"],
            description=description,
        )
        for name, description in zip(
            _KEYS,
            (
                "Expected pay date and chance of lateness of every open invoice",
                "The prediction beside naive rules, on weeks held out",
                "Cash by week and currency with its interval",
            ),
            strict=True,
        )
    ],
    pool="warehouse",
)
def late_payments(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[Any]]:
    """Learn, predict, forecast, compare."""
    from orchestration.predicting import predict

    summary = predict(load_config(), home_path())
    context.log.info("%s open invoices, %s weeks", summary.items, summary.weeks)
    found: dict[str, dict[str, Any]] = {
        "late_payments": {"items": summary.items},
        "late_comparison": dict(summary.comparison.metadata()),
        "cash_forecast": {"weeks": summary.weeks},
    }
    for name in _KEYS:
        yield dg.MaterializeResult(asset_key=["decisions", name], metadata=found[name])


late_payments_job = dg.define_asset_job(
    "late_payments",
    selection=dg.AssetSelection.groups(_GROUP),
    executor_def=dg.in_process_executor,
    description="Learn again when customers pay, and forecast cash",
)

late_payments_schedule = dg.ScheduleDefinition(
    name="late_payments_every_monday",
    job=late_payments_job,
    cron_schedule=os.environ.get("LEDGERLOOP_LATE_SCHEDULE", "30 4 * * 1"),
    default_status=dg.DefaultScheduleStatus.RUNNING
    if os.environ.get("LEDGERLOOP_LATE_SCHEDULE")
    else dg.DefaultScheduleStatus.STOPPED,
)
