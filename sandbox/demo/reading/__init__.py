"""Reading ERPs for measuring: each kind's part in a module of its name, found by looking.

``read_erp`` asks the vendor anew, through its own protocol, and answers in the rows of ``frames``.
It shares the vendors' clients with the product and nothing else. An ERP that is a real server has
no sandbox that shows its books: its module counts effects too (``ledger``).
"""

import importlib
import importlib.util
from datetime import date
from types import ModuleType

from ingestion.common.config import System
from ingestion.common.errors import ConfigError
from sandbox.demo.reading.frames import ErpBooks

__all__ = ["can_read", "read_erp", "reader_of"]


def can_read(kind: str) -> bool:
    """Whether a kind is an ERP that can be measured."""
    return importlib.util.find_spec(f"{__name__}.{kind}") is not None


def reader_of(kind: str) -> ModuleType:
    """The module that reads a kind.

    Raises:
        ConfigError: nobody can measure this kind.
    """
    if not can_read(kind):
        raise ConfigError(
            f"kind {kind!r} has companies and cannot be measured: "
            f"add sandbox/demo/reading/{kind}.py",
            code="no_reader",
        )
    return importlib.import_module(f"{__name__}.{kind}")


async def read_erp(system: System, as_of: date) -> ErpBooks:
    """What an ERP holds.

    Raises:
        ConfigError: nobody can measure this kind.
        LedgerloopError: the ERP did not answer.
    """
    books: ErpBooks = await reader_of(system.kind).read(system, as_of)
    return books
