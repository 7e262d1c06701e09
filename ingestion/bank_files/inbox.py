"""The folder where a bank drops files: which of them are whole and not seen before.

A file that may still be growing is left for the next read. A refused file is seen again when a
person puts ``<name>.retry`` beside it: the marker's time then counts as the file's arrival. It
opens nothing but the folder, moves nothing and deletes nothing: the inbox belongs to the bank's
side.
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
    RETRY_MARKER,
    SETTLE_SECONDS,
    STABLE_SECONDS,
    WHOLE_MARKERS,
)
from ingestion.common.config import System
from ingestion.common.errors import ConfigError, InputRefused

__all__ = ["InboxFile", "Markers", "Seen", "inbox_of", "markers_of", "new_files", "sha256_of"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

#: A file that is stored already: name, bytes and time of last change.
Seen = tuple[str, int, datetime]


@dataclass(frozen=True, slots=True)
class InboxFile:
    """A whole file.

    ``received_at`` is its last change, or the retry marker's where that is newer. ``is_young``:
    nothing but a short wait says that it is whole. ``is_retried``: a person asks for another look.
    """

    path: Path
    bytes: int
    received_at: datetime
    is_young: bool = False
    is_retried: bool = False

    @property
    def seen(self) -> Seen:
        """How the files table knows it."""
        return self.path.name, self.bytes, self.received_at


@dataclass(frozen=True, slots=True)
class Markers:
    """How this bank says that a file is whole.

    ``suffixes`` stand beside the file; where ``are_required``, a file without one is never taken.
    """

    suffixes: tuple[str, ...] = WHOLE_MARKERS
    are_required: bool = False


def markers_of(system: System) -> Markers:
    """The options ``whole_markers`` (suffixes separated by blanks) and ``requires_marker``."""
    words = str(system.options.get("whole_markers", "")).split()
    return Markers(
        suffixes=tuple(words) or WHOLE_MARKERS,
        are_required=bool(system.options.get("requires_marker", False)),
    )


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


_DEFAULT_MARKERS = Markers()


def new_files(
    folder: Path,
    seen: Collection[Seen],
    now: datetime,
    sleep: Callable[[float], None] = time.sleep,
    markers: Markers = _DEFAULT_MARKERS,
) -> list[InboxFile]:
    """Whole files that are not stored yet, by name.

    Args:
        folder: the inbox.
        seen: what is stored.
        now: the instant that a file's age is counted from.
        sleep: waits; replaced in tests.
        markers: how the bank says that a file is whole.
    """
    found = [one for one in _listed(folder, now, markers) if one.seen not in seen]
    if any(one.is_young for one in found):
        sleep(STABLE_SECONDS)
        again = {one.seen for one in _listed(folder, now, markers)}
        found = [one for one in found if not one.is_young or one.seen in again]
    return found


def _listed(folder: Path, now: datetime, markers: Markers) -> list[InboxFile]:
    files = []
    names = {path.name for path in folder.iterdir()}
    ignored = IGNORED_SUFFIXES | set(markers.suffixes)
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.suffix.lower() in ignored:
            continue
        try:
            status = path.stat()
        except FileNotFoundError:
            continue  # taken away between listing and looking
        is_marked = any(path.name + suffix in names for suffix in markers.suffixes)
        if not path.is_file() or (markers.are_required and not is_marked):
            continue
        changed_at = _instant(status.st_mtime_ns)
        is_young = not is_marked and (now - changed_at).total_seconds() < SETTLE_SECONDS
        retry_at = _retry_at(path) if path.name + RETRY_MARKER in names else None
        is_retried = retry_at is not None and retry_at > changed_at
        received_at = retry_at if retry_at is not None and is_retried else changed_at
        files.append(InboxFile(path, status.st_size, received_at, is_young, is_retried))
    return files


def _retry_at(path: Path) -> datetime | None:
    try:
        return _instant(path.with_name(path.name + RETRY_MARKER).stat().st_mtime_ns)
    except FileNotFoundError:
        return None  # taken away between listing and looking


def _instant(nanoseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=nanoseconds // 1000)


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
