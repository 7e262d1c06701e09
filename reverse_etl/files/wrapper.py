"""A kind's writer with files beside its API: the engine's volume decides which one carries a batch.

Below ``file_from`` commands everything goes to the kind's own writer. From there on the batch
becomes one file in the ERP's form, delivered over SFTP, and the acknowledgement's rows become the
outcomes, joined by key. Failures before the file counts had no effect and say so, so the commands
go by the API. What a file did is looked up in the ERP's books first, in its acknowledgement second.
It keeps no state but the spool's; retries and approvals are the engine's.
"""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ingestion.common.clock import SystemClock
from ingestion.common.config import System, home_path
from ingestion.common.errors import (
    ConfigError,
    InputRefused,
    LedgerloopError,
    OutcomeUnknown,
    VendorAnswerInvalid,
    VendorRejected,
)
from ingestion.common.sftp_settings import SftpSettings, sftp_of
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
    Writer,
)
from reverse_etl.files.answers import Answers, outcome_of
from reverse_etl.files.forms import FileForm, Line, Place, forms_of
from reverse_etl.files.spool import Record, Spool, State, write_lines
from reverse_etl.outcomes import rejected_input
from reverse_etl.planning.governance import Governance

if TYPE_CHECKING:
    from reverse_etl.files.exchange import FileExchange

__all__ = ["FileWriter", "with_files"]

_T = TypeVar("_T")
#: How the native id of a command reads whose file was delivered and not yet answered.
_IN_FILE = "file:"
_KEPT_DAYS = 7
_POLL_SECONDS_FIRST, _POLL_SECONDS_MAX = 0.1, 5.0


def with_files(
    writer: Writer, system: System, governance: Governance, *, clock: SystemClock | None = None
) -> Writer:
    """The writer, able to send files where its system has an SFTP push folder and its kind a form.

    Raises:
        ConfigError: wrong SFTP options, or a server outside this machine for a system on it that
            names no mode.
    """
    settings = sftp_of(system)
    if settings is None or not settings.push_folder:
        return writer
    forms = forms_of(system, governance)
    if not forms:
        return writer
    if system.is_loopback and not settings.is_loopback and system.mode is None:
        raise ConfigError(
            f"systems.{system.system_id}: its address is this machine, its sftp_host is not: say "
            "mode = 'shadow', 'approve_all' or 'automatic'",
            code="sftp_mode",
        )
    folder = home_path() / "files" / system.system_id
    return FileWriter(writer, settings, forms, folder, clock=clock)


