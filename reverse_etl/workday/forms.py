"""Changing one part of a Workday object and sending all of it: a put replaces what it names not.

So an element read just before is copied whole, what Workday works out itself is taken out, and
the changed elements are put where the schema wants them. Pure: nothing is sent here.
"""

from collections.abc import Iterable, Sequence
from copy import deepcopy
from datetime import date
from decimal import Decimal

from lxml import etree

from ingestion.common.errors import InputRefused, VendorAnswerInvalid
from ingestion.common.money import canonical_text, parse_amount
from ingestion.workday.client import local_name, qualified
from reverse_etl.ledger.commands import Value
from reverse_etl.workday.settings import READ_ONLY

__all__ = [
    "copied_data",
    "date_text",
    "money_of",
    "money_text",
    "needed",
    "put_in_order",
    "reference_id",
    "remove",
]

_PREFIX = "LLP-"


def reference_id(external_key: str, part: str = "") -> str:
    """The id that travels into Workday: ``LLP-<key>``, for further objects ``LLP-<key>-<part>``."""
    return f"{_PREFIX}{external_key}-{part}" if part else f"{_PREFIX}{external_key}"


def copied_data(row: etree._Element, name: str) -> etree._Element:
    """A row's data element as it may be put back.

    Raises:
        VendorAnswerInvalid: the row has no such element.
    """
    found = row.find(qualified(name))
    if found is None:
        raise VendorAnswerInvalid(f"a row without {name}", code="row_without_data")
    copy = deepcopy(found)
    for child in list(copy):
        if local_name(child) in READ_ONLY:
            copy.remove(child)
    return copy


def remove(parent: etree._Element, names: Iterable[str]) -> None:
    """Take child elements out, all of each name."""
    for name in names:
        for child in parent.findall(qualified(name)):
            parent.remove(child)


def put_in_order(parent: etree._Element, child: etree._Element, order: Sequence[str]) -> None:
    """Insert a child after all that the schema puts before it or beside it."""
    place = order.index(local_name(child))
    earlier = frozenset(order[: place + 1])
    index = 0
    for number, other in enumerate(parent, 1):
        if other is not child and local_name(other) in earlier:
            index = number
    parent.insert(index, child)


def needed(value: Value, name: str) -> str:
    """A field that must be there. Raises InputRefused."""
    if value in (None, ""):
        raise InputRefused(f"{name} is missing", code="field_missing", where=name)
    return str(value)


def money_of(text: Value, currency_code: str, name: str) -> Decimal:
    """A positive amount of a currency. Raises InputRefused for anything else."""
    amount = parse_amount(needed(text, name), currency_code, where=name)
    if amount <= 0:
        raise InputRefused(f"{name}: {amount} is not positive", code="not_positive", where=name)
    return amount


def money_text(text: str) -> str:
    """A decimal of Workday as canonical text, empty for nothing."""
    return canonical_text(Decimal(text)) if text else ""


def date_text(text: str) -> str:
    """A date of Workday as ISO text; it may come with a time zone."""
    return date.fromisoformat(text[:10]).isoformat() if text else ""
