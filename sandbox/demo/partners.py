"""Customers as business partners: address, tax number, bank account, spellings.

The extract knows a number, a masked name and items; an ERP wants a whole master record. What is
added is made up from the seed and looks like nothing real.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from sandbox.demo.dataset import Dataset
from sandbox.demo.identifiers import iban, tax_number
from sandbox.demo.settings import Settings
from sandbox.demo.systems import ErpPlan, plan_of_company

__all__ = ["Partner", "make_partners"]

_STREETS = ("Commerce Street", "Mill Road", "Harbor Avenue", "Market Street", "Depot Lane",
            "Orchard Drive", "Station Road", "Foundry Way", "Elm Court")  # fmt: skip
_US_CITIES = (("Columbus", "OH", "43004"), ("Tulsa", "OK", "74103"), ("Boise", "ID", "83702"),
              ("Macon", "GA", "31201"), ("Salem", "OR", "97301"), ("Dayton", "OH", "45402"),
              ("Peoria", "IL", "61602"), ("Mobile", "AL", "36602"))  # fmt: skip
_CITIES = {
    "US": _US_CITIES,
    "CA": (("Guelph", "ON", "N1H 1A1"), ("Regina", "SK", "S4P 0A1"), ("Laval", "QC", "H7A 0A1")),
    "DE": (("Kassel", "HE", "34117"), ("Ulm", "BW", "89073"), ("Bremen", "HB", "28195")),
    "GB": (("Leeds", "", "LS1 4AP"), ("Derby", "", "DE1 2QY"), ("Swansea", "", "SA1 3SN")),
    "AU": (("Geelong", "VIC", "3220"), ("Cairns", "QLD", "4870"), ("Hobart", "TAS", "7000")),
    "SG": (("Singapore", "", "048616"), ("Singapore", "", "239519")),
    "JP": (("Sendai", "04", "980-0021"), ("Nara", "29", "630-8001"), ("Kobe", "28", "650-0021")),
}
#: Made-up banks: country, bank code, name.
_BANKS = (("GB", "NRTH", "North Bank"), ("GB", "CNTY", "County Bank"), ("NL", "HAVN", "Haven Bank"),
          ("NL", "POLD", "Polder Bank"), ("DE", "99990001", "Main Bank"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Partner:
    """One customer with what every system may know of it.

    Attributes:
        companies: company code to payment terms.
        spellings: every spelling of its name, the ERP's first.
        account: the IBAN it pays from.
        is_account_known: whether the ERP's bank data holds that IBAN.
        family: customers of several ERPs with one family are one business; empty is alone.
    """

    customer: str
    name: str
    companies: Mapping[str, str]
    spellings: tuple[str, ...]
    street: str
    house_number: str
    postal_code: str
    city: str
    region: str
    country: str
    tax_type: str
    tax_number: str
    account: str
    bank_country: str
    bank_code: str
    bank_name: str
    is_account_known: bool
    family: str = ""

    @property
    def base_name(self) -> str:
        """The name without its ending, as far as the spellings agree."""
        return self.name.rsplit(" ", 1)[0] if " " in self.name else self.name


def make_partners(
    dataset: Dataset, plans: Sequence[ErpPlan], settings: Settings, seed: int
) -> dict[str, Partner]:
    """Every customer of the dataset as a partner, by customer number, in number order."""
    random = np.random.default_rng([seed, 2])
    plan_by_company = plan_of_company(plans)
    spellings = _spellings(dataset)
    traded = _companies(dataset)
    partners: dict[str, Partner] = {}
    for serial, (customer, name) in enumerate(
        dataset.customers.unique("customer", keep="first", maintain_order=True)
        .sort("customer")
        .select("customer", "name")
        .iter_rows()
    ):
        own = traded[customer]
        # Of several countries the last one.
        country = max(plan_by_company[code].companies[code].country for code in own)
        names = (name, *(other for other in spellings.get(customer, ()) if other != name))
        partners[customer] = _partner(customer, names, own, country, serial, settings, random)
    partners = _with_shared_accounts(partners, settings, random)
    systems = {one: plan_by_company[min(own)].system_id for one, own in traded.items()}
    return _with_families(partners, systems, settings, random) if len(plans) > 1 else partners


def _partner(
    customer: str,
    names: tuple[str, ...],
    companies: dict[str, str],
    country: str,
    serial: int,
    settings: Settings,
    random: np.random.Generator,
) -> Partner:
    cities = _CITIES[country]
    city, region, postal_code = cities[int(random.integers(len(cities)))]
    bank_country, bank_code, bank_name = _BANKS[int(random.integers(len(_BANKS)))]
    tax_type, number = tax_number(country, int(random.integers(1, 10**9)))
    return Partner(
        customer=customer,
        name=names[0],
        companies=companies,
        spellings=names,
        street=_STREETS[int(random.integers(len(_STREETS)))],
        house_number=str(int(random.integers(1, 990))),
        postal_code=postal_code,
        city=city,
        region=region,
        country=country,
        tax_type=tax_type,
        tax_number=number,
        # The serial number keeps accounts apart; the random part makes them look unrelated.
        account=iban(bank_country, bank_code, int(random.integers(1, 10**4)) * 10**6 + serial),
        bank_country=bank_country,
        bank_code=bank_code,
        bank_name=bank_name,
        is_account_known=bool(random.random() < settings.payers.account_known_share),
    )


def _with_shared_accounts(
    partners: dict[str, Partner], settings: Settings, random: np.random.Generator
) -> dict[str, Partner]:
    """Some customers pay from another one's account, which the ERP then knows for both."""
    numbers = list(partners)
    count = round(len(numbers) * settings.payers.shared_account_share)
    for index in random.choice(len(numbers), count, replace=False).tolist():
        other = partners[numbers[(index + 1) % len(numbers)]]
        partners[numbers[index]] = replace(
            partners[numbers[index]],
            account=other.account,
            bank_country=other.bank_country,
            bank_code=other.bank_code,
            bank_name=other.bank_name,
            is_account_known=other.is_account_known,
        )
    return partners


def _with_families(
    partners: dict[str, Partner],
    systems: Mapping[str, str],
    settings: Settings,
    random: np.random.Generator,
) -> dict[str, Partner]:
    """Some businesses are customers of two or three ERPs, under the same names."""
    pools: dict[str, list[str]] = {}
    for customer in partners:
        pools.setdefault(systems[customer], []).append(customer)
    home, *others = (random.permutation(pool).tolist() for pool in pools.values())
    for number in range(max(1, round(len(home) * settings.crm.shared_account_share))):
        lead = partners[home[number]]
        # Every other family has a third member.
        wanted = 1 + number % 2
        found = [pool.pop() for pool in (others * 2)[number % len(others) :][:wanted] if pool]
        for customer in found:
            partners[customer] = replace(
                partners[customer], name=lead.name, spellings=lead.spellings, family=lead.customer
            )
        partners[lead.customer] = replace(lead, family=lead.customer)
    return partners


def _spellings(dataset: Dataset) -> dict[str, list[str]]:
    grouped = dataset.name_variants.group_by("customer", maintain_order=True).agg(pl.col("name"))
    return dict(grouped.iter_rows())


def _companies(dataset: Dataset) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    columns = dataset.customers.select("customer", "company_code", "payment_terms")
    for customer, company, terms in columns.iter_rows():
        found.setdefault(customer, {})[company] = terms
    return found