class FileWriter:
    """See ``reverse_etl.delivery.writer.Writer``.

    Args:
        inner: the kind's own writer.
        settings: the server, folders and sizes.
        forms: by object and operation.
        folder: where files lie until they are answered.
    """

    def __init__(
        self,
        inner: Writer,
        settings: SftpSettings,
        forms: Mapping[Place, FileForm],
        folder: Path,
        *,
        clock: SystemClock | None = None,
    ) -> None:
        self.system_id = inner.system_id
        self._inner = inner
        self._settings = settings
        self._forms = forms
        self._clock = clock or SystemClock()
        self._spool = Spool(folder)
        self._answers = Answers(self._spool)
        self._exchange_made: FileExchange | None = None
        self._one_file = asyncio.Lock()

    @property
    def _exchange(self) -> "FileExchange":
        if self._exchange_made is None:
            from ingestion.common.sftp import SftpClient
            from reverse_etl.files.exchange import FileExchange

            client = SftpClient(self._settings, sleep=self._clock.sleep)
            self._exchange_made = FileExchange(client, self._spool, self._clock.now)
        return self._exchange_made

    async def close(self) -> None:
        """Close both ways."""
        if self._exchange_made is not None:
            await self._exchange_made.client.close()
        await self._inner.close()

    # -- what the engine chooses by --------------------------------------------------------------

    def limits(self, object_name: str, operation: str) -> Limits:
        """The kind's limits; from ``file_from`` commands on a request is a file.

        Raises:
            ConfigError: neither the kind nor a form has the operation.
        """
        place, settings = (object_name, operation), self._settings
        own = self._own_limits(place)
        if place not in self._forms:
            assert own is not None, "the kind's writer refuses what it does not have"
            return own
        timeout_seconds = float(settings.timeout_seconds + settings.ack_wait_seconds)
        if own is None:
            return Limits(
                batch_max=settings.file_rows_max,
                concurrency_max=1,
                request_timeout_seconds=timeout_seconds,
                verify_seconds=float(settings.ack_seconds_max),
                allows_many_per_lane=True,
                read_batch_max=settings.file_rows_max,
            )
        bulk_from = min(settings.file_from, own.bulk_from or settings.file_from)
        return replace(
            own,
            bulk_from=bulk_from,
            bulk_max=max(settings.file_rows_max, own.bulk_max if own.bulk_from else 0),
            request_timeout_seconds=max(own.request_timeout_seconds, timeout_seconds),
            verify_seconds=max(own.verify_seconds, float(settings.ack_seconds_max)),
        )

    def _own_limits(self, place: Place) -> Limits | None:
        """The kind's own limits; None where it has the operation in files alone."""
        try:
            return self._inner.limits(*place)
        except ConfigError:
            if place not in self._forms:
                raise
            return None

    # -- sending ---------------------------------------------------------------------------------

    async def send(self, batch: Sequence[Sending]) -> Mapping[str, Outcome]:
        """One file from ``file_from`` commands on, the kind's own requests below."""
        if not batch:
            return {}
        place = _place_of(batch)
        form, own = self._forms.get(place), self._own_limits(place)
        is_volume = len(batch) >= self._settings.file_from
        if form is None or (own is not None and not is_volume):
            assert own is not None
            return await self._send_by_api(batch, own)
        return await self._send_by_file(batch, place, form)

    async def _send_by_api(self, batch: Sequence[Sending], own: Limits) -> Mapping[str, Outcome]:
        """The kind's own requests, in parts that it can bear."""
        is_bulk = own.bulk_from is not None and len(batch) >= own.bulk_from
        size = own.bulk_max if is_bulk else own.batch_max
        found: dict[str, Outcome] = {}
        for start in range(0, len(batch), size):
            found.update(await self._inner.send(batch[start : start + size]))
        return found

    async def _send_by_file(
        self, batch: Sequence[Sending], place: Place, form: FileForm
    ) -> Mapping[str, Outcome]:
        outcomes: dict[str, Outcome] = {}
        good = _writable(batch, form, outcomes)
        if not good:
            return outcomes
        async with self._one_file:
            name = _name_of(good, place)
            with self._spool.held(name):
                record = self._written(name, good, place, form)
                outcomes.update(await self._carry(record, [one for one, _ in good], form))
        return outcomes

    def _written(
        self,
        name: str,
        good: Sequence[tuple[Sending, Sequence[Line]]],
        place: Place,
        form: FileForm,
    ) -> Record:
        """The file of a batch in the spool, with its record."""
        self._forget_old()
        known = self._spool.named(name)
        if known is not None:
            return known
        created_at = max(one.command.planned_at for one, _ in good)
        control = write_lines(
            self._spool.data_path(name),
            form.name,
            form.columns,
            ((one.external_key, lines) for one, lines in good),
            created_at=created_at,
            correlation_id=f"file-{name.rpartition('-')[2].removesuffix('.csv')}",
        )
        now = self._clock.now().isoformat(timespec="seconds")
        record = Record(name, *place, State.SENDING, control, now)
        self._spool.record(record)
        return record

    async def _carry(
        self, record: Record, batch: Sequence[Sending], form: FileForm
    ) -> dict[str, Outcome]:
        """Deliver, wait a while for the answer, judge."""
        try:
            delivered = (await self._exchange.deliver(record)).record
        except OutcomeUnknown as error:
            return _for_all(batch, Unknown(error.code, error.message))
        except LedgerloopError as error:
            # Nothing counted yet. The engine sends what failed in small parts: by the API.
            if isinstance(error, VendorRejected):
                with suppress(LedgerloopError):
                    await self._exchange.settle(record)
            self._spool.forget(record.name)
            return _for_all(batch, Retry(error.code or "file_not_delivered", error.message, 0.0))
        return await self._answered(delivered, batch, form)

    async def _answered(
        self, record: Record, batch: Sequence[Sending], form: FileForm
    ) -> dict[str, Outcome]:
        waited, pause = 0.0, _POLL_SECONDS_FIRST
        while not await self._is_answered(record):
            if waited >= self._settings.ack_wait_seconds:
                return _for_all(batch, _unanswered(record, form))
            await self._clock.sleep(pause)
            waited, pause = waited + pause, min(_POLL_SECONDS_MAX, pause * 2)
        refusal = self._answers.refusal(record.name)
        if refusal is not None:
            return _for_all(batch, Retry(refusal.code or "file_refused", refusal.message, 0.0))
        rows = self._answers.rows(record.name)
        return {
            one.command.command_id: outcome_of(rows.get(one.external_key), form) for one in batch
        }

    async def _is_answered(self, record: Record) -> bool:
        """Whether the acknowledgement is here, fetching it when it is there."""
        if record.state is State.ACKNOWLEDGED or self._answers.knows(record.name):
            return True
        try:
            found = await self._exchange.acknowledgement(record)
        except VendorAnswerInvalid:
            raise
        except LedgerloopError:
            return False
        if found is not None:
            self._answers.note(record.name)
        return found is not None

    # -- finding out -----------------------------------------------------------------------------

    async def look_up(self, batch: Sequence[Sending]) -> Mapping[str, LookUp]:
        """In the ERP's books where they can be read by key, else in what was answered.

        A file without an answer may still act: until then nothing of its object is absent.
        """
        place = _place_of(batch)
        has_own = self._own_limits(place) is not None
        found: dict[str, LookUp] = dict(await self._inner.look_up(batch)) if has_own else {}
        form = self._forms.get(place)
        if form is None:
            return found
        missing = [s for s in batch if not isinstance(found.get(s.command.command_id), Found)]
        if not missing:
            return found
        try:
            waiting = await self._settle_open_files(place)
        except LedgerloopError as error:
            return {**found, **_for_all(missing, CannotTell(error.message))}
        answered = self._answers.of_keys({s.external_key for s in missing}, place)
        for one in missing:
            outcome = outcome_of(answered.get(one.external_key), form)
            command_id = one.command.command_id
            if isinstance(outcome, Accepted):
                found[command_id] = Found(outcome.native_id)
            elif waiting:
                found[command_id] = CannotTell(
                    f"{waiting[0].name} was delivered and is not acknowledged yet: ask the other "
                    "side what became of it"
                )
            else:
                found.setdefault(command_id, Absent())
        return found

    async def _settle_open_files(self, place: Place) -> list[Record]:
        """Fetch what is answered, take back what was never committed; the files still open."""
        waiting = []
        for record in list(self._spool.records()):
            if not record.is_open or (record.object_name, record.operation) != place:
                continue
            if self._spool.is_held(record.name):
                waiting.append(record)
                continue
            settled = await self._exchange.settle(record)
            if settled is not None and not await self._is_answered(settled):
                waiting.append(settled)
        return waiting

    async def read_back(self, batch: Sequence[Sending]) -> Mapping[str, ReadBack]:
        """What the ERP's books show; before a file is answered its rows are pending.

        Raises:
            LedgerloopError: the books or the acknowledgement cannot be read.
        """
        place = _place_of(batch)
        form = self._forms.get(place)
        found: dict[str, ReadBack] = {}
        if form is not None:
            by_file = [one for one in batch if one.native_id.startswith(_IN_FILE)]
            found.update(await self._read_answers(by_file, form))
            if self._own_limits(place) is None:
                # No API shows them: the acknowledgement is the ERP's own word.
                answered = self._answers.of_keys({s.external_key for s in batch}, place)
                for one in batch:
                    if one.command.command_id not in found:
                        row = answered.get(one.external_key)
                        found[one.command.command_id] = ReadBack(
                            dict(one.command.payload) if row else None,
                            row.document if row else "",
                        )
                return found
        rest = [one for one in batch if one.command.command_id not in found]
        return {**found, **(await self._inner.read_back(rest) if rest else {})}

    async def _read_answers(self, batch: Sequence[Sending], form: FileForm) -> dict[str, ReadBack]:
        """Of commands whose file was unanswered when sent: the pending and the refused ones."""
        found: dict[str, ReadBack] = {}
        for name in sorted({one.native_id.removeprefix(_IN_FILE) for one in batch}):
            record = self._spool.named(name)
            mine = [one for one in batch if one.native_id == _IN_FILE + name]
            if record is None:
                continue
            if not await self._is_answered(record):
                found.update(_for_all(mine, ReadBack(None, is_pending=True)))
                continue
            refusal = self._answers.refusal(name)
            rows = {} if refusal else self._answers.rows(name)
            for one in mine:
                outcome = outcome_of(rows.get(one.external_key), form)
                if refusal is not None:
                    outcome = Rejected(refusal.code, refusal.message, is_business=False)
                if isinstance(outcome, Rejected):
                    found[one.command.command_id] = ReadBack(None, rejection=outcome)
        return found

    def _forget_old(self) -> None:
        """Drop answered files after some days: the ledger holds what became of them."""
        oldest = self._clock.now() - timedelta(days=_KEPT_DAYS)
        for record in list(self._spool.records()):
            if not record.is_open and datetime.fromisoformat(record.changed_at) < oldest:
                self._spool.forget(record.name)


