"""The files a seeded demo leaves: truth, approvals, configuration, figures, bank statements.

``truth.json`` is for checks and people only. ``ledgerloop.toml`` fits the dataset: its companies,
its bank accounts, its rates. All files are written whole, then renamed.
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
from sandbox.demo.credit import SEGMENT, SEGMENT_CURRENCY

__all__ = [
    "BANK_SYSTEM",
    "CRM_SYSTEM",
    "ERP_SYSTEM",
    "GL_ACCOUNTS",
    "KEY_PREFIX",
    "config_text",
    "write_files",
]

ERP_SYSTEM = "sap_emea"
CRM_SYSTEM = "crm"
BANK_SYSTEM = "bank"
KEY_PREFIX = "SAP"

#: The chart of accounts that the demo's ERP is set up with.
GL_ACCOUNTS = {
    "ar": "12100000",
    "bank": "11001000",
    "unidentified": "21650000",
    "revenue": "41000000",
    "adjustments": "51000000",
}
_APPROVAL_COLUMNS = (
    "system_id", "customer", "credit_segment", "limit_kind", "limit_amount", "currency_code",
    "approved_by", "second_approver", "approved_at",
)  # fmt: skip
_TIME_ZONES = {"CA": "America/Toronto", "U0": "America/Chicago"}


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
    for account in world.credit.accounts:
        approval = account.approval
        if approval is None:
            continue
        amount = approval.limit.amount or ""
        instant = approval.approved_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        writer.writerow(
            [
                ERP_SYSTEM, account.customer, SEGMENT, approval.limit.kind.value, amount,
                SEGMENT_CURRENCY, approval.approved_by, approval.second_approver, instant,
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
    """``ledgerloop.toml`` for this dataset, on the sandbox."""
    companies = world.dataset.companies
    rates = {"USD": Decimal(1)} | dict(world.settings.rates)
    lines = [
        "# Which systems are connected. Every address and secret of the sandbox comes from the",
        "# endpoints file that `ledgerloop sandbox serve` writes; no secret ever stands here.",
        "[hub]",
        f'group_currency = "{SEGMENT_CURRENCY}"',
        'time_zone = "UTC"',
        "",
        "[hub.rates] # one unit of a currency in the group currency",
        *(f'{code} = "{rate}"' for code, rate in sorted(rates.items())),
        "",
        f"[systems.{ERP_SYSTEM}]",
        'kind = "sap_s4hana"',
        'endpoint = "sandbox"',
        f'key_prefix = "{KEY_PREFIX}"',
        "",
        f"[systems.{ERP_SYSTEM}.options]",
        f'ar_gl_account = "{GL_ACCOUNTS["ar"]}"',
        f'unidentified_gl_account = "{GL_ACCOUNTS["unidentified"]}"',
    ]
    for company, currency in sorted(companies.items()):
        lines += [
            "",
            f"[systems.{ERP_SYSTEM}.companies.{company}]",
            f'currency_code = "{currency}"',
            f'credit_segment = "{SEGMENT}"',
            f'time_zone = "{_TIME_ZONES.get(company[:2], "UTC")}"',
            f"posting_open_from = {world.dataset.open_from.isoformat()}",
        ]
    lines += ["", f"[systems.{CRM_SYSTEM}]", 'kind = "salesforce"', 'endpoint = "sandbox"', ""]
    lines += [f"[systems.{BANK_SYSTEM}]", 'kind = "bank_files"', 'endpoint = "sandbox"']
    for account in world.payments.accounts:
        lines += [
            "",
            f"[[systems.{BANK_SYSTEM}.accounts]]",
            f'account = "{account.account}"',
            f'system_id = "{ERP_SYSTEM}"',
            f'company_code = "{account.company_code}"',
            f'currency_code = "{account.currency_code}"',
            f'gl_account = "{GL_ACCOUNTS["bank"]}"',
            f'bank_line = "{account.bank_line}"',
        ]
    return "\n".join(lines) + "\n"
