"""A small twin of everything, for end-to-end tests: vendors on real ports, a home, the product.

A scene is one ``LEDGERLOOP_HOME`` with the vendors' saved books in it. Scenes are copied from one
that was seeded (or looped) once, so that every scenario starts from the same money. The product is
started as a user starts it: ``ledgerloop …`` in a process of its own. It knows no rule of the
product; the vendors' own books are looked at only where the sandbox shows them to tests.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from sandbox.core.serve import Options
from tests.support.dbt import take_parse_along
from tests.support.serving import serve_sandbox

__all__ = [
    "ERP",
    "SECONDS_MAX",
    "SIZES",
    "Finished",
    "Scene",
    "copied",
    "running_product",
    "seeded",
]

ROOT = Path(__file__).parents[2]
ERP, CRM, BANK = "sap_emea", "crm", "bank"
#: How large the twin is; with its seed it decides every figure of these tests.
SIZES = {"customers": 15, "open_items": 150, "closed_items": 60}
_COMMAND = (sys.executable, "-W", "ignore", "-m", "orchestration.cli")
#: A guard against what hangs, far above what a loaded machine needs.
SECONDS_MAX = 600.0


@dataclass(frozen=True, slots=True)
class Finished:
    """A command line that ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)


@dataclass
class Scene:
    """One home with its vendors running."""

    home: Path
    endpoints: dict[str, Any]
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def as_of(self) -> str:
        """The business date the vendors were seeded with, ISO."""
        about = json.loads((self.home / "demo" / "dataset.json").read_text(encoding="utf-8"))
        return str(about["as_of"])

    @property
    def inbox(self) -> Path:
        return self.home / "bank" / "inbox"

    @property
    def truth(self) -> dict[str, Any]:
        """What the generator knows and the product must not read."""
        tree: dict[str, Any] = json.loads((self.home / "demo" / "truth.json").read_text("utf-8"))
        return tree

    # -- the product ------------------------------------------------------------------------

    def ledgerloop(self, *arguments: str, **environment: str) -> Finished:
        """Run the product and wait for its end."""
        with running_product(self, *arguments, **environment) as process:
            out, err = process.communicate(timeout=SECONDS_MAX)
        return Finished(process.returncode, out, err)

    def sync(self, *arguments: str, **environment: str) -> tuple[Finished, dict[str, Any]]:
        """One ``ledgerloop sync`` as of the seeded date, and its JSON report."""
        file = self.home / "report.json"
        file.unlink(missing_ok=True)
        finished = self.ledgerloop(
            "sync", "--as-of", self.as_of, "--json", str(file), *arguments, **environment
        )
        tree = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        return finished, tree

    def interrupted_sync(
        self, number: signal.Signals, when: Callable[[], bool], *arguments: str
    ) -> Finished:
        """A sync that gets a signal as soon as something is so."""
        arguments = ("sync", "--as-of", self.as_of, *arguments)
        with running_product(self, *arguments) as process:
            if _wait_until(when, process):
                process.send_signal(number)
            out, err = process.communicate(timeout=SECONDS_MAX)
        return Finished(process.returncode, out, err)

    def exceptions(self) -> list[dict[str, Any]]:
        """Every exception, as ``ledgerloop exceptions list --json`` prints them."""
        found: list[dict[str, Any]] = self.ledgerloop("exceptions", "list", "--json").json()
        return found

    # -- the vendors ------------------------------------------------------------------------

    def ledger(self, system_id: str = ERP) -> dict[str, Any]:
        """A vendor's own books, the oracle of these tests."""
        answer = requests.get(f"{self.admin}/ledger/{system_id}", timeout=30)
        answer.raise_for_status()
        tree: dict[str, Any] = answer.json()
        return tree

    def crm_writes(self) -> int:
        """Write requests that the CRM has counted since it was started."""
        return int(self.ledger(CRM)["calls"].get("writes", 0))

    def faults(self, system_id: str, **what: Any) -> None:
        """Set the faults of a system; nothing named clears them."""
        answer = requests.post(
            f"{self.admin}/faults", json={"system": system_id, **what}, timeout=30
        )
        assert answer.status_code == 200, answer.text

    def struck(self, system_id: str) -> dict[str, int]:
        """How often each fault struck since it was set."""
        tree = requests.get(f"{self.admin}/faults", timeout=30).json()
        counts: dict[str, int] = tree[system_id]["counts"]
        return counts

    @property
    def admin(self) -> str:
        return str(self.endpoints["admin"]["base_url"])

    def odata(self, service: str) -> str:
        """The address of a SAP service."""
        return f"{self.endpoints['systems'][ERP]['base_url']}/sap/opu/odata/sap/{service}"

    @contextmanager
    def clerk(self) -> Iterator[requests.Session]:
        """A person signed in to SAP, who may read and change."""
        secrets = self.endpoints["systems"][ERP]["credentials"]
        with requests.Session() as session:
            session.trust_env = False
            session.auth = (secrets["username"], secrets["password"])
            session.headers["accept"] = "application/json"
            answer = session.get(
                self.odata("API_BUSINESS_PARTNER/"), headers={"x-csrf-token": "Fetch"}
            )
            session.headers["x-csrf-token"] = answer.headers["x-csrf-token"]
            yield session

    def credit_accounts(self) -> dict[str, dict[str, Any]]:
        """SAP's credit accounts by customer."""
        with self.clerk() as session:
            answer = session.get(self.odata("API_CRDTMBUSINESSPARTNER/CreditManagementAccount"))
            rows = answer.json()["d"]["results"]
        return {row["BusinessPartner"]: row for row in rows}

    def edit_credit_account(self, customer: str, **fields: Any) -> None:
        """A person changes a credit account in SAP."""
        address = self.odata(
            "API_CRDTMBUSINESSPARTNER/CreditManagementAccount"
            f"(BusinessPartner='{customer}',CreditSegment='1000')"
        )
        with self.clerk() as session:
            answer = session.patch(address, json=fields, headers={"If-Match": "*"})
        assert answer.status_code == 204, answer.text


