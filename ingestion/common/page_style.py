"""How a vendor's page looks: data for the page reader, light enough for every settings file.

It must stay free of pyarrow: senders import clients and settings, and have to stay small.
"""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["DateStyle", "PageStyle"]


class DateStyle(StrEnum):
    """How a vendor writes dates and instants in JSON."""

    ODATA_V2 = "odata_v2"
    """``/Date(1492041600000)/``: milliseconds of UTC; instants may carry ``+0000``."""
    ISO = "iso"
    """``2026-01-02`` and ``2026-01-02T03:04:05.000+0000``."""


@dataclass(frozen=True, slots=True)
class PageStyle:
    """A vendor's page.

    Args:
        envelope: names from the top of the document down to the array of rows.
        dates: the spelling of dates.
        ignored: row keys that are protocol, not data (``__metadata``, ``attributes``).
        ignored_prefix: the same, by prefix (``to_`` navigation); empty means none.
        omits_nulls: True where empty values are left out of a row, so that an absent key says
            nothing (the query names every column, and the vendor refuses unknown ones).
    """

    envelope: tuple[str, ...]
    dates: DateStyle
    ignored: frozenset[str] = frozenset()
    ignored_prefix: str = ""
    omits_nulls: bool = False
