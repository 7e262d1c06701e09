"""Saved sandbox state: one JSON file a system, exact for decimals, dates and instants.

A file is replaced atomically, so a killed sandbox leaves the last whole state. What a kind puts
into its snapshot is its own business; this module only writes plain trees and reads them back.
"""

import json
import os
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

__all__ = ["has_state", "load_state", "save_state", "write_atomically", "write_bytes_atomically"]

_SUFFIX = ".state.json"


def write_atomically(path: Path, text: str) -> None:
    """``write_bytes_atomically`` for text in UTF-8."""
    write_bytes_atomically(path, text.encode("utf-8"))


def write_bytes_atomically(path: Path, content: bytes) -> None:
    """Write a file so that readers see the old or the whole new one; only we may read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    beside.replace(path)


def save_state(directory: Path, name: str, tree: Mapping[str, Any]) -> None:
    """Write one system's snapshot.

    Raises:
        TypeError: the tree holds something other than JSON types, Decimal, date or datetime.
    """
    text = json.dumps(tree, default=_tagged, separators=(",", ":"), ensure_ascii=False)
    write_atomically(directory / f"{name}{_SUFFIX}", text)


def load_state(directory: Path, name: str) -> dict[str, Any] | None:
    """Read one system's snapshot; None when there is none."""
    path = directory / f"{name}{_SUFFIX}"
    if not path.exists():
        return None
    tree = json.loads(path.read_text(encoding="utf-8"), object_hook=_untagged)
    assert isinstance(tree, dict)
    return tree


def has_state(directory: Path) -> bool:
    """True when the directory holds any saved system."""
    return directory.is_dir() and any(directory.glob(f"*{_SUFFIX}"))


def _tagged(value: object) -> dict[str, str]:
    if isinstance(value, Decimal):
        return {"$decimal": str(value)}
    if isinstance(value, datetime):  # before date: every datetime is one
        return {"$instant": value.isoformat()}
    if isinstance(value, date):
        return {"$date": value.isoformat()}
    raise TypeError(f"sandbox state cannot hold {type(value).__name__}: {value!r}")


def _untagged(tree: dict[str, Any]) -> Any:
    if len(tree) == 1:
        ((tag, text),) = tree.items()
        if tag == "$decimal":
            return Decimal(text)
        if tag == "$instant":
            return datetime.fromisoformat(text)
        if tag == "$date":
            return date.fromisoformat(text)
    return tree