@contextmanager
def running_product(
    scene: Scene, *arguments: str, **environment: str
) -> Iterator["subprocess.Popen[str]"]:
    """``ledgerloop …`` as a process of its own; ended when the block ends."""
    process = subprocess.Popen(
        [*_COMMAND, *arguments],
        cwd=ROOT,
        env={
            **os.environ,
            "LEDGERLOOP_HOME": str(scene.home),
            "LEDGERLOOP_CONFIG": str(scene.home / "sandbox" / "ledgerloop.toml"),
            "LEDGERLOOP_ENDPOINTS": str(scene.home / "sandbox" / "endpoints.json"),
            **scene.environment,
            **environment,
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        with process:  # closes its pipes and waits for its end
            pass


@contextmanager
def seeded(home: Path) -> Iterator[Scene]:
    """A scene whose vendors are seeded now, and saved when it ends."""
    with _serving(home, seeding=SIZES) as endpoints:
        scene = Scene(home, endpoints)
        yield scene
        _save(scene)


@contextmanager
def copied(template: Path, home: Path) -> Iterator[Scene]:
    """A scene that goes on from another one's saved state."""
    shutil.copytree(template, home, symlinks=True)
    take_parse_along(template, home)
    with _serving(home) as endpoints:
        yield Scene(home, endpoints)


@contextmanager
def _serving(home: Path, **options: Any) -> Iterator[dict[str, Any]]:
    with serve_sandbox(
        Options(home=home, state=home / "sandbox" / "state", **options)
    ) as endpoints:
        yield endpoints


def _save(scene: Scene) -> None:
    answer = requests.post(f"{scene.admin}/save", timeout=60)
    assert answer.status_code == 200, answer.text


def _wait_until(condition: Callable[[], bool], process: "subprocess.Popen[str]") -> bool:
    """Wait for something to become true while a process lives; whether it did."""
    deadline = time.monotonic() + SECONDS_MAX
    while process.poll() is None:
        if condition():
            return True
        if time.monotonic() > deadline:
            raise TimeoutError(f"not so within {SECONDS_MAX:.0f} s, and the process still runs")
        time.sleep(0.05)
    return False
