"""A simulated world of the real vendors: SAP and Salesforce of the sandbox, called without sockets.

The real writers speak the vendors' own protocols to the sandbox's ASGI apps, on virtual time, with
the sandbox's seeded faults; between them lies a road on which requests are lost, late, repeated and
cut off. The oracle is the sandbox's own ledger, read where tests read it: ``GET /ledger/<system>``.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import orjson

import reverse_etl.salesforce.writer as salesforce_writer
from ingestion.common.errors import OutcomeUnknown, RetryLater
from ingestion.common.transport import AsgiTransport, Request, Response
from ingestion.salesforce.client import SalesforceClient
from ingestion.sap_s4hana.client import SapClient
from reverse_etl.delivery.verifying import differences
from reverse_etl.delivery.writer import Limits, Sending, Writer
from reverse_etl.ledger.commands import Command, CommandClass, State, external_key_of
from reverse_etl.salesforce.settings import SalesforceOptions
from reverse_etl.salesforce.writer import SalesforceWriter
from reverse_etl.sap_s4hana.settings import SapOptions
from reverse_etl.sap_s4hana.writer import SapWriter
from sandbox.core.admin import Hosted, create_admin
from sandbox.core.clock import Clock
from sandbox.core.faults import Fault, Faults, faulty
from sandbox.salesforce import Settings as OrgSettings
from sandbox.salesforce import create_app as create_org
from sandbox.sap_s4hana import create_app as create_sap
from tests.simulation.processes import Mortal, Outcome, Story, live_through
from tests.simulation.vendor_books import (
    GOVERNANCE,
    HOSTS,
    ORG,
    SAP,
    SAP_SETTINGS,
    commands_of,
    system_of,
    template,
)
from tests.simulation.virtual import START, VirtualClock, VirtualLoop

_SAP_OPTIONS = SapOptions(settle_seconds=8.0, clearing_seconds=60.0)
#: A request may reach its vendor this much later than its sender stopped waiting.
_LATE_SECONDS_MAX = 4.0
#: Collections and bulk jobs as small as these worlds are.
_COLLECTION_MAX, _BULK_FROM = 6, 8


@dataclass
class Weather:
    """What happens on the road. Rates from 0 to 1, outages in seconds since the beginning."""

    lost_request: float = 0.0
    applies_late: float = 0.0
    delivered_twice: float = 0.0
    latency_seconds: float = 0.0
    outages: list[tuple[float, float]] = field(default_factory=list)


class Road:
    """A process's transport: what has left it goes on, whatever becomes of the process."""

    def __init__(
        self,
        asgi: AsgiTransport,
        weather: Weather,
        loop: VirtualLoop,
        random: Random,
        struck: Counter[str],
    ) -> None:
        self._asgi = asgi
        self._weather = weather
        self._loop = loop
        self._random = random
        self._struck = struck
        self.is_dead = False

    async def send(self, request: Request) -> Response:
        if self.is_dead:
            raise RetryLater("this process was killed", code="not_sent")
        travelling = asyncio.ensure_future(self._travel(request))
        _TRAVELLING.add(travelling)
        travelling.add_done_callback(_arrived)
        return await asyncio.shield(travelling)

    async def close(self) -> None:
        return None

    async def _travel(self, request: Request) -> Response:
        weather = self._weather
        if any(start <= self._loop.time() < end for start, end in weather.outages):
            self._struck["outage"] += 1
            raise RetryLater("connection refused", code="not_sent")
        await asyncio.sleep(weather.latency_seconds / 2)
        if self._strikes("lost_request"):
            raise OutcomeUnknown("no answer", code="no_answer")
        is_write = request.method != "GET"
        if is_write and self._strikes("applies_late"):
            late = asyncio.ensure_future(self._arrive_late(request))
            _TRAVELLING.add(late)
            late.add_done_callback(_arrived)
            raise OutcomeUnknown("no answer", code="no_answer")
        answer = await self._asgi.send(request)
        if is_write and self._strikes("delivered_twice"):
            # The sender sees one of the two answers, and does not know that there were two.
            again = await self._asgi.send(request)
            answer = self._random.choice((answer, again))
        await asyncio.sleep(weather.latency_seconds / 2)
        return answer

    def _strikes(self, name: str) -> bool:
        rate: float = getattr(self._weather, name)
        is_hit = self._random.random() < rate
        self._struck[name] += is_hit
        return is_hit

    async def _arrive_late(self, request: Request) -> Response:
        await asyncio.sleep(self._random.random() * _LATE_SECONDS_MAX)
        return await self._asgi.send(request)


