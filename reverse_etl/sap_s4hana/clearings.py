"""Clearing receipts with invoices: checked before sending, proven afterwards, both from the items.

SAP takes a clearing request with an empty 202 and works later; refusals land in a monitor that no
public service shows. Therefore every item is read just before sending: what cannot succeed is
refused here, with the item that is wrong. And only items that are cleared by one and the same
document count as done. It must not send anything: ``writer`` does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from ingestion.common.errors import InputRefused
from ingestion.common.money import canonical_text
from reverse_etl.delivery.writer import (
    Absent,
    Accepted,
    Found,
    LookUp,
    Outcome,
    ReadBack,
    Rejected,
    Retry,
    Sending,
)
from reverse_etl.ledger.commands import Value
from reverse_etl.planning.governance import TargetObject
from reverse_etl.sap_s4hana.clearing_lines import (
    ClearingLine,
    Effects,
    effects_in,
    effects_of,
    lines_of,
)
from reverse_etl.sap_s4hana.items import ItemKey, ItemRows, document_id, plain_date
from reverse_etl.sap_s4hana.messages import ClearingItem, ClearingRequest, entry_id_of
from reverse_etl.sap_s4hana.settings import SapOptions

__all__ = [
    "Clearing",
    "clearing_documents",
    "clearing_of",
    "clearing_read_back",
    "look_up_of",
    "refusal_before_sending",
    "request_of",
]

Rows = Mapping[ItemKey, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Clearing:
    """One clearing as its command means it.

    ``receipt`` has an empty ``item`` when the journal entry is a command of the same plan: then
    only its document is known. With ``account_type`` S the items are lines of one G/L account and
    ``customer`` is that account.
    """

    company_code: str
    customer: str
    currency_code: str
    posting_date: date
    receipt: ItemKey
    lines: tuple[ClearingLine, ...]
    line_payloads: tuple[Mapping[str, Value], ...]
    on_account: Decimal
    options: SapOptions
    account_type: str = "D"

    def holds(self, row: Mapping[str, Any], account: str) -> bool:
        """Whether an item stands on an account of the kind that this clearing is about."""
        return row["FinancialAccountType"] == self.account_type and account == self.account_of(row)

    def account_of(self, row: Mapping[str, Any]) -> str:
        """The customer of an item, or its G/L account."""
        return str(row["Customer" if self.account_type == "D" else "GLAccount"])

    @property
    def words(self) -> str:
        """What its account is, for messages."""
        return "customer" if self.account_type == "D" else "account"

    @property
    def is_plain(self) -> bool:
        """Whether whole items close one another and nothing is left."""
        return not self.on_account and all(line.is_plain for line in self.lines)

    @property
    def effects(self) -> Effects:
        """What its document must leave behind."""
        return effects_of(self.lines, self.on_account, self.customer, self.options)

    def closed(self, keys: Sequence[ItemKey]) -> list[ItemKey]:
        """Those of ``keys`` that end cleared: all but items that are paid in part and stay."""
        if self.options.partial_payment != "partial":
            return list(keys)
        staying = {line.key for line in self.lines if line.is_part}
        return [key for key in keys if key not in staying]

    def keys(self, rows: ItemRows) -> tuple[ItemKey, ...]:
        """Every item of the request, the receipt first.

        Raises:
            InputRefused: the receipt's line is not among ``rows`` and so cannot be named.
        """
        receipt = self.receipt
        if not receipt.item:
            document = (receipt.company_code, receipt.fiscal_year, receipt.document)
            found = [
                key for key in rows.of_document(*document) if self.holds(rows[key], self.customer)
            ]
            if len(found) != 1:
                raise InputRefused(
                    f"document {'-'.join(document)} shows {len(found)} lines of {self.words} "
                    f"{self.customer}: cannot tell which one is the receipt",
                    code="receipt_item",
                    where="receipt_document",
                )
            receipt = found[0]
        return (receipt, *(line.key for line in self.lines))


def clearing_of(
    sending: Sending, target: TargetObject, options: SapOptions, account_type: str = "D"
) -> Clearing:
    """Read a clearing command.

    Raises:
        InputRefused: a field is missing or wrong, or the receipt's document is not known (yet).
    """
    native = target.to_native(sending.command.payload)
    raw_lines = native.get("APARItems")
    if not isinstance(raw_lines, list) or not raw_lines:
        raise InputRefused("a clearing without lines", code="field_missing", where="lines")
    company_code, customer = str(native["CompanyCode"]), str(native["APARAccount"])
    lines, on_account = lines_of(raw_lines, company_code, customer)
    return Clearing(
        company_code=company_code,
        customer=customer,
        currency_code=str(native["CurrencyCode"]),
        posting_date=date.fromisoformat(str(native["PostingDate"])),
        receipt=_receipt_of(sending, native, company_code),
        lines=lines,
        line_payloads=tuple(one for one in raw_lines if isinstance(one, dict)),
        on_account=on_account,
        options=options,
        account_type=account_type,
    )


def _receipt_of(sending: Sending, native: Mapping[str, Value], company_code: str) -> ItemKey:
    """The receipt's line from the payload, else the document that the command before made."""
    document = native.get("AccountingDocument")
    if document:
        item = str(native.get("AccountingDocumentItem") or "")
        year = str(native.get("FiscalYear") or "")
        return ItemKey(company_code, year, str(document), item.zfill(3) if item else "")
    made = sending.predecessors.get(sending.command.business_key, "")
    if not made and len(sending.predecessors) == 1:
        made = next(iter(sending.predecessors.values()))
    parts = made.split("-")
    if len(parts) != 3 or parts[0] != company_code:
        raise InputRefused(
            f"the receipt's document is not known: the journal entry before became {made!r}",
            code="no_receipt_document",
            where="receipt_document",
        )
    return ItemKey(parts[0], parts[1], parts[2], "")


