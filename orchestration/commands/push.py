"""``ledgerloop push``: any DuckDB table to any target, through planner, ledger and delivery."""

import json
import sys
from pathlib import Path

import click

from ingestion.common.config import home_path, load_config

__all__ = ["push"]

PARTIAL, INTERRUPTED = 3, 130


@click.command()
@click.option(
    "--from",
    "file",
    required=True,
    metavar="FILE.duckdb",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The DuckDB file; it is only read.",
)
@click.option("--table", required=True, metavar="NAME", help="A table or view in it.")
@click.option("--to", "system_id", required=True, metavar="SYSTEM", help="A configured system.")
@click.option("--object", "object_name", required=True, metavar="NAME", help="Its object.")
@click.option("--key", required=True, metavar="COLUMN", help="The column that names a row.")
@click.option("--plan-only", is_flag=True, help="Show what would be sent; record and send nothing.")
@click.option("--initial", is_flag=True, help="Allow a first load that the guards would stop.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the report here.")
def push(
    file: Path,
    table: str,
    system_id: str,
    object_name: str,
    key: str,
    plan_only: bool,
    initial: bool,
    json_file: Path | None,
) -> None:
    """Make a target hold what a table says: only changed fields, proven by reading back.

    Interrupted or killed, run the same command again. Exit 0: the target holds every row.
    3: partial, see `ledgerloop exceptions list`. 1: failed, nothing was lost.

    \b
    ledgerloop push --from my.duckdb --table invoices --to desk --object invoices --key invoice_id
    ledgerloop push --from my.duckdb --table v --to crm --object accounts --key Id --plan-only
    """
    from orchestration.pushing import run_push
    from orchestration.show import plan_tree, show_plans
    from reverse_etl.planning.push import Table

    report, plans = run_push(
        load_config(),
        home_path(),
        Table(file, table, key),
        system_id,
        object_name,
        plan_only=plan_only,
        initial=initial,
    )
    if plan_only:
        show_plans(plans)
    if json_file:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        tree = report.as_json() | ({"differences": plan_tree(plans)} if plan_only else {})
        json_file.write_text(json.dumps(tree, indent=1, default=str), encoding="utf-8")
    for line in report.lines():
        click.echo(line)
    if report.is_interrupted:
        sys.exit(INTERRUPTED)
    sys.exit(0 if report.is_complete or plan_only else PARTIAL)
