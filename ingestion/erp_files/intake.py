"""From extract files to the raw tables: hash, recognise, convert, refuse bad rows, load.

A file's rows are loaded before the files table says so: a crash in between takes it once more, and
keys make that harmless. A bad row is refused with its line and code; a file is refused whole only
where no row can be trusted. Memory holds a batch, whatever the size of the file.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa
import pyarrow.compute as pc

from ingestion.common.config import System
from ingestion.common.errors import ConfigError, InputRefused
from ingestion.common.loading import chosen_objects, cursors, load, spool_folder
from ingestion.common.objects import LOADED_AT, SYSTEM_ID, ObjectSpec
from ingestion.common.report import ObjectReport
from ingestion.common.spool import Spool
from ingestion.common.warehouse import open_warehouse
from ingestion.erp_files.settings import (
    IGNORED_SUFFIXES,
    MARKER_SUFFIXES,
    OBJECTS,
    REFUSALS_KEPT_MAX,
    SETTLE_SECONDS,
    STABLE_SECONDS,
)
from ingestion.erp_files.tables import BATCH_ROWS, Extract, open_extract
from ingestion.erp_files.values import Spelling, converted, learnt_spelling

__all__ = ["Taken", "inbox_of", "take_files"]

_SPECS = {spec.name: spec for spec in OBJECTS}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Taken:
    """What one read of the inbox brought."""

    objects: list[ObjectReport] = field(default_factory=list)
    refused: list[InputRefused] = field(default_factory=list)
    warnings: list[InputRefused] = field(default_factory=list)


@dataclass(slots=True)
class _File:
    """One file with what is counted while it is read."""

    path: Path
    sha256: str
    size_bytes: int
    received_at: datetime
    object_name: str = ""
    rows_read: int = 0
    rows_taken: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    refusals: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class _Run:
    """What all files of one read share."""

    system: System
    erp_system_id: str
    spelling: Spelling
    loaded_at: datetime
    spools: dict[str, Spool]
    taken: Taken
    file_rows: list[dict[str, Any]] = field(default_factory=list)
    refusal_rows: list[dict[str, Any]] = field(default_factory=list)


def inbox_of(system: System) -> Path:
    """The folder behind ``base_url``.

    Raises:
        ConfigError: not a ``file://`` address, or no such folder.
    """
    parts = urlsplit(system.base_url)
    folder = Path(unquote(parts.path))
    if parts.scheme != "file" or not folder.is_dir():
        raise ConfigError(
            f"systems.{system.system_id}.base_url must be file:// and an existing folder, it is "
            f"{system.base_url or 'not set'}",
            code="no_inbox",
        )
    return folder


def take_files(
    system: System,
    warehouse_path: Path,
    run_started_at: datetime,
    only_objects: Collection[str] | None,
) -> Taken:
    """Take every new whole extract of the inbox. Raises ConfigError for a wrong configuration."""
    taken = Taken()
    erp_system_id, spelling = _options(system)
    folder = inbox_of(system)
    chosen = chosen_objects(OBJECTS, None if only_objects is None else tuple(only_objects))
    cursors(warehouse_path, system, OBJECTS)
    paths = _new_files(folder, _seen(warehouse_path, system), run_started_at) if chosen else []
    if not paths:
        taken.objects = [ObjectReport(name, 0, 0, 0, 0, 0.0) for name in _SPECS]
        return taken
    with spool_folder() as work_folder:
        spools = {
            name: Spool(spec, work_folder, row_group_rows=BATCH_ROWS)
            for name, spec in _SPECS.items()
        }
        run = _Run(system, erp_system_id, spelling, run_started_at, spools, taken)
        known = _known_hashes(warehouse_path, system)
        for path in paths:
            _take(path, run, known)
        _add_rows(run, "refusals", run.refusal_rows)
        for name, spool in spools.items():
            if name != "files":
                spool.close()
        pa.default_memory_pool().release_unused()
        data = [spool for name, spool in spools.items() if name != "files"]
        taken.objects += load(system, warehouse_path, data)
        _add_rows(run, "files", run.file_rows)
        spools["files"].close()
        taken.objects += load(system, warehouse_path, [spools["files"]])
    return taken


def _options(system: System) -> tuple[str, Spelling]:
    where = f"systems.{system.system_id}.options"
    erp_system_id = str(system.options.get("erp_system", ""))
    if not erp_system_id:
        raise ConfigError(
            f"{where}.erp_system is missing: name the system whose extracts these are",
            code="erp_system",
        )
    order, mark = (str(system.options.get(name, "")) for name in ("date_order", "decimal_mark"))
    if order not in ("", "day", "month") or mark not in ("", ".", ","):
        raise ConfigError(
            f"{where}: date_order is 'day' or 'month', decimal_mark '.' or ','", code="spelling"
        )
    return erp_system_id, Spelling(order, mark)  # type: ignore[arg-type]


def _new_files(folder: Path, seen: set[tuple[str, int, datetime]], now: datetime) -> list[Path]:
    """Whole files that are not stored, by name."""
    names = {path.name for path in folder.iterdir()}
    found = [path for path in sorted(folder.iterdir()) if _is_content(path)]
    found = [path for path in found if _identity(path) not in seen]
    young = {
        path: _identity(path)
        for path in found
        if (now - _identity(path)[2]).total_seconds() < SETTLE_SECONDS
        and not any(path.name + suffix in names for suffix in MARKER_SUFFIXES)
    }
    if young:
        time.sleep(STABLE_SECONDS)
    return [path for path in found if path not in young or _identity(path) == young[path]]


def _is_content(path: Path) -> bool:
    is_ours = path.name.startswith(".") or path.suffix.lower() in IGNORED_SUFFIXES
    return path.is_file() and not is_ours


def _identity(path: Path) -> tuple[str, int, datetime]:
    status = path.stat()
    changed_at = _EPOCH + timedelta(microseconds=status.st_mtime_ns // 1000)
    return path.name, status.st_size, changed_at


def _seen(warehouse_path: Path, system: System) -> set[tuple[str, int, datetime]]:
    with open_warehouse(warehouse_path) as connection:
        rows = connection.execute(
            "SELECT file_name, bytes, received_at FROM erp_files_raw.files WHERE system_id = ?",
            [system.system_id],
        ).fetchall()
    return {(name, size, at.astimezone(UTC)) for name, size, at in rows}


def _known_hashes(warehouse_path: Path, system: System) -> dict[str, str]:
    with open_warehouse(warehouse_path) as connection:
        rows = connection.execute(
            "SELECT file_sha256, file_name FROM erp_files_raw.files WHERE system_id = ? "
            "AND status = 'accepted'",
            [system.system_id],
        ).fetchall()
    return dict(rows)


def _take(path: Path, run: _Run, known: dict[str, str]) -> None:
    """One file into the spools; what is wrong with it becomes its row's reason."""
    name, size, received_at = _identity(path)
    with path.open("rb") as opened:
        sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
    file = _File(path, sha256, size, received_at)
    status, code, reason = "accepted", "", ""
    try:
        if sha256 in known:
            raise InputRefused(
                f"{name} has the same content as {known[sha256]}: nothing was taken",
                code="duplicate_file",
                where=name,
            )
        extract = open_extract(path)
        file.object_name = extract.content.object_name
        _convert(extract, file, run)
        known[sha256] = name
        code, reason = _counted(file, run)
    except InputRefused as error:
        status = "duplicate" if error.code == "duplicate_file" else "refused"
        code, reason = error.code, error.message
        run.taken.refused.append(error)
    run.refusal_rows += file.refusals
    run.file_rows.append(
        {
            "file_sha256": sha256,
            "file_name": name,
            "erp_system_id": run.erp_system_id,
            "object_name": file.object_name,
            "bytes": size,
            "status": status,
            "reason_code": code,
            "reason": reason,
            "rows_read": file.rows_read,
            "rows_taken": file.rows_taken,
            "rows_refused": sum(file.codes.values()),
            "rows_repeated": 0,
            "received_at": received_at,
        }
    )


