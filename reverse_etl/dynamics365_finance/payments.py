"""``payments/post``: one payment journal with one line per receipt.

The hub's key travels as ``PaymentReference``, and chooses the journal's number, so that a second
journal of the same receipt is refused. The product posts journals in its own time: until then the
command stays accepted; what is verified is what the posted transactions show.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from ingestion.common.errors import InputRefused, LedgerloopError
from ingestion.common.money import canonical_text
from ingestion.dynamics365_finance.client import D365Client, Operation, keyed
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
from reverse_etl.dynamics365_finance.packages import PackageFile, import_package, package_of
from reverse_etl.dynamics365_finance.settings import (
    JOURNAL_LINES,
    JOURNALS,
    KIND,
    OUTCOMES,
    D365Options,
)
from reverse_etl.dynamics365_finance.values import (
    amount_in,
    company_of,
    display_value,
    needed,
    noon,
    plain_date,
    plain_display,
    rows_with,
)
from reverse_etl.outcomes import outcomes_of_whole, rejected_input
from reverse_etl.planning.governance import Governance, TargetObject

__all__ = ["Payments", "journal_number", "line_of"]

_LOG = logging.getLogger(__name__)
_NUMBER_LENGTH = 10


def journal_number(external_key: str) -> str:
    """The journal's number: half of the key, which is what the field has room for."""
    return external_key[:_NUMBER_LENGTH]


def line_of(sending: Sending, target: TargetObject, options: D365Options) -> dict[str, Any]:
    """The journal line of a receipt, without its journal's number.

    Raises:
        InputRefused: a field is missing or wrong.
    """
    payload = sending.command.payload
    native = target.to_native(payload)
    currency_code = needed(payload, "currency_code")
    account, offset = options.unidentified_gl_account, needed(payload, "bank_account")
    if native["AccountType"] == "Cust":
        account = needed(payload, "customer")
    elif native["AccountType"] != "Ledger":
        raise InputRefused(
            f"posting kind {payload.get('posting_kind')!r} is unknown",
            code="posting_kind",
            where="posting_kind",
        )
    return {
        "dataAreaId": company_of(needed(payload, "company_code")),
        "LineNumber": Decimal(1),
        "AccountType": native["AccountType"],
        "AccountDisplayValue": display_value(account),
        "CreditAmount": amount_in(payload, "amount", currency_code),
        "CurrencyCode": currency_code,
        "TransactionDate": noon(needed(payload, "posting_date"), "posting_date"),
        "TransactionText": str(payload.get("item_text") or ""),
        "PaymentReference": sending.external_key,
        "PaymentId": str(payload.get("bank_reference") or ""),
        # What moves a receipt to its customer comes from the ledger account where it waited.
        "OffsetAccountType": "Ledger" if offset == options.unidentified_gl_account else "Bank",
        "OffsetAccountDisplayValue": display_value(offset),
        "SettleVoucher": "None",
    }


