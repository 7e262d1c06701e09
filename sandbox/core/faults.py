"""Seeded faults: what networks and vendors do wrong, on demand and repeatable.

``faulty(app, faults, system_id)`` wraps a kind's ASGI app and plays the faults of the wire: slow,
throttled, down, failing before or after the effect, answer lost after the effect. What only the
kind can play (a locked row, an ended session, an answer without effect) it asks for itself, with
``faults.take(...)``. Clients need no special header: faults are set at the admin port.

Every random draw comes from the one seed, a stream for each rule, so that changing one rule moves
no other. Nothing here knows a vendor.
"""

import asyncio
import difflib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from random import Random
from typing import Any

from sandbox.core import Message, Receive, SandboxApp, Scope, Send

__all__ = ["ABORT_EXTENSION", "Fault", "Faults", "Point", "faulty", "parse_points", "parse_rates"]

#: Name of the ASGI extension through which the server lets an app cut its connection.
ABORT_EXTENSION = "sandbox.abort"


class Fault(StrEnum):
    """What can go wrong. The first group is played by ``faulty``, the second by the kinds."""

    LATENCY = "latency"  # the request waits before anything happens
    THROTTLED = "throttled"  # 429 with Retry-After, nothing applied
    UNAVAILABLE = "unavailable"  # 503 with Retry-After, nothing applied
    ERROR_BEFORE = "error_before"  # 500, nothing applied
    LOST_REQUEST = "lost_request"  # connection cut, nothing applied
    ERROR_AFTER = "error_after"  # applied, then 500
    LOST_ANSWER = "lost_answer"  # applied, then the connection is cut
    LATE_ANSWER = "late_answer"  # applied, then the answer waits, longer than clients do

    LOCK = "lock"  # the vendor's lock error
    TOKEN_EXPIRY = "token_expiry"  # noqa: S105 - the session ends before this request
    SWALLOW = "swallow"  # says success, does nothing
    DROPPED_FIELD = "dropped_field"  # says success, leaves one field out
    DUPLICATE = "duplicate"  # an asynchronous message comes twice
    BULK_FAILURE = "bulk_failure"  # a bulk job stops half-way
    DAILY_LIMIT = "daily_limit"  # the day's calls are used up


_BEFORE: Mapping[Fault, int] = {
    Fault.THROTTLED: 429,
    Fault.UNAVAILABLE: 503,
    Fault.ERROR_BEFORE: 500,
}
_WIRE = frozenset(list(Fault)[: list(Fault).index(Fault.LOCK)])
_DEFAULT_SECONDS: Mapping[Fault, float] = {
    Fault.LATENCY: 0.02,
    Fault.THROTTLED: 1,
    Fault.UNAVAILABLE: 1,
    Fault.LATE_ANSWER: 90,
}


@dataclass(frozen=True, slots=True)
class Point:
    """Where and how often one fault strikes.

    Attributes:
        fault: what happens.
        method: HTTP method, empty for any. ``path``: text within the path, case ignored.
        name: for faults that the kind plays: text within the name it asks about.
        skip: matching requests that pass first. ``times``: strikes at most; 0 means no bound.
        rate: chance of each matching request, 0 to 1.
        seconds: latency, lateness or Retry-After; None takes the fault's usual figure.
    """

    fault: Fault
    method: str = ""
    path: str = ""
    name: str = ""
    skip: int = 0
    times: int = 1
    rate: float = 1.0
    seconds: float | None = None

    @property
    def wait_seconds(self) -> float:
        """``seconds``, or the fault's usual figure."""
        return _DEFAULT_SECONDS.get(self.fault, 0) if self.seconds is None else self.seconds


class _Rule:
    """A point with its own random stream and counters."""

    def __init__(self, point: Point, stream: Random) -> None:
        self.point = point
        self._stream = stream
        self._seen = 0
        self._struck = 0

    def strikes(self) -> bool:
        """Whether this matching request is hit; counts it either way."""
        point = self.point
        self._seen += 1
        if self._seen <= point.skip or (point.times and self._struck >= point.times):
            return False
        if point.rate < 1 and self._stream.random() >= point.rate:
            return False
        self._struck += 1
        return True


