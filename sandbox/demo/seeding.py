"""Seeds every system of a running sandbox with a dataset, through the vendors' protocols only.

``load_dataset`` is what the sandbox's server calls. It works in a process of its own, so that
building messages and answering them use two cores and none of the dataset stays in the server's
memory. ``seed_systems`` is the work itself.
"""

import asyncio
import importlib
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from datetime import time as day_time
from pathlib import Path
from typing import Any

from ingestion.common.config import System
from ingestion.common.errors import LedgerloopError
from ingestion.common.transport import AiohttpTransport, Request
from ingestion.salesforce.client import SalesforceClient
from reverse_etl.planning.policy import load_policy
from sandbox.demo.additions import World, make_world
from sandbox.demo.camt import make_statements
from sandbox.demo.common_clock import CommonClock, SetClock
from sandbox.demo.crm import PostedItem
from sandbox.demo.dataset import Dataset, DatasetError
from sandbox.demo.files import write_files
from sandbox.demo.generator import generate
from sandbox.demo.highradius import read_directory
from sandbox.demo.seed_salesforce import seed_accounts, seed_receivables
from sandbox.demo.settings import load_settings
from sandbox.demo.systems import (
    BANK_SYSTEM,
    CRM_SYSTEM,
    ErpPlan,
    is_extract,
    plans_of,
    world_plans,
)
from sandbox.sap_s4hana.settings import SapSettings
from sandbox.sftp.exchange import drop_statement

__all__ = ["load_dataset", "seed_systems"]

Say = Callable[[str], None]

#: The sandbox's clock stands at noon UTC, when it is the as-of date in every company's zone.
_HOUR = 12
#: Up to so many companies the settings' own sizes are enough.
_COMPANIES_FEW = 20
#: The CRM was last touched before the as-of date.
_CRM_IS_BEHIND = timedelta(days=1)


async def load_dataset(
    dataset: Path | None,
    endpoints: Mapping[str, Any],
    home: Path,
    *,
    seed: int | None = None,
    customers: int | None = None,
    open_items: int | None = None,
    closed_items: int | None = None,
    companies: int | None = None,
) -> None:
    """Seed a running sandbox in a child process, which prints its progress to stderr.

    Args:
        dataset: directory of an extract; None makes a synthetic world of the ERPs that run, or,
            where SAP is the only one, a twin of the real extract.
        endpoints: the tree of the endpoints file.
        home: ``LEDGERLOOP_HOME``: bank files and the demo's own files go below it.
        seed: of everything random; None takes the settings'.
        customers: how many the twin has; None takes the settings'.
        open_items: of the twin.
        closed_items: of the twin, paid at the bank.
        companies: legal entities of the world's ERPs together; None takes the plans' own.

    Raises:
        DatasetError: the extract cannot be used or a system refused something.
    """
    task = {
        "dataset": str(dataset) if dataset else None,
        "endpoints": dict(endpoints),
        "home": str(home),
        "seed": seed,
        "companies": companies,
        "sizes": {
            "customers": customers,
            "open_items": open_items,
            "closed_items": closed_items,
        },
    }
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "ignore", "-m", "sandbox.demo.seeding",
        stdin=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        await child.communicate(json.dumps(task).encode())
    except asyncio.CancelledError:
        child.terminate()
        await child.wait()
        raise
    if child.returncode:
        raise DatasetError(
            f"seeding ended with code {child.returncode}: see its message above",
            code="seeding_failed",
        )


async def seed_systems(
    dataset: Dataset,
    endpoints: Mapping[str, Any],
    home: Path,
    plans: Sequence[ErpPlan],
    *,
    seed: int | None = None,
    say: Say = lambda _: None,
) -> World:
    """Seed the ERPs, the CRM and the bank's folder, and write the demo's files.

    Raises:
        DatasetError: a system refused something; nothing that came after it was sent.
    """
    policy = load_policy().credit
    world = make_world(
        dataset, load_settings(), plans, seed=seed, overdue_days_max=policy.release_overdue_days_max
    )
    say(f"{dataset.source}: as of {dataset.as_of}, seed {world.seed}")
    for note in dataset.notes:
        say(f"  {note.reason}" + (f": {note.rows}" if note.rows else ""))

    async def set_clock(day: date) -> None:
        await _set_clock(endpoints, day)

    crm = SalesforceClient(_system(endpoints, CRM_SYSTEM), _transport(endpoints, CRM_SYSTEM))
    try:
        posted = await _seed_erps(world, endpoints, say, set_clock)
        await set_clock(dataset.as_of - _CRM_IS_BEHIND)
        account_ids = await seed_accounts(crm, world, say)
        await seed_receivables(crm, world, account_ids, posted, say)
    finally:
        await set_clock(dataset.as_of)
        await crm.close()
    files = make_statements(world.payments.payments, world.payments.accounts)
    for file in files:
        drop_statement(home, BANK_SYSTEM, file.name, file.body)
    say(f"{len(files)} bank statements with {len(world.payments.payments)} receipts")
    write_files(
        world,
        home,
        {"items_posted": len(posted), "statements": len(files), "linked": len(account_ids)},
    )
    return world


