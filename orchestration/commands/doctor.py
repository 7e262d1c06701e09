"""``ledgerloop doctor``: can every system be reached, and does it have what we need?"""

import sys

import click

from ingestion.common.config import config_path, home_path, load_config
from ingestion.common.errors import LedgerloopError

__all__ = ["doctor"]


@click.command()
def doctor() -> None:
    """Check configuration, addresses, credentials, fields and the operations database.

    Exit 0: all is well. 1: something needs doing; each line says what.

    \b
    ledgerloop doctor
    """
    from ingestion import check_system
    from orchestration.delivering import open_store

    config = load_config()
    click.echo(f"ok    configuration {config_path()}: {len(config.systems)} systems")
    is_well = True
    for system in config.systems.values():
        try:
            problems = check_system(system)
        except LedgerloopError as error:
            problems = [error.message]
        for problem in problems:
            click.echo(f"FAIL  {system.system_id}: {problem}")
        if not problems:
            click.echo(
                f"ok    {system.system_id} ({system.kind}) at {system.base_url}, "
                f"mode {system.effective_mode}"
            )
        is_well = is_well and not problems
    with open_store(home_path()) as store:
        counts = store.counts()
    listed = ", ".join(f"{state} {count:,}" for state, count in sorted(counts.items())) or "empty"
    click.echo(f"ok    operations database: {listed}")
    sys.exit(0 if is_well else 1)
