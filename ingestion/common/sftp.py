"""One SFTP client for both directions: host key pinned, reads retried, transfers resumed.

The server must show a host key that the configuration names; an unknown one is never accepted.
Settings are the system's ``sftp_…`` options, secrets come with its credentials. A file goes out as
``<name>.tmp`` in windows, each proven written before the next, so that a cut connection costs one
window; what lies there already is compared before it is built upon. It must not know what is in a
file, and asyncssh is imported only when something connects.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from random import Random
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from ingestion.common.errors import ConfigError, LedgerloopError, RetryLater, VendorRejected
from ingestion.common.retrying import ReadRetries
from ingestion.common.sftp_settings import SftpSettings

if TYPE_CHECKING:
    import asyncssh

__all__ = ["RemoteFile", "SentPart", "SftpClient"]

_T = TypeVar("_T")
#: Bytes before a remembered offset that are read back before anything is added.
_TAIL_BYTES = 64 * 1024
_SMALL_FILE_BYTES_MAX = 64 * 1024 * 1024
_RETRIES_MAX = 5
#: With AES hardware the first is about three times as fast as asyncssh's own first choice.
_CIPHERS = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes256-ctr",
    "aes128-ctr",
)


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One regular file of a remote folder. ``modified_at`` is the server's, whole seconds."""

    name: str
    bytes: int
    modified_at: datetime


@dataclass(slots=True)
class SentPart:
    """How far an upload is proven to be. Kept by the caller from one try to the next.

    Attributes:
        confirmed_bytes: the server acknowledged every byte before this offset.
        is_remembered: False until this process wrote something: what lies there is compared whole.
        resumed_from: offsets at which a later try went on; empty when nothing was cut.
    """

    confirmed_bytes: int = 0
    is_remembered: bool = False
    resumed_from: list[int] | None = None