def _place_of(batch: Sequence[Sending]) -> Place:
    places = {(one.command.object_name, one.command.operation) for one in batch}
    assert len(places) == 1, "a batch is of one object and operation"
    return places.pop()


def _name_of(good: Sequence[tuple[Sending, Sequence[Line]]], place: Place) -> str:
    """The name of a batch's file: another batch, or another try, has another one."""
    keys = "\n".join(f"{one.external_key} {one.attempt}" for one, _ in good)
    return f"{place[0].replace('_', '-')}-{hashlib.sha256(keys.encode()).hexdigest()[:20]}.csv"


def _writable(
    batch: Sequence[Sending], form: FileForm, outcomes: dict[str, Outcome]
) -> list[tuple[Sending, Sequence[Line]]]:
    """Commands with their lines; what cannot be written is refused in ``outcomes``."""
    good = []
    for one in batch:
        try:
            good.append((one, form.lines(one)))
        except InputRefused as refused:
            outcomes[one.command.command_id] = rejected_input(refused)
    return good


def _for_all(batch: Sequence[Sending], outcome: _T) -> dict[str, _T]:
    return {one.command.command_id: outcome for one in batch}


def _unanswered(record: Record, form: FileForm) -> Outcome:
    """Delivered, no answer yet: accepted, unless others wait for the document's number."""
    if form.needs_document:
        return Unknown(
            "file_not_acknowledged", f"{record.name} was delivered and is not acknowledged yet"
        )
    return Accepted(_IN_FILE + record.name)
