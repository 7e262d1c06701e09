"""Tryton: no sandbox application but the real server, started from PyPI on PostgreSQL.

``sandbox.core.serve`` runs it beside its own systems with ``run_beside``; ``absence`` says why not.
"""

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sandbox.tryton.beside import Beside

__all__ = ["absence", "run_beside"]


def absence() -> str:
    """Why Tryton is left out here, in a line for people; empty when it can run."""
    from sandbox.tryton.beside import absence as found

    return found()


def run_beside(
    system_id: str, home: Path, state: Path | None = None
) -> "AbstractAsyncContextManager[Beside]":
    """Tryton on a database of its own, for as long as the block lasts (see ``beside``)."""
    from sandbox.tryton.beside import beside

    return beside(system_id, home, state)
