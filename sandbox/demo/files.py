"""The files a seeded demo leaves: truth, approvals, configuration, figures, bank statements.

``truth.json`` is for checks and people only. ``ledgerloop.toml`` fits the world: its ERPs, their
companies, the bank accounts, the rates. All files are written whole, then renamed.
"""

import csv
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from sandbox.core.state import write_atomically
from sandbox.demo.additions import World, truth_of
from sandbox.demo.systems import BANK_SYSTEM, CRM_SYSTEM, GROUP_CURRENCY, ErpPlan, plan_of_company

__all__ = ["config_text", "write_files"]

_APPROVAL_COLUMNS = (
    "system_id", "customer", "credit_segment", "limit_kind", "limit_amount", "currency_code",
    "approved_by", "second_approver", "approved_at",
)  # fmt: skip


def write_files(world: World, home: Path, counts: dict[str, Any]) -> None:
    """Write every file that belongs to the demo's data, except the bank's.

    Args:
        world: what was seeded.
        home: ``LEDGERLOOP_HOME``.
        counts: what the systems confirmed, for ``dataset.json``.
    """
    write_atomically(home / "demo" / "truth.json", json.dumps(truth_of(world), indent=1))
    write_atomically(home / "demo" / "approved_limits.csv", _approvals(world))
    write_atomically(home / "demo" / "dataset.json", json.dumps(_figures(world, counts), indent=2))
    write_atomically(home / "sandbox" / "ledgerloop.toml", config_text(world))


def _approvals(world: World) -> str:
    """The last approved limits, in the columns of ``ledgerloop approvals import``."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_APPROVAL_COLUMNS)
    plans = plan_of_company(world.plans)
    for account in world.credit.accounts:
        approval = account.approval
        if approval is None:
            continue
        system_id = plans[min(world.partners[account.customer].companies)].system_id
        amount = approval.limit.amount or ""
        instant = approval.approved_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        writer.writerow(
            [
                system_id, account.customer, account.credit_segment, approval.limit.kind.value,
                amount, account.currency_code, approval.approved_by, approval.second_approver,
                instant,
            ]
        )  # fmt: skip
    return out.getvalue()


def _figures(world: World, counts: dict[str, Any]) -> dict[str, Any]:
    """Seed, business date, sizes and money of the seeded data."""
    payments = world.payments.payments
    received: dict[str, Decimal] = {}
    for payment in payments:
        received[payment.currency_code] = (
            received.get(payment.currency_code, Decimal(0)) + payment.amount
        )
    posted = world.items.group_by("currency_code").agg(pl.col("amount").sum()).sort("currency_code")
    return {
        "source": world.dataset.source,
        "as_of": world.dataset.as_of.isoformat(),
        "seed": world.seed,
        "systems": [plan.system_id for plan in world.plans],
        "counts": {
            "customers": len(world.partners),
            "items": world.items.height,
            "receipts": len(payments),
            "orders": len(world.credit.orders),
            "crm_accounts": len(world.crm_accounts),
            **counts,
        },
        "money": {
            "posted": {code: str(amount) for code, amount in posted.iter_rows()},
            "received": {code: str(amount) for code, amount in sorted(received.items())},
        },
        "notes": [{"reason": n.reason, "rows": n.rows} for n in world.dataset.notes],
    }


def config_text(world: World) -> str:
    """``ledgerloop.toml`` for this world, on the sandbox."""
    rates = {GROUP_CURRENCY: Decimal(1)} | dict(world.settings.rates)
    lines = [
        "# Which systems are connected. Every address and secret of the sandbox comes from the",
        "# endpoints file that `ledgerloop sandbox serve` writes; no secret ever stands here.",
        "[hub]",
        f'group_currency = "{GROUP_CURRENCY}"',
        'time_zone = "UTC"',
        "",
        "[hub.rates] # one unit of a currency in the group currency",
        *(f'{code} = "{rate}"' for code, rate in sorted(rates.items())),
    ]
    for plan in world.plans:
        lines += _erp_lines(plan, world)
    lines += ["", f"[systems.{CRM_SYSTEM}]", 'kind = "salesforce"', 'endpoint = "sandbox"', ""]
    lines += [f"[systems.{BANK_SYSTEM}]", 'kind = "bank_files"', 'endpoint = "sandbox"']
    gl_accounts = {plan.system_id: plan.bank_gl_account for plan in world.plans}
    for account in world.payments.accounts:
        lines += [
            "",
            f"[[systems.{BANK_SYSTEM}.accounts]]",
            f'account = "{account.account}"',
            f'system_id = "{account.system_id}"',
            f'company_code = "{account.company_code}"',
            f'currency_code = "{account.currency_code}"',
            f'gl_account = "{gl_accounts[account.system_id]}"',
            f'bank_line = "{account.bank_line}"',
        ]
    return "\n".join(lines) + "\n"


def _erp_lines(plan: ErpPlan, world: World) -> list[str]:
    """One ERP with its options and its companies."""
    lines = [
        "",
        f"[systems.{plan.system_id}]",
        f'kind = "{plan.kind}"',
        'endpoint = "sandbox"',
        f'key_prefix = "{plan.key_prefix}"',
        "",
        f"[systems.{plan.system_id}.options]",
        *(f'{name} = "{value}"' for name, value in sorted(plan.options.items())),
    ]
    for code, company in sorted(plan.companies.items()):
        lines += [
            "",
            f"[systems.{plan.system_id}.companies.{code}]",
            f'currency_code = "{company.currency_code}"',
            f'credit_segment = "{company.credit_segment}"',
            f'time_zone = "{company.time_zone}"',
            f"posting_open_from = {world.dataset.open_from.isoformat()}",
        ]
    return lines
