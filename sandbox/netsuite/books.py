"""Posting transactions and applying credits to invoices, in NetSuite's rules and words.

The ledger keeps the double entry. A payment or credit memo is applied to invoices by links; a link
may be changed or taken back, which reopens the invoice. It parses nothing and knows no request.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol

from sandbox.core.ledger import (
    Application,
    Header,
    Journal,
    JournalKey,
    Line,
    LineKey,
    PostingRefused,
    Refusal,
)
from sandbox.netsuite.errors import RequestRefused
from sandbox.netsuite.schema import TRANSACTION_TYPES
from sandbox.netsuite.state import Link, NetSuiteState, Record

__all__ = ["ApplyLine", "Books", "ClockPort"]

ZERO = Decimal(0)
_NUMBER_RANGES = {
    "invoice": "1000001",
    "creditMemo": "2000001",
    "customerPayment": "3000001",
    "journalEntry": "4000001",
    "customerRefund": "5000001",
    "clearing": "9000001",
}


class ClockPort(Protocol):
    """``sandbox.core.clock.Clock`` fits."""

    def now(self) -> datetime: ...

    def today(self) -> date: ...


@dataclass(frozen=True, slots=True)
class ApplyLine:
    """One line of ``apply`` or ``credit``: amount None means all that is due."""

    doc: str
    amount: Decimal | None
    discount: Decimal = ZERO


class Books:
    """Posts into a state."""

    def __init__(self, state: NetSuiteState, clock: ClockPort) -> None:
        self._state = state
        self._ledger = state.ledger
        self._clock = clock

    # -- posting --------------------------------------------------------------------------------

    def post(self, record: Record, lines: Sequence[Line]) -> Journal:
        """Post a transaction's journal and remember its open item (the line with a party).

        Raises:
            RequestRefused: with NetSuite's message; nothing was posted.
        """
        header = self._header(record, record.kind, record.values["tranDate"])
        try:
            journal = self._ledger.post(header, lines, today=self._clock.today())
        except PostingRefused as refused:
            raise refusal(refused) from None
        record.journals.append(journal.key)
        for position, line in enumerate(journal.lines, 1):
            if line.account == self._state.settings.ar_account and record.item is None:
                record.item = (*journal.key, position)
        return journal

    def _header(self, record: Record, number_range: str, day: date) -> Header:
        return Header(
            record.values["subsidiary"],
            TRANSACTION_TYPES.get(record.kind, record.kind),
            day,
            record.values["tranDate"],
            self._state.currency_code(record),
            _NUMBER_RANGES[number_range],
        )

    def unpost(self, record: Record) -> None:
        """Mirror every journal of a record that is to be deleted.

        Raises:
            RequestRefused: its period is closed.
        """
        for key in list(record.journals):
            journal = self._ledger.journals[key]
            if journal.reversed_by is None and journal.reverses is None:
                self._reverse(record, key, journal.header.posting_date)

    def _reverse(self, record: Record, key: JournalKey, day: date) -> JournalKey:
        header = self._header(record, record.kind, day)
        try:
            return self._ledger.reverse(key, header, today=self._clock.today()).key
        except PostingRefused as refused:
            raise refusal(refused) from None

    # -- applying -------------------------------------------------------------------------------

    def apply_payment(
        self, payment: Record, applied: Sequence[ApplyLine], credits_used: Sequence[ApplyLine]
    ) -> None:
        """Make the payment's links just these: what went before and is not named is taken back.

        Credit memos named in ``credits_used`` pay the first lines, the payment the rest.

        Raises:
            RequestRefused: over-application, another customer, subsidiary or currency.
        """
        wanted = self._checked(payment, applied, "apply")
        used = self._checked(payment, credits_used, "credit")
        total = sum((line.amount or ZERO for line in wanted), ZERO)
        given = sum((line.amount or ZERO for line in used), ZERO)
        if total - given > payment.values["payment"]:
            raise RequestRefused(
                400,
                "USER_ERROR",
                "The amount applied may not be larger than the payment and its credits.",
                path="apply",
            )
        if given > total:
            raise RequestRefused(
                400,
                "USER_ERROR",
                "Credits are larger than what they are applied to.",
                path="credit",
            )
        self.take_back(payment.id)
        rest = {line.doc: line.amount or ZERO for line in wanted}
        for credit in used:
            self._spread(payment, credit, rest)
        for line in wanted:
            if rest[line.doc] or line.discount:
                self._link(payment.id, line.doc, rest[line.doc], line.discount, payment.id)

    def _spread(self, payment: Record, credit: ApplyLine, rest: dict[str, Decimal]) -> None:
        """A credit memo over the invoices of a payment, in their order."""
        left = credit.amount or ZERO
        for invoice, due in rest.items():
            part = min(left, due)
            if part:
                self._link(credit.doc, invoice, part, ZERO, payment.id)
                rest[invoice] -= part
                left -= part

    def apply_credit_memo(self, memo: Record, applied: Sequence[ApplyLine]) -> None:
        """Make the credit memo's own links just these. Raises RequestRefused as for a payment."""
        wanted = self._checked(memo, applied, "apply")
        if sum((line.amount or ZERO for line in wanted), ZERO) > memo.values["total"]:
            raise RequestRefused(
                400, "USER_ERROR", "The amount applied may not be larger than the credit memo.",
                path="apply",
            )  # fmt: skip
        self.take_back(memo.id)
        for line in wanted:
            self._link(memo.id, line.doc, line.amount or ZERO, ZERO, memo.id)

    def refundable(self, refund: Record, lines: Sequence[ApplyLine]) -> list[ApplyLine]:
        """The credits that a refund gives back, with their amounts. Raises RequestRefused."""
        return self._checked(refund, lines, "apply", ("customerPayment", "creditMemo"))

    def apply_refund(self, refund: Record, applied: Sequence[ApplyLine]) -> None:
        """Close credits with a refund: a payment or credit memo that goes back is used up.

        Raises:
            RequestRefused: more than is left of a credit or than the refund has, or another party.
        """
        wanted = self.refundable(refund, applied)
        if sum((line.amount or ZERO for line in wanted), ZERO) != refund.values["total"]:
            raise RequestRefused(
                400, "USER_ERROR", "A refund is applied to just what it gives back.", path="apply"
            )
        self.take_back(refund.id)
        for line in wanted:
            self._link(line.doc, refund.id, line.amount or ZERO, ZERO, refund.id)

    def _checked(
        self,
        credit: Record,
        lines: Sequence[ApplyLine],
        sublist: str,
        kinds: tuple[str, ...] = (),
    ) -> list[ApplyLine]:
        """Lines with their amounts; what the credit itself holds of a document counts as due."""
        kinds = kinds or {"apply": ("invoice", "journalEntry"), "credit": ("creditMemo",)}[sublist]
        found = []
        for number, line in enumerate(lines):
            place = f"{sublist}.items[{number}]"
            doc = self._document(line.doc, kinds, place)
            if _party(doc) != _party(credit):
                raise _invalid(line.doc, "doc", f"{place}.doc")
            for name in ("subsidiary", "currency"):
                if doc.values[name] != credit.values[name]:
                    raise _invalid(line.doc, "doc", f"{place}.doc")
            due = self._state.open_amount(doc) + self._held(credit.id, doc.id)
            amount = due - line.discount if line.amount is None else line.amount
            if amount < 0 or line.discount < 0 or amount + line.discount > due:
                raise _invalid(str(amount), "amount", f"{place}.amount")
            found.append(ApplyLine(doc.id, amount, line.discount))
        return found

    def _document(self, number: str, kinds: tuple[str, ...], place: str) -> Record:
        kind = self._state.kind_of.get(number, "")
        if kind not in kinds:
            raise _invalid(number, "doc", f"{place}.doc")
        return self._state.of_kind(kind)[number]

    def _held(self, via: str, doc: str) -> Decimal:
        """What links made through a payment or memo hold of a document now."""
        return sum(
            (
                link.amount + link.discount
                for link in self._state.links.values()
                if link.via == via and doc in (link.invoice, link.credit)
            ),
            ZERO,
        )

    def _link(
        self, credit_id: str, invoice_id: str, amount: Decimal, discount: Decimal, via: str
    ) -> None:
        credit, invoice = self._any(credit_id), self._any(invoice_id)
        assert credit.item is not None
        assert invoice.item is not None
        taken = [Application(invoice.item, amount + discount)]
        if amount:
            taken.append(Application(credit.item, -amount))
        discount_key = None
        if discount:
            discount_key, item = self._post_discount(credit, invoice, discount)
            taken.append(Application(item, -discount))
        header = self._header(credit, "clearing", self._clock.today())
        try:
            clearing = self._ledger.clear(header, taken, today=self._clock.today())
        except PostingRefused as refused:
            raise refusal(refused, path="apply") from None
        if clearing.lines:  # a realised exchange difference belongs to the credit
            credit.journals.append(clearing.key)
        self._state.links[credit_id, invoice_id] = Link(
            credit_id, invoice_id, amount, discount, via, clearing.key, discount_key,
            self._clock.now(),
        )  # fmt: skip
        self._changed(credit, invoice)

    def _post_discount(
        self, credit: Record, invoice: Record, discount: Decimal
    ) -> tuple[JournalKey, LineKey]:
        settings = self._state.settings
        lines = [
            Line(settings.discount_account, discount),
            Line(settings.ar_account, -discount, _party(invoice)),
        ]
        header = self._header(credit, "clearing", credit.values["tranDate"])
        try:
            journal = self._ledger.post(header, lines, today=self._clock.today())
        except PostingRefused as refused:
            raise refusal(refused, path="apply") from None
        credit.journals.append(journal.key)
        return journal.key, (*journal.key, 2)

    def take_back(self, via: str) -> None:
        """Undo every link made through a payment or memo: its invoices are open again."""
        for place, link in list(self._state.links.items()):
            if link.via != via:
                continue
            clearing = self._ledger.journals[link.clearing]
            for item, amount, company in clearing.applications:
                line = self._ledger.line(item)
                line.amount_open += amount
                line.amount_company_open += company
                line.clearing = line.clearing_date = None
            clearing.applications = ()
            credit, invoice = self._any(link.credit), self._any(link.invoice)
            if clearing.lines:
                credit.journals.append(self._mirror(credit, clearing))
            if link.discount_journal:
                day = self._ledger.journals[link.discount_journal].header.posting_date
                credit.journals.append(self._reverse(credit, link.discount_journal, day))
            del self._state.links[place]
            self._changed(credit, invoice)

    def _mirror(self, credit: Record, clearing: Journal) -> JournalKey:
        header = self._header(credit, "clearing", self._clock.today())
        lines = [
            Line(one.account, -one.amount, one.party, -(one.amount_company or ZERO))
            for one in clearing.lines
        ]
        return self._ledger.post(header, lines, today=self._clock.today()).key

    def _changed(self, *records: Record) -> None:
        for record in records:
            record.changed_at = self._clock.now()
            self._state.touch(record)

    def _any(self, number: str) -> Record:
        return self._state.of_kind(self._state.kind_of[number])[number]

    # -- credit ---------------------------------------------------------------------------------

    def balance(self, customer: str) -> Decimal:
        """What a customer owes less its credits, in transaction currencies as they are."""
        return sum(
            (
                amount
                for (_, party, _), amount in self._ledger.party_balances.items()
                if party == customer
            ),
            ZERO,
        )

    def unbilled_orders(self, customer: str) -> Decimal:
        """Open approved orders."""
        return sum(
            (
                order.values["total"]
                for order in self._state.of_kind("salesOrder").values()
                if order.ref("entity") == customer and order.values["orderStatus"] in "BDEF"
            ),
            ZERO,
        )

    def is_over_limit(self, customer: Record, order_total: Decimal) -> bool:
        """Whether the customer is on hold, or would be with one more order."""
        override = customer.values.get("creditHoldOverride", "AUTO")
        limit = customer.values.get("creditLimit")
        if override == "ON":
            return True
        if override == "OFF" or limit is None:
            return False
        used = self.balance(customer.id) + self.unbilled_orders(customer.id)
        return bool(used + order_total > limit)


