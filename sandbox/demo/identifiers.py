"""Made-up identifiers with right check digits: IBANs, tax numbers, bank references.

Banks, ERPs and parsers check these, so a demo with wrong digits would exercise their refusals
instead of the loop. Everything is a pure function of its arguments.
"""

import hashlib
from datetime import date

__all__ = ["bank_reference", "iban", "is_valid_iban", "own_iban", "tax_number"]

#: Country to the lengths of its bank code and account number in an IBAN (ISO 13616), and whether
#: the bank code is letters.
_STRUCTURES = {"GB": (4, 14), "NL": (4, 10), "DE": (8, 10)}
_OWN_BANK = "LEDG"


def iban(country: str, bank_code: str, account: int) -> str:
    """An IBAN with its check digits (ISO 7064 mod 97-10).

    Raises:
        ValueError: a country whose structure is not known here, or parts that do not fit it.
    """
    if country not in _STRUCTURES:
        raise ValueError(f"no IBAN structure is known for {country}")
    bank_length, account_length = _STRUCTURES[country]
    body = f"{bank_code}{account:0{account_length}d}"
    if len(bank_code) != bank_length or len(body) != bank_length + account_length:
        raise ValueError(f"{bank_code} and {account} do not fit an IBAN of {country}")
    check = 98 - int(_digits(f"{body}{country}00")) % 97
    return f"{country}{check:02d}{body}"


def is_valid_iban(text: str) -> bool:
    """Whether the check digits are right; says nothing of the account's existence."""
    return len(text) > 4 and text.isalnum() and int(_digits(text[4:] + text[:4])) % 97 == 1


def _digits(text: str) -> str:
    """Letters as two-digit numbers: A is 10, Z is 35."""
    return "".join(str(int(character, 36)) for character in text)


def own_iban(company_code: str, currency_code: str, purpose: str = "") -> str:
    """Our own account of a company code: the same on every machine and every run.

    Args:
        company_code: whose account.
        currency_code: in which currency it is kept.
        purpose: tells several accounts of one company apart, such as ``lockbox``.
    """
    text = f"{company_code}/{currency_code}/{purpose}".encode()
    return iban("GB", _OWN_BANK, int(hashlib.sha256(text).hexdigest(), 16) % 10**14)


def tax_number(country: str, serial: int) -> tuple[str, str]:
    """A tax number type of SAP and a number of that shape, with its check digits.

    Known: US EIN, Canadian business number, German and British VAT, Australian ABN, Singaporean UEN
    and Japanese corporate number; any other country gets the first.
    """
    if country == "CA":
        return "CA0", f"{100_000_000 + serial % 900_000_000:09d}RT0001"[:15]
    if country == "DE":
        body = f"{10_000_000 + serial % 90_000_000}"
        return "DE0", f"DE{body}{_mod_11_10(body)}"
    if country == "GB":
        body = f"{1_000_000 + serial % 9_000_000}"
        weighted = sum(int(d) * weight for d, weight in zip(body, range(8, 1, -1), strict=True))
        return "GB0", f"GB{body}{(-weighted) % 97:02d}"
    if country == "AU":
        body = f"{100_000_000 + serial % 900_000_000}"
        weighted = sum(int(d) * (2 * place + 1) for place, d in enumerate(body, 1))
        return "AU0", f"{10 + -weighted % 89}{body}"
    if country == "SG":
        return "SG0", f"{200_000_000 + serial % 90_000_000}{'ABCDEFGHJKLMNPRSTUWXYZ'[serial % 22]}"
    if country == "JP":
        body = f"{100_000_000_000 + serial % 900_000_000_000}"
        weighted = sum(int(d) * (place % 2 + 1) for place, d in enumerate(reversed(body)))
        return "JP0", f"{9 - weighted % 9}{body}"
    # 71 to 77 are among the prefixes that are handed out; ERPs refuse others.
    return "US1", f"{71 + serial % 7}-{serial % 10_000_000:07d}"


def _mod_11_10(digits: str) -> int:
    """The check digit of ISO 7064 mod 11,10."""
    product = 10
    for digit in digits:
        total = (int(digit) + product) % 10 or 10
        product = 2 * total % 11
    return (11 - product) % 10


def bank_reference(value_date: date, company_code: str, serial: int) -> str:
    """The servicing bank's reference of an entry: 16 characters, unique per own account and day."""
    return f"{value_date:%y%m%d}{company_code:X<4.4}{serial:06d}"
