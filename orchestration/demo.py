"""``ledgerloop demo``: the main job on the sandbox, twice, with the figures before and after.

The figures are counted from the systems themselves, through their protocols, by a measuring
function that the command line passes in; nothing here knows what a figure means.
"""

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from ingestion.common.config import Config, home_path, load_config
from ingestion.common.errors import ConfigError
from orchestration.dbt_process import PROJECT_PATH
from orchestration.delivering import open_store
from orchestration.loop import Loop
from orchestration.run import RunReport
from orchestration.sandbox_process import running_sandbox
from orchestration.show import console as wide_console

__all__ = ["run_demo"]

Figures = dict[str, Any]
Measure = Callable[..., Figures]

_MARKER = ".demo"
#: A question and its query, as the dbt project's README holds them: they stand there only.
_QUERY = re.compile(r"\n(?P<question>[A-Z][^\n]*\?)\n\n```sql\n(?P<query>.*?)```", re.DOTALL)
_QUERIES_SHOWN = 3
_OWN = ("warehouse.duckdb", "ops.sqlite", "published", "bank", "sandbox", "demo", "runs", "dbt")
_MUST_BE_ZERO = (
    "paid_but_open",
    "stale_limits",
    "blocked_in_good_standing",
    "crm_wrong_status",
    "drift_rows",
)
_PLAIN = {
    "paid_but_open": "ERP items open though a booked receipt pays them",
    "stale_limits": "ERP credit limits that differ from the last approved",
    "blocked_in_good_standing": "orders blocked though they pass the release test",
    "crm_wrong_status": "CRM accounts, balances and invoices that differ from the ERP",
    "crm_unlinked": "CRM accounts without a sure ERP customer (may stay)",
    "awaiting_approval": "changes that wait for a person (may stay)",
    "unapplied_cash": "unapplied cash by currency (may stay)",
    "drift_rows": "drift that no proposal, approval or exception explains",
    "gl_ties": "buckets = sub-ledger = general ledger",
}

_OF_SYSTEM = {
    "open_items": "open items",
    "paid_but_open": "paid but open",
    "stale_limits": "stale limits",
    "blocked_in_good_standing": "blocked in good standing",
}


@dataclass(frozen=True, slots=True)
class _Scene:
    """What every stage of the demo needs."""

    console: Console
    home: Path
    config: Config
    as_of: date
    admin_url: str
    measure: Measure


def run_demo(
    dataset: Path | None,
    json_file: Path | None,
    seeding: Mapping[str, int | str | None],
    measure: Measure,
    verify_postings: Callable[..., Figures],
) -> int:
    """Run the demo; returns the exit code (0 only if the loop closed).

    Raises:
        ConfigError: the home folder holds state that is not the demo's.
    """
    console = wide_console()
    home = _fresh_home(home_path())
    console.print(
        "[bold]1. Sandbox[/]: seeding the ERPs, the CRM and the bank over their protocols"
    )
    with running_sandbox(
        home, dataset=dataset, state=home / "sandbox" / "state", seeding=seeding
    ) as endpoints:
        os.environ["LEDGERLOOP_CONFIG"] = str(home / "sandbox" / "ledgerloop.toml")
        about = json.loads((home / "demo" / "dataset.json").read_text(encoding="utf-8"))
        scene = _Scene(
            console,
            home,
            load_config(),
            date.fromisoformat(about["as_of"]),
            str(endpoints["admin"]["base_url"]),
            measure,
        )
        before, after, runs = _loop_twice(scene)
        postings = verify_postings(scene.config, home=home, admin_url=scene.admin_url)
    closed = (
        all(after[name] == 0 for name in _MUST_BE_ZERO)
        and bool(after["gl_ties"])
        and runs[1].total("writes") == 0
        and bool(postings["is_exact"])
    )
    _show(scene, before, after, runs, postings, closed=closed)
    report = {
        "closed": closed,
        "as_of": scene.as_of.isoformat(),
        "dataset": about,
        "before": before,
        "after": after,
        "runs": [_run_figures(run) for run in runs],
        "postings": postings,
    }
    text = json.dumps(report, indent=1, default=str)
    (home / "demo" / "report.json").write_text(text, encoding="utf-8")
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(text, encoding="utf-8")
    return 0 if closed else 1


def _fresh_home(home: Path) -> Path:
    """Remove what an earlier demo left; refuse a home that holds anything else."""
    home.mkdir(parents=True, exist_ok=True)
    has_state = any((home / name).exists() for name in ("warehouse.duckdb", "ops.sqlite"))
    if has_state and not (home / _MARKER).exists():
        raise ConfigError(
            f"{home} holds state that the demo did not make: set LEDGERLOOP_HOME to another folder",
            code="home_in_use",
        )
    for name in _OWN:
        path = home / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for leftover in home.glob("ops.sqlite-*"):
        leftover.unlink()
    (home / _MARKER).touch()
    return home


