"""Recording what a person asks for by a command of its own, and saying what became of it."""

import json

import click

from ingestion.common.config import Config
from ingestion.common.errors import InputRefused
from reverse_etl.ledger.commands import Command
from reverse_etl.ledger.modes import Modes
from reverse_etl.ledger.store import Store

__all__ = ["AS_JSON", "kind_of", "record_asked", "say_asked"]

AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print what was recorded as JSON.")


def kind_of(config: Config, system_id: str) -> str:
    """The kind of a connected ERP. Raises InputRefused for one that is connected no more."""
    if system_id not in config.systems:
        raise InputRefused(
            f"{system_id} is not in ledgerloop.toml any more: connect it again; nothing was "
            "recorded",
            code="no_system",
            where=system_id,
        )
    return config.systems[system_id].kind


def record_asked(store: Store, command: Command, modes: Modes, user: str) -> tuple[Command, str]:
    """Record a command in the name of who asks, unless it is there already; it and its state."""
    if store.command(command.command_id) is None:
        store.record_plan([command], modes=modes, actor=user)
    known = store.command(command.command_id)
    return (known.command, str(known.state)) if known else (command, "not recorded")


def say_asked(command: Command, state: str, *, as_json: bool) -> None:
    """One line for a person, or one object for a program."""
    customer_id = command.subject.get("customer_id", "")
    if as_json:
        tree = {
            "command_id": command.command_id,
            "state": state,
            "system_id": command.system_id,
            "object_name": command.object_name,
            "key": command.business_key,
            "customer_id": customer_id,
            "amount": command.amount_text,
            "currency_code": command.currency_code,
            "approval_rule": command.approval_rule,
        }
        click.echo(json.dumps(tree, indent=1))
        return
    shown = f"{command.amount_text} {command.currency_code} to {customer_id}"
    click.echo(f"{command.command_id[:12]}: {shown}: {state}")
