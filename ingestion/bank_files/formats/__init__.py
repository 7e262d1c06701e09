"""One module per file format, found by looking: a new format is a new file here.

A format module offers ``NAME``, ``KIND`` (what its statements may claim), ``recognises(head:
bytes) -> bool`` on the first bytes of a file, and ``parse(path: Path, where: str) -> Content``,
which raises ``InputRefused``.
"""

import functools
import importlib
import pkgutil
import re
from pathlib import Path
from types import ModuleType

from ingestion.bank_files.statements import Content, Statement, StatementKind
from ingestion.common.errors import InputRefused

__all__ = ["HEAD_BYTES", "format_of", "formats", "parse_file", "read_content"]

_OTHER_MESSAGE = re.compile(rb"camt\.\d{3}\.\d{3}\.\d\d|pain\.\d{3}\.\d{3}\.\d\d")

#: How much of a file formats may look at to recognise it.
HEAD_BYTES = 4096


@functools.cache
def formats() -> tuple[ModuleType, ...]:
    """Every format module, by name."""
    found = sorted(one.name for one in pkgutil.iter_modules(__path__))
    return tuple(importlib.import_module(f"{__name__}.{name}") for name in found)


def format_of(path: Path) -> ModuleType:
    """The format that recognises a file.

    Raises:
        InputRefused: it is empty, or none does.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head.strip():
        raise InputRefused(
            f"{path.name} is empty: ask the bank to send it again",
            code="empty_file",
            where=path.name,
        )
    known = formats()
    for module in known:
        if module.recognises(head):
            return module
    names = ", ".join(module.NAME for module in known)
    other = _OTHER_MESSAGE.search(head)
    what = f"is {other.group().decode()}, not" if other else "is none of"
    raise InputRefused(
        f"{path.name} {what} the known formats ({names}): remove it from the inbox, and ask the "
        "bank for one of these",
        code="unknown_format",
        where=path.name,
    )


def read_content(path: Path) -> Content:
    """Everything a file holds, parsed by the format that recognises it.

    Raises:
        InputRefused: no format recognises it, or the format refused it.
    """
    content: Content = format_of(path).parse(path, path.name)
    return content


def parse_file(path: Path) -> list[Statement]:
    """The final statements of a file: what an account was truly booked.

    Raises:
        InputRefused: no format recognises it, or the format refused it.
    """
    statements = read_content(path).statements
    return [one for one in statements if one.kind is StatementKind.FINAL]
