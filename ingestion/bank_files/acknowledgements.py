"""Answers to the bank's side: what became of each file, written into the outbox folder.

One small JSON file a file, ``<name>.<first 8 of its hash>.ack``. It is written hidden before the
verdict is stored and shown after, so a crash in between loses no answer: the next read shows what
is stored and drops what is not. It must not touch the inbox.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ingestion.common.config import System
from ingestion.common.errors import ConfigError

__all__ = ["SUFFIX", "Outbox"]

SUFFIX = ".ack"
_HIDDEN = ".staged-"
_FIELDS = (
    "file_name",
    "file_sha256",
    "bytes",
    "format",
    "status",
    "reason_code",
    "reason",
    "statements",
    "entries",
    "remittances",
)


class Outbox:
    """The folder that the bank's side reads (option ``outbox``, else ``outbox`` beside the inbox).

    The option ``outbox = "none"`` writes no answers.
    """

    def __init__(self, system: System, inbox: Path) -> None:
        option = str(system.options.get("outbox", ""))
        parts = urlsplit(option)
        folder = Path(unquote(parts.path)) if parts.scheme == "file" else Path(option)
        self._folder = folder if option else inbox.parent / "outbox"
        self._is_off = option == "none"

    @property
    def folder(self) -> Path | None:
        """Where answers wait for the bank's side; None where none are written."""
        return None if self._is_off else self._folder

    def stage(self, row: Mapping[str, Any], taken_at: datetime) -> None:
        """Write an answer that nobody sees yet.

        Raises:
            ConfigError: the folder cannot be written.
        """
        if self._is_off:
            return
        answer = {name: row[name] for name in _FIELDS}
        answer["received_at"] = _text(row["received_at"])
        answer["taken_at"] = _text(taken_at)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f"{_HIDDEN}{_name(row)}"
            path.write_text(json.dumps(answer, indent=1, ensure_ascii=False) + "\n", "utf-8")
        except OSError as error:
            raise ConfigError(
                f"the outbox {self._folder} cannot be written ({error.strerror}): set the option "
                'outbox of the bank to a folder that can, or to "none"',
                code="no_outbox",
            ) from error

    def show(self, stored: Mapping[tuple[str, str], Mapping[str, Any]]) -> None:
        """Show staged answers whose verdict is stored; drop those of a read that was cut off.

        Args:
            stored: file rows by hash and name.
        """
        if self._is_off or not self._folder.is_dir():
            return
        names = {_name(row) for row in stored.values()}
        for path in self._folder.glob(f"{_HIDDEN}*{SUFFIX}"):
            name = path.name.removeprefix(_HIDDEN)
            if name in names:
                path.replace(self._folder / name)
            else:
                path.unlink(missing_ok=True)


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['file_name']}.{row['file_sha256'][:8] or 'unread'}{SUFFIX}"


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="seconds")