class Faults:
    """The faults of one system. Without rates and points nothing ever goes wrong."""

    def __init__(
        self,
        seed: int = 0,
        *,
        rates: Mapping[Fault, float] | None = None,
        points: Sequence[Point] = (),
    ) -> None:
        self.counts: Counter[str] = Counter()
        self.configure(seed, rates=rates, points=points)

    def configure(
        self,
        seed: int = 0,
        *,
        rates: Mapping[Fault, float] | None = None,
        points: Sequence[Point] = (),
    ) -> None:
        """Replace everything; counters of ``counts`` start anew.

        Args:
            seed: decides every draw.
            rates: fault to chance per request, for every request.
            points: faults at chosen requests; see ``Point``.
        """
        self.seed = seed
        always = [Point(fault, times=0, rate=rate) for fault, rate in (rates or {}).items()]
        everything = [*points, *always]
        self._wire: list[_Rule] = []
        self._kind: dict[Fault, list[_Rule]] = {}
        for index, point in enumerate(everything):
            rule = _Rule(point, Random(f"{seed}/{index}/{point}"))  # noqa: S311 - repeatable
            if point.fault in _WIRE:
                self._wire.append(rule)
            else:
                self._kind.setdefault(point.fault, []).append(rule)
        self.counts.clear()

    @property
    def is_quiet_on_wire(self) -> bool:
        """True when no request can be disturbed."""
        return not self._wire

    @property
    def is_quiet(self) -> bool:
        """True when no fault that a kind plays is set; spares it from naming every row."""
        return not self._kind

    def on_request(self, method: str, path: str) -> dict[Fault, float]:
        """The wire faults of one request, with their seconds."""
        struck: dict[Fault, float] = {}
        lower_path = path.lower()
        for rule in self._wire:
            point = rule.point
            if point.method and point.method.upper() != method:
                continue
            if point.path and point.path.lower() not in lower_path:
                continue
            if rule.strikes():
                struck[point.fault] = point.wait_seconds
        return struck

    def take(self, fault: Fault, name: str = "") -> bool:
        """Whether a fault that the kind plays strikes here. ``name`` says where "here" is."""
        rules = self._kind.get(fault)
        if not rules:
            return False
        lower_name = name.lower()
        for rule in rules:
            if rule.point.name.lower() in lower_name and rule.strikes():
                self.counts[fault] += 1
                return True
        return False

    def swallow(self, name: str) -> bool:
        """Whether the kind should answer success to ``name`` and do nothing."""
        return self.take(Fault.SWALLOW, name)

    def dropped_field(self, name: str, fields: Iterable[str]) -> str | None:
        """The field to leave out of this write, or None. Asked once for each field name."""
        if Fault.DROPPED_FIELD not in self._kind:
            return None
        for field in fields:
            if self.take(Fault.DROPPED_FIELD, f"{name}.{field}"):
                return field
        return None

    def describe(self) -> dict[str, Any]:
        """Seed, rules and what has struck so far, for people and tests."""
        rules = [*self._wire, *(rule for rules in self._kind.values() for rule in rules)]
        return {
            "seed": self.seed,
            "points": [asdict(rule.point) for rule in rules],
            "counts": dict(self.counts),
        }


def parse_rates(tree: Mapping[str, Any]) -> dict[Fault, float]:
    """Rates as they come in JSON. Raises ValueError naming the nearest fault."""
    rates = {}
    for name, rate in tree.items():
        if not 0 <= float(rate) <= 1:
            raise ValueError(f"the rate of {name} must lie between 0 and 1, got {rate}")
        rates[_fault_of(name)] = float(rate)
    return rates


def parse_points(trees: Iterable[Mapping[str, Any]]) -> list[Point]:
    """Points as they come in JSON. Raises ValueError for an unknown fault or key."""
    points = []
    for tree in trees:
        unknown = set(tree) - set(Point.__slots__)
        if unknown or "fault" not in tree:
            raise ValueError(
                f"a fault point has the keys {', '.join(Point.__slots__)}; got {sorted(tree)}"
            )
        points.append(Point(**{**tree, "fault": _fault_of(str(tree["fault"]))}))
    return points


def _fault_of(name: str) -> Fault:
    try:
        return Fault(name)
    except ValueError:
        near = difflib.get_close_matches(name, list(Fault), n=1, cutoff=0)
        raise ValueError(f"unknown fault {name!r}; did you mean {str(near[0])!r}?") from None


class _FaultyApp:
    """A kind's app with the faults of the wire in front; all else is the app's own."""

    def __init__(self, app: SandboxApp, faults: Faults, system_id: str) -> None:
        self._app = app
        self._faults = faults
        self.system_id = system_id

    def __getattr__(self, name: str) -> Any:
        return getattr(self._app, name)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._faults.is_quiet_on_wire:
            await self._app(scope, receive, send)
            return
        struck = self._faults.on_request(scope["method"], scope["path"])
        for fault in struck:
            self._faults.counts[fault] += 1
        if Fault.LATENCY in struck:
            await asyncio.sleep(struck[Fault.LATENCY])
        for fault, status in _BEFORE.items():
            if fault in struck:
                await self._refuse(send, status, struck[fault])
                return
        if Fault.LOST_REQUEST in struck:
            await _cut(scope, receive)
            return
        await self._after(struck, scope, receive, send)

    async def _after(
        self, struck: dict[Fault, float], scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Let the app have its effect, then spoil the answer."""
        if not struck.keys() & {Fault.LOST_ANSWER, Fault.ERROR_AFTER, Fault.LATE_ANSWER}:
            await self._app(scope, receive, send)
            return
        answer: list[Message] = []

        async def keep(message: Message) -> None:
            answer.append(message)

        await self._app(scope, receive, keep)
        if Fault.LOST_ANSWER in struck:
            await _cut(scope, receive)
            return
        if Fault.ERROR_AFTER in struck:
            await self._refuse(send, 500, 0)
            return
        await asyncio.sleep(struck[Fault.LATE_ANSWER])
        for message in answer:
            await send(message)

    async def _refuse(self, send: Send, status: int, retry_after_seconds: float) -> None:
        """Answer an error in the kind's own words (``fault_answer``) or a gateway's."""
        words = getattr(self._app, "fault_answer", None)
        content_type, body = (
            words(status) if words else ("text/html", f"<h1>{status}</h1>".encode())
        )
        headers = [
            (b"content-type", content_type.encode()),
            (b"content-length", str(len(body)).encode()),
        ]
        if status in (429, 503) and retry_after_seconds:
            headers.append((b"retry-after", str(math.ceil(retry_after_seconds)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def _cut(scope: Scope, receive: Receive) -> None:
    """End the connection without an answer. Without sockets, sending nothing says the same."""
    abort = scope.get("extensions", {}).get(ABORT_EXTENSION)
    if abort is None:
        return
    abort["abort"]()
    # The server answers 500 for an app that ends in silence; wait until it knows of the cut.
    while (await receive())["type"] != "http.disconnect":
        continue


def faulty(app: SandboxApp, faults: Faults, system_id: str) -> SandboxApp:
    """Wrap a kind's app so that the wire faults of ``faults`` strike it.

    An app may offer ``fault_answer(status) -> (content type, body)`` for the vendor's own words.
    """
    return _FaultyApp(app, faults, system_id)
