"""Which fields each record type has, and how a value of the wire becomes a value of the store.

A reference is kept as the internal id, an enumeration as its id, money as Decimal, a sublist as a
list of such dicts. Read-only fields (``!``) are rendered by ``records`` and ignored when sent.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from sandbox.netsuite.errors import RequestRefused

__all__ = ["SCHEMAS", "TRANSACTION_TYPES", "FieldRule", "parsed", "sublist_rules"]

#: Record type of the REST services to type of SuiteQL's ``transaction``.
TRANSACTION_TYPES: Mapping[str, str] = {
    "invoice": "CustInvc",
    "creditMemo": "CustCred",
    "customerPayment": "CustPymt",
    "customerRefund": "CustRfnd",
    "journalEntry": "Journal",
    "salesOrder": "SalesOrd",
}


@dataclass(frozen=True, slots=True)
class FieldRule:
    """One field. ``values`` are an enumeration's ids."""

    name: str
    kind: str = "text"
    is_read_only: bool = False
    values: tuple[str, ...] = ()


def _rules(notation: str) -> dict[str, FieldRule]:
    """Rules from ``"entityId creditLimit:money balance:money! hold:enum(AUTO,ON)"``."""
    found = {}
    for word in notation.split():
        name, _, kind = word.partition(":")
        is_read_only = word.endswith("!")
        kind, _, listed = kind.rstrip("!").partition("(")
        name = name.rstrip("!")
        values = tuple(listed.rstrip(")").split(",")) if listed else ()
        found[name] = FieldRule(name, kind or "text", is_read_only, values)
    return found


_SHARED = """id! externalId customForm:ref memo tranId tranDate:date subsidiary:ref currency:ref
exchangeRate:money postingPeriod:ref createdDate:instant! lastModifiedDate:instant! links! refName!
"""

SCHEMAS: Mapping[str, Mapping[str, FieldRule]] = {
    "customer": _rules(
        """id! externalId entityId companyName isPerson:flag firstName lastName isInactive:flag
        subsidiary:ref currency:ref terms:ref email phone parent:ref comments category:ref
        creditLimit:money creditHoldOverride:enum(AUTO,ON,OFF) vatRegNumber accountNumber
        addressBook:sublist balance:money! overdueBalance:money! unbilledOrders:money!
        dateCreated:instant! lastModifiedDate:instant! links! refName!"""
    ),
    "invoice": _rules(
        _SHARED
        + """entity:ref dueDate:date terms:ref account:ref otherRefNum createdFrom:ref
        approvalStatus:enum(1,2,3,11) item:sublist status:enum! total:money! subtotal:money!
        amountPaid:money! amountRemaining:money!"""
    ),
    "creditMemo": _rules(
        _SHARED
        + """entity:ref account:ref otherRefNum createdFrom:ref item:sublist apply:sublist
        autoApply:flag status:enum! total:money! applied:money! amountRemaining:money!"""
    ),
    "customerPayment": _rules(
        _SHARED
        + """customer:ref payment:money account:ref undepFunds:flag arAcct:ref checkNumber
        paymentOption:ref autoApply:flag toBeEmailed:flag apply:sublist credit:sublist
        deposit:sublist status:enum! total:money! applied:money! unapplied:money! balance:money!"""
    ),
    "customerRefund": _rules(
        _SHARED
        + """customer:ref account:ref arAcct:ref paymentOption:ref paymentMethod:ref apply:sublist
        deposit:sublist toBeEmailed:flag status:enum! total:money! balance:money!"""
    ),
    "journalEntry": _rules(_SHARED + "approved:flag isReversal:flag! line:sublist"),
    "salesOrder": _rules(
        _SHARED
        + """entity:ref otherRefNum shipDate:date orderStatus:enum(A,B,C,D,E,F,G,H) terms:ref
        item:sublist status:enum! total:money! subtotal:money!"""
    ),
    "customerSubsidiaryRelationship": _rules(
        "id! externalId entity:ref subsidiary:ref links! refName!"
    ),
    "customrecord_2663_entity_bank_details": _rules(
        """id! externalId name isInactive:flag custrecord_2663_parent_customer:ref
        custrecord_2663_entity_iban custrecord_2663_entity_acct_no custrecord_2663_entity_bic
        links! refName!"""
    ),
}

