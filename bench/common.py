"""What every measurement shares: figures with their peers, the machine, child processes.

A figure is measured in a process of its own, so that neither another variant's imports nor its
memory counts. Nothing here decides whether a figure is good.
"""

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ingestion.common.config import home_path

__all__ = [
    "Figure",
    "cpu_seconds",
    "machine",
    "medians",
    "peak_rss_mb",
    "run_child",
    "write_figures",
]


_TABLE_WIDTH = 120


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value. ``beside``: the same measured of a peer, or a limit, by name."""

    name: str
    value: float
    unit: str
    beside: Mapping[str, float] = field(default_factory=dict)


def cpu_seconds() -> float:
    """CPU seconds of this process so far, all threads, user and system."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_rss_mb() -> float:
    """Highest resident memory of this process so far, in MB.

    Linux's own count of this program, since ``ru_maxrss`` starts at what the parent held.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    peak = next(line for line in lines if line.startswith("VmHWM:"))
    return int(peak.split()[1]) / 1000


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.platform(),
        "load_average": round(os.getloadavg()[0], 2),
    }


def _short(value: float) -> str:
    """Readable, never in exponents."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.4g}"


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def run_child(module: str, *arguments: str) -> dict[str, float]:
    """Run ``python -m module arguments``; its last line of output is JSON of numbers."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, check=True, text=True
    )
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def medians(runs: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The median of each number over several runs."""
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def write_figures(name: str, figures: Sequence[Figure]) -> Path:
    """Write ``bench/<name>.json`` into the home and print the figures as a table."""
    path = home_path() / "bench" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    tree = {"machine": machine(), "figures": [asdict(figure) for figure in figures]}
    path.write_text(json.dumps(tree, indent=2) + "\n", encoding="utf-8")
    table = Table(title=name)
    for column in ("figure", "value", "unit", "beside"):
        table.add_column(column, justify="right" if column == "value" else "left", no_wrap=True)
    for figure in figures:
        beside = "\n".join(f"{peer} {_short(value)}" for peer, value in figure.beside.items())
        table.add_row(figure.name, _short(figure.value), figure.unit, beside)
    Console(width=_TABLE_WIDTH).print(table)
    return path
