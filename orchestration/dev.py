"""``ledgerloop dev``: the Dagster UI over a running sandbox; Ctrl-C stops both."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from ingestion.common.config import home_path
from orchestration.sandbox_process import running_sandbox

__all__ = ["run_dev"]

#: Dagster's own settings: nothing leaves this machine, no greeting window.
_INSTANCE = """\
telemetry:
  enabled: false
nux:
  enabled: false
"""


def run_dev(dataset: Path | None, port: int) -> int:
    """Start the sandbox (on its saved state where there is one) and ``dagster dev`` on loopback."""
    console = Console(highlight=False)
    home = home_path().resolve()
    state = home / "sandbox" / "state"
    if not state.exists():
        console.print("No sandbox state yet: seeding one (`make demo` leaves a looped one)")
    with running_sandbox(home, dataset=dataset, state=state):
        about = json.loads((home / "demo" / "dataset.json").read_text(encoding="utf-8"))
        dagster_home = home / "dagster"
        dagster_home.mkdir(parents=True, exist_ok=True)
        (dagster_home / "dagster.yaml").write_text(_INSTANCE, encoding="utf-8")
        environment = {
            **os.environ,
            "LEDGERLOOP_HOME": str(home),
            "LEDGERLOOP_CONFIG": str(home / "sandbox" / "ledgerloop.toml"),
            "LEDGERLOOP_AS_OF": str(about["as_of"]),
            "DAGSTER_HOME": str(dagster_home),
        }
        console.print(f"Dagster UI: http://127.0.0.1:{port}  (as of {about['as_of']}; Ctrl-C ends)")
        return _dagster(environment, port)


def _dagster(environment: dict[str, str], port: int) -> int:
    """Run ``dagster dev`` in its own process group until it ends or Ctrl-C."""
    command = [sys.executable, "-W", "ignore", "-m", "dagster", "dev"]
    command += ["-m", "orchestration.definitions", "-h", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, env=environment)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=30)
        return 0
