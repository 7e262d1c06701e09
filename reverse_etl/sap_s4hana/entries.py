"""Entries on a customer's account: credit memos, write-offs, debit memos, refunds, returns.

Each is one journal entry; its customer lines carry the hub's key in
``Reference3IDByBusinessPartner`` (domain §B9). A credit memo takes from the customer what a
deduction was right about, a write-off what nobody will pay, a debit memo asks for more, a refund
gives cash back, a returned payment opens again what it had paid. It must not send anything:
``postings`` does.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from ingestion.common.errors import InputRefused
from ingestion.common.money import canonical_text
from ingestion.sap_s4hana.client import SapClient
from reverse_etl.delivery.writer import ReadBack, Sending
from reverse_etl.ledger.commands import Value
from reverse_etl.planning.governance import TargetObject
from reverse_etl.sap_s4hana.clearing_lines import lines_of
from reverse_etl.sap_s4hana.items import items_where, plain_date
from reverse_etl.sap_s4hana.messages import (
    DebtorItem,
    EntryHeader,
    GlItem,
    JournalEntry,
    entry_id_of,
)
from reverse_etl.sap_s4hana.receipts import posting_id
from reverse_etl.sap_s4hana.settings import SapOptions

__all__ = ["DEBITS", "MEMOS", "REFUNDS", "RETURNS"]

_ASSIGNMENT_LENGTH = 18
_REFERENCE_LENGTH = 12


@dataclass(frozen=True, slots=True)
class CustomerForm:
    """Entries on customers' accounts: how ``make`` builds one, how all are found and shown."""

    make: Callable[[Sending, SapOptions], JournalEntry]

    def entry_of(
        self,
        sending: Sending,
        target: TargetObject,  # noqa: ARG002 (the interface of every form)
        options: SapOptions,
    ) -> JournalEntry:
        """Raises InputRefused for a field that is missing or wrong."""
        return self.make(sending, options)

    async def find(
        self,
        client: SapClient,
        batch: Sequence[Sending],
        options: SapOptions,  # noqa: ARG002 (the interface of every form)
    ) -> dict[str, list[dict[str, Any]]]:
        """The customer lines that carry each command's key, by command id; cleared ones included.

        Raises:
            LedgerloopError: the ledger could not be read.
        """
        found: dict[str, list[dict[str, Any]]] = {s.command.command_id: [] for s in batch}
        by_key = {s.external_key: s.command.command_id for s in batch}
        only = "FinancialAccountType eq 'D'"
        field_name = "Reference3IDByBusinessPartner"
        for row in await items_where(client, field_name, by_key, also=only):
            found[by_key[row[field_name]]].append(row)
        return found

    def read_back(
        self,
        sending: Sending,
        rows: Sequence[Mapping[str, Any]],
        target: TargetObject,
        options: SapOptions,
    ) -> ReadBack:
        """The payload as sent when the books hold just these customer lines, once.

        What differs is shown as it is: an amount is the sum over every line with the key, so that
        a doubled entry shows twice its amount and a reversed one nothing.
        """
        if not rows:
            return ReadBack(None)
        entry = self.entry_of(sending, target, options)
        first = min(rows, key=lambda row: posting_id([row]))
        meant = Counter((item.customer, item.amount) for item in entry.debtor_items)
        there = Counter(
            (str(row["Customer"]), Decimal(row["AmountInTransactionCurrency"])) for row in rows
        )
        fields = dict(sending.command.payload)
        shown = {
            "company_code": first["CompanyCode"],
            "currency_code": first["TransactionCurrency"],
            "posting_date": plain_date(first["PostingDate"]),
            "document_date": plain_date(first["DocumentDate"]),
        }
        for name in ("bank_reference", "document_reference"):
            shown[name] = first["DocumentReferenceID"]
        if meant != there:
            total = sum((Decimal(row["AmountInTransactionCurrency"]) for row in rows), Decimal(0))
            shown["amount"] = canonical_text(abs(total))
            customers = sorted({str(row["Customer"]) for row in rows})
            shown["customer"] = ",".join(customers)
        fields |= {name: value for name, value in shown.items() if name in fields}
        return ReadBack(fields, native_id=posting_id(rows))


