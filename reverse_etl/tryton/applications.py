"""Applying a posted receipt to invoices. Each try goes on from where the books stand.

How it is done stands in ``allocation``. Every step is one request of Tryton: dividing the receipt
(create, post), reconciling, standing beside an invoice. A step that is done shows in the lines
themselves, so a try that was interrupted is finished by the next one, and none is done twice.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from ingestion.common.errors import InputRefused
from reverse_etl.delivery.writer import ReadBack, Sending
from reverse_etl.tryton.allocation import (
    ALLOCATION,
    ON_ACCOUNT,
    Due,
    Wanted,
    check_due,
    open_of,
    wanted_of,
)
from reverse_etl.tryton.books import Books, amount_of, currency_of
from reverse_etl.tryton.payments import only_posted, post_once, receipt_line
from reverse_etl.tryton.verbs import Verb, day_in, text_in

__all__ = ["Applications", "apply_line", "beside_of"]

#: One step that is still to be done.
Step = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class _State:
    """Where an application stands in the books."""

    books: Books
    wanted: Wanted
    receipt: dict[str, Any]
    due: dict[int, dict[str, Any]]
    allocation: dict[str, Any] | None = None
    moves: list[dict[str, Any]] = field(default_factory=list)
    """Every move with the command's key, drafts too."""
    parts: dict[int, dict[str, Any]] = field(default_factory=dict)
    """The allocation's line for each due line, by the due line's id."""
    taken: dict[str, Any] | None = None
    """The allocation's line that takes the receipt off the account."""

    @property
    def native_id(self) -> str:
        move = self.allocation or {
            "id": self.receipt["move"],
            "date": self.receipt["move."]["date"],
        }
        day: date = move["date"]
        return f"{self.books.company}/{day.year}/{move['id']}"


async def beside_of(
    books: Books, line: dict[str, Any]
) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """The invoice of a receivable line, and the unreconciled lines that stand beside it."""
    invoice = await books.invoice_of(line["move"])
    if invoice is None or not invoice["payment_lines"]:
        return invoice, []
    lines = await books.lines(invoice["payment_lines"])
    return invoice, [one for one in lines.values() if one["reconciliation"] is None]


async def apply_line(books: Books, paying: dict[str, Any], due: dict[str, Any]) -> bool:
    """Let one line pay another, whole or in part; whether anything was done.

    Raises:
        InputRefused: more than is open, or a line that something else has closed.
        LedgerloopError: Tryton refused or did not answer.
    """
    invoice, beside = await beside_of(books, due)
    others = [one for one in beside if one["id"] != paying["id"]]
    rest = open_of(due, others) + amount_of(paying)
    stands_beside = invoice is not None and paying["id"] in invoice["payment_lines"]
    is_reconciled = due["reconciliation"] is not None
    if is_reconciled and paying["reconciliation"] == due["reconciliation"]:
        return False
    if stands_beside and (is_reconciled or rest != 0):
        return False
    for line in (paying, due):
        if line["reconciliation"] is not None:
            raise InputRefused(
                f"line {line['id']} is reconciled with something else",
                code="already_cleared",
                where="lines",
            )
    if rest * amount_of(due) < 0:
        raise InputRefused(
            f"{abs(amount_of(paying))} is more than the {abs(open_of(due, others))} that is open "
            f"of line {due['id']}",
            code="over_application",
            where="lines",
        )
    if rest == 0:
        await books.reconcile([due["id"], *(one["id"] for one in others), paying["id"]])
    elif invoice is None:
        raise InputRefused(
            f"line {due['id']} is of no invoice: only a whole one can be paid",
            code="part_without_invoice",
            where="lines",
        )
    else:
        await books.attach(invoice["id"], [paying["id"]])
    return True


