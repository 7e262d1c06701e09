"""``returned_payments``, ``refunds`` and ``debit_memos``: journals that debit a customer.

Money that goes back to a customer is a debit line of a payment journal. What a customer owes again
or in addition is a line of a customer invoice journal, which carries a number and a due date of its
own: against the bank where the bank took a payment back, against a main account for a debit memo.
The product posts journals in its own time; what is verified is what the posted transactions show.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ingestion.common.errors import InputRefused
from ingestion.common.money import canonical_text
from ingestion.dynamics365_finance.client import D365Client
from reverse_etl.delivery.writer import LookUp, Outcome, ReadBack, Sending
from reverse_etl.dynamics365_finance.journals import (
    INVOICES,
    PAYMENTS,
    Journals,
    JournalSets,
    native_id,
    place,
)
from reverse_etl.dynamics365_finance.returns import Opened, opened_of
from reverse_etl.dynamics365_finance.settings import KIND, D365Options
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
from reverse_etl.ledger.commands import Value
from reverse_etl.outcomes import rejected_input
from reverse_etl.planning.governance import Governance

__all__ = ["DEBIT_MEMOS", "REFUNDS", "RETURNED_PAYMENTS", "DebitForm", "Debits"]

ZERO = Decimal(0)
_TEXT_LENGTH = 60
Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class DebitForm:
    """One object's journal.

    Attributes:
        sets: where headers and lines stand.
        journal_name: which journal of the installation.
        make: the lines of a command, without their journal's number.
        shown: the line's fields as hub fields, beside company, customer and amount.
        effect_key: field of a posted transaction that keeps the hub's key.
    """

    sets: JournalSets
    journal_name: Callable[[D365Options], str]
    make: Callable[[Sending, D365Options], list[Line]]
    shown: Mapping[str, str]
    effect_key: str


class Debits:
    """Fits the writer's verbs."""

    def __init__(
        self,
        client: D365Client,
        governance: Governance,
        options: D365Options,
        object_name: str,
        form: DebitForm,
    ) -> None:
        self._client = client
        self._options = options
        self._form = form
        target = governance.object(KIND, object_name)
        self._journals = Journals(client, target, options, form.sets, form.journal_name(options))

    async def send(self, batch: Sequence[Sending]) -> dict[str, Outcome]:
        """Write journals; those that cannot be built are refused before anything leaves."""
        outcomes: dict[str, Outcome] = {}
        lines: dict[str, list[Line]] = {}
        for sending in batch:
            try:
                lines[sending.command.command_id] = self._form.make(sending, self._options)
            except InputRefused as refused:
                outcomes[sending.command.command_id] = rejected_input(refused)
        good = [sending for sending in batch if sending.command.command_id in lines]
        if good:
            outcomes.update(await self._journals.write(good, lines))
            await self._journals.ask_for_posting(good, outcomes)
        return outcomes

    async def look_up(self, batch: Sequence[Sending]) -> dict[str, LookUp]:
        """By the key on journal lines: a journal that waits for its posting is there."""
        return await self._journals.look_up(batch)

    async def read_back(self, batch: Sequence[Sending]) -> dict[str, ReadBack]:
        """What was posted under each key. Raises LedgerloopError when that cannot be read."""
        lines = await self._journals.lines_of(batch)
        waiting = await self._journals.unposted(lines)
        effects: dict[str, list[Mapping[str, Any]]] = {s.external_key: [] for s in batch}
        for row in await rows_with(
            self._client,
            self._options.open_transactions_entity,
            self._form.effect_key,
            [*effects],
        ):
            effects[row[self._form.effect_key]].append(row)
        found: dict[str, ReadBack] = {}
        for sending in batch:
            rows, posted = lines[sending.command.command_id], effects[sending.external_key]
            if not rows:
                shown = ReadBack(None)
            elif not posted or place(rows[0]) in waiting:
                shown = ReadBack(None, native_id(rows[0]), is_pending=True)
            else:
                shown = self._shown(sending, rows, posted)
            found[sending.command.command_id] = shown
        return found

    def _shown(
        self, sending: Sending, lines: Sequence[Line], posted: Sequence[Mapping[str, Any]]
    ) -> ReadBack:
        """The payload as sent when the books hold just these debits, once.

        What differs is shown as it is: the amount is the sum over every posting of the key, so that
        a doubled one can never look right. What only the journal's text holds is not compared.
        """
        payload = dict(sending.command.payload)
        meant = Counter(_meant(one) for one in self._form.make(sending, self._options))
        there = Counter(
            (row["AccountNum"].upper(), row["CurrencyCode"], row["AmountCur"]) for row in posted
        )
        if meant != there:
            total = sum((Decimal(row["AmountCur"]) for row in posted), ZERO)
            payload["amount"] = canonical_text(total)
            payload["customer"] = ",".join(sorted({str(row["AccountNum"]) for row in posted}))
            payload["currency_code"] = ",".join(sorted({str(r["CurrencyCode"]) for r in posted}))
        first = min(lines, key=lambda row: Decimal(row["LineNumber"]))
        company = str(payload.get("company_code") or "")
        if company.lower() != first["dataAreaId"]:
            payload["company_code"] = first["dataAreaId"]
        for name, native in self._form.shown.items():
            payload[name] = _plain(first[native])
        return ReadBack(payload, native_id(first))


