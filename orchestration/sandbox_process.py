"""Starts ``ledgerloop sandbox serve`` as a process of its own and waits until it listens.

The vendors run in another process, so that client figures are the client's alone. Imports nothing
of ``sandbox``: it only calls the command line.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ingestion.common.errors import LedgerloopError

__all__ = ["SandboxFailed", "running_sandbox"]

_POLL_SECONDS = 0.1


class SandboxFailed(LedgerloopError):
    """The sandbox ended or did not listen in time."""


@contextmanager
def running_sandbox(
    home: Path,
    *,
    dataset: Path | None = None,
    state: Path | None = None,
    seeding: Mapping[str, int | str | None] | None = None,
    start_seconds_max: float = 900.0,
) -> Iterator[dict[str, Any]]:
    """The endpoints tree of a running sandbox; stops it (and saves its state) on leaving.

    Raises:
        SandboxFailed: it ended early or did not listen within ``start_seconds_max``.
    """
    endpoints = home / "sandbox" / "endpoints.json"
    endpoints.parent.mkdir(parents=True, exist_ok=True)
    endpoints.unlink(missing_ok=True)
    command = [sys.executable, "-W", "ignore", "-m", "orchestration.cli", "sandbox", "serve"]
    command += ["--endpoints", str(endpoints)]
    for name, value in (seeding or {}).items():
        if value is not None:
            command += [f"--{name.replace('_', '-')}", str(value)]
    if dataset is not None:
        command += ["--dataset", str(dataset)]
    if state is not None:
        command += ["--state", str(state)]
    process = subprocess.Popen(
        command,
        env={**os.environ, "LEDGERLOOP_HOME": str(home.resolve())},
        start_new_session=True,
    )
    try:
        _wait_for(endpoints, process, start_seconds_max)
        yield json.loads(endpoints.read_text(encoding="utf-8"))
    finally:
        _stop(process)


def _wait_for(endpoints: Path, process: subprocess.Popen[bytes], seconds_max: float) -> None:
    deadline = time.monotonic() + seconds_max
    while not endpoints.exists():
        if process.poll() is not None:
            raise SandboxFailed(
                f"the sandbox ended with code {process.returncode} before it listened: "
                "read its messages above",
                code="sandbox_ended",
            )
        if time.monotonic() > deadline:
            raise SandboxFailed(f"the sandbox did not listen within {seconds_max:.0f} s")
        time.sleep(_POLL_SECONDS)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end and save; after a minute, end it."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
