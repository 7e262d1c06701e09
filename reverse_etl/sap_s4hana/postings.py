"""Sending journal entries and clearings: the SOAP half of the writer.

Every row's outcome is joined by its own entry id. What a message says is checked against the
books where that is cheap: a refused receipt may have been posted by an earlier delivery, and a
clearing is only asked for when its items are open and net to zero.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ingestion.common.errors import (
    InputRefused,
    LedgerloopError,
    RetryLater,
    VendorAnswerInvalid,
    VendorRejected,
)
from ingestion.sap_s4hana.client import SapClient
from reverse_etl.delivery.writer import (
    Absent,
    Accepted,
    CannotTell,
    Found,
    LookUp,
    Outcome,
    ReadBack,
    Rejected,
    Retry,
    Sending,
    Unknown,
)
from reverse_etl.outcomes import outcomes_of_whole, rejected_input
from reverse_etl.planning.governance import Governance, TargetObject
from reverse_etl.sap_s4hana.clearings import (
    Clearing,
    clearing_documents,
    clearing_of,
    clearing_read_back,
    look_up_of,
    refusal_before_sending,
    request_of,
)
from reverse_etl.sap_s4hana.confirmations import Confirmation, parse_post_answer
from reverse_etl.sap_s4hana.items import ItemKey, ItemRows, document_id, items_with_keys, rows_where
from reverse_etl.sap_s4hana.messages import (
    CLEARING_ACTION,
    CLEARING_PATH,
    POST_ACTION,
    POST_PATH,
    ClearingRequest,
    JournalEntry,
    clearing_envelope,
    entry_id_of,
    post_envelope,
)
from reverse_etl.sap_s4hana.receipts import posting_id
from reverse_etl.sap_s4hana.settings import (
    LOG_ERROR_STATUSES,
    LOG_WAITING_STATUSES,
    OUTCOMES,
    SEEN_CODES,
    SapOptions,
)

__all__ = ["Clearings", "Entries", "EntryForm"]

KIND = "sap_s4hana"


class EntryForm(Protocol):
    """What one object's commands are as journal entries, and how they are found again."""

    def entry_of(
        self, sending: Sending, target: TargetObject, options: SapOptions
    ) -> JournalEntry: ...

    async def find(
        self, client: SapClient, batch: Sequence[Sending], options: SapOptions
    ) -> dict[str, list[dict[str, Any]]]: ...

    def read_back(
        self,
        sending: Sending,
        rows: Sequence[Mapping[str, Any]],
        target: TargetObject,
        options: SapOptions,
    ) -> ReadBack: ...


class Entries:
    """``<object>/post``: journal entries, each command one document."""

    def __init__(
        self,
        client: SapClient,
        governance: Governance,
        options: SapOptions,
        object_name: str,
        form: EntryForm,
    ) -> None:
        self._client = client
        self._target: TargetObject = governance.object(KIND, object_name)
        self._options = options
        self._form = form

    async def send(self, batch: Sequence[Sending]) -> dict[str, Outcome]:
        """Post entries in one message; those that cannot be built are refused before it."""
        outcomes: dict[str, Outcome] = {}
        entries: dict[str, JournalEntry] = {}
        for sending in batch:
            command_id = sending.command.command_id
            try:
                entry = self._form.entry_of(sending, self._target, self._options)
                post_envelope([entry], created_at=sending.command.planned_at)
            except InputRefused as refused:
                outcomes[command_id] = rejected_input(refused)
            else:
                entries[command_id] = entry
        good = [sending for sending in batch if sending.command.command_id in entries]
        if good:
            outcomes.update(await self._post(good, [entries[s.command.command_id] for s in good]))
        return await self._without_false_refusals(good, outcomes)

    async def _post(
        self, batch: Sequence[Sending], entries: Sequence[JournalEntry]
    ) -> dict[str, Outcome]:
        envelope = post_envelope(
            entries,
            created_at=max(sending.command.planned_at for sending in batch),
            attempt=max(sending.attempt for sending in batch),
        )
        try:
            body = await self._client.soap(POST_PATH, POST_ACTION, envelope)
            confirmations = parse_post_answer(body).confirmations
        except LedgerloopError as error:
            return outcomes_of_whole(batch, error, OUTCOMES)
        return {
            sending.command.command_id: self._outcome(confirmations.get(entry.entry_id))
            for sending, entry in zip(batch, entries, strict=True)
        }

    def _outcome(self, one: Confirmation | None) -> Outcome:
        if one is None:
            return Unknown("no_confirmation", "the answer does not name this entry")
        if one.is_posted:
            return Accepted(document_id(one.company_code, one.fiscal_year, one.document))
        if not one.is_refused:
            return Unknown("no_document", "the answer names neither a document nor an error")
        reason = one.reason
        return OUTCOMES.of_refusal(
            reason.type_id or "refused", reason.note, field_name=self._field_of(reason.field)
        )

    def _field_of(self, native: str) -> str:
        for name, governed in self._target.fields.items():
            if governed.native == native:
                return name
        return native

    async def _without_false_refusals(
        self, batch: Sequence[Sending], outcomes: dict[str, Outcome]
    ) -> dict[str, Outcome]:
        """A refusal may mean that an earlier delivery of the entry was posted: look.

        SAP refuses an id it has seen, and no source shows with which message.
        """
        refused = [s for s in batch if _is_refused(outcomes[s.command.command_id])]
        if not refused:
            return outcomes
        found = await self.look_up(refused)
        for command_id, answer in found.items():
            if isinstance(answer, Found):
                outcomes[command_id] = Accepted(answer.native_id)
            elif isinstance(answer, CannotTell):
                outcomes[command_id] = Unknown("refused_unseen", answer.reason)
        return outcomes

    async def look_up(self, batch: Sequence[Sending]) -> dict[str, LookUp]:
        """By the hub's key in the books, cleared items included."""
        try:
            found = await self._form.find(self._client, batch, self._options)
        except LedgerloopError as error:
            return {s.command.command_id: CannotTell(error.message) for s in batch}
        return {
            command_id: Found(posting_id(rows)) if rows else Absent()
            for command_id, rows in found.items()
        }

    async def read_back(self, batch: Sequence[Sending]) -> dict[str, ReadBack]:
        """Raises LedgerloopError when the books cannot be read."""
        found = await self._form.find(self._client, batch, self._options)
        return {
            s.command.command_id: self._form.read_back(
                s, found[s.command.command_id], self._target, self._options
            )
            for s in batch
        }


