"""Keys of the embedded SFTP server: made once per home, readable by their owner alone."""

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ServerKeys", "server_keys"]

_ALGORITHM = "ssh-ed25519"


@dataclass(frozen=True, slots=True)
class ServerKeys:
    """Files of the host's and the client's private keys, and the host's public line."""

    host_key: Path
    client_key: Path
    host_public_key: str


def server_keys(folder: Path) -> ServerKeys:
    """The keys in ``folder``, made where missing (mode 0600); the host key stays the same."""
    folder.mkdir(parents=True, exist_ok=True)
    host_key, client_key = folder / "sftp_host_key", folder / "sftp_client_key"
    for path in (host_key, client_key):
        if not path.exists():
            _make(path)
    public = host_key.with_suffix(".pub").read_text(encoding="ascii")
    return ServerKeys(host_key, client_key, " ".join(public.split()[:2]))


def _make(path: Path) -> None:
    import asyncssh

    key = asyncssh.generate_private_key(_ALGORITHM)
    _write(path.with_suffix(".pub"), key.export_public_key())
    _write(path, key.export_private_key())


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(content)
