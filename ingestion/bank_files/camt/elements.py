"""Looking into an XML element by local names, and the values that camt writes in it.

Namespaces are ignored: versions differ in them and in wrappers only. Nothing here knows what an
element means for money.
"""

from datetime import UTC, date, datetime
from decimal import Decimal

from lxml import etree

from ingestion.common.errors import InputRefused
from ingestion.common.money import parse_amount

__all__ = ["account", "agreed", "amount_of", "child", "children", "day", "instant", "name", "text"]

_ACCOUNT_PATHS = (("Id", "IBAN"), ("Id", "Othr", "Id"), ("Id", "PrtryAcct", "Id"), ("Id", "BBAN"))


def name(element: etree._Element) -> str:
    """The local name; empty for comments and processing instructions."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def children(element: etree._Element, wanted: str) -> list[etree._Element]:
    """Direct children of a name, in any namespace."""
    return list(element.iterchildren(f"{{*}}{wanted}"))


def child(element: etree._Element, *path: str) -> etree._Element | None:
    """The first element at a path of names; None when absent."""
    found: etree._Element | None = element
    for step in path:
        # lxml's own matching is five times as fast as comparing names here.
        found = next(found.iterchildren(f"{{*}}{step}"), None) if found is not None else None
    return found


def text(element: etree._Element, *path: str) -> str:
    """Text at a path of names, stripped; empty when absent."""
    found = child(element, *path)
    return (found.text or "").strip() if found is not None else ""


def agreed(elements: list[etree._Element], *path: str) -> str:
    """What all elements say at a path; empty when they differ."""
    found = {text(one, *path) for one in elements} - {""}
    return found.pop() if len(found) == 1 else ""


def account(element: etree._Element, role: str) -> str:
    """An account's IBAN or other id, without blanks."""
    holder = child(element, role)
    if holder is None:
        return ""
    for path in _ACCOUNT_PATHS:
        found = text(holder, *path)
        if found:
            return found.replace(" ", "")
    return ""


def amount_of(element: etree._Element, where: str) -> tuple[Decimal, str]:
    """``Amt`` with its currency, negative for a debit.

    Raises:
        InputRefused: no amount, no sign, not a number of that currency.
    """
    holder = child(element, "Amt")
    side = text(element, "CdtDbtInd")
    if holder is None or side not in ("CRDT", "DBIT"):
        missing = "amount (Amt)" if holder is None else "credit/debit sign (CdtDbtInd)"
        raise InputRefused(
            f"{where} lacks its {missing}: ask the bank for a correct statement",
            code="missing_amount",
            where=where,
        )
    currency_code = holder.get("Ccy", "")
    amount = parse_amount(holder.text or "", currency_code, where=where)
    return (-amount if side == "DBIT" else amount), currency_code


def day(element: etree._Element, wanted: str, where: str) -> date | None:
    """A date given as ``Dt`` or ``DtTm``; the calendar day that the bank wrote.

    Raises:
        InputRefused: it is no date.
    """
    found = text(element, wanted, "Dt") or text(element, wanted, "DtTm")
    if not found:
        return None
    try:
        return date.fromisoformat(found[:10])
    except ValueError:
        raise _bad_date(found, "a date", where) from None


def instant(found: str, where: str) -> datetime | None:
    """An instant; without an offset it is taken as UTC.

    Raises:
        InputRefused: it is no point in time.
    """
    if not found:
        return None
    try:
        parsed = datetime.fromisoformat(found)
    except ValueError:
        raise _bad_date(found, "a point in time", where) from None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)


def _bad_date(found: str, what: str, where: str) -> InputRefused:
    return InputRefused(
        f"{where}: {found!r} is not {what}: ask the bank for a correct statement",
        code="bad_date",
        where=where,
    )
