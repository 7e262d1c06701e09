"""What one whole loop costs: in full, when nothing changed, and when every system is empty.

A loop is ``ledgerloop sync`` as a process of its own. CPU seconds are those of that process and of
all it started (dbt's child and its forks); the vendors run in another process and do not count.
Memory is the highest sum of resident pages over the same processes, looked at ten times a second;
pages that a fork shares count once per process, so it is an upper bound.

The systems are the sandbox's, seeded by the generator: N open items of N / 50 customers, a tenth of
them paid at the bank, limits, orders and a CRM that knows most of it. The *full* loop is the first
one: it reads everything, posts and clears the receipts, writes limits and the CRM. A *no-change*
loop finds every system as the loop before left it. The first loop after the full one is none: it
reads back all that the hub itself just wrote, and stands beside. The *empty* loops are the same two
on systems that hold nothing: the first one, which also makes every view, and the one after it. What
they cost is start-up; each is taken off the loop of its own sort before the two are compared.

Run: ``python -m bench.loop [--sizes 10k 100k] [--runs 3]``. A full loop runs once a size, because
it changes the systems; the others are medians.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.common import Figure, medians, write_figures
from orchestration.sandbox_process import running_sandbox

QUICK_ARGUMENTS = ("--sizes", "10k", "--runs", "1")

RUNS = 3
SIZES = {"1k": 1_000, "10k": 10_000, "100k": 100_000}
LIMIT_RSS_MB = 2000.0
LIMIT_SHARE = 1 / 3
_PAID_SHARE = 0.1
_ITEMS_PER_CUSTOMER = 50
_LOOK_SECONDS = 0.1
_PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1e6
_SESSION_FIELD, _RSS_FIELD = 3, 21
#: All verified, or some exceptions opened: the seeded bank data holds what only people can solve.
_LOOP_ENDED = frozenset({0, 3})


@dataclass(frozen=True, slots=True)
class Cost:
    """What one loop took. ``writes``: what it sent to the systems."""

    cpu_s: float
    wall_s: float
    rss_mb: float
    writes: float


def run_loop(home: Path, config: Path, as_of: str) -> Cost:
    """One ``ledgerloop sync`` on a running sandbox.

    Raises:
        AssertionError: the loop failed; what it said stands above.
    """
    report = home / "loop.json"
    command = _ledgerloop("sync", "--as-of", as_of, "--initial", "--json", str(report))
    started = time.perf_counter()
    process = subprocess.Popen(
        command, env=_environment(home, config), stdout=sys.stderr, start_new_session=True
    )
    rss_mb = 0.0
    while True:
        ended, status, used = os.wait4(process.pid, os.WNOHANG)
        if ended:
            break
        rss_mb = max(rss_mb, _session_rss_mb(process.pid))
        time.sleep(_LOOK_SECONDS)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode in _LOOP_ENDED, f"the loop ended with code {process.returncode}"
    writes = json.loads(report.read_text(encoding="utf-8"))["writes"]
    return Cost(used.ru_utime + used.ru_stime, wall, rss_mb, writes)


def _ledgerloop(*arguments: str) -> list[str]:
    return [sys.executable, "-W", "ignore", "-m", "orchestration.cli", *arguments]


def _environment(home: Path, config: Path) -> dict[str, str]:
    found = {name: text for name, text in os.environ.items() if name != "LEDGERLOOP_OPS_URL"}
    return found | {"LEDGERLOOP_HOME": str(home), "LEDGERLOOP_CONFIG": str(config)}


def _session_rss_mb(session: int) -> float:
    """Resident memory of every process of a session, in MB; 0 where there is no ``/proc``."""
    pages = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue  # it ended between listing and reading
        fields = text.rpartition(")")[2].split()
        if int(fields[_SESSION_FIELD]) == session:
            pages += int(fields[_RSS_FIELD])
    return pages * _PAGE_MB


# ---------------------------------------------------------------------- with data


@dataclass(frozen=True, slots=True)
class Costs:
    """The loops over one size: the full one, the one right after it, and without any change."""

    full: Cost
    following: Cost
    unchanged: Cost


def measure_size(rows: int, runs: int) -> Costs:
    """The loops over ``rows`` open items of one SAP system; raises as ``measure_loops``."""
    paid = int(rows * _PAID_SHARE)
    seeding: dict[str, int | str] = {
        "customers": max(rows // _ITEMS_PER_CUSTOMER, 10),
        "open_items": rows - paid,
        "closed_items": paid,
        "erps": "sap",
    }
    return measure_loops(seeding, runs)


def measure_loops(seeding: Mapping[str, int | str], runs: int) -> Costs:
    """The loops over what the generator makes of ``seeding``.

    Raises:
        AssertionError: a loop failed, the full one wrote nothing or one after it wrote.
    """
    with tempfile.TemporaryDirectory(prefix="ledgerloop-bench-") as folder:
        home = Path(folder)
        with running_sandbox(home, seeding=seeding):
            config = home / "sandbox" / "ledgerloop.toml"
            about = json.loads((home / "demo" / "dataset.json").read_text(encoding="utf-8"))
            _import_limits(home, config)
            full = run_loop(home, config, about["as_of"])
            assert full.writes > 0, "the first loop found nothing to write"
            following, *unchanged = (
                run_loop(home, config, about["as_of"]) for _ in range(1 + runs)
            )
            wrote = [one.writes for one in (following, *unchanged)]
            assert not any(wrote), f"loops after the full one wrote {wrote}"
    return Costs(full, following, _median(unchanged))


def _import_limits(home: Path, config: Path) -> None:
    """Take over the approved limits, as the demo does."""
    limits = str(home / "demo" / "approved_limits.csv")
    subprocess.run(
        _ledgerloop("approvals", "import", limits),
        env=_environment(home, config),
        stdout=sys.stderr,
        check=True,
    )


# ---------------------------------------------------------------------- without data


def measure_empty(runs: int) -> Costs:
    """The loops on systems that hold nothing, each time from an empty home."""
    found = [_empty_loops() for _ in range(runs)]
    again = _median([one for _, one in found])
    return Costs(_median([one for one, _ in found]), again, again)


def _empty_loops() -> tuple[Cost, Cost]:
    """The first loop and the second one, which finds the views that the first one made."""
    config = Path(__file__).parents[1] / "ledgerloop.toml"
    as_of = time.strftime("%Y-%m-%d", time.gmtime())
    with tempfile.TemporaryDirectory(prefix="ledgerloop-bench-") as folder:
        home = Path(folder)
        with _empty_sandbox(home):
            return run_loop(home, config, as_of), run_loop(home, config, as_of)


@contextmanager
def _empty_sandbox(home: Path) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "bench.loop", "--serve-empty", str(home)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline(), "the empty sandbox did not start"
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)
        process.stdout.close()


def _serve_empty(home: Path) -> None:
    """Serve empty systems until told to stop; one line on stdout when they listen."""
    from sandbox.core.serve import serve
    from sandbox.demo.serving import systems_and_settings

    os.environ["LEDGERLOOP_TRYTON_POSTGRES_URL"] = ""  # the committed configuration has none
    systems, settings = systems_and_settings(is_extract=False, companies=None)
    serve(
        home=home, is_seeded=False, systems=systems, settings=settings,
        on_ready=lambda _: print("ready", flush=True),
    )  # fmt: skip


def _median(costs: list[Cost]) -> Cost:
    return Cost(**medians([asdict(one) for one in costs]))


# ---------------------------------------------------------------------- figures


def figures_of(empty: Costs, sizes: Mapping[str, Costs]) -> list[Figure]:
    """Every figure; each loop beside the others, targets as ``limit``."""
    found = [one for size, costs in sizes.items() for one in _figures_of_size(size, costs, empty)]
    first, again = empty.full, empty.unchanged
    return [
        *found,
        Figure("loop.cpu_s.empty", first.cpu_s, "s", {"no change": again.cpu_s}),
        Figure("loop.wall_s.empty", first.wall_s, "s", {"no change": again.wall_s}),
        Figure("loop.peak_rss_mb.empty", first.rss_mb, "MB", {"limit": LIMIT_RSS_MB}),
        Figure("noop_loop.cpu_s.empty", again.cpu_s, "s", {"first": first.cpu_s}),
        Figure("noop_loop.wall_s.empty", again.wall_s, "s", {"first": first.wall_s}),
    ]


def _figures_of_size(size: str, costs: Costs, empty: Costs) -> list[Figure]:
    full, following, again = costs.full, costs.following, costs.unchanged
    spent, spent_again = full.cpu_s - empty.full.cpu_s, again.cpu_s - empty.unchanged.cpu_s
    beside_full_cpu_s = {"no change": again.cpu_s, "empty": empty.full.cpu_s}
    beside_full_wall_s = {"no change": again.wall_s, "empty": empty.full.wall_s}
    beside_cpu_s = {
        "limit": empty.full.cpu_s + spent * LIMIT_SHARE,
        "full": full.cpu_s,
        "after full": following.cpu_s,
        "empty": empty.unchanged.cpu_s,
    }
    beside_wall_s = {
        "full": full.wall_s,
        "after full": following.wall_s,
        "empty": empty.unchanged.wall_s,
    }
    limit = {"limit": LIMIT_RSS_MB}
    return [
        Figure(f"loop.cpu_s.{size}", full.cpu_s, "s", beside_full_cpu_s),
        Figure(f"loop.wall_s.{size}", full.wall_s, "s", beside_full_wall_s),
        Figure(f"loop.peak_rss_mb.{size}", full.rss_mb, "MB", limit | {"empty": empty.full.rss_mb}),
        Figure(f"loop.writes.{size}", full.writes, "writes", {"no change": again.writes}),
        Figure(f"noop_loop.cpu_s.{size}", again.cpu_s, "s", beside_cpu_s),
        Figure(f"noop_loop.wall_s.{size}", again.wall_s, "s", beside_wall_s),
        Figure(f"noop_loop.peak_rss_mb.{size}", again.rss_mb, "MB", limit | {"full": full.rss_mb}),
        Figure(
            f"noop_loop.share_of_full.{size}",
            spent_again / spent,
            "CPU s / CPU s",
            {"limit": LIMIT_SHARE},
        ),
    ]


def main() -> None:
    """Measure and write ``bench/loop.json``, or serve empty systems as a child."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--serve-empty", type=Path, metavar="HOME")
    parser.add_argument("--sizes", nargs="*", default=["10k", "100k"], choices=list(SIZES))
    parser.add_argument("--runs", type=int, default=RUNS)
    chosen = parser.parse_args()
    if chosen.serve_empty:
        _serve_empty(chosen.serve_empty)
        return
    empty = measure_empty(chosen.runs)
    sizes = {size: measure_size(SIZES[size], chosen.runs) for size in chosen.sizes}
    write_figures("loop", figures_of(empty, sizes))


if __name__ == "__main__":
    main()
