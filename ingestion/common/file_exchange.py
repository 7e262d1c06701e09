"""Folders of files kept with another side over SFTP: pull what is whole, push what is answered.

A remote file is taken when a marker stands beside it or when two looks saw the same size and time.
It arrives under a hidden name, is checked (size, and sha256 where the sender says it), gets its
name in one step, and only then the remote one is moved to the taken folder or remembered. Killed
at any point, the next run takes it again to the same end. Nothing here reads a file's content, and
no local file is ever overwritten by another one's content.
"""

import asyncio
import fcntl
import hashlib
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ingestion.common.config import System
from ingestion.common.errors import InputRefused, RetryLater, VendorRejected
from ingestion.common.sftp import RemoteFile, SftpClient
from ingestion.common.sftp_settings import SftpSettings, sftp_of

__all__ = ["Pulled", "exchange_files", "pull_files", "push_answers"]

#: Between two looks at a file without a marker, in seconds.
STABLE_SECONDS = 0.5
#: Larger files are refused: no statement or extract is that large.
FILE_BYTES_MAX = 20_000_000_000
#: Between two tries for another hub's lock, in seconds.
_LOCK_SECONDS = 0.05
#: How many files are remembered as taken.
_REMEMBERED_MAX = 50_000
_MARKER, _CONTROL, _HASH = ".done", ".ctl", ".sha256"
_UNFINISHED = (".tmp", ".part", ".filepart")
_STATE_FOLDER = ".sftp"
#: In a remembered line: hash, name, bytes, time.
_IDENTITY_TABS = 3


@dataclass(slots=True)
class Pulled:
    """What one pull did.

    Attributes:
        files: local paths that are new, in the order of their names.
        growing: remote names that are not whole yet.
        refused: files that arrived otherwise than their sender says.
        warnings: things that worked and want a person's eye.
        pushed: names of answers that were brought to the other side.
    """

    files: list[Path] = field(default_factory=list)
    growing: list[str] = field(default_factory=list)
    refused: list[InputRefused] = field(default_factory=list)
    warnings: list[InputRefused] = field(default_factory=list)
    pushed: list[str] = field(default_factory=list)


def exchange_files(system: System, inbox: Path, outbox: Path | None = None) -> Pulled:
    """Push waiting answers, then pull what is whole; nothing for a system without SFTP.

    Args:
        system: whose ``sftp_…`` options say where.
        inbox: the local folder that the system's intake reads.
        outbox: the local folder where the intake leaves answers; ``sent/`` in it keeps them.

    Raises:
        ConfigError: settings, host key, login or folders are wrong.
        RetryLater: the other side cannot be reached.
    """
    settings = sftp_of(system)
    if settings is None:
        return Pulled()
    return asyncio.run(_exchange(settings, inbox, outbox))


async def _exchange(settings: SftpSettings, inbox: Path, outbox: Path | None) -> Pulled:
    async with SftpClient(settings) as client:
        pushed = await push_answers(client, outbox) if outbox and settings.push_folder else []
        pulled = await _pulled_alone(client, inbox) if settings.pull_folder else Pulled()
    pulled.pushed = pushed
    return pulled


async def _pulled_alone(client: SftpClient, inbox: Path) -> Pulled:
    """Pull while no other hub pulls into the same inbox: both would write one half file."""
    folder = inbox / _STATE_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    async with _alone(folder / "lock"):
        return await pull_files(client, inbox)


@asynccontextmanager
async def _alone(path: Path) -> AsyncIterator[None]:
    """Hold a lock file; another hub's is waited for, and Ctrl-C ends the wait at once."""
    with path.open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                await asyncio.sleep(_LOCK_SECONDS)
            else:
                break
        yield


# -- pulling -------------------------------------------------------------------------------------


