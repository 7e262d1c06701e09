"""Journals with one command each: written whole, found by the key on their lines, posted later.

Payment journals and customer invoice journals are alike in this. The key chooses the journal's
number where the client may, so that a second journal of the same command is refused; where the
product numbers them, what is there is looked up first. It must not know what a line means.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ingestion.common.errors import LedgerloopError
from ingestion.common.money import canonical_text
from ingestion.dynamics365_finance.client import D365Client, Operation, keyed
from reverse_etl.delivery.writer import (
    Absent,
    Accepted,
    CannotTell,
    Found,
    LookUp,
    Outcome,
    Rejected,
    Sending,
    Unknown,
)
from reverse_etl.dynamics365_finance.settings import (
    INVOICE_JOURNAL_LINES,
    INVOICE_JOURNALS,
    JOURNAL_LINES,
    JOURNALS,
    OUTCOMES,
    D365Options,
)
from reverse_etl.dynamics365_finance.values import rows_with
from reverse_etl.outcomes import outcomes_of_whole
from reverse_etl.planning.governance import TargetObject

__all__ = [
    "INVOICES",
    "PAYMENTS",
    "JournalSets",
    "Journals",
    "journal_number",
    "native_id",
    "place",
]

_LOG = logging.getLogger(__name__)
_NUMBER_LENGTH = 10
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class JournalSets:
    """Sets of headers and lines; ``key``: the line's field in which the hub's key travels."""

    headers: str
    lines: str
    key: str


PAYMENTS = JournalSets(JOURNALS, JOURNAL_LINES, "PaymentReference")
INVOICES = JournalSets(INVOICE_JOURNALS, INVOICE_JOURNAL_LINES, "DocumentNumber")


def journal_number(external_key: str) -> str:
    """The journal's number: half of the key, which is what the field has room for."""
    return external_key[:_NUMBER_LENGTH]


def place(row: Row) -> tuple[str, str]:
    """Company and journal of a header or line."""
    return str(row["dataAreaId"]), str(row["JournalBatchNumber"])


def native_id(line: Row) -> str:
    """company/journal/line."""
    company, number = place(line)
    return f"{company}/{number}/{canonical_text(Decimal(line['LineNumber']))}"


