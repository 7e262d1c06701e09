"""The loop of a Dagster run: one ``Loop`` object for all steps of a run in this process."""

import os
from datetime import date

from ingestion.common.config import home_path, load_config
from orchestration.loop import Loop

__all__ = ["end_loop", "loop_of"]

_RUNNING: dict[str, Loop] = {}


def loop_of(run_id: str) -> Loop:
    """The loop of a Dagster run, made at its first step.

    ``LEDGERLOOP_AS_OF`` fixes the business date (``ledgerloop dev`` sets it to the sandbox's);
    ``LEDGERLOOP_INITIAL=1`` allows the first load of guarded objects.
    """
    if run_id not in _RUNNING:
        fixed = os.environ.get("LEDGERLOOP_AS_OF")
        _RUNNING[run_id] = Loop(
            load_config(),
            home_path(),
            as_of=date.fromisoformat(fixed) if fixed else None,
            initial=os.environ.get("LEDGERLOOP_INITIAL") == "1",
        )
    return _RUNNING[run_id]


def end_loop(run_id: str) -> None:
    """Close the loop of a run that ended, well or not."""
    loop = _RUNNING.pop(run_id, None)
    if loop is not None:
        loop.close()