class SftpClient:
    """A connection to one server, opened when first needed. Use as an async context manager.

    Args:
        settings: where, as whom, and which host key.
        sleep: lets time pass between tries, in seconds.
        seed: of the jitter between tries.
    """

    def __init__(
        self,
        settings: SftpSettings,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        seed: int | None = None,
    ) -> None:
        self.settings = settings
        random = Random(seed)  # noqa: S311 - jitter, no secret
        self._retries = ReadRetries(
            sleep, random.random, retries_max=_RETRIES_MAX, seconds_max=settings.timeout_seconds
        )
        self._connection: asyncssh.SSHClientConnection | None = None
        self._session: asyncssh.SFTPClient | None = None
        self._presented: list[str] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End the connection; the next call opens a new one."""
        connection, self._connection, self._session = self._connection, None, None
        if connection is not None:
            connection.abort()
            await connection.wait_closed()

    # -- looking ---------------------------------------------------------------------------------

    async def files_in(self, folder: str) -> list[RemoteFile]:
        """The regular files of a folder, by name.

        Raises:
            ConfigError: no such folder, or the host key or login is wrong.
            LedgerloopError: the server cannot be reached or refuses.
        """

        async def read(session: "asyncssh.SFTPClient") -> list[RemoteFile]:
            found = []
            async for entry in session.scandir(folder):
                attributes = entry.attrs
                name = str(entry.filename)
                if attributes.permissions is not None and not _is_regular(attributes.permissions):
                    continue
                if name in (".", ".."):
                    continue
                modified = datetime.fromtimestamp(attributes.mtime or 0, UTC)
                found.append(RemoteFile(name, attributes.size or 0, modified))
            return sorted(found, key=lambda one: one.name)

        try:
            return await self._retried(read)
        except FileNotFoundError:
            raise self._no_folder(folder) from None

    async def size_of(self, path: str) -> int | None:
        """Bytes of a remote file; None when there is none."""

        async def read(session: "asyncssh.SFTPClient") -> int:
            return (await session.stat(path)).size or 0

        try:
            return await self._retried(read)
        except FileNotFoundError:
            return None

    async def read_small(self, path: str) -> bytes | None:
        """The content of a control or acknowledgement file; None when there is none.

        Raises:
            VendorRejected: it is too large to be one.
        """
        size = await self.size_of(path)
        if size is None:
            return None
        if size > _SMALL_FILE_BYTES_MAX:
            raise VendorRejected(
                f"{path} has {size} bytes: no control file is that large",
                code="file_too_large",
                status=0,
            )

        async def read(session: "asyncssh.SFTPClient") -> bytes:
            async with session.open(path, "rb") as opened:
                return cast("bytes", await opened.read())

        try:
            return await self._retried(read)
        except FileNotFoundError:
            return None

    def _no_folder(self, folder: str) -> ConfigError:
        return ConfigError(
            f"{self.settings.place}: there is no folder {folder!r}; correct the sftp folder "
            "options or ask the other side to make it",
            code="sftp_folder",
        )

    # -- transfers -------------------------------------------------------------------------------

    async def download(self, path: str, local: Path, *, bytes_expected: int) -> str:
        """Copy a remote file to ``local``, going on where an earlier try of it ended.

        Args:
            path: the remote file.
            local: the partial file; its content must stem from this very remote file.
            bytes_expected: the size in the listing.

        Returns:
            The sha256 of the whole file, in hex.

        Raises:
            RetryLater: cut too often, or the remote file changed meanwhile.
        """

        async def read(session: "asyncssh.SFTPClient") -> str:
            digest = hashlib.sha256()
            with local.open("ab+") as target:
                target.seek(0)
                while kept := target.read(self.settings.window_bytes):
                    digest.update(kept)
                async with session.open(path, "rb") as opened:
                    while window := await _window(
                        opened, target.tell(), self.settings.window_bytes
                    ):
                        target.write(window)
                        target.flush()
                        digest.update(window)
                if target.tell() != bytes_expected:
                    held = target.tell()
                    target.truncate(0)
                    raise RetryLater(
                        f"{path} has {held} bytes, {bytes_expected} were listed: it is still "
                        "changing and is read again later",
                        code="file_changed",
                    )
            return digest.hexdigest()

        return await self._retried(read)

    async def upload(self, local: Path, path: str, part: SentPart | None = None) -> SentPart:
        """Bring ``local`` to exactly ``path`` (a ``.tmp`` name that nobody reads yet).

        Nothing but the ``.tmp`` file is touched, so this may be repeated without an effect.

        Args:
            local: the whole file.
            path: the remote name; what lies there is compared and built upon, or overwritten.
            part: what an earlier call of this process proved; also tells how it went.

        Raises:
            LedgerloopError: cut too often, refused, or the sizes differ at the end.
        """
        part = part or SentPart()
        part.resumed_from = part.resumed_from or []

        async def send(session: "asyncssh.SFTPClient") -> None:
            await self._send(session, local, path, part)

        while True:
            before = part.confirmed_bytes
            try:
                await self._retried(send)
            except FileNotFoundError:
                raise self._no_folder(str(PurePosixPath(path).parent)) from None
            except RetryLater:
                if part.confirmed_bytes <= before:
                    raise
            else:
                return part

    async def _send(
        self, session: "asyncssh.SFTPClient", local: Path, path: str, part: SentPart
    ) -> None:
        size = _size(local)
        offset = await self._agreed_offset(session, local, path, part)
        if offset and part.resumed_from is not None:
            part.resumed_from.append(offset)
        part.confirmed_bytes, part.is_remembered = offset, True
        with local.open("rb") as source:
            source.seek(offset)
            async with session.open(path, "r+b" if offset else "wb") as opened:
                while window := source.read(self.settings.window_bytes):
                    await opened.write(window, part.confirmed_bytes)
                    part.confirmed_bytes += len(window)
                if offset:
                    await opened.truncate(size)
        arrived = (await session.stat(path)).size
        if arrived != size:
            part.is_remembered = False
            raise RetryLater(
                f"{path} has {arrived} bytes on the server, {size} were sent: compared again",
                code="size_differs",
            )

    async def _agreed_offset(
        self, session: "asyncssh.SFTPClient", local: Path, path: str, part: SentPart
    ) -> int:
        """The offset up to which the server provably holds what we hold.

        What this process saw acknowledged is trusted but for its last bytes, which are read back;
        what somebody left there before is compared from the start, window by window.
        """
        import asyncssh

        try:
            held = (await session.stat(path)).size or 0
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
            return 0
        held = min(held, _size(local))
        start, end = 0, held
        if part.is_remembered:
            end = min(held, part.confirmed_bytes)
            start = max(0, end - _TAIL_BYTES)
        with local.open("rb") as source:
            source.seek(start)
            async with session.open(path, "rb") as opened:
                while start < end:
                    wanted = min(self.settings.window_bytes, end - start)
                    ours, theirs = source.read(wanted), await _window(opened, start, wanted)
                    if hashlib.sha256(ours).digest() != hashlib.sha256(theirs).digest():
                        return 0 if part.is_remembered else start
                    start += wanted
        return end

    async def put_small(self, path: str, content: bytes) -> None:
        """Write a small remote file whole. Not atomic: use a ``.tmp`` name and ``rename``."""

        async def send(session: "asyncssh.SFTPClient") -> None:
            async with session.open(path, "wb") as opened:
                await opened.write(content, 0)

        try:
            await self._retried(send)
        except FileNotFoundError:
            raise self._no_folder(str(PurePosixPath(path).parent)) from None

    async def rename(self, source: str, target: str) -> None:
        """Give a file its final name; never over another file.

        An answer that was lost is looked up: where the target stands and the source is gone it
        was done.

        Raises:
            VendorRejected: the server refuses (``sftp_refused``) or the name is taken.
            RetryLater: not connected; the file still has its old name.
        """
        is_repeated = False

        async def move(session: "asyncssh.SFTPClient") -> None:
            nonlocal is_repeated
            if is_repeated and await self._was_moved(session, source, target):
                return
            is_repeated = True
            await session.rename(source, target)

        try:
            await self._retried(move)
        except FileNotFoundError:
            raise VendorRejected(
                f"{source} is gone from {self.settings.place}: somebody else took it",
                code="sftp_gone",
                status=0,
            ) from None

    async def _was_moved(self, session: "asyncssh.SFTPClient", source: str, target: str) -> bool:
        return not await session.exists(source) and bool(await session.exists(target))

    async def remove(self, path: str) -> None:
        """Delete a remote file; it is no error when there is none."""

        async def delete(session: "asyncssh.SFTPClient") -> None:
            await session.remove(path)

        try:
            await self._retried(delete)
        except FileNotFoundError:
            return

    async def make_folder(self, path: str) -> None:
        """Make a folder and those above it where they are missing."""

        async def make(session: "asyncssh.SFTPClient") -> None:
            await session.makedirs(str(PurePosixPath(path)), exist_ok=True)

        await self._retried(make)

    # -- the connection --------------------------------------------------------------------------

    async def _retried(self, call: Callable[["asyncssh.SFTPClient"], Awaitable[_T]]) -> _T:
        """One call, on a new connection after each cut. Raises FileNotFoundError for no file."""

        async def attempt() -> _T:
            try:
                async with self._errors(), asyncio.timeout(self.settings.timeout_seconds):
                    return await call(await self._opened())
            except RetryLater:
                await self.close()
                raise

        return await self._retries.run(attempt)

    async def _opened(self) -> "asyncssh.SFTPClient":
        if self._session is None:
            import asyncssh

            self._connection = await asyncssh.connect(**self._arguments())
            self._session = await self._connection.start_sftp_client()
        return self._session

    def _arguments(self) -> dict[str, Any]:
        import asyncssh

        settings = self.settings
        pinned = settings.host_keys
        presented: list[str] = []
        self._presented = presented

        class Pinning(asyncssh.SSHClient):
            """Accepts the pinned host keys and no other."""

            def validate_host_public_key(self, *shown: Any, **named: Any) -> bool:
                key: asyncssh.SSHKey = named["key"] if named else shown[-1]
                presented.append(key.get_fingerprint())
                line = key.export_public_key().decode().split()
                return key.get_fingerprint() in pinned or " ".join(line[:2]) in pinned

        found: dict[str, Any] = {
            "host": settings.host,
            "port": settings.port,
            "username": settings.user,
            "client_factory": Pinning,
            "known_hosts": ([], [], []),
            "config": None,
            "agent_path": None,
            "client_keys": settings.private_keys(),
            "password": settings.password or None,
            "encryption_algs": list(_CIPHERS),
            "connect_timeout": settings.connect_seconds,
            "login_timeout": settings.connect_seconds,
            "keepalive_interval": settings.connect_seconds,
        }
        algorithms = [key.split()[0] for key in pinned if " " in key]
        if algorithms and len(algorithms) == len(pinned):
            found["server_host_key_algs"] = [
                one for name in algorithms for one in _signature_algorithms(name)
            ]
        return found

    @asynccontextmanager
    async def _errors(self) -> AsyncIterator[None]:
        """The library's errors as ours, each with what to do."""
        import asyncssh

        place = self.settings.place
        try:
            yield
        except LedgerloopError:
            raise
        except asyncssh.HostKeyNotVerifiable as error:
            shown = ", ".join(self._presented) or "a key of another kind than the pinned one"
            raise ConfigError(
                f"{place} showed the host key {shown}, which is not the pinned one: nothing was "
                "sent. Ask the other side for its fingerprint by another way than this "
                "connection; if it is this one, set sftp_host_key to it",
                code="sftp_host_key",
            ) from error
        except (asyncssh.PermissionDenied, asyncssh.KeyImportError) as error:
            raise ConfigError(
                f"{place} does not let {self.settings.user!r} in: check the user, the key of the "
                "credentials and that its public half is installed there",
                code="sftp_login",
            ) from error
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath) as error:
            raise FileNotFoundError(error.reason) from error
        except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection) as error:
            raise RetryLater(f"{place}: the connection was cut", code="connection_cut") from error
        except asyncssh.SFTPError as error:
            raise VendorRejected(
                f"{place} refused: {error.reason or type(error).__name__}",
                code="sftp_refused",
                status=error.code,
            ) from error
        except (asyncssh.Error, OSError) as error:
            code = "connection_cut" if self._session is not None else "not_sent"
            raise RetryLater(f"{place}: {type(error).__name__}: {error}", code=code) from error


def _signature_algorithms(key_type: str) -> tuple[str, ...]:
    """The names under which a key of this type is negotiated."""
    return ("rsa-sha2-512", "rsa-sha2-256") if key_type == "ssh-rsa" else (key_type,)


def _size(local: Path) -> int:
    return local.stat().st_size


async def _window(opened: "asyncssh.SFTPClientFile", offset: int, size: int) -> bytes:
    """Bytes of a remote file that was opened in binary mode; fewer at its end."""
    return cast("bytes", await opened.read(size, offset))


def _is_regular(permissions: int) -> bool:
    import stat

    return not stat.S_IFMT(permissions) or stat.S_ISREG(permissions)