def _counted(file: _File, run: _Run) -> tuple[str, str]:
    """Report the refused rows of a file, one entry for each code; the file's own reason."""
    for code, count in file.codes.most_common():
        lines = [str(one["line"]) for one in file.refusals if one["code"] == code][:5]
        run.taken.refused.append(
            InputRefused(
                f"{file.path.name}: {count} of {file.rows_read} rows are refused ({code}), the "
                f"first in lines {', '.join(lines)}: correct the extract and send it again",
                code=code,
                where=file.path.name,
            )
        )
    if not file.codes:
        return "", ""
    code, count = file.codes.most_common(1)[0]
    return code, f"{sum(file.codes.values())} rows refused, {count} of them {code}"


def _convert(extract: Extract, file: _File, run: _Run) -> None:
    """Batches of text to batches of the raw table."""
    spec = _SPECS[file.object_name]
    spool = run.spools[file.object_name]
    line = extract.first_line
    spelling: Spelling | None = None
    for batch in extract.batches():
        columns = [(one, batch[one.name]) for one in extract.content.columns if one.name in batch]
        count = len(columns[0][1])
        if spelling is None:
            spelling = learnt_spelling(columns, run.spelling)
        codes = pa.nulls(count, pa.string())
        blamed = pa.nulls(count, pa.string())
        values: dict[str, pa.Array] = {}
        for column, texts in columns:
            values[column.name], wrong = converted(column, texts, spelling)
            fresh = pc.and_(pc.is_valid(wrong), pc.is_null(codes))
            codes = pc.if_else(fresh, wrong, codes)
            blamed = pc.if_else(fresh, pa.scalar(column.name), blamed)
        _note_refusals(file, line, codes, blamed)
        good = pc.is_null(codes)
        taken = _stored(spec, values, file, run, count).filter(good)
        table = pa.Table.from_arrays(taken.columns, schema=spec.arrow_schema())
        spool.add(table)
        file.rows_read += count
        file.rows_taken += table.num_rows
        line += count
    _count_broken(file, sorted(extract.broken_lines))


