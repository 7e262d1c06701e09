"""A target with its own books, which are the oracle: effects counted per external key.

It honours the Writer protocol and misbehaves from a seed: loses answers after applying, applies
late, throttles, locks, refuses rows, answers 200 and does nothing, drops fields, is out for a
while. Nothing in it knows the engine.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from ingestion.common.errors import OutcomeUnknown, RetryLater
from reverse_etl.delivery.writer import (
    Absent,
    Accepted,
    CannotTell,
    Found,
    Limits,
    LookUp,
    Outcome,
    ReadBack,
    Rejected,
    Retry,
    Sending,
    Unknown,
)
from reverse_etl.ledger.clock import Clock
from reverse_etl.ledger.commands import CommandClass, Value


@dataclass
class Faults:
    """Rates from 0 to 1, times in seconds."""

    lost_answer: float = 0.0
    """Applied, and the answer never comes."""
    lost_request: float = 0.0
    """Not applied, and no answer comes."""
    applies_late: float = 0.0
    """No answer comes, and the effect appears up to ``late_seconds_max`` later."""
    late_seconds_max: float = 8.0
    throttled: float = 0.0
    retry_after_seconds: float | None = 1.0
    server_error: float = 0.0
    """A 500 with certainly no effect."""
    row_lock: float = 0.0
    does_nothing: float = 0.0
    drops_field: float = 0.0
    read_fails: float = 0.0
    look_up_fails: float = 0.0
    hangs: float = 0.0
    latency_seconds: float = 0.0
    outages: list[tuple[float, float]] = field(default_factory=list)
    """(from, until) in seconds since the target was made."""


class FakeTarget:
    """The books and the faults of one system; writers of several processes share it."""

    def __init__(self, clock: Clock, *, seed: int = 0, faults: Faults | None = None) -> None:
        self.clock = clock
        self.random = Random(seed)
        self.faults = faults or Faults()
        self.effects: Counter[str] = Counter()
        """External key -> times its effect happened (money moved, object created)."""
        self.rows: dict[tuple[str, str], dict[str, Value]] = {}
        self.native_ids: dict[str, str] = {}
        self.poison: set[str] = set()
        """Business keys that the target always refuses."""
        self.refuses_whole_batches = False
        self.sends = 0
        self.rows_sent: Counter[str] = Counter()
        self.order: list[str] = []
        self.struck: Counter[str] = Counter()
        """How often each fault struck, by the name of its rate."""
        self._earlier: tuple[str, Outcome] = ("somebody else's", Accepted("X"))
        self.open_calls = 0
        self.open_calls_max = 0
        self.started = clock.now().timestamp()

    # -- the books -------------------------------------------------------------------------------

    def apply(self, sending: Sending, *, dropped: bool = False) -> str:
        """Make the effect of one command; returns the native id."""
        command = sending.command
        place = (command.object_name, command.business_key)
        payload = dict(command.payload)
        if dropped and payload:
            del payload[max(payload)]
        if command.command_class is CommandClass.STATE:
            self.rows.setdefault(place, {}).update(payload)
        else:
            self.rows[(command.object_name, sending.external_key)] = payload
        self.effects[sending.external_key] += 1
        self.order.append(sending.external_key)
        return self.native_ids.setdefault(sending.external_key, f"N{len(self.native_ids)}")

    def is_out(self) -> bool:
        at = self.clock.now().timestamp() - self.started
        is_hit = any(start <= at < end for start, end in self.faults.outages)
        self.struck["outage"] += is_hit
        return is_hit

    def happens(self, name: str) -> bool:
        """Whether the fault of this name strikes now."""
        rate: float = getattr(self.faults, name)
        is_hit = rate > 0 and self.random.random() < rate
        self.struck[name] += is_hit
        return is_hit

    def with_an_earlier_answer(self, outcomes: dict[str, Outcome]) -> dict[str, Outcome]:
        """Answers in another order than the rows went, and one that was given before.

        They are joined by key: whoever goes by position, or believes that a row of another request
        was meant, is wrong.
        """
        items = list(outcomes.items())
        if self._earlier[0] not in outcomes:
            items.append(self._earlier)
            self.struck["duplicate_answer"] += 1
        self._earlier = next(iter(outcomes.items()), self._earlier)
        self.random.shuffle(items)
        return dict(items)


@dataclass
class FakeWriter:
    """A process's way to the target. ``is_dead``: that process was killed, nothing leaves it."""

    target: FakeTarget
    system_id: str = "erp"
    limits_by_operation: Mapping[tuple[str, str], Limits] = field(default_factory=dict)
    default_limits: Limits = field(default_factory=Limits)
    is_dead: bool = False
    is_closed: bool = False

    def limits(self, object_name: str, operation: str) -> Limits:
        return self.limits_by_operation.get((object_name, operation), self.default_limits)

    async def close(self) -> None:
        self.is_closed = True

    # -- writing ---------------------------------------------------------------------------------

    async def send(self, batch: Sequence[Sending]) -> Mapping[str, Outcome]:
        """What left this process goes on in the target, whatever becomes of this process."""
        if self.is_dead:
            raise ConnectionError("this process was killed")
        served = asyncio.ensure_future(self._serve(list(batch)))
        _LATE.add(served)
        served.add_done_callback(_ended)
        return await asyncio.shield(served)

    async def _serve(self, batch: Sequence[Sending]) -> Mapping[str, Outcome]:
        target, faults = self.target, self.target.faults
        target.sends += 1
        target.rows_sent.update(one.command.business_key for one in batch)
        async with _Call(self):
            await self._travel()
            if target.is_out():
                raise RetryLater("connection refused", code="not_sent")
            if target.happens("throttled"):
                return _each(batch, Retry("429", "slow down", faults.retry_after_seconds, True))
            if target.happens("server_error"):
                return _each(batch, Retry("500", "broke before it began"))
            if target.happens("lost_request"):
                raise OutcomeUnknown("no answer", code="no_answer")
            if target.happens("hangs"):
                await target.clock.sleep(10_000)
                raise OutcomeUnknown("no answer", code="no_answer")
            if target.happens("applies_late"):
                self._apply_late(batch, target.random.random() * faults.late_seconds_max)
                raise OutcomeUnknown("no answer", code="no_answer")
            outcomes = self._apply_all(batch)
            await self._travel()
            if target.happens("lost_answer"):
                raise OutcomeUnknown("no answer", code="no_answer")
            return outcomes

    def _apply_late(self, batch: Sequence[Sending], seconds: float) -> None:
        """The request waits in a queue of the target, long after nobody listens any more."""

        async def later() -> Mapping[str, Outcome]:
            await self.target.clock.sleep(seconds)
            return self._apply_all(batch)

        task = asyncio.ensure_future(later())
        _LATE.add(task)
        task.add_done_callback(_ended)

    def _apply_all(self, batch: Sequence[Sending]) -> dict[str, Outcome]:
        target = self.target
        bad = [one for one in batch if one.command.business_key in target.poison]
        if bad and target.refuses_whole_batches:
            whole = len(batch) > 1
            return _each(batch, Rejected("BAD", "a row is wrong", is_whole_batch=whole))
        outcomes: dict[str, Outcome] = {}
        for one in batch:
            command_id = one.command.command_id
            if one in bad:
                outcomes[command_id] = Rejected("BAD", "this row is wrong", field="amount")
            elif target.happens("row_lock"):
                outcomes[command_id] = Retry("UNABLE_TO_LOCK_ROW", "locked by another")
            elif target.happens("does_nothing"):
                outcomes[command_id] = Accepted(f"ghost-{one.external_key}")
            else:
                dropped = target.happens("drops_field")
                outcomes[command_id] = Accepted(target.apply(one, dropped=dropped))
        return target.with_an_earlier_answer(outcomes)

    # -- reading ---------------------------------------------------------------------------------

    async def look_up(self, batch: Sequence[Sending]) -> Mapping[str, LookUp]:
        target = self.target
        async with _Call(self):
            await self._travel()
            if target.is_out():
                raise RetryLater("connection refused", code="not_sent")
            if target.happens("look_up_fails"):
                return {one.command.command_id: CannotTell("busy") for one in batch}
            return {
                one.command.command_id: (
                    Found(target.native_ids[one.external_key])
                    if target.effects[one.external_key]
                    else Absent()
                )
                for one in batch
            }

    async def read_back(self, batch: Sequence[Sending]) -> Mapping[str, ReadBack]:
        target = self.target
        async with _Call(self):
            await self._travel()
            if target.is_out():
                raise RetryLater("connection refused", code="not_sent")
            if target.happens("read_fails"):
                raise OutcomeUnknown("no answer", code="no_answer")
            return {one.command.command_id: self._read(one) for one in batch}

    def _read(self, one: Sending) -> ReadBack:
        command = one.command
        is_state = command.command_class is CommandClass.STATE
        key = command.business_key if is_state else one.external_key
        found = self.target.rows.get((command.object_name, key))
        native_id = self.target.native_ids.get(one.external_key, "")
        return ReadBack(None if found is None else dict(found), native_id)

    async def _travel(self) -> None:
        if self.target.faults.latency_seconds:
            await self.target.clock.sleep(self.target.faults.latency_seconds / 2)


_LATE: set["asyncio.Task[Mapping[str, Outcome]]"] = set()


def _ended(task: "asyncio.Task[Mapping[str, Outcome]]") -> None:
    """Whoever asked may be gone: its answer is nobody's."""
    _LATE.discard(task)
    if not task.cancelled():
        task.exception()


class _Call:
    """Counts open calls; a killed process makes none."""

    def __init__(self, writer: FakeWriter) -> None:
        self._writer = writer

    async def __aenter__(self) -> None:
        target = self._writer.target
        target.open_calls += 1
        target.open_calls_max = max(target.open_calls_max, target.open_calls)

    async def __aexit__(self, *_error: object) -> None:
        self._writer.target.open_calls -= 1


def _each(batch: Sequence[Sending], outcome: Outcome) -> dict[str, Outcome]:
    return {one.command.command_id: outcome for one in batch}


__all__ = ["FakeTarget", "FakeWriter", "Faults", "Unknown"]
