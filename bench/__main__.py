"""``python -m bench [NAME …] [--quick]``: run the named measurements, all when none is named.

A measurement is a module of this folder that says how it runs in a hurry (``QUICK_ARGUMENTS``);
all other modules help. Each runs in a process of its own and writes ``bench/<name>.json`` into the
home. Nothing here knows what is measured.
"""

import argparse
import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Sequence

import bench


def measurements() -> dict[str, tuple[str, ...]]:
    """Every measurement of the folder: its name and the arguments of its quick run."""
    found = {}
    for one in pkgutil.iter_modules(bench.__path__):
        if one.name.startswith("_"):
            continue
        quick = getattr(importlib.import_module(f"bench.{one.name}"), "QUICK_ARGUMENTS", None)
        if quick is not None:
            found[one.name] = tuple(quick)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run each measurement in a process of its own; 1 when one failed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="small sizes, one run each")
    parser.add_argument("--list", action="store_true", help="name the measurements and end")
    chosen = parser.parse_args(arguments)
    known = measurements()
    if chosen.list:
        print("\n".join(known))
        return 0
    wanted = chosen.names or list(known)
    if unknown := [name for name in wanted if name not in known]:
        parser.error(f"unknown: {', '.join(unknown)}; there are {', '.join(known)}")
    failed = [name for name in wanted if not _run(name, known[name] if chosen.quick else ())]
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _run(name: str, arguments: Sequence[str]) -> bool:
    command = [sys.executable, "-W", "ignore", "-m", f"bench.{name}", *arguments]
    return subprocess.run(command, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
