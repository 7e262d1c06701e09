"""Journal Entry – Change: fields of posted customer items, taken at once with 202.

Only fields that do not change what is owed: blocks, dunning, references, texts. A field is touched
when its change is requested; an unknown item or element changes nothing, and only the log says so.
"""

from typing import Any

from lxml import etree

from sandbox.sap_s4hana.books import ITEMS
from sandbox.sap_s4hana.odata.values import alpha
from sandbox.sap_s4hana.ports import ClockPort
from sandbox.sap_s4hana.soap import Message
from sandbox.sap_s4hana.state import SapState

__all__ = ["CHANGE_ENTRY", "CHANGE_REQUEST", "change_items"]

CHANGE_REQUEST, CHANGE_ENTRY = "JournalEntryBulkChangeRequest", "JournalEntryDebtorCreditorItem"
#: The message's element to the item's property, and how long it may be.
_FIELDS = {
    "PaymentBlockingReasonCode": ("PaymentBlockingReason", 1),
    "DunningBlockingReasonCode": ("DunningBlockingReason", 1),
    "DunningLevel": ("DunningLevel", 1),
    "DocumentItemText": ("DocumentItemText", 50),
    "AssignmentReference": ("AssignmentReference", 18),
    "Reference1IDByBusinessPartner": ("Reference1IDByBusinessPartner", 12),
    "Reference2IDByBusinessPartner": ("Reference2IDByBusinessPartner", 12),
    "PaymentDifferenceReason": ("PaymentDifferenceReason", 3),
}


def change_items(state: SapState, clock: ClockPort, message: Message) -> list[str]:
    """Change what a message asks for; what is wrong with entries, in SAP's manner of speaking."""
    problems = []
    for entry in message.entries:
        problem = _change(state, clock, entry)
        if problem:
            problems.append(problem)
    return problems


def _change(state: SapState, clock: ClockPort, entry: etree._Element) -> str:
    key = {child.tag: (child.text or "").strip() for child in entry.findall("ItemKey/*")}
    row = state.tables[ITEMS].get(
        key.get("CompanyCode", ""),
        key.get("FiscalYear", ""),
        alpha(key.get("AccountingDocument", ""), 10),
        alpha(key.get("AccountingDocumentItemID", ""), 3),
    )
    if row is None or row["FinancialAccountType"] != "D":
        return f"Item {'/'.join(key.values())} does not exist"
    changes: dict[str, Any] = {}
    for element in entry:
        name = str(element.tag).removesuffix("Change")
        if element.tag in ("MessageHeader", "ItemKey"):
            continue
        if (element.findtext("FieldValueChangeIsRequested") or "").strip() != "true":
            continue
        if name not in _FIELDS:
            return f"Field {name} cannot be changed"
        own, length = _FIELDS[name]
        text = (element.findtext(name) or "").strip()
        if len(text) > length:
            return f"{name} is longer than {length} characters"
        changes[own] = text
    state.tables[ITEMS].update(row, {**changes, "LastChangeDate": clock.today()})
    return ""
