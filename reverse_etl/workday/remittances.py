"""Remittance advice on a payment: Workday applies what it says.

A put replaces, so the payment is read whole, the lines that it lacks are added and all of it is put
back. A line is the hub's when its details hold the hub's key. Nothing is sent here.
"""

from collections.abc import Sequence
from decimal import Decimal

from lxml import etree

from ingestion.workday.client import WorkdayClient, add, add_reference, id_of, qualified, text_at
from reverse_etl.workday.forms import copied_data, put_in_order, remove
from reverse_etl.workday.lines import ApplyLine
from reverse_etl.workday.payments import PAYMENT_DATA, PAYMENT_REFERENCE, wid_of
from reverse_etl.workday.settings import PAYMENT_ORDER

__all__ = ["ADVICE", "advising_request", "is_advised", "is_applied"]

ADVICE = "Customer_Payment_Remittance_Advice_Data"
_DETAILS = "Customer_Payment_Remittance_Advice_Details_Data"


def advising_request(
    client: WorkdayClient, row: etree._Element, key: str, lines: Sequence[ApplyLine]
) -> etree._Element | None:
    """The whole payment with the lines that it lacks; None when it lacks none.

    Args:
        client: makes the request.
        row: the payment as it was read just before.
        key: what marks the lines as the command's.
        lines: what the payment shall pay.
    """
    have = _hub_lines(row, key)
    missing = [line for line in lines if have.get(line.invoice) != line.cash and line.cash]
    if not missing:
        return None
    data = copied_data(row, PAYMENT_DATA)
    remove(data, ["Ready_to_AutoApply"])
    ready = etree.Element(qualified("Ready_to_AutoApply"))
    ready.text = "true"
    put_in_order(data, ready, PAYMENT_ORDER)
    for line in missing:
        put_in_order(data, _advice(line, key), PAYMENT_ORDER)
    content = client.request("Put_Customer_Payment")
    add_reference(content, PAYMENT_REFERENCE, "WID", wid_of(row, PAYMENT_REFERENCE))
    content.append(data)
    return content


def is_advised(row: etree._Element, key: str, lines: Sequence[ApplyLine]) -> bool:
    """Whether every line stands on a payment with just its amount."""
    have = _hub_lines(row, key)
    return all(have.get(line.invoice) == line.cash for line in lines if line.cash)


def is_applied(data: etree._Element) -> bool:
    """Whether Workday applied what the remittance asks for, as far as its status says it."""
    status = text_at(data, "Payment_Application_Status")
    asked = sum(
        (
            Decimal(text_at(element, "Amount_to_Pay") or "0")
            for element in data.findall(qualified(ADVICE))
        ),
        Decimal(0),
    )
    is_whole = asked >= Decimal(text_at(data, "Payment_Amount") or "0")
    return status == "Applied" if is_whole else status in ("Applied", "Partially Applied")


def _advice(line: ApplyLine, key: str) -> etree._Element:
    element = etree.Element(qualified(ADVICE))
    add_reference(element, "Customer_Invoice_Reference", "WID", line.invoice)
    add(element, "Amount_to_Pay", format(line.cash, "f"))
    add_reference(element, "Billto_Customer_Reference", "Customer_ID", line.customer)
    add(add(element, _DETAILS), "Detail_Information", key)
    return element


def _hub_lines(row: etree._Element, key: str) -> dict[str, Decimal]:
    """Invoice to amount of the remittance lines that carry a key."""
    found: dict[str, Decimal] = {}
    for element in row.findall(f"{qualified(PAYMENT_DATA)}/{qualified(ADVICE)}"):
        details = [d.text for d in element.iter(qualified("Detail_Information"))]
        if key in details:
            invoice = id_of(element.find(qualified("Customer_Invoice_Reference")), "WID")
            found[invoice] = Decimal(text_at(element, "Amount_to_Pay") or "0")
    return found
