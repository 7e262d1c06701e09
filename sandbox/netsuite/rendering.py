"""Records as JSON of the record service: references, enumerations, sublists, links."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sandbox.netsuite.books import Books
from sandbox.netsuite.schema import SCHEMAS, TRANSACTION_TYPES, sublist_rules
from sandbox.netsuite.state import NetSuiteState, Record

__all__ = ["rendered"]

_PATHS = {"entity": "customer", "customer": "customer", "parent": "customer"}


def rendered(state: NetSuiteState, books: Books, record: Record, root: str) -> dict[str, Any]:
    """One record, sublists included."""
    here = f"{root}/record/v1/{record.kind}/{record.id}"
    shown: dict[str, Any] = {"links": [{"rel": "self", "href": here}], "id": record.id}
    for name, rule in SCHEMAS[record.kind].items():
        value = record.values.get(name)
        if rule.kind == "sublist":
            rows = _sublist(state, record, name)
            if rows is not None:
                shown[name] = {
                    "links": [{"rel": "self", "href": f"{here}/{name}"}],
                    "items": [_line(name, row, root) for row in rows],
                    "totalResults": len(rows),
                }
        elif value is not None:
            shown[name] = _value(rule.kind, name, value, root)
    shown.update(_figures(state, books, record))
    return shown


def _value(kind: str, name: str, value: Any, root: str) -> Any:
    if kind == "ref":
        path = _PATHS.get(name, name)
        return {
            "links": [{"rel": "self", "href": f"{root}/record/v1/{path}/{value}"}],
            "id": value,
            "refName": value,
        }
    if kind == "enum":
        return {"id": value, "refName": value}
    return value


def _line(sublist: str, row: Mapping[str, Any], root: str) -> dict[str, Any]:
    rules = sublist_rules(sublist)
    return {
        name: _value(rules[name].kind if name in rules else "text", name, value, root)
        for name, value in row.items()
        if value is not None
    }


def _sublist(state: NetSuiteState, record: Record, name: str) -> list[dict[str, Any]] | None:
    if name == "apply" and record.kind == "customerRefund":
        return [
            {"doc": link.credit, "apply": True, "amount": link.amount}
            for link in state.links.values()
            if link.invoice == record.id
        ]
    if name == "apply":
        return _applied(state, record)
    if name == "credit":
        return [
            {"doc": link.credit, "apply": True, "amount": link.amount, "appliedTo": link.invoice}
            for link in state.links.values()
            if link.via == record.id and link.credit != record.id
        ]
    rows = record.values.get(name)
    return list(rows) if rows else None


def _applied(state: NetSuiteState, record: Record) -> list[dict[str, Any]]:
    """Applied lines, then the customer's open invoices that could be."""
    found: dict[str, dict[str, Any]] = {}
    for link in state.links.values():
        if link.credit == record.id:
            found[link.invoice] = {"apply": True, "amount": link.amount}
            if link.discount:
                found[link.invoice]["disc"] = link.discount
    party = record.ref("customer") or record.ref("entity")
    rows = []
    for number, invoice in state.of_kind("invoice").items():
        due = state.open_amount(invoice)
        if number not in found and (invoice.ref("entity") != party or not due):
            continue
        rows.append(
            {
                "doc": number,
                "line": 0,
                "type": TRANSACTION_TYPES[invoice.kind],
                "refNum": invoice.values.get("tranId"),
                "applyDate": invoice.values["tranDate"],
                "total": invoice.values["total"],
                "due": due,
                **found.get(number, {"apply": False}),
            }
        )
    return rows


def _figures(state: NetSuiteState, books: Books, record: Record) -> dict[str, Any]:
    """Read-only amounts, and when the record was made and changed."""
    values = record.values
    created = "dateCreated" if record.kind == "customer" else "createdDate"
    shown: dict[str, Any] = {created: record.created_at, "lastModifiedDate": record.changed_at}
    unpaid = state.open_amount(record)
    match record.kind:
        case "customer":
            shown["balance"] = books.balance(record.id)
            shown["unbilledOrders"] = books.unbilled_orders(record.id)
            shown["overdueBalance"] = Decimal(0)
        case "invoice":
            shown |= {"amountRemaining": unpaid, "amountPaid": values["total"] - unpaid}
            shown["status"] = {
                "id": "Open" if unpaid else "Paid In Full",
                "refName": "Open" if unpaid else "Paid In Full",
            }
        case "creditMemo":
            shown |= {"amountRemaining": unpaid, "applied": values["total"] - unpaid}
        case "customerPayment":
            total = values["payment"]
            shown |= {"total": total, "unapplied": unpaid, "applied": total - unpaid}
        case "customerRefund":
            shown["total"] = values["total"]
        case "salesOrder":
            shown["status"] = {"id": values["orderStatus"], "refName": values["orderStatus"]}
    return {} if record.kind.startswith("customrecord") else shown