def request_of(
    sending: Sending, clearing: Clearing, keys: Sequence[ItemKey], options: SapOptions
) -> ClearingRequest:
    """The request for one clearing, the receipt first."""
    receipt = keys[0]
    left: tuple[tuple[str, Decimal], ...] = ()
    if clearing.on_account:
        left = ((options.native_reason("ON-ACCOUNT"), -clearing.on_account),)
    place = (clearing.customer, receipt.fiscal_year, receipt.document, receipt.item)
    return ClearingRequest(
        entry_id=entry_id_of(sending.command.command_id),
        external_key=sending.external_key,
        company_code=clearing.company_code,
        currency_code=clearing.currency_code,
        document_date=clearing.posting_date,
        posting_date=clearing.posting_date,
        items=(
            ClearingItem(*place, differences=left),
            *(line.item(options) for line in clearing.lines),
        ),
        document_type=(
            options.on_account_document_type
            if clearing.on_account
            else options.clearing_document_type
        ),
        created_by=options.created_by,
        account_type=clearing.account_type,
        distribution_amount=options.distribution_amount_element,
    )


def refusal_before_sending(
    clearing: Clearing, keys: Sequence[ItemKey], rows: Rows
) -> Outcome | None:
    """Why a clearing is not to be sent now; None when every item is open and all sums are right.

    Items that are already cleared together need no sending: that effect is there.
    """
    customers = (clearing.customer, *(line.customer for line in clearing.lines))
    for key, customer in zip(keys, customers, strict=True):
        row = rows.get(key)
        if row is None:
            if key == keys[0]:
                return Retry("receipt_not_visible", f"{_words(key)} is not shown yet", 5.0)
            return _rejected("item_missing", f"{_words(key)} is not in the ledger")
        if not clearing.holds(row, customer):
            return _rejected(
                "item_of_another", f"{_words(key)} is not an item of {clearing.words} {customer}"
            )
        if row["TransactionCurrency"] != clearing.currency_code:
            return _rejected(
                "other_currency",
                f"{_words(key)} is in {row['TransactionCurrency']}, not {clearing.currency_code}",
            )
    document = _cleared_together(clearing.closed(keys), rows)
    if document:
        return Accepted(document)
    cleared = [key for key in keys if rows[key]["IsCleared"]]
    if cleared:
        by = rows[cleared[0]]["ClearingAccountingDocument"]
        return _rejected("item_cleared", f"{_words(cleared[0])} is already cleared by {by}")
    return _wrong_sum(clearing, keys, rows)


def _wrong_sum(clearing: Clearing, keys: Sequence[ItemKey], rows: Rows) -> Outcome | None:
    """Every cent of the receipt must go somewhere, and a part must be of what is really open."""
    amounts = [Decimal(rows[key]["AmountInTransactionCurrency"]) for key in keys]
    if clearing.is_plain:
        rest = sum(amounts, Decimal(0))
    else:
        for line, key, amount in zip(clearing.lines, keys[1:], amounts[1:], strict=True):
            meant = line.amount if line.open_amount is None else line.open_amount
            if amount != meant:
                return _rejected(
                    "amount_changed",
                    f"{_words(key)} has {canonical_text(amount)} open, not {canonical_text(meant)}",
                )
        cash = sum((line.cash for line in clearing.lines), Decimal(0))
        rest = amounts[0] + cash + clearing.on_account
    if not rest:
        return None
    return _rejected(
        "not_zero",
        f"the items leave {canonical_text(rest)} {clearing.currency_code} instead of nothing",
    )


