"""Dynamics 365 Finance's files: the rows of a data package as one delimited file per object.

Columns are the data entities' own field names, so that a recurring integration or a middleware maps
them one to one into the entities (contracts/erp.md §3.3). ``DOC_KEY`` is the hub's key and travels
into ``PaymentReference`` as well. It builds lines only; nothing here sends.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from ingestion.common.config import System
from ingestion.common.money import canonical_text
from reverse_etl.delivery.writer import Sending
from reverse_etl.dynamics365_finance.credit import changes_of, customer_key
from reverse_etl.dynamics365_finance.journals import journal_number
from reverse_etl.dynamics365_finance.payments import line_of
from reverse_etl.dynamics365_finance.settings import KIND, D365Options
from reverse_etl.files.forms import FileForm, Line, Place
from reverse_etl.planning.governance import Governance, TargetObject

__all__ = ["CreditLimitFile", "PaymentFile", "forms"]

#: ISO 4217 reserves this code for "no currency": a limit is in its company's.
_NO_CURRENCY = "X" * 3
#: How a field is written that is to be left as it is.
UNCHANGED = "/"


def forms(system: System, governance: Governance) -> Mapping[Place, FileForm]:
    """The kind's forms by object and operation."""
    options = D365Options.of(system)
    return {
        ("payments", "post"): PaymentFile(governance.object(KIND, "payments"), options),
        ("credit_limits", "update"): CreditLimitFile(
            governance.object(KIND, "credit_limits"), options
        ),
    }


class PaymentFile:
    """Receipts: one journal line each; the journal's own fields stand on the line."""

    name = "d365-payments"
    columns = (
        "dataAreaId", "JournalName", "JournalBatchNumber", "LineNumber", "AccountType",
        "AccountDisplayValue", "CreditAmount", "CurrencyCode", "TransactionDate",
        "TransactionText", "PaymentReference", "PaymentId", "OffsetAccountType",
        "OffsetAccountDisplayValue", "SettleVoucher",
    )  # fmt: skip
    #: An application names the journal that its receipt became.
    needs_document = True

    def __init__(self, target: TargetObject, options: D365Options) -> None:
        self._target = target
        self._options = options

    def lines(self, sending: Sending) -> Sequence[Line]:
        """Raises InputRefused for what is no receipt."""
        line: dict[str, Any] = {
            **line_of(sending, self._target, self._options),
            "JournalName": self._options.journal_name,
            "JournalBatchNumber": journal_number(sending.external_key),
        }
        amount: Decimal = line["CreditAmount"]
        return [Line(tuple(_cell(line[c]) for c in self.columns), line["CurrencyCode"], amount)]

    def field_of(self, column: str) -> str:
        """The hub's name of a column."""
        return _hub_name(self._target, column)


class CreditLimitFile:
    """Limits and holds, one line per customer and company; what does not change reads ``/``."""

    name = "d365-credit-limits"
    columns = (
        "dataAreaId", "CustomerAccount", "CreditLimit", "CreditLimitIsMandatory",
        "CredManCustUnlimitedCredit", "OnHoldStatus",
    )  # fmt: skip
    needs_document = False

    def __init__(self, target: TargetObject, options: D365Options) -> None:
        self._target = target
        self._options = options

    def lines(self, sending: Sending) -> Sequence[Line]:
        """Raises InputRefused for a limit without its kind, or a key of another form."""
        command = sending.command
        body: dict[str, Any] = {
            **customer_key(command),
            **changes_of(command.payload, self._options),
        }
        amount = Decimal(body.get("CreditLimit", 0))
        cells = tuple(_cell(body[c]) if c in body else UNCHANGED for c in self.columns)
        return [Line(cells, command.currency_code or _NO_CURRENCY, amount)]

    def field_of(self, column: str) -> str:
        """The hub's name of a column."""
        return _hub_name(self._target, column)


def _cell(value: Any) -> str:
    return canonical_text(value) if isinstance(value, Decimal) else str(value)


def _hub_name(target: TargetObject, column: str) -> str:
    found = [name for name, one in target.fields.items() if one.native == column]
    return found[0] if found else column