def _party(record: Record) -> str:
    """Whose document it is; a journal entry names customers on its lines."""
    named = (str(line.get("entity") or "") for line in record.values.get("line") or ())
    return record.ref("customer") or record.ref("entity") or next(filter(None, named), "")


def _invalid(value: str, name: str, path: str) -> RequestRefused:
    return RequestRefused(
        400,
        "INVALID_CONTENT",
        "Error while accessing resource: You have entered an Invalid Field Value "
        f"{value} for the following field: {name}",
        path=path,
    )


_FIELDS: Mapping[Refusal, str] = {
    Refusal.PERIOD_CLOSED: "tranDate",
    Refusal.UNKNOWN_COMPANY: "subsidiary",
    Refusal.UNKNOWN_ACCOUNT: "account",
    Refusal.PARTY_MISSING: "entity",
    Refusal.TOO_MANY_DECIMALS: "amount",
    Refusal.OVER_APPLIED: "amount",
}


def refusal(refused: PostingRefused, *, path: str = "") -> RequestRefused:
    """The books' refusal in NetSuite's form; its texts are from memory."""
    texts: dict[Refusal, Any] = {
        Refusal.PERIOD_CLOSED: "The posting period for this transaction date is closed or locked "
        f"({refused.subject}).",
        Refusal.UNBALANCED: "Please enter a balanced journal entry: debits must equal credits.",
    }
    detail = texts.get(refused.refusal, refused.message)
    code = "USER_ERROR" if refused.refusal in texts else "INVALID_CONTENT"
    return RequestRefused(400, code, detail, path=path or _FIELDS.get(refused.refusal, ""))
