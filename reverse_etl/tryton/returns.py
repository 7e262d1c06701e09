"""Money that goes back: payments that the bank took back, and refunds.

Both are a posted move that debits the customer and credits the bank, reconciled with what the
receipt left on the customer's account, so that nothing of the receipt can pay anything again. A
returned payment is taken away from what it had paid before that, by deleting reconciliations as
Tryton's own wizard does, so that the invoices are open again; whatever else pays the same invoices
goes on paying them. A refund gives back only what pays nothing.

The steps are create, post, take away, reconcile. Each is found in the books and not done again, and
what can be refused is checked before the first. Amounts in the company's currency are the receipt's
own, so that both sides close without a difference in rates.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ingestion.common.errors import InputRefused
from ingestion.common.money import canonical_text
from reverse_etl.delivery.writer import ReadBack, Sending
from reverse_etl.tryton.allocation import ON_ACCOUNT, is_allocation
from reverse_etl.tryton.books import Books, amount_of, currency_of, total_of
from reverse_etl.tryton.payments import (
    bank_text,
    days_in,
    document_id,
    only_posted,
    post_once,
    receipt_line,
)
from reverse_etl.tryton.verbs import Verb, amount_in, day_in, text_in

__all__ = ["Refunds", "ReturnedPayments"]

Line = dict[str, Any]

ZERO = Decimal(0)
#: Texts of lines beside the amount itself: a discount or fee that the customer had been given, and
#: what the customer owes for the bank's charge.
_TAKEN_BACK = "taken back"
_CHARGE = "charge of the bank"
_WRITE_OFF = "write-off"


@dataclass(frozen=True, slots=True)
class _Back:
    """What goes back of a receipt.

    Attributes:
        lines: what holds the money on the customer's account.
        given: what the customer had been given with it as discount or fee.
    """

    lines: Sequence[Line]
    given: Sequence[Line] = ()

    @property
    def amount(self) -> Decimal:
        """The money itself."""
        return -sum((amount_of(line) for line in (*self.lines, *self.given)), ZERO)


@dataclass(slots=True)
class _State:
    """Where a receipt stands, and the move that gives it back."""

    books: Books
    receipt: Line
    divided: list[Line] = field(default_factory=list)
    """Lines of the allocation that divides the receipt."""
    held: dict[int, list[Line]] = field(default_factory=dict)
    """All lines of each reconciliation that one of ``paying`` is in."""
    beside: list[dict[str, Any]] = field(default_factory=list)
    """Invoices beside which one of ``paying`` stands."""
    moves: list[dict[str, Any]] = field(default_factory=list)
    """Every move with the command's key, drafts too."""
    posted: dict[str, Any] | None = None
    made: list[Line] = field(default_factory=list)
    """Lines of the posted move."""

    @property
    def paying(self) -> list[Line]:
        """The lines on the customer's account that hold the receipt's money."""
        if not self.divided:
            return [self.receipt]
        return [line for line in self.divided if line["party"] and amount_of(line) < 0]

    @property
    def closing(self) -> list[Line]:
        """The posted move's lines that use the receipt up."""
        return [line for line in self.made if line["party"] and line["description"] != _CHARGE]

    def is_done(self, lines: Sequence[Line]) -> bool:
        """Whether lines are reconciled with the posted move."""
        ours = {line["reconciliation"] for line in self.closing}
        return len(ours - {None}) == 1 and {one["reconciliation"] for one in lines} == ours

    def others_of(self, line: Line) -> list[Line]:
        """What a line is reconciled with, the posted move apart."""
        if line["reconciliation"] is None or self.is_done([line]):
            return []
        return [one for one in self.held[line["reconciliation"]] if one["id"] != line["id"]]

    def invoice_beside(self, line: Line) -> dict[str, Any] | None:
        """The invoice that a line stands beside."""
        return next((one for one in self.beside if line["id"] in one["payment_lines"]), None)