async def pull_files(
    client: SftpClient, inbox: Path, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> Pulled:
    """Take every whole new file of the pull folder into ``inbox``.

    Args:
        client: its settings name the folders.
        inbox: made when missing; hidden names in it are ours.
        sleep: lets time pass between two looks.
    """
    memory = _Memory.of(inbox)
    pulled = Pulled()
    listed = await client.files_in(client.settings.pull_folder)
    names = {one.name for one in listed}
    if client.settings.taken == "move" and any(_is_content(name) for name in names):
        await client.make_folder(client.settings.taken_folder)
    new = [one for one in listed if _is_content(one.name)]
    for one in [one for one in new if memory.has(one)]:
        # Taken before, and the move to the taken folder did not happen.
        await _put_away(client, one, memory.taken[_identity(one)], names, pulled)
        new.remove(one)
    whole, growing = _sorted_by_wholeness(new, names, memory)
    if growing:
        await sleep(STABLE_SECONDS)
        again = {_identity(one) for one in await client.files_in(client.settings.pull_folder)}
        whole += [one for one in growing if _identity(one) in again]
        pulled.growing = [one.name for one in growing if _identity(one) not in again]
    memory.look(new)
    for one in sorted(whole, key=lambda one: one.name):
        try:
            await _take(client, one, names, inbox, memory, pulled)
        except InputRefused as refused:
            pulled.refused.append(refused)
        except FileNotFoundError:
            pulled.warnings.append(_taken_elsewhere(one))
        except RetryLater as error:
            if error.code != "file_changed":
                raise
            pulled.growing.append(one.name)
    return pulled


def _taken_elsewhere(one: RemoteFile) -> InputRefused:
    """Two hubs that read one folder and move what they took see half of it each."""
    return InputRefused(
        f"{one.name} was listed and is gone: another reader of this folder took it. Where two "
        "hubs read one folder, set sftp_taken = 'remember' so that each sees every file",
        code="sftp_taken_elsewhere",
        where=one.name,
    )


def _is_content(name: str) -> bool:
    """Whether a remote name is a file to take: no marker, no half file, no path."""
    return (
        not name.startswith(".")
        and Path(name).name == name
        and not name.endswith((*_UNFINISHED, _MARKER, _CONTROL, _HASH))
    )


def _sorted_by_wholeness(
    files: list[RemoteFile], names: set[str], memory: "_Memory"
) -> tuple[list[RemoteFile], list[RemoteFile]]:
    whole: list[RemoteFile] = []
    growing: list[RemoteFile] = []
    for one in files:
        is_marked = any(one.name + suffix in names for suffix in (_MARKER, _CONTROL, _HASH))
        is_same = memory.looked.get(one.name) == _identity(one)
        (whole if is_marked or is_same else growing).append(one)
    return whole, growing


async def _take(
    client: SftpClient,
    one: RemoteFile,
    names: set[str],
    inbox: Path,
    memory: "_Memory",
    pulled: Pulled,
) -> None:
    """One file: download, check, name, remember, put the remote one away.

    Raises:
        InputRefused: too large, or not what its control file says.
    """
    if one.bytes > FILE_BYTES_MAX:
        raise InputRefused(
            f"{one.name} has {one.bytes} bytes, more than {FILE_BYTES_MAX}: ask the sender to "
            "split it",
            code="file_too_large",
            where=one.name,
        )
    folder = client.settings.pull_folder
    partial = memory.partial(one)
    sha256 = await client.download(f"{folder}/{one.name}", partial, bytes_expected=one.bytes)
    said = await _said_sha256(client, f"{folder}/{one.name}", one.name, names)
    if said and said != sha256:
        partial.unlink()
        raise InputRefused(
            f"{one.name} has the sha256 {sha256[:12]}…, its sender says {said[:12]}…: nothing was "
            "taken; ask for the file again",
            code="sha256_differs",
            where=one.name,
        )
    local = _free_name(inbox, one.name, sha256)
    if local is None:
        partial.unlink()
    else:
        os.utime(partial, (one.modified_at.timestamp(),) * 2)
        _name_durably(partial, local)
        pulled.files.append(local)
    memory.remember(one, sha256)
    await _put_away(client, one, sha256, names, pulled)


async def _said_sha256(client: SftpClient, path: str, name: str, names: set[str]) -> str:
    """What a control or hash file beside it says its sha256 is; empty when nothing does."""
    if name + _CONTROL in names:
        content = await client.read_small(path + _CONTROL) or b"{}"
        try:
            tree = json.loads(content)
        except ValueError:
            tree = {}
        return str(tree.get("sha256", "")).lower() if isinstance(tree, dict) else ""
    if name + _HASH in names:
        content = await client.read_small(path + _HASH) or b""
        return content.decode("ascii", "replace").partition(" ")[0].strip().lower()
    return ""


def _free_name(inbox: Path, name: str, sha256: str) -> Path | None:
    """Where a file is to lie; None when it lies there already. Banks reuse names."""
    path = inbox / name
    if path.exists():
        if _sha256_of(path) == sha256:
            return None
        path = inbox / f"{path.stem}.{sha256[:12]}{path.suffix}"
    return None if path.exists() else path


async def _put_away(
    client: SftpClient, one: RemoteFile, sha256: str, names: set[str], pulled: Pulled
) -> None:
    """Move a taken file, and what stands beside it, out of the pull folder, if so configured."""
    settings = client.settings
    if settings.taken != "move":
        return
    folder = settings.taken_folder
    try:
        for suffix in ("", _MARKER, _CONTROL, _HASH):
            name = one.name + suffix
            if not suffix or name in names:
                await _move(client, f"{settings.pull_folder}/{name}", folder, name, sha256)
    except VendorRejected as error:
        if error.code == "sftp_gone":
            # It is in our inbox, and another reader of the folder moved it first.
            return
        pulled.warnings.append(
            InputRefused(
                f"{one.name} was taken, but cannot be moved to {folder} ({error.message}): it is "
                "remembered instead; ask for the right to rename, or set sftp_taken = 'remember'",
                code="sftp_not_moved",
                where=one.name,
            )
        )


async def _move(client: SftpClient, source: str, folder: str, name: str, sha256: str) -> None:
    """Move a file; beside one of the same name it gets its hash in front.

    Raises:
        VendorRejected: the server does not let us.
    """
    try:
        await client.rename(source, f"{folder}/{name}")
    except VendorRejected:
        if await client.size_of(f"{folder}/{name}") is None:
            raise
        await client.rename(source, f"{folder}/{sha256[:12]}.{name}")


# -- pushing answers -----------------------------------------------------------------------------


async def push_answers(client: SftpClient, outbox: Path) -> list[str]:
    """Bring the files of ``outbox`` to the push folder; each is kept in ``outbox/sent``.

    A name that is there already was brought by a run that was cut before it could note so, or by
    another hub. Hubs that share an outbox bring its files one after the other.
    """
    if not _answers(outbox):
        return []
    pushed = []
    async with _alone(outbox / ".lock"):
        for local in _answers(outbox):
            await _bring(client, local, f"{client.settings.push_folder}/{local.name}")
            _keep(local, outbox / "sent")
            pushed.append(local.name)
    return pushed


async def _bring(client: SftpClient, local: Path, path: str) -> None:
    if await client.size_of(path) is not None:
        return
    await client.upload(local, f"{path}.tmp")
    try:
        await client.rename(f"{path}.tmp", path)
    except VendorRejected:
        if await client.size_of(path) is None:
            raise


def _answers(outbox: Path) -> list[Path]:
    """Whole files that wait to be brought, by name."""
    if not outbox.is_dir():
        return []
    return sorted(
        path
        for path in outbox.iterdir()
        if path.is_file() and path.suffix not in _UNFINISHED and not path.name.startswith(".")
    )


def _keep(local: Path, sent: Path) -> None:
    sent.mkdir(exist_ok=True)
    local.replace(sent / local.name)


# -- memory --------------------------------------------------------------------------------------


def _identity(one: RemoteFile) -> str:
    return f"{one.name}\t{one.bytes}\t{int(one.modified_at.timestamp())}"


@dataclass(slots=True)
class _Memory:
    """What was seen and taken, in a hidden folder of the inbox."""

    folder: Path
    taken: dict[str, str]
    looked: dict[str, str]

    @classmethod
    def of(cls, inbox: Path) -> "_Memory":
        folder = inbox / _STATE_FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        return cls(folder, _read_lines(folder / "taken"), _read_json(folder / "looked.json"))

    def has(self, one: RemoteFile) -> bool:
        """Whether this very file (name, size, time) was taken."""
        return _identity(one) in self.taken

    def look(self, files: list[RemoteFile]) -> None:
        """Remember how files looked, so that the next run has two looks."""
        self.looked = {one.name: _identity(one) for one in files}
        _write_json(self.folder / "looked.json", self.looked)

    def remember(self, one: RemoteFile, sha256: str) -> None:
        """A file is in the inbox: its bytes are not asked for again."""
        self.taken[_identity(one)] = sha256
        with (self.folder / "taken").open("a", encoding="utf-8") as target:
            target.write(f"{sha256}\t{_identity(one)}\n")

    def partial(self, one: RemoteFile) -> Path:
        """Where a download of this very file grows; an older version's remains are dropped."""
        digest = hashlib.sha256(_identity(one).encode()).hexdigest()[:16]
        return self.folder / f"{digest}.part"


def _read_lines(path: Path) -> dict[str, str]:
    """Identity to sha256, the newest ones; a line that a crash cut short is no memory."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    if len(lines) > 2 * _REMEMBERED_MAX:
        lines = lines[-_REMEMBERED_MAX:]
        beside = path.with_suffix(".tmp")
        beside.write_text("\n".join(lines) + "\n", encoding="utf-8")
        beside.replace(path)
    parts = (line.partition("\t") for line in lines if line.count("\t") == _IDENTITY_TABS)
    return {identity: sha256 for sha256, _, identity in parts}


def _read_json(path: Path) -> dict[str, str]:
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return {str(k): str(v) for k, v in tree.items()} if isinstance(tree, Mapping) else {}


def _write_json(path: Path, tree: Mapping[str, str]) -> None:
    beside = path.with_suffix(".tmp")
    beside.write_text(json.dumps(tree, ensure_ascii=False), encoding="utf-8")
    beside.replace(path)


def _sha256_of(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _name_durably(partial: Path, local: Path) -> None:
    """Give a downloaded file its name once its bytes are on the disk."""
    with partial.open("rb") as opened:
        os.fsync(opened.fileno())
    partial.replace(local)
