"""Finds a kind's writer by the name of its folder: adding a kind edits no list.

A kind that can be written has ``reverse_etl/<kind>/writer.py`` with ``create(system, transport,
governance)``. Nothing here knows any vendor.
"""

import difflib
import importlib
from pathlib import Path
from typing import cast

from ingestion.common.config import System
from ingestion.common.errors import ConfigError
from ingestion.common.transport import Transport
from reverse_etl.delivery.writer import Writer
from reverse_etl.files.wrapper import with_files
from reverse_etl.planning.governance import Governance

__all__ = ["create_writer", "writable_kinds"]


def writable_kinds() -> tuple[str, ...]:
    """Every kind with a writer, found by looking."""
    root = Path(__file__).parent
    return tuple(sorted(path.parent.name for path in root.glob("*/writer.py") if _is_kind(path)))


def _is_kind(path: Path) -> bool:
    """The engine's folder holds the interface itself under the same name."""
    return path.parent.name != "delivery"


def create_writer(system: System, transport: Transport, governance: Governance) -> Writer:
    """The writer of one connected system.

    Args:
        system: address, credentials, options.
        transport: what carries the requests; the writer closes it.
        governance: the matrix that names the vendor's fields.

    Raises:
        ConfigError: the kind cannot be written, or address or credentials are missing.
    """
    kinds = writable_kinds()
    if system.kind not in kinds:
        near = difflib.get_close_matches(system.kind, kinds, n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ConfigError(
            f"systems.{system.system_id}: kind {system.kind!r} cannot be written{hint}",
            code="no_writer",
        )
    module = importlib.import_module(f"reverse_etl.{system.kind}.writer")
    writer = cast("Writer", module.create(system, transport, governance))
    return with_files(writer, system, governance)
