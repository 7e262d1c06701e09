"""A made-up world of companies with every trap that strong keys have, from a seed.

Accounts are the truth: a branch is another account of the same legal person, with its tax id. The
ERP list has one record an account (a few are missing, a few twice), the CRM list is noisy: typos,
other legal forms, lost zeros, placeholders, copied numbers, old addresses, borrowed phones, free
mail. Nothing here knows the rules that are measured on it.
"""

import random
import string
from dataclasses import dataclass, field

import polars as pl

__all__ = ["World", "make_world"]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_STARTS = _words(
    "Al Ber Cor Dra El Fen Gar Hol In Jur Kal Lor Mer Nor Os Pra Quin Ros Sil Tor Ul Ven Wes Xan"
    " Yor Zim"
)
_ENDS = _words("ba bex co da dex fa gon ka la lex ma mer na nix ra rex sa san ta tec va vin xa zon")
_TRADES = _words(
    "Steel Foods Textiles Chemicals Furniture Paper Glass Optics Plastics Motors Pumps Valves"
    " Bakery Brewery Dairy Timber Tools Cables Seeds Toys Packaging Ceramics Paints Batteries"
)
_UNITS = ("Holding", "Logistics", "Services", "International", "Retail", "South", "Properties")
_FORMS = {
    "US": ("Inc", "LLC", "Corp"),
    "DE": ("GmbH", "AG", "GmbH & Co. KG"),
    "GB": ("Ltd", "PLC", "Limited"),
    "FR": ("SA", "SARL", "SAS"),
}
_STREETS = _words(
    "Main Oak Maple Cedar Lake Hill Park Washington River Church Mill Station Market King Queen"
    " Victoria Garden Bridge Forest Spring Harbor Castle Meadow Orchard"
)
_CITIES = {
    "US": ("Chicago", "Denver", "Boston", "Austin"),
    "DE": ("Berlin", "Hamburg", "Köln", "München"),
    "GB": ("Leeds", "Bristol", "York", "London"),
    "FR": ("Lyon", "Paris", "Lille", "Nantes"),
}
_PLACEHOLDERS = ("000000000", "N/A", "999999999", "123456789", "unknown", "TBD", "XX-XXXXXXX")
_FREE = ("gmail.com", "yahoo.com", "t-online.de", "outlook.com", "orange.fr")


@dataclass
class _Account:
    number: str
    name: str
    form: str
    country: str
    tax: str
    street: str
    city: str
    postal: str
    phone: str
    domain: str
    relatives: list["_Account"] = field(default_factory=list)


@dataclass(frozen=True)
class World:
    """Both lists and the account that each record stands for, by id."""

    crm: pl.DataFrame
    erp: pl.DataFrame
    account_of_crm: dict[str, str]
    account_of_erp: dict[str, str]


