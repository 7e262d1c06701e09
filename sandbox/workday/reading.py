"""The ``Get_…`` operations: pages of one moment.

A request with ``As_Of_Entry_DateTime`` sees what was entered by then. The first page of a moment
fixes the whole result; later pages with the same moment and criteria are cut from it, whatever
changes meanwhile. Without a moment every page is what is there now.
"""

from collections import OrderedDict
from collections.abc import Callable
from copy import deepcopy
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sandbox.workday.books import Books, ClockPort
from sandbox.workday.schema import OPERATIONS
from sandbox.workday.settings import WorkdaySettings
from sandbox.workday.state import ID_TYPES, Record, WorkdayState
from sandbox.workday.trees import ValidationFault

__all__ = ["Reading", "shown_values"]

Tree = dict[str, Any]
_ZERO = Decimal(0)
#: Operation to kind of record.
_KINDS = {
    "Get_Customers": "customer",
    "Get_Customer_Invoices": "invoice",
    "Get_Customer_Invoice_Adjustments": "adjustment",
    "Get_Customer_Payments": "payment",
    "Get_Customer_Refunds": "refund",
}
_DATA = {
    "customer": "Customer_Data",
    "invoice": "Customer_Invoice_Data",
    "adjustment": "Customer_Invoice_Adjustment_Data",
    "payment": "Customer_Payment_Data",
    "refund": "Customer_Refund_Data",
}
#: Criteria that compare a date of the data: field, and whether the row's must not be earlier.
_DATES = {
    "Invoice_Date_On_or_After": ("Invoice_Date", True),
    "Invoice_Date_On_or_Before": ("Invoice_Date", False),
    "Invoice_Due_Date_On_or_After": ("Due_Date_Override", True),
    "Invoice_Due_Date_On_or_Before": ("Due_Date_Override", False),
    "Payment_Date_On_or_After": ("Payment_Date", True),
    "Payment_Date_On_or_Before": ("Payment_Date", False),
}
_REFERENCES = {
    "Company_Reference": "Company_Reference",
    "Customers_Reference": "Customer_Reference",
    "Customer_Reference": "Remitfrom_Customer_Reference",
}
_MOMENTS_KEPT = 32


