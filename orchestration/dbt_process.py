"""Starts and asks the dbt child process; the only place that knows how dbt is run."""

import json
import os
import subprocess
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self, cast

from ingestion.common.errors import LedgerloopError

__all__ = [
    "HOLDS_DATA",
    "PROJECT_PATH",
    "DbtBuild",
    "DbtFailed",
    "DbtProcess",
    "dbt_environment",
    "erp_kinds",
    "kinds_to_build",
]

PROJECT_PATH = Path(__file__).parents[1] / "dbt_project"


#: What a refresh rebuilds, in dbt's node selection. Views hold no data: once made by a full build
#: of this code they need no second one, which saves half of a build's fixed cost.
HOLDS_DATA = (
    "config.materialized:table",
    "config.materialized:incremental",
    "config.materialized:snapshot",
    "test_type:data",
)


def _models_of(kinds: Collection[str]) -> list[str]:
    """The models that belong to ERP kinds alone, in dbt's node selection.

    By name: dbt looks through the folders of every path it is given, for every node it has.
    """
    forms = ("fqn:ledgerloop.staging.{}", "fqn:sync_{}__*", "fqn:observed_{}__*")
    return [form.format(kind) for kind in kinds for form in forms]


class DbtFailed(LedgerloopError):
    """A model or a blocking test failed: the truth is not trustworthy, nothing may be sent."""


@dataclass(frozen=True, slots=True)
class DbtBuild:
    """What one build did: counts by status, and the messages of failures and warnings."""

    counts: dict[str, int]
    messages: tuple[str, ...]


def erp_kinds() -> list[str]:
    """Kinds that bring the canonical feeds of an ERP: the staging folders that hold them."""
    staging = PROJECT_PATH / "models" / "staging"
    return sorted(
        folder.name
        for folder in staging.iterdir()
        if (folder / f"feed_{folder.name}__items.sql").is_file()
    )


def kinds_to_build(connected: Collection[str]) -> list[str]:
    """The ERP kinds whose models a warehouse needs: those connected; all where none is.

    A kind that shared models look into by name is always built: they would not stand without it.
    """
    shared = "".join(
        path.read_text(encoding="utf-8")
        for folder in ("intermediate", "marts")
        for path in (PROJECT_PATH / "models" / folder).rglob("*.sql")
    )
    known = erp_kinds()
    found = [kind for kind in known if kind in connected or f"'stg_{kind}__" in shared]
    return found if set(known).intersection(connected) else known


def dbt_environment(warehouse: Path, home: Path, connected: Collection[str] = ()) -> dict[str, str]:
    """The environment every dbt process runs in: all it writes goes under ``<home>/dbt``.

    Args:
        warehouse: the file that dbt works on.
        home: ``LEDGERLOOP_HOME``.
        connected: kinds of the connected systems; without any, every ERP kind is built.
    """
    folder = (home / "dbt").resolve()
    return {
        **os.environ,
        "LEDGERLOOP_WAREHOUSE": str(warehouse.resolve()),
        "LEDGERLOOP_ERP_KINDS": ",".join(kinds_to_build(connected)),
        "DBT_PROFILES_DIR": str(PROJECT_PATH),
        "DBT_PROJECT_DIR": str(PROJECT_PATH),
        "DBT_TARGET_PATH": str(folder / "target"),
        "DBT_LOG_PATH": str(folder / "logs"),
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DBT_USE_COLORS": "false",
    }


class DbtProcess:
    """A warm dbt child on one warehouse; builds one after the other.

    Args:
        warehouse: the working DuckDB file; nobody else may hold it open during a build.
        home: where dbt's compiled SQL and logs go (``<home>/dbt``).
        connected: kinds of the connected systems; models of other ERPs are not made.
    """

    def __init__(self, warehouse: Path, home: Path, connected: Collection[str] = ()) -> None:
        self._warehouse = warehouse
        self._connected = connected
        self._folder = home / "dbt"
        self._process: subprocess.Popen[str] | None = None
        self._log: IO[str] | None = None
        self._is_asked = False

    def start(self) -> Self:
        """Start the child; it warms up while the caller does other work."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._is_asked = False
        self._log = (self._folder / "dbt.log").open("a", encoding="utf-8")
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "orchestration.dbt_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=dbt_environment(self._warehouse, self._folder.parent, self._connected),
            cwd=PROJECT_PATH.parent,
        )
        return self

    def build(self, *, is_refresh: bool = False) -> DbtBuild:
        """Run ``dbt build`` without unit tests.

        Args:
            is_refresh: rebuild only tables and data tests; views stand since an earlier build of
                the same code on this warehouse.

        Raises:
            DbtFailed: a model or an error-severity test failed, or the process ended.
        """
        if self._process is None:
            self.start()
        process = cast("subprocess.Popen[str]", self._process)
        stdin, stdout = cast("IO[str]", process.stdin), cast("IO[str]", process.stdout)
        self._is_asked = True
        # The manifest was written by the child's parse; nothing here reads dbt's other artifacts.
        # Its own log file says everything; a silent console costs work for every line, too.
        command = ["--no-write-json", "--log-level", "none", "--log-level-file", "debug"]
        command += ["build", "--exclude-resource-type", "unit_test", "--quiet"]
        command += ["--select", *HOLDS_DATA] if is_refresh else []
        left_out = sorted(set(erp_kinds()) - set(kinds_to_build(self._connected)))
        command += ["--exclude", *_models_of(left_out)] if left_out else []
        try:
            stdin.write(json.dumps({"arguments": command}) + "\n")
            stdin.flush()
            answer = self._next_answer(stdout)
        except BrokenPipeError:
            answer = None
        if answer is None:
            raise DbtFailed(
                f"the dbt process ended without an answer: read {self._folder / 'dbt.log'}",
                code="dbt_gone",
            )
        messages = tuple(answer["messages"])
        if not answer["success"]:
            listed = "\n  ".join(messages[:10])
            raise DbtFailed(
                f"dbt build failed, nothing is sent:\n  {listed}\n"
                f"Read {self._folder / 'logs' / 'dbt.log'} for the compiled SQL.",
                code="dbt_failed",
            )
        return DbtBuild(dict(answer["counts"]), messages)

    def _next_answer(self, stdout: IO[str]) -> dict[str, Any] | None:
        """The next answer line that is not the warm-up's; None when the child is gone."""
        for line in stdout:
            answer: dict[str, Any] = json.loads(line)
            if "ready" not in answer:
                return answer
        return None

    def close(self) -> None:
        """Let the child end; waits for it, but not for a warm-up that nobody asked a build of."""
        if self._process is not None:
            if not self._is_asked:
                self._process.terminate()
            for stream in (self._process.stdin, self._process.stdout):
                if stream is not None:
                    stream.close()
            self._process.wait(timeout=30)
            self._process = None
        if self._log is not None:
            self._log.close()
            self._log = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
