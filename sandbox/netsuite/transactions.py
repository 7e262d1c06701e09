"""What invoices, credit memos, payments, refunds, journals and orders need, post and allow."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from sandbox.core.ledger import Line
from sandbox.netsuite.books import ApplyLine, Books, ClockPort
from sandbox.netsuite.errors import RequestRefused
from sandbox.netsuite.schema import TRANSACTION_TYPES
from sandbox.netsuite.state import NetSuiteState, Record

__all__ = ["Transactions"]

ZERO = Decimal(0)
_PREFIXES = {"invoice": "INV", "creditMemo": "CM", "customerPayment": "PMT", "journalEntry": "JE",
             "customerRefund": "RFD", "salesOrder": "SO"}  # fmt: skip
_NEEDED = {
    "invoice": ("entity", "item"),
    "creditMemo": ("entity", "item"),
    "customerPayment": ("customer", "payment"),
    "customerRefund": ("customer", "account", "apply"),
    "journalEntry": ("subsidiary", "line"),
    "salesOrder": ("entity", "item"),
}
#: What a posted transaction may no longer be given another value for, in this sandbox.
_FIXED = ("customer", "entity", "subsidiary", "currency", "payment", "tranDate", "account", "item",
          "line")  # fmt: skip


class Transactions:
    """The rules of transactions over the books."""

    def __init__(self, state: NetSuiteState, books: Books, clock: ClockPort) -> None:
        self._state = state
        self._books = books
        self._clock = clock

    # -- making ---------------------------------------------------------------------------------

    def prepare(self, record: Record) -> None:
        """Fill what the form fills. Raises RequestRefused for what is missing or does not fit."""
        values = record.values
        for name in _NEEDED[record.kind]:
            if values.get(name) in (None, "", []):
                raise RequestRefused(
                    400, "USER_ERROR", f"Please enter value(s) for: {name}", path=name
                )
        values.setdefault("tranDate", self._clock.today())
        party = record.ref("customer") or record.ref("entity")
        if party:
            customer = self._state.of_kind("customer")[party]
            for name in ("subsidiary", "currency"):
                if values.get(name) is None:
                    values[name] = customer.values[name]
        company = self._state.settings.subsidiaries[values["subsidiary"]]
        values.setdefault("currency", self._state.currency_ids[company.currency_code])
        self._total(record)
        if record.kind == "invoice":
            values.setdefault("dueDate", values["tranDate"])
        if record.kind == "salesOrder":
            self._check_credit(record)

    def _total(self, record: Record) -> None:
        """Work out what the transaction is worth. Raises RequestRefused where that is nothing."""
        values = record.values
        if record.kind in ("invoice", "creditMemo", "salesOrder"):
            values["total"] = sum((_line_amount(one) for one in values["item"]), ZERO)
            _check_positive(values["total"], "item.items[0].amount")
        if record.kind == "customerPayment":
            _check_positive(values["payment"], "payment")
        if record.kind == "customerRefund":
            lines = [_apply_line(doc, one) for doc, one in _merged({}, values["apply"]).items()]
            credits_back = self._books.refundable(record, lines)
            values["total"] = sum((one.amount or ZERO for one in credits_back), ZERO)
            _check_positive(values["total"], "apply.items[0].amount")

    def number(self, record: Record) -> None:
        """Give the document number that people see, unless it came along."""
        if not record.values.get("tranId"):
            record.values["tranId"] = f"{_PREFIXES[record.kind]}{record.id}"

    def _check_credit(self, order: Record) -> None:
        """An order of a customer on hold or above its limit waits for approval."""
        customer = self._state.of_kind("customer")[order.ref("entity")]
        is_held = self._state.settings.enforces_credit and self._books.is_over_limit(
            customer, order.values["total"]
        )
        order.values["orderStatus"] = "A" if is_held else order.values.get("orderStatus") or "B"

    def post(self, record: Record) -> None:
        """Post the journal of a new transaction. Raises RequestRefused; nothing is posted then."""
        settings, values = self._state.settings, record.values
        match record.kind:
            case "invoice" | "creditMemo":
                sign = 1 if record.kind == "invoice" else -1
                lines = [Line(settings.ar_account, sign * values["total"], record.ref("entity"))]
                lines += [
                    Line(settings.items[one["item"]][1], -sign * _line_amount(one))
                    for one in values["item"]
                ]
            case "customerPayment":
                bank = settings.accounts.get(record.ref("account"))
                number = bank.number if bank else settings.default_bank_account
                lines = [
                    Line(number, values["payment"]),
                    Line(settings.ar_account, -values["payment"], record.ref("customer")),
                ]
            case "customerRefund":
                bank = settings.accounts[record.ref("account")]
                lines = [
                    Line(bank.number, -values["total"]),
                    Line(settings.ar_account, values["total"], record.ref("customer")),
                ]
            case "journalEntry":
                lines = [self._journal_line(one) for one in values["line"]]
            case _:
                return
        self._books.post(record, lines)
        self._note_bank(record, lines)

    def _journal_line(self, given: Mapping[str, Any]) -> Line:
        account = self._state.settings.accounts.get(str(given.get("account") or ""))
        if account is None:
            raise RequestRefused(
                400, "USER_ERROR", "Please enter value(s) for: Account", path="line.items"
            )
        amount = (given.get("debit") or ZERO) - (given.get("credit") or ZERO)
        is_receivable = account.number == self._state.settings.ar_account
        return Line(account.number, amount, str(given.get("entity") or "") if is_receivable else "")

    def _note_bank(self, record: Record, lines: Sequence[Line]) -> None:
        """Remember which bank reference a posting on a bank account carries, for ``/ledger``."""
        reference = record.values.get("checkNumber") or record.values.get("tranId")
        banks = {one.number for one in self._state.settings.accounts.values() if one.kind == "Bank"}
        if record.kind in ("customerPayment", "customerRefund", "journalEntry") and any(
            line.account in banks for line in lines
        ):
            place = f"{record.values['subsidiary']}|{reference}"
            self._state.bank_references.setdefault(place, []).append(f"{record.kind}/{record.id}")

    def forget(self, record: Record) -> None:
        """Undo a transaction whose application was refused: it was never there."""
        self._books.unpost(record)
        external_id = record.values.get("externalId")
        if external_id:
            key = external_id.removeprefix("LLP-")
            self._state.effects[key].remove(f"{record.kind}/{record.id}")
        for found in self._state.bank_references.values():
            if f"{record.kind}/{record.id}" in found:
                found.remove(f"{record.kind}/{record.id}")
        self._state.remove(record, self._clock.now())
        self._state.deleted.pop()

    # -- changing -------------------------------------------------------------------------------

    def apply(
        self,
        record: Record,
        applied: Sequence[Mapping[str, Any]] | None,
        credits_used: Sequence[Mapping[str, Any]] | None,
        replace: frozenset[str] = frozenset(),
    ) -> None:
        """Merge lines of ``apply`` and ``credit`` into what the record has, and bring it about."""
        if record.kind not in ("customerPayment", "creditMemo", "customerRefund") or (
            applied is None and credits_used is None
        ):
            return
        before: dict[str, dict[str, list[Any]]] = record.values.get("applied_lines") or {}
        after = {
            name: _merged({} if name in replace else before.get(name, {}), rows or ())
            for name, rows in (("apply", applied), ("credit", credits_used))
        }
        if after == before:
            return
        wanted = {name: [_apply_line(doc, one) for doc, one in found.items()]
                  for name, found in after.items()}  # fmt: skip
        if record.kind == "creditMemo":
            self._books.apply_credit_memo(record, wanted["apply"])
        elif record.kind == "customerRefund":
            self._books.apply_refund(record, wanted["apply"])
        else:
            self._books.apply_payment(record, wanted["apply"], wanted["credit"])
        record.values["applied_lines"] = after

    def change(self, record: Record, values: dict[str, Any], replace: frozenset[str]) -> None:
        """Change a transaction. Raises RequestRefused: what is posted cannot be changed."""
        applied, used = values.pop("apply", None), values.pop("credit", None)
        for name in _FIXED:
            if name in values and not _is_same(values[name], record.values.get(name)):
                raise RequestRefused(
                    400, "USER_ERROR", f"{name} of a posted transaction cannot be changed.",
                    path=name,
                )  # fmt: skip
            values.pop(name, None)
        if record.kind == "salesOrder" and "orderStatus" in values:
            self._approve(record, values["orderStatus"])
        self.apply(record, applied, used, replace)
        record.values.update(values)

    def _approve(self, order: Record, status: str) -> None:
        customer = self._state.of_kind("customer")[order.ref("entity")]
        if status != "A" and customer.values.get("creditHoldOverride") == "ON":
            raise RequestRefused(
                400, "USER_ERROR", "This customer is on credit hold: the order cannot be approved.",
                path="orderStatus",
            )  # fmt: skip
        if order.values["orderStatus"] == "A" and status == "B":
            released = self._state.orders_released
            released[order.id] = released.get(order.id, 0) + 1

    def check_deletable(self, record: Record) -> None:
        """Raises RequestRefused for a transaction that others are linked to."""
        if any(record.id in (link.invoice, link.credit) for link in self._state.links.values()):
            raise RequestRefused(
                400,
                "USER_ERROR",
                "This transaction cannot be deleted because it is linked to by one or more "
                "transactions.",
            )
        assert record.kind in TRANSACTION_TYPES


def _check_positive(amount: Decimal, path: str) -> None:
    if amount <= 0:
        raise RequestRefused(400, "USER_ERROR", "The amount must be positive.", path=path)


def _line_amount(line: Mapping[str, Any]) -> Decimal:
    amount = line.get("amount")
    if amount is None:
        amount = (line.get("quantity") or Decimal(1)) * (line.get("rate") or ZERO)
    return Decimal(amount)


def _is_same(given: Any, held: Any) -> bool:
    if isinstance(given, list) and isinstance(held, list):
        return len(given) == len(held) and all(
            all(old.get(name) == value for name, value in new.items())
            for new, old in zip(given, held, strict=True)
        )
    return bool(given == held)


def _merged(
    before: Mapping[str, list[Any]], rows: Sequence[Mapping[str, Any]]
) -> dict[str, list[Any]]:
    """Lines by document: amount and discount, a line with ``apply: false`` taken out."""
    found = {doc: list(one) for doc, one in before.items()}
    for row in rows:
        doc = row.get("doc")
        if doc is None:
            raise RequestRefused(
                400, "INVALID_CONTENT", "An apply line needs its doc.", path="apply"
            )
        if row.get("apply") is False:
            found.pop(doc, None)
        elif row.get("apply") or "amount" in row:
            found[doc] = [row.get("amount"), row.get("disc") or ZERO]
    return found


def _apply_line(doc: str, given: Sequence[Any]) -> ApplyLine:
    return ApplyLine(doc, given[0], given[1])