def _meant(line: Mapping[str, Any]) -> tuple[str, str, Decimal]:
    account = line.get("CustomerAccountDisplayValue") or line["AccountDisplayValue"]
    currency_code = line.get("Currency") or line["CurrencyCode"]
    return plain_display(account).upper(), str(currency_code), line["DebitAmount"]


def _plain(value: Any) -> Value:
    """A text or date of a line as the hub writes it."""
    text = str(value or "")
    return plain_date(text) if text[10:11] == "T" else plain_display(text) or None


def _refund_lines(sending: Sending, options: D365Options) -> list[Line]:  # noqa: ARG001 (a form's)
    """Cash that goes back to a customer. Raises InputRefused."""
    payload = sending.command.payload
    currency_code = needed(payload, "currency_code")
    return [
        {
            "dataAreaId": company_of(needed(payload, "company_code")),
            "LineNumber": Decimal(1),
            "AccountType": "Cust",
            "AccountDisplayValue": display_value(needed(payload, "customer")),
            "DebitAmount": amount_in(payload, "amount", currency_code),
            "CurrencyCode": currency_code,
            "TransactionDate": noon(needed(payload, "posting_date"), "posting_date"),
            "TransactionText": str(payload.get("item_text") or ""),
            "PaymentReference": sending.external_key,
            "PaymentId": str(payload.get("bank_reference") or ""),
            "OffsetAccountType": "Bank",
            "OffsetAccountDisplayValue": display_value(needed(payload, "bank_gl_account")),
            "SettleVoucher": "None",
        }
    ]


def _returned_lines(sending: Sending, options: D365Options) -> list[Line]:
    """A payment that the bank took back, and its charge for that. Raises InputRefused."""
    payload = sending.command.payload
    currency_code = needed(payload, "currency_code")
    reference = str(payload.get("bank_reference") or sending.command.business_key)
    amount = amount_in(payload, "amount", currency_code)
    found = opened_of(payload, amount, reference, options)
    if payload.get("fee_amount"):
        fee = amount_in(payload, "fee_amount", currency_code)
        found.append(Opened(reference, fee, "Charge of the bank for a returned payment"))
    bank = needed(payload, "bank_gl_account")
    return [
        _invoice_line(
            sending,
            number,
            one.number,
            one.amount,
            customer=one.customer,
            due_date=one.due_date,
            text=f"{one.text} {reference}",
            offset=("Ledger", one.account) if one.account else ("Bank", bank),
        )
        for number, one in enumerate(found, 1)
    ]


def _debit_memo_lines(sending: Sending, options: D365Options) -> list[Line]:
    """What a customer is to pay in addition. Raises InputRefused."""
    payload = sending.command.payload
    line = _invoice_line(
        sending,
        1,
        needed(payload, "document_reference"),
        amount_in(payload, "amount", needed(payload, "currency_code")),
        due_date=str(payload.get("due_date") or ""),
        text=str(payload.get("item_text") or ""),
        offset=("Ledger", options.debit_memo_account),
    )
    reason = options.native_reason(needed(payload, "reason_code"))
    return [
        {
            **line,
            "ReasonCode": reason,
            "ReasonComment": str(payload.get("invoice_number") or ""),
        }
    ]


def _invoice_line(
    sending: Sending,
    line_number: int,
    invoice: str,
    amount: Decimal,
    *,
    due_date: str,
    text: str,
    offset: tuple[str, str],
    customer: str = "",
) -> Line:
    """A line of a customer invoice journal; without a due date it is due on its own."""
    payload = sending.command.payload
    day = needed(payload, "posting_date")
    return {
        "dataAreaId": company_of(needed(payload, "company_code")),
        "LineNumber": Decimal(line_number),
        "AccountType": "Cust",
        "CustomerAccountDisplayValue": display_value(customer or needed(payload, "customer")),
        "DebitAmount": amount,
        "Currency": needed(payload, "currency_code"),
        "InvoiceId": invoice,
        "InvoiceDate": noon(day, "posting_date"),
        "DocumentDate": noon(str(payload.get("document_date") or day), "document_date"),
        "DueDate": noon(due_date or day, "due_date"),
        "DocumentNumber": sending.external_key,
        "TransactionText": text[:_TEXT_LENGTH],
        "OffsetAccountType": offset[0],
        "OffsetAccountDisplayValue": display_value(offset[1]),
    }


REFUNDS = DebitForm(
    PAYMENTS,
    lambda options: options.journal_name,
    _refund_lines,
    {
        "posting_date": "TransactionDate",
        "bank_gl_account": "OffsetAccountDisplayValue",
        "bank_reference": "PaymentId",
        "item_text": "TransactionText",
    },
    "PaymReference",
)
RETURNED_PAYMENTS = DebitForm(
    INVOICES,
    lambda options: options.invoice_journal_name,
    _returned_lines,
    {"posting_date": "InvoiceDate", "document_date": "DocumentDate"},
    "DocumentNum",
)
DEBIT_MEMOS = DebitForm(
    INVOICES,
    lambda options: options.invoice_journal_name,
    _debit_memo_lines,
    {
        "posting_date": "InvoiceDate",
        "document_date": "DocumentDate",
        "due_date": "DueDate",
        "document_reference": "InvoiceId",
        "invoice_number": "ReasonComment",
        "item_text": "TransactionText",
    },
    "DocumentNum",
)
