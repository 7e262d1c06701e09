"""The bank: a folder into which statement files are dropped whole, as a bank's file gateway does.

There is no protocol to serve. Contents of statements are made elsewhere.
"""

from pathlib import Path
from typing import Any

from sandbox.core.state import write_bytes_atomically

__all__ = ["drop_file", "endpoint", "inbox_of"]


def inbox_of(home: Path) -> Path:
    """The folder that the hub watches, made when missing."""
    inbox = home / "bank" / "inbox"
    inbox.mkdir(parents=True, exist_ok=True)
    return inbox


def endpoint(home: Path) -> dict[str, Any]:
    """Address and (no) credentials, as they stand in the endpoints file."""
    return {"base_url": inbox_of(home).resolve().as_uri(), "credentials": {}}


def drop_file(home: Path, name: str, content: bytes) -> Path:
    """Put a file into the inbox so that no reader ever sees half of it.

    Raises:
        ValueError: ``name`` is not a plain file name.
    """
    if not name or Path(name).name != name or name.startswith("."):
        raise ValueError(f"{name!r} is not a plain file name")
    path = inbox_of(home) / name
    write_bytes_atomically(path, content)
    return path
