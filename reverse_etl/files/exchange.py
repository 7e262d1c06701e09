"""One file from the spool to the other side, and its acknowledgement back.

``.tmp``, then its name, then the control file: only the control file's own name makes a file count,
so whatever fails before it had certainly no effect. That last step is recorded before it is tried.
Repeating any of it is harmless. It must not know forms or commands.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ingestion.common.errors import LedgerloopError, OutcomeUnknown, VendorAnswerInvalid
from ingestion.common.sftp import SentPart, SftpClient
from reverse_etl.files.control import Acknowledgement, FileStatus
from reverse_etl.files.spool import Record, Spool, State

__all__ = ["Delivered", "FileExchange"]

_CONTROL, _ACK, _ACK_ROWS, _HALF = ".ctl", ".ack", ".ack.csv", ".tmp"


class _Now(Protocol):
    def __call__(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Delivered:
    """How a delivery went. ``resumed_from``: byte offsets at which it went on after a cut."""

    record: Record
    resumed_from: tuple[int, ...] = ()


class FileExchange:
    """Pushes files of one system and fetches the answers.

    Args:
        client: knows the push and acknowledgement folders.
        spool: remembers every file.
        now: the instant, in UTC.
    """

    def __init__(self, client: SftpClient, spool: Spool, now: _Now) -> None:
        self.client = client
        self.spool = spool
        self._now = now

    async def deliver(self, record: Record) -> Delivered:
        """Bring a recorded file over, going on where an earlier try of it was cut.

        Raises:
            OutcomeUnknown: the last step was tried and nobody knows whether it happened.
            LedgerloopError: anything before it; the file had certainly no effect.
        """
        if record.state is not State.SENDING:
            return Delivered(record)
        client, name = self.client, record.name
        path = f"{client.settings.push_folder}/{name}"
        part = await client.upload(self.spool.data_path(name), path + _HALF, SentPart())
        if await client.size_of(path) is not None:
            # Named by a run that was cut before its control file: nobody may have read it.
            await client.remove(path)
        await client.rename(path + _HALF, path)
        await client.put_small(path + _CONTROL + _HALF, record.control.content())
        record = self.spool.moved(record, State.COMMITTING, self._now())
        try:
            await client.rename(path + _CONTROL + _HALF, path + _CONTROL)
        except LedgerloopError as error:
            if await self._is_without_effect(record):
                raise
            raise OutcomeUnknown(
                f"{name}: nobody knows whether its control file got its name ({error.message})",
                code="file_unknown",
            ) from error
        record = self.spool.moved(record, State.DELIVERED, self._now())
        return Delivered(record, tuple(part.resumed_from or ()))

    async def _is_without_effect(self, record: Record) -> bool:
        """Take the control file's half name away; where it was still there, nothing happened."""
        half = f"{self.client.settings.push_folder}/{record.name}{_CONTROL}{_HALF}"
        try:
            if await self.client.size_of(half) is None:
                return False
            await self.client.remove(half)
        except LedgerloopError:
            return False
        self.spool.moved(record, State.SENDING, self._now())
        return True

    async def settle(self, record: Record) -> Record | None:
        """What became of a file whose sender is gone; None when it certainly had no effect.

        A file that was not committed is taken back: nobody can commit it any more.

        Raises:
            LedgerloopError: the other side cannot be asked.
        """
        if record.state is State.SENDING or (
            record.state is State.COMMITTING and await self._is_without_effect(record)
        ):
            path = f"{self.client.settings.push_folder}/{record.name}"
            await self.client.remove(path + _HALF)
            await self.client.remove(path)
            self.spool.forget(record.name)
            return None
        return record

    async def acknowledgement(self, record: Record) -> Acknowledgement | None:
        """The answer to a delivered file, its rows in the spool; None while there is none.

        Raises:
            VendorAnswerInvalid: it answers another content, or its rows are not whole.
            LedgerloopError: the other side cannot be asked.
        """
        client, name = self.client, record.name
        path = f"{client.settings.ack_folder}/{name}"
        content = await client.read_small(path + _ACK)
        if content is None:
            return None
        found = Acknowledgement.parsed(content)
        if found.sha256 != record.control.sha256:
            raise VendorAnswerInvalid(
                f"{name}{_ACK} answers a file with the sha256 {found.sha256[:12]}…, ours has "
                f"{record.control.sha256[:12]}…: somebody changed it on the way",
                code="ack_of_another",
            )
        if found.status is FileStatus.PROCESSED:
            size = await client.size_of(path + _ACK_ROWS)
            local = self.spool.answers_path(name)
            local.unlink(missing_ok=True)
            sha256 = await client.download(path + _ACK_ROWS, local, bytes_expected=size or 0)
            if sha256 != found.rows_sha256:
                raise VendorAnswerInvalid(
                    f"{name}{_ACK_ROWS} is not what {name}{_ACK} says: ask for it again",
                    code="ack_unreadable",
                )
        self.spool.answer_path(name).write_bytes(content)
        self.spool.moved(record, State.ACKNOWLEDGED, self._now())
        self.spool.data_path(name).unlink(missing_ok=True)
        return found
