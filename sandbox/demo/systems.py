"""Which ERPs a demo runs: their companies, currencies, accounts and the options of each kind.

A plan is everything that an ERP's sandbox, its seeder and ``ledgerloop.toml`` must agree on. An
extract makes one SAP plan of its own company codes; the synthetic world has one plan per region.
Company codes are unique over all plans, so that a company alone says which ERP it belongs to. Only
this module of the demo knows which kinds there are; it talks to none of them.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from sandbox.core.companies import CompanyFacts
from sandbox.demo.dataset import DatasetError

__all__ = [
    "BANK_SYSTEM",
    "CRM_SYSTEM",
    "GROUP_CURRENCY",
    "WORLD_PLANS",
    "DemoCompany",
    "ErpPlan",
    "company_facts",
    "is_extract",
    "plan_of_company",
    "plans_of",
    "world_plans",
]

CRM_SYSTEM: Final = "crm"
BANK_SYSTEM: Final = "bank"
GROUP_CURRENCY: Final = "USD"


@dataclass(frozen=True, slots=True)
class DemoCompany:
    """One legal entity of a plan.

    Attributes:
        segment_currency: of limits in the credit segment; empty is the company's own.
        country: where it and its customers sit.
    """

    company_code: str
    currency_code: str
    credit_segment: str
    time_zone: str = "UTC"
    segment_currency: str = ""
    country: str = "US"

    @property
    def limit_currency(self) -> str:
        """The currency that limits in this company's segment are in."""
        return self.segment_currency or self.currency_code


@dataclass(frozen=True, slots=True)
class ErpPlan:
    """One ERP of the demo.

    Attributes:
        companies: by company code.
        bank_gl_account: what the ERP calls the ledger account behind our bank accounts.
        options: the system's options in ``ledgerloop.toml``.
        customer_form: a customer number of this vendor, of a ``number`` of nine digits.
        invoice_form: an invoice number of this vendor, of a ``number`` of ten digits.
        has_orders: whether it has sales orders that credit can hold.
        has_holds: whether a person can put a customer on credit hold.
        has_own_books: it comes with the plan's companies and takes no others.
    """

    system_id: str
    kind: str
    key_prefix: str
    companies: Mapping[str, DemoCompany]
    bank_gl_account: str
    options: Mapping[str, str] = field(default_factory=dict)
    customer_form: str = "{number:010d}"
    invoice_form: str = "{number}"
    has_orders: bool = True
    has_holds: bool = True
    has_own_books: bool = False


def _companies(*companies: DemoCompany) -> Mapping[str, DemoCompany]:
    return MappingProxyType({one.company_code: one for one in companies})


_SAP_OPTIONS: Final = MappingProxyType(
    {"ar_gl_account": "12100000", "unidentified_gl_account": "21650000"}
)
_EXTRACT_ZONES: Final = MappingProxyType({"CA": "America/Toronto", "U0": "America/Chicago"})

_SAP_EUROPE = ErpPlan(
    "sap_emea",
    "sap_s4hana",
    "SAP",
    _companies(
        DemoCompany("DE01", "EUR", "1000", "Europe/Berlin", "EUR", "DE"),
        DemoCompany("GB01", "GBP", "1000", "Europe/London", "EUR", "GB"),
    ),
    "11001000",
    _SAP_OPTIONS,
)
#: The subsidiaries' internal ids: 1 is the account's root, which trades with nobody.
_NETSUITE_AMERICA = ErpPlan(
    "netsuite_na",
    "netsuite",
    "NS",
    _companies(
        DemoCompany("2", "USD", "2", "America/Chicago", "", "US"),
        DemoCompany("3", "CAD", "3", "America/Toronto", "", "CA"),
    ),
    "11001000",
    MappingProxyType({"ar_gl_account": "12100000", "unidentified_gl_account": "21650000"}),
    customer_form="{number}",
    invoice_form="INV{number}",
)
_D365_ASIA = ErpPlan(
    "d365_apac",
    "dynamics365_finance",
    "D365",
    _companies(
        DemoCompany("AUMF", "AUD", "AUMF", "Australia/Sydney", "", "AU"),
        DemoCompany("SGMF", "SGD", "SGMF", "Asia/Singapore", "", "SG"),
        DemoCompany("JPMF", "JPY", "JPMF", "Asia/Tokyo", "", "JP"),
    ),
    "OPER-01",
    MappingProxyType({"ar_gl_account": "130100", "unidentified_gl_account": "201150"}),
    customer_form="AP-{number}",
    invoice_form="FTI-{number}",
)
_WORKDAY_SERVICES = ErpPlan(
    "workday_services",
    "workday",
    "WD",
    _companies(DemoCompany("W100", "USD", "1000", "America/New_York", "", "US")),
    "11001000",
    MappingProxyType({"ar_gl_account": "12100000", "unidentified_gl_account": "21650000"}),
    customer_form="CUST-{number}",
    invoice_form="CI-{number}",
    has_orders=False,
)
_TRYTON_WORKS = ErpPlan(
    "tryton_works",
    "tryton",
    "TRY",
    _companies(DemoCompany("1", "USD", "1", "America/New_York", "", "US")),
    "1.1.1",
    MappingProxyType({"ar_gl_account": "1.2.1", "unidentified_gl_account": "2.9.9"}),
    customer_form="{number}",
    has_holds=False,
    has_own_books=True,
)

