"""What a kind must say so that its commands can travel in a file, found by its folder.

A kind whose ERP takes files has ``reverse_etl/<kind>/file_form.py`` with ``forms(system,
governance)``. Nothing here knows any ERP, and no list is edited for a new one.
"""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Protocol, cast

from ingestion.common.config import System
from reverse_etl.delivery.writer import Sending
from reverse_etl.planning.governance import Governance

__all__ = ["KEY_COLUMN", "FileForm", "Line", "Place", "forms_of"]

#: Object and operation.
Place = tuple[str, str]
#: The first column of every form: the key by which answers are matched.
KEY_COLUMN = "DOC_KEY"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file, without its key. ``amount`` counts into the control totals."""

    values: tuple[str, ...]
    currency_code: str = ""
    amount: Decimal = Decimal(0)


class FileForm(Protocol):
    """One object's file.

    ``columns`` are those after the key. ``needs_document``: later commands need the number of the
    document that a row became, so a file without an answer is not yet "accepted".
    """

    @property
    def name(self) -> str: ...

    @property
    def columns(self) -> tuple[str, ...]: ...

    @property
    def needs_document(self) -> bool: ...

    def lines(self, sending: Sending) -> Sequence[Line]:
        """The lines of one command. Raises InputRefused when it cannot be written."""
        ...

    def field_of(self, column: str) -> str:
        """The hub's name of a column; the column itself where the hub has none."""
        ...


def forms_of(system: System, governance: Governance) -> Mapping[Place, FileForm]:
    """The forms of a system's kind; none where its folder brings none."""
    if not (Path(__file__).parents[1] / system.kind / "file_form.py").exists():
        return {}
    module = importlib.import_module(f"reverse_etl.{system.kind}.file_form")
    return cast("Mapping[Place, FileForm]", module.forms(system, governance))
