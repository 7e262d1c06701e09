"""What a sandboxed ERP must know of a legal entity to have it: currency and credit segment.

A kind that runs with companies other than its own defaults offers ``settings_for(companies,
rates)``, which makes its ``Settings`` of these. No vendor stands here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

__all__ = ["CompanyFacts", "cross_rates"]


@dataclass(frozen=True, slots=True)
class CompanyFacts:
    """One legal entity. ``limit_currency``: of credit limits in its segment."""

    currency_code: str
    credit_segment: str
    limit_currency: str


def cross_rates(
    companies: Iterable[CompanyFacts], rates: Mapping[str, Decimal]
) -> dict[tuple[str, str], Decimal]:
    """Units of the second currency per unit of the first, for all that the companies use.

    Args:
        companies: of one ERP.
        rates: what one unit of a currency is worth in one and the same other currency.
    """
    used = {
        code for one in companies for code in (one.currency_code, one.limit_currency)
    } & rates.keys()
    return {(one, two): rates[one] / rates[two] for one in used for two in used if one != two}