def _is_refused(outcome: Outcome) -> bool:
    return isinstance(outcome, Rejected) or (
        isinstance(outcome, Unknown) and outcome.code in SEEN_CODES
    )


class Clearings:
    """``<object>/clear``."""

    def __init__(
        self,
        client: SapClient,
        governance: Governance,
        options: SapOptions,
        object_name: str = "clearings",
        account_type: str = "D",
    ) -> None:
        self._account_type = account_type
        self._client = client
        self._target: TargetObject = governance.object(KIND, object_name)
        self._options = options
        self._has_log = bool(options.clearing_log_service)

    async def send(self, batch: Sequence[Sending]) -> dict[str, Outcome]:
        """Ask for clearings whose items are open and net to zero; SAP works on them later."""
        outcomes, meant = self._meant(batch)
        try:
            rows = await items_with_keys(self._client, _keys_to_read(meant))
        except LedgerloopError as error:
            # Nothing was sent yet, whatever the reading ran into.
            return {**outcomes, **dict.fromkeys(meant, _unsent(error))}
        requests: dict[str, ClearingRequest] = {}
        for sending in batch:
            command_id = sending.command.command_id
            clearing = meant.get(command_id)
            if clearing is None:
                continue
            try:
                keys = clearing.keys(rows)
                refusal = refusal_before_sending(clearing, keys, rows)
                request = request_of(sending, clearing, keys, self._options)
                clearing_envelope([request], created_at=sending.command.planned_at)
            except InputRefused as refused:
                outcomes[command_id] = _too_early(refused) or rejected_input(refused)
                continue
            if refusal is not None:
                outcomes[command_id] = refusal
            else:
                requests[command_id] = request
        good = [sending for sending in batch if sending.command.command_id in requests]
        if good:
            outcomes.update(await self._clear(good, [requests[s.command.command_id] for s in good]))
        return outcomes

    async def _clear(
        self, batch: Sequence[Sending], requests: Sequence[ClearingRequest]
    ) -> dict[str, Outcome]:
        envelope = clearing_envelope(
            requests,
            created_at=max(sending.command.planned_at for sending in batch),
            attempt=max(sending.attempt for sending in batch),
        )
        try:
            await self._client.soap(CLEARING_PATH, CLEARING_ACTION, envelope)
        except LedgerloopError as error:
            return outcomes_of_whole(batch, error, OUTCOMES)
        return {sending.command.command_id: Accepted() for sending in batch}

    def _meant(self, batch: Sequence[Sending]) -> tuple[dict[str, Outcome], dict[str, Clearing]]:
        """What each command means, or why it means nothing."""
        outcomes: dict[str, Outcome] = {}
        meant: dict[str, Clearing] = {}
        for sending in batch:
            try:
                meant[sending.command.command_id] = clearing_of(
                    sending, self._target, self._options, self._account_type
                )
            except InputRefused as refused:
                outcomes[sending.command.command_id] = rejected_input(refused)
        return outcomes, meant

    async def look_up(self, batch: Sequence[Sending]) -> dict[str, LookUp]:
        """By the items themselves; a request that still waits in SAP's queue is not absent."""
        outcomes, meant = self._meant(batch)
        found: dict[str, LookUp] = {
            command_id: CannotTell(getattr(outcome, "message", "not a clearing"))
            for command_id, outcome in outcomes.items()
        }
        try:
            rows = await items_with_keys(self._client, _keys_to_read(meant))
            log = await self._log(meant)
        except LedgerloopError as error:
            return {**found, **{key: CannotTell(error.message) for key in meant}}
        for command_id, clearing in meant.items():
            answer: LookUp
            try:
                answer = look_up_of(clearing, clearing.keys(rows), rows)
            except InputRefused:
                answer = Absent()
            status = str(log.get(entry_id_of(command_id), {}).get("Status", ""))
            if isinstance(answer, Absent) and status in LOG_WAITING_STATUSES:
                answer = CannotTell("the request waits in SAP's queue")
            found[command_id] = answer
        return found

    async def read_back(self, batch: Sequence[Sending]) -> dict[str, ReadBack]:
        """Raises LedgerloopError when the items cannot be read."""
        found = await self._seen(batch)
        # Items are read in several queries, and SAP may clear between two of them: a set that
        # looks half cleared is read once more before anybody calls it refused.
        doubtful = [s for s in batch if found[s.command.command_id].rejection is not None]
        if doubtful:
            found.update(await self._seen(doubtful))
        pending = [command_id for command_id, one in found.items() if one.is_pending]
        log = await self._log(pending)
        for command_id in pending:
            entry = log.get(entry_id_of(command_id), {})
            if entry.get("Status") in LOG_ERROR_STATUSES:
                refusal = Rejected("clearing_refused", str(entry.get("Note", "")), "lines")
                found[command_id] = ReadBack(None, rejection=refusal)
        return found

    async def _seen(self, batch: Sequence[Sending]) -> dict[str, ReadBack]:
        """What the items show of each clearing at one reading."""
        outcomes, meant = self._meant(batch)
        rows = await items_with_keys(self._client, _keys_to_read(meant))
        await self._add_documents(meant, rows)
        found: dict[str, ReadBack] = dict.fromkeys(outcomes, ReadBack(None))
        for sending in batch:
            command_id = sending.command.command_id
            clearing = meant.get(command_id)
            if clearing is None:
                continue
            try:
                keys = clearing.keys(rows)
            except InputRefused:
                found[command_id] = ReadBack(None)
                continue
            found[command_id] = clearing_read_back(sending, clearing, keys, rows, self._target)
        return found

    async def _add_documents(self, meant: Mapping[str, Clearing], rows: ItemRows) -> None:
        """Read the clearing documents whose own lines say what was discounted or left open."""
        wanted = set()
        for clearing in meant.values():
            try:
                document = clearing_documents(clearing, clearing.keys(rows), rows)
            except InputRefused:
                continue
            if document is not None:
                wanted.add(ItemKey(*document, ""))
        for row in (await items_with_keys(self._client, wanted)).values():
            rows.add(row)

    async def _log(self, command_ids: Sequence[str] | Mapping[str, Any]) -> dict[str, Any]:
        """The clearing log's entries by message id; none where the system serves no such log."""
        if not self._has_log or not command_ids:
            return {}
        service, _, entity_set = self._options.clearing_log_service.partition("/")
        ids = [entry_id_of(command_id) for command_id in command_ids]
        try:
            rows = await rows_where(self._client, service, entity_set, "MessageID", ids)
        except VendorRejected:
            # Not a released service: an installation without it learns from the items alone.
            self._has_log = False
            return {}
        return {str(row["MessageID"]): row for row in rows}


def _keys_to_read(meant: Mapping[str, Clearing]) -> list[ItemKey]:
    return [
        key
        for clearing in meant.values()
        for key in (clearing.receipt, *(line.key for line in clearing.lines))
    ]


def _unsent(error: LedgerloopError) -> Outcome:
    """What a failed reading before sending means: certainly no effect."""
    if isinstance(error, VendorRejected):
        return Rejected(error.code, error.message, is_business=False)
    after = error.after_seconds if isinstance(error, RetryLater) else None
    is_wide = not isinstance(error, VendorAnswerInvalid)
    return Retry(error.code or "read_failed", error.message, after, is_system_wide=is_wide)


def _too_early(refused: InputRefused) -> Outcome | None:
    """A receipt whose line is not shown yet may be a moment old: ask again, do not refuse."""
    if refused.code != "receipt_item":
        return None
    return Retry(refused.code, refused.message, 5.0)