def _count_broken(file: _File, broken: list[int]) -> None:
    """Lines that are no rows: they count, and the lines of the rows behind them move."""
    for one in file.refusals:
        for number in broken:
            one["line"] += number <= one["line"]
    file.rows_read += len(broken)
    if broken:
        file.codes["wrong_column_count"] += len(broken)
    for number in broken:
        _keep(file, number, "", "wrong_column_count")


def _stored(
    spec: ObjectSpec, values: dict[str, pa.Array], file: _File, run: _Run, count: int
) -> pa.Table:
    """The columns of the raw table, ours and absent ones included; the due date worked out."""
    if "NETDT" not in values and "ZFBDT" in values:
        values["NETDT"] = _due_dates(values, count)
    ours = {
        SYSTEM_ID: run.system.system_id,
        "erp_system_id": run.erp_system_id,
        "file_sha256": file.sha256,
        "received_at": file.received_at,
        LOADED_AT: run.loaded_at.astimezone(UTC),
    }
    schema = spec.arrow_schema()
    columns = []
    for one in schema:
        if one.name in ours:
            columns.append(pa.repeat(pa.scalar(ours[one.name], one.type), count))
        elif one.name in values:
            columns.append(values[one.name])
        else:
            columns.append(pa.nulls(count, one.type))
    loose = pa.schema([one.with_nullable(True) for one in schema])
    return pa.Table.from_arrays(columns, schema=loose)


def _due_dates(values: dict[str, pa.Array], count: int) -> pa.Array:
    """Baseline date plus the net days: the last of the three terms that is set."""
    days = pa.repeat(pa.scalar(0, pa.int64()), count)
    for name in ("ZBD1T", "ZBD2T", "ZBD3T"):
        if name in values:
            given = pc.fill_null(values[name], 0)
            days = pc.if_else(pc.greater(given, 0), given, days)
    base = pc.cast(pc.cast(values["ZFBDT"], pa.int32()), pa.int64())
    return pc.cast(pc.cast(pc.add(base, days), pa.int32()), pa.date32())


def _note_refusals(file: _File, first_line: int, codes: pa.Array, blamed: pa.Array) -> None:
    """Count refused rows by code; the first ones are kept with line and column."""
    if codes.null_count == len(codes):
        return
    for one in pc.value_counts(codes.drop_null()).to_pylist():
        file.codes[one["values"]] += one["counts"]
    places = pc.indices_nonzero(pc.is_valid(codes))
    for place in places.to_pylist()[: REFUSALS_KEPT_MAX - len(file.refusals)]:
        _keep(file, first_line + place, blamed[place].as_py(), codes[place].as_py())


def _keep(file: _File, line: int, column: str, code: str) -> None:
    if len(file.refusals) < REFUSALS_KEPT_MAX:
        file.refusals.append(
            {
                "file_sha256": file.sha256,
                "line": line,
                "object_name": file.object_name,
                "column_name": column,
                "code": code,
            }
        )


def _add_rows(run: _Run, name: str, rows: list[dict[str, Any]]) -> None:
    """Rows made in Python into a spool."""
    if not rows:
        return
    spec = _SPECS[name]
    ours = {SYSTEM_ID: run.system.system_id, LOADED_AT: run.loaded_at.astimezone(UTC)}
    schema = spec.arrow_schema()
    run.spools[name].add(pa.Table.from_pylist([{**ours, **row} for row in rows], schema=schema))
