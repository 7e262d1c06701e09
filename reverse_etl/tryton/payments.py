"""Bank receipts as moves: create a draft, post it. Resumable: a draft with the key is posted.

A receipt that moves from the account of unidentified ones to its customer names that account as its
bank's and the document it comes from as its reference: the two lines are reconciled, too.

The key stands first in the move's description, before the bank's reference. Tryton enforces no
unique text, so a receipt is one move only because the hub lets one deliverer at a time send a
command, which looks for the key before it makes anything.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from ingestion.common.errors import InputRefused, VendorRejected
from ingestion.common.money import canonical_text
from reverse_etl.delivery.writer import ReadBack, Sending
from reverse_etl.tryton.books import Books, amount_of, currency_of
from reverse_etl.tryton.verbs import Verb, amount_in, day_in, text_in

__all__ = [
    "Payments",
    "bank_text",
    "days_in",
    "document_id",
    "only_posted",
    "post_once",
    "receipt_line",
]

_UNIDENTIFIED = "unidentified"
#: The bank line's text: two days that Tryton has no fields for.
_DAYS = "document {} value {}"


def document_id(books: Books, move: dict[str, Any]) -> str:
    """A document's native id: company, year and move."""
    return f"{books.company}/{move['date'].year}/{move['id']}"


def bank_text(payload: Mapping[str, Any]) -> str:
    """What the bank's line says of a payload's days."""
    return _DAYS.format(text_in(payload, "document_date"), text_in(payload, "value_date"))


def days_in(line: dict[str, Any]) -> tuple[str, str] | None:
    """Document and value date of a bank line; None for any other line."""
    words = str(line.get("description") or "").split()
    is_bank_line = len(words) == 4 and (words[0], words[2]) == ("document", "value")
    return (words[1], words[3]) if is_bank_line else None


async def receipt_line(books: Books, document: str, customer: str) -> dict[str, Any]:
    """A posted receipt's line on the customer's account.

    Raises:
        InputRefused: the document is not there, or is no receipt of this customer.
    """
    lines = await books.lines_of([int(document)]) if document.isdigit() else []
    found = [
        line
        for line in lines
        if (line.get("party.") or {}).get("code") == customer and amount_of(line) < 0
    ]
    if len(found) != 1 or found[0]["move."]["state"] != "posted":
        raise InputRefused(
            f"document {document or 'without number'} is no posted receipt of {customer}",
            code="no_receipt",
            where="receipt_document",
        )
    return found[0]


