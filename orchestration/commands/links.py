"""``ledgerloop links`` and ``assign``: what a person says about who is who, kept with its history.

Accounts of a CRM belong to hub customers, bank accounts and payers' names to those who pay with
them. A person's word comes before every number, takes effect in the next loop, and is never
deleted: taking it back is another event of the operations database.
"""

import json

import click

from ingestion.common.config import home_path
from ingestion.common.errors import InputRefused
from orchestration.delivering import open_store
from orchestration.show import show_rows
from reverse_etl.ledger.store import Link

__all__ = ["assign", "links"]

_RELATIONS = ("account", "parent", "payer_account", "payer_name")
_AS = click.option("--as", "user", required=True, metavar="USER", help="Who says so.")


@click.group()
def links() -> None:
    """Who is who: CRM accounts, payers' bank accounts and names, linked to hub customers."""


def _linking(command: click.decorators.FC) -> click.decorators.FC:
    for option in (
        _AS,
        click.option("--relation", type=click.Choice(_RELATIONS), default="account"),
        click.option("--customer", required=True, help="Hub customer, such as SAP-0140105686."),
        click.option("--id", "native_id", required=True, help="Id in that system."),
        click.option("--system", "system_id", required=True, help="System, such as crm or bank."),
    ):
        command = option(command)
    return command


@links.command()
@_linking
def add(system_id: str, native_id: str, customer: str, relation: str, user: str) -> None:
    """Link an id to a hub customer; takes effect in the next loop.

    \b
    ledgerloop links add --system crm --id 0015g00000XyzAB --customer SAP-0140105686 --as anna
    """
    with open_store(home_path()) as store:
        store.record_links([Link(system_id, native_id, customer, relation, "person")], by=user)
    click.echo(f"{native_id} of {system_id} is linked to {customer} ({relation})")


@links.command()
@_linking
def remove(system_id: str, native_id: str, customer: str, relation: str, user: str) -> None:
    """Take a link back, one that a number made too; its history stays.

    \b
    ledgerloop links remove --system crm --id 0015g00000XyzAB --customer SAP-0140105686 --as anna
    """
    with open_store(home_path()) as store:
        store.remove_links([Link(system_id, native_id, customer, relation, "person")], by=user)
    click.echo(f"{native_id} of {system_id} is no longer linked to {customer} ({relation})")


@links.command("list")
@click.option("--json", "as_json", is_flag=True)
def list_(as_json: bool) -> None:
    """List what people linked and unlinked."""
    names = ("system_id", "native_id", "customer_id", "relation", "how", "linked_at", "unlinked_at")
    with open_store(home_path()) as store:
        rows = [
            dict(zip(names, map(_text, row), strict=True))
            for page in store.mirror.links()
            for row in page
        ]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    shown = ("system", "id", "customer", "relation", "how", "since", "until")
    show_rows("Links", rows, dict(zip(names, shown, strict=True)))


@links.command()
@click.option("--json", "as_json", is_flag=True)
def proposals(as_json: bool) -> None:
    """List what the last loop proposes to link, with score and reasons; accept with `add`."""
    from reverse_etl.planning.published import link_proposals

    rows = link_proposals(home_path())
    if as_json:
        click.echo(json.dumps(rows, indent=1, default=str))
        return
    names = ("system_id", "native_id", "customer_id", "score", "reason")
    show_rows("Proposed links", rows, {name: name.removesuffix("_id") for name in names})


@click.command()
@click.argument("receipt")
@click.option("--customer", required=True, help="Hub customer, such as SAP-0140105686.")
@_AS
def assign(receipt: str, customer: str, user: str) -> None:
    """Say who paid a receipt: it goes to that customer in the next loop.

    Its bank account and its payer's name are known from now on. A receipt that waits among the
    unidentified ones moves to the customer in the ERP.

    \b
    ledgerloop assign 5f0c2d9a7be14c0f8a11 --customer SAP-0140105686 --as anna
    """
    from reverse_etl.planning.published import has_customer, payer_of_receipt

    payer = payer_of_receipt(home_path(), receipt)
    if payer is None:
        raise InputRefused(
            f"no receipt {receipt} in the published warehouse: run `ledgerloop sync`, or look its "
            "id up in marts.fct_receipts",
            code="no_receipt",
            where=receipt,
        )
    if not has_customer(home_path(), customer):
        raise InputRefused(
            f"no customer {customer}: customers are named like SAP-0140105686, see "
            "marts.dim_customers",
            code="no_customer",
            where=customer,
        )
    if payer["booked_customer_id"] not in (None, customer):
        raise InputRefused(
            f"receipt {receipt} stands on {payer['booked_customer_id']} in the ERP: have it moved "
            f"to {customer} there; nothing was recorded",
            code="already_booked",
            where=receipt,
        )
    said = {
        "receipt": receipt,
        "payer_account": payer["payer_account_key"],
        "payer_name": payer["payer_name"],
    }
    made = [
        Link(payer["system_id"], native_id, customer, relation, f"receipt {receipt}")
        for relation, native_id in said.items()
        if native_id
    ]
    with open_store(home_path()) as store:
        store.record_links(made, by=user)
    for link in made:
        click.echo(f"{link.relation.replace('_', ' ')} now belongs to {customer}")


def _text(value: object) -> str | None:
    return None if value is None else str(value)
