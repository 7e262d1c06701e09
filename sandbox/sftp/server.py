"""The embedded SFTP server: real keys, one folder as root, loopback only.

It is asyncssh's own server with a root folder, seeded faults and a call when a file got its final
name. It must not know what is in a file.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import asyncssh

from sandbox.sftp.faults import FileFaults
from sandbox.sftp.keys import ServerKeys

if TYPE_CHECKING:
    from asyncssh.sftp import SFTPName

__all__ = ["FileServer"]

#: Called with the path below the root when a file got a name without ``.tmp``.
Arrived = Callable[[Path], Awaitable[None]]


class _Files(asyncssh.SFTPServer):
    """One session's view of the root folder, with the server's faults in front."""

    def __init__(self, server: "FileServer", channel: Any) -> None:
        super().__init__(channel, chroot=str(server.root).encode())
        self._server = server

    async def _delayed(self) -> FileFaults:
        faults = self._server.faults
        if faults.latency_seconds:
            await asyncio.sleep(faults.latency_seconds)
        return faults

    def _cut(self) -> None:
        self.connection.abort()

    async def write(self, file_obj: object, offset: int, data: bytes) -> int:
        faults = await self._delayed()
        kept = faults.on_written(len(data))
        if kept is not None:
            super().write(file_obj, offset, data[:kept])
            self._cut()
            raise asyncssh.SFTPConnectionLost("cut")
        written = super().write(file_obj, offset, data)
        assert isinstance(written, int)
        return written

    async def read(self, file_obj: object, offset: int, size: int) -> bytes:
        faults = await self._delayed()
        data = super().read(file_obj, offset, size)
        assert isinstance(data, bytes)
        if faults.on_read(len(data)) is not None:
            self._cut()
            raise asyncssh.SFTPConnectionLost("cut")
        return data

    async def scandir(self, path: bytes) -> AsyncIterator["SFTPName"]:
        names = [name async for name in super().scandir(path)]
        if self._server.faults.take("partial_listings"):
            names = names[: len(names) // 2]
        for name in names:
            yield name

    async def rename(self, oldpath: bytes, newpath: bytes) -> None:
        faults = self._server.faults
        if faults.take("refused_renames"):
            raise asyncssh.SFTPPermissionDenied("rename is not allowed")
        done = super().rename(oldpath, newpath)
        if inspect.isawaitable(done):
            await done
        self._server.note(Path(self.map_path(newpath).decode()))
        if faults.take("lost_renames"):
            self._cut()
            raise asyncssh.SFTPConnectionLost("cut")


class FileServer:
    """One server on one root folder. ``start`` and ``stop``, or ``async with``.

    Args:
        root: served as ``/``; made when missing.
        keys: host key, and the one client key that is let in.
        user: the only user name.
        faults: what goes wrong.
        arrived: called for each file that got its final name by a rename.
    """

    def __init__(
        self,
        root: Path,
        keys: ServerKeys,
        *,
        user: str = "ledgerloop",
        faults: FileFaults | None = None,
        arrived: Arrived | None = None,
        port: int = 0,
    ) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self.root = root.resolve()
        self.user = user
        self.faults = faults or FileFaults()
        self._keys = keys
        self._arrived = arrived
        self._port = port
        self._acceptor: asyncssh.SSHAcceptor | None = None
        self._tasks: set[asyncio.Future[None]] = set()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def port(self) -> int:
        """Where it listens; only after ``start``."""
        assert self._acceptor is not None
        return self._acceptor.get_port()

    async def start(self) -> None:
        """Listen on loopback."""
        client = self._keys.client_key.with_suffix(".pub").read_text(encoding="ascii")
        user = self.user

        class OneUser(asyncssh.SSHServer):
            """Lets in nobody but the one user, by key."""

            def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
                shown = key.export_public_key().decode().split()[:2]
                return username == user and shown == client.split()[:2]

            def public_key_auth_supported(self) -> bool:
                return True

        self._acceptor = await asyncssh.listen(
            "127.0.0.1",
            self._port,
            server_factory=OneUser,
            server_host_keys=[str(self._keys.host_key)],
            sftp_factory=lambda channel: _Files(self, channel),
            allow_scp=False,
            agent_forwarding=False,
            x11_forwarding=False,
            compression_algs=None,
        )

    async def stop(self) -> None:
        """Cut every connection, close."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._acceptor is not None:
            self._acceptor.close()
            await self._acceptor.wait_closed()

    def credentials(self) -> dict[str, str]:
        """How a client finds and trusts this server, for the endpoints file."""
        return {
            "sftp_host": "127.0.0.1",
            "sftp_port": str(self.port),
            "sftp_user": self.user,
            "sftp_host_key": self._keys.host_public_key,
            "sftp_private_key_file": str(self._keys.client_key.resolve()),
        }

    def note(self, path: Path) -> None:
        """A file got its final name: tell who waits for it."""
        if self._arrived is None:
            return
        task = asyncio.ensure_future(self._arrived(path.relative_to(self.root)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
