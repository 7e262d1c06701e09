"""What the SOAP endpoints do with a message: post at once, or take it and work later.

One message may hold many entries; each is posted or refused by itself. A message id that was seen
is a duplicate and has no second effect.
"""

from datetime import datetime, timedelta

from lxml import etree

from sandbox.core.faults import Fault
from sandbox.core.ledger import JournalKey
from sandbox.sap_s4hana.books import Books, EntryRefused
from sandbox.sap_s4hana.changes import CHANGE_ENTRY, CHANGE_REQUEST, change_items
from sandbox.sap_s4hana.clearing import ClearingRefused, clear
from sandbox.sap_s4hana.memory import collector_held
from sandbox.sap_s4hana.odata.answers import Answer
from sandbox.sap_s4hana.ports import ClockPort, FaultsPort
from sandbox.sap_s4hana.soap import (
    SoapFault,
    entry_id_of,
    parse_clearing,
    parse_entry,
    parse_message,
)
from sandbox.sap_s4hana.soap_answers import Confirmed, confirmation, fault_answer
from sandbox.sap_s4hana.state import Posted, SapState, WaitingClearing, document_text

__all__ = ["Messages"]

_POST = "SOAP journal_entry_post"
_CLEAR = "SOAP clearing"
_CHANGE = "SOAP change"


