"""Posting invoices, adjustments and payments, and applying them, in Workday's rules and words.

A payment's remittance lines are checked when they are put (the invoice exists, is open, is not
overpaid, the lines do not sum to more than the payment) and applied by Workday itself, at once or
later, on its own day. What was applied stays applied. It parses nothing and knows no request.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

from sandbox.core.ledger import Application, Header, Journal, Line, PostingRefused, Refusal
from sandbox.workday.state import Applied, Record, Waiting, WorkdayState
from sandbox.workday.trees import ValidationFault

__all__ = ["Books", "ClockPort"]

ZERO = Decimal(0)
_RANGES = {"invoice": "10000001", "adjustment": "20000001", "payment": "30000001",
           "refund": "40000001", "application": "90000001"}  # fmt: skip
_LINES = "Customer_Invoice_Line_Replacement_Data"
_REMITTANCE = "Customer_Payment_Remittance_Advice_Data"
_DETAILS = "Customer_Payment_Remittance_Advice_Details_Data"


class ClockPort(Protocol):
    """``sandbox.core.clock.Clock`` fits."""

    def now(self) -> datetime: ...

    def today(self) -> date: ...


class Books:
    """Posts into a state."""

    def __init__(self, state: WorkdayState, clock: ClockPort) -> None:
        self._state = state
        self._ledger = state.ledger
        self._settings = state.settings
        self._clock = clock

    # -- posting --------------------------------------------------------------------------------

    def post_invoice(self, record: Record, path: tuple[str, ...]) -> None:
        """Receivable against what each line's revenue category is posted to.

        Raises:
            ValidationFault: nothing was posted then.
        """
        values = record.values
        amount = values["Control_Amount_Total"]
        party = values["Customer_Reference"]["id"]
        lines = [
            Line(self._settings.ar_account, amount, party),
            *(Line(account, -part) for account, part in self._credited(values, path)),
        ]
        self._post(record, values["Accounting_Date"], values["Invoice_Date"], lines, path)

    def _credited(
        self, values: Mapping[str, Any], path: tuple[str, ...]
    ) -> list[tuple[str, Decimal]]:
        """Ledger accounts that an invoice credits, by its lines."""
        settings, total = self._settings, values["Control_Amount_Total"]
        credited = []
        for line in values.get(_LINES) or [{"Extended_Amount": total}]:
            category = (line.get("Revenue_Category_Reference") or {"id": ""})["id"]
            account = settings.category_accounts.get(category, settings.revenue_account)
            credited.append((account, line.get("Extended_Amount") or ZERO))
        if sum((part for _, part in credited), ZERO) != total:
            raise ValidationFault(
                "The control amount is not the sum of the lines.", (*path, "Control_Amount_Total")
            )
        return credited

    def post_adjustment(self, record: Record, path: tuple[str, ...]) -> None:
        """More or less due from the customer; a decrease is applied to its invoice if asked."""
        values = record.values
        sign = 1 if values.get("Increase_Amount_Due") else -1
        amount = sign * values["Control_Amount_Total"]
        invoice = self._original(values)
        is_applied = bool(values.get("AutoApply_Adjustment_to_Invoice")) and sign < 0
        if is_applied:
            if invoice is None:
                raise ValidationFault("An invoice is needed to apply the adjustment to.", path)
            if -amount > self._state.open_amount(invoice):
                raise _over_applied(invoice, path)
        lines = [
            Line(self._settings.ar_account, amount, values["Customer_Reference"]["id"]),
            Line(self._settings.adjustment_account, -amount),
        ]
        self._post(record, values["Accounting_Date"], values["Adjustment_Date"], lines, path)
        if is_applied and invoice is not None:
            self._apply(record, invoice, -amount)

    def _original(self, values: Mapping[str, Any]) -> Record | None:
        reference = values.get("Original_Customer_Invoice_Reference")
        return self._state.find("invoice", reference) if reference else None

    def post_payment(self, record: Record, path: tuple[str, ...]) -> None:
        """Cash against the customer, or against payments that have none."""
        values = record.values
        amount = values["Payment_Amount"]
        customer = values.get("Remitfrom_Customer_Reference")
        other = (
            Line(self._settings.ar_account, -amount, customer["id"])
            if customer
            else Line(self._settings.unidentified_account, -amount)
        )
        lines = [other, Line(self._settings.bank_account, amount)]
        self._post(record, values["Payment_Date"], values["Payment_Date"], lines, path)
        reference = f"{values['Company_Reference']['id']}|{values.get('Payment_Number') or ''}"
        self._state.bank_references.setdefault(reference, []).append(record.wid)

    def post_refund(self, record: Record, path: tuple[str, ...]) -> None:
        """What is on account of payments goes back to their customer; it is used up by that."""
        values = record.values
        amount, customer = values["Total_Refund_Amount"], values["Customer_Reference"]["id"]
        here = (*path, "On_Account_Payments")
        payments = []
        for line in values.get("On_Account_Payments") or ():
            reference = line.get("Customer_Payment_Reference")
            payment = self._state.find("payment", reference) if reference else None
            if payment is None:
                raise ValidationFault("Customer_Payment_Reference is required.", here)
            payer = payment.values.get("Remitfrom_Customer_Reference")
            if payer is None or payer["id"] != customer:
                raise ValidationFault("The payment is of another customer.", here)
            payments.append(payment)
        left = sum((self._state.open_amount(payment) for payment in payments), ZERO)
        if not payments or amount != left:
            raise ValidationFault(
                f"The refund exceeds the amount due of its payments or leaves some: {left} is on "
                "account.", (*path, "Total_Refund_Amount"),
            )  # fmt: skip
        day = values["Customer_Refund_Date"]
        lines = [
            Line(self._settings.ar_account, amount, customer),
            Line(self._settings.bank_account, -amount),
        ]
        self._post(record, day, day, lines, path)
        for payment in payments:
            self._apply(payment, record, self._state.open_amount(payment))

    def identify(self, payment: Record, customer: str, path: tuple[str, ...]) -> None:
        """A payment without customer gets one: it moves to the customer's account."""
        assert payment.item is not None
        today = self._clock.today()
        header = self._header(payment, today, today, "payment")
        moved = Line(self._settings.ar_account, -self._state.open_amount(payment), customer)
        try:
            journal = self._ledger.clear(
                header, [Application(payment.item)], residuals=[moved], today=today
            )
        except PostingRefused as refused:
            raise _refusal(refused, path) from None
        payment.item = (*journal.key, journal.lines.index(moved) + 1)

    def _post(
        self, record: Record, day: date, document_day: date, lines: list[Line],
        path: tuple[str, ...],
    ) -> Journal:  # fmt: skip
        header = self._header(record, day, document_day, record.kind)
        try:
            journal = self._ledger.post(header, lines, today=self._clock.today())
        except PostingRefused as refused:
            raise _refusal(refused, path) from None
        record.journal, record.item = journal.key, (*journal.key, 1)
        return journal

    def _header(self, record: Record, day: date, document_day: date, number_range: str) -> Header:
        values = record.values
        currency = values.get("Currency_Reference") or values["Payment_Currency_Reference"]
        return Header(
            values["Company_Reference"]["id"], record.kind, day, document_day, currency["id"],
            _RANGES[number_range],
        )  # fmt: skip

    def cancel_invoice(self, record: Record, path: tuple[str, ...]) -> None:
        """Reverse an invoice that nothing was applied to. Raises ValidationFault."""
        if record.is_canceled or record.journal is None:
            raise ValidationFault("The customer invoice is already canceled.", path)
        today = self._clock.today()
        header = self._header(record, today, today, "invoice")
        try:
            self._ledger.reverse(record.journal, header, today=today)
        except PostingRefused as refused:
            raise _refusal(refused, path) from None
        record.is_canceled = True

    # -- remittances ----------------------------------------------------------------------------

    def check_remittance(
        self, record: Record, values: Mapping[str, Any], path: tuple[str, ...]
    ) -> None:
        """Whether new remittance lines may stand on a payment. ``record``: the payment so far.

        A line of a credit (an adjustment that lowers) is negative and pays the other lines.

        Raises:
            ValidationFault: what was applied is left out, or a line overpays.
        """
        here = (*path, _REMITTANCE)
        wanted: dict[str, Decimal] = {}
        for document, amount, _ in remittance_lines(self._state, values):
            wanted[document.wid] = wanted.get(document.wid, ZERO) + amount
        done = self._applied_of(record)
        if any(abs(wanted.get(wid, ZERO)) < abs(amount) for wid, amount in done.items()):
            raise ValidationFault("Remittance advice that was applied cannot be removed.", here)
        asked = sum(wanted.values(), ZERO)
        is_refunded = bool(
            record.item and asked - sum(done.values(), ZERO) > self._state.open_amount(record)
        )
        if asked > values["Payment_Amount"] or is_refunded:
            raise ValidationFault(
                "The remittance advice exceeds the payment amount.", (*here, "Amount_to_Pay")
            )
        for wid, amount in wanted.items():
            document = self._state.records[wid]
            more = abs(amount) - abs(done.get(wid, ZERO))
            if more and (amount < 0) != _is_credit(document):
                raise ValidationFault("The amount has the wrong sign.", (*here, "Amount_to_Pay"))
            if more > self._state.open_amount(document):
                raise _over_applied(document, (*here, "Amount_to_Pay"))
            currency = document.values["Currency_Reference"]["id"]
            if more and currency != values["Payment_Currency_Reference"]["id"]:
                raise ValidationFault(
                    "The payment currency is not the currency of the invoice.", here
                )

    def _applied_of(self, payment: Record) -> dict[str, Decimal]:
        """What a payment's remittance has brought about, by document."""
        found: dict[str, Decimal] = {}
        for one in self._state.applied:
            if one.via == payment.wid:
                found[one.invoice] = found.get(one.invoice, ZERO) + one.amount
                if one.credit != payment.wid:
                    found[one.credit] = found.get(one.credit, ZERO) - one.amount
        return found

    def wait_for_apply(self, payment: Record) -> None:
        """Workday applies a remittance later; how late, the settings say."""
        due_at = self._clock.now() + timedelta(seconds=self._settings.auto_apply_seconds)
        self._state.waiting = [w for w in self._state.waiting if w.payment != payment.wid]
        self._state.waiting.append(Waiting(payment.wid, due_at))
        self.work()

    def work(self) -> None:
        """Apply the remittances whose time has come."""
        now = self._clock.now()
        due = [w for w in self._state.waiting if w.due_at <= now]
        if due:
            self._state.waiting = [w for w in self._state.waiting if w.due_at > now]
        for one in due:
            self._apply_remittance(self._state.records[one.payment])

    def _apply_remittance(self, payment: Record) -> None:
        """Apply what the lines ask for and the books still allow: credits first, then the cash."""
        done = self._applied_of(payment)
        left: dict[str, Decimal] = {}
        keys: dict[str, str] = {}
        for document, amount, key in remittance_lines(self._state, payment.values):
            already = done.pop(document.wid, ZERO)
            left[document.wid] = left.get(document.wid, ZERO) + amount - already
            keys[document.wid] = key
        for wid in [wid for wid, amount in left.items() if amount > 0]:
            invoice = self._state.records[wid]
            is_held = invoice.values.get("On_Hold") and payment.values.get(
                "Do_Not_Apply_Payment_to_Invoices_on_Hold"
            )
            if is_held or invoice.is_canceled:
                continue
            for source in [*(w for w, amount in left.items() if amount < 0), payment.wid]:
                credit = self._state.records[source]
                asked = left[wid] if source == payment.wid else min(left[wid], -left[source])
                amount = min(
                    asked, self._state.open_amount(invoice), self._state.open_amount(credit)
                )
                if amount > 0:
                    self._apply(credit, invoice, amount, keys[wid], payment.wid)
                    left[wid] -= amount
                    if source != payment.wid:
                        left[source] += amount

    def _apply(
        self, credit: Record, invoice: Record, amount: Decimal, key: str = "", via: str = ""
    ) -> None:
        assert credit.item is not None
        assert invoice.item is not None
        today = self._clock.today()
        header = self._header(credit, today, today, "application")
        try:
            journal = self._ledger.clear(
                header,
                [Application(invoice.item, amount), Application(credit.item, -amount)],
                today=today,
            )
        except PostingRefused as refused:
            raise _refusal(refused, ()) from None
        company = next(c for item, _, c in journal.applications if item == invoice.item)
        self._state.applied.append(
            Applied(
                f"APPLICATION-{self._state.next_serial()}", header.company_code, credit.wid,
                invoice.wid, amount, company, header.currency_code, self._clock.now(), key, via,
            )
        )  # fmt: skip
        if key:
            self._state.note_effect(key, f"application/{credit.wid}/{invoice.wid}")


