"""Publishing: a versioned copy of the warehouse behind a symlink that readers open.

One DuckDB writer locks out everyone else, and replacing a file in place serves old data to a
process that had it open (STACK.md). So each green loop copies the working file under a new name
and moves a symlink; readers open its real path. The last ``KEEP`` copies stay.
"""

import os
import shutil
from pathlib import Path

__all__ = ["publish"]

KEEP = 3


def publish(warehouse: Path, home: Path, run_id: str) -> Path:
    """Copy the closed warehouse to ``<home>/published`` and point the symlink at the copy.

    Returns:
        The symlink's path. Readers resolve it before opening.
    """
    folder = home / "published"
    folder.mkdir(parents=True, exist_ok=True)
    copy = folder / f"warehouse-{run_id}.duckdb"
    partial = copy.with_suffix(".partial")
    shutil.copyfile(warehouse, partial)
    partial.replace(copy)
    link = folder / "warehouse.duckdb"
    fresh = folder / "warehouse.duckdb.next"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(copy.name)
    os.replace(fresh, link)  # noqa: PTH105  (replaces the link itself, atomically)
    copies = sorted(folder.glob("warehouse-*.duckdb"), key=lambda path: path.stat().st_mtime_ns)
    for old in copies[:-KEEP]:
        old.unlink()
    return link
