"""The bank's files read for measuring: every booked entry that brought money in, as one frame.

Files are parsed by the product's format readers (there is no vendor to ask), straight from the
folder the bank drops them in and wherever the hub may have moved them below it. A file that they
refuse holds no money for anybody.
"""

import hashlib
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import polars as pl

from ingestion.bank_files.formats import parse_file
from ingestion.bank_files.settings import IGNORED_SUFFIXES
from ingestion.bank_files.statements import Entry, Known, Statement, receipt_ids
from ingestion.common.config import BankAccount, Config, System
from ingestion.common.errors import InputRefused
from sandbox.sftp.exchange import sftp_root

__all__ = ["read_receipts"]

_SCHEMA = pl.Schema(
    {
        "receipt_id": pl.String(),
        "system_id": pl.String(),
        "company_code": pl.String(),
        "bank_line": pl.String(),
        "amount": pl.Decimal(28, 6),
        "currency_code": pl.String(),
        "value_date": pl.Date(),
        "bank_reference": pl.String(),
        "payer_account": pl.String(),
        "payer_name": pl.String(),
        "text": pl.String(),
    }
)
_NO_MONEY_YET = frozenset({"PDNG", "INFO", "FUTR"})


def read_receipts(config: Config, as_of: date) -> pl.DataFrame:
    """Receipts on our own accounts up to the as-of date, each once."""
    accounts = {_normal(one.account): one for one in config.bank_accounts()}
    known: dict[str, Known] = {}
    rows: dict[str, dict[str, Any]] = {}
    for system in config.of_kind("bank_files"):
        for statement in _statements(system):
            own = accounts.get(_normal(statement.account))
            ids = receipt_ids(statement, known)
            for receipt_id, entry in zip(ids, statement.entries, strict=True):
                known[receipt_id] = Known(entry.amount, entry.value_date)
                if own is not None and _is_receipt(entry, as_of):
                    rows[receipt_id] = _row(receipt_id, entry, own)
    return pl.DataFrame(list(rows.values()), schema=_SCHEMA)


def _is_receipt(entry: Entry, as_of: date) -> bool:
    is_booked = entry.status.upper() not in _NO_MONEY_YET and entry.booking_date <= as_of
    return is_booked and entry.amount > 0 and not entry.is_reversal


def _row(receipt_id: str, entry: Entry, own: BankAccount) -> dict[str, Any]:
    words = (entry.remittance_text, entry.structured_references, entry.creditor_reference)
    return {
        "receipt_id": receipt_id,
        "system_id": own.system_id,
        "company_code": own.company_code,
        "bank_line": own.bank_line or "",
        "amount": entry.amount,
        "currency_code": entry.currency_code,
        "value_date": entry.value_date,
        "bank_reference": entry.account_servicer_reference,
        "payer_account": _normal(entry.payer_account),
        "payer_name": entry.payer_name or entry.ultimate_payer_name,
        "text": " ".join(word for word in words if word),
    }


def _normal(account: str) -> str:
    """An account number without what people put between its characters."""
    return "".join(character for character in account if character.isalnum()).upper()


def _statements(system: System) -> list[Statement]:
    """Every statement of every file below the bank's folder, oldest first, copies once."""
    inbox = Path(unquote(urlsplit(system.base_url).path))
    found: dict[str, list[Statement]] = {}
    server = sftp_root(inbox.parent.parent) / system.system_id
    for path in sorted([*inbox.parent.rglob("*"), *server.rglob("*")]):
        if not path.is_file() or path.suffix in IGNORED_SUFFIXES or path.name.startswith("."):
            continue
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest not in found:
            try:
                found[digest] = parse_file(path)
            except InputRefused:
                found[digest] = []
    statements = [one for several in found.values() for one in several]
    return sorted(statements, key=lambda one: (one.closing_date or date.min, one.account))