class Journals:
    """Writes and finds journals of one kind. ``journal_name``: which of the installation's."""

    def __init__(
        self,
        client: D365Client,
        target: TargetObject,
        options: D365Options,
        sets: JournalSets,
        journal_name: str,
    ) -> None:
        self._client = client
        self._target = target
        self._options = options
        self._sets = sets
        self._journal_name = journal_name

    def header(self, sending: Sending, company: str) -> dict[str, Any]:
        """The header, without a number."""
        return {
            "dataAreaId": company,
            "JournalName": self._journal_name,
            "Description": f"{sending.external_key} {sending.command.business_key}"[:60],
        }

    # -- writing ----------------------------------------------------------------------------

    async def write(
        self, batch: Sequence[Sending], lines: Mapping[str, Sequence[Row]]
    ) -> dict[str, Outcome]:
        """Write a journal for each command; ``lines`` by command id, without their number."""
        if self._options.journal_numbers == "manual":
            return await self._write_numbered(batch, lines)
        return {s.command.command_id: await self._write_in_sequence(s, lines) for s in batch}

    async def _write_numbered(
        self, batch: Sequence[Sending], lines: Mapping[str, Sequence[Row]]
    ) -> dict[str, Outcome]:
        """Each journal with its lines in one change set: all of it or nothing."""
        change_sets = []
        for sending in batch:
            own = lines[sending.command.command_id]
            number = {"JournalBatchNumber": journal_number(sending.external_key)}
            header = self.header(sending, own[0]["dataAreaId"])
            change_sets.append(
                [
                    Operation("POST", self._sets.headers, {**header, **number}),
                    *(Operation("POST", self._sets.lines, {**one, **number}) for one in own),
                ]
            )
        try:
            results = await self._client.batch(change_sets)
        except LedgerloopError as error:
            return outcomes_of_whole(batch, error, OUTCOMES)
        outcomes: dict[str, Outcome] = {}
        for sending, result in zip(batch, results, strict=True):
            if isinstance(result, LedgerloopError):
                outcome = OUTCOMES.of_error(result, field_of=self.field_of)
            else:
                outcome = Accepted(native_id(result[1].entity))
            outcomes[sending.command.command_id] = outcome
        return await self._without_false_refusals(batch, lines, outcomes)

    async def _write_in_sequence(
        self, sending: Sending, lines: Mapping[str, Sequence[Row]]
    ) -> Outcome:
        """The product numbers journals: look what is there, then header, then lines.

        A header without its lines is an earlier delivery that was cut: its description begins with
        the key, so they go into it.
        """
        command_id = sending.command.command_id
        try:
            there = (await self.lines_of([sending]))[command_id]
            if there:
                return Accepted(native_id(there[0]))
            own = lines[command_id]
            number = await self._header_number(sending, own[0]["dataAreaId"])
            bodies = [{**one, "JournalBatchNumber": number} for one in own]
            return await self._add(bodies)
        except LedgerloopError as error:
            return OUTCOMES.of_error(error, field_of=self.field_of)

    async def _add(self, bodies: Sequence[Row]) -> Outcome:
        """Put lines into a journal, all or none. Raises LedgerloopError."""
        if len(bodies) == 1:
            answer = await self._client.change("POST", self._sets.lines, bodies[0])
            return Accepted(native_id(answer.entity))
        operations = [Operation("POST", self._sets.lines, one) for one in bodies]
        result = (await self._client.batch([operations]))[0]
        if isinstance(result, LedgerloopError):
            raise result
        return Accepted(native_id(result[0].entity))

    async def _header_number(self, sending: Sending, company: str) -> str:
        """The number of the command's journal, made where there is none."""
        pattern = f"Description eq '{sending.external_key}*'"
        headers = self._sets.headers
        rows = await self._client.rows(headers, f"dataAreaId eq '{company}' and {pattern}")
        if rows:
            return str(rows[0]["JournalBatchNumber"])
        answer = await self._client.change("POST", headers, self.header(sending, company))
        return str(answer.entity["JournalBatchNumber"])

    async def _without_false_refusals(
        self,
        batch: Sequence[Sending],
        lines: Mapping[str, Sequence[Row]],
        outcomes: dict[str, Outcome],
    ) -> dict[str, Outcome]:
        """A journal that already exists may be this command's own, of an earlier delivery: look.

        A package may have made the journal and not its line: then the line goes into it.
        """
        refused = [
            s
            for s in batch
            if isinstance(one := outcomes[s.command.command_id], Rejected)
            and one.code == "already_exists"
        ]
        if not refused:
            return outcomes
        found = await self.look_up(refused)
        for sending in refused:
            command_id = sending.command.command_id
            answer = found[command_id]
            if isinstance(answer, Found):
                outcomes[command_id] = Accepted(answer.native_id)
            elif isinstance(answer, CannotTell):
                outcomes[command_id] = Unknown("refused_unseen", answer.reason)
            else:
                outcomes[command_id] = await self._fill(sending, lines[command_id])
        return outcomes

    async def _fill(self, sending: Sending, lines: Sequence[Row]) -> Outcome:
        """Put the lines into their own journal; a journal of somebody else is left alone."""
        number = journal_number(sending.external_key)
        key = {"dataAreaId": str(lines[0]["dataAreaId"]), "JournalBatchNumber": number}
        try:
            header = (await self._client.get(keyed(self._sets.headers, **key))).entity
            if not str(header["Description"]).startswith(sending.external_key):
                return Rejected(
                    "number_taken", f"journal {number} is somebody else's", is_business=False
                )
            return await self._add([{**one, "JournalBatchNumber": number} for one in lines])
        except LedgerloopError as error:
            return OUTCOMES.of_error(error, field_of=self.field_of)

    async def ask_for_posting(
        self, batch: Sequence[Sending], outcomes: Mapping[str, Outcome]
    ) -> None:
        """Ask for the posting where the installation has an action for it.

        A refusal leaves the journal as it is: written, not posted, and in time an exception.
        """
        if not self._options.post_action:
            return
        for sending in batch:
            outcome = outcomes[sending.command.command_id]
            if not isinstance(outcome, Accepted):
                continue
            company, number, _ = outcome.native_id.split("/")
            path = keyed(self._sets.headers, dataAreaId=company, JournalBatchNumber=number)
            try:
                await self._client.call(path, self._options.post_action, {})
            except LedgerloopError as error:
                _LOG.warning("the journal was written and not posted: %s", error.message)

    def field_of(self, native: str) -> str:
        """The hub's name of a vendor's field."""
        names = [name for name, one in self._target.fields.items() if one.native == native]
        return names[0] if names else native

    # -- looking ----------------------------------------------------------------------------

    async def lines_of(self, batch: Sequence[Sending]) -> dict[str, list[dict[str, Any]]]:
        """Journal lines by command, posted ones included. Raises LedgerloopError."""
        by_key = {s.external_key: s.command.command_id for s in batch}
        found: dict[str, list[dict[str, Any]]] = {s.command.command_id: [] for s in batch}
        for row in await rows_with(self._client, self._sets.lines, self._sets.key, [*by_key]):
            found[by_key[row[self._sets.key]]].append(row)
        return found

    async def look_up(self, batch: Sequence[Sending]) -> dict[str, LookUp]:
        """By the key on journal lines: a journal that waits for its posting is there."""
        try:
            found = await self.lines_of(batch)
        except LedgerloopError as error:
            return {s.command.command_id: CannotTell(error.message) for s in batch}
        return {
            command_id: Found(native_id(rows[0])) if rows else Absent()
            for command_id, rows in found.items()
        }

    async def unposted(
        self, lines: Mapping[str, Sequence[Mapping[str, Any]]]
    ) -> set[tuple[str, str]]:
        """Which of the lines' journals are not posted yet. Raises LedgerloopError."""
        numbers = [str(row["JournalBatchNumber"]) for rows in lines.values() for row in rows]
        rows = await rows_with(self._client, self._sets.headers, "JournalBatchNumber", numbers)
        return {place(row) for row in rows if row["IsPosted"] != "Yes"}