def remittance_lines(
    state: WorkdayState, values: Mapping[str, Any]
) -> list[tuple[Record, Decimal, str]]:
    """A payment's remittance: document, amount, and the hub's key in the line's details."""
    found = []
    for line in values.get(_REMITTANCE) or ():
        details = [d.get("Detail_Information") or "" for d in line.get(_DETAILS) or ()]
        key = next((text for text in details if text.startswith("LLP-")), "")
        amount = line.get("Amount_to_Pay") or line.get("Amount_to_Pay_in_Invoice_Currency") or ZERO
        for reference in line.get("Customer_Invoice_Reference") or ():
            document = state.find("invoice", reference) or state.find("adjustment", reference)
            assert document is not None, "references were checked when the payment was put"
            found.append((document, amount, key))
    return found


def _is_credit(document: Record) -> bool:
    return document.kind == "adjustment" and not document.values.get("Increase_Amount_Due")


def _over_applied(invoice: Record, path: tuple[str, ...]) -> ValidationFault:
    number = invoice.values.get("Invoice_Number") or invoice.id
    return ValidationFault(f"The amount exceeds the amount due of customer invoice {number}.", path)


def _refusal(refused: PostingRefused, path: tuple[str, ...]) -> ValidationFault:
    """The ledger's refusal in Workday's manner of speaking."""
    if refused.refusal is Refusal.PERIOD_CLOSED:
        return ValidationFault(
            f"The accounting period is closed for the company: {refused.subject}.", path
        )
    if refused.refusal is Refusal.HAS_CLEARED_ITEMS:
        return ValidationFault("A customer invoice with payments cannot be canceled.", path)
    return ValidationFault(f"{refused.message[:1].upper()}{refused.message[1:]}.", path)
