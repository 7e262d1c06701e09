"""What the warehouse holds of a bank already, as far as new files need it.

Read once at the start of a read; rows that have to be changed later are fetched by id. It must not
write anything.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, date
from decimal import Decimal
from pathlib import Path
from typing import Any

from ingestion.bank_files.inbox import Seen
from ingestion.bank_files.notices import NoticeBook, Part
from ingestion.bank_files.settings import OBJECTS
from ingestion.bank_files.statements import Entry, Known, Sequences, StatementKind
from ingestion.common.config import System
from ingestion.common.warehouse import open_warehouse

__all__ = ["ACCEPTED", "DUPLICATE", "REFUSED", "Stored", "load_stored", "rows_of", "seen_files"]

ACCEPTED, DUPLICATE, REFUSED = "accepted", "duplicate", "refused"

_SPECS = {spec.name: spec for spec in OBJECTS}
_ENTRY_NAMES = tuple(name for name in Entry.__slots__ if name != "lines")


@dataclass(slots=True)
class Stored:
    """What is known.

    ``files``: accepted content to the name it came under. ``rows``: every known file as stored.
    ``statements``: id to file name. ``interim``: those of ``entries`` that only interim reports
    have shown. ``parts``: receipts that are parts of one booking, by account and its reference.
    ``lockboxes``: receipt of a whole deposit by lockbox and amount. ``closed``: the last day of an
    account that a final statement covers.
    """

    files: dict[str, str] = field(default_factory=dict)
    rows: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    statements: dict[str, str] = field(default_factory=dict)
    entries: dict[str, Known] = field(default_factory=dict)
    interim: dict[str, Known] = field(default_factory=dict)
    parts: dict[tuple[str, str], dict[str, Decimal]] = field(default_factory=dict)
    lockboxes: dict[tuple[str, Decimal], str] = field(default_factory=dict)
    closed: dict[str, date] = field(default_factory=dict)
    remittances: dict[str, str] = field(default_factory=dict)
    sequences: Sequences = field(default_factory=Sequences)
    book: NoticeBook = field(default_factory=NoticeBook)

    def add_entry(self, receipt_id: str, account: str, entry: Entry, *, is_interim: bool) -> None:
        """Remember an entry that was just taken."""
        known = Known(
            entry.amount,
            entry.value_date,
            is_interim,
            account,
            entry.booking_date,
            entry.end_to_end_id,
            entry.payer_account,
        )
        self.entries[receipt_id] = known
        self.interim.pop(receipt_id, None)
        if is_interim:
            self.interim[receipt_id] = known
        if entry.batch_reference:
            key = (account, entry.batch_reference)
            self.parts.setdefault(key, {})[receipt_id] = entry.amount
        elif entry.virtual_account:
            self.lockboxes[entry.virtual_account.lstrip("0"), entry.amount] = receipt_id

    def close_day(self, account: str, day: date | None) -> None:
        """Remember that a final statement covers an account up to a day."""
        if day is not None:
            self.closed[account] = max(day, self.closed.get(account, date.min))


def seen_files(warehouse_path: Path, system: System) -> set[Seen]:
    """Files that are stored, whatever became of them."""
    with open_warehouse(warehouse_path) as connection:
        rows = connection.execute(
            "SELECT file_name, bytes, received_at FROM bank_files_raw.files WHERE system_id = ?",
            [system.system_id],
        ).fetchall()
    return {(name, size, at.astimezone(UTC)) for name, size, at in rows}


def rows_of(
    warehouse_path: Path, system: System, name: str, column: str, keys: Collection[str]
) -> list[dict[str, Any]]:
    """Stored rows of an object whose column has one of these values, as they are stored."""
    columns = tuple(one.name for one in _SPECS[name].fields)
    with open_warehouse(warehouse_path) as connection:
        rows = connection.execute(
            f"SELECT {', '.join(columns)} FROM bank_files_raw.{name} "  # noqa: S608
            f"WHERE system_id = ? AND list_contains(?, {column})",
            [system.system_id, list(keys)],
        ).fetchall()
    return [dict(zip(columns, row, strict=True)) for row in rows]


def load_stored(warehouse_path: Path, system: System) -> Stored:
    """Everything that a new file is compared with.

    A statement whose file is not accepted was left by a crash between two loads: it counts as new,
    and identities make taking it again harmless.
    """
    stored = Stored()
    with open_warehouse(warehouse_path) as connection:

        def rows(sql: str) -> list[tuple[Any, ...]]:
            return connection.execute(sql, [system.system_id]).fetchall()

        names = tuple(one.name for one in _SPECS["files"].fields)
        for row in rows(f"SELECT {', '.join(names)} FROM bank_files_raw.files WHERE system_id = ?"):  # noqa: S608
            file = dict(zip(names, row, strict=True))
            stored.rows[file["file_sha256"], file["file_name"]] = file
            if file["status"] == ACCEPTED:
                stored.files[file["file_sha256"]] = file["file_name"]
        for statement_id, name, account, day, number, kind in rows(
            "SELECT s.statement_id, f.file_name, s.account, s.closing_date, s.sequence_number, "
            "coalesce(s.kind, 'final') FROM bank_files_raw.statements s "
            "JOIN bank_files_raw.files f ON f.system_id = s.system_id "
            "AND f.file_sha256 = s.file_sha256 AND f.status = 'accepted' WHERE s.system_id = ?"
        ):
            stored.statements[statement_id] = name
            if kind == StatementKind.FINAL:
                stored.sequences.add(account, day, number)
                stored.close_day(account, day)
        for row in rows(
            "SELECT e.receipt_id, e.account, e.amount, e.value_date, s.kind = 'interim', "
            "e.booking_date, e.end_to_end_id, e.payer_account, e.batch_reference, "
            "e.virtual_account FROM bank_files_raw.entries e LEFT JOIN bank_files_raw.statements s "
            "ON s.system_id = e.system_id AND s.statement_id = e.statement_id WHERE e.system_id = ?"
        ):
            _remember(stored, row)
        stored.remittances = {
            row[0]: row[1]
            for row in rows(
                "SELECT DISTINCT l.remittance_id, f.file_name "
                "FROM bank_files_raw.remittance_lines l "
                "JOIN bank_files_raw.files f ON f.system_id = l.system_id "
                "AND f.file_sha256 = l.file_sha256 AND f.status = 'accepted' "
                "WHERE l.system_id = ? AND l.statement_id = ''"
            )
        }
        stored.book.add(
            _part(dict(zip(_PART_NAMES, row, strict=True)))
            for row in rows(
                f"SELECT {', '.join(_PART_NAMES)} FROM bank_files_raw.notices "  # noqa: S608
                "WHERE system_id = ? AND NOT coalesce(is_settled, false)"
            )
        )
    return stored


_PART_NAMES = ("notice_id", "statement_id", "account", "file_sha256", *_ENTRY_NAMES)


def _part(row: dict[str, Any]) -> Part:
    values: dict[str, Any] = {n: "" if row[n] is None else row[n] for n in _ENTRY_NAMES}
    entry = Entry(**{**values, "transactions": values["transactions"] or 0})
    return Part(row["notice_id"], row["statement_id"], row["account"], row["file_sha256"], entry)


def _remember(stored: Stored, row: tuple[Any, ...]) -> None:
    """One stored entry, as far as identity needs it (and no more: there may be millions)."""
    receipt_id, account, amount, value_date, is_interim, *more = row
    booking_date, end_to_end_id, payer_account, batch_reference, virtual_account = more
    if is_interim:
        known = Known(
            amount,
            value_date,
            True,
            account,
            booking_date,
            end_to_end_id or "",
            payer_account or "",
        )
        stored.interim[receipt_id] = known
    else:
        known = Known(amount, value_date)
    stored.entries[receipt_id] = known
    if batch_reference:
        stored.parts.setdefault((account, batch_reference), {})[receipt_id] = amount
    elif virtual_account:
        stored.lockboxes[virtual_account.lstrip("0"), amount] = receipt_id
