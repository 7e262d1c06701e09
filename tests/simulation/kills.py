"""The real thing over sockets, killed with ``kill -9`` and run again until it is done.

``ledgerloop deliver`` is a process of its own that speaks to SAP, Salesforce and a REST target on
ports; each time it dies at a moment drawn from the seed: before the effect, after it, when the
answer is on the wire, or at any instant. New work is planned before every run. Effects are counted
in the targets' own books, sends at their doors.
"""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from ingestion.common.clock import SystemClock
from reverse_etl.ledger.commands import Command, external_key_of
from reverse_etl.ledger.store import Store
from tests.flow.picture import doubled_effects
from tests.flow.scene import Scene, copied, running_product, seeded
from tests.reverse_etl.ledger.commands import posting
from tests.simulation.kill_target import DESK, Moment, Phase, Vendors, serving
from tests.simulation.vendor_books import (
    CUSTOMERS,
    ORG,
    SAP,
    SAP_SETTINGS,
    invoice_fields,
    of_org,
    of_sap,
    receipt_fields,
    template,
)

ROOT = Path(__file__).parents[2]
_RECEIPTS, _INVOICES, _NOTES = 8, 6, 8
#: About as many write requests as a run makes: the last ones of some runs are never made.
_REQUESTS = 10
_RUNS_TO_FINISH_MAX = 8
_SECONDS_MAX = 600.0
_PARTIAL = 3
_AIM_EARLIER = 0.6
#: One in this many kills falls at an instant that no request chose: start-up, claims, commits.
_AT_ANY_INSTANT = 4

_CONFIG = """
[systems.{sap}]
kind = "sap_s4hana"
base_url = "{sap_url}"
options = {{ settle_seconds = 1, clearing_seconds = 5 }}
[systems.{org}]
kind = "salesforce"
base_url = "{org_url}"
[systems.{desk}]
kind = "rest"
base_url = "{desk_url}"
[systems.{desk}.options]
concurrency_max = 4
[systems.{desk}.objects.notes]
key_field = "id"
settle_seconds = 1
request_timeout_seconds = 2
create = {{ path = "/notes" }}
look_up = {{ path = "/notes?keys={{keys}}", rows_at = "/items", is_read_your_writes = true }}
read_back = {{ path = "/notes?keys={{keys}}", rows_at = "/items" }}
"""


