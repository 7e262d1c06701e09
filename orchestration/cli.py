"""The command line: ``ledgerloop``. Thin; each command's work stands in its own module.

This is the only product module that starts the sandbox. Exit codes: 0 done and verified, 3 partial
(exceptions were opened), 1 failed, 2 wrong usage. Errors say what, where and what to do.
"""

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click

from ingestion.common.errors import LedgerloopError
from orchestration.commands import LazyGroup

__all__ = ["main"]

_COMMANDS = {
    "sync": "orchestration.commands.sync:sync",
    "deliver": "orchestration.commands.sync:deliver",
    "push": "orchestration.commands.push:push",
    "decide": "orchestration.commands.decide:decide",
    "plan": "orchestration.commands.inspect:plan",
    "drift": "orchestration.commands.inspect:drift",
    "trace": "orchestration.commands.inspect:trace",
    "audit": "orchestration.commands.inspect:audit",
    "doctor": "orchestration.commands.doctor:doctor",
    "approve": "orchestration.commands.approvals:approve",
    "reject": "orchestration.commands.approvals:reject",
    "approvals": "orchestration.commands.approvals:approvals",
    "links": "orchestration.commands.links:links",
    "assign": "orchestration.commands.links:assign",
    "refund": "orchestration.commands.refunds:refund",
    "debit-memo": "orchestration.commands.debit_memos:debit_memo",
    "predict": "orchestration.commands.predict:predict",
    "disputes": "orchestration.commands.disputes:disputes",
    "exceptions": "orchestration.commands.exceptions:exceptions",
}


@click.group(
    cls=LazyGroup,
    lazy_commands=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="ledgerloop")
def cli() -> None:
    """Keep accounts receivable true in ERP and CRM at once.

    \b
    Start with:   ledgerloop demo
    Then:         ledgerloop sync --help
    """


@cli.group()
def sandbox() -> None:
    """The vendors on loopback."""


def _data_options(command: Callable[..., None]) -> Callable[..., None]:
    """Where the sandbox's data comes from: an extract, or the seeded synthetic twin."""
    folder = click.Path(path_type=Path, exists=True, file_okay=False)
    for option in (
        click.option("--closed-items", type=int, help="Synthetic invoices paid at the bank."),
        click.option("--companies", type=int, help="Synthetic legal entities, over all ERPs."),
        click.option(
            "--erps",
            type=click.Choice(["all", "sap"]),
            default="all",
            show_default=True,
            help="Which ERPs the synthetic world has.",
        ),
        click.option("--open-items", type=int, help="Synthetic open items."),
        click.option("--customers", type=int, help="Synthetic customers."),
        click.option("--seed", type=int, help="Seed of all that is made up; printed in any case."),
        click.option("--dataset", type=folder, metavar="DIR", help="A receivables extract."),
    ):
        command = option(command)
    return command


@sandbox.command("serve")
@_data_options
@click.option("--state", type=click.Path(path_type=Path), help="Keep the vendors' books here.")
@click.option("--endpoints", type=click.Path(path_type=Path), help="Write addresses to this file.")
@click.option("--tls", is_flag=True, help="Serve https with a certificate made for this run.")
def sandbox_serve(
    dataset: Path | None,
    state: Path | None,
    endpoints: Path | None,
    tls: bool,
    erps: str,
    **seeding: int | None,
) -> None:
    """Serve several ERPs, one Salesforce org and a bank's folder until interrupted.

    An extract is one SAP system's; without one, a world of several ERPs is made up.

    \b
    ledgerloop sandbox serve
    ledgerloop sandbox serve --dataset DIR --state data/home/sandbox/state --endpoints e.json
    """
    from sandbox.core.serve import serve
    from sandbox.demo.serving import systems_and_settings

    is_one = dataset is not None or erps == "sap"
    systems, settings = systems_and_settings(is_one, seeding["companies"], state)
    serve(
        dataset=dataset, state=state, endpoints=endpoints, tls=tls, seeding=seeding,
        systems=systems, settings=settings, on_ready=None if endpoints else _say_what_next,
    )  # fmt: skip


def _say_what_next(_endpoints: dict[str, Any]) -> None:
    """For a person at a terminal; a program that asked for the addresses reads its file."""
    from ingestion.common.config import home_path

    home = home_path()
    click.echo(
        "\nReady; Ctrl-C stops it. In another terminal:\n"
        f"  export LEDGERLOOP_HOME={home.resolve()}\n"
        f"  export LEDGERLOOP_CONFIG={(home / 'sandbox' / 'ledgerloop.toml').resolve()}\n"
        "  ledgerloop doctor; ledgerloop sync --plan-only"
    )


@cli.command()
@_data_options
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write figures here.")
def demo(dataset: Path | None, json_file: Path | None, **seeding: int | str | None) -> None:
    """Close the loop on the sandbox, twice, and prove it; exit 0 only if it closed.

    \b
    ledgerloop demo
    ledgerloop demo --dataset DIR --json figures.json
    """
    from orchestration.demo import run_demo
    from sandbox.demo.measure import measure
    from sandbox.demo.measure_postings import verify_postings

    sys.exit(run_demo(dataset, json_file, seeding, measure, verify_postings))


@cli.command()
@click.option("--dataset", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--port", type=int, default=3000, show_default=True, help="Port of the Dagster UI.")
def dev(dataset: Path | None, port: int) -> None:
    """Open the Dagster UI on a running sandbox; Ctrl-C stops both."""
    from orchestration.dev import run_dev

    sys.exit(run_dev(dataset, port))


def _interrupted(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def main() -> None:
    """Entry point: product errors become one clear message and an exit code."""
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        cli(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort):
        click.echo("Interrupted: what was recorded stays; run the same command again.", err=True)
        sys.exit(130)
    except LedgerloopError as error:
        click.echo(f"Error: {error.message}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