_SUBLISTS: Mapping[str, Mapping[str, FieldRule]] = {
    "item": _rules(
        "item:ref amount:money quantity:money rate:money description line:integer taxCode:ref"
    ),
    "apply": _rules(
        """doc:ref apply:flag amount:money disc:money line:integer due:money! total:money! refNum!
        type! applyDate:date! createdFrom! currency! discAmt:money! discDate:date!"""
    ),
    "credit": _rules(
        """doc:ref apply:flag amount:money line:integer due:money! total:money! refNum! type!
        creditDate:date! appliedTo!"""
    ),
    "deposit": _rules("doc:ref apply:flag amount:money line:integer"),
    "line": _rules("account:ref debit:money credit:money entity:ref memo line:integer"),
    "addressBook": _rules(
        "defaultBilling:flag defaultShipping:flag label addressBookAddress:object id!"
    ),
}


def sublist_rules(name: str) -> Mapping[str, FieldRule]:
    """The fields of one line of a sublist."""
    return _SUBLISTS[name]


#: Finds the internal id of a reference by field name, form (``id`` or ``externalId``) and value.
Resolve = Callable[[str, str, str], str | None]


def parsed(
    rules: Mapping[str, FieldRule],
    body: Mapping[str, Any],
    resolve: Resolve,
    *,
    is_strict: bool = True,
    path: str = "",
) -> dict[str, Any]:
    """The writable values of a body.

    Raises:
        RequestRefused: an unknown field (when strict), a wrong type, an unknown reference.
    """
    found: dict[str, Any] = {}
    for name, value in body.items():
        rule = rules.get(name)
        place = f"{path}{name}"
        if rule is None:
            if is_strict:
                raise RequestRefused(
                    400, "INVALID_CONTENT", f"Unknown field '{name}' was specified.", path=place
                )
            continue
        if not rule.is_read_only:
            found[name] = _value(rule, value, resolve, place, is_strict)
    return found


def _value(rule: FieldRule, value: Any, resolve: Resolve, place: str, is_strict: bool) -> Any:
    if rule.kind == "sublist":
        rows = value.get("items", []) if isinstance(value, dict) else value
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise _invalid(rule.name, value, place)
        inner = _SUBLISTS[rule.name]
        return [
            parsed(inner, row, resolve, is_strict=is_strict, path=f"{place}.items[{number}].")
            for number, row in enumerate(rows)
        ]
    if value is None:
        return None
    if rule.kind == "ref":
        return _reference(rule, value, resolve, place)
    try:
        return _plain(rule, value)
    except (ValueError, TypeError, InvalidOperation):
        raise _invalid(rule.name, value, place) from None


def _plain(rule: FieldRule, value: Any) -> Any:  # noqa: C901 - one case per kind
    """A value that is no reference. Raises ValueError, TypeError, InvalidOperation."""
    match rule.kind:
        case "money":
            if isinstance(value, bool) or not isinstance(value, int | Decimal):
                raise TypeError(rule.name)
            return Decimal(value)
        case "date":
            return date.fromisoformat(str(value)[:10])
        case "flag":
            if not isinstance(value, bool):
                raise TypeError(rule.name)
            return value
        case "integer":
            return int(value)
        case "enum":
            chosen = value.get("id") if isinstance(value, dict) else value
            if rule.values and chosen not in rule.values:
                raise ValueError(rule.name)
            return str(chosen)
        case "object":
            return dict(value)
        case _:
            if not isinstance(value, str):
                raise TypeError(rule.name)
            return value


def _reference(rule: FieldRule, value: Any, resolve: Resolve, place: str) -> str:
    form, given = "id", value
    if isinstance(value, dict):
        form = "externalId" if "externalId" in value and "id" not in value else "id"
        given = value.get(form)
    text = str(given)
    if text.startswith("eid:"):
        form, text = "externalId", text.removeprefix("eid:")
    found = resolve(rule.name, form, text)
    if given is None or found is None:
        raise _invalid(rule.name, text, place)
    return found


def _invalid(name: str, value: Any, place: str) -> RequestRefused:
    shown = str(value)[:60]
    return RequestRefused(
        400,
        "INVALID_CONTENT",
        "Error while accessing resource: You have entered an Invalid Field Value "
        f"{shown} for the following field: {name}",
        path=place,
    )
