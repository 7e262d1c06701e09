"""An SFTP server on loopback with a folder of its own, for tests of the client."""

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass

from ingestion.common.config import System
from ingestion.common.sftp import SftpClient
from ingestion.common.sftp_settings import sftp_of
from sandbox.sftp.faults import FileFaults
from sandbox.sftp.keys import server_keys
from sandbox.sftp.server import FileServer
from tests.support.serving import _in_thread


async def hasty(seconds):
    """Lets next to no time pass."""
    await asyncio.sleep(min(seconds, 0.01))


@dataclass
class Served:
    """The running server, and clients for it."""

    server: FileServer
    faults: FileFaults

    def system(self, **options):
        named = {f"sftp_{name}": value for name, value in options.items()}
        credentials = {**self.server.credentials(), **named.pop("sftp_credentials", {})}
        for name in named:
            credentials.pop(name, None)
        return System(system_id="bank", kind="bank_files", options=named, credentials=credentials)

    def client(self, **options):
        return SftpClient(sftp_of(self.system(**options)), sleep=hasty, seed=1)

    def run(self, work, **options):
        """``await work(client)`` on a client of its own."""

        async def main():
            async with self.client(**options) as client:
                return await work(client)

        return asyncio.run(main())

    def put(self, path, content=b"content"):
        """A file on the server, as its owner puts it there."""
        target = self.server.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        return target


@contextmanager
def served(folder):
    """Serve ``folder/files`` with keys in ``folder/keys``."""
    faults = FileFaults()
    server = FileServer(folder / "files", server_keys(folder / "keys"), faults=faults)
    with _in_thread(lambda: server):
        yield Served(server, faults)
