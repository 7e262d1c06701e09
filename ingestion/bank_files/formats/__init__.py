"""One module per file format, found by looking: a new format is a new file here.

A format module offers ``NAME``, ``recognises(head: bytes) -> bool`` on the first bytes of a file,
and ``parse(path: Path, where: str) -> list[Statement]``, which raises ``InputRefused``.
"""

import importlib
import pkgutil
import re
from pathlib import Path
from types import ModuleType

from ingestion.bank_files.statements import Statement
from ingestion.common.errors import InputRefused

__all__ = ["HEAD_BYTES", "formats", "parse_file"]

_OTHER_MESSAGE = re.compile(rb"camt\.\d{3}\.\d{3}\.\d\d|pain\.\d{3}\.\d{3}\.\d\d")

#: How much of a file formats may look at to recognise it.
HEAD_BYTES = 4096


def formats() -> list[ModuleType]:
    """Every format module, by name."""
    found = sorted(one.name for one in pkgutil.iter_modules(__path__))
    return [importlib.import_module(f"{__name__}.{name}") for name in found]


def parse_file(path: Path) -> list[Statement]:
    """The statements of a file, parsed by the format that recognises it.

    Raises:
        InputRefused: no format recognises it, or the format refused it.
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
            statements: list[Statement] = module.parse(path, path.name)
            return statements
    names = ", ".join(module.NAME for module in known)
    other = _OTHER_MESSAGE.search(head)
    what = f"is {other.group().decode()}, not" if other else "is none of"
    raise InputRefused(
        f"{path.name} {what} the known statement formats ({names}): remove it from the inbox, and "
        "ask the bank for end-of-day statements in one of these",
        code="unknown_format",
        where=path.name,
    )
