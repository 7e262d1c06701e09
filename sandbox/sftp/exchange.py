"""The file exchange of a running sandbox: one SFTP server for every system that has one.

Below the server's root each system has a folder of its own: the bank puts statements for us into
``bank/statements`` and takes acknowledgements from ``bank/acknowledgements``; SAP takes files from
``<system>/inbox``, answers in ``<system>/outbox`` and puts extracts into ``<system>/extracts``.
"""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from sandbox.core.state import write_bytes_atomically
from sandbox.sap_s4hana.app import SapApp
from sandbox.sftp.faults import FileFaults
from sandbox.sftp.keys import server_keys
from sandbox.sftp.sap_intake import IntakeFaults, SapIntake
from sandbox.sftp.server import FileServer

__all__ = ["FileExchange", "drop_statement", "folders_of", "sftp_root"]

#: By kind: the options that tell a client which folders are its own, below the system's folder.
#: Statements stay where the bank put them, so that a second hub on the same sandbox sees them too.
_FOLDERS: Mapping[str, Mapping[str, str]] = {
    "bank_files": {"pull_folder": "statements", "push_folder": "acknowledgements"},
    "sap_s4hana": {"push_folder": "inbox", "ack_folder": "outbox"},
    "erp_files": {"pull_folder": "extracts"},
}


def sftp_root(home: Path) -> Path:
    """The folder that the server shows as its root."""
    return home / "sandbox" / "sftp" / "files"


def folders_of(system_id: str, kind: str) -> dict[str, str]:
    """The folder options of one system, as they stand in its credentials."""
    folders = _FOLDERS.get(kind, {})
    rule = {"sftp_taken": "remember"} if "pull_folder" in folders else {}
    return {
        **{f"sftp_{option}": f"{system_id}/{folder}" for option, folder in folders.items()},
        **rule,
    }


def drop_statement(home: Path, system_id: str, name: str, content: bytes) -> Path:
    """Put a statement on the server as the bank's gateway does: whole, then its marker.

    Raises:
        ValueError: ``name`` is not a plain file name.
    """
    if not name or Path(name).name != name or name.startswith("."):
        raise ValueError(f"{name!r} is not a plain file name")
    path = sftp_root(home) / system_id / _FOLDERS["bank_files"]["pull_folder"] / name
    write_bytes_atomically(path, content)
    write_bytes_atomically(path.with_name(f"{name}.done"), b"")
    return path


class FileExchange:
    """One server, and the intakes behind it. ``async with`` starts and stops it.

    Args:
        home: state of the run; keys and files lie in ``sandbox/sftp/`` below it.
        kinds: system id to kind; those without files are left out.
        apps: running SAP systems by id: their books take what is pushed.
        clock: the sandbox's clock.
        faults, intake_faults: what goes wrong.
    """

    def __init__(
        self,
        home: Path,
        kinds: Mapping[str, str],
        apps: Mapping[str, Any],
        clock: Any,
        *,
        faults: FileFaults | None = None,
        intake_faults: IntakeFaults | None = None,
        port: int = 0,
    ) -> None:
        root = sftp_root(home)
        self._kinds = {name: kind for name, kind in kinds.items() if kind in _FOLDERS}
        for name, kind in self._kinds.items():
            for folder in _FOLDERS[kind].values():
                (root / name / folder).mkdir(parents=True, exist_ok=True)
        self.intakes = {
            name: SapIntake(
                app, clock, root, inbox=f"{name}/inbox", outbox=f"{name}/outbox",
                faults=intake_faults,
            )
            for name, app in apps.items()
            if isinstance(app, SapApp)
        }  # fmt: skip
        keys = server_keys(home / "sandbox" / "sftp")
        self.server = FileServer(root, keys, faults=faults, arrived=self._arrived, port=port)

    async def __aenter__(self) -> Self:
        await self.server.start()
        # What arrived while the sandbox was down, or was cut in its middle, is worked on now.
        for intake in self.intakes.values():
            await intake.resume()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.stop()

    async def _arrived(self, path: Path) -> None:
        await asyncio.gather(*(intake.arrived(path) for intake in self.intakes.values()))

    def credentials_of(self, system_id: str) -> dict[str, str]:
        """What a system's entry of the endpoints file gets; empty for a kind without files."""
        kind = self._kinds.get(system_id)
        if kind is None:
            return {}
        return {**self.server.credentials(), **folders_of(system_id, kind)}