_TRAVELLING: set["asyncio.Task[Response]"] = set()


def _arrived(task: "asyncio.Task[Response]") -> None:
    """Whoever asked may be gone: its answer is nobody's."""
    _TRAVELLING.discard(task)
    if not task.cancelled():
        task.exception()


class VendorWorld(Story):
    """SAP and Salesforce, their commands and their faults, from one seed."""

    rounds_max = 6

    def __init__(self, seed: int, loop: VirtualLoop) -> None:
        super().__init__(seed, loop)
        books = template()
        self.road_random = Random(self.random.getrandbits(32))
        self.weather = _weather(self.random)
        self.faults = {name: _faults(self.random) for name in (SAP, ORG)}
        clock = Clock(START, monotonic=loop.time)
        apps = {
            SAP: create_sap(
                SAP, clock=clock, faults=self.faults[SAP], settings=SAP_SETTINGS,
                state=books.sap_books(),
            ),
            ORG: create_org(
                ORG, clock=clock, faults=self.faults[ORG], settings=OrgSettings(),
                state=books.org_books(),
            ),
        }  # fmt: skip
        hosted = {
            name: Hosted(name, name, faulty(app, self.faults[name], name), self.faults[name])
            for name, app in apps.items()
        }
        self.asgi = AsgiTransport(
            {HOSTS[name]: one.app for name, one in hosted.items()}
            | {HOSTS["admin"]: create_admin(hosted, clock, None)}
        )
        self.commands, self.poison = commands_of(self.random, books)

    def ways(self, clock: VirtualClock) -> tuple[dict[str, Writer], Sequence[Mortal]]:
        """The real writers, each on a road of its own."""
        roads = {
            name: Road(self.asgi, self.weather, self.loop, self.road_random, self.struck)
            for name in (SAP, ORG)
        }
        jitter = self.road_random.random
        sap = SapClient(system_of(SAP), roads[SAP], jitter=jitter, now=clock.now)
        org = SalesforceClient(system_of(ORG), roads[ORG], jitter=jitter, now=clock.now)
        return {
            SAP: SapWriter(SAP, sap, GOVERNANCE, _SAP_OPTIONS),
            ORG: SmallOrgWriter(ORG, org, GOVERNANCE, SalesforceOptions()),
        }, list(roads.values())

    def calm_down(self) -> None:
        for faults in self.faults.values():
            self.struck.update(faults.counts)
            faults.configure()
        self.weather.lost_request = self.weather.applies_late = self.weather.delivered_twice = 0.0
        self.weather.outages.clear()

    # -- the oracle ------------------------------------------------------------------------------

    async def judge(self) -> list[str]:
        """What went wrong, counted in the sandbox's own ledger."""
        effects = {name: (await self._ledger(name))["effects"] for name in (SAP, ORG)}
        found: list[str] = []
        for command in self.commands:
            self._judge_command(command, _effects_of(command, effects), found)
        found += await self._judge_fields()
        return found + self.judge_log()

    async def _ledger(self, name: str) -> dict[str, Any]:
        answer = await self.asgi.send(Request("GET", f"http://{HOSTS['admin']}/ledger/{name}"))
        tree: dict[str, Any] = orjson.loads(answer.body)
        return tree

    def _judge_command(self, command: Command, effects: int, found: list[str]) -> None:
        stored = self.store.command(command.command_id)
        name = f"{command.object_name} {command.business_key}"
        if stored is None:
            found.append(f"{name}: lost before it was recorded")
            return
        if effects > 1:
            found.append(f"{name}: {effects} effects")
        is_poison = command.business_key in self.poison
        if stored.state in {State.REJECTED, State.DEAD} and not self.has_exception(command):
            found.append(f"{name}: nobody was told")
        is_posting = command.command_class is CommandClass.POSTING
        match stored.state:
            case State.VERIFIED if is_poison or not effects:
                found.append(f"{name}: verified with {effects} effects")
            case State.REJECTED if effects or not is_poison:
                found.append(f"{name}: rejected with {effects} effects")
            case State.DEAD if effects and is_posting:
                found.append(f"{name}: given up although it is there")
            case State.VERIFIED | State.REJECTED | State.DEAD:
                pass
            case State.PLANNED if self.waits_rightly(command):
                pass
            case State.ACCEPTED if not effects and self.has_exception(command):
                pass  # A 202 and nothing: a person knows.
            case left:
                found.append(f"{name}: left {left} after a quiet run")

    async def _judge_fields(self) -> list[str]:
        """What is verified stands in the vendor's records, read by somebody who knows nothing."""
        writers, _ = self.ways(self.clock)
        places: dict[tuple[str, str, str], list[Sending]] = {}
        for command in self.commands:
            stored = self.store.command(command.command_id)
            if stored is not None and stored.state == State.VERIFIED:
                place = (command.system_id, command.object_name, command.operation)
                key = external_key_of(command.command_id)
                made = dict.fromkeys((command.business_key,), self._native_id(command.after))
                sent = Sending(command, key, 1, made, stored.native_id)
                places.setdefault(place, []).append(sent)
        found = []
        for (system_id, object_name, operation), batch in places.items():
            writer = writers[system_id]
            unreadable = writer.limits(object_name, operation).unreadable_fields
            held = await writer.read_back(batch)
            for one in batch:
                fields = held[one.command.command_id].fields
                wrong = fields is None or differences(one.command.payload, fields, unreadable)
                if wrong:
                    key = one.command.business_key
                    found.append(f"{object_name} {key}: verified, but the vendor holds {wrong}")
        return found

    def _native_id(self, after: Sequence[str]) -> str:
        stored = [self.store.command(one) for one in after]
        return "".join(one.native_id for one in stored if one is not None)


