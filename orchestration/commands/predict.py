"""``ledgerloop predict``: when open invoices will be paid, and how much cash comes in each week."""

import json
from datetime import datetime
from pathlib import Path

import click

from ingestion.common.config import home_path, load_config

__all__ = ["predict"]


@click.command()
@click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), help="Business date; default today.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write figures here.")
def predict(as_of: datetime | None, json_file: Path | None) -> None:
    """Learn when customers pay, predict every open invoice, forecast cash, and publish.

    Reads and writes the warehouse only. Results: decisions.late_payments, decisions.cash_forecast,
    and decisions.late_comparison, which says what the prediction is worth beside naive rules.

    \b
    ledgerloop predict --as-of 2026-05-23
    """
    from orchestration.commands.decide import progress_bar
    from orchestration.predicting import predict as run

    with progress_bar() as tell:
        day = as_of.date() if as_of else None
        summary = run(load_config(), home_path(), day, progress=tell)
    figures = dict(summary.comparison.metadata())
    tree = {"items": summary.items, "weeks": summary.weeks, **figures}
    if json_file:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(tree, indent=1) + "\n", encoding="utf-8")
    for name, value in tree.items():
        click.echo(f"  {name.replace('_', ' '):<34} {value}")
