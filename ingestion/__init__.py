"""READ: copies each vendor's objects unchanged into ``<kind>_raw`` in the warehouse.

One folder per kind. Nothing here imports ``reverse_etl`` or ``orchestration``.
"""

import importlib
from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from ingestion.common.config import System
    from ingestion.common.report import ReadReport

__all__ = ["check_system", "read_system"]


def read_system(
    system: "System",
    warehouse: Path,
    *,
    run_started_at: datetime,
    only_objects: Collection[str] | None = None,
) -> "ReadReport":
    """Read one connected system into the warehouse with its kind's ``read``.

    A whole reading is remembered with its instant, whether or not anything had changed.

    Raises:
        ConfigError: there is no folder for the kind, or the system cannot be reached as configured.
    """
    from ingestion.common.warehouse import LastRead, remember_read

    report = cast(
        "ReadReport",
        _kind_of(system).read(
            system, warehouse, run_started_at=run_started_at, only_objects=only_objects
        ),
    )
    if only_objects is None:
        problem = next((drift.message for drift in report.drift if drift.stops_writing), "")
        remember_read(warehouse, LastRead(system.system_id, system.kind, run_started_at, problem))
    return report


def check_system(system: "System") -> list[str]:
    """What is wrong with a connected system, in plain words; empty when it can be used.

    Raises:
        ConfigError: there is no folder for the kind.
    """
    return cast("list[str]", _kind_of(system).check(system))


def _kind_of(system: "System") -> ModuleType:
    """The package of a system's kind."""
    from ingestion.common.errors import ConfigError

    if not system.base_url:
        raise ConfigError(
            f"systems.{system.system_id} has no address: set base_url, or, for the sandbox, start "
            "it with `ledgerloop sandbox serve`",
            code="no_address",
        )
    try:
        return importlib.import_module(f"ingestion.{system.kind}")
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"systems.{system.system_id}.kind: no kind {system.kind!r}; "
            "kinds are the folders of ingestion/",
            code="unknown_kind",
        ) from error
