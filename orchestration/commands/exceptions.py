"""``ledgerloop exceptions``: what a person must look at; kept for ever, none cut from a list."""

import getpass
import json
import sys
from collections.abc import Callable
from dataclasses import asdict

import click

from ingestion.common.clock import SystemClock
from ingestion.common.config import home_path
from orchestration.delivering import open_store
from reverse_etl.ledger.exceptions import VERDICTS, ActionResult, StoredException, age_seconds
from reverse_etl.ledger.store import Store

__all__ = ["exceptions"]


@click.group()
def exceptions() -> None:
    """What a person must look at: technical (the pipe) and business (the data)."""


def _filters(**given: str | None) -> dict[str, str]:
    return {name: value for name, value in given.items() if value}


def _filtered(command: Callable[..., None]) -> Callable[..., None]:
    """The options that choose exceptions; each narrows the choice."""
    for option in (
        click.option("--correlation", "correlation_id", help="Of one business process."),
        click.option("--invoice", help="The invoice as people know it."),
        click.option("--customer", "customer_id", help="Hub customer, such as SAP-0140105686."),
        click.option("--region", help="Region of the customer."),
        click.option("--team", help="Team that owns it, such as accounts_receivable."),
        click.option("--key", "object_key", help="Key of the object concerned."),
        click.option("--object", "object_name", help="Object, such as invoices."),
        click.option("--system", "system_id", help="System, such as sap_emea."),
        click.option("--field", help="Field that is wrong."),
        click.option("--code", help="Code, the vendor's own where there is one."),
        click.option("--class", "exception_class", type=click.Choice(["technical", "business"])),
    ):
        command = option(command)
    return command


@exceptions.command("list")
@click.option("--state", type=click.Choice(["open", "closed"]))
@_filtered
@click.option("--json", "as_json", is_flag=True)
def list_(as_json: bool, **given: str | None) -> None:
    """List exceptions, oldest first; none is left out.

    \b
    ledgerloop exceptions list --state open --class business
    ledgerloop exceptions list --team accounts_receivable --region NA --json
    """
    from orchestration.show import show_exceptions

    with open_store(home_path()) as store:
        found = store.exceptions(**_filters(**given))
        if as_json:
            click.echo(json.dumps([_tree(one) for one in found], indent=1, default=str))
        else:
            show_exceptions(found, SystemClock().now())


def _tree(one: StoredException) -> dict[str, object]:
    """An exception with its age, as JSON types; its payload is the one that was recorded."""
    return {**asdict(one), "age_seconds": round(age_seconds(one, SystemClock().now()))}


@exceptions.command()
@click.argument("exception_id")
@click.option("--json", "as_json", is_flag=True)
def show(exception_id: str, as_json: bool) -> None:
    """Show one exception with its whole payload.

    \b
    ledgerloop exceptions show E3001
    """
    from orchestration.show import show_exception

    with open_store(home_path()) as store:
        found = store.exception(exception_id)
    if found is None:
        raise click.ClickException(
            f"no exception {exception_id!r}; see `ledgerloop exceptions list`"
        )
    if as_json:
        click.echo(json.dumps(_tree(found), indent=1, default=str))
    else:
        show_exception(found, SystemClock().now())


def _chosen(store: Store, ids: tuple[str, ...], given: dict[str, str]) -> list[str]:
    """The exceptions a person means: by id, else all open ones that the filters fit."""
    if ids:
        return list(ids)
    if not given:
        raise click.UsageError("name exceptions by id, or choose them, as with --code or --team")
    return [one.exception_id for one in store.exceptions(state="open", **given)]


def _show_results(results: list[ActionResult]) -> None:
    for result in results:
        click.echo(f"{result.subject[:12]}: {result.code}: {result.message}")
    done = sum(result.is_done for result in results)
    click.echo(f"{done:,} of {len(results):,} exceptions done")
    sys.exit(0 if done == len(results) else 1)


_IDS = click.argument("ids", nargs=-1, metavar="[ID]...")
_REASON = click.option("--reason", required=True, help="Why; it is kept for auditors.")
_AS = click.option("--as", "user", help="Who acts; default the OS user.")


@exceptions.command()
@_IDS
@_REASON
@_AS
@_filtered
def retry(ids: tuple[str, ...], user: str | None, reason: str, **given: str | None) -> None:
    """Try again, by id or by filter; what may have had an effect is looked up first.

    \b
    ledgerloop exceptions retry --code INVALID_CROSS_REFERENCE_KEY --reason "account restored"
    """
    with open_store(home_path()) as store:
        chosen = _chosen(store, ids, _filters(**given))
        results = store.retry_exceptions(chosen, by=user or getpass.getuser(), reason=reason)
    _show_results(results)


@exceptions.command()
@_IDS
@_REASON
@_AS
@_filtered
@click.option(
    "--verdict",
    type=click.Choice([one for one in VERDICTS if one]),
    default=None,
    help="What a person found out about a command whose outcome is unknown.",
)
def resolve(
    ids: tuple[str, ...],
    user: str | None,
    reason: str,
    verdict: str | None,
    **given: str | None,
) -> None:
    """Close exceptions that were settled outside, by id or by filter.

    \b
    ledgerloop exceptions resolve E3001 --reason "booked by hand" --verdict has_effect
    """
    with open_store(home_path()) as store:
        chosen = _chosen(store, ids, _filters(**given))
        results = store.resolve_exceptions(
            chosen, by=user or getpass.getuser(), reason=reason, verdict=verdict or ""
        )
    _show_results(results)
