"""``payments/post``: one payment journal with one line per receipt.

The hub's key travels as ``PaymentReference``, and chooses the journal's number, so that a second
journal of the same receipt is refused. The product posts journals in its own time: until then the
command stays accepted; what is verified is what the posted transactions show.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from ingestion.common.errors import InputRefused, LedgerloopError
from ingestion.common.money import canonical_text
from ingestion.dynamics365_finance.client import D365Client
from reverse_etl.delivery.writer import (
    Absent,
    Accepted,
    Found,
    LookUp,
    Outcome,
    ReadBack,
    Retry,
    Sending,
    Unknown,
)
from reverse_etl.dynamics365_finance.journals import (
    PAYMENTS,
    Journals,
    journal_number,
    native_id,
    place,
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

__all__ = ["Payments", "line_of"]


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
        name = options.journal_name
        self._journals = Journals(client, self._target, options, PAYMENTS, name)

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
        else:
            written = {command_id: [line] for command_id, line in lines.items()}
            outcomes.update(await self._journals.write(good, written))
        await self._journals.ask_for_posting(good, outcomes)
        return outcomes

    async def _import(
        self, batch: Sequence[Sending], lines: Mapping[str, dict[str, Any]]
    ) -> dict[str, Outcome]:
        """Many receipts as one data package; rows that it refused are sent again one by one."""
        headers, rows = [], []
        for sending in batch:
            line = lines[sending.command.command_id]
            number = {"JournalBatchNumber": journal_number(sending.external_key)}
            headers.append({**self._journals.header(sending, line["dataAreaId"]), **number})
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
                s.command.command_id: Accepted(native_id(row))
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

    # -- looking ----------------------------------------------------------------------------

    async def look_up(self, batch: Sequence[Sending]) -> dict[str, LookUp]:
        """By the key on journal lines: a journal that waits for its posting is there."""
        return await self._journals.look_up(batch)

    async def read_back(self, batch: Sequence[Sending]) -> dict[str, ReadBack]:
        """What was posted under each key. Raises LedgerloopError when that cannot be read."""
        lines = await self._journals.lines_of(batch)
        posted = await self._posted(batch)
        headers = await self._journals.unposted(lines)
        found: dict[str, ReadBack] = {}
        for sending in batch:
            command_id = sending.command.command_id
            rows, effects = lines[command_id], posted[sending.external_key]
            if not rows:
                found[command_id] = ReadBack(None)
            elif not effects or place(rows[0]) in headers:
                found[command_id] = ReadBack(None, native_id(rows[0]), is_pending=True)
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
        return ReadBack(self._target.from_native(shown), native_id(line))
