"""One push: compare a table with a target, record what differs, deliver it, read it back.

The order of the steps and their report; every step stands in another room. A push that finds
commands of an earlier one on their way delivers them and compares once more, so that what the table
says last is what the target holds.
"""

import asyncio
import getpass
import logging
from collections.abc import AsyncIterator, Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ingestion.common.clock import SystemClock
from ingestion.common.config import Config, System
from ingestion.common.errors import ConfigError, LedgerloopError
from ingestion.common.transport import AiohttpTransport, transport_of
from orchestration.delivering import modes_of, open_store
from orchestration.run import new_run_id
from reverse_etl.delivery.report import DeliveryReport
from reverse_etl.delivery.running import deliver_now
from reverse_etl.delivery.writer import Writer
from reverse_etl.ledger.commands import State
from reverse_etl.ledger.exceptions import BUSINESS, NewException
from reverse_etl.ledger.modes import Mode, Modes
from reverse_etl.ledger.store import Store
from reverse_etl.observing import observe_keys
from reverse_etl.planning.governance import Governance, TargetObject, load_governance
from reverse_etl.planning.mirror import mirror_ledger
from reverse_etl.planning.planner import Plan, plan
from reverse_etl.planning.policy import Policy, load_policy
from reverse_etl.planning.push import PushedTable, Table, open_table
from reverse_etl.planning.pushed_columns import governed_target, nearest
from reverse_etl.writers import create_writer

__all__ = ["PushReport", "rows_left", "run_push"]

log = logging.getLogger(__name__)

_REST = "rest"
_IN_FLIGHT = frozenset({State.SENDING, State.UNKNOWN, State.ACCEPTED})
_PASSES_MAX = 2
_KEYS_SHOWN = 5

TextRow = tuple[str, tuple[str | None, ...]]