def memo_entry(sending: Sending, options: SapOptions) -> JournalEntry:
    """A credit memo, or a write-off, of one decided deduction.

    Raises:
        InputRefused: a missing field, or an amount that is not positive.
    """
    payload = sending.command.payload
    kind = payload.get("posting_kind")
    if kind == "credit_memo":
        account, document_type = options.returns_gl_account, options.credit_memo_document_type
    elif kind == "write_off":
        account, document_type = options.allowance_gl_account, options.write_off_document_type
    else:
        raise _refused("posting_kind", f"{kind!r} is neither credit_memo nor write_off")
    amount = _positive(payload, "amount")
    reason = options.native_reason(_needed(payload, "reason_code"))
    item = DebtorItem(
        customer=_needed(payload, "customer"),
        amount=-amount,
        text=str(payload.get("item_text") or ""),
        assignment=sending.command.business_key[-_ASSIGNMENT_LENGTH:],
        reference_1=reason,
        reference_3=sending.external_key,
    )
    other = GlItem(account, amount, text=str(payload.get("item_text") or ""))
    return _entry(sending, options, document_type, (item,), (other,))


def debit_entry(sending: Sending, options: SapOptions) -> JournalEntry:
    """What a customer is asked to pay beside its invoices, under a number of its own.

    Raises:
        InputRefused: a missing field, or an amount that is not positive.
    """
    payload = sending.command.payload
    amount = _positive(payload, "amount")
    text = str(payload.get("item_text") or "Debit memo")
    item = DebtorItem(
        customer=_needed(payload, "customer"),
        amount=amount,
        text=text,
        assignment=str(payload.get("invoice_number") or "")[:_ASSIGNMENT_LENGTH],
        reference_1=options.native_reason(_needed(payload, "reason_code")),
        reference_3=sending.external_key,
        due_base_date=_date(payload, "due_date"),
        net_payment_days=0,
    )
    _needed(payload, "document_reference")
    other = GlItem(options.adjustments_gl_account, -amount, text=text)
    return _entry(sending, options, options.debit_memo_document_type, (item,), (other,))


def refund_entry(sending: Sending, options: SapOptions) -> JournalEntry:
    """Cash that goes back to a customer: a debit beside the credit it came from.

    Raises:
        InputRefused: a missing field, or an amount that is not positive.
    """
    payload = sending.command.payload
    amount = _positive(payload, "amount")
    text = str(payload.get("item_text") or "Refund")
    item = DebtorItem(
        customer=_needed(payload, "customer"),
        amount=amount,
        text=text,
        assignment=sending.command.business_key[:_ASSIGNMENT_LENGTH],
        reference_3=sending.external_key,
    )
    bank = GlItem(
        _needed(payload, "bank_gl_account"),
        -amount,
        text=text,
        value_date=_date(payload, "value_date"),
    )
    return _entry(sending, options, options.refund_document_type, (item,), (bank,))


def returned_entry(sending: Sending, options: SapOptions) -> JournalEntry:
    """A payment that the bank took back.

    What it had closed is opened again as new debit items, each with the invoice's number and its
    own due date; discounts and fees that the clearing granted are taken back. SAP has no verified
    service that resets a clearing. A payment that was not applied is opened as one item.

    Raises:
        InputRefused: a missing field, or lines that do not make the returned amount.
    """
    payload = sending.command.payload
    amount = _positive(payload, "amount")
    fee = _positive(payload, "fee_amount") if payload.get("fee_amount") else Decimal(0)
    items, given = _opened_again(sending, amount)
    if fee:
        text = "Charge of the bank for a returned payment"
        items.append(_debit(sending, _needed(payload, "customer"), fee, text, "", None))
    text = str(payload.get("item_text") or "Returned payment")
    bank = GlItem(
        _needed(payload, "bank_gl_account"),
        -(amount + fee),
        text=text,
        value_date=_date(payload, "value_date"),
    )
    accounts = {"discount": options.discount_gl_account, "fee": options.charges_gl_account}
    back = tuple(GlItem(accounts[kind], -part) for kind, part in given.items() if part)
    document_type = options.returned_document_type
    return _entry(sending, options, document_type, tuple(items), (bank, *back))


