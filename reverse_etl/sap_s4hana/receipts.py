"""Posting receipts: from commands to journal entries, and back to what the ledger shows of them.

A receipt of a known payer is posted on the customer's account, one without on the account for
unidentified receipts (DESIGN §5). The hub's key travels in ``Reference3IDByBusinessPartner``; G/L
lines have no such field, so there the key opens the line's text. Amounts are the receipt's own,
positive. It must not send anything: ``writer`` does.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from ingestion.common.errors import InputRefused
from ingestion.common.money import canonical_text
from ingestion.sap_s4hana.client import SapClient
from reverse_etl.delivery.writer import ReadBack, Sending
from reverse_etl.ledger.commands import Value
from reverse_etl.planning.governance import TargetObject
from reverse_etl.sap_s4hana.items import document_id, items_where, plain_date
from reverse_etl.sap_s4hana.messages import (
    DebtorItem,
    EntryHeader,
    GlItem,
    JournalEntry,
    clean_text,
    entry_id_of,
)
from reverse_etl.sap_s4hana.settings import SapOptions

__all__ = ["ReceiptForm", "entry_of", "posting_id"]

_ASSIGNMENT_LENGTH = 18
_KEY_LENGTH = 20


class ReceiptForm:
    """``journal_entries``: a receipt on a customer or among the unidentified ones."""

    def entry_of(self, sending: Sending, target: TargetObject, options: SapOptions) -> JournalEntry:
        return entry_of(sending, target, options)

    async def find(
        self, client: SapClient, batch: Sequence[Sending], options: SapOptions
    ) -> dict[str, list[dict[str, Any]]]:
        return await _find_postings(client, batch, options)

    def read_back(
        self,
        sending: Sending,
        rows: Sequence[Mapping[str, Any]],
        target: TargetObject,
        options: SapOptions,
    ) -> ReadBack:
        return _read_back(sending, rows, target, options)


def entry_of(sending: Sending, target: TargetObject, options: SapOptions) -> JournalEntry:
    """The journal entry of one receipt.

    Raises:
        InputRefused: a field is missing or is not what a receipt needs.
    """
    native = target.to_native(sending.command.payload)
    amount = Decimal(_needed(native, "AmountInTransactionCurrency"))
    if amount <= 0:
        raise InputRefused(
            f"a receipt of {amount} cannot be posted: its amount must be positive",
            code="not_a_receipt",
            where="amount",
        )
    assignment = sending.command.business_key[:_ASSIGNMENT_LENGTH]
    text = str(native.get("DocumentItemText") or "")
    bank_line = GlItem(
        _needed(native, "GLAccount"),
        amount,
        text=text,
        assignment=assignment,
        value_date=date.fromisoformat(_needed(native, "ValueDate")),
    )
    header = EntryHeader(
        company_code=_needed(native, "CompanyCode"),
        document_type=options.receipt_document_type,
        document_date=date.fromisoformat(_needed(native, "DocumentDate")),
        posting_date=date.fromisoformat(_needed(native, "PostingDate")),
        created_by=options.created_by,
        document_reference=str(native.get("DocumentReferenceID") or ""),
    )
    currency_code = _needed(native, "TransactionCurrency")
    entry_id = entry_id_of(sending.command.command_id)
    if is_unidentified(sending):
        other = GlItem(
            options.unidentified_gl_account,
            -amount,
            text=_keyed_text(sending.external_key, text),
            assignment=assignment,
        )
        return JournalEntry(entry_id, header, currency_code, gl_items=(other, bank_line))
    debtor = DebtorItem(
        customer=_needed(native, "Debtor"),
        amount=-amount,
        text=text,
        assignment=assignment,
        reference_3=sending.external_key,
    )
    return JournalEntry(entry_id, header, currency_code, (debtor,), (bank_line,))


def is_unidentified(sending: Sending) -> bool:
    """Whether the receipt goes to the account for unidentified receipts.

    Raises:
        InputRefused: the kind of posting is neither of the two.
    """
    kind = sending.command.payload.get("posting_kind")
    if kind not in ("customer", "unidentified"):
        raise InputRefused(
            f"posting kind {kind!r} is neither customer nor unidentified",
            code="posting_kind",
            where="posting_kind",
        )
    return kind == "unidentified"


def _keyed_text(external_key: str, text: str) -> str:
    return clean_text(f"{external_key} {text}")


def _needed(native: Mapping[str, Value], name: str) -> str:
    value = native.get(name)
    if value in (None, ""):
        raise InputRefused(f"{name} is missing", code="field_missing", where=name)
    return str(value)


async def _find_postings(
    client: SapClient, batch: Sequence[Sending], options: SapOptions
) -> dict[str, list[dict[str, Any]]]:
    """The ledger's items that carry each command's key, by command id; cleared ones included.

    More than one row means the receipt stands in the books more than once (or was reversed).

    Raises:
        LedgerloopError: the ledger could not be read.
    """
    found: dict[str, list[dict[str, Any]]] = {s.command.command_id: [] for s in batch}
    by_key = {s.external_key: s.command.command_id for s in batch}
    customers = [s.external_key for s in batch if not is_unidentified(s)]
    assignments = [s.command.business_key[:_ASSIGNMENT_LENGTH] for s in batch if is_unidentified(s)]
    if customers:
        rows = await items_where(
            client,
            "Reference3IDByBusinessPartner",
            customers,
            also="FinancialAccountType eq 'D'",
        )
        for row in rows:
            found[by_key[row["Reference3IDByBusinessPartner"]]].append(row)
    if assignments:
        account = options.unidentified_gl_account
        rows = await items_where(
            client, "AssignmentReference", assignments, also=f"GLAccount eq '{account}'"
        )
        for row in rows:
            command_id = by_key.get(str(row["DocumentItemText"])[:_KEY_LENGTH])
            if command_id is not None:
                found[command_id].append(row)
    return found


def posting_id(rows: Sequence[Mapping[str, Any]]) -> str:
    """The native id of a found posting: its first document."""
    return min(
        document_id(row["CompanyCode"], row["FiscalYear"], row["AccountingDocument"])
        for row in rows
    )


def _read_back(
    sending: Sending, rows: Sequence[Mapping[str, Any]], target: TargetObject, options: SapOptions
) -> ReadBack:
    """What the ledger holds of a receipt, in hub names.

    The amount is the sum over every item with the key: a doubled posting shows twice its amount, a
    reversed one nothing, so neither can pass for what was planned. The value date and the bank's
    account stand on the bank line, which the cube does not show for certain; they are left out.
    """
    if not rows:
        return ReadBack(None)
    by_document: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        by_document[posting_id([row])].append(row)
    first = by_document[min(by_document)][0]
    unidentified = is_unidentified(sending)
    entry = entry_of(sending, target, options)
    line = entry.gl_items[0] if unidentified else entry.debtor_items[0]
    shown = {
        "CompanyCode": first["CompanyCode"],
        "AmountInTransactionCurrency": canonical_text(
            -sum((Decimal(row["AmountInTransactionCurrency"]) for row in rows), Decimal(0))
        ),
        "TransactionCurrency": first["TransactionCurrency"],
        "PostingDate": plain_date(first["PostingDate"]),
        "DocumentDate": plain_date(first["DocumentDate"]),
        "DocumentReferenceID": first["DocumentReferenceID"],
        "DocumentItemText": first["DocumentItemText"],
        "Debtor": None if unidentified else first["Customer"],
    }
    if shown["DocumentItemText"] == clean_text(line.text):
        # As sent: SAP keeps 50 characters, the key among them where the account has no other room.
        shown["DocumentItemText"] = target.to_native(sending.command.payload).get(
            "DocumentItemText"
        )
    fields = target.from_native(shown)
    fields["posting_kind"] = "unidentified" if unidentified else "customer"
    return ReadBack(fields, native_id=min(by_document))
