"""One call to a target and what its answer means: send, look up, read back.

A send may become several: a batch that was refused as a whole is halved until only the bad rows are
refused. Answers are joined by command id; a row without an answer is unknown. Whatever a writer
raises is unknown too, unless it says for certain that nothing left this machine.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from random import Random
from typing import TYPE_CHECKING, TypeVar

from ingestion.common.errors import LedgerloopError, RetryLater
from reverse_etl.delivery.batching import halves
from reverse_etl.delivery.bounds import Bounds
from reverse_etl.delivery.claimed import (
    about,
    all_alike,
    instant,
    is_refused_whole,
    sending_of,
)
from reverse_etl.delivery.follow_ups import FollowUp
from reverse_etl.delivery.pacer import backoff_seconds
from reverse_etl.delivery.resolving import (
    ABSENCES_NEEDED,
    Means,
    answer_of_read_back,
    means_of,
)
from reverse_etl.delivery.target import Place, Target
from reverse_etl.delivery.verifying import Verdict, Verified, judge_read_back, poll_seconds
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
from reverse_etl.ledger.claims import Claimed, Group
from reverse_etl.ledger.events import Unit
from reverse_etl.ledger.exceptions import NOT_CONFIRMED, TECHNICAL

if TYPE_CHECKING:
    from reverse_etl.delivery.engine import Engine

__all__ = ["Caller"]

_LOG = logging.getLogger(__name__)
_Answer = TypeVar("_Answer")
#: The answer of a vendor that asks for less; it does not count as a fault of the command.
_NO_CONNECTION = "not_sent"


class Caller:
    """Makes calls for an engine and hands their meaning to its recorder."""

    def __init__(self, engine: "Engine", bounds: Bounds, random: Random) -> None:
        self._engine = engine
        self._bounds = bounds
        self._random = random

    def limits_of(self, target: Target, one: Claimed) -> Limits:
        return target.limits(one.command.object_name, one.command.operation)

    # -- sending ---------------------------------------------------------------------------------

    async def send(self, target: Target, group: Group, claimed: Sequence[Claimed]) -> None:
        """Send commands that are marked as sending, in ever smaller parts where refused whole."""
        limits = target.limits(group.object_name, group.operation)
        claimed = await self._still_absent(target, limits, claimed)
        parts: list[Sequence[Claimed]] = [claimed] if claimed else []
        is_first = True
        while parts:
            part = parts.pop(0)
            if not is_first and not await self._mark_again(part):
                self._not_sent(part)
                continue
            is_first = False
            if not await self._may_send(limits):
                self._not_sent(part)
                continue
            outcomes = await self._call_send(target, limits, part)
            if len(part) > 1 and is_refused_whole(part, outcomes):
                parts[:0] = halves(part)
                continue
            self._judge(target, limits, part, outcomes)

    async def _still_absent(
        self, target: Target, limits: Limits, claimed: Sequence[Claimed]
    ) -> Sequence[Claimed]:
        """Of what left before, only what the target does not hold; the rest of it is there already.

        "No" to a request is not quite certain: a gateway may have delivered it twice and handed us
        the answer to the second copy (found by the simulation: posted, then 429). So a posting that
        a second send would double is asked for before it leaves again, whatever was said then.
        """
        again = [
            one
            for one in claimed
            if one.attempts > 1 and means_of(one.command, limits) is Means.LOOK_UP
        ]
        answers: dict[str, LookUp] = {}
        for first in range(0, len(again), limits.read_batch_max):
            batch = [sending_of(one) for one in again[first : first + limits.read_batch_max]]
            self._engine.report.look_ups += 1
            found = await self._ask(target, limits, target.writer.look_up, batch, is_calm=False)
            answers.update(found or {})
        asked = {one.number for one in again}
        left = []
        for one in claimed:
            answer = answers.get(one.command.command_id)
            if one.number not in asked or isinstance(answer, Absent):
                left.append(one)
            elif isinstance(answer, Found):
                self._engine.recorder.accept(one, answer.native_id)
            else:
                action = partial(self._ask_again, target, one)
                self._engine.recorder.act(one, "not looked up", action)
        return left

    def _ask_again(self, target: Target, one: Claimed, unit: Unit) -> None:
        """It could not be looked up, so it did not leave: due again later."""
        wait = max(1.0, backoff_seconds(one.attempts, self._bounds, self._random))
        at = unit.now.timestamp() + wait
        target.note_retry(at)
        self._engine.report.not_sent += 1
        self._engine.store.outcomes.retry(
            unit, one, code="not_looked_up", message="the target did not answer the look-up",
            at=instant(at), is_failure=False,
        )  # fmt: skip

    async def _mark_again(self, part: Sequence[Claimed]) -> bool:
        """Record that part of a refused batch leaves again; False when the run is stopping."""
        if self._engine.is_stopping:
            return False
        self._engine.recorder.resend(list(part))
        await self._engine.flushed()
        return True

    async def _may_send(self, limits: Limits) -> bool:
        """The lease rule: what remains is longer than the request may take."""
        if self._engine.lease_remaining_seconds() > limits.request_timeout_seconds:
            return True
        await self._engine.flushed()
        return self._engine.lease_remaining_seconds() > limits.request_timeout_seconds

    def _not_sent(self, part: Sequence[Claimed]) -> None:
        """Certainly nothing left: they are ready again."""
        for one in part:
            action = partial(self._record_not_sent, one)
            self._engine.recorder.act(one, "not sent", action)
        self._engine.report.not_sent += len(part)

    def _record_not_sent(self, one: Claimed, unit: Unit) -> None:
        self._engine.store.outcomes.not_sent(unit, [one])

    async def _call_send(
        self, target: Target, limits: Limits, part: Sequence[Claimed]
    ) -> Mapping[str, Outcome]:
        """One ``send`` of the writer within its time; every command has an outcome."""
        report = self._engine.report
        report.requests += 1
        report.sent += len(part)
        first = part[0].command
        report.of(target.system_id, first.object_name).sent += len(part)
        if _LOG.isEnabledFor(logging.DEBUG):
            for one in part:
                _LOG.debug("sending", extra=about(one))
        try:
            async with asyncio.timeout(limits.request_timeout_seconds):
                found = await target.writer.send([sending_of(one) for one in part])
        except TimeoutError:
            return all_alike(part, Unknown("timeout", "no answer in time"))
        except RetryLater as error:
            if error.code == _NO_CONNECTION:
                again = Retry(error.code, error.message, error.after_seconds, is_system_wide=True)
                return all_alike(part, again)
            return all_alike(part, Unknown(error.code or "writer_error", error.message))
        except LedgerloopError as error:
            return all_alike(part, Unknown(error.code or "writer_error", error.message))
        except Exception as error:  # noqa: BLE001 - a fault of a writer must not lose an outcome
            _LOG.exception("a writer raised", extra={"system_id": target.system_id})
            return all_alike(part, Unknown("writer_error", f"{type(error).__name__}: {error}"))
        missing = Unknown("no_outcome", "the answer does not mention this command")
        return {one.command.command_id: found.get(one.command.command_id, missing) for one in part}

    # -- judging outcomes ------------------------------------------------------------------------

    def _judge(
        self,
        target: Target,
        limits: Limits,
        part: Sequence[Claimed],
        outcomes: Mapping[str, Outcome],
    ) -> None:
        """Hand every outcome to the recorder and tell the pacer how the system is."""
        recorder = self._engine.recorder
        unknown: list[Claimed] = []
        for one in part:
            outcome = outcomes[one.command.command_id]
            if isinstance(outcome, Accepted):
                recorder.accept(one, outcome.native_id)
            elif isinstance(outcome, Rejected):
                recorder.act(one, f"rejected {outcome.code}", partial(self._reject, one, outcome))
            elif isinstance(outcome, Retry):
                action = partial(self._retry, target, one, outcome)
                recorder.act(one, f"retry {outcome.code}", action)
            else:
                unknown.append(one)
                action = partial(self._unknown, target, limits, one, outcome)
                recorder.act(one, f"unknown {outcome.code}", action)
        place = (part[0].command.object_name, part[0].command.operation)
        self._tell_pacer(target, place, outcomes, is_broken=len(unknown) == len(part))

    def _tell_pacer(
        self,
        target: Target,
        place: Place,
        outcomes: Mapping[str, Outcome],
        *,
        is_broken: bool,
    ) -> None:
        now = self._engine.now()
        wide = next(
            (o for o in outcomes.values() if isinstance(o, Retry) and o.is_system_wide), None
        )
        target.note_answer(place, now, is_throttled=wide is not None)
        if wide is not None and wide.code != _NO_CONNECTION:
            target.pacer.throttled(now, wide.after_seconds)
        elif wide is not None or is_broken:
            target.pacer.failed(now)
        else:
            target.pacer.succeeded()

    def _reject(self, one: Claimed, outcome: Rejected, unit: Unit) -> None:
        if outcome.is_partial:
            self._die(one, outcome.code, outcome.message, unit, may_have_effect=True)
            return
        self._engine.store.outcomes.rejected(
            unit,
            one,
            code=outcome.code,
            message=outcome.message,
            field=outcome.field,
            is_business=outcome.is_business,
        )
        report = self._engine.report
        report.rejected += 1
        report.exceptions_opened += 1
        report.of(one.command.system_id, one.command.object_name).rejected += 1
        _LOG.info("rejected: %s", outcome.code, extra=about(one))

    def _retry(self, target: Target, one: Claimed, outcome: Retry, unit: Unit) -> None:
        """Due again later; after too many faults of its own the command dies."""
        is_failure = not outcome.is_system_wide
        if is_failure and one.failures + 1 >= self._bounds.failures_max:
            message = f"failed {one.failures + 1} times, last: {outcome.message}"
            self._die(one, outcome.code, message, unit, may_have_effect=False)
            return
        wait = outcome.after_seconds
        if wait is None:
            wait = backoff_seconds(one.failures + 1, self._bounds, self._random)
        at = unit.now.timestamp() + wait
        if outcome.is_system_wide:
            at = max(unit.now.timestamp(), target.pacer.paused_until)
        self._engine.report.retried += 1
        target.note_retry(at)
        self._engine.store.outcomes.retry(
            unit, one, code=outcome.code, message=outcome.message, at=instant(at),
            is_failure=is_failure,
        )  # fmt: skip

    def _unknown(
        self, target: Target, limits: Limits, one: Claimed, outcome: Unknown, unit: Unit
    ) -> None:
        """To be looked up once it has settled, or, where nobody can, a person's business."""
        now = unit.now.timestamp()
        at = now + limits.settle_seconds
        self._engine.store.outcomes.unknown(
            unit, [one], code=outcome.code, message=outcome.message, look_up_at=instant(at)
        )
        _LOG.info("outcome unknown: %s", outcome.code, extra=about(one))
        self.plan_look_up(unit, target, one, at, at)

    def plan_look_up(
        self, unit: Unit, target: Target, one: Claimed, at: float, absent_from: float
    ) -> None:
        """Queue the look-up of an unknown outcome, or tell a person where there is none."""
        now = unit.now.timestamp()
        if means_of(one.command, self.limits_of(target, one)) is Means.PERSON:
            self._open(
                unit, one, "outcome_unknown",
                "sent once, and no answer came; the target offers no way to look it up: find out "
                "there and resolve with has_effect or no_effect",
            )  # fmt: skip
            self._engine.store.outcomes.parked(unit, [one])
            return
        target.looking_up.add([FollowUp(one, since=now, due=at, absent_from=absent_from)])

    def _die(
        self,
        one: Claimed,
        code: str,
        message: str,
        unit: Unit,
        *,
        may_have_effect: bool,
        differences: Mapping[str, object] | None = None,
    ) -> None:
        field = next(iter(differences), "") if differences else ""
        self._engine.store.outcomes.died(
            unit, one, code=code, message=message, may_have_effect=may_have_effect, field=field,
            differences=differences,
        )  # fmt: skip
        report = self._engine.report
        report.dead += 1
        report.exceptions_opened += 1
        report.of(one.command.system_id, one.command.object_name).dead += 1
        _LOG.warning("%s: given up: %s", one.command.business_key, code, extra=about(one))

    def _open(self, unit: Unit, one: Claimed, code: str, message: str) -> None:
        outcomes = self._engine.store.outcomes
        outcomes.open_about(unit, one, TECHNICAL, code=code, message=message)
        self._engine.report.exceptions_opened += 1

    # -- looking up ------------------------------------------------------------------------------

    async def look_up(
        self, target: Target, place: tuple[str, str], items: Sequence[FollowUp]
    ) -> None:
        """Ask whether unknown commands arrived."""
        limits = target.limits(*place)
        self._engine.report.look_ups += 1
        by_means: dict[Means, list[FollowUp]] = {}
        for item in items:
            means = means_of(item.claimed.command, limits)
            by_means.setdefault(means, []).append(item)
        answers: dict[str, LookUp] = {}
        for means, part in by_means.items():
            batch = [sending_of(item.claimed) for item in part]
            if means is Means.LOOK_UP:
                answers.update(await self._ask(target, limits, target.writer.look_up, batch) or {})
                continue
            found = await self._ask(target, limits, target.writer.read_back, batch) or {}
            for item in part:
                command = item.claimed.command
                answers[command.command_id] = answer_of_read_back(
                    command, found.get(command.command_id), limits
                )
        silent = CannotTell("the target did not answer the look-up")
        for item in items:
            answer = answers.get(item.claimed.command.command_id, silent)
            self._resolve(target, limits, item, answer)

    def _resolve(self, target: Target, limits: Limits, item: FollowUp, answer: LookUp) -> None:
        """Found counts; absent counts when it is so twice in a row; all else asks again."""
        one, recorder = item.claimed, self._engine.recorder
        if isinstance(answer, Found):
            recorder.accept(one, answer.native_id)
            return
        item.tries += 1
        recorder.act(one, "look-up", partial(self._not_found, target, limits, item, answer))

    def _not_found(
        self, target: Target, limits: Limits, item: FollowUp, answer: LookUp, unit: Unit
    ) -> None:
        one, now = item.claimed, unit.now.timestamp()
        outcomes = self._engine.store.outcomes
        if isinstance(answer, Absent) and now < item.absent_from:
            item.due = item.absent_from
            target.looking_up.add([item])
            return
        if isinstance(answer, Absent) and one.absences + 1 >= ABSENCES_NEEDED:
            outcomes.looked_up(unit, one, result="gone", next_at=unit.now)
            one.failures += 1
            if one.failures >= self._bounds.failures_max:
                message = f"sent {one.attempts} times, and it never arrived"
                self._die(one, "never_arrives", message, unit, may_have_effect=False)
            return
        is_absent = isinstance(answer, Absent)
        wait = limits.settle_seconds
        if not is_absent:
            wait = max(1.0, backoff_seconds(item.tries, self._bounds, self._random))
        reason = answer.reason if isinstance(answer, CannotTell) else ""
        outcomes.looked_up(
            unit, one, result="absent" if is_absent else "unclear", next_at=instant(now + wait),
            reason=reason,
        )  # fmt: skip
        could_tell_from = max(item.since, item.absent_from)
        if not is_absent and now - could_tell_from > self._bounds.look_up_seconds_max:
            self._open(
                unit, one, "outcome_unknown",
                f"sent, and nobody could find out whether it arrived: {reason or 'unclear'}",
            )  # fmt: skip
            return
        item.due = now + wait
        target.looking_up.add([item])

    # -- reading back ----------------------------------------------------------------------------

    async def read_back(
        self, target: Target, place: tuple[str, str], items: Sequence[FollowUp]
    ) -> None:
        """Ask what the target holds for accepted commands, and compare."""
        limits = target.limits(*place)
        self._engine.report.read_backs += 1
        batch = [sending_of(item.claimed) for item in items]
        found = await self._ask(target, limits, target.writer.read_back, batch) or {}
        now = self._engine.now()
        for item in items:
            item.tries += 1
            command = item.claimed.command
            self._compare(target, limits, item, found.get(command.command_id), now)

    def _compare(
        self, target: Target, limits: Limits, item: FollowUp, found: ReadBack | None, now: float
    ) -> None:
        one, recorder = item.claimed, self._engine.recorder
        judged = judge_read_back(
            one.command.payload, found, limits, reads=item.tries, age_seconds=now - item.since
        )
        if judged.verdict is Verdict.VERIFIED:
            recorder.verify(one)
        elif judged.verdict is Verdict.ASK_AGAIN:
            item.due = now + poll_seconds(item.tries, limits, self._bounds)
            target.reading_back.add([item])
        else:
            recorder.act(one, f"read back {judged.verdict.value}", partial(self._fail, one, judged))

    def _fail(self, one: Claimed, judged: Verified, unit: Unit) -> None:
        """The target does not hold what it accepted."""
        if judged.verdict is Verdict.NOT_CONFIRMED:
            self._open(
                unit, one, NOT_CONFIRMED,
                "accepted, and the target has not confirmed the effect in time; it is read again "
                "in the next run",
            )  # fmt: skip
        elif judged.verdict is Verdict.REJECTED and judged.rejection is not None:
            self._reject(one, judged.rejection, unit)
        elif judged.verdict is Verdict.NO_EFFECT:
            message = "the target said yes and holds nothing: it accepted without an effect"
            self._die(one, "no_effect", message, unit, may_have_effect=True)
        else:
            names = ", ".join(judged.differences)
            message = f"the target said yes and does not hold what was sent in: {names}"
            self._die(
                one, "read_back_differs", message, unit, may_have_effect=True,
                differences={f: list(pair) for f, pair in judged.differences.items()},
            )  # fmt: skip

    async def _ask(
        self,
        target: Target,
        limits: Limits,
        call: Callable[[Sequence[Sending]], Awaitable[Mapping[str, _Answer]]],
        batch: Sequence[Sending],
        *,
        is_calm: bool = True,
    ) -> Mapping[str, _Answer] | None:
        """A reading call within its time; None when there was no answer. Reads may be repeated.

        ``is_calm``: an answer shows that the target is well. Not so of one that may read and not
        write: its "not now" to what is sent must go on lengthening the pauses.
        """
        try:
            async with asyncio.timeout(limits.request_timeout_seconds):
                found = await call(batch)
        except RetryLater as error:
            now = self._engine.now()
            if error.code == _NO_CONNECTION:
                target.pacer.failed(now)
            else:
                target.pacer.throttled(now, error.after_seconds)
            return None
        except (TimeoutError, LedgerloopError) as error:
            target.pacer.failed(self._engine.now())
            _LOG.warning("no answer to a read: %s", error, extra={"system_id": target.system_id})
            return None
        except Exception:  # noqa: BLE001 - a read has no effect: ask again later
            _LOG.exception("a writer raised", extra={"system_id": target.system_id})
            target.pacer.failed(self._engine.now())
            return None
        if is_calm:
            target.pacer.succeeded()
        return found