def only_posted(moves: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The posted move of a key. A cancelling move carries the text of what it cancels.

    Raises:
        VendorRejected: several are posted, or the one was cancelled by hand: somebody must look
            before anything else is sent.
    """
    posted = {f"account.move,{move['id']}": move for move in moves if move["state"] == "posted"}
    cancelling = [move for move in posted.values() if move["origin"] in posted]
    cancelled = {move["origin"] for move in cancelling}
    live = [
        move for name, move in posted.items() if move not in cancelling and name not in cancelled
    ]
    if len(live) == 1:
        return live[0]
    if posted:
        ids = ", ".join(str(move["id"]) for move in posted.values())
        raise VendorRejected(
            f"moves {ids} carry the same key and {len(live)} of them count: a person must look",
            code="posted_twice" if live else "cancelled_by_hand",
            status=200,
        )
    return None


async def post_once(
    books: Books, key: str, moves: Sequence[dict[str, Any]], values: dict[str, Any]
) -> dict[str, Any]:
    """The one posted move of a key, made from wherever it stands; its row.

    Drafts that an earlier, interrupted try left are used, and all but the oldest removed. A draft
    that Tryton refuses to post is removed too, so that no orphan stays.

    Raises:
        LedgerloopError: a step failed; what is there is found by the key again.
    """
    posted = only_posted(moves)
    drafts = [int(move["id"]) for move in moves if move["state"] == "draft"]
    if posted is not None:
        await books.delete_drafts(drafts)
        return posted
    await books.delete_drafts(drafts[1:])
    draft = drafts[0] if drafts else await books.create_move(values)
    try:
        await books.post(draft)
    except VendorRejected:
        await books.delete_drafts([draft])
        raise
    found = only_posted((await books.moves_with([key]))[key])
    if found is None:
        raise InputRefused(f"move {draft} vanished", code="draft_vanished", where="external_key")
    return found


class Payments(Verb):
    """``payments/post``."""

    object_name = "payments"

    async def _do(self, sending: Sending) -> str:
        payload = sending.command.payload
        books = self.books(text_in(payload, "company_code"))
        key = sending.external_key
        moves = (await books.moves_with([key]))[key]
        values = {} if moves else await self._values(books, sending)
        move = await post_once(books, key, moves, values)
        lines = await self._left_behind(books, sending, move)
        if lines:
            await books.reconcile(lines)
        return document_id(books, move)

    async def _left_behind(
        self, books: Books, sending: Sending, move: dict[str, Any]
    ) -> Sequence[int]:
        """The lines on the account of unidentified receipts that a moved receipt leaves open.

        None where they do not close each other in both currencies: a rate has changed meanwhile.
        """
        payload = sending.command.payload
        first = text_in(payload, "bank_reference")
        if text_in(payload, "bank_gl_account") != self._options.unidentified_gl_account:
            return ()
        lines = [
            line
            for line in await books.lines_of(
                [move["id"], *([int(first)] if first.isdigit() else ())]
            )
            if line["account."]["code"] == self._options.unidentified_gl_account
            and line["account."]["reconcile"]
            and line["reconciliation"] is None
        ]
        left = (
            [amount_of(line) for line in lines],
            [line["debit"] - line["credit"] for line in lines],
        )
        adds_up = len(lines) == 2 and not any(map(sum, left))
        return [line["id"] for line in lines] if adds_up else ()

    async def _values(self, books: Books, sending: Sending) -> dict[str, Any]:
        """The move as Tryton wants it, all ids found.

        Raises:
            InputRefused: an unknown party, account or currency, or a closed period.
        """
        payload = sending.command.payload
        amount, day = amount_in(payload, "amount"), day_in(payload, "posting_date")
        if amount <= 0:
            raise InputRefused("a receipt has an amount", code="no_amount", where="amount")
        rate = await books.rate(text_in(payload, "currency_code"), day)
        bank = {
            "account": await books.account(text_in(payload, "bank_gl_account")),
            "description": bank_text(payload),
            **books.side(amount, rate),
        }
        other = {
            "description": text_in(payload, "item_text") or None,
            **books.side(-amount, rate),
        }
        if text_in(payload, "posting_kind") == _UNIDENTIFIED:
            other["account"] = await books.account(self._options.unidentified_gl_account)
        else:
            party = await books.party(text_in(payload, "customer"))
            other["party"], other["account"] = party["id"], party["account_receivable"]
        reference = text_in(payload, "bank_reference")
        return {
            "company": books.company,
            "journal": await books.journal(self._options.cash_journal),
            "period": await books.period(day),
            "date": day,
            "description": f"{sending.external_key} {reference}".strip(),
            "lines": [["create", [bank, other]]],
        }

    async def _posted(self, sending: Sending) -> tuple[Books, dict[str, Any] | None]:
        books = self.books(text_in(sending.command.payload, "company_code"))
        key = sending.external_key
        return books, only_posted((await books.moves_with([key]))[key])

    async def _find(self, sending: Sending) -> str:
        books, move = await self._posted(sending)
        if move is None or await self._left_behind(books, sending, move):
            return ""
        return document_id(books, move)

    async def _held(self, sending: Sending) -> ReadBack:
        books, move = await self._posted(sending)
        if move is None:
            return ReadBack(None)
        lines = await books.lines_of([move["id"]])
        fields = _fields(move, lines)
        held = {name: fields.get(name) for name in sending.command.payload}
        return ReadBack(held, document_id(books, move))


def _fields(move: dict[str, Any], lines: Sequence[dict[str, Any]]) -> dict[str, str | None]:
    """A receipt's move in hub names; a move of another form shows what it has."""
    bank = next((line for line in lines if amount_of(line) > 0), None)
    other = next((line for line in lines if amount_of(line) < 0), None)
    if bank is None or other is None:
        return {}
    party = other.get("party.")
    days = days_in(bank) or (None, None)
    day: date = move["date"]
    amount: Decimal = -amount_of(other)
    return {
        "company_code": str(move["company"]),
        "posting_kind": "customer" if party else _UNIDENTIFIED,
        "customer": str(party["code"]) if party else None,
        "amount": canonical_text(amount),
        "currency_code": currency_of(other),
        "posting_date": day.isoformat(),
        "document_date": days[0],
        "value_date": days[1],
        "bank_gl_account": str(bank["account."]["code"]),
        "bank_reference": str(move["description"])[21:] or None,
        "item_text": other.get("description") or None,
    }
