"""``applications/apply`` and ``refund_clearings/apply``: a receipt against what it is used up by.

That is the invoices it pays, or the debit of a refund (of a return) that gives the receipt back.
While the journal is not posted the invoices are marked on its line, and the posting settles them.
Once it is posted the product has no standard entity for settling, so a bound action is called
(option ``settle_action``); without one a person settles, and the command says so. Either way only
settlement rows between this payment and each invoice count as done.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ingestion.common.errors import InputRefused, LedgerloopError, RetryLater, VendorRejected
from ingestion.dynamics365_finance.client import D365Client, Operation, keyed, literal
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
)
from reverse_etl.dynamics365_finance.lines import ApplicationLine, lines_of
from reverse_etl.dynamics365_finance.settings import (
    JOURNAL_LINES,
    JOURNALS,
    OUTCOMES,
    D365Options,
)
from reverse_etl.dynamics365_finance.values import company_of, needed, noon, rows_with
from reverse_etl.outcomes import rejected_input

__all__ = ["Applications"]

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class _Application:
    """An application as its command means it, with the payment as the books show it.

    ``payment`` is None while the journal is not posted; ``journal`` is then company, number, line.
    """

    company: str
    lines: tuple[ApplicationLine, ...]
    payment: Mapping[str, Any] | None
    journal: tuple[str, str, str] | None


class Applications:
    """Fits the writer's verbs."""

    def __init__(self, client: D365Client, options: D365Options) -> None:
        self._client = client
        self._options = options

    async def send(self, batch: Sequence[Sending]) -> dict[str, Outcome]:
        """Settle payments one after another: each has its own answer."""
        return {s.command.command_id: await self._apply(s) for s in batch}

    async def _apply(self, sending: Sending) -> Outcome:
        try:
            meant = await self._meant(sending)
            if meant is None:
                return Retry("payment_not_there", "the payment is not in the books yet", 5.0)
            done = await self._settled(meant)
        except InputRefused as refused:
            return rejected_input(refused)
        except LedgerloopError as error:
            return _unsent(error)
        if meant.payment is None:
            return await self._mark(meant)
        native_id = _native_id(meant.payment)
        if all(done.get(line.record, ZERO) == line.cash for line in meant.lines):
            return Accepted(native_id)
        if any(done.values()):
            return Rejected("partly_settled", "the payment is settled with some of these items")
        return await self._settle(sending, meant, native_id)

    async def _settle(self, sending: Sending, meant: _Application, native_id: str) -> Outcome:
        assert meant.payment is not None
        options = self._options
        if not options.settle_action:
            return Rejected(
                "no_settle_action",
                "this installation has no action that settles a posted payment: settle it there "
                "(Settle transactions); the hub sees it with the next reading",
            )
        path = keyed(
            options.open_transactions_entity,
            dataAreaId=meant.company,
            RecId=int(meant.payment["RecId"]),
        )
        parameters = {
            "transDate": noon(needed(sending.command.payload, "posting_date"), "posting_date"),
            "settlements": [line.native() for line in meant.lines],
        }
        try:
            await self._client.call(path, options.settle_action, parameters)
        except LedgerloopError as error:
            return OUTCOMES.of_error(error)
        return Accepted(native_id)

    async def _mark(self, meant: _Application) -> Outcome:
        """Mark invoices on the line of a journal that is not posted; all of them or none."""
        assert meant.journal is not None
        company, number, line_number = meant.journal
        if any(line.write_offs for line in meant.lines):
            return Rejected("cannot_write_off", "a mark on a journal line takes no write-off")
        try:
            invoices = await self._invoices(meant)
        except LedgerloopError as error:
            return _unsent(error)
        missing = [line.record for line in meant.lines if line.record not in invoices]
        if missing:
            return Rejected("unknown_item", f"transactions {missing} are not there", "lines")
        marks = [
            Operation(
                "POST",
                self._options.settled_invoices_entity,
                {
                    "dataAreaId": company,
                    "JournalLineCompany": company,
                    "JournalBatchNumber": number,
                    "JournalLineAccountType": "Cust",
                    "JournalLineNumber": Decimal(line_number),
                    "InvoiceNumber": invoices[line.record],
                    "InvoiceCompany": company,
                    "SettlementAmountInInvoiceCurrency": line.settled,
                    "CashDiscountToTakeInInvoiceCurrency": line.discount,
                },
            )
            for line in meant.lines
        ]
        try:
            result = (await self._client.batch([marks]))[0]
        except LedgerloopError as error:
            return OUTCOMES.of_error(error)
        if isinstance(result, VendorRejected) and result.code == "already_exists":
            return Accepted("/".join(meant.journal))
        if isinstance(result, LedgerloopError):
            return OUTCOMES.of_error(result)
        return Accepted("/".join(meant.journal))

    async def _invoices(self, meant: _Application) -> dict[int, str]:
        rows = await rows_with(
            self._client,
            self._options.open_transactions_entity,
            "RecId",
            [line.record for line in meant.lines],
            also=f"dataAreaId eq {literal(meant.company)}",
        )
        return {int(row["RecId"]): str(row["Invoice"]) for row in rows}

    # -- looking ----------------------------------------------------------------------------

    async def _meant(self, sending: Sending) -> _Application | None:
        """The command with its payment; None when the payment is nowhere.

        Raises:
            InputRefused: the command is wrong. LedgerloopError: nothing could be read.
        """
        payload = sending.command.payload
        company = company_of(needed(payload, "company_code"))
        lines = lines_of(payload.get("lines"), self._options)
        record = str(payload.get("payment_document") or "")
        if record:
            rows = await self._transactions(f"RecId eq {int(record)}", company)
            return _Application(company, lines, rows[0], None) if rows else None
        native_ids = list(sending.predecessors.values())
        if not native_ids:
            raise InputRefused(
                "the payment is not named", code="no_payment", where="payment_document"
            )
        place = native_ids[0].split("/")
        if len(place) != 3:
            raise InputRefused(
                f"{native_ids[0]!r} is no journal line", code="no_payment", where="payment_document"
            )
        journal = (place[0], place[1], place[2])
        return await self._in_journal(company, lines, journal)

    async def _in_journal(
        self, company: str, lines: tuple[ApplicationLine, ...], journal: tuple[str, str, str]
    ) -> _Application | None:
        """The application of a payment that is known by its journal line."""
        key = {"dataAreaId": journal[0], "JournalBatchNumber": journal[1]}
        try:
            header = await self._client.get(keyed(JOURNALS, **key))
            if header.entity["IsPosted"] != "Yes":
                return _Application(company, lines, None, journal)
            number = int(Decimal(journal[2]))
            line = await self._client.get(keyed(JOURNAL_LINES, **key, LineNumber=number))
        except VendorRejected as error:
            if error.status == 404:
                return None
            raise
        voucher = literal(str(line.entity["Voucher"]))
        rows = await self._transactions(f"Voucher eq {voucher}", company)
        return _Application(company, lines, rows[0], None) if rows else None

    async def _transactions(self, condition: str, company: str) -> list[dict[str, Any]]:
        text = f"{condition} and dataAreaId eq {literal(company)}"
        return await self._client.rows(self._options.open_transactions_entity, text)

    async def _settled(self, meant: _Application) -> dict[int, Decimal]:
        """What of each line's item this payment has settled."""
        found: dict[int, Decimal] = defaultdict(Decimal)
        if meant.payment is None:
            return found
        rows = await rows_with(
            self._client,
            self._options.settlements_entity,
            "OffsetRecId",
            [int(meant.payment["RecId"])],
            also=f"dataAreaId eq {literal(meant.company)}",
        )
        wanted = {line.record for line in meant.lines}
        for row in rows:
            if row["TransRecId"] in wanted:
                found[int(row["TransRecId"])] += Decimal(row["SettleAmountCur"])
        return found

    async def look_up(self, batch: Sequence[Sending]) -> dict[str, LookUp]:
        """By the settlement rows between the payment and every item."""
        found: dict[str, LookUp] = {}
        for sending in batch:
            command_id = sending.command.command_id
            try:
                meant = await self._meant(sending)
                done = await self._settled(meant) if meant else {}
            except LedgerloopError as error:
                found[command_id] = CannotTell(error.message)
                continue
            if meant is None or meant.payment is None:
                found[command_id] = (
                    Absent() if meant is None else CannotTell("the journal is not posted yet")
                )
                continue
            is_done = all(done.get(line.record, ZERO) == line.cash for line in meant.lines)
            found[command_id] = Found(_native_id(meant.payment)) if is_done else Absent()
        return found

    async def read_back(self, batch: Sequence[Sending]) -> dict[str, ReadBack]:
        """What is settled. Raises LedgerloopError when that cannot be read."""
        found: dict[str, ReadBack] = {}
        for sending in batch:
            try:
                meant = await self._meant(sending)
            except InputRefused:
                meant = None
            if meant is None:
                found[sending.command.command_id] = ReadBack(None)
            elif meant.payment is None:
                found[sending.command.command_id] = ReadBack(None, is_pending=True)
            else:
                done = await self._settled(meant)
                found[sending.command.command_id] = _shown(sending, meant, done)
        return found


