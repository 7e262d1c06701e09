"""NetSuite's files: rows of its CSV import, one delimited file per object.

Headings are the labels of the import assistant with their ``External ID`` column; a saved import
maps them, and a script task runs it on at most 25,000 rows (contracts/erp.md §5, from memory). One
saved import takes one record type, so each line names its own: a middleware splits by it. A receipt
without a certain payer is a journal entry of two lines. It builds lines only; nothing here sends.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from ingestion.common.config import System
from ingestion.common.errors import InputRefused
from ingestion.common.money import canonical_text
from reverse_etl.delivery.writer import Sending
from reverse_etl.files.forms import FileForm, Line, Place
from reverse_etl.netsuite.payments import is_unidentified, needed
from reverse_etl.netsuite.settings import KIND, NetSuiteOptions, external_id_of
from reverse_etl.netsuite.states import changes_of
from reverse_etl.planning.governance import Governance, TargetObject

__all__ = ["CreditLimitFile", "PaymentFile", "forms"]

#: ISO 4217 reserves this code for "no currency": a limit is in the customer's primary one.
_NO_CURRENCY = "X" * 3
#: How a field is written that is to be left as it is; an empty cell clears it.
UNCHANGED = "/"
#: Labels whose fields the hub governs under NetSuite's own names.
_FIELDS = {
    "Subsidiary": "subsidiary",
    "Customer": "customer",
    "Payment Amount": "payment",
    "Currency": "currency",
    "Date": "tranDate",
    "Account": "account",
    "Check #": "checkNumber",
    "Memo": "memo",
    "Credit Limit": "creditLimit",
    "Hold": "creditHoldOverride",
}


def forms(system: System, governance: Governance) -> Mapping[Place, FileForm]:
    """The kind's forms by object and operation."""
    options = NetSuiteOptions.of(system)
    return {
        ("payments", "post"): PaymentFile(governance.object(KIND, "payments"), options),
        ("credit_limits", "update"): CreditLimitFile(governance.object(KIND, "credit_limits")),
    }


class PaymentFile:
    """Receipts: one line of a customer payment, or two of a journal entry; all unapplied."""

    name = "netsuite-payments"
    columns = (
        "External ID", "Record Type", "Subsidiary", "Currency", "Date", "Customer", "Account",
        "Payment Amount", "Debit", "Credit", "Check #", "Memo",
    )  # fmt: skip
    #: An application names the payment that its receipt became.
    needs_document = True

    def __init__(self, target: TargetObject, options: NetSuiteOptions) -> None:
        self._target = target
        self._options = options

    def lines(self, sending: Sending) -> Sequence[Line]:
        """Raises InputRefused for what is no receipt."""
        native = self._target.to_native(sending.command.payload)
        amount = Decimal(needed(native, "payment"))
        if amount <= 0:
            raise InputRefused(
                f"a receipt of {amount} cannot be posted: its amount must be positive",
                code="not_a_receipt",
                where="amount",
            )
        shared = {
            "External ID": external_id_of(sending.external_key),
            "Subsidiary": needed(native, "subsidiary"),
            "Currency": needed(native, "currency"),
            "Date": needed(native, "tranDate"),
            "Account": needed(native, "account"),
            "Check #": str(native.get("checkNumber") or ""),
            "Memo": str(native.get("memo") or ""),
        }
        text = canonical_text(amount)
        if is_unidentified(sending):
            journal = {**shared, "Record Type": "journalEntry"}
            other = {"Account": self._options.unidentified_gl_account, "Credit": text}
            # The totals of a file count money once: on the bank's line.
            return [
                self._line({**journal, "Debit": text}, amount),
                self._line({**journal, **other}, Decimal(0)),
            ]
        paid = {"Customer": needed(native, "customer"), "Payment Amount": text}
        return [self._line({**shared, "Record Type": "customerPayment", **paid}, amount)]

    def _line(self, row: Mapping[str, str], amount: Decimal) -> Line:
        return Line(tuple(row.get(c, "") for c in self.columns), row["Currency"], amount)

    def field_of(self, column: str) -> str:
        """The hub's name of a column."""
        return _hub_name(self._target, column)


class CreditLimitFile:
    """Limits and holds; what does not change reads ``/``, no limit is an empty cell."""

    name = "netsuite-credit-limits"
    columns = ("Customer ID", "Credit Limit", "Hold")
    needs_document = False

    def __init__(self, target: TargetObject) -> None:
        self._target = target

    def lines(self, sending: Sending) -> Sequence[Line]:
        """Raises InputRefused for a limit without its kind."""
        command = sending.command
        body: dict[str, Any] = changes_of(command)
        limit, hold = body.get("creditLimit"), body.get("creditHoldOverride")
        cells = (
            command.business_key.partition("/")[0],
            UNCHANGED if "creditLimit" not in body else _amount(limit),
            UNCHANGED if hold is None else str(hold["id"]),
        )
        return [Line(cells, command.currency_code or _NO_CURRENCY, limit or Decimal(0))]

    def field_of(self, column: str) -> str:
        """The hub's name of a column."""
        return _hub_name(self._target, column)


def _amount(limit: Decimal | None) -> str:
    return "" if limit is None else canonical_text(limit)


def _hub_name(target: TargetObject, column: str) -> str:
    native = _FIELDS.get(column, column)
    found = [name for name, one in target.fields.items() if one.native == native]
    return found[0] if found else column
