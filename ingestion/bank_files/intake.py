"""From files to rows: hash, duplicate, parse, identity, then load.

Entries and statements are loaded before the files table says that a file was taken: a crash in
between takes the file once more, and identities make that harmless.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from ingestion.bank_files.formats import parse_file
from ingestion.bank_files.inbox import InboxFile, Seen, inbox_of, new_files, sha256_of
from ingestion.bank_files.settings import OBJECTS
from ingestion.bank_files.statements import Entry, Known, Sequences, Statement, receipt_ids
from ingestion.common.config import System
from ingestion.common.errors import InputRefused
from ingestion.common.loading import chosen_objects, cursors, load, spool_folder
from ingestion.common.objects import LOADED_AT, SYSTEM_ID, ObjectSpec
from ingestion.common.report import ObjectReport
from ingestion.common.spool import Spool
from ingestion.common.warehouse import open_warehouse

__all__ = ["Taken", "take_files"]

_SPECS = {spec.name: spec for spec in OBJECTS}
_FILE_COLUMNS = tuple(field.name for field in _SPECS["files"].fields)
_DUPLICATE = "duplicate"


@dataclass(slots=True)
class Taken:
    """What one read of the inbox brought."""

    objects: list[ObjectReport] = field(default_factory=list)
    refused: list[InputRefused] = field(default_factory=list)
    warnings: list[InputRefused] = field(default_factory=list)


@dataclass(slots=True)
class _Stored:
    """What the warehouse holds of this bank already, as far as new files need it.

    ``files``: content to the name it first came under. ``rows``: every known file as it is stored.
    """

    files: dict[str, str]
    rows: dict[tuple[str, str], dict[str, Any]]
    statements: dict[str, str]
    entries: dict[str, Known]
    sequences: Sequences


@dataclass(slots=True)
class _Work:
    """Rows made so far, and the accepted files whose warnings are still to be looked for."""

    stored: _Stored
    taken: Taken
    rows: dict[str, list[dict[str, Any]]]
    accepted: list[tuple[InboxFile, str, list[Statement]]] = field(default_factory=list)


def take_files(
    system: System,
    warehouse_path: Path,
    run_started_at: datetime,
    only_objects: Collection[str] | None,
) -> Taken:
    """Take every new whole file of the inbox. Raises ConfigError for a wrong inbox."""
    taken = Taken()
    folder = inbox_of(system)
    chosen = chosen_objects(OBJECTS, None if only_objects is None else tuple(only_objects))
    cursors(warehouse_path, system, OBJECTS)
    files = new_files(folder, _seen(warehouse_path, system), run_started_at) if chosen else []
    if not files:
        taken.objects += [ObjectReport(name, 0, 0, 0, 0, 0.0) for name in _SPECS]
        return taken
    work = _Work(_stored(warehouse_path, system), taken, {name: [] for name in _SPECS})
    for file in files:
        _take(file, work)
    for file, sha256, statements in work.accepted:
        _accept(file, sha256, statements, work)
    with spool_folder() as spools:
        for names in (("statements", "entries"), ("files",)):
            made = [
                _spooled(_SPECS[name], work.rows[name], spools, system, run_started_at)
                for name in names
            ]
            taken.objects += load(system, warehouse_path, made)
    return taken


def _take(file: InboxFile, work: _Work) -> None:
    """One file to its rows; what is wrong with it becomes its row's reason."""
    stored, sha256 = work.stored, ""
    try:
        sha256 = sha256_of(file)
        known = stored.rows.get((sha256, file.path.name))
        if known is not None:
            # Only its time changed (a copy, a restored backup): what became of it stands.
            work.rows["files"].append({**known, "received_at": file.received_at})
            return
        statements = _fresh_statements(file, sha256, stored)
    except InputRefused as error:
        if error.code == "truncated" and file.is_young:
            return  # perhaps still being written: the next read looks again
        is_duplicate = error.code.startswith("duplicate")
        status = _DUPLICATE if is_duplicate else "refused"
        row = _file_row(file, sha256, status, error.code, error.message)
        work.rows["files"].append(row)
        work.taken.refused.append(error)
        stored.files.setdefault(sha256, file.path.name)
        return
    stored.files[sha256] = file.path.name
    for statement in statements:
        stored.statements[statement.statement_id] = file.path.name
        work.rows["statements"].append(_statement_row(statement, sha256))
        for receipt_id, entry in zip(
            receipt_ids(statement, stored.entries), statement.entries, strict=True
        ):
            stored.entries[receipt_id] = Known(entry.amount, entry.value_date)
            work.rows["entries"].append(_entry_row(receipt_id, statement, entry))
    work.accepted.append((file, sha256, statements))


def _accept(file: InboxFile, sha256: str, statements: Sequence[Statement], work: _Work) -> None:
    """The row of an accepted file, when all files of this read are known."""
    warnings = [w for one in statements for w in _warnings(one, file, work.stored.sequences)]
    work.taken.warnings += warnings
    reason = "; ".join(w.message for w in warnings)
    row = _file_row(file, sha256, "accepted", warnings[0].code if warnings else "", reason)
    row["statements"] = len(statements)
    row["entries"] = sum(len(one.entries) for one in statements)
    work.rows["files"].append(row)


