"""Files on their way, on disk: what was written, how far it came, what was answered.

One folder per system. ``<name>.csv`` is the file, ``<name>.json`` its record; both are written
before anything leaves, so that whoever comes after a killed process knows what may have arrived.
Lines are written as they come: memory does not grow with the file.
"""

import csv
import fcntl
import hashlib
import io
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

from ingestion.common.money import canonical_text
from reverse_etl.files.control import Control
from reverse_etl.files.forms import KEY_COLUMN, Line

__all__ = ["Record", "Spool", "State", "write_lines"]


class State(StrEnum):
    """How far a file came. Only ``sending`` is certainly without effect."""

    SENDING = "sending"
    COMMITTING = "committing"
    DELIVERED = "delivered"
    ACKNOWLEDGED = "acknowledged"


@dataclass(frozen=True, slots=True)
class Record:
    """One file. ``changed_at`` is an ISO text, in UTC."""

    name: str
    object_name: str
    operation: str
    state: State
    control: Control
    changed_at: str

    @property
    def is_open(self) -> bool:
        """Whether it may still have, or get, an effect that nobody told us of."""
        return self.state is not State.ACKNOWLEDGED


def write_lines(
    path: Path,
    form_name: str,
    columns: Sequence[str],
    documents: Iterable[tuple[str, Sequence[Line]]],
    *,
    created_at: datetime,
    correlation_id: str,
) -> Control:
    """Write a file in one pass and say what it holds.

    Args:
        path: the data file.
        form_name: which form it is in.
        columns: headings after the key.
        documents: key and lines of each; keys are not repeated.
        created_at: for the control file.
        correlation_id: of this file.
    """
    digest = hashlib.sha256()
    totals: dict[str, Decimal] = {}
    rows = count = 0
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=";", lineterminator="\n")
    writer.writerow((KEY_COLUMN, *columns))
    with path.open("wb") as target:
        for key, lines in documents:
            count += 1
            for line in lines:
                rows += 1
                writer.writerow((key, *line.values))
                if line.currency_code:
                    held = totals.get(line.currency_code, Decimal(0))
                    totals[line.currency_code] = held + line.amount
            if buffer.tell() > 1_000_000:
                _flush(buffer, target, digest)
        _flush(buffer, target, digest)
        target.flush()
        os.fsync(target.fileno())
        size = target.tell()
    return Control.created(
        created_at,
        file=path.name,
        form=form_name,
        size_bytes=size,
        sha256=digest.hexdigest(),
        rows=rows,
        documents=count,
        totals={code: canonical_text(total) for code, total in sorted(totals.items())},
        correlation_id=correlation_id,
    )


def _flush(buffer: io.StringIO, target: Any, digest: Any) -> None:
    content = buffer.getvalue().encode("utf-8")
    target.write(content)
    digest.update(content)
    buffer.seek(0)
    buffer.truncate()


class Spool:
    """The folder of one system's files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def held(self, name: str) -> Iterator[None]:
        """Mark a file as being sent, for as long as this process lives and the block lasts."""
        with self.data_path(f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def is_held(self, name: str) -> bool:
        """Whether some process is sending the file right now."""
        try:
            with (self.folder / f"{name}.lock").open("r") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def data_path(self, name: str) -> Path:
        """Where a file's lines lie."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / name

    def answers_path(self, name: str) -> Path:
        """Where the answers to a file's rows lie."""
        return self.folder / f"{name}.ack.csv"

    def answer_path(self, name: str) -> Path:
        """Where the answer to a whole file lies."""
        return self.folder / f"{name}.ack"

    def record(self, record: Record) -> None:
        """Make a file's state durable; returns only when it is on the disk."""
        path = self.folder / f"{record.name}.json"
        beside = path.with_suffix(".tmp")
        with beside.open("w", encoding="utf-8") as target:
            json.dump(asdict(record), target)
            target.flush()
            os.fsync(target.fileno())
        beside.replace(path)

    def moved(self, record: Record, state: State, now: datetime) -> Record:
        """The record in its next state, recorded."""
        changed = replace(record, state=state, changed_at=now.isoformat(timespec="seconds"))
        self.record(changed)
        return changed

    def named(self, name: str) -> Record | None:
        """One file's record; None when it is not known."""
        try:
            tree = json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        control = Control(**tree.pop("control"))
        return Record(**{**tree, "state": State(tree["state"]), "control": control})

    def records(self) -> Iterator[Record]:
        """Every known file, by name."""
        for path in sorted(self.folder.glob("*.csv.json")):
            found = self.named(path.name.removesuffix(".json"))
            if found is not None:
                yield found

    def forget(self, name: str) -> None:
        """Drop a file and everything about it."""
        for path in (
            self.folder / f"{name}.json",
            self.data_path(name),
            self.answers_path(name),
            self.answer_path(name),
            self.data_path(f"{name}.lock"),
        ):
            path.unlink(missing_ok=True)