class Reading:
    """Answers the read operations of a state."""

    def __init__(
        self, state: WorkdayState, books: Books, clock: ClockPort, settings: WorkdaySettings
    ) -> None:
        self._state = state
        self._books = books
        self._clock = clock
        self._settings = settings
        self._moments: OrderedDict[str, list[Tree]] = OrderedDict()

    def answer(self, operation: str, request: Tree) -> Tree:
        """The response tree of a ``Get_…`` request.

        Raises:
            ValidationFault: a page that is none, a reference that names nothing.
        """
        self._books.work()
        page_filter = request.get("Response_Filter") or {}
        page = int(page_filter.get("Page", 1))
        if page < 1:
            raise ValidationFault(
                "Page number cannot be zero.",
                (f"{operation}_Request", "Response_Filter", "Page"),
            )
        count = int(page_filter.get("Count", self._settings.page_rows))
        count = min(max(count, 1), self._settings.page_rows_max)
        rows = self._rows(operation, request, is_first=page == 1)
        first = (page - 1) * count
        shown = rows[first : first + count]
        moment = page_filter.get("As_Of_Entry_DateTime")
        if moment is None and self._settings.echoes_moment:
            moment = self._clock.now()
        echoed = {**page_filter, "Page": Decimal(page), "Count": Decimal(count)}
        if moment is not None:
            echoed["As_Of_Entry_DateTime"] = moment
        return {
            "Response_Filter": echoed,
            "Response_Results": {
                "Total_Results": Decimal(len(rows)),
                "Total_Pages": Decimal(-(-len(rows) // count)),
                "Page_Results": Decimal(len(shown)),
                "Page": Decimal(page),
            },
            "Response_Data": {OPERATIONS[operation].row: shown},
        }

    def _rows(self, operation: str, request: Tree, *, is_first: bool) -> list[Tree]:
        moment = (request.get("Response_Filter") or {}).get("As_Of_Entry_DateTime")
        if moment is None:
            return self._now(operation, request, None)
        asked = {k: v for k, v in request.items() if k != "Response_Filter"}
        place = f"{operation}|{moment.isoformat()}|{asked}"
        if is_first or place not in self._moments:
            self._moments[place] = deepcopy(self._now(operation, request, moment))
            while len(self._moments) > _MOMENTS_KEPT:
                self._moments.popitem(last=False)
        return self._moments[place]

    def _now(self, operation: str, request: Tree, moment: datetime | None) -> list[Tree]:
        kind = _KINDS[operation]
        references = request.get("Request_References")
        if references:
            records = self._named(operation, kind, references)
        else:
            keep = self._criteria(request.get("Request_Criteria") or {})
            records = [record for record in self._state.of_kind(kind) if keep(record)]
        if moment is not None:
            # The message carries milliseconds; what was entered within the same one is seen.
            records = [r for r in records if r.entered_at.timestamp() <= moment.timestamp() + 1e-3]
        group = request.get("Response_Group") or {}
        return [self._row(operation, record, group) for record in records]

    def _named(self, operation: str, kind: str, references: Tree) -> list[Record]:
        ((name, asked),) = references.items()
        found = []
        for reference in asked:
            record = self._state.find(kind, reference) if reference else None
            if record is None:
                kind_of_id, text = (reference["type"], reference["id"]) if reference else ("", "")
                raise ValidationFault(
                    f"Invalid ID value. '{text}' is not a valid ID value for type = '{kind_of_id}'",
                    (f"{operation}_Request", "Request_References", name),
                )
            found.append(record)
        return found

    def _criteria(self, criteria: Tree) -> Callable[[Record], bool]:
        """Whether a record is asked for: all criteria hold."""
        return lambda record: all(_holds(record, name, one) for name, one in criteria.items())

    def _row(self, operation: str, record: Record, group: Tree) -> Tree:
        name = OPERATIONS[operation].row
        row: Tree = {f"{name}_Reference": {"type": ID_TYPES[record.kind], "id": record.id}}
        data = _DATA[record.kind]
        if group.get(f"Include_{data}", True):
            row[data] = shown_values(self._state, record)
        if group.get("Include_Customer_Balance"):
            row["Customer_Balance_Data"] = self._balance(record)
        return row

    def _balance(self, customer: Record) -> Tree:
        """What a customer owes, in its own currency; other currencies do not count here."""
        currency = customer.values.get("Currency_Reference") or {"type": "Currency_ID", "id": "USD"}
        total = overdue = _ZERO
        today = self._clock.today()
        for invoice in self._state.of_kind("invoice"):
            values = invoice.values
            if values["Customer_Reference"]["id"] != customer.id or invoice.is_canceled:
                continue
            if values["Currency_Reference"]["id"] == currency["id"]:
                due = self._state.open_amount(invoice)
                total += due
                is_late = values.get("Due_Date_Override") and values["Due_Date_Override"] < today
                overdue += due if is_late else _ZERO
        return {
            "Default_Currency_Reference": currency,
            "Total_Balance": total,
            "Overdue_Balance": overdue,
        }


def _holds(record: Record, name: str, wanted: Any) -> bool:
    values = record.values
    if name in _DATES:
        field, is_lower = _DATES[name]
        day: date | None = values.get(field)
        return day is not None and (day >= wanted if is_lower else day <= wanted)
    if name in _REFERENCES:
        own = values.get(_REFERENCES[name])
        return own is not None and own["id"] in [one["id"] for one in wanted]
    texts = {
        "Invoice_or_Invoice_Adjustment_Number": values.get("Invoice_Number") == wanted,
        "Customer_Name": str(wanted).lower() in str(values.get("Customer_Name", "")).lower(),
        "Customer_Reference_ID": record.id == wanted,
    }
    return bool(texts.get(name, True))


def shown_values(state: WorkdayState, record: Record) -> Tree:
    """A record's data with what Workday itself works out."""
    values = dict(record.values)
    if record.kind in ("invoice", "adjustment"):
        due = state.open_amount(record)
        values["Amount_Due"] = due
        values["Document_Status"] = "Canceled" if record.is_canceled else "Approved"
        if record.kind == "invoice":
            total = values["Control_Amount_Total"]
            is_part = 0 < due < total
            values["Payment_Status"] = "Partially Paid" if is_part else "Unpaid" if due else "Paid"
    elif record.kind == "payment":
        left = state.open_amount(record)
        is_part = 0 < left < values["Payment_Amount"]
        values["Payment_Status"] = "Complete"
        values["Payment_Application_Status"] = (
            "Partially Applied" if is_part else "Unapplied" if left else "Applied"
        )
    return values
