"""What a reference in a message names, and what a reference in an answer shows.

Every reference of a request must name something that exists; it is then kept under its reference
id, never its WID, so that books and answers agree whatever the caller used.
"""

from collections.abc import Mapping
from typing import Any

from sandbox.workday.schema import TYPES
from sandbox.workday.state import ID_TYPES, Record, WorkdayState, wid_of
from sandbox.workday.trees import ValidationFault

__all__ = ["describer", "descriptor_of", "normalised"]

_KIND_OF = {id_type: kind for kind, id_type in ID_TYPES.items()}
#: Other names of the same id.
_SAME = {
    "Organization_Reference_ID": "Company_Reference_ID",
    "Customer_Reference_ID": "Customer_ID",
}
#: Lists of the standards: any entry of the right form exists.
_OPEN_LISTS = ("ISO_3166-1_Alpha-2_Code", "ISO_3166-1_Alpha-3_Code", "Country_Region_ID",
               "Tax_ID_Type_ID", "Remittance_Advice_Type_ID")  # fmt: skip


def normalised(
    state: WorkdayState, type_name: str, tree: dict[str, Any], path: tuple[str, ...]
) -> dict[str, Any]:
    """The tree with every reference under its reference id.

    Raises:
        ValidationFault: a reference that names nothing.
    """
    found = dict(tree)
    for part in TYPES[type_name]:
        value = tree.get(part.name)
        if value is None:
            continue
        here = (*path, part.name)
        if part.type == "ref":
            many = [_known(state, one, here) for one in (value if part.is_many else [value])]
            found[part.name] = many if part.is_many else many[0]
        elif part.type in TYPES:
            inner = [
                normalised(state, part.type, one, here)
                for one in (value if part.is_many else [value])
            ]
            found[part.name] = inner if part.is_many else inner[0]
    return found


def _known(
    state: WorkdayState, reference: Mapping[str, str] | None, path: tuple[str, ...]
) -> dict[str, str]:
    kind, name = (reference["type"], reference["id"]) if reference else ("", "")
    kind = _SAME.get(kind, kind)
    if kind in _OPEN_LISTS:
        return {"type": kind, "id": name}
    if kind == "WID":
        record = state.records.get(name)
        if record is not None:
            return {"type": ID_TYPES[record.kind], "id": record.id}
        if name in state.static_wids:
            listed, one = state.static_wids[name]
            return {"type": listed, "id": one}
    elif name in state.lists.get(kind, ()) or (kind, name) in state.by_id:
        return {"type": kind, "id": name}
    raise ValidationFault(
        f"Invalid ID value. '{name}' is not a valid ID value for type = '{kind}'", path
    )


def descriptor_of(record: Record) -> str:
    """What people read of a record."""
    values = record.values
    match record.kind:
        case "customer":
            return str(values.get("Customer_Name") or record.id)
        case "payment":
            return f"Customer Payment: {values.get('Payment_Number') or record.id}"
        case "refund":
            return f"Customer Refund: {record.id}"
        case "adjustment":
            return f"Customer Invoice Adjustment: {values.get('Invoice_Number') or record.id}"
        case _:
            return f"Customer Invoice: {values.get('Invoice_Number') or record.id}"


class describer:  # noqa: N801 # used as a function
    """``describe(reference)`` of a state: descriptor and all ids."""

    def __init__(self, state: WorkdayState) -> None:
        self._state = state

    def __call__(self, reference: Mapping[str, str]) -> tuple[str, list[tuple[str, str]]]:
        kind, name = reference["type"], reference["id"]
        own = _KIND_OF.get(kind)
        record = self._state.find(own, reference) if own else None
        if record is not None:
            return descriptor_of(record), [("WID", record.wid), (kind, record.id)]
        descriptor = self._state.lists.get(kind, {}).get(name, name)
        wid = wid_of(f"{kind}/{name}")
        # Whoever was shown a WID may name it: also one of a list that is open.
        self._state.static_wids.setdefault(wid, (kind, name))
        ids = [("WID", wid), (kind, name)]
        if kind == "Company_Reference_ID":
            ids.insert(1, ("Organization_Reference_ID", name))
        return descriptor, ids