def _shown(sending: Sending, meant: _Application, done: Mapping[int, Decimal]) -> ReadBack:
    """The application in hub names: its lines as sent when just these are settled, else none."""
    assert meant.payment is not None
    payload = sending.command.payload
    if not any(done.values()):
        return ReadBack(None)
    is_done = all(done.get(line.record, ZERO) == line.cash for line in meant.lines)
    is_company = str(payload.get("company_code", "")).lower() == meant.company
    is_customer = str(payload.get("customer", "")).upper() == meant.payment["AccountNum"].upper()
    shown = {
        **payload,
        "company_code": payload.get("company_code") if is_company else meant.company,
        "customer": payload.get("customer") if is_customer else meant.payment["AccountNum"],
        "currency_code": meant.payment["CurrencyCode"],
        "lines": payload.get("lines") if is_done else None,
    }
    return ReadBack(shown, _native_id(meant.payment))


def _native_id(payment: Mapping[str, Any]) -> str:
    return f"{payment['dataAreaId']}/{payment['RecId']}"


def _unsent(error: LedgerloopError) -> Outcome:
    """What a failed reading before sending means: certainly no effect."""
    if isinstance(error, VendorRejected):
        return Rejected(error.code, error.message, is_business=False)
    after = error.after_seconds if isinstance(error, RetryLater) else None
    return Retry(error.code or "not_read", error.message, after)