class _GivenBack(Verb):
    """What a returned payment and a refund have in common."""

    @abstractmethod
    def _back(self, state: _State) -> _Back:
        """What goes back. Raises InputRefused when it must not."""

    @abstractmethod
    async def _take_away(self, state: _State) -> None:
        """Take the receipt away from what it pays."""

    def _checked(self, state: _State, sending: Sending) -> _Back:
        back, amount = self._back(state), amount_in(sending.command.payload, "amount")
        if back.amount != amount:
            raise InputRefused(
                f"{canonical_text(back.amount)} of the receipt can go back, not "
                f"{canonical_text(amount)}",
                code="does_not_add_up",
                where="amount",
            )
        return back

    async def _do(self, sending: Sending) -> str:
        state = await self._state(sending)
        books, back = state.books, self._checked(state, sending)
        posted = state.posted
        if posted is None:
            values = {} if state.moves else await self._values(state, sending, back)
            posted = await post_once(books, sending.external_key, state.moves, values)
            state.made = await books.lines_of([posted["id"]])
        if not state.is_done(back.lines):
            await self._take_away(state)
            await books.reconcile([line["id"] for line in (*state.closing, *back.lines)])
        return document_id(books, posted)

    async def _state(self, sending: Sending) -> _State:
        payload, key = sending.command.payload, sending.external_key
        books = self.books(text_in(payload, "company_code"))
        document, customer = text_in(payload, "receipt_document"), text_in(payload, "customer")
        state = _State(books, await receipt_line(books, document, customer))
        if currency_of(state.receipt) != text_in(payload, "currency_code"):
            raise InputRefused(
                f"the receipt is in {currency_of(state.receipt)}",
                code="other_currency",
                where="currency_code",
            )
        await self._divide(state)
        held = {line["reconciliation"] for line in state.paying} - {None}
        for line in await books.reconciled_with(sorted(held)):
            state.held.setdefault(line["reconciliation"], []).append(line)
        state.beside = await books.paid_by([line["id"] for line in state.paying])
        state.moves = (await books.moves_with([key]))[key]
        state.posted = only_posted(state.moves)
        if state.posted is not None:
            state.made = await books.lines_of([state.posted["id"]])
        return state

    async def _divide(self, state: _State) -> None:
        """Find the allocation of the receipt.

        Raises:
            InputRefused: somebody cancelled the receipt or its allocation.
        """
        books = state.books
        following = await books.moves_from([state.receipt["move"]])
        allocations = [move["id"] for move in following if is_allocation(move)]
        cancelling = [move for move in following if not is_allocation(move)]
        cancelling += await books.moves_from(allocations)
        if cancelling:
            raise InputRefused(
                f"move {cancelling[0]['id']} cancels the receipt, or what was made of it",
                code="cancelled_by_hand",
                where="receipt_document",
            )
        state.divided = await books.lines_of(allocations)

    async def _values(self, state: _State, sending: Sending, back: _Back) -> dict[str, Any]:
        """The move as Tryton wants it. Raises InputRefused for a closed period or a wrong name."""
        books, payload = state.books, sending.command.payload
        day = day_in(payload, "posting_date")
        account = {name: state.receipt[name] for name in ("account", "party")}
        bank = {"account": await books.account(text_in(payload, "bank_gl_account"))}
        money = (*back.lines, *back.given)
        text = text_in(payload, "item_text") or None
        lines = [
            {**bank, "description": bank_text(payload), **total_of(money)},
            {**account, "description": text, **total_of(money, -1)},
        ]
        if back.given:
            lines.append({**account, "description": _TAKEN_BACK, **total_of(back.given)})
        lines += [
            {"account": one["account"], "description": one["description"], **total_of([one], -1)}
            for one in back.given
        ]
        if payload.get("fee_amount"):
            fee = amount_in(payload, "fee_amount")
            rate = await books.rate(text_in(payload, "currency_code"), day)
            lines.append({**bank, "description": _CHARGE, **books.side(-fee, rate)})
            lines.append({**account, "description": _CHARGE, **books.side(fee, rate)})
        reference = text_in(payload, "bank_reference")
        return {
            "company": books.company,
            "journal": await books.journal(self._options.cash_journal),
            "period": await books.period(day),
            "date": day,
            "description": f"{sending.external_key} {reference}".strip(),
            "lines": [["create", lines]],
        }

    async def _find(self, sending: Sending) -> str:
        state = await self._state(sending)
        if state.posted is None or not state.is_done(self._checked(state, sending).lines):
            return ""
        return document_id(state.books, state.posted)

    async def _held(self, sending: Sending) -> ReadBack:
        payload = sending.command.payload
        try:
            state = await self._state(sending)
            lines = self._checked(state, sending).lines
        except InputRefused:
            return ReadBack(None)
        if state.posted is None or not state.is_done(lines):
            return ReadBack(None)
        held = {
            **_fields(state.posted, state.made),
            # Reconciled with the posted move: it pays nothing else, so what it paid is open.
            "receipt_document": str(state.receipt["move"]),
            "lines": payload.get("lines"),
        }
        native_id = document_id(state.books, state.posted)
        return ReadBack({name: held.get(name) for name in payload}, native_id)