def look_up_of(clearing: Clearing, keys: Sequence[ItemKey], rows: Rows) -> LookUp:
    """Whether the clearing has happened: every item cleared by one and the same document."""
    document = _cleared_together(clearing.closed(keys), rows)
    return Found(document) if document else Absent()


def clearing_documents(
    clearing: Clearing, keys: Sequence[ItemKey], rows: Rows
) -> tuple[str, str, str] | None:
    """The clearing document whose own lines must be read too; None where the items say it all."""
    row = rows.get(keys[0])
    if clearing.is_plain or row is None or not row["IsCleared"]:
        return None
    return (
        clearing.company_code,
        str(row["ClearingDocFiscalYear"]),
        str(row["ClearingAccountingDocument"]),
    )


def clearing_read_back(
    sending: Sending,
    clearing: Clearing,
    keys: Sequence[ItemKey],
    rows: ItemRows,
    target: TargetObject,
) -> ReadBack:
    """What the items show of a clearing: done, not yet, or made impossible by somebody else.

    Done gives the fields in hub names, each line with the amount that the ledger shows for it.
    Where more than whole items was cleared, what the document left behind must be what was meant.
    ``rows`` must then hold that document's lines (``clearing_documents``).
    """
    missing = [key for key in keys if key not in rows]
    if missing:
        return ReadBack(None)
    closed = clearing.closed(keys)
    document = _cleared_together(closed, rows)
    if document:
        return ReadBack(_fields(sending, clearing, keys, rows, target), native_id=document)
    cleared = [key for key in closed if rows[key]["IsCleared"]]
    if not cleared:
        return ReadBack(None, is_pending=True)
    by = rows[cleared[0]]["ClearingAccountingDocument"]
    refusal = _rejected("item_cleared", f"{_words(cleared[0])} was cleared by {by} instead")
    return ReadBack(None, rejection=refusal)


def _fields(
    sending: Sending,
    clearing: Clearing,
    keys: Sequence[ItemKey],
    rows: ItemRows,
    target: TargetObject,
) -> dict[str, Value]:
    """The confirmed fields in hub names; the receipt's key only where the command named it."""
    receipt = rows[keys[0]]
    payload = target.to_native(sending.command.payload)
    shown: dict[str, Any] = {
        "CompanyCode": receipt["CompanyCode"],
        "APARAccount": clearing.account_of(receipt),
        "CurrencyCode": receipt["TransactionCurrency"],
        "PostingDate": plain_date(receipt["ClearingDate"]),
        "FiscalYear": payload.get("FiscalYear") and keys[0].fiscal_year,
        "AccountingDocument": payload.get("AccountingDocument") and keys[0].document,
        "AccountingDocumentItem": payload.get("AccountingDocumentItem") and keys[0].item,
        "APARItems": _lines_shown(clearing, keys, rows),
    }
    fields = target.from_native(shown)
    return {name: fields.get(name) for name in sending.command.payload}


def _lines_shown(clearing: Clearing, keys: Sequence[ItemKey], rows: ItemRows) -> list[Value]:
    """The lines as sent where the ledger says the same, else with what it says."""
    if clearing.is_plain:
        return [
            {**line.payload, "amount": _amount_as_sent(line.payload, rows[line.key])}
            for line in clearing.lines
        ]
    document = clearing_documents(clearing, keys, rows)
    assert document is not None, "a cleared receipt names its clearing document"
    found = effects_in(rows[key] for key in rows.of_document(*document))
    sent: list[Value] = [dict(one) for one in clearing.line_payloads]
    return sent if found == clearing.effects else [*sent, {"found": str(found)}]


def _amount_as_sent(line: Mapping[str, Value], row: Mapping[str, Any]) -> Value:
    """The ledger's amount, spelt as the command spells it where both are the same number."""
    shown = Decimal(row["AmountInTransactionCurrency"])
    sent = line.get("amount")
    is_same = isinstance(sent, str | int) and Decimal(str(sent)) == shown
    return sent if is_same else canonical_text(shown)


def _cleared_together(keys: Sequence[ItemKey], rows: Rows) -> str:
    """The document that cleared every item; empty unless it is one and the same."""
    documents = {
        document_id(
            key.company_code, row["ClearingDocFiscalYear"], row["ClearingAccountingDocument"]
        )
        if row is not None and row["IsCleared"]
        else ""
        for key in keys
        for row in (rows.get(key),)
    }
    return documents.pop() if len(documents) == 1 else ""


def _words(key: ItemKey) -> str:
    return f"item {key.company_code}-{key.fiscal_year}-{key.document}-{key.item}"


def _rejected(code: str, message: str) -> Rejected:
    return Rejected(code, message, "lines")