class Applications(Verb):
    """``applications/apply``."""

    object_name = "applications"

    async def _do(self, sending: Sending) -> str:
        state = await self._state(sending)
        if self._is_direct(state):
            await self._apply_direct(state)
        else:
            await self._apply_divided(state, sending)
        return state.native_id

    async def _state(self, sending: Sending) -> _State:
        payload = sending.command.payload
        books = self.books(text_in(payload, "company_code"))
        wanted = wanted_of(payload)
        receipt = await self._receipt(books, sending)
        due = await books.lines([one.line for one in wanted.due])
        check_due(wanted, due, receipt, text_in(payload, "currency_code"))
        state = _State(books, wanted, receipt, due)
        state.moves = (await books.moves_with([sending.external_key]))[sending.external_key]
        state.allocation = only_posted(state.moves)
        if state.allocation is not None:
            await self._place(state)
        return state

    async def _receipt(self, books: Books, sending: Sending) -> dict[str, Any]:
        payload = sending.command.payload
        document = text_in(payload, "receipt_document")
        if not document:
            document = next(iter(sending.predecessors.values()), "").rpartition("/")[2]
        return await receipt_line(books, document, text_in(payload, "customer"))

    async def _place(self, state: _State) -> None:
        """Find the allocation's lines: each names in its text the line that it pays."""
        assert state.allocation is not None
        for line in await state.books.lines_of([state.allocation["id"]]):
            word = str(line.get("description") or "")
            if word.isdigit():
                state.parts[int(word)] = line
            elif line["party"] is not None and amount_of(line) > 0:
                state.taken = line

    def _is_direct(self, state: _State) -> bool:
        """Whether the receipt's own line can pay without being divided."""
        wanted = state.wanted
        if state.moves or wanted.on_account or any(one.kept for one in wanted.due):
            return False
        return len(wanted.due) == 1 or all(
            one.paid == amount_of(state.due[one.line]) for one in wanted.due
        )

    async def _apply_direct(self, state: _State) -> bool:
        wanted, books, receipt = state.wanted, state.books, state.receipt
        if len(wanted.due) == 1:
            return await apply_line(books, receipt, state.due[wanted.due[0].line])
        if self._are_reconciled(state):
            return False
        for line in (receipt, *state.due.values()):
            _, beside = await beside_of(books, line)
            if line["reconciliation"] is not None or beside:
                raise InputRefused(
                    f"line {line['id']} is not wholly open any more",
                    code="already_cleared",
                    where="lines",
                )
        await books.reconcile([receipt["id"], *state.due])
        return True

    def _are_reconciled(self, state: _State) -> bool:
        one = state.receipt["reconciliation"]
        return one is not None and all(line["reconciliation"] == one for line in state.due.values())

    async def _apply_divided(self, state: _State, sending: Sending) -> None:
        books = state.books
        if state.allocation is None:
            if state.receipt["reconciliation"] is not None:
                raise InputRefused(
                    "the receipt is applied to something else",
                    code="already_cleared",
                    where="lines",
                )
            for one in state.wanted.due:
                await self._check_open(books, state.due[one.line], one)
            values = {} if state.moves else await self._values(state, sending)
            state.allocation = await post_once(books, sending.external_key, state.moves, values)
            await self._place(state)
        if state.taken is not None and state.taken["reconciliation"] is None:
            await books.reconcile([state.receipt["id"], state.taken["id"]])
        for one in state.wanted.due:
            await apply_line(books, state.parts[one.line], state.due[one.line])

    async def _check_open(self, books: Books, line: dict[str, Any], one: Due) -> None:
        """Raises InputRefused when less is open than is to be settled."""
        _, beside = await beside_of(books, line)
        is_open = line["reconciliation"] is None
        if not is_open or abs(open_of(line, beside)) < abs(one.amount):
            raise InputRefused(
                f"of line {one.line} {open_of(line, beside) if is_open else 0} is open, "
                f"{one.amount} was to be settled",
                code="over_application",
                where="lines",
            )

    async def _values(self, state: _State, sending: Sending) -> dict[str, Any]:
        """The allocation as a move: taken off the account once, put back for each due line."""
        books, payload = state.books, sending.command.payload
        day = day_in(payload, "posting_date")
        rate = await books.rate(text_in(payload, "currency_code"), day)
        account = {"account": state.receipt["account"], "party": state.receipt["party"]}
        total = -amount_of(state.receipt)
        lines: list[dict[str, Any]] = [
            {**account, "description": "taken", **books.side(total, rate)}
        ]
        for one in state.wanted.due:
            lines.append({**account, "description": str(one.line), **books.side(-one.amount, rate)})
            for kept in one.kept:
                code = (
                    self._options.discount_gl_account
                    if kept.kind == "discount"
                    else self._options.charges_gl_account
                )
                other = {"account": await books.account(code), "description": kept.kind}
                lines.append({**other, **books.side(kept.amount, rate)})
        if state.wanted.on_account:
            side = books.side(-state.wanted.on_account, rate)
            lines.append({**account, "description": ON_ACCOUNT, **side})
        return {
            "company": books.company,
            "journal": await books.journal(self._options.cash_journal),
            "period": await books.period(day),
            "date": day,
            "description": f"{sending.external_key}{ALLOCATION}",
            "origin": f"account.move,{state.receipt['move']}",
            "lines": [["create", lines]],
        }

    async def _find(self, sending: Sending) -> str:
        state = await self._state(sending)
        return state.native_id if await self._is_whole(state) else ""

    async def _is_whole(self, state: _State) -> bool:
        """Whether every step is done."""
        if state.allocation is None:
            if state.moves or state.wanted.on_account:
                return False
            return self._are_reconciled(state) or await self._stands_beside(
                state, state.receipt, state.wanted.due
            )
        if state.taken is None or state.taken["reconciliation"] is None:
            return False
        for one in state.wanted.due:
            part = state.parts.get(one.line)
            if part is None or not (
                part["reconciliation"] is not None or await self._stands_beside(state, part, [one])
            ):
                return False
        return True

    async def _stands_beside(
        self, state: _State, paying: dict[str, Any], due: Sequence[Due]
    ) -> bool:
        """Whether a line pays a part of the one invoice."""
        if len(due) != 1:
            return False
        invoice, _ = await beside_of(state.books, state.due[due[0].line])
        return invoice is not None and paying["id"] in invoice["payment_lines"]

    async def _held(self, sending: Sending) -> ReadBack:
        try:
            state = await self._state(sending)
        except InputRefused:
            return ReadBack(None)
        if not await self._is_whole(state):
            return ReadBack(None)
        payload, day = sending.command.payload, state.receipt["move."]["date"]
        held: dict[str, Any] = {
            "company_code": str(state.receipt["move."]["company"]),
            "customer": state.receipt["party."]["code"],
            "currency_code": currency_of(state.receipt),
            "receipt_fiscal_year": str(day.year),
            "receipt_document": str(state.receipt["move"]),
            "receipt_item": str(state.receipt["id"]),
            # Each line was found closed or paid by its own amount above.
            "lines": payload.get("lines"),
        }
        for name in ("receipt_fiscal_year", "receipt_document", "receipt_item"):
            if not payload.get(name):
                held[name] = payload.get(name)
        return ReadBack({name: held.get(name) for name in payload}, state.native_id)
