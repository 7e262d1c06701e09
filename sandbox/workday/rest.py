"""REST ``customerAccounts/v1``: customers, invoices, payments and their remittance details.

Lists are ``{"total", "data"}`` with ``limit`` and ``offset``; a refusal names fields and the
validation code of each. Ids are WIDs or ``Type=id``.
"""

import json
from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import unquote

from sandbox.workday.changing import Changing
from sandbox.workday.reading import shown_values
from sandbox.workday.references import describer, descriptor_of
from sandbox.workday.state import ID_TYPES, Record, WorkdayState
from sandbox.workday.trees import ValidationFault

__all__ = ["Rest", "error_body"]

Tree = dict[str, Any]
_DEFAULT_LIMIT = 20


class _Refused(Exception):
    def __init__(self, status: int, message: str, errors: list[tuple[str, str]]) -> None:
        super().__init__(message)
        self.status = status
        self.errors = errors


def error_body(message: str, errors: list[tuple[str, str]] | None = None) -> bytes:
    """``{"error", "errors": [{"error", "field"}]}``."""
    tree: Tree = {"error": message}
    if errors:
        tree["errors"] = [{"error": text, "field": name} for name, text in errors]
    return json.dumps(tree).encode()


class Rest:
    """Answers REST requests below the service's root."""

    def __init__(self, state: WorkdayState, changing: Changing, root: str) -> None:
        self._state = state
        self._changing = changing
        self._describe = describer(state)
        self._root = root

    def answer(
        self, method: str, path: str, query: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        """Status and JSON of one request."""
        parts = [unquote(part) for part in path.strip("/").split("/")]
        try:
            match method, parts:
                case "GET", ["customers" | "invoices" as name]:
                    tree: Tree = self._list(name, query)
                case "GET", ["customers" | "invoices" | "payments" as name, identity]:
                    tree = self._shown(self._found(name[:-1], identity))
                case "POST", ["payments"]:
                    return 201, _dumped(self._pay(_json(body)))
                case "POST", ["payments", identity, "remittanceDetails"]:
                    payment = self._found("payment", identity)
                    return 201, _dumped(self._remit(payment, _json(body)))
                case _:
                    raise _Refused(404, "resource not found", [])
        except _Refused as refused:
            return refused.status, error_body(str(refused), refused.errors)
        except ValidationFault as fault:
            field = fault.path[-1] if fault.path else ""
            return 400, error_body("validation error occurred", [(field, fault.message)])
        return 200, _dumped(tree)

    # -- reading --------------------------------------------------------------------------------

    def _found(self, kind: str, identity: str) -> Record:
        id_type, separator, name = identity.partition("=")
        reference = {"type": id_type if separator else "WID", "id": name or identity}
        record = self._state.find(kind, reference)
        if record is None:
            raise _Refused(404, "invalid request: the instance does not exist", [])
        return record

    def _list(self, name: str, query: Mapping[str, str]) -> Tree:
        records = [r for r in self._state.of_kind(name[:-1]) if _is_asked(r, query)]
        if name == "invoices":
            asked = query.get("paymentStatus")
            records = [
                r
                for r in records
                if not asked or shown_values(self._state, r)["Payment_Status"] == asked
            ]
        limit = min(int(query.get("limit", _DEFAULT_LIMIT)), self._state.settings.rest_rows_max)
        offset = int(query.get("offset", 0))
        shown = records[offset : offset + limit]
        return {"total": len(records), "data": [self._shown(record) for record in shown]}

    def _shown(self, record: Record) -> Tree:
        values = shown_values(self._state, record)
        base: Tree = {
            "id": record.wid,
            "descriptor": descriptor_of(record),
            "href": f"{self._root}/{record.kind}s/{record.wid}",
        }
        match record.kind:
            case "customer":
                limit = values.get("Credit_Limit")
                currency = values.get("Credit_Limit_Currency_Reference") or {"id": ""}
                return base | {
                    "creditLimit": None if limit is None else _money(limit, currency["id"]),
                    "paymentTerms": self._instance(values.get("Payment_Terms_Reference")),
                    "compositeRiskScore": values.get("Composite_Risk_Score"),
                    "commercialCreditScore": values.get("Commercial_Credit_Score"),
                }
            case "invoice":
                currency_code = values["Currency_Reference"]["id"]
                return base | {
                    "invoiceNumber": values["Invoice_Number"],
                    "invoiceDate": values["Invoice_Date"],
                    "dueDate": values["Due_Date_Override"],
                    "totalAmount": _money(values["Control_Amount_Total"], currency_code),
                    "dueAmount": _money(values["Amount_Due"], currency_code),
                    "company": self._instance(values["Company_Reference"]),
                    "billToCustomer": self._instance(values["Customer_Reference"]),
                    "invoiceStatus": {"descriptor": values["Document_Status"]},
                    "paymentStatus": {"descriptor": values["Payment_Status"]},
                    "memo": values.get("Memo"),
                    "inDispute": bool(values.get("Dispute_Amount")),
                    "disputeDate": values.get("Dispute_Date"),
                }
            case _:
                currency_code = values["Payment_Currency_Reference"]["id"]
                return base | {
                    "amount": _money(values["Payment_Amount"], currency_code),
                    "date": values["Payment_Date"],
                    "company": self._instance(values["Company_Reference"]),
                    "remitFromCustomer": self._instance(values.get("Remitfrom_Customer_Reference")),
                    "transactionNumber": values.get("Payment_Number"),
                    "memo": values.get("Payment_Memo"),
                    "applicationStatus": values["Payment_Application_Status"],
                }

    def _instance(self, reference: Mapping[str, str] | None) -> Tree | None:
        if reference is None:
            return None
        descriptor, ids = self._describe(reference)
        return {"id": ids[0][1], "descriptor": descriptor}

    # -- changing -------------------------------------------------------------------------------

    def _pay(self, body: Tree) -> Tree:
        amount = body.get("amount") or {}
        errors = [
            (name, text)
            for name, is_missing, text in (
                ("company", not body.get("company"), "A144: Enter a company."),
                ("amount.currency", not amount.get("currency"), "A146: Enter a currency."),
                ("type", not body.get("type"), "A147: Enter a payment type."),
                ("date", not body.get("date"), "A149: Enter a payment date."),
                ("amount.value", _decimal(amount.get("value")) <= 0,
                 "A152: Enter an amount greater than zero."),
                ("remitFromCustomer",
                 bool(body.get("readyToAutoApply")) and not body.get("remitFromCustomer"),
                 "A145: Enter a remit-from customer to apply automatically."),
            )
            if is_missing
        ]  # fmt: skip
        if errors:
            raise _Refused(400, "validation error occurred", errors)
        values: Tree = {
            "Company_Reference": self._listed("Company_Reference_ID", body["company"]["id"]),
            "Payment_Currency_Reference": self._listed("Currency_ID", amount["currency"]),
            "Payment_Date": date.fromisoformat(body["date"]),
            "Payment_Type_Reference": self._listed("Payment_Type_ID", body["type"]["id"]),
            "Payment_Amount": _decimal(amount["value"]),
            "Ready_to_AutoApply": bool(body.get("readyToAutoApply")),
            "Payment_Memo": body.get("memo"),
            "Payment_Number": body.get("transactionNumber"),
        }
        if body.get("remitFromCustomer"):
            customer = self._found("customer", body["remitFromCustomer"]["id"])
            values["Remitfrom_Customer_Reference"] = {
                "type": ID_TYPES["customer"],
                "id": customer.id,
            }
        request = {"Customer_Payment_Data": {k: v for k, v in values.items() if v is not None}}
        answer = self._changing.answer("Put_Customer_Payment", request, add_only=True)
        reference = answer["Customer_Payment_for_Invoices_Reference"]
        found = self._state.find("payment", reference)
        assert found is not None
        return self._shown(found)

    def _remit(self, payment: Record, body: Tree) -> Tree:
        """One more remittance line, as a put of the whole payment."""
        invoice = self._found("invoice", (body.get("invoice") or {}).get("id", ""))
        line: Tree = {
            "Customer_Invoice_Reference": [{"type": ID_TYPES["invoice"], "id": invoice.id}],
            "Amount_to_Pay": _decimal((body.get("amountToPay") or {}).get("value")),
        }
        name = "Customer_Payment_Remittance_Advice_Data"
        values = {**payment.values, name: [*payment.values.get(name, []), line]}
        self._changing.answer(
            "Put_Customer_Payment",
            {
                "Customer_Payment_for_Invoices_Reference": {
                    "type": ID_TYPES["payment"],
                    "id": payment.id,
                },
                "Customer_Payment_Data": values,
            },
            add_only=False,
        )
        return {"invoice": self._shown(invoice), "amountToPay": body.get("amountToPay")}

    def _listed(self, id_type: str, identity: str) -> dict[str, str]:
        name = identity.partition("=")[2] or identity
        if identity in self._state.static_wids:
            name = self._state.static_wids[identity][1]
        if name not in self._state.lists[id_type]:
            raise _Refused(400, "validation error occurred", [(id_type, f"{identity} is unknown")])
        return {"type": id_type, "id": name}


def _is_asked(record: Record, query: Mapping[str, str]) -> bool:
    values = record.values
    if record.kind == "customer":
        return query.get("search", "").lower() in str(values.get("Customer_Name", "")).lower()
    tests = (
        ("fromDueDate", values.get("Due_Date_Override"), 1),
        ("toDueDate", values.get("Due_Date_Override"), -1),
        ("fromInvoiceDate", values.get("Invoice_Date"), 1),
        ("toInvoiceDate", values.get("Invoice_Date"), -1),
    )
    for name, day, sign in tests:
        if query.get(name) and day and sign * (day - date.fromisoformat(query[name])).days < 0:
            return False
    company = query.get("company", "").partition("=")[2] or query.get("company", "")
    return not company or values["Company_Reference"]["id"] == company


def _json(body: bytes) -> Tree:
    try:
        tree = json.loads(body, parse_float=Decimal)
    except ValueError:
        raise _Refused(400, "invalid request: the body is not JSON", []) from None
    if not isinstance(tree, dict):
        raise _Refused(400, "invalid request: the body is no object", [])
    return tree


def _decimal(value: object) -> Decimal:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return Decimal(0)


def _money(amount: Decimal, currency_code: str) -> Tree:
    return {"value": format(amount, "f"), "currency": currency_code}


def _dumped(tree: Tree) -> bytes:
    """JSON without what is empty, as Workday leaves it out."""
    kept = {name: value for name, value in tree.items() if value is not None}
    return json.dumps(kept, default=str).encode()
