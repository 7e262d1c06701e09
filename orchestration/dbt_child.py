"""The dbt process: imports dbt once, then builds whenever the parent asks (JSON lines on stdin).

dbt holds the warehouse file locked in the process that ran it, and importing it costs seconds; one
child that lives as long as the loop pays the import once, beside the reading (STACK.md). Each
build runs in a fork of the warm child, so that DuckDB's lock ends with the build.

Run by ``orchestration.dbt_process``; never imported by it.
"""

import json
import os
import sys
import traceback
from typing import Any


def _build(arguments: list[str]) -> dict[str, Any]:
    """Run one dbt command; returns success, counts by status and the messages of failures."""
    from dbt.cli.main import dbtRunner

    outcome = dbtRunner().invoke(arguments)
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


def _build_in_fork(arguments: list[str], answer_file: int) -> None:
    """Fork, build, write the answer as one JSON line to ``answer_file``."""
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        if status:
            _write(answer_file, {"success": False, "counts": {}, "messages": [f"exit {status}"]})
        return
    try:
        _write(answer_file, _build(arguments))
        code = 0
    except BaseException:  # noqa: BLE001  (the fork must never return into the parent's loop)
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _write(answer_file: int, answer: dict[str, Any]) -> None:
    os.write(answer_file, json.dumps(answer).encode() + b"\n")


def main() -> None:
    """Warm up, then serve builds until stdin closes."""
    answer_file = os.dup(1)
    os.dup2(2, 1)  # whatever dbt prints goes to stderr, never into the answers
    import dbt.adapters.duckdb
    import dbt.cli.main  # noqa: F401  (the warm-up itself)

    _write(answer_file, {"ready": True})
    for line in sys.stdin:
        _build_in_fork(json.loads(line)["arguments"], answer_file)


if __name__ == "__main__":
    main()
