"""The delivery engine: record first, send second, read back third.

One loop per process. Each turn it writes what its tasks learnt and claims what may go next in *one*
transaction (group commit), then starts the calls: ``send`` for what was just marked as sending,
``look_up`` for unknown outcomes, ``read_back`` for what was accepted. Nothing leaves before the
transaction that says so is durable, and nothing is verified that was not read back.

Killed at any point, the next run takes over what was on its way, looks it up, and goes on.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Collection, Coroutine, Mapping
from random import Random
from typing import Any

from reverse_etl.delivery.bounds import Bounds
from reverse_etl.delivery.calls import Caller
from reverse_etl.delivery.claiming import Batch, Claimer
from reverse_etl.delivery.follow_ups import FollowUp
from reverse_etl.delivery.leaving import note_left
from reverse_etl.delivery.outages import note_outages
from reverse_etl.delivery.pacer import Pacer
from reverse_etl.delivery.recording import Recorder, Recording
from reverse_etl.delivery.report import DeliveryReport, Progress
from reverse_etl.delivery.target import Target
from reverse_etl.delivery.writer import Writer
from reverse_etl.ledger.clock import Clock
from reverse_etl.ledger.events import Unit
from reverse_etl.ledger.gate import apply_modes
from reverse_etl.ledger.leases import Lease, ProcessIdentity, this_process
from reverse_etl.ledger.modes import Modes
from reverse_etl.ledger.store import Store

__all__ = ["Engine", "deliver"]

_LOG = logging.getLogger(__name__)
#: A lease is renewed when less than this part of it is left.
_RENEW_BELOW = 0.6
#: A timer for an instant must end after it, not just on it.
_BEYOND_SECONDS = 0.001
#: No instant: the log was not asked what comes due.
_NOT_LOOKED = -1.0


class Engine:
    """One run of delivery over some systems. Use ``deliver``."""

    def __init__(
        self,
        store: Store,
        writers: Mapping[str, Writer],
        *,
        clock: Clock,
        modes: Modes,
        bounds: Bounds,
        seed: int,
        object_names: Collection[str] | None,
        on_progress: Callable[[Progress], None] | None,
        identity: ProcessIdentity,
    ) -> None:
        self._store = store
        self._clock = clock
        self._modes = modes
        self._bounds = bounds
        self._object_names = object_names
        self._on_progress = on_progress
        self._identity = identity
        random = Random(seed)  # noqa: S311 - jitter, no secret
        self._holder = f"{secrets.token_hex(4)}-{seed & 0xFFFFFFFF:08x}"
        self._targets = {
            system_id: Target(system_id, writer, Pacer(bounds, random))
            for system_id, writer in writers.items()
        }
        self.report = DeliveryReport(seed=seed)
        self._recorder = Recorder(store, self._holder)
        self._wake = asyncio.Event()
        self._flushed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self._lease: Lease | None = None
        self._lease_seconds = bounds.lease_seconds
        self._is_stopping = False
        self._stop_by: float | None = None
        self._last_turn = 0.0
        self._next_at: float | None = _NOT_LOOKED
        self._caller = Caller(self, bounds, random)
        self._claimer = Claimer(
            self, self._caller, self._targets, bounds=bounds, modes=modes, object_names=object_names
        )

    # -- what the calls need of the engine -------------------------------------------------------

    @property
    def store(self) -> Store:
        return self._store

    @property
    def recorder(self) -> Recorder:
        return self._recorder

    @property
    def holder(self) -> str:
        """Under which name this run holds its lease."""
        return self._holder

    @property
    def is_stopping(self) -> bool:
        return self._is_stopping

    def now(self) -> float:
        """The clock as epoch seconds."""
        return self._clock.now().timestamp()

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)

    def wake(self) -> None:
        """There is something to record or to start."""
        self._wake.set()

    async def flushed(self) -> None:
        """Wait until everything collected so far is durable."""
        event = self._flushed
        self._wake.set()
        await event.wait()

    def lease_remaining_seconds(self) -> float:
        """How long this process may still act on what it claimed."""
        return self._lease.remaining_seconds(self._clock.now()) if self._lease else 0.0

    def need_lease(self, request_timeout_seconds: float) -> None:
        """Make leases long enough for requests that may take this long."""
        self._lease_seconds = max(self._lease_seconds, 3 * request_timeout_seconds)

    def lose_lease(self) -> None:
        """Another process took this one for dead: nothing more may leave."""
        _LOG.warning("lease lost: sending nothing more", extra={"holder": self._holder})
        self._lease = None
        self.stop()

    def stop(self) -> None:
        """Take no new work; end once what is on its way has ended, or soon without its answers."""
        if self._stop_by is None:
            self._stop_by = self.now() + self._bounds.stop_seconds
        self._is_stopping = True
        self._wake.set()

    # -- the loop --------------------------------------------------------------------------------

    async def run(self) -> DeliveryReport:
        """Deliver until nothing is left that this run can do.

        Cancelled once, it ends cleanly and then raises; cancelled twice, at once.
        """
        started = self.now()
        self._begin()
        is_cancelled = False
        try:
            while True:
                self._turn()
                if self._is_done():
                    break
                if self._stop_by is not None and self.now() >= self._stop_by:
                    await self._leave_unanswered()
                    continue
                try:
                    await self._rest()
                except asyncio.CancelledError:
                    if is_cancelled:
                        raise
                    # The first Ctrl-C ends the run cleanly, the second at once.
                    is_cancelled = True
                    self.stop()
        except BaseException:
            await self._abandon()
            raise
        self._finish(started)
        if is_cancelled:
            raise asyncio.CancelledError("delivery was stopped; what was on its way has ended")
        return self.report

    def _begin(self) -> None:
        """Take a lease, obey the modes, learn limits of what is waiting."""
        for target in self._targets.values():
            for place in self._store.operations(target.system_id):
                if target.can_deliver(*place):
                    self.need_lease(target.limits(*place).request_timeout_seconds)
        with self._store.unit() as unit:
            self._lease = self._store.leases.take(
                unit.connection,
                self._holder,
                self._identity,
                now=unit.now,
                seconds=self._lease_seconds,
            )
            apply_modes(self._store.database, unit, self._modes, list(self._targets))
        _LOG.info("delivery begins", extra={"holder": self._holder, "seed": self.report.seed})

    def _turn(self) -> None:
        """Record, claim, commit; then start what was claimed and what is due."""
        if self._failure is not None:
            raise self._failure
        now = self._last_turn = self.now()
        claimed: list[Batch] = []
        recording = Recording()
        if self._needs_unit(now):
            with self._store.unit() as unit:
                recording = self._recorder.write(unit)
                self._renew(unit)
                if not self._is_stopping:
                    claimed = self._claimer.claim(unit, now)
        done, self._flushed = self._flushed, asyncio.Event()
        done.set()
        self._take_in(recording, now)
        for batch in claimed:
            self._start(batch)
        for target in self._targets.values():
            self._start_follow_ups(target, now)
        if self._on_progress is not None:
            self._on_progress(self._progress())

    def _needs_unit(self, now: float) -> bool:
        """Whether this turn has any business with the log."""
        if self._recorder or self._is_lease_short():
            return True
        if self._is_stopping:
            return False
        return self._claimer.wants(now)

    def _is_lease_short(self) -> bool:
        """Whether it is time to renew; a lease that was lost is not renewed."""
        left = self.lease_remaining_seconds()
        return self._lease is not None and left < _RENEW_BELOW * self._lease_seconds

    def _renew(self, unit: Unit) -> None:
        """Keep the lease, or find out that it was taken away: then nothing more may leave."""
        if not self._is_lease_short():
            return
        self._lease = self._store.leases.renew(
            unit.connection, self._holder, now=unit.now, seconds=self._lease_seconds
        )
        if self._lease is None:
            self.lose_lease()

    def _take_in(self, recording: Recording, now: float) -> None:
        """After the commit: what was accepted is to be read back."""
        report = self.report
        report.late_answers += recording.late
        report.exceptions_closed += recording.exceptions_closed
        report.accepted += len(recording.accepted)
        report.verified += len(recording.verified)
        for one in recording.verified:
            report.of(one.command.system_id, one.command.object_name).verified += 1
        for one in recording.accepted:
            target = self._targets[one.command.system_id]
            target.reading_back.add([FollowUp(one, since=now, due=now)])
        for target in self._targets.values():
            if recording.accepted or recording.verified:
                target.may_have_work = True

    def _progress(self) -> Progress:
        report = self.report
        return Progress(
            sent=report.sent,
            accepted=report.accepted,
            verified=report.verified,
            failed=report.rejected + report.dead,
            in_flight=sum(target.pacer.in_flight for target in self._targets.values()),
            following=sum(target.following for target in self._targets.values()),
        )

    # -- starting --------------------------------------------------------------------------------

    def _start(self, batch: Batch) -> None:
        """Start a write request that was just marked as sending."""
        target, place = batch.target, (batch.group.object_name, batch.group.operation)
        target.in_flight[place] = target.in_flight.get(place, 0) + 1

        def ended() -> None:
            target.in_flight[place] -= 1

        self._spawn(target, self._caller.send(target, batch.group, batch.claimed), ended)

    def _spawn(
        self,
        target: Target,
        call: Coroutine[Any, Any, None],
        ended: Callable[[], None],
    ) -> None:
        target.pacer.start()
        task = asyncio.ensure_future(call)
        self._tasks.add(task)

        def finished(task: "asyncio.Task[None]") -> None:
            self._tasks.discard(task)
            target.pacer.end()
            target.may_have_work = True
            ended()
            if not task.cancelled() and task.exception() is not None:
                self._failure = self._failure or task.exception()
            self._wake.set()

        task.add_done_callback(finished)

    def _start_follow_ups(self, target: Target, now: float) -> None:
        """Start look-ups and read-backs that are due, as far as the system has free places."""
        if self._is_stopping or target.is_given_up:
            return
        for queue, call in (
            (target.looking_up, self._caller.look_up),
            (target.reading_back, self._caller.read_back),
        ):
            for place, since, count in list(queue.due_counts(now)):
                size = target.limits(*place).read_batch_max
                is_small = count < size and (target.pacer.in_flight - queue.busy) > 0
                if is_small and now < since + self._bounds.gather_seconds:
                    queue.gather_until = since + self._bounds.gather_seconds
                    continue
                while target.pacer.free(now) > 0:
                    items = queue.take(place, now, size)
                    if not items:
                        break
                    queue.busy += 1
                    self._spawn(target, call(target, place, items), queue.call_ended)

    # -- resting and ending ----------------------------------------------------------------------

    def _is_done(self) -> bool:
        """Nothing is on its way, and nothing comes due within this run's patience."""
        self._next_at = _NOT_LOOKED
        if self._tasks or self._recorder:
            return False
        if self._is_stopping:
            return True
        self._next_at = self._next_turn_at(self.now())
        return self._next_at is None

    def _next_turn_at(self, now: float) -> float | None:
        """When something comes due without a task's end; None when nothing does in time."""
        times: list[float] = []
        for target in self._targets.values():
            if target.is_given_up or target.is_out_of_patience(now, self._bounds):
                target.is_given_up = True
                continue
            times += self._due_times(target, now)
        elsewhere = self._claimer.next_look_elsewhere(now)
        if elsewhere is not None:
            times.append(elsewhere)
        horizon = now + self._bounds.wait_seconds_max
        return min((at for at in times if at <= horizon), default=None)

    def _due_times(self, target: Target, now: float) -> list[float]:
        """When one system has something to do, follow-ups and waiting lane heads."""
        free_at = now if target.pacer.free(now) else target.pacer.next_at(now)
        if free_at is None:
            # Every place is taken: the end of a call comes first.
            return []
        times = []
        for queue in (target.looking_up, target.reading_back):
            due = queue.next_due()
            if due is not None:
                times.append(max(due, free_at, queue.gather_until))
        if target.following >= self._bounds.follow_ups_max:
            return times
        if target.may_have_work:
            times.append(free_at)
            return times
        waiting = (
            target.retry_at
            if self._tasks
            else self._store.next_due(
                target.system_id,
                excluded=target.undeliverable,
                object_names=self._object_names,
            )
        )
        if waiting is not None:
            times.append(max(waiting, free_at))
        return times

    async def _rest(self) -> None:
        """Wait for a task's end, for the next due time, or for the lease's renewal."""
        if not self._wake.is_set():
            now = self.now()
            due = self._next_at
            if due is _NOT_LOOKED and self._stop_by is None:
                due = self._next_turn_at(now)
            seconds = self._lease_seconds
            if self._lease is not None:
                left = self.lease_remaining_seconds() - _RENEW_BELOW * self._lease_seconds
                seconds = max(0.0, left) + _BEYOND_SECONDS
            if self._stop_by is not None:
                seconds = min(seconds, max(0.0, self._stop_by - now) + _BEYOND_SECONDS)
            elif due is not None:
                seconds = min(seconds, max(0.0, due - now))
            timer = asyncio.ensure_future(self._clock.sleep(seconds))
            timer.add_done_callback(self._ring)
            try:
                await self._wake.wait()
            finally:
                timer.cancel()
        gap = self._last_turn + self._bounds.commit_gap_seconds - self.now()
        if self._tasks and gap > 0:
            await self._clock.sleep(gap)
        # Let every task that is ready hand in its outcome before the commit.
        await asyncio.sleep(0)
        self._wake.clear()
        self._mark_due()

    def _ring(self, timer: "asyncio.Future[None]") -> None:
        """A timer ran out; one that was called off wakes nobody."""
        if not timer.cancelled():
            self._wake.set()

    def _mark_due(self) -> None:
        """Waiting lane heads may have come due while resting."""
        now = self.now()
        for target in self._targets.values():
            target.may_have_work = True
            if target.retry_at is not None and target.retry_at <= now:
                target.retry_at = None

    async def _leave_unanswered(self) -> None:
        """The patience of a stopped run is over: the next run looks up what is on its way."""
        self.report.unanswered += len(self._tasks)
        await self._abandon()
        # Their callbacks run in the loop's next turn.
        await asyncio.sleep(0)

    async def _abandon(self) -> None:
        """Stop every call; their outcomes are unknown to this process."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _finish(self, started: float) -> None:
        """Give the lease back and count what is left."""
        report = self.report
        with self._store.unit() as unit:
            self._store.leases.release(unit.connection, self._holder)
            report.exceptions_opened += note_outages(self._store, unit, self._targets.values())
        report.is_stopped = self._is_stopping
        report.seconds = self.now() - started
        report.held_elsewhere = self._claimer.held_elsewhere
        note_left(report, self._store, self._targets, self._object_names)
        _LOG.info("delivery ends", extra={"holder": self._holder, "verified": report.verified})


async def deliver(
    store: Store,
    writers: Mapping[str, Writer],
    *,
    clock: Clock,
    modes: Modes | None = None,
    bounds: Bounds | None = None,
    seed: int | None = None,
    object_names: Collection[str] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_engine: Callable[[Engine], None] | None = None,
    identity: ProcessIdentity | None = None,
) -> DeliveryReport:
    """Deliver what is ready for some systems until nothing is left that this run can do.

    Args:
        store: the operations database.
        writers: by system id; only these systems are touched. They are not closed here.
        clock: tells the time and lets it pass.
        modes: the mode of every flow, automatic when not given.
        bounds: limits on tries and times.
        seed: of the jitter, printed in the log; drawn when not given.
        object_names: only these objects, all when not given.
        on_progress: called after every commit.
        on_engine: receives the engine, whose ``stop`` ends the run cleanly.
        identity: whose lease this is, this process when not given.

    Returns:
        What was done and what is left.
    """
    engine = Engine(
        store,
        writers,
        clock=clock,
        modes=modes or Modes(),
        bounds=bounds or Bounds(),
        seed=secrets.randbits(32) if seed is None else seed,
        object_names=object_names,
        on_progress=on_progress,
        identity=identity or this_process(),
    )
    if on_engine is not None:
        on_engine(engine)
    return await engine.run()