class Messages:
    """The two journal entry interfaces of one system."""

    def __init__(self, state: SapState, books: Books, clock: ClockPort, faults: FaultsPort) -> None:
        self._state = state
        self._books = books
        self._clock = clock
        self._faults = faults

    # -- journal entry post -------------------------------------------------------------------

    def post(self, body: bytes) -> Answer:
        """Journal Entry – Post, synchronous: 200 with a confirmation for every entry."""
        try:
            message = parse_message(
                body, "JournalEntryBulkCreateRequest", "JournalEntryCreateRequest"
            )
        except SoapFault as fault:
            return fault_answer(fault.text)
        is_seen = self._state.messages.get(f"message {message.message_id}") is not None
        is_swallowed = self._faults.swallow(_POST)
        confirmed = []
        with collector_held():
            for entry in message.entries:
                entry_id = entry_id_of(entry)
                if is_seen or self._is_seen(entry_id):
                    confirmed.append(self._duplicate(entry_id))
                else:
                    confirmed.append(self._posted(entry, entry_id, is_swallowed=is_swallowed))
        if not is_swallowed:
            self._state.messages[f"message {message.message_id}"] = Posted(None)
        return confirmation(message, confirmed, at=self._clock.now(), sid=self._state.settings.sid)

    def _is_seen(self, entry_id: str) -> bool:
        settings = self._state.settings
        return settings.deduplicates_entries and entry_id in self._state.messages

    def _duplicate(self, entry_id: str) -> Confirmed:
        """A second delivery: refused, or answered with the first document (settings)."""
        first = self._state.messages.get(entry_id)
        document = first.document if first is not None else None
        if self._state.settings.duplicate_answer == "repeated" and document is not None:
            return _success(entry_id, document)
        note = f"Message with ID {entry_id} was already processed"
        return Confirmed(entry_id, [("009(MP)", 3, note, "MessageHeader")])

    def _posted(self, entry: etree._Element, entry_id: str, *, is_swallowed: bool) -> Confirmed:
        """Post one entry, or say why not."""
        try:
            if self._faults.take(Fault.LOCK, _POST):
                raise EntryRefused("099(F5)", "Account is currently locked by user CB9980000042")
            draft, reverses = parse_entry(entry)
            for item in draft.items:
                if item.is_tax:
                    item.account = self._state.settings.tax_gl_account
                elif item.account == self._state.settings.tax_gl_account:
                    item.is_tax = True
            if is_swallowed:
                pretended = self._books.header_of(draft)
                year = draft.posting_date.year
                return _success(entry_id, (draft.company_code, year, pretended.number_range))
            if reverses:
                journal = self._books.reverse(_reversed_key(reverses, draft.company_code), draft)
            else:
                journal = self._books.post(draft)
        except EntryRefused as refused:
            head = ("609(RW)", 3, f"Error in document: BKPFF $ {self._state.settings.sid}CLNT", "")
            items = [head, (refused.type_id, 3, refused.note, refused.element)]
            return Confirmed(entry_id, items)
        if entry_id:
            self._state.messages[entry_id] = Posted(journal.key)
            keys = self._state.effects.external_keys
            keys.setdefault(entry_id, []).append(document_text(journal.key))
        return _success(entry_id, journal.key)

    # -- change -------------------------------------------------------------------------------

    def change(self, body: bytes) -> Answer:
        """Journal Entry – Change, asynchronous on the wire: 202 and nothing more."""
        try:
            message = parse_message(body, CHANGE_REQUEST, CHANGE_ENTRY)
        except SoapFault as fault:
            return fault_answer(fault.text)
        if not self._faults.swallow(_CHANGE):
            problems = change_items(self._state, self._clock, message)
            status, note = ("E", "; ".join(problems)) if problems else ("S", "Items were changed")
            self._log(message.message_id, status, note, self._clock.now())
        return Answer(202, b"", {"Content-Type": message.content_type})

    # -- clearing -----------------------------------------------------------------------------

    def clear(self, body: bytes) -> Answer:
        """Journal Entry – Clearing, asynchronous: 202 and nothing more."""
        try:
            message = parse_message(
                body, "JournalEntryBulkClearingRequest", "JournalEntryClearingRequest"
            )
        except SoapFault as fault:
            return fault_answer(fault.text)
        if not self._faults.swallow(_CLEAR):
            self._accept(body, message.message_id, message.entries)
            if self._faults.take(Fault.DUPLICATE, _CLEAR):
                self._accept(body, message.message_id, message.entries)
        return Answer(202, b"", {"Content-Type": message.content_type})

    def _accept(self, body: bytes, message_id: str, entries: list[etree._Element]) -> None:
        settings = self._state.settings
        now = self._clock.now()
        lag = 0.0 if settings.clearing_lag_reads is not None else settings.clearing_lag_seconds
        reads = settings.clearing_lag_reads or 0
        due_at = now + timedelta(seconds=lag)
        self._state.waiting.append(WaitingClearing(body.decode("utf-8"), due_at, reads))
        for name in {message_id, *map(entry_id_of, entries)} - {""}:
            self._log(name, "P", "Message is waiting", now)

    def count_read(self) -> None:
        """A read of the open items: lags that are counted in reads get shorter."""
        for waiting in self._state.waiting:
            waiting.reads_left -= 1

    def work(self) -> None:
        """Work on every message that is due, in the order in which they came."""
        if not self._state.waiting:
            return
        now = self._clock.now()
        due = [w for w in self._state.waiting if w.due_at <= now and w.reads_left <= 0]
        if due:
            done = set(map(id, due))
            self._state.waiting = [w for w in self._state.waiting if id(w) not in done]
            for waiting in due:
                self._work_on(waiting.body.encode(), now)

    def _work_on(self, body: bytes, now: datetime) -> None:
        message = parse_message(
            body, "JournalEntryBulkClearingRequest", "JournalEntryClearingRequest"
        )
        seen = self._state.clearing_messages
        if message.message_id in seen:
            return
        seen.add(message.message_id)
        failures = 0
        for number, entry in enumerate(message.entries, 1):
            entry_id = entry_id_of(entry)
            key = entry_id or f"{message.message_id}-{number}"[:35]
            if entry_id and self._state.settings.deduplicates_entries:
                if f"entry {entry_id}" in seen:
                    continue
                seen.add(f"entry {entry_id}")
            try:
                name = self._state.settings.distribution_amount_element
                draft = parse_clearing(entry, key, name)
                journal = clear(self._state, self._books, self._clock, draft)
            except ClearingRefused as refused:
                failures += 1
                self._log(key, "E", refused.note, now)
                continue
            self._log(key, "S", f"Document {document_text(journal.key)} was posted", now)
        status = "E" if failures else "S"
        count = len(message.entries)
        if message.message_id not in map(entry_id_of, message.entries):
            note = f"{count - failures} of {count} requests were processed"
            self._log(message.message_id, status, note, now)

    def _log(self, message_id: str, status: str, note: str, now: datetime) -> None:
        """The log that stands for the application interface monitor; a settled entry stays."""
        address = self._state.settings.clearing_log_service
        if not address:
            return
        table = self._state.table_at(address)
        row = table.get(message_id)
        if row is None:
            table.insert(
                {
                    "MessageID": message_id,
                    "Status": status,
                    "Note": note[:220],
                    "CreationDateTime": now,
                }
            )
        elif row["Status"] == "P" and status != "P":
            changes = {"Status": status, "Note": note[:220], "ProcessingDateTime": now}
            table.update(row, changes)


def _success(entry_id: str, key: JournalKey) -> Confirmed:
    company, year, document = key
    note = f"Document posted successfully: BKPFF {document}{company}{year}"
    return Confirmed(
        entry_id,
        [("605(RW)", 1, note, "")],
        document=document,
        company_code=company,
        fiscal_year=str(year),
    )


def _reversed_key(reference: str, company_code: str) -> JournalKey:
    """``ReversalReferenceDocument``: document number, company code and year in one text."""
    text = reference.replace(" ", "")
    number, company, year = text[:10], text[10:14], text[14:18]
    if not year.isdigit():
        raise EntryRefused(
            "000(RW)", f"{reference!r} is no document reference", "ReversalReferenceDocument"
        )
    return (company or company_code, int(year), number)
