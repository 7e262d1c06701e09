"""``ledgerloop refund``: money that goes back to a customer; one person asks, another agrees."""

import click

from ingestion.common.clock import SystemClock
from ingestion.common.config import home_path, load_config
from ingestion.common.errors import InputRefused
from orchestration.commands.asking import AS_JSON, kind_of, record_asked, say_asked
from orchestration.delivering import modes_of, open_store

__all__ = ["refund"]


@click.command()
@click.argument("receipt")
@click.option("--reason", required=True, help="Why; it is kept for auditors.")
@click.option("--as", "user", required=True, metavar="USER", help="Who asks.")
@AS_JSON
def refund(receipt: str, reason: str, user: str, as_json: bool) -> None:
    """Ask to give a whole receipt back, such as a second payment of the same debt.

    It waits for another person (`ledgerloop approve`); the next loop posts it once in the ERP,
    where it uses the receipt up.

    \b
    ledgerloop refund 5f0c2d9a7be14c0f8a11 --reason "paid twice" --as anna
    """
    from reverse_etl.planning.governance import load_governance
    from reverse_etl.planning.policy import load_policy
    from reverse_etl.planning.published import receipt_row
    from reverse_etl.planning.refunds import APPLYING, OBJECT, refund_command

    config = load_config()
    found = receipt_row(home_path(), receipt)
    if found is None:
        raise InputRefused(
            f"no receipt {receipt} in the published warehouse: run `ledgerloop sync`, or look its "
            "id up in marts.fct_receipts",
            code="no_receipt",
            where=receipt,
        )
    system_id = found["system_id"]
    modes = modes_of(config, load_policy(config.hub.policy or None))
    with open_store(home_path()) as store:
        # The published warehouse is as old as the last loop: what was sent since stands in the log.
        if any(store.standing(system_id, name, [receipt]) for name in APPLYING):
            raise InputRefused(
                f"receipt {receipt} was applied or is on its way to be: reject that first (see "
                "`ledgerloop approvals list`), or run `ledgerloop sync` and look again",
                code="being_applied",
                where=receipt,
            )
        command = refund_command(
            found,
            load_governance(),
            kind=kind_of(config, system_id),
            revision=store.posting_revisions(system_id, OBJECT, [receipt])[receipt],
            by=user,
            reason=reason,
            now=SystemClock().now(),
        )
        recorded, state = record_asked(store, command, modes, user)
    say_asked(recorded, state, as_json=as_json)
