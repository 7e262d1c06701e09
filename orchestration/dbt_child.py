"""The dbt process: imports dbt once, then builds whenever the parent asks (JSON lines on stdin).

dbt holds the warehouse file locked in the process that ran it, and importing it costs seconds; one
child that lives as long as the loop pays the import once, beside the reading (STACK.md), and reads
the project once for all its builds. Each build runs in a fork of the warm child, so that DuckDB's
lock ends with the build.

Run by ``orchestration.dbt_process``; never imported by it.
"""

import gc
import json
import os
import select
import signal
import sys
import traceback
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from dbt.contracts.graph.manifest import Manifest


def _parsed() -> "Manifest | None":
    """The project, read once; None where it cannot be read: each build then says why."""
    from dbt.cli.main import dbtRunner
    from dbt.contracts.graph.manifest import Manifest

    # Written once, for Dagster's catalogue, which makes it anew itself when a model is younger.
    is_written = Path(os.environ["DBT_TARGET_PATH"], "manifest.json").is_file()
    settings = ["--no-write-json"] if is_written else []
    found = dbtRunner().invoke([*settings, "parse", "--quiet"]).result
    return found if isinstance(found, Manifest) else None


def _build(arguments: list[str], manifest: "Manifest | None") -> dict[str, Any]:
    """Run one dbt command; returns success, counts by status and the messages of failures."""
    from dbt.cli.main import dbtRunner

    outcome = dbtRunner(manifest=manifest).invoke(arguments)
    counts: dict[str, int] = {}
    failures: list[str] = []
    for result in getattr(outcome.result, "results", None) or []:
        status = str(result.status)
        counts[status] = counts.get(status, 0) + 1
        if status in {"error", "fail", "runtime error", "warn"}:
            failures.append(f"{status}: {result.node.name}: {result.message or ''}".strip())
    if outcome.exception is not None:
        failures.append(f"{type(outcome.exception).__name__}: {outcome.exception}")
    return {"success": bool(outcome.success), "counts": counts, "messages": failures}


def _build_in_fork(arguments: list[str], manifest: "Manifest | None") -> bytes:
    """Fork, build, and return the answer once the fork is gone and its lock with it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _work(arguments, manifest, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        _end_with_parent(pipe, child)
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    if status or not answer:
        return _as_line({"success": False, "counts": {}, "messages": [f"exit {status}"]})
    return answer


def _end_with_parent(pipe: IO[bytes], child: int) -> None:
    """Wait for the build's answer; end at once when the parent is gone.

    The parent says nothing while it waits, so stdin becomes readable only by its end. A build that
    went on for a parent that was killed would keep the warehouse locked for the next run.
    """
    ready, _, _ = select.select([pipe, sys.stdin], [], [])
    if pipe not in ready:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os._exit(1)


def _work(arguments: list[str], manifest: "Manifest | None", writing: int) -> NoReturn:
    """The fork's life: build, write the answer, end without running the parent's exits."""
    code = 1
    try:
        os.write(writing, _as_line(_build(arguments, manifest)))
        code = 0
    except BaseException:  # noqa: BLE001  (the fork must never return into the parent's loop)
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _as_line(answer: dict[str, Any]) -> bytes:
    return json.dumps(answer).encode() + b"\n"


def main() -> None:
    """Warm up, then serve builds until stdin closes."""
    gc.disable()  # imports and a parse make hardly any garbage, and this process does nothing else
    answer_file = os.dup(1)
    os.dup2(2, 1)  # whatever dbt prints goes to stderr, never into the answers
    import dbt.adapters.duckdb
    import dbt.cli.main  # noqa: F401  (the warm-up itself)

    manifest = _parsed()
    gc.collect()
    gc.freeze()  # forks share these pages as long as nobody touches them
    os.write(answer_file, _as_line({"ready": True}))
    for line in sys.stdin:
        os.write(answer_file, _build_in_fork(json.loads(line)["arguments"], manifest))


if __name__ == "__main__":
    main()
