"""Claiming: what may go next, and what dead senders left behind, inside the engine's transaction.

Chooses lane heads as far as pacers, limits, modes and approvals allow, marks them ``sending``, and
takes over commands whose sender is gone. Starts nothing: the engine does, after the commit.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from reverse_etl.delivery.batching import batch_size, split
from reverse_etl.delivery.bounds import Bounds
from reverse_etl.delivery.calls import Caller
from reverse_etl.delivery.follow_ups import FollowUp
from reverse_etl.delivery.target import Place, Target
from reverse_etl.ledger.claims import Claimed, Group
from reverse_etl.ledger.clock import instant_of
from reverse_etl.ledger.commands import State
from reverse_etl.ledger.events import Unit
from reverse_etl.ledger.gate import refuse
from reverse_etl.ledger.leases import CLOCK_SKEW_SECONDS_MAX
from reverse_etl.ledger.modes import Modes

if TYPE_CHECKING:
    from reverse_etl.delivery.engine import Engine

__all__ = ["Batch", "Claimer"]

#: A dead sender's commands are looked up this soon: most are there.
_EARLY_LOOK_UP_SECONDS = 1.0
_CLOCK_SKEW_MAX = timedelta(seconds=CLOCK_SKEW_SECONDS_MAX)


@dataclass(frozen=True, slots=True)
class Batch:
    """Commands that are marked as sending and share one request."""

    target: Target
    group: Group
    claimed: list[Claimed]


class Claimer:
    """Takes work from the log for an engine."""

    def __init__(
        self,
        engine: "Engine",
        caller: Caller,
        targets: Mapping[str, Target],
        *,
        bounds: Bounds,
        modes: Modes,
        object_names: Collection[str] | None,
    ) -> None:
        self._engine = engine
        self._store = engine.store
        self._caller = caller
        self._targets = targets
        self._bounds = bounds
        self._modes = modes
        self._object_names = object_names
        self.held_elsewhere = 0
        self._elsewhere_since = 0.0
        self._next_look_elsewhere = 0.0

    def wants(self, now: float) -> bool:
        """Whether a turn should open a transaction to claim something."""
        if now >= self._next_look_elsewhere:
            return True
        return any(self._may_claim(target, now) for target in self._targets.values())

    def next_look_elsewhere(self, now: float) -> float | None:
        """When to look at work in other hands; None when there is none, or for too long."""
        is_patient = now < self._elsewhere_since + self._bounds.wait_seconds_max
        return self._next_look_elsewhere if self.held_elsewhere and is_patient else None

    def claim(self, unit: Unit, now: float) -> list[Batch]:
        """Take over what dead senders left, then mark as sending what may go, in batches."""
        self._look_elsewhere(unit, now)
        if self._engine.is_stopping:
            return []
        return [
            batch for target in self._targets.values() for batch in self._claim(unit, target, now)
        ]

    def _may_claim(self, target: Target, now: float) -> bool:
        return (
            target.may_have_work
            and not target.is_given_up
            and target.following < self._bounds.follow_ups_max
            and target.pacer.free(now) > 0
        )

    def _claim(self, unit: Unit, target: Target, now: float) -> list[Batch]:
        """Mark as sending what one system's free places allow, in batches."""
        batches: list[Batch] = []
        full: set[Place] = set(target.undeliverable)
        claims = self._store.claims
        room = self._bounds.follow_ups_max - target.following
        while self._may_claim(target, now) and len(batches) < target.pacer.free(now) and room > 0:
            group = claims.next_group(
                unit.connection,
                target.system_id,
                unit.now,
                excluded=full,
                object_names=self._object_names,
            )
            if group is None:
                # What only lacks a place of its own operation comes up when a call ends.
                target.may_have_work = False
                break
            place = (group.object_name, group.operation)
            if not target.can_deliver(*place):
                full.add(place)
                continue
            limits = target.limits(*place)
            self._engine.need_lease(limits.request_timeout_seconds)
            in_flight = target.in_flight.get(place, 0) + sum(
                (one.group.object_name, one.group.operation) == place for one in batches
            )
            slots = min(target.pacer.free(now) - len(batches), limits.concurrency_max - in_flight)
            if slots <= 0:
                full.add(place)
                continue
            size, found = self._choose(unit, target, group, slots)
            allowed = self._admit(unit, found)
            if not allowed and not found:
                break
            if allowed:
                claims.mark_sending(unit, allowed, self._engine.holder)
            room -= len(allowed)
            batches += [Batch(target, group, list(part)) for part in split(allowed, size)]
        return batches

    def _choose(
        self, unit: Unit, target: Target, group: Group, slots: int
    ) -> tuple[int, list[Claimed]]:
        """The batch size for a group and the commands that fill the free places."""
        limits = target.limits(group.object_name, group.operation)
        claims = self._store.claims
        volume = 0
        if limits.bulk_from is not None and not group.failures:
            volume = claims.count(
                unit.connection,
                group,
                unit.now,
                limits.bulk_from,
                with_followers=limits.allows_many_per_lane,
            )
        size = batch_size(limits, failures=group.failures, volume=volume)
        wanted = size if size > limits.batch_max else min(size * slots, self._bounds.claim_max)
        found = claims.heads(unit.connection, group, unit.now, wanted)
        if limits.allows_many_per_lane and size > 1:
            return size, self._with_followers(unit, group, found, wanted)
        return size, found

    def _with_followers(
        self, unit: Unit, group: Group, heads: Sequence[Claimed], wanted: int
    ) -> list[Claimed]:
        """Lane heads, each with what may follow it in its lane, until enough are found."""
        found: list[Claimed] = []
        missing = wanted - len(heads)
        for head in heads:
            found.append(head)
            if missing > 0:
                followers = self._store.claims.followers(
                    unit.connection, head, group, unit.now, missing
                )
                found += followers
                missing -= len(followers)
        return found

    def _admit(self, unit: Unit, found: list[Claimed]) -> list[Claimed]:
        """Those that modes and approvals let go; the others are held in the same transaction."""
        allowed = []
        for one in found:
            is_approved = one.needs_approval and self._store.is_approval_valid(
                unit, one.number, one.command.payload
            )
            refusal = refuse(one, self._modes, is_approved=is_approved)
            if refusal is None:
                allowed.append(one)
            else:
                unit.emit([refusal])
        return allowed

    def _look_elsewhere(self, unit: Unit, now: float) -> None:
        """Take over what dead senders left; count what living ones have in their hands."""
        if now < self._next_look_elsewhere:
            return
        self._next_look_elsewhere = now + self._bounds.poll_seconds
        connection, claims = unit.connection, self._store.claims
        self._store.leases.bury(connection, now=unit.now, self_holder=self._engine.holder)
        live = self._store.leases.holders(connection)
        if self._engine.holder not in live:
            self._engine.lose_lease()
            return
        for target in self._targets.values():
            room = self._bounds.follow_ups_max - target.following
            orphans = claims.orphans(connection, target.system_id, live, max(0, room))
            self._take_over(unit, target, orphans, now)
            target.may_have_work = True
        held = claims.held_elsewhere(connection, list(self._targets), self._engine.holder)
        if not (held and self.held_elsewhere):
            self._elsewhere_since = now
        self.held_elsewhere = held

    def _take_over(self, unit: Unit, target: Target, orphans: list[Claimed], now: float) -> None:
        """A dead sender's commands: what it was sending is unknown now."""
        if not orphans:
            return
        self._engine.report.taken_over += len(orphans)
        items = [(one, self._absent_from(unit, target, one)) for one in orphans]
        self._store.claims.take_over(unit, items, self._engine.holder)
        for one, at in items:
            if not target.can_deliver(one.command.object_name, one.command.operation):
                continue  # In this run's hands, and left alone.
            if one.state == State.ACCEPTED:
                # Its patience began when the target accepted it, in whichever run that was.
                since = min(now, instant_of(one.since).timestamp())
                target.reading_back.add([FollowUp(one, since=since, due=now)])
            else:
                # What is found counts at once; what is absent counts only from then on.
                early = min(at.timestamp(), now + _EARLY_LOOK_UP_SECONDS)
                self._caller.plan_look_up(unit, target, one, early, at.timestamp())

    def _absent_from(self, unit: Unit, target: Target, one: Claimed) -> datetime:
        """When an orphan's absence begins to count.

        Its sender's request may have left the moment before the sender died, and the target may
        work on it as long as a request may take. Sending a keyed command twice is harmless, so
        there only the settle time is kept.
        """
        if not target.can_deliver(one.command.object_name, one.command.operation):
            # Nobody can say how long its request may take: no shorter than the longest.
            return unit.now + timedelta(seconds=self._bounds.look_up_seconds_max)
        limits = self._caller.limits_of(target, one)
        settled = unit.now + timedelta(seconds=limits.settle_seconds)
        if one.state == State.UNKNOWN:
            # Its sender's clock may have been wrong: the settle time starts again, unless it is
            # longer than clocks can differ. Else runs that come often would never see its end.
            recorded = instant_of(one.since) + timedelta(seconds=limits.settle_seconds)
            if one.not_before:
                recorded = max(recorded, instant_of(one.not_before))
            return min(max(settled, recorded), recorded + _CLOCK_SKEW_MAX)
        if one.state != State.SENDING or limits.is_keyed:
            return settled
        longest = timedelta(seconds=limits.request_timeout_seconds + limits.settle_seconds)
        return max(settled, instant_of(one.since) + longest)
