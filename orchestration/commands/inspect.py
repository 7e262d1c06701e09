"""``plan``, ``drift``, ``trace`` and ``audit``: looking without changing anything."""

import json
import sys
from pathlib import Path

import click

from ingestion.common.config import home_path
from orchestration.delivering import open_store

__all__ = ["audit", "drift", "plan", "trace"]

_FORMAT = click.option(
    "--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True
)


@click.command()
@_FORMAT
def plan(form: str) -> None:
    """Show the last run's differences, field by field, and what waits for a person.

    \b
    ledgerloop plan
    ledgerloop plan --format json
    """
    from orchestration.show import show_differences, show_waiting
    from reverse_etl.planning.published import differences

    rows = differences(home_path())
    if form == "json":
        click.echo(json.dumps(rows, indent=1, default=str))
        return
    show_differences(rows)
    with open_store(home_path()) as store:
        show_waiting(store.awaiting_approval())


@click.command()
@_FORMAT
def drift(form: str) -> None:
    """Show where targets differ from what they should hold, why, and who must act.

    \b
    ledgerloop drift --format json
    """
    from orchestration.show import show_drift
    from reverse_etl.planning.published import drift as drift_rows

    rows = drift_rows(home_path())
    if form == "json":
        click.echo(json.dumps(rows, indent=1, default=str))
    else:
        show_drift(rows)


@click.command()
@click.argument("key")
@click.option("--json", "as_json", is_flag=True)
def trace(key: str, as_json: bool) -> None:
    """Tell the story of an invoice, a receipt or a correlation id, in time order.

    \b
    ledgerloop trace 1930438491
    ledgerloop trace rcpt-0a1b2c3d4e5f60718293
    """
    from orchestration.show import as_tree, show_trace
    from reverse_etl.planning.published import related_keys

    with open_store(home_path()) as store:
        told = {
            row.event_no: row for one in related_keys(home_path(), key) for row in store.trace(one)
        }
    rows = [row for _, row in sorted(told.items())]
    if as_json:
        click.echo(json.dumps([as_tree(row) for row in rows], indent=1, default=str))
        return
    if not rows:
        raise click.ClickException(f"nothing is known of {key!r}")
    show_trace(rows)


@click.group()
def audit() -> None:
    """The record of what was done."""


_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@audit.command()
@click.option("--head", "head_file", type=_FILE, help="A signed head that was exported earlier.")
@click.option("--public-key", default="", help="64 hex characters that its signer is known by.")
def verify(head_file: Path | None, public_key: str) -> None:
    """Check the whole event chain; one changed, removed or moved row is found.

    With a signed head that was exported earlier, also whether this log is still the one it was
    taken from: a chain that somebody made anew as a whole is found so.
    Exit 0: unchanged. 1: changed, with the first place.

    \b
    ledgerloop audit verify
    ledgerloop audit verify --head head.json --public-key 3b6a…
    """
    with open_store(home_path()) as store:
        found = store.verify_audit()
        problems = list(found.problems)
        if head_file is not None:
            problems += store.problems_with_head(_head_of(head_file), public_key=public_key)
    for problem in problems:
        click.echo(problem, err=True)
    count = found.problems_total + len(problems) - len(found.problems)
    verdict = f"CHANGED: {count:,} problem{'' if count == 1 else 's'}" if count else "intact"
    click.echo(
        f"{verdict}: {found.events:,} events in {found.seals:,} sealed batches, "
        f"{found.commands:,} commands, head {found.head_hash[:16]}"
        + (f"; the head of {head_file} is part of it" if head_file and not count else "")
    )
    sys.exit(1 if count else 0)


def _head_of(file: Path) -> dict[str, object]:
    try:
        head = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        head = None
    if not isinstance(head, dict):
        raise click.UsageError(f"--head: {file} is no exported head")
    return head


@audit.command()
@click.option("--key", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True)
def export(key: Path, out: Path) -> None:
    """Write the head of the chain, signed with an Ed25519 private key (PEM)."""
    from orchestration.show import as_tree

    with open_store(home_path()) as store:
        head = store.export_head(key)
    out.write_text(json.dumps(as_tree(head), indent=1, default=str), encoding="utf-8")
    click.echo(f"signed head written to {out}")