class Payments:
    """Fits the writer's verbs."""

    def __init__(self, client: D365Client, governance: Governance, options: D365Options) -> None:
        self._client = client
        self._target: TargetObject = governance.object(KIND, "payments")
        self._options = options

    # -- sending ----------------------------------------------------------------------------

    async def send(self, batch: Sequence[Sending]) -> dict[str, Outcome]:
        """Write journals; those that cannot be built are refused before anything leaves."""
        outcomes: dict[str, Outcome] = {}
        lines: dict[str, dict[str, Any]] = {}
        for sending in batch:
            try:
                lines[sending.command.command_id] = line_of(sending, self._target, self._options)
            except InputRefused as refused:
                outcomes[sending.command.command_id] = rejected_input(refused)
        good = [sending for sending in batch if sending.command.command_id in lines]
        if not good:
            return outcomes
        is_manual = self._options.journal_numbers == "manual"
        if is_manual and self._options.package_group and len(good) >= self._options.bulk_from:
            outcomes.update(await self._import(good, lines))
        elif is_manual:
            outcomes.update(await self._post(good, lines))
        else:
            outcomes.update(await self._post_in_sequence(good, lines))
        await self._post_journals(good, outcomes)
        return outcomes

    def _header(self, sending: Sending, company: str) -> dict[str, Any]:
        return {
            "dataAreaId": company,
            "JournalName": self._options.journal_name,
            "Description": f"{sending.external_key} {sending.command.business_key}"[:60],
        }

    async def _post(
        self, batch: Sequence[Sending], lines: Mapping[str, dict[str, Any]]
    ) -> dict[str, Outcome]:
        """Journal and line of each receipt in one change set: both or neither."""
        change_sets = []
        for sending in batch:
            line = lines[sending.command.command_id]
            number = {"JournalBatchNumber": journal_number(sending.external_key)}
            header = self._header(sending, line["dataAreaId"])
            change_sets.append(
                [
                    Operation("POST", JOURNALS, {**header, **number}),
                    Operation("POST", JOURNAL_LINES, {**line, **number}),
                ]
            )
        try:
            results = await self._client.batch(change_sets)
        except LedgerloopError as error:
            return outcomes_of_whole(batch, error, OUTCOMES)
        outcomes: dict[str, Outcome] = {}
        for sending, result in zip(batch, results, strict=True):
            if isinstance(result, LedgerloopError):
                outcome = OUTCOMES.of_error(result, field_of=self._field_of)
            else:
                outcome = Accepted(_native_id(result[1].entity))
            outcomes[sending.command.command_id] = outcome
        return await self._without_false_refusals(batch, lines, outcomes)

    async def _post_in_sequence(
        self, batch: Sequence[Sending], lines: Mapping[str, dict[str, Any]]
    ) -> dict[str, Outcome]:
        """The product numbers journals: look what is there, then header, then line.

        A header without its line is an earlier delivery that was cut: its description begins with
        the key, so the line goes into it.
        """
        outcomes: dict[str, Outcome] = {}
        for sending in batch:
            command_id, line = sending.command.command_id, lines[sending.command.command_id]
            try:
                there = await self._lines([sending])
                if there[command_id]:
                    outcomes[command_id] = Accepted(_native_id(there[command_id][0]))
                    continue
                number = await self._header_number(sending, line["dataAreaId"])
                body = {**line, "JournalBatchNumber": number}
                answer = await self._client.change("POST", JOURNAL_LINES, body)
                outcomes[command_id] = Accepted(_native_id(answer.entity))
            except LedgerloopError as error:
                outcomes[command_id] = OUTCOMES.of_error(error, field_of=self._field_of)
        return outcomes

    async def _header_number(self, sending: Sending, company: str) -> str:
        """The number of the receipt's journal, made where there is none."""
        pattern = f"Description eq '{sending.external_key}*'"
        rows = await self._client.rows(JOURNALS, f"dataAreaId eq '{company}' and {pattern}")
        if rows:
            return str(rows[0]["JournalBatchNumber"])
        answer = await self._client.change("POST", JOURNALS, self._header(sending, company))
        return str(answer.entity["JournalBatchNumber"])

    async def _import(
        self, batch: Sequence[Sending], lines: Mapping[str, dict[str, Any]]
    ) -> dict[str, Outcome]:
        """Many receipts as one data package; rows that it refused are sent again one by one."""
        headers, rows = [], []
        for sending in batch:
            line = lines[sending.command.command_id]
            number = {"JournalBatchNumber": journal_number(sending.external_key)}
            headers.append({**self._header(sending, line["dataAreaId"]), **number})
            rows.append({**line, **number})
        package = package_of([PackageFile(JOURNALS, headers), PackageFile(JOURNAL_LINES, rows)])
        company = rows[0]["dataAreaId"]
        try:
            status = await import_package(
                self._client, package, batch, company, self._options, sleep=asyncio.sleep
            )
        except LedgerloopError as error:
            return outcomes_of_whole(batch, error, OUTCOMES)
        if status == "Succeeded":
            return {
                s.command.command_id: Accepted(_native_id(row))
                for s, row in zip(batch, rows, strict=True)
            }
        found = await self.look_up(batch)
        outcomes: dict[str, Outcome] = {}
        for command_id, answer in found.items():
            if isinstance(answer, Found):
                outcomes[command_id] = Accepted(answer.native_id)
            elif isinstance(answer, Absent) and status in ("PartiallySucceeded", "Failed"):
                # The journal's number guards against a second one, so sending again is safe.
                outcomes[command_id] = Retry("package_row", f"the import ended {status}", 0.0)
            else:
                outcomes[command_id] = Unknown("import_running", f"the import is {status}")
        return outcomes

    async def _post_journals(
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
            path = keyed(JOURNALS, dataAreaId=company, JournalBatchNumber=number)
            try:
                await self._client.call(path, self._options.post_action, {})
            except LedgerloopError as error:
                _LOG.warning("the journal was written and not posted: %s", error.message)

    async def _without_false_refusals(
        self,
        batch: Sequence[Sending],
        lines: Mapping[str, dict[str, Any]],
        outcomes: dict[str, Outcome],
    ) -> dict[str, Outcome]:
        """A journal that already exists may be this receipt's own, of an earlier delivery: look.

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

    async def _fill(self, sending: Sending, line: Mapping[str, Any]) -> Outcome:
        """Put the line into its own journal; a journal of somebody else is left alone."""
        number = journal_number(sending.external_key)
        key = {"dataAreaId": str(line["dataAreaId"]), "JournalBatchNumber": number}
        try:
            header = (await self._client.get(keyed(JOURNALS, **key))).entity
            if not str(header["Description"]).startswith(sending.external_key):
                return Rejected(
                    "number_taken", f"journal {number} is somebody else's", is_business=False
                )
            answer = await self._client.change(
                "POST", JOURNAL_LINES, {**line, "JournalBatchNumber": number}
            )
        except LedgerloopError as error:
            return OUTCOMES.of_error(error, field_of=self._field_of)
        return Accepted(_native_id(answer.entity))

    def _field_of(self, native: str) -> str:
        names = [name for name, one in self._target.fields.items() if one.native == native]
        return names[0] if names else native

    # -- looking ----------------------------------------------------------------------------

    async def _lines(self, batch: Sequence[Sending]) -> dict[str, list[dict[str, Any]]]:
        """Journal lines by command, posted ones included."""
        by_key = {s.external_key: s.command.command_id for s in batch}
        found: dict[str, list[dict[str, Any]]] = {s.command.command_id: [] for s in batch}
        rows = await rows_with(self._client, JOURNAL_LINES, "PaymentReference", [*by_key])
        for row in rows:
            found[by_key[row["PaymentReference"]]].append(row)
        return found

    async def look_up(self, batch: Sequence[Sending]) -> dict[str, LookUp]:
        """By the key on journal lines: a journal that waits for its posting is there."""
        try:
            found = await self._lines(batch)
        except LedgerloopError as error:
            return {s.command.command_id: CannotTell(error.message) for s in batch}
        return {
            command_id: Found(_native_id(rows[0])) if rows else Absent()
            for command_id, rows in found.items()
        }

    async def read_back(self, batch: Sequence[Sending]) -> dict[str, ReadBack]:
        """What was posted under each key. Raises LedgerloopError when that cannot be read."""
        lines = await self._lines(batch)
        posted = await self._posted(batch)
        headers = await self._unposted(lines)
        found: dict[str, ReadBack] = {}
        for sending in batch:
            command_id = sending.command.command_id
            rows, effects = lines[command_id], posted[sending.external_key]
            if not rows:
                found[command_id] = ReadBack(None)
            elif not effects or _place(rows[0]) in headers:
                found[command_id] = ReadBack(None, _native_id(rows[0]), is_pending=True)
            else:
                found[command_id] = self._shown(sending, rows[0], effects)
        return found

    async def _posted(self, batch: Sequence[Sending]) -> dict[str, list[Decimal]]:
        """Posted amounts by key: on customers, and on the account of unidentified receipts."""
        options, found = self._options, defaultdict[str, list[Decimal]](list)
        is_ledger = {
            s.external_key: s.command.payload.get("posting_kind") == "unidentified" for s in batch
        }
        places = (
            (False, options.open_transactions_entity, "PaymReference", "AmountCur"),
            (True, options.ledger_entries_entity, "PaymentReference", "TransactionCurrencyAmount"),
        )
        for ledger, entity_set, field, amount in places:
            keys = [key for key, wanted in is_ledger.items() if wanted is ledger]
            for row in await rows_with(self._client, entity_set, field, keys):
                found[row[field]].append(-Decimal(row[amount]))
        return found

    async def _unposted(
        self, lines: Mapping[str, Sequence[Mapping[str, Any]]]
    ) -> set[tuple[str, str]]:
        numbers = [str(row["JournalBatchNumber"]) for rows in lines.values() for row in rows]
        rows = await rows_with(self._client, JOURNALS, "JournalBatchNumber", numbers)
        return {_place(row) for row in rows if row["IsPosted"] != "Yes"}

    def _shown(
        self, sending: Sending, line: Mapping[str, Any], effects: Sequence[Decimal]
    ) -> ReadBack:
        """The posted receipt in hub names.

        The amount is the sum over every posting of the key: a doubled one can never look right.
        """
        payload = sending.command.payload
        is_customer = line["AccountType"] == "Cust"
        wanted = str(payload.get("company_code") or "")
        company = str(line["dataAreaId"])
        shown = {
            **line,
            "dataAreaId": wanted if wanted.lower() == company else company,
            "AccountDisplayValue": plain_display(line["AccountDisplayValue"])
            if is_customer
            else None,
            "CreditAmount": canonical_text(sum(effects, Decimal(0))),
            "TransactionDate": plain_date(line["TransactionDate"]),
            "OffsetAccountDisplayValue": plain_display(line["OffsetAccountDisplayValue"]),
        }
        return ReadBack(self._target.from_native(shown), _native_id(line))


def _place(row: Mapping[str, Any]) -> tuple[str, str]:
    return str(row["dataAreaId"]), str(row["JournalBatchNumber"])


def _native_id(line: Mapping[str, Any]) -> str:
    """company/journal/line."""
    company, number = _place(line)
    return f"{company}/{number}/{canonical_text(Decimal(line['LineNumber']))}"
