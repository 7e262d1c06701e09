"""The operations that change something: ``Put_…``, ``Submit_…``, ``Cancel_…``.

A put replaces: what the request leaves out is gone afterwards. With ``Add_Only`` an id that is
taken is refused; without a reference and with a new id a put creates.
"""

from decimal import Decimal
from typing import Any

from sandbox.core.faults import Faults
from sandbox.workday.books import Books, ClockPort
from sandbox.workday.state import ID_TYPES, Record, WorkdayState, wid_of
from sandbox.workday.trees import ValidationFault

__all__ = ["Changing"]

Tree = dict[str, Any]
Path = tuple[str, ...]

#: Operation to kind, its data element, the element of its id, and its reference element.
_PUTS = {
    "Put_Customer": ("customer", "Customer_Data", "Customer_ID", "Customer_Reference"),
    "Submit_Customer_Invoice": (
        "invoice", "Customer_Invoice_Data", "Customer_Invoice_ID", "Customer_Invoice_Reference",
    ),
    "Submit_Customer_Invoice_Adjustment": (
        "adjustment", "Customer_Invoice_Adjustment_Data", "Customer_Invoice_Adjustment_ID",
        "Customer_Invoice_Adjustment_Reference",
    ),
    "Put_Customer_Payment": (
        "payment", "Customer_Payment_Data", "Customer_Payment_for_Invoices_Reference_ID",
        "Customer_Payment_for_Invoices_Reference",
    ),
    "Submit_Customer_Refund": (
        "refund", "Customer_Refund_Data", "Customer_Refund_Reference_ID",
        "Customer_Refund_Reference",
    ),
}  # fmt: skip
_PREFIXES = {
    "customer": "CUSTOMER",
    "invoice": "CUSTOMER_INVOICE",
    "adjustment": "CUSTOMER_INVOICE_ADJUSTMENT",
    "payment": "CUSTOMER_PAYMENT",
    "refund": "CUSTOMER_REFUND",
}
_REQUIRED = {
    "customer": ("Customer_Name",),
    "invoice": (
        "Company_Reference", "Customer_Reference", "Currency_Reference", "Invoice_Date",
        "Control_Amount_Total",
    ),
    "adjustment": (
        "Company_Reference", "Customer_Reference", "Currency_Reference", "Adjustment_Date",
        "Adjustment_Reason_Reference", "Control_Amount_Total",
    ),
    "payment": (
        "Company_Reference", "Payment_Currency_Reference", "Payment_Date",
        "Payment_Type_Reference", "Payment_Amount",
    ),
    "refund": (
        "Company_Reference", "Customer_Reference", "Currency_Reference", "Customer_Refund_Date",
        "Total_Refund_Amount", "Payment_Type_Reference",
    ),
}  # fmt: skip
_AMOUNTS = {
    "invoice": "Control_Amount_Total",
    "adjustment": "Control_Amount_Total",
    "payment": "Payment_Amount",
    "refund": "Total_Refund_Amount",
}
#: What Workday works out itself: sent along, it is not kept.
_OWN = ("Amount_Due", "Payment_Status", "Document_Status", "Payment_Application_Status")
#: What the books were posted with: it cannot be changed by another put.
_POSTED = ("Company_Reference", "Payment_Currency_Reference", "Payment_Amount", "Payment_Date")