class ReturnedPayments(_GivenBack):
    """``returned_payments/post``."""

    object_name = "returned_payments"

    def _back(self, state: _State) -> _Back:
        for line in state.paying:
            _check_separable(line, state)
        return _Back(state.paying, [line for line in state.divided if not line["party"]])

    async def _take_away(self, state: _State) -> None:
        books, ours = state.books, {line["id"] for line in state.paying}
        for line in state.paying:
            others, invoice = state.others_of(line), state.invoice_beside(line)
            if invoice is not None:
                # What came later and closed the invoice beside this part pays a part from now on.
                staying = [
                    one["id"]
                    for one in others
                    if amount_of(one) < 0 and one["id"] not in {*invoice["payment_lines"], *ours}
                ]
                if staying:
                    await books.attach(invoice["id"], staying)
            if others:
                await books.unreconcile([line["id"]])
            if invoice is not None:
                await books.detach(invoice["id"], [line["id"]])
        if state.divided and state.receipt["reconciliation"] is None:
            # The application was interrupted before the receipt was taken off the account.
            taken = [line for line in state.divided if line["party"] and amount_of(line) > 0]
            await books.reconcile([state.receipt["id"], *(line["id"] for line in taken)])


def _check_separable(line: Line, state: _State) -> None:
    """Whether a line can be taken away from what it pays and nothing else loses its place.

    Raises:
        InputRefused: only a person can say what becomes of the others.
    """
    invoice, others = state.invoice_beside(line), state.others_of(line)
    is_written_off = any(one["move."]["journal."]["type"] == _WRITE_OFF for one in others)
    due = {one["move"] for one in others if amount_of(one) > 0}
    if is_written_off or (invoice is not None and due - {invoice["move"]}):
        raise InputRefused(
            f"line {line['id']} was reconciled together with "
            f"{'a write-off' if is_written_off else 'several invoices'}: a person must undo "
            "that reconciliation first",
            code="applied_with_others",
            where="receipt_document",
        )


class Refunds(_GivenBack):
    """``refunds/post``."""

    object_name = "refunds"

    def _back(self, state: _State) -> _Back:
        lines = state.paying
        if state.divided:
            lines = [line for line in lines if line["description"] == ON_ACCOUNT]
        for line in lines:
            if state.others_of(line) or state.invoice_beside(line) is not None:
                raise InputRefused(
                    f"line {line['id']} of the receipt pays something",
                    code="already_cleared",
                    where="receipt_document",
                )
        return _Back(lines)

    async def _take_away(self, state: _State) -> None:
        """Nothing: what goes back pays nothing."""


def _fields(move: dict[str, Any], lines: Sequence[Line]) -> dict[str, str | None]:
    """A move that gives money back, in hub names."""
    bank = next((line for line in lines if days_in(line) is not None), None)
    owed = next((line for line in lines if line["party"]), None)
    if bank is None or owed is None:
        return {}
    document_day, value_day = days_in(bank) or (None, None)
    fee = sum((amount_of(one) for one in lines if one["party"] and one["description"] == _CHARGE),
              ZERO)  # fmt: skip
    return {
        "company_code": str(move["company"]),
        "customer": str(owed["party."]["code"]),
        "amount": canonical_text(-amount_of(bank)),
        "fee_amount": canonical_text(fee) if fee else None,
        "currency_code": currency_of(owed),
        "posting_date": move["date"].isoformat(),
        "document_date": document_day,
        "value_date": value_day,
        "bank_gl_account": str(bank["account."]["code"]),
        "bank_reference": str(move["description"])[21:] or None,
        "item_text": owed["description"] or None,
    }