@dataclass(slots=True)
class PushReport:
    """What a push did. Counts of rows, except ``requests`` (write requests) and ``exceptions``.

    ``left``: rows that the target does not hold as the table says, whatever the reason.
    ``seconds`` is wall time, ``sending_seconds`` the part of it that was delivery.
    """

    system_id: str
    object_name: str
    mode: str
    is_plan_only: bool = False
    rows: int = 0
    changed: int = 0
    planned: int = 0
    writes: int = 0
    requests: int = 0
    verified: int = 0
    rejected: int = 0
    exceptions: int = 0
    left: int = 0
    seconds: float = 0.0
    sending_seconds: float = 0.0
    is_interrupted: bool = False
    actions: dict[str, int] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether the target holds every row of the table, proven."""
        return self.left == 0 and not self.is_interrupted

    @property
    def status(self) -> str:
        if self.is_plan_only:
            return "planned"
        if self.is_interrupted:
            return "interrupted"
        return "verified" if self.is_complete else "partial"

    def as_json(self) -> dict[str, Any]:
        """The public form of ``ledgerloop push --json``."""
        return {"status": self.status, **asdict(self)}

    def lines(self) -> list[str]:
        """The report for people."""
        told = [f"  {message}" for message in self.messages]
        if self.is_plan_only:
            told.append(f"planned: {self.changed:,} of {self.rows:,} rows differ; nothing was sent")
            return told
        told.append(
            f"{self.status}: {self.rows:,} rows, {self.changed:,} differed, {self.writes:,} sent "
            f"(requests: {self.requests:,}), {self.verified:,} verified, {self.rejected:,} "
            f"rejected, {self.exceptions:,} exceptions, {self.left:,} left, {self.seconds:.1f} s"
        )
        if self.is_interrupted:
            told.append("Interrupted: what was recorded stays; run the same command again.")
        elif self.left and self.mode not in {Mode.SHADOW, Mode.OFF}:
            told.append(
                "What is left and why: `ledgerloop exceptions list --state open --system "
                f"{self.system_id} --object {self.object_name}`, `ledgerloop approvals list`."
            )
        return told


def run_push(
    config: Config,
    home: Path,
    table: Table,
    system_id: str,
    object_name: str,
    *,
    plan_only: bool = False,
    initial: bool = False,
    clock: SystemClock | None = None,
) -> tuple[PushReport, list[Plan]]:
    """Push a table; the report and the plans of its passes.

    Raises:
        ConfigError: an unknown system, object, table or column; empty or double keys; the target
            refuses our credentials.
        LedgerloopError: the target could not be read to compare.
    """
    system = _system(config, system_id)
    policy = load_policy(config.hub.policy or None)
    with open_store(home) as store, open_table(table, home) as pushed:
        one = _Push(config, system, policy, store, pushed, object_name, clock or SystemClock())
        return one.run(plan_only=plan_only, initial=initial), one.plans


def _system(config: Config, system_id: str) -> System:
    found = config.systems.get(system_id)
    if found is None:
        raise ConfigError(
            f"--to: no system {system_id!r}{nearest(system_id, config.systems)}",
            code="unknown_system",
        )
    if not found.base_url:
        raise ConfigError(
            f"systems.{system_id} has no address: set base_url, or, for the sandbox, start it with "
            "`ledgerloop sandbox serve`",
            code="no_address",
        )
    return found


class _Push:
    """One push on its way."""

    def __init__(
        self,
        config: Config,
        system: System,
        policy: Policy,
        store: Store,
        pushed: PushedTable,
        object_name: str,
        clock: SystemClock,
    ) -> None:
        self._config = config
        self._system = system
        self._policy = policy
        self._store = store
        self._pushed = pushed
        self._clock = clock
        self.plans: list[Plan] = []
        self._governance = load_governance()
        self._timestamps: Collection[str] = ()
        self._listing: Any = None
        self._target = self._resolve(object_name)
        self._modes: Modes = modes_of(config, policy)
        mode = self._modes.of(system.system_id, self._target.flow)
        self._report = PushReport(system.system_id, object_name, str(mode))

    def _resolve(self, object_name: str) -> TargetObject:
        """The object to plan: configured for a REST target, governed for all others."""
        columns = self._pushed.columns
        if self._system.kind != _REST:
            return governed_target(self._governance, self._system.kind, object_name, columns)
        from reverse_etl.rest.target import target_of

        found = target_of(self._system, object_name, columns)
        self._timestamps = found.timestamps
        self._listing = found.fields if found.can_list else None
        return found.target

    # -- the passes ------------------------------------------------------------------------------

    def run(self, *, plan_only: bool, initial: bool) -> PushReport:
        """Compare and deliver; once more where an earlier push had commands on their way."""
        report, started = self._report, self._clock.now()
        report.is_plan_only = plan_only
        report.rows = self._pushed.rows
        invalid = self._pushed.desire(self._target, self._system.system_id, self._timestamps)
        self._open(invalid)
        for _ in range(_PASSES_MAX):
            was_in_flight = self._has_in_flight()
            planned = self._plan(plan_only=plan_only, initial=initial)
            if plan_only:
                break
            sent = self._deliver()
            report.left = rows_left(planned, sent) + len({one.object_key for one in invalid})
            if report.is_interrupted or not was_in_flight:
                break
        stuck = [] if plan_only else self._stuck()
        report.left += len(stuck)
        if report.mode in {Mode.SHADOW, Mode.OFF} and not plan_only:
            report.messages.append(
                f'mode {report.mode}: nothing leaves; set mode = "automatic" in '
                f"[systems.{report.system_id}] once the plan looks right"
            )
            report.left = max(report.left, report.changed)
        report.seconds = round((self._clock.now() - started).total_seconds(), 3)
        return report

    def _has_in_flight(self) -> bool:
        found = self._store.unfinished(self._system.system_id, self._target.name)
        return any(one.state in _IN_FLIGHT for one in found)

    def _plan(self, *, plan_only: bool, initial: bool) -> Plan:
        connection = self._pushed.connection
        mirror_ledger(connection, self._store)
        self._observe()
        now = self._clock.now()
        planned = plan(
            connection,
            self._store,
            self._config,
            Governance({(self._target.kind, self._target.name): self._target}),
            self._policy,
            objects=[f"{self._target.kind}.{self._target.name}"],
            only=[self._system.system_id],
            now=now,
            run_id=new_run_id(now),
            plan_only=plan_only,
            initial=initial,
            modes=self._modes,
            # Whoever pushes a table proposes what is in it, and so may not approve it.
            actor=getpass.getuser(),
        )
        self.plans.append(planned)
        report = self._report
        report.changed = max(report.changed, planned.drift_rows)
        report.planned += planned.counts.get("commands", 0)
        report.exceptions += planned.counts.get("exceptions", 0)
        report.actions = {
            name: count for one in planned.objects for name, count in one.actions.items() if count
        }
        report.messages += [text for text in planned.messages if text not in report.messages]
        return planned

    # -- observing -------------------------------------------------------------------------------

    def _observe(self) -> None:
        """What the target holds: listed, read by key where it is governed, else acknowledged."""
        target, system_id = self._target, self._system.system_id
        if self._listing is not None:
            from reverse_etl.rest.observing import observe_all

            pages = observe_all(
                self._system, target.name, self._listing, self._transport(), self._clock
            )
            names = list(self._listing)
        elif self._system.kind != _REST:
            pages = self._read_keys()
            names = [f.name for f in target.compared]
        else:
            self._pushed.observe_acknowledged(target, system_id)
            return
        rows = dict(asyncio.run(_all_rows(pages)))
        self._pushed.observe_rows(target, system_id, rows.items(), names)

    async def _read_keys(self) -> AsyncIterator[list[TextRow]]:
        writer = self._writer()
        try:
            async for page in observe_keys(writer, self._target, self._pushed.keys(self._target)):
                yield page
        finally:
            await writer.close()

    def _transport(self) -> AiohttpTransport:
        return transport_of(self._system)

    def _writer(self) -> Writer:
        return create_writer(self._system, self._transport(), self._governance)

    # -- delivering ------------------------------------------------------------------------------

    def _deliver(self) -> DeliveryReport:
        """Deliver what is ready of this object, earlier pushes' commands included."""
        if self._modes.of(self._system.system_id, self._target.flow).sends:
            asyncio.run(self._check_reading())
        sent = deliver_now(
            self._store,
            {self._system.system_id: self._writer()},
            clock=self._clock,
            modes=self._modes,
            object_names=[self._target.name],
        )
        report = self._report
        report.writes += sent.sent
        report.requests += sent.requests
        report.verified += sent.verified
        report.rejected += sent.rejected + sent.dead
        report.sending_seconds = round(report.sending_seconds + sent.seconds, 3)
        report.exceptions += sent.exceptions_opened
        report.is_interrupted = sent.is_stopped
        return sent

    async def _check_reading(self) -> None:
        """Ask for one row before anything leaves: what cannot be read cannot be proven either.

        Raises:
            ConfigError: the target refuses our credentials, or this way of reading.
        """
        unfinished = self._store.unfinished(self._system.system_id, self._target.name)
        key = next((one.business_key for one in unfinished), None)
        if key is None:
            return
        writer = self._writer()
        try:
            async for _page in observe_keys(writer, self._target, [key]):
                pass
        except ConfigError:
            raise
        except LedgerloopError as error:
            # Delivery has its own patience with a target that does not answer just now.
            log.info("first read: %s", error.message)
        finally:
            await writer.close()

    # -- what is left ----------------------------------------------------------------------------

    def _stuck(self) -> list[str]:
        """Rows that differ from what was created, where the target can only create."""
        keys = self._pushed.stuck_changes(self._target, self._system.system_id)
        if not keys:
            return []
        shown = ", ".join(keys[:_KEYS_SHOWN]) + (" …" if len(keys) > _KEYS_SHOWN else "")
        message = (
            f"{len(keys):,} rows differ from what was created, and the target has no update: "
            f"{shown}"
        )
        self._report.messages.append(message)
        self._open([self._exception("create_only", message)])
        return keys

    def _exception(self, code: str, message: str) -> NewException:
        return NewException(
            BUSINESS,
            code,
            message,
            system_id=self._system.system_id,
            object_name=self._target.name,
            object_key="*",
        )

    def _open(self, found: list[NewException]) -> None:
        if found and not self._report.is_plan_only:
            self._store.open_exceptions(found)
        self._report.exceptions += len(found)
        self._report.messages += [one.message for one in found[:_KEYS_SHOWN] if one.field]


async def _all_rows(pages: AsyncIterator[list[TextRow]]) -> list[TextRow]:
    return [row async for page in pages for row in page]


def rows_left(planned: Plan, sent: DeliveryReport) -> int:
    """Rows that differ and were not brought home, as far as plan and delivery know."""
    refused = sum(planned.counts.get(name, 0) for name in ("none", "refused"))
    held = sum(one.changed for one in planned.objects) if planned.is_stopped else 0
    # What waits for a person is in the plan's count and, once recorded, in the delivery's.
    for_people = max(planned.counts.get("review", 0), sent.awaiting_approval)
    undone = (
        sent.waiting + sent.unknown + sent.unconfirmed + sent.ready + sent.held_elsewhere
        + sent.planned + sent.rejected + sent.dead
    )  # fmt: skip
    return max(held, refused + for_people + undone)
