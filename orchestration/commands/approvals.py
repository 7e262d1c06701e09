"""``approve``, ``reject`` and ``approvals``: what a person decides, bound to an exact payload."""

import csv
import json
import sys
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

import click

from ingestion.common.config import home_path, load_config
from ingestion.common.errors import InputRefused
from ingestion.common.money import canonical_text
from orchestration.delivering import open_store
from reverse_etl.ledger.approvals import ApprovedLimit
from reverse_etl.ledger.clock import text_of
from reverse_etl.ledger.store import Store
from reverse_etl.planning.approvals import terms_of
from reverse_etl.planning.policy import load_policy

__all__ = ["approvals", "approve", "import_limits", "reject"]

_COLUMNS = (
    "system_id",
    "customer",
    "credit_segment",
    "limit_kind",
    "limit_amount",
    "currency_code",
    "approved_by",
    "second_approver",
    "approved_at",
)


def import_limits(store: Store, file: Path) -> int:
    """Record limits that people approved elsewhere; returns how many.

    Raises:
        InputRefused: a column is missing or a row does not parse (which row, and why).
    """
    with file.open(encoding="utf-8", newline="") as lines:
        reader = csv.DictReader(lines)
        missing = [c for c in _COLUMNS if c not in (reader.fieldnames or [])]
        if missing:
            raise InputRefused(
                f"{file}: column {missing[0]!r} is missing; needed are {', '.join(_COLUMNS)}",
                code="missing_column",
                where=str(file),
            )
        rows = [_limit(row, f"{file}:{number}") for number, row in enumerate(reader, 2)]
    store.record_approved_limits(rows)
    return len(rows)


def _limit(row: dict[str, str], where: str) -> ApprovedLimit:
    try:
        return ApprovedLimit(
            system_id=row["system_id"],
            customer=row["customer"],
            credit_segment=row["credit_segment"],
            limit_kind=row["limit_kind"],
            limit_amount=canonical_text(Decimal(row["limit_amount"] or "0")),
            currency_code=row["currency_code"],
            approved_by=row["approved_by"],
            second_approver=row["second_approver"],
            approved_at=text_of(datetime.fromisoformat(row["approved_at"])),
        )
    except (InvalidOperation, ValueError) as error:
        raise InputRefused(
            f"{where}: {error}; amounts are digits with a point, times ISO 8601",
            code="bad_row",
            where=where,
        ) from error


def _decide(ids: tuple[str, ...], user: str, reason: str, *, is_grant: bool) -> None:
    policy = load_policy(load_config().hub.policy or None)
    failed = False
    with open_store(home_path()) as store:
        waiting = {one.command.command_id: one.command for one in store.awaiting_approval()}
        for wanted in ids:
            matches = [c for c in waiting if c.startswith(wanted)]
            if len(matches) != 1:
                problem = "nothing waits under this id" if not matches else "the id is not unique"
                click.echo(f"{wanted}: {problem}; see `ledgerloop approvals list`", err=True)
                failed = True
                continue
            command = waiting[matches[0]]
            terms = terms_of(policy, command.approval_rule)
            if is_grant:
                result = store.approve(
                    command.command_id, command.payload_hash, by=user, reason=reason, terms=terms
                )
            else:
                result = store.reject(command.command_id, by=user, reason=reason)
            click.echo(f"{command.command_id[:12]}: {result.code}: {result.message}")
            failed = failed or not result.is_done
    sys.exit(1 if failed else 0)


_IDS = click.argument("ids", nargs=-1, required=True, metavar="ID...")
_AS = click.option("--as", "user", required=True, metavar="USER", help="Who decides.")
_REASON = click.option("--reason", required=True, help="Why; it is kept for auditors.")


@click.command()
@_IDS
@_AS
@_REASON
def approve(ids: tuple[str, ...], user: str, reason: str) -> None:
    """Approve commands, each bound to its exact payload; the proposer never approves.

    \b
    ledgerloop approve 3f9a12 --as maria --reason "annual review"
    """
    _decide(ids, user, reason, is_grant=True)


@click.command()
@_IDS
@_AS
@_REASON
def reject(ids: tuple[str, ...], user: str, reason: str) -> None:
    """Reject commands that wait for approval; they become void.

    \b
    ledgerloop reject 3f9a12 --as maria --reason "limit stays"
    """
    _decide(ids, user, reason, is_grant=False)


@click.group()
def approvals() -> None:
    """What waits for a person, and approvals made elsewhere."""


@approvals.command("list")
@click.option("--json", "as_json", is_flag=True)
def approvals_list(as_json: bool) -> None:
    """List the commands that wait for a person."""
    from orchestration.show import as_tree, show_waiting

    with open_store(home_path()) as store:
        waiting = list(store.awaiting_approval())
    if as_json:
        click.echo(json.dumps([as_tree(one.command) for one in waiting], indent=1, default=str))
    else:
        show_waiting(waiting)


@approvals.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def approvals_import(file: Path) -> None:
    """Take over credit limits that people approved elsewhere, from a CSV file.

    \b
    Columns: system_id, customer, credit_segment, limit_kind (limited|unlimited|none_granted),
    limit_amount, currency_code, approved_by, second_approver, approved_at (ISO 8601)
    """
    with open_store(home_path()) as store:
        count = import_limits(store, file)
    click.echo(f"{count:,} approved limits recorded")
