"""``ledgerloop disputes``: what customers kept back, and what people decide about it."""

import getpass
import json
import sys
from dataclasses import asdict
from decimal import Decimal, InvalidOperation

import click

from ingestion.common.config import home_path
from orchestration.delivering import open_store
from reverse_etl.ledger.disputes import Disputes
from reverse_etl.ledger.exceptions import ActionResult

__all__ = ["disputes"]

_REASON = click.option("--reason", required=True, help="Why; it is kept for auditors.")
_AS = click.option("--as", "user", required=True, metavar="USER", help="Who acts.")
_VERDICTS = ("valid", "partly", "invalid", "write_off")


class _Money(click.ParamType):
    """An exact amount."""

    name = "amount"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Decimal:
        try:
            return Decimal(str(value))
        except InvalidOperation:
            self.fail(f"{value!r} is not an amount; write 1234.56", param, ctx)


@click.group()
def disputes() -> None:
    """Deductions and disputes: decided by people, credited by approval."""


@disputes.command("list")
@click.option("--status", help="Such as new, assigned, decided_valid.")
@click.option("--customer", "customer_id", help="Hub customer, such as SAP-0140105686.")
@click.option("--all", "with_closed", is_flag=True, help="Closed ones too.")
@click.option("--json", "as_json", is_flag=True)
def list_(status: str | None, customer_id: str | None, with_closed: bool, as_json: bool) -> None:
    """List disputes, oldest first.

    \b
    ledgerloop disputes list --customer SAP-0140105686
    """
    from orchestration.show import show_rows

    with open_store(home_path()) as store:
        found = list(
            Disputes(store).list(status=status, customer_id=customer_id, with_closed=with_closed)
        )
    rows = [{**asdict(one), "amount": one.amount} for one in found]
    if as_json:
        click.echo(json.dumps(rows, indent=1, default=str))
        return
    names = {
        "dispute_id": "id",
        "status": "status",
        "customer_id": "customer",
        "reason_code": "reason",
        "amount": "money",
        "currency_code": "",
        "due_at": "due",
        "assigned_to": "with",
        "decided_by": "decided by",
        "note": "note",
    }
    show_rows("Disputes", rows, names)


@disputes.command()
@click.argument("dispute_id")
@click.argument("verdict", type=click.Choice(_VERDICTS))
@click.option("--amount", type=_Money(), help="What is accepted, where it is a part.")
@_REASON
@_AS
def decide(dispute_id: str, verdict: str, amount: Decimal | None, reason: str, user: str) -> None:
    """Say whether a deduction is right; a credit memo or write-off then waits for approval.

    \b
    ledgerloop disputes decide DSP-12ab partly --amount 250.00 --reason "half was damaged" --as anna
    """
    with open_store(home_path()) as store:
        result = Disputes(store).decide(
            dispute_id,
            verdict,
            by=user,
            reason=reason,
            amount=amount,
            os_user=getpass.getuser(),
        )
    _end(result)


@disputes.command()
@click.argument("dispute_id")
@click.argument("version", type=int)
@_REASON
@_AS
def approve(dispute_id: str, version: int, reason: str, user: str) -> None:
    """Agree to exactly this version of a decision; never by the person who decided."""
    with open_store(home_path()) as store:
        result = Disputes(store).approve(dispute_id, version, by=user, reason=reason)
    _end(result)


@disputes.command()
@click.argument("dispute_id")
@click.argument("status")
@click.option("--to", "assigned_to", help="Who takes care of it.")
@_REASON
@_AS
def move(dispute_id: str, status: str, assigned_to: str | None, reason: str, user: str) -> None:
    """Move a dispute on: triage, assigned, awaiting_customer, void and so on."""
    with open_store(home_path()) as store:
        result = Disputes(store).move(
            dispute_id, status, by=user, reason=reason, assigned_to=assigned_to
        )
    _end(result)


@disputes.command()
@click.argument("dispute_id")
@click.argument("parts", nargs=-1, required=True, metavar="CODE=AMOUNT...")
@_REASON
@_AS
def split(dispute_id: str, parts: tuple[str, ...], reason: str, user: str) -> None:
    """Cut one dispute into several reasons; the amounts must sum to it.

    \b
    ledgerloop disputes split DSP-12ab PRICE=200.00 DAMAGE=50.00 --reason "two causes" --as anna
    """
    cut = [_part(one) for one in parts]
    with open_store(home_path()) as store:
        result = Disputes(store).split(dispute_id, cut, by=user, reason=reason)
    _end(result)


@disputes.command()
@click.argument("dispute_ids", nargs=-1, required=True)
@_REASON
@_AS
def merge(dispute_ids: tuple[str, ...], reason: str, user: str) -> None:
    """Make one case of several disputes of one customer and reason."""
    with open_store(home_path()) as store:
        result = Disputes(store).merge(dispute_ids, by=user, reason=reason)
    _end(result)


def _part(text: str) -> tuple[str, Decimal]:
    code, _, amount = text.partition("=")
    return code, _Money().convert(amount, None, None)


def _end(result: ActionResult) -> None:
    click.echo(f"{result.subject}: {result.code}: {result.message}")
    sys.exit(0 if result.is_done else 1)
