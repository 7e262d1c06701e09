"""One dbt build of the truth: all of it, or only what holds data where the views already stand.

Half of a build's time goes into views, which hold no data: once a full build of this very code on
this very warehouse succeeded, making them again changes nothing. So the warehouse remembers which
code its views are of, and another build of the same code refreshes tables and tests only. Nothing
here knows a model's name.
"""

import hashlib
from collections.abc import Collection
from importlib import metadata
from pathlib import Path
from typing import Protocol

from ingestion.common.warehouse import built_code, remember_built_code
from orchestration.dbt_process import PROJECT_PATH, DbtBuild, DbtFailed, kinds_to_build

__all__ = ["Builds", "build_truth", "code_fingerprint"]

_TOOLS = ("dbt-core", "dbt-duckdb", "duckdb")
_NOT_CODE = frozenset({"target", "logs"})


class Builds(Protocol):
    """What builds: ``orchestration.dbt_process.DbtProcess``."""

    def build(self, *, is_refresh: bool = False) -> DbtBuild:
        """One dbt build; a refresh leaves the views as they are."""
        ...


def build_truth(
    dbt: Builds, warehouse: Path, *, connected: Collection[str] = (), is_again: bool = False
) -> DbtBuild:
    """Build the truth, as little of it as is needed.

    Args:
        dbt: builds.
        warehouse: the working warehouse; nobody has it open.
        connected: kinds of the connected systems, which decide what views there are.
        is_again: this loop has built before.

    Raises:
        DbtFailed: a model or an error-severity test failed: nothing may be sent.
    """
    code = f"{code_fingerprint()} {','.join(kinds_to_build(connected))}"
    if is_again or built_code(warehouse) == code:
        try:
            return dbt.build(is_refresh=True)
        except DbtFailed:
            if is_again:
                raise
            # A view may have been dropped, or not fit its table any more: the full build tells.
    remember_built_code(warehouse, "")  # one that fails half-way leaves views of two minds
    built = dbt.build()
    remember_built_code(warehouse, code)
    return built


def code_fingerprint(project: Path = PROJECT_PATH) -> str:
    """Changes with any file of the dbt project and with the versions of what runs it."""
    found = hashlib.sha256()
    for name in _TOOLS:
        found.update(f"{name} {metadata.version(name)}\n".encode())
    for path in sorted(project.rglob("*")):
        place = path.relative_to(project)
        if path.is_file() and not _NOT_CODE.intersection(place.parts):
            found.update(f"{place} {path.stat().st_size}\n".encode())
            found.update(path.read_bytes())
    return found.hexdigest()