class Changing:
    """Answers the changing operations of a state."""

    def __init__(self, state: WorkdayState, books: Books, clock: ClockPort, faults: Faults) -> None:
        self._state = state
        self._books = books
        self._clock = clock
        self._faults = faults

    def answer(self, operation: str, request: Tree, *, add_only: bool) -> Tree:
        """The response tree of a changing request.

        Raises:
            ValidationFault: refused; nothing changed.
        """
        self._books.work()
        path: Path = (f"{operation}_Request",)
        if operation == "Put_Customer_Invoice_Collection_Information":
            return self._collect(request, path)
        if operation == "Cancel_Customer_Invoice":
            invoice = self._referred("invoice", request, "Customer_Invoice_Reference", path)
            self._books.cancel_invoice(invoice, path)
            return {"Customer_Invoice_Reference": _reference(invoice)}
        kind, data, id_name, reference_name = _PUTS[operation]
        values = request.get(data)
        if values is None:
            raise ValidationFault(f"{data} is required.", (*path, data))
        values = {name: value for name, value in values.items() if name not in _OWN}
        record = self._existing(kind, request, values, (id_name, reference_name), add_only, path)
        if self._faults.swallow(operation):
            ghost = record or Record(kind, wid_of("swallowed"), "SWALLOWED", {}, self._clock.now())
            return {reference_name: _reference(ghost)}
        self._check(kind, values, (*path, data))
        if record is None:
            record = self._create(kind, values, id_name, (*path, data))
        else:
            self._replace(record, values, id_name, (*path, data))
        return {reference_name: _reference(record)}

    def _referred(self, kind: str, request: Tree, name: str, path: Path) -> Record:
        reference = request.get(name)
        record = self._state.find(kind, reference) if reference else None
        if record is None:
            raise ValidationFault(f"{name} is required.", (*path, name))
        return record

    def _existing(
        self, kind: str, request: Tree, values: Tree, names: tuple[str, str], add_only: bool,
        path: Path,
    ) -> Record | None:  # fmt: skip
        """The record that a put is about. Raises ValidationFault with ``Add_Only``."""
        id_name, reference_name = names
        reference = request.get(reference_name)
        if reference is None and values.get(id_name):
            reference = {"type": ID_TYPES[kind], "id": values[id_name]}
        record = self._state.find(kind, reference) if reference else None
        if record is not None and add_only:
            words = self._state.settings.duplicate_words
            raise ValidationFault(
                f"The reference ID '{record.id}' is {words}."
                if words == "already in use"
                else f"{reference_name.removesuffix('_Reference')} {record.id} {words}.",
                (*path, reference_name),
            )
        return record

    def _check(self, kind: str, values: Tree, path: Path) -> None:
        for name in _REQUIRED[kind]:
            if values.get(name) is None:
                raise ValidationFault(f"{name} is required.", (*path, name))
        name = _AMOUNTS.get(kind, "")
        if name and values[name] <= 0:
            raise ValidationFault("The amount must be greater than zero.", (*path, name))
        if kind == "customer" and values.get("Credit_Limit") is not None:
            if not values.get("Credit_Limit_Currency_Reference"):
                raise ValidationFault(
                    "Credit_Limit_Currency_Reference is required with a credit limit.",
                    (*path, "Credit_Limit_Currency_Reference"),
                )
            if values["Credit_Limit"] < 0:
                raise ValidationFault(
                    "The credit limit cannot be negative.", (*path, "Credit_Limit")
                )
        if values.get("Ready_to_AutoApply") and not values.get("Remitfrom_Customer_Reference"):
            raise ValidationFault(
                "A remit-from customer is required to automatically apply the payment.",
                (*path, "Remitfrom_Customer_Reference"),
            )

    def _create(self, kind: str, values: Tree, id_name: str, path: Path) -> Record:
        name = values.get(id_name) or f"{_PREFIXES[kind]}-6-{self._state.next_serial()}"
        values[id_name] = name
        record = Record(
            kind, wid_of(f"{kind}/{name}/{self._state.next_serial()}"), name, values,
            self._clock.now(),
        )  # fmt: skip
        match kind:
            case "invoice":
                values.setdefault("Accounting_Date", values["Invoice_Date"])
                values.setdefault("Due_Date_Override", values["Invoice_Date"])
                values.setdefault("Invoice_Number", f"CI-{self._state.next_serial():08}")
                self._books.post_invoice(record, path)
            case "adjustment":
                values.setdefault("Accounting_Date", values["Adjustment_Date"])
                values.setdefault("Invoice_Number", f"CIA-{self._state.next_serial():08}")
                self._books.post_adjustment(record, path)
            case "payment":
                self._books.check_remittance(record, values, path)
                values.setdefault("Payment_Number", f"CP-{self._state.next_serial():08}")
                self._books.post_payment(record, path)
            case "refund":
                self._books.post_refund(record, path)
        self._state.add(record)
        if kind == "payment" and values.get("Ready_to_AutoApply"):
            self._books.wait_for_apply(record)
        return record

    def _replace(self, record: Record, values: Tree, id_name: str, path: Path) -> None:
        """What the request says is all there is from now on."""
        if record.kind == "refund":
            raise ValidationFault("A submitted customer refund is fixed.", path)
        if record.kind in ("invoice", "adjustment"):
            self._amend(record, values, path)
            return
        values[id_name] = record.id
        if record.kind == "payment":
            for name in _POSTED:
                if values.get(name) != record.values.get(name):
                    raise ValidationFault(f"{name} of a posted payment is fixed.", (*path, name))
            before = record.values.get("Remitfrom_Customer_Reference")
            after = values.get("Remitfrom_Customer_Reference")
            if before is not None and after != before:
                raise ValidationFault(
                    "The remit-from customer of a payment is fixed.",
                    (*path, "Remitfrom_Customer_Reference"),
                )
            self._books.check_remittance(record, values, path)
            if before is None and after is not None:
                self._books.identify(record, after["id"], path)
        dropped = self._faults.dropped_field(record.kind, values)
        if dropped:
            kept = record.values.get(dropped)
            values = {**values, dropped: kept}
        record.values = values
        if record.kind == "payment" and values.get("Ready_to_AutoApply"):
            self._books.wait_for_apply(record)

    def _amend(self, record: Record, values: Tree, path: Path) -> None:
        """Texts of a posted document may change, nothing else."""
        for name in ("Control_Amount_Total", "Customer_Reference", "Company_Reference"):
            if values.get(name) not in (None, record.values[name]):
                raise ValidationFault(f"{name} of a posted document is fixed.", (*path, name))
        texts = ("Memo", "Customer_PO_Number", "Due_Date_Override")
        record.values = {
            **record.values,
            **{name: values[name] for name in texts if name in values},
        }

    def _collect(self, request: Tree, path: Path) -> Tree:
        """Collection information of an invoice; a put replaces it whole."""
        invoice = self._referred("invoice", request, "Customer_Invoice_Reference", path)
        name = "Customer_Invoice_Collection_Information_Data"
        data = request.get(name) or {}
        dispute = data.get("Dispute_Data") or {}
        if dispute.get("Dispute_Amount", Decimal(0)) > invoice.values["Control_Amount_Total"]:
            raise ValidationFault(
                "The dispute amount exceeds the amount of the invoice.",
                (*path, name, "Dispute_Data", "Dispute_Amount"),
            )
        collection = data.get("Collection_Data") or {}
        fresh = {**data, **dispute, **collection}
        for field in (
            "On_Hold", "Is_Excluded_from_Dunning_Letter", "Followup_Date", "Dispute_Date",
            "Dispute_Amount", "Dispute_Reason_Reference", "Collection_Date",
            "Payment_Amount_Promised",
        ):  # fmt: skip
            invoice.values.pop(field, None)
            if fresh.get(field) is not None:
                invoice.values[field] = fresh[field]
        return {"Customer_Invoice_Reference": _reference(invoice)}


def _reference(record: Record) -> dict[str, str]:
    return {"type": ID_TYPES[record.kind], "id": record.id}