def _opened_again(sending: Sending, amount: Decimal) -> tuple[list[DebtorItem], dict[str, Decimal]]:
    """The debit items, and what is taken back of discounts and fees."""
    payload = sending.command.payload
    customer, raw = _needed(payload, "customer"), payload.get("lines")
    given = {"discount": Decimal(0), "fee": Decimal(0)}
    if not isinstance(raw, list) or not raw:
        text = str(payload.get("item_text") or "Returned payment")
        return [_debit(sending, customer, amount, text, "", None)], given
    lines, on_account = lines_of(raw, _needed(payload, "company_code"), customer)
    items = []
    for line in lines:
        back = {"discount": line.discount, "fee": Decimal(0)}
        for one in line.differences:
            if one.kind == "fee":
                back["fee"] += one.amount
        given = {kind: given[kind] + back[kind] for kind in given}
        number = str(line.payload.get("invoice_number") or line.key.document)
        due = line.payload.get("due_date")
        opened = line.cash + back["discount"] + back["fee"]
        due_date = date.fromisoformat(str(due)) if due else None
        items.append(_debit(sending, line.customer, opened, f"Returned {number}", number, due_date))
    if on_account:
        items.append(_debit(sending, customer, on_account, "Returned, was on account", "", None))
    made = sum((item.amount for item in items), Decimal(0)) - sum(given.values(), Decimal(0))
    if made != amount:
        raise _refused(
            "not_the_payment",
            f"the lines open {canonical_text(made)}, the bank took {canonical_text(amount)}",
            "lines",
        )
    return items, given


def _debit(
    sending: Sending, customer: str, amount: Decimal, text: str, number: str, due: date | None
) -> DebtorItem:
    return DebtorItem(
        customer=customer,
        amount=amount,
        text=text,
        assignment=number[:_ASSIGNMENT_LENGTH],
        reference_1=number[:_REFERENCE_LENGTH],
        reference_3=sending.external_key,
        due_base_date=due,
        net_payment_days=0 if due else None,
    )


def _entry(
    sending: Sending,
    options: SapOptions,
    document_type: str,
    debtors: tuple[DebtorItem, ...],
    accounts: tuple[GlItem, ...],
) -> JournalEntry:
    payload = sending.command.payload
    names = ("document_reference", "invoice_number", "bank_reference")
    reference = next((payload[name] for name in names if payload.get(name)), "")
    header = EntryHeader(
        company_code=_needed(payload, "company_code"),
        document_type=document_type,
        document_date=_date(payload, "document_date"),
        posting_date=_date(payload, "posting_date"),
        created_by=options.created_by,
        document_reference=str(reference),
    )
    entry_id = entry_id_of(sending.command.command_id)
    return JournalEntry(entry_id, header, _needed(payload, "currency_code"), debtors, accounts)


def _needed(payload: Mapping[str, Value], name: str) -> str:
    value = payload.get(name)
    if value in (None, ""):
        raise _refused("field_missing", f"{name} is missing", name)
    return str(value)


def _date(payload: Mapping[str, Value], name: str) -> date:
    return date.fromisoformat(_needed(payload, name))


def _positive(payload: Mapping[str, Value], name: str) -> Decimal:
    try:
        amount = Decimal(_needed(payload, name))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount <= 0:
        raise _refused("amount", f"{name} {payload.get(name)!r} is not a positive amount", name)
    return amount


def _refused(code: str, message: str, where: str = "") -> InputRefused:
    return InputRefused(message, code=code, where=where or code)


DEBITS = CustomerForm(debit_entry)
MEMOS = CustomerForm(memo_entry)
REFUNDS = CustomerForm(refund_entry)
RETURNS = CustomerForm(returned_entry)