@dataclass
class Hub:
    """One installation: its home, its configuration, its operations database."""

    home: Path
    vendors: Vendors
    commands: list[Command] = field(default_factory=list)

    def __post_init__(self) -> None:
        urls = {f"{name}_url": self.vendors.urls[key] for name, key in _NAMES.items()}
        text = _CONFIG.format(**_NAMES, **urls)
        (self.home / "ledgerloop.toml").write_text(text, encoding="utf-8")

    @contextmanager
    def store(self) -> Iterator[Store]:
        with Store.open(self.home / "ops.sqlite", now=SystemClock().now) as opened:
            yield opened

    def plan(self, random: Random, number: int) -> None:
        """New work, as a planner would record it between two runs."""
        fresh = _work(random, number)
        with self.store() as store:
            result = store.record_plan(fresh)
        assert not result.refused, result.refused
        self.commands += fresh

    def start(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "orchestration.cli", "deliver"],
            cwd=ROOT,
            env={
                **os.environ,
                **_CREDENTIALS,
                "LEDGERLOOP_HOME": str(self.home),
                "LEDGERLOOP_CONFIG": str(self.home / "ledgerloop.toml"),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


_NAMES = {"sap": SAP, "org": ORG, "desk": DESK}
_CREDENTIALS = {
    f"LEDGERLOOP_CREDENTIALS_{SAP.upper()}_USERNAME": SAP_SETTINGS.username,
    f"LEDGERLOOP_CREDENTIALS_{SAP.upper()}_PASSWORD": SAP_SETTINGS.password,
    f"LEDGERLOOP_CREDENTIALS_{ORG.upper()}_CLIENT_ID": "sandbox-consumer-key",
    f"LEDGERLOOP_CREDENTIALS_{ORG.upper()}_CLIENT_SECRET": "sandbox-consumer-secret",
}


def _work(random: Random, number: int) -> list[Command]:
    """Receipts for SAP, invoices for the CRM, notes that the desk creates at every call."""
    found: list[Command] = []
    for place in range(_RECEIPTS):
        key = f"{random.getrandbits(80):020x}"
        customer = random.choice(CUSTOMERS)
        fields = receipt_fields(random, key, customer, f"{number + 1}.{place}5")
        found.append(of_sap("journal_entries", key, fields, f"{customer}/{place}"))
    for place in range(_INVOICES):
        account = random.choice(template().accounts)
        key = f"SAP-U001-2026-{number:06d}{place}-001"
        found.append(of_org("invoices", key, invoice_fields(random, account, place), account))
    for place in range(_NOTES):
        note = posting(
            f"D-{number * _NOTES + place}", {"text": f"note {place}"}, system_id=DESK,
            object_name="notes", operation="create", kind="rest", lane=f"{DESK}/{number}/{place}",
        )  # fmt: skip
        found.append(note)
    return found


# -- one sender, killed many times -----------------------------------------------------------------


def _moment(random: Random) -> Moment | float:
    """The next moment to die: at a request, or an instant in seconds after the start."""
    if random.randrange(_AT_ANY_INSTANT) == 0:
        return random.uniform(0.2, 1.2)
    seconds = random.choice((0, 0.001, 0.02))
    return Moment(random.randint(1, _REQUESTS), random.choice(list(Phase)), seconds)


def _die(hub: Hub, moment: Moment | float) -> bool:
    """One run that is killed at a moment; whether it lived to see it."""
    with hub.start() as sender:
        if isinstance(moment, Moment):
            hub.vendors.arm(sender.pid, moment)
            while sender.poll() is None and not hub.vendors.is_struck.wait(0.05):
                pass
            hub.vendors.disarm()
        else:
            time.sleep(moment)
            sender.kill()
        said, _ = sender.communicate(timeout=_SECONDS_MAX)
        assert sender.returncode in (-signal.SIGKILL, 0, _PARTIAL), said
        return sender.returncode < 0


def _on_their_way(hub: Hub) -> set[int]:
    """Commands that a dead sender left in its hands."""
    with hub.store() as store, store.database.read() as connection:
        text = "SELECT command_no FROM command_state WHERE holder IS NOT NULL"
        return {row[0] for row in store.database.run(connection, text)}


def _asked_about(hub: Hub, since: int) -> tuple[set[int], int]:
    """Commands of other senders that were taken over since an event, and the last event."""
    with hub.store() as store, store.database.read() as connection:
        run = store.database.run
        text = "SELECT command_no FROM events WHERE name = 'taken_over' AND event_no > ?"
        numbers = {row[0] for row in run(connection, text, (since,))}
        last = run(connection, "SELECT max(event_no) FROM events").scalar_one()
        return numbers, int(last or 0)


def kill_senders(seed: int, kills: int) -> list[str]:
    """Kill ``ledgerloop deliver`` many times, then let it finish; what went wrong."""
    random = Random(seed)
    problems: list[str] = []
    met: Counter[str] = Counter()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ledgerloop-kills-") as folder, serving() as vendors:
        hub = Hub(Path(folder), vendors)
        number, last = 0, 0
        while sum(met.values()) < kills:
            hub.plan(random, number)
            left = _on_their_way(hub)
            moment = _moment(random)
            has_died = _die(hub, moment)
            asked, last = _asked_about(hub, last)
            if asked - left:
                problems.append(f"run {number}: took over {len(asked - left)} that were not sent")
            if has_died:
                met[moment.phase.value if isinstance(moment, Moment) else "any instant"] += 1
            number += 1
        problems += _finish(hub)
        problems += asyncio.run(_judge(hub))
        senders = number
    told = ", ".join(f"{times} {name}" for name, times in sorted(met.items()))
    print(
        f"seed {seed}: ledgerloop deliver killed {sum(met.values())} times in {senders} runs "
        f"({told}), {len(hub.commands)} commands, {len(problems)} problems, "
        f"{time.monotonic() - started:.0f} s",
        flush=True,
    )
    _tell(problems)
    return problems


def _finish(hub: Hub) -> list[str]:
    """Run until nothing is left; the last words of the last run when something is."""
    said = ""
    for _ in range(_RUNS_TO_FINISH_MAX):
        with hub.start() as sender:
            said, _ = sender.communicate(timeout=_SECONDS_MAX)
        if sender.returncode == 0:
            return []
    return [f"not done after {_RUNS_TO_FINISH_MAX} quiet runs: {said[-500:]}"]


async def _judge(hub: Hub) -> list[str]:
    """Every command has one effect, was sent once, and the log is whole."""
    vendors, found = hub.vendors, []
    books = {name: (await vendors.ledger(name))["effects"] for name in (SAP, ORG)}
    for command in hub.commands:
        key = command.business_key
        if command.system_id == SAP:
            key = external_key_of(command.command_id)
            effects = len(books[SAP].get(key, ()))
        elif command.system_id == ORG:
            effects = books[ORG]["AR_Invoice__c"].get(key, {}).get("creates", 0)
        else:
            effects = len(vendors.desk.records.get(key, ()))
        if effects != 1:
            found.append(f"{command.system_id} {key}: {effects} effects")
        if vendors.sent[key] != 1:
            found.append(f"{command.system_id} {key}: sent {vendors.sent[key]} times")
    with hub.store() as store:
        if store.counts() != {"verified": len(hub.commands)}:
            found.append(f"left: {store.counts()}")
        found += [f"exception {one.code}" for one in store.exceptions(state="open")]
        found += store.verify_audit().problems
    return found


# -- a whole sync, killed --------------------------------------------------------------------------


def kill_syncs(seed: int, kills: int) -> list[str]:
    """Kill a whole ``ledgerloop sync`` several times, each on books of its own; what went wrong.

    Each killed run is followed by one that finishes and by one that finds nothing to do.
    """
    random = Random(seed)
    problems: list[str] = []
    instants: list[float] = []
    with tempfile.TemporaryDirectory(prefix="ledgerloop-kills-") as folder:
        books = Path(folder) / "seeded"
        with seeded(books) as scene:
            limits = str(books / "demo" / "approved_limits.csv")
            finished = scene.ledgerloop("approvals", "import", limits)
            assert finished.code == 0, finished.err
        with copied(books, Path(folder) / "quiet") as quiet:
            started = time.monotonic()
            undisturbed, _ = quiet.sync("--initial")
            seconds = time.monotonic() - started
            assert undisturbed.code == 0, undisturbed.err + undisturbed.out
        while len(instants) < kills:
            instant = random.uniform(0.1, 0.95) * seconds
            with copied(books, Path(folder) / f"killed-{random.getrandbits(32):x}") as killed:
                if not _kill_at(killed, instant):
                    # It ended before its time: this machine has less to do now than it had.
                    seconds *= _AIM_EARLIER
                    continue
                instants.append(instant)
                problems += _after_the_kill(killed)
    told = ", ".join(f"{one:.1f} s" for one in instants)
    print(
        f"seed {seed}: ledgerloop sync killed {len(instants)} times (at {told}), "
        f"{len(problems)} problems",
        flush=True,
    )
    _tell(problems)
    return problems


def _after_the_kill(scene: Scene) -> list[str]:
    """Run until done: nothing is doubled, the log is whole, and then there is nothing to do."""
    problems = []
    done, _ = scene.sync("--initial")
    if done.code != 0:
        problems.append(f"the run after the kill ended with {done.code}: {done.err}")
    problems += [f"{key}: {told}" for key, told in doubled_effects(scene).items()]
    audit = scene.ledgerloop("audit", "verify")
    if audit.code != 0:
        problems.append(audit.err + audit.out)
    again, report = scene.sync("--initial")
    if again.code != 0 or report["writes"] != 0:
        problems.append(f"a further run wrote {report.get('writes')}: {again.err}")
    return problems


def _kill_at(scene: Scene, instant: float) -> bool:
    """A sync that dies at an instant; whether it lived to see it."""
    with running_product(scene, "sync", "--as-of", scene.as_of, "--initial") as process:
        try:
            process.communicate(timeout=instant)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return True
    return False


def _tell(problems: list[str]) -> None:
    for problem in problems[:20]:
        print(f"  {problem}", flush=True)