class _Maker:
    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.count = 0
        self.taxes: set[str] = set()

    def chance(self, share: float) -> bool:
        return self.draw.random() < share

    def digits(self, length: int) -> str:
        return "".join(self.draw.choice(string.digits) for _ in range(length))

    def word(self) -> str:
        return self.draw.choice(_STARTS) + self.draw.choice(_ENDS) + self.draw.choice(_ENDS)

    def tax(self, country: str) -> str:
        length = 11 if country == "FR" else 9
        while (made := self.digits(length)) in self.taxes:
            continue
        self.taxes.add(made)
        return made

    def site(self, country: str) -> tuple[str, str, str]:
        number, street = self.draw.randint(1, 999), self.draw.choice(_STREETS)
        written = f"{street}str. {number}" if country == "DE" else f"{number} {street} Street"
        postal = (
            f"{self.draw.choice('ABLNSWY')}{self.draw.randint(1, 29)} {self.digits(1)}XY"
            if country == "GB"
            else f"{self.draw.randint(10, 98)}{self.digits(3)}"
        )
        return written, self.draw.choice(_CITIES[country]), postal

    def account(self, name: str, country: str, form: str, tax: str, domain: str) -> _Account:
        self.count += 1
        street, city, postal = self.site(country)
        number = f"{100000 + self.count * 7:010d}"
        phone = f"+{self.digits(2)} {self.digits(3)} {self.digits(7)}"
        return _Account(number, name, form, country, tax, street, city, postal, phone, domain)

    def family(self, name: str) -> list[_Account]:
        """A company with the branches, units and namesakes it may have."""
        country = self.draw.choice(list(_FORMS))
        form = self.draw.choice(_FORMS[country])
        tax = self.tax(country)
        domain = f"{name.split(maxsplit=1)[0].lower()}{self.digits(2)}.biz"
        made = [self.account(name, country, form, tax, domain)]
        if self.chance(0.12):
            for _ in range(self.draw.randint(1, 3)):
                branch = self.account(name, country, form, tax, domain)
                if self.chance(0.5):
                    branch.phone = made[0].phone
                if self.chance(0.3):
                    branch.name = f"{name} {branch.city}"
                made.append(branch)
        if self.chance(0.12):
            for unit in self.draw.sample(_UNITS, self.draw.randint(1, 3)):
                own = tax if self.chance(0.25) else self.tax(country)
                child = self.account(f"{name} {unit}", country, form, own, domain)
                if self.chance(0.4):
                    child.street, child.city, child.postal = (
                        made[0].street,
                        made[0].city,
                        made[0].postal,
                    )
                    child.phone = made[0].phone
                made.append(child)
        if self.chance(0.06):
            other = self.draw.choice(_FORMS[country])
            made.append(
                self.account(name, country, other, self.tax(country), f"{self.word().lower()}.biz")
            )
        for one in made:
            one.relatives = [other for other in made if other is not one]
        return made

    def typo(self, text: str) -> str:
        at = self.draw.randrange(1, max(2, len(text) - 1))
        kind = self.draw.randrange(3)
        if kind == 0:
            return text[:at] + text[at + 1 :]
        if kind == 1:
            return text[: at - 1] + text[at] + text[at - 1] + text[at + 1 :]
        return text[:at] + self.draw.choice(string.ascii_lowercase) + text[at + 1 :]

    def erp_record(self, one: _Account, number: str) -> dict[str, str]:
        shown = one.tax
        if one.country != "US" and self.chance(0.6):
            shown = f"{one.country}{one.tax}"
        if self.chance(0.05):
            shown = self.draw.choice((*_PLACEHOLDERS, ""))
        return {
            "id": number, "name": f"{one.name} {one.form}", "street": one.street, "city": one.city,
            "postal_code": one.postal, "country": one.country, "phone": one.phone,
            "email": f"ap@{one.domain}" if self.chance(0.7) else "", "tax_id": shown,
        }  # fmt: skip

    def crm_record(self, one: _Account, key: str, phones: list[str]) -> dict[str, str]:
        name = one.name
        if self.chance(0.15):
            name = self.typo(name)
        if self.chance(0.1):
            name = name.upper()
        form = one.form
        if self.chance(0.25):
            form = ""
        elif self.chance(0.1):
            form = self.draw.choice(_FORMS[one.country])
        street, city, postal = one.street, one.city, one.postal
        if self.chance(0.08):
            street, city, postal = self.site(one.country)
        if self.chance(0.1):
            street = street.replace(" Street", " St.").replace("str.", "straße")
        if self.chance(0.12):
            street = postal = ""
        phone = self.draw.choice(phones) if self.chance(0.06) else one.phone
        return {
            "id": key, "name": f"{name} {form}".strip(), "street": street, "city": city,
            "postal_code": postal, "country": one.country,
            "phone": "" if self.chance(0.2) else phone, "email": self.mail(one),
            "tax_id": self.crm_tax(one), "erp_customer_id": self.crm_number(one),
        }  # fmt: skip

    def mail(self, one: _Account) -> str:
        if self.chance(0.35):
            return ""
        host = self.draw.choice(_FREE) if self.chance(0.2) else one.domain
        return f"{self.word().lower()}@{host}"

    def crm_tax(self, one: _Account) -> str:
        """As salespeople type it; sometimes a relative's, sometimes with a wrong digit."""
        if self.chance(0.3):
            return ""
        if self.chance(0.05):
            return self.draw.choice(_PLACEHOLDERS)
        tax = one.tax
        if one.relatives and self.chance(0.06):
            tax = self.draw.choice(one.relatives).tax
        if self.chance(0.02):
            at = self.draw.randrange(len(tax))
            tax = tax[:at] + self.draw.choice(string.digits) + tax[at + 1 :]
        written = f"{tax[:2]}-{tax[2:]}" if self.chance(0.3) else tax
        return f"{one.country} {written}" if one.country != "US" and self.chance(0.5) else written

    def crm_number(self, one: _Account) -> str:
        """The ERP number, often without zeros, sometimes copied from a relative."""
        if self.chance(0.65):
            return ""
        number = one.number
        if one.relatives and self.chance(0.04):
            number = self.draw.choice(one.relatives).number
        return number.lstrip("0") if self.chance(0.5) else number


def make_world(families: int, seed: int) -> World:
    """A world of about 1.6 accounts a family."""
    maker = _Maker(seed)
    names: list[str] = []
    while len(names) < families:
        names.append(f"{maker.word()} {maker.draw.choice(_TRADES)}")
    accounts = [one for name in names for one in maker.family(name)]
    phones = [one.phone for one in accounts]
    erp: list[dict[str, str]] = []
    crm: list[dict[str, str]] = []
    account_of_erp: dict[str, str] = {}
    account_of_crm: dict[str, str] = {}
    for one in accounts:
        if not maker.chance(0.08):
            erp.append(maker.erp_record(one, one.number))
            account_of_erp[one.number] = one.number
            if maker.chance(0.02):
                twice = f"{900000 + len(erp):010d}"
                erp.append(maker.erp_record(one, twice))
                account_of_erp[twice] = one.number
        if not maker.chance(0.1):
            for _ in range(2 if maker.chance(0.04) else 1):
                key = f"001{len(crm):06d}"
                crm.append(maker.crm_record(one, key, phones))
                account_of_crm[key] = one.number
    maker.draw.shuffle(erp)
    maker.draw.shuffle(crm)
    return World(pl.DataFrame(crm), pl.DataFrame(erp), account_of_crm, account_of_erp)
