"""What all books say in the end, without numbers that depend on the order of posting.

Two scenes seeded alike must end with the same picture, whatever happened on the way. It is read
through the vendors' protocols with other people's clients; effects are counted in the sandbox's own
ledger.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from tests.flow.independent_check import UNIDENTIFIED, read_crm, read_items
from tests.flow.scene import CRM, ERP, Scene

__all__ = ["Picture", "doubled_effects", "picture"]

_CRM_NUMBERS = {"attributes", "Id", "Account__c", "ERP_Invoice_Key__c"}


@dataclass(frozen=True)
class Picture:
    """Customer items and unidentified receipts, credit accounts, orders' releases, CRM rows."""

    items: Counter[tuple[Any, ...]]
    credit: dict[str, tuple[Any, ...]]
    orders_released: dict[str, int]
    crm: dict[str, Counter[tuple[Any, ...]]]


def picture(scene: Scene) -> Picture:
    """Look at every book of a scene."""
    systems = scene.endpoints["systems"]
    items = Counter(
        (
            item.company, item.customer, item.document_type, item.reference, item.gl_account,
            item.amount, item.currency, item.due_date, item.cleared_on is not None, item.hub_key,
        )
        for item in read_items(systems[ERP])
        if item.account_type == "D" or item.gl_account == UNIDENTIFIED
    )  # fmt: skip
    names = ("CreditLimitAmount", "CreditLimitIsZero", "CreditAccountIsBlocked")
    credit = {
        customer: tuple(row[name] for name in names)
        for customer, row in scene.credit_accounts().items()
    }
    crm = {
        name: Counter(
            tuple(sorted((k, str(v)) for k, v in row.items() if k not in _CRM_NUMBERS))
            for row in rows
        )
        for name, rows in read_crm(systems[CRM]).items()
    }
    return Picture(items, credit, scene.ledger(ERP)["orders_released"], crm)


def doubled_effects(scene: Scene) -> dict[str, Any]:
    """Keys of the outside that had more than one effect, in the vendors' own ledgers."""
    sap = scene.ledger(ERP)
    found: dict[str, Any] = {
        f"{place} {key}": documents
        for place in ("effects", "bookings_by_bank_reference")
        for key, documents in sap[place].items()
        if len(set(documents)) > 1 or len(documents) > 1
    }
    found |= {
        f"order {order}": times for order, times in sap["orders_released"].items() if times != 1
    }
    for name, keys in scene.ledger(CRM)["effects"].items():
        for key, counts in keys.items():
            if counts["creates"] > 1 or counts["records"] != 1:
                found[f"{name} {key}"] = counts
    if sap["waiting_clearings"]:
        found["waiting clearings"] = sap["waiting_clearings"]
    return found