#: The ERPs of the synthetic world, in the order in which they are seeded and written down.
WORLD_PLANS: Final = (
    _SAP_EUROPE, _NETSUITE_AMERICA, _D365_ASIA, _WORKDAY_SERVICES, _TRYTON_WORKS,
)  # fmt: skip


def plans_of(companies: Mapping[str, str]) -> tuple[ErpPlan, ...]:
    """The ERPs of an extract: one SAP system with one credit segment in the group's currency.

    Args:
        companies: company code to currency.
    """
    made = [
        DemoCompany(
            code,
            currency,
            "1000",
            _EXTRACT_ZONES.get(code[:2], "UTC"),
            GROUP_CURRENCY,
            "CA" if code.startswith("CA") else "US",
        )
        for code, currency in sorted(companies.items())
    ]
    return (replace(_SAP_EUROPE, companies=_companies(*made)),)


def is_extract(systems: Collection[str]) -> bool:
    """Whether these running systems hold an extract (or its twin) and no world of several ERPs."""
    return {one.system_id for one in WORLD_PLANS}.intersection(systems) == {_SAP_EUROPE.system_id}


def world_plans(
    systems: Collection[str] | None = None, companies: int | None = None
) -> tuple[ErpPlan, ...]:
    """The ERPs of the synthetic world.

    Args:
        systems: ids of those that run; None takes all but Tryton, which needs a server of its own.
        companies: how many legal entities they have together, spread evenly over those that take
            any; None takes the few that the plans name.
    """
    wanted = systems if systems is not None else [one.system_id for one in WORLD_PLANS[:-1]]
    plans = [one for one in WORLD_PLANS if one.system_id in wanted]
    if companies is None:
        return tuple(plans)
    taking = [plan for plan in plans if not plan.has_own_books]
    left = companies - sum(len(plan.companies) for plan in plans if plan.has_own_books)
    counts = {
        plan.system_id: left // len(taking) + (number < left % len(taking))
        for number, plan in enumerate(taking)
    }
    return tuple(
        plan if plan.has_own_books else replace(plan, companies=_many(plan, counts[plan.system_id]))
        for plan in plans
    )


#: How each system numbers its companies when there are many; never longer than four characters.
_CODE_FORMS: Final = MappingProxyType(
    {
        "sap_emea": "E{:03d}",
        "netsuite_na": "{:d}",
        "d365_apac": "D{:03d}",
        "workday_services": "W{:03d}",
    }
)
#: NetSuite's ids are bare numbers, as others' are: these begin where the others never come.
_FIRST_CODES: Final = MappingProxyType({"netsuite_na": 2001})


def _many(plan: ErpPlan, count: int) -> Mapping[str, DemoCompany]:
    """``count`` companies with the currencies, zones and segments of the plan's own, in turn."""
    models = list(plan.companies.values())
    made = []
    for number in range(count):
        model = models[number % len(models)]
        code = _CODE_FORMS[plan.system_id].format(number + _FIRST_CODES.get(plan.system_id, 1))
        has_own_segment = model.credit_segment == model.company_code
        segment = code if has_own_segment else model.credit_segment
        made.append(replace(model, company_code=code, credit_segment=segment))
    return _companies(*made)


def company_facts(plan: ErpPlan) -> dict[str, CompanyFacts]:
    """What the ERP's sandbox must know of the plan's companies."""
    return {
        code: CompanyFacts(one.currency_code, one.credit_segment, one.limit_currency)
        for code, one in plan.companies.items()
    }


def plan_of_company(plans: Iterable[ErpPlan]) -> dict[str, ErpPlan]:
    """Company code to the plan that has it.

    Raises:
        DatasetError: two plans have the same code.
    """
    found: dict[str, ErpPlan] = {}
    for plan in plans:
        for code in plan.companies:
            if code in found:
                raise DatasetError(
                    f"company {code} stands in {found[code].system_id} and in {plan.system_id}",
                    code="dataset_companies",
                )
            found[code] = plan
    return found