def _fresh_statements(file: InboxFile, sha256: str, stored: _Stored) -> list[Statement]:
    """The statements of a file that were not taken before.

    Raises:
        InputRefused: the file or every statement of it was taken before, or it is refused.
    """
    name = file.path.name
    if sha256 in stored.files:
        raise InputRefused(
            f"{name} has the same content as {stored.files[sha256]}: nothing was taken; remove it",
            code="duplicate_file",
            where=name,
        )
    statements = parse_file(file.path)
    fresh = [one for one in statements if one.statement_id not in stored.statements]
    for one in statements:
        # Duplicates still count as present when gaps are looked for.
        stored.sequences.add(one.account, one.closing_date, one.sequence_number)
    if not fresh:
        first = statements[0]
        raise InputRefused(
            f"{name}: {first.label} was taken before from {stored.statements[first.statement_id]}: "
            "nothing was taken; if the bank corrected it, ask for a new statement number",
            code="duplicate_statement",
            where=name,
        )
    return fresh


def _warnings(statement: Statement, file: InboxFile, sequences: Sequences) -> list[InputRefused]:
    found = []
    gap = sequences.gap_before(statement)
    if gap is not None:
        numbers = str(gap[0]) if len(gap) == 1 else f"{gap[0]} to {gap[-1]}"
        found.append(
            InputRefused(
                f"{statement.label} in {file.path.name} has number {statement.sequence_number}, "
                f"but {numbers} did not arrive: ask the bank for them",
                code="sequence_gap",
                where=file.path.name,
            )
        )
    if statement.declared_entries not in (None, statement.entries_read):
        found.append(
            InputRefused(
                f"{statement.label} in {file.path.name} says {statement.declared_entries} entries "
                f"and holds {statement.entries_read}; its balances add up",
                code="entry_count",
                where=file.path.name,
            )
        )
    return found


def _file_row(
    file: InboxFile, sha256: str, status: str, reason_code: str, reason: str
) -> dict[str, Any]:
    return {
        "file_sha256": sha256,
        "file_name": file.path.name,
        "bytes": file.bytes,
        "status": status,
        "reason_code": reason_code,
        "reason": reason,
        "statements": 0,
        "entries": 0,
        "received_at": file.received_at,
    }


def _entry_row(receipt_id: str, statement: Statement, entry: Entry) -> dict[str, Any]:
    return {
        "receipt_id": receipt_id,
        "statement_id": statement.statement_id,
        "account": statement.account,
        **asdict(entry),
    }


def _statement_row(statement: Statement, sha256: str) -> dict[str, Any]:
    return {
        "statement_id": statement.statement_id,
        "vendor_id": statement.vendor_id,
        "account": statement.account,
        "currency_code": statement.currency_code,
        "sequence_number": statement.sequence_number,
        "opening_amount": statement.opening_amount,
        "closing_amount": statement.closing_amount,
        "opening_date": statement.opening_date,
        "closing_date": statement.closing_date,
        "created_at": statement.created_at,
        "file_sha256": sha256,
    }


def _spooled(
    spec: ObjectSpec,
    rows: Sequence[dict[str, Any]],
    folder: Path,
    system: System,
    loaded_at: datetime,
) -> Spool:
    spool = Spool(spec, folder)
    ours = {SYSTEM_ID: system.system_id, LOADED_AT: loaded_at.astimezone(UTC)}
    spool.add(pa.Table.from_pylist([{**row, **ours} for row in rows], schema=spec.arrow_schema()))
    spool.close()
    return spool


def _seen(warehouse_path: Path, system: System) -> set[Seen]:
    """Files that are stored, whatever became of them."""
    with open_warehouse(warehouse_path) as connection:
        rows = connection.execute(
            "SELECT file_name, bytes, received_at FROM bank_files_raw.files WHERE system_id = ?",
            [system.system_id],
        ).fetchall()
    return {(name, size, at.astimezone(UTC)) for name, size, at in rows}


def _stored(warehouse_path: Path, system: System) -> _Stored:
    with open_warehouse(warehouse_path) as connection:

        def rows(sql: str) -> list[tuple[Any, ...]]:
            return connection.execute(sql, [system.system_id]).fetchall()

        names = ", ".join(_FILE_COLUMNS)
        files = [
            dict(zip(_FILE_COLUMNS, row, strict=True))
            for row in rows(f"SELECT {names} FROM bank_files_raw.files WHERE system_id = ?")  # noqa: S608
        ]
        statements = rows(
            "SELECT s.statement_id, coalesce(f.file_name, s.file_sha256), s.account, "
            "s.closing_date, s.sequence_number FROM bank_files_raw.statements s "
            "LEFT JOIN bank_files_raw.files f ON f.system_id = s.system_id "
            "AND f.file_sha256 = s.file_sha256 AND f.status = 'accepted' WHERE s.system_id = ?"
        )
        entries = rows(
            "SELECT receipt_id, amount, value_date FROM bank_files_raw.entries WHERE system_id = ?"
        )
    sequences = Sequences()
    for _, _, account, day, number in statements:
        sequences.add(account, day, number)
    return _Stored(
        files={
            row["file_sha256"]: row["file_name"] for row in files if row["status"] != _DUPLICATE
        },
        rows={(row["file_sha256"], row["file_name"]): row for row in files},
        statements={statement_id: name for statement_id, name, *_ in statements},
        entries={receipt_id: Known(amount, day) for receipt_id, amount, day in entries},
        sequences=sequences,
    )