class SmallOrgWriter(SalesforceWriter):
    """Salesforce with small collections, so that small worlds come to bulk jobs too."""

    def limits(self, object_name: str, operation: str) -> Limits:
        found = super().limits(object_name, operation)
        return replace(found, batch_max=_COLLECTION_MAX, bulk_from=_BULK_FROM, bulk_max=100)


@contextmanager
def _small_collections() -> Iterator[None]:
    before = salesforce_writer.COLLECTION_MAX
    salesforce_writer.COLLECTION_MAX = _COLLECTION_MAX
    try:
        yield
    finally:
        salesforce_writer.COLLECTION_MAX = before


def _effects_of(command: Command, effects: Mapping[str, Any]) -> int:
    """How often a command took effect, in its vendor's own books.

    Limits are set, not booked: SAP's books count documents, so there any number is one effect.
    """
    if command.object_name == "credit_accounts":
        return 1
    if command.system_id == SAP:
        return len(effects[SAP].get(external_key_of(command.command_id), ()))
    entity = GOVERNANCE.object("salesforce", command.object_name).entity
    key = command.subject.get("customer_id") or command.business_key
    told = effects[ORG].get(entity, {}).get(key)
    if command.operation == "update":
        return min(1, told["updates"]) if told else 0
    return int(told["creates"]) if told else 0


# -- what goes wrong -------------------------------------------------------------------------------


def _weather(random: Random) -> Weather:
    outages = []
    if random.random() < 0.3:
        start = random.uniform(0, 20)
        outages.append((start, start + random.uniform(5, 600)))
    return Weather(
        lost_request=random.choice((0.0, 0.0, random.random() * 0.15)),
        applies_late=random.choice((0.0, 0.0, random.random() * 0.2)),
        delivered_twice=random.choice((0.0, 0.0, random.random() * 0.1)),
        latency_seconds=random.choice((0.0, 0.02, 1.0)),
        outages=outages,
    )


#: The most that each of the sandbox's faults strikes, a request or a row.
_MOST = {
    Fault.THROTTLED: 0.3,
    Fault.UNAVAILABLE: 0.1,
    Fault.ERROR_BEFORE: 0.15,
    Fault.ERROR_AFTER: 0.2,
    Fault.LOST_ANSWER: 0.3,
    Fault.LATE_ANSWER: 0.05,
    Fault.LOCK: 0.2,
    Fault.TOKEN_EXPIRY: 0.05,
    Fault.SWALLOW: 0.1,
    Fault.DROPPED_FIELD: 0.05,
    Fault.DUPLICATE: 0.5,
    Fault.BULK_FAILURE: 0.5,
    Fault.DAILY_LIMIT: 0.05,
}


def _faults(random: Random) -> Faults:
    """The sandbox's own faults; in every world others are calm."""
    rates = {
        fault: random.choice((0.0, 0.0, random.random() * most)) for fault, most in _MOST.items()
    }
    return Faults(
        random.getrandbits(32), rates={fault: rate for fault, rate in rates.items() if rate}
    )


def live(seed: int) -> Outcome:
    """Live one world of real vendors through."""
    with _small_collections():
        return live_through(VendorWorld, seed)