def _loop_twice(scene: _Scene) -> tuple[Figures, Figures, list[RunReport]]:
    """Measure, loop, loop again, measure."""
    _import_approvals(scene)
    scene.console.print("[bold]2. Before[/]: counting in the systems themselves")
    before = _figures(scene, drift=None)
    runs = []
    for number in (1, 2):
        scene.console.print(f"[bold]{number + 2}. Run {number}[/]")
        with Loop(scene.config, scene.home, as_of=scene.as_of, initial=number == 1) as loop:
            if number == 1:
                before["drift_rows"], before["awaiting_approval"] = 0, 0
            runs.append(loop.run(progress=scene.console.print))
            if number == 1:
                before["drift_rows"] = loop.drift_found
            drift, waiting = loop.drift_left, loop.awaiting_approval
    scene.console.print("[bold]5. After[/]: counting again")
    after = _figures(scene, drift=drift)
    after["awaiting_approval"] = waiting
    return before, after, runs


def _import_approvals(scene: _Scene) -> None:
    """Take over the limits that people approved before the hub came."""
    from orchestration.commands.approvals import import_limits

    with open_store(scene.home) as store:
        import_limits(store, scene.home / "demo" / "approved_limits.csv")


def _figures(scene: _Scene, *, drift: int | None) -> Figures:
    figures = scene.measure(scene.config, home=scene.home, as_of=scene.as_of)
    figures["drift_rows"] = drift or 0
    figures.setdefault("awaiting_approval", 0)
    return figures


def _run_figures(run: RunReport) -> Mapping[str, Any]:
    return {
        "writes": run.total("writes"),
        "verified": run.total("verified"),
        "exceptions": run.total("exceptions"),
        "seconds": round(run.seconds, 1),
        "status": run.status,
    }


def _show(
    scene: _Scene,
    before: Figures,
    after: Figures,
    runs: list[RunReport],
    postings: Figures,
    *,
    closed: bool,
) -> None:
    """Print the figures, whether the loop closed, and where to look next."""
    table = Table(title=f"As of {scene.as_of}", title_justify="left")
    table.add_column("figure")
    table.add_column("before", justify="right")
    table.add_column("after", justify="right")
    for name, plain in _PLAIN.items():
        table.add_row(plain, _text(before.get(name)), _text(after.get(name)))
    scene.console.print(table)
    if len(after["systems"]) > 1:
        scene.console.print(_by_system(before["systems"], after["systems"], postings["systems"]))
    for number, run in enumerate(runs, 1):
        scene.console.print(
            f"Run {number}: {run.total('writes'):,} writes, {run.total('verified'):,} verified, "
            f"{run.total('exceptions')} exceptions, {run.seconds:.1f} s"
        )
    scene.console.print(f"Postings: {postings['summary']}")
    verdict = "[bold green]The loop closed.[/]" if closed else "[bold red]The loop is open.[/]"
    scene.console.print(verdict)
    scene.console.print(_where_to_look_next(scene.home), soft_wrap=True, markup=False)


def _by_system(before: Figures, after: Figures, postings: Figures) -> Table:
    """The figures of each ERP: before → after."""
    table = Table(title="By ERP: before → after", title_justify="left")
    table.add_column("ERP")
    for title in _OF_SYSTEM.values():
        table.add_column(title, justify="right")
    table.add_column("receipts posted exactly once", justify="right")
    table.add_column("books tie")
    for system_id, figures in after.items():
        cells = [
            f"{_text(before[system_id][name])} → {_text(figures[name])}" for name in _OF_SYSTEM
        ]
        booked = postings[system_id]
        once = booked["receipts"] - booked["missing"] - booked["doubled"]
        table.add_row(
            f"{system_id} ({figures['kind']})",
            *cells,
            f"{once:,} of {booked['receipts']:,}",
            _text(figures["gl_ties"]),
        )
    return table


def _where_to_look_next(home: Path) -> str:
    """The Dagster UI, what waits for people, and three queries on the published warehouse."""
    link = home / "published" / "warehouse.duckdb"
    lines = [
        "",
        "Where to look next",
        "  make dev              the Dagster UI on this sandbox",
        f"  export LEDGERLOOP_HOME={home} LEDGERLOOP_CONFIG={home}/sandbox/ledgerloop.toml",
        "  .venv/bin/ledgerloop plan       what waits for a person; then: trace, drift, exceptions",
        (
            '  .venv/bin/python -c "import duckdb, os; '
            f"c = duckdb.connect(os.path.realpath('{link}'), read_only=True); "
            'c.sql(open(0).read()).show()"     then type or paste one of these, and Ctrl-D:'
        ),
    ]
    readme = (PROJECT_PATH / "README.md").read_text(encoding="utf-8")
    for question, query in _QUERY.findall(readme)[:_QUERIES_SHOWN]:
        lines += ["", f"  {question}", *(f"    {line}" for line in query.strip().splitlines())]
    return "\n".join(lines)


def _text(value: object) -> str:
    if isinstance(value, dict):
        return (
            "  ".join(f"{amount} {currency}" for currency, amount in sorted(value.items())) or "0"
        )
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)
