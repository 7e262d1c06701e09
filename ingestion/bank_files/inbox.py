"""The folder where a bank drops files: which of them are whole and not seen before.

A file that may still be growing is left for the next read. It opens nothing but the folder, moves
nothing and deletes nothing: the inbox belongs to the bank's side.
"""

import hashlib
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ingestion.bank_files.settings import (
    FILE_BYTES_MAX,
    IGNORED_SUFFIXES,
    MARKER_SUFFIX,
    SETTLE_SECONDS,
    STABLE_SECONDS,
)
from ingestion.common.config import System
from ingestion.common.errors import ConfigError, InputRefused

__all__ = ["InboxFile", "Seen", "inbox_of", "new_files", "sha256_of"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: A file that is stored already: name, bytes and time of last change.
Seen = tuple[str, int, datetime]


@dataclass(frozen=True, slots=True)
class InboxFile:
    """A whole file. ``is_young``: nothing but a short wait says that it is whole."""

    path: Path
    bytes: int
    received_at: datetime
    is_young: bool = False

    @property
    def seen(self) -> Seen:
        """How the files table knows it."""
        return self.path.name, self.bytes, self.received_at


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


def new_files(
    folder: Path,
    seen: Collection[Seen],
    now: datetime,
    sleep: Callable[[float], None] = time.sleep,
) -> list[InboxFile]:
    """Whole files that are not stored yet, by name.

    Args:
        folder: the inbox.
        seen: what is stored.
        now: the instant that a file's age is counted from.
        sleep: waits; replaced in tests.
    """
    found = [one for one in _listed(folder, now) if one.seen not in seen]
    if any(one.is_young for one in found):
        sleep(STABLE_SECONDS)
        again = {one.seen for one in _listed(folder, now)}
        found = [one for one in found if not one.is_young or one.seen in again]
    return found


def _listed(folder: Path, now: datetime) -> list[InboxFile]:
    files = []
    names = {path.name for path in folder.iterdir()}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.suffix.lower() in IGNORED_SUFFIXES:
            continue
        try:
            status = path.stat()
        except FileNotFoundError:
            continue  # taken away between listing and looking
        if not path.is_file():
            continue
        changed_at = _EPOCH + timedelta(microseconds=status.st_mtime_ns // 1000)
        age_seconds = (now - changed_at).total_seconds()
        is_marked = path.name + MARKER_SUFFIX in names
        is_young = not is_marked and age_seconds < SETTLE_SECONDS
        files.append(InboxFile(path, status.st_size, changed_at, is_young))
    return files


def sha256_of(file: InboxFile) -> str:
    """The file's hash.

    Raises:
        InputRefused: it is larger than any statement.
    """
    if file.bytes > FILE_BYTES_MAX:
        raise InputRefused(
            f"{file.path.name} has {file.bytes} bytes, more than {FILE_BYTES_MAX}: ask the bank to "
            "split it",
            code="file_too_large",
            where=file.path.name,
        )
    with file.path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
