"""Posting periods: which months of a company may be posted to.

A period is open from the company's first open month to the month of the sandbox's own today; a
later month has not begun, an earlier one is closed. Closing a month moves ``open_from`` forward.
"""

from dataclasses import dataclass, field
from datetime import date

__all__ = ["PostingPeriods"]


@dataclass(slots=True)
class PostingPeriods:
    """Open months per company. ``default_from`` holds for companies without an own entry."""

    default_from: date = date(2000, 1, 1)
    open_from: dict[str, date] = field(default_factory=dict)

    def open_company_from(self, company_code: str, first_day: date) -> None:
        """Close every month of the company before the one of ``first_day``."""
        self.open_from[company_code] = first_day.replace(day=1)

    def is_open(self, company_code: str, posting_date: date, today: date) -> bool:
        """True when the month of the posting date may be posted to on that day."""
        first = self.open_from.get(company_code, self.default_from)
        begun = (posting_date.year, posting_date.month) <= (today.year, today.month)
        return begun and posting_date >= first.replace(day=1)
