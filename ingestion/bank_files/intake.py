"""From files to rows: hash, duplicate, parse, identity, then load.

A file is taken whole or not at all: everything about it is read and checked before its first row
is made. Its entries are loaded before the files table says that it was taken: a crash in between
takes it once more, and identities make that harmless. Notices are read before statements, and
statements before interim reports, whatever order they arrived in.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ingestion.bank_files.acknowledgements import Outbox
from ingestion.bank_files.formats import format_of
from ingestion.bank_files.inbox import InboxFile, inbox_of, markers_of, new_files, sha256_of
from ingestion.bank_files.rows import add_rows, file_row, remittance_rows
from ingestion.bank_files.settings import OBJECTS
from ingestion.bank_files.statements import Content, Statement, StatementKind
from ingestion.bank_files.stored import (
    ACCEPTED,
    DUPLICATE,
    REFUSED,
    Stored,
    load_stored,
    seen_files,
)
from ingestion.bank_files.taking import Taking
from ingestion.bank_files.warnings import warnings_of
from ingestion.common.config import System
from ingestion.common.errors import InputRefused
from ingestion.common.loading import chosen_objects, cursors, load, spool_folder
from ingestion.common.report import ObjectReport
from ingestion.common.spool import Spool

__all__ = ["Taken", "take_files"]

_SPECS = {spec.name: spec for spec in OBJECTS}
_ORDER = {StatementKind.NOTICE: 0, StatementKind.FINAL: 1, StatementKind.INTERIM: 2}


@dataclass(slots=True)
class Taken:
    """What one read of the inbox brought."""

    objects: list[ObjectReport] = field(default_factory=list)
    refused: list[InputRefused] = field(default_factory=list)
    warnings: list[InputRefused] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Accepted:
    """A file that was taken, until all files of this read are known and warnings can be looked for.

    Only what warnings need is kept of its statements.
    """

    file: InboxFile
    row: dict[str, Any]
    statements: tuple[Statement, ...]
    warnings: tuple[InputRefused, ...]


def take_files(
    system: System,
    warehouse_path: Path,
    run_started_at: datetime,
    only_objects: Collection[str] | None,
    load_spools: Callable[[System, Path, Sequence[Spool]], list[ObjectReport]] = load,
) -> Taken:
    """Take every new whole file of the inbox.

    Args:
        system: the bank.
        warehouse_path: the working warehouse.
        run_started_at: the instant stored as ``_loaded_at``.
        only_objects: an empty choice reads nothing.
        load_spools: brings rows into the warehouse.

    Raises:
        ConfigError: a wrong inbox, or an outbox that cannot be written.
    """
    taken = Taken()
    folder = inbox_of(system)
    chosen = chosen_objects(OBJECTS, None if only_objects is None else tuple(only_objects))
    cursors(warehouse_path, system, OBJECTS)
    outbox = Outbox(system, folder)
    files: list[InboxFile] = []
    if chosen:
        seen = seen_files(warehouse_path, system)
        files = new_files(folder, seen, run_started_at, markers=markers_of(system))
    if not files:
        taken.objects += [ObjectReport(name, 0, 0, 0, 0, 0.0) for name in _SPECS]
        return taken
    stored = load_stored(warehouse_path, system)
    outbox.show(stored.rows)
    with spool_folder() as spools:
        made = {name: Spool(spec, spools) for name, spec in _SPECS.items()}
        read = _Read(system, warehouse_path, run_started_at, stored, taken, made)
        rows = read.take(files)
        for row in rows:
            outbox.stage(row, run_started_at)
        add_rows(made["files"], rows, system, run_started_at)
        for spool in made.values():
            spool.close()
        *others, last = (made[name] for name in (*(n for n in _SPECS if n != "files"), "files"))
        for several in (others, [last]):
            taken.objects += load_spools(system, warehouse_path, several)
    outbox.show({(row["file_sha256"], row["file_name"]): row for row in rows})
    return taken


@dataclass(slots=True)
class _Read:
    """One read of the inbox: files to rows in spools."""

    system: System
    warehouse_path: Path
    started_at: datetime
    stored: Stored
    taken: Taken
    spools: dict[str, Spool]
    file_rows: list[dict[str, Any]] = field(default_factory=list)
    accepted: list[_Accepted] = field(default_factory=list)

    def take(self, files: list[InboxFile]) -> list[dict[str, Any]]:
        """Every file to its rows; the rows of the files table."""
        taking = Taking(self.system, self.warehouse_path, self.started_at, self.stored, self.spools)
        for file in sorted(files, key=_rank):
            self._one(file, taking)
        taking.finish()
        for one in self.accepted:
            warnings = [
                *one.warnings,
                *warnings_of(one.statements, one.file.path.name, self.stored.sequences),
            ]
            self.taken.warnings += warnings
            one.row["reason_code"] = warnings[0].code if warnings else ""
            one.row["reason"] = "; ".join(w.message for w in warnings)
            self.file_rows.append(one.row)
        return self.file_rows

    def _one(self, file: InboxFile, taking: Taking) -> None:
        """One file to its rows; what is wrong with it becomes its row's reason."""
        sha256, name = "", file.path.name
        try:
            sha256 = sha256_of(file)
            before = self.stored.rows.get((sha256, name))
            is_settled = before is not None and before["status"] != REFUSED
            if before is not None and (is_settled or not file.is_retried):
                # Only its time changed (a copy, a restored backup): what became of it stands.
                self.file_rows.append({**before, "received_at": file.received_at})
                return
            content, format_name = self._read(file, sha256)
            fresh = self._fresh(content, name)
        except InputRefused as error:
            self._refuse(file, sha256, error)
            return
        self.stored.files[sha256] = name
        row = file_row(file, sha256, ACCEPTED, "", "", file_format=format_name)
        row["statements"], row["remittances"] = len(fresh.statements), len(fresh.remittances)
        row["entries"] = sum(taking.take(one, name, sha256) for one in fresh.statements)
        for one in fresh.remittances:
            self.stored.remittances[one.remittance_id] = name
            add_rows(
                self.spools["remittance_lines"],
                remittance_rows(one, sha256),
                self.system,
                self.started_at,
            )
        light = tuple(_light(one) for one in fresh.statements)
        found = tuple(taking.warnings_of(fresh, name))
        self.accepted.append(_Accepted(file, row, light, found))

    def _read(self, file: InboxFile, sha256: str) -> tuple[Content, str]:
        name = file.path.name
        if sha256 in self.stored.files:
            raise InputRefused(
                f"{name} has the same content as {self.stored.files[sha256]}: nothing was taken; "
                "remove it",
                code="duplicate_file",
                where=name,
            )
        module = format_of(file.path)
        content: Content = module.parse(file.path, name)
        return content, module.NAME

    def _fresh(self, content: Content, name: str) -> Content:
        """What of a file was not taken before.

        Raises:
            InputRefused: nothing; every statement and remittance of it was taken before.
        """
        known = self.stored.statements
        statements = tuple(one for one in content.statements if one.statement_id not in known)
        for one in content.statements:
            if one.kind is StatementKind.FINAL:
                # Duplicates still count as present when gaps are looked for.
                self.stored.sequences.add(one.account, one.closing_date, one.sequence_number)
        remittances = tuple(
            {
                one.remittance_id: one
                for one in content.remittances
                if one.remittance_id not in self.stored.remittances
            }.values()
        )
        if statements or remittances:
            for one in statements:
                known[one.statement_id] = name
            return Content(statements, remittances)
        if content.statements:
            first = content.statements[0]
            what, before = first.label, known[first.statement_id]
        else:
            advice = content.remittances[0]
            what = f"remittance {advice.trace_reference or '(no reference)'}"
            before = self.stored.remittances[advice.remittance_id]
        raise InputRefused(
            f"{name}: {what} was taken before from {before}: nothing was taken; if the sender "
            "corrected it, ask for a new number",
            code="duplicate_statement",
            where=name,
        )

    def _refuse(self, file: InboxFile, sha256: str, error: InputRefused) -> None:
        if error.code == "truncated" and file.is_young:
            return  # perhaps still being written: the next read looks again
        status = DUPLICATE if error.code.startswith(DUPLICATE) else REFUSED
        row = file_row(file, sha256, status, error.code, error.message, file_format="")
        self.file_rows.append(row)
        self.taken.refused.append(error)


def _rank(file: InboxFile) -> tuple[int, str]:
    """Notices first, interim reports last; a file that no format knows is refused in its turn."""
    try:
        kind: StatementKind = format_of(file.path).KIND
    except (InputRefused, OSError):
        kind = StatementKind.FINAL
    return _ORDER[kind], file.path.name


def _light(statement: Statement) -> Statement:
    return replace(statement, entries=())