async def _seed_erps(
    world: World, endpoints: Mapping[str, Any], say: Say, set_clock: SetClock
) -> list[PostedItem]:
    """All ERPs at once over one clock, each by its kind's own seeder.

    A kind's module ``sandbox.demo.seed_<kind>`` offers ``Client(system, transport)`` and
    ``seed_<kind>(client, world, say, set_clock)``, which gives every posted customer item.
    """
    posted: dict[str, list[PostedItem]] = {}

    def seeder(plan: ErpPlan) -> Callable[[SetClock], Awaitable[None]]:
        async def seed(move: SetClock) -> None:
            module = importlib.import_module(f"sandbox.demo.seed_{plan.kind}")
            system = _system(endpoints, plan.system_id, plan)
            client = module.Client(system, _transport(endpoints, plan.system_id))
            fill = getattr(module, f"seed_{plan.kind}")

            def tell(line: str) -> None:
                say(f"{plan.system_id}: {line}" if len(world.plans) > 1 else line)

            try:
                posted[plan.system_id] = await fill(client, world.of_system(plan), tell, move)
            finally:
                await client.close()

        return seed

    try:
        await CommonClock(set_clock).run(*(seeder(plan) for plan in world.plans))
    except* LedgerloopError as group:
        raise group.exceptions[0] from None
    return [item for plan in world.plans for item in posted[plan.system_id]]


def _system(endpoints: Mapping[str, Any], system_id: str, plan: ErpPlan | None = None) -> System:
    """A system of the endpoints file as the clients want it.

    Raises:
        DatasetError: the sandbox does not run that system.
    """
    entry = endpoints["systems"].get(system_id)
    if entry is None:
        found = ", ".join(sorted(endpoints["systems"]))
        raise DatasetError(
            f"the sandbox runs no system {system_id!r} (found: {found})", code="system_missing"
        )
    return System(
        system_id=system_id,
        kind=entry["kind"],
        base_url=entry["base_url"],
        ca_bundle=entry.get("ca_bundle", ""),
        credentials=entry.get("credentials", {}),
        options=dict(plan.options) if plan else {},
    )


def _transport(endpoints: Mapping[str, Any], system_id: str) -> AiohttpTransport:
    bundle = endpoints["systems"].get(system_id, {}).get("ca_bundle")
    return AiohttpTransport(ca_bundle=bundle or None)


async def _set_clock(endpoints: Mapping[str, Any], day: date) -> None:
    """Move the sandbox's clock to a day."""
    instant = datetime.combine(day, day_time(_HOUR), UTC).isoformat()
    transport = AiohttpTransport()
    try:
        answer = await transport.send(
            Request(
                "POST",
                f"{endpoints['admin']['base_url']}/clock",
                {"Content-Type": "application/json"},
                json.dumps({"instant": instant}).encode(),
            )
        )
    finally:
        await transport.close()
    if answer.status != 200:
        raise DatasetError(f"the sandbox's clock could not be set: {answer.body!r}", code="clock")


def _timed(started: float, now: Callable[[], float]) -> Say:
    """Progress lines with the seconds since the start, for people who wait."""

    def say(line: str) -> None:
        print(f"[{now() - started:6.1f} s] {line}", file=sys.stderr, flush=True)

    return say


def _dataset_and_plans(task: Mapping[str, Any]) -> tuple[Dataset, tuple[ErpPlan, ...]]:
    """The extract, the twin of one, or a world of the ERPs that run."""
    running = task["endpoints"]["systems"]
    if task["dataset"]:
        dataset = read_directory(Path(task["dataset"])).of_companies(SapSettings().companies)
        return dataset, plans_of(dataset.companies)
    if is_extract(running):
        twin = generate(load_settings(), seed=task["seed"], **task["sizes"])
        return twin, plans_of(twin.companies)
    plans = world_plans(running, task["companies"])
    sizes = _world_sizes(task["sizes"], plans)
    return generate(load_settings(), plans, seed=task["seed"], **sizes), plans


def _world_sizes(
    asked: Mapping[str, int | None], plans: Sequence[ErpPlan]
) -> dict[str, int | None]:
    """Sizes that nobody asked for grow with the companies: two customers, ten items each."""
    count = sum(len(plan.companies) for plan in plans)
    if count <= _COMPANIES_FEW:
        return dict(asked)
    grown = {"customers": 2 * count, "open_items": 6 * count, "closed_items": 4 * count}
    return {name: asked[name] or size for name, size in grown.items()}


def _main() -> int:
    """The child process: reads its task from stdin."""
    say = _timed(time.monotonic(), time.monotonic)
    task = json.load(sys.stdin)
    try:
        dataset, plans = _dataset_and_plans(task)
        home = Path(task["home"])
        asyncio.run(
            seed_systems(dataset, task["endpoints"], home, plans, seed=task["seed"], say=say)
        )
    except DatasetError as error:
        print(f"error: {error.message}", file=sys.stderr, flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(_main())
