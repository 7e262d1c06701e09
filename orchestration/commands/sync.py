"""``ledgerloop sync`` and ``ledgerloop deliver``: one loop, and its sending step alone."""

import asyncio
import json
import sys
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path

import click

from ingestion.common.config import home_path, load_config
from ingestion.common.errors import ConfigError, LedgerloopError

__all__ = ["deliver", "sync"]

PARTIAL = 3


def _write_json(file: Path, tree: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(tree, indent=1, default=str), encoding="utf-8")


def _as_of(value: datetime | None) -> date | None:
    return value.date() if value else None


@click.command()
@click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), help="Business date; default today.")
@click.option("--only", multiple=True, metavar="SYSTEM", help="Read and plan only this system.")
@click.option("--plan-only", is_flag=True, help="Show what would be sent; record and send nothing.")
@click.option("--initial", is_flag=True, help="Allow the first load of objects that guard it.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the report here.")
def sync(
    as_of: datetime | None,
    only: tuple[str, ...],
    plan_only: bool,
    initial: bool,
    json_file: Path | None,
) -> None:
    """Run one loop: read, decide, write back, read back.

    Exit 0: all verified. 3: partial, exceptions were opened. 1: failed.

    \b
    ledgerloop sync --as-of 2026-11-20
    ledgerloop sync --plan-only
    ledgerloop sync --only sap_emea --json report.json
    """
    from orchestration.loop import Loop
    from orchestration.show import plan_tree, show_plans, show_run

    config = load_config()
    unknown = sorted(set(only) - set(config.systems))
    if unknown:
        raise ConfigError(
            f"--only: no system {unknown[0]!r}; configured are {', '.join(sorted(config.systems))}",
            code="unknown_system",
        )
    with Loop(
        config,
        home_path(),
        as_of=_as_of(as_of),
        only=only,
        plan_only=plan_only,
        initial=initial,
    ) as loop:
        try:
            report = loop.run(progress=lambda line: click.echo(line, err=True))
        except LedgerloopError:
            if json_file:
                _write_json(json_file, loop.report.as_json())
            raise
        if plan_only:
            show_plans(loop.plans.values())
        differences = {"differences": plan_tree(loop.plans.values())} if plan_only else {}
    if json_file:
        _write_json(json_file, report.as_json() | differences)
    show_run(report)
    sys.exit(PARTIAL if report.status == "partial" else 0)


@click.command()
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the report here.")
def deliver(json_file: Path | None) -> None:
    """Send what is recorded and ready, and prove it; nothing is read or planned.

    \b
    ledgerloop deliver
    """
    from orchestration.delivering import deliver_ready, modes_of, open_store
    from reverse_etl.planning.governance import load_governance
    from reverse_etl.planning.policy import load_policy

    config = load_config()
    modes = modes_of(config, load_policy(config.hub.policy or None))
    with open_store(home_path()) as store:
        sent = asyncio.run(deliver_ready(config, store, load_governance(), modes))
    if json_file:
        _write_json(json_file, asdict(sent))
    for message in sent.messages:
        click.echo(message, err=True)
    click.echo(
        f"{sent.sent:,} sent, {sent.verified:,} verified, {sent.rejected:,} rejected, "
        f"{sent.unknown:,} unknown, {sent.exceptions_opened:,} exceptions, {sent.seconds:.1f} s"
    )
    sys.exit(0 if sent.is_complete else PARTIAL)
