"""One way of writing for names, streets, phones, mail addresses, tax ids and customer numbers.

Text in, text out, so that what two systems write differently compares equal. Placeholders become
nothing: a tax id of zeros identifies nobody. It must not compare anything.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from reverse_etl.decisions.identity_words import (
    ABBREVIATIONS,
    COUNTRIES,
    DIRECTIONS,
    FREE_MAIL_DOMAINS,
    LEGAL_FORMS,
    LOOSE_LEGAL_FORMS,
    NAME_FILLERS,
    STREET_FILLERS,
    VAT_PREFIXES,
)

__all__ = [
    "NameParts",
    "StreetParts",
    "country_code",
    "customer_number",
    "identifier",
    "mail_address",
    "mail_domain",
    "name_parts",
    "phone_number",
    "plain_words",
    "postal_code",
    "street_parts",
    "tax_number",
]

_WORDS = re.compile(r"[a-z0-9]+")
_MAIL = re.compile(r"[^@\s,;<>]+@([a-z0-9][a-z0-9.-]*\.[a-z]{2,})")
_EXTENSION = re.compile(r"(?:ext|x|durchwahl)\.?\s*\d+\s*$")
_ORDINAL = re.compile(r"(\d+)(?:st|nd|rd|th)")
_HOUSE = re.compile(r"(\d+)[a-z]?")
_STREET_ENDING = re.compile(r"(?<=[a-z]{3})(?:strasse|straat|str|gasse|weg|platz|allee)$")
_NO_IDENTIFIER = re.compile(
    r"(?:N/?A|NONE|NULL|NIL|UNKNOWN|TBD|TBA|PENDING|EXEMPT|TEST|NOT ?AVAILABLE|APPLIED ?FOR|-+|X+)"
)
_IDENTIFIER_LENGTH_MIN = 5
_PHONE_LENGTH_MIN = 7
_PHONE_LENGTH_COMPARED = 9
_ZIP_LENGTH = 5


@dataclass(frozen=True, slots=True)
class NameParts:
    """A name without its legal form: words in their order, and the forms that bind."""

    words: tuple[str, ...]
    legal_forms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StreetParts:
    """House number and the first telling word of the street; empty where there is none."""

    number: str
    stem: str


def plain_words(text: str) -> list[str]:
    """Lower-case words without accents and punctuation; an apostrophe joins."""
    lowered = text.lower().replace("ß", "ss").replace("&", " and ")
    spread = unicodedata.normalize("NFKD", lowered)
    kept = "".join(one for one in spread if not unicodedata.combining(one))
    return _WORDS.findall(kept.replace("'", "").replace("’", "").replace("?s ", "s "))


@lru_cache(maxsize=200_000)
def name_parts(text: str | None) -> NameParts:
    """Words of a name, abbreviations written out, and its binding legal forms."""
    words = _joined_letters(plain_words(text or ""))
    full = [ABBREVIATIONS.get(word, word) for word in words]
    told = [word for word in full if word not in NAME_FILLERS]
    base = [word for word in told if word not in LEGAL_FORMS] or told
    forms = {word for word in told if word in LEGAL_FORMS and word not in LOOSE_LEGAL_FORMS}
    return NameParts(tuple(base), tuple(sorted(forms)))


def _joined_letters(words: list[str]) -> list[str]:
    """Letters written apart become one word: ``s p a``, ``b v``, ``j p morgan``."""
    joined: list[str] = []
    run = ""
    for word in words:
        if len(word) == 1 and word.isalpha():
            run += word
            continue
        if run:
            joined.append(run)
            run = ""
        joined.append(word)
    return [*joined, run] if run else joined


@lru_cache(maxsize=200_000)
def street_parts(text: str | None) -> StreetParts:
    """House number and first telling word, in the order of any country.

    ``1001 W. Roosevelt Rd 606`` and ``1001 West Roosevelt Road`` are one; so are ``Hauptstr. 12``
    and ``Hauptstraße 12``.
    """
    words = plain_words(text or "")
    number, stem = "", ""
    for word in words:
        if not number and _HOUSE.fullmatch(word):
            number = word
        elif not stem and word not in DIRECTIONS and word not in STREET_FILLERS:
            stem = _stem(word)
        if number and stem:
            break
    found = _HOUSE.fullmatch(number)
    return StreetParts(found.group(1).lstrip("0") if found else "", stem)


def _stem(word: str) -> str:
    ordinal = _ORDINAL.fullmatch(word)
    return ordinal.group(1) if ordinal else _STREET_ENDING.sub("", word)


def postal_code(text: str | None, country: str | None = None) -> str | None:
    """Capitals and digits; a ZIP+4 is cut to five, a US code's lost zero comes back."""
    kept = re.sub(r"[^0-9A-Z]", "", re.sub(r"\.0+$", "", (text or "").strip().upper()))
    if not kept or not kept.strip("0"):
        return None
    if kept.isdigit() and len(kept) == _ZIP_LENGTH + 4:
        kept = kept[:_ZIP_LENGTH]
    if country == "US" and kept.isdigit() and len(kept) == _ZIP_LENGTH - 1:
        kept = kept.zfill(_ZIP_LENGTH)
    return kept


def phone_number(text: str | None) -> str | None:
    """The last nine digits, without extension; None for too few or made-up ones."""
    lowered = re.sub(r"\.0+$", "", (text or "").strip().lower())
    digits = re.sub(r"\D", "", _EXTENSION.sub("", lowered))
    if len(digits) < _PHONE_LENGTH_MIN or _is_made_up(digits[-_PHONE_LENGTH_MIN:]):
        return None
    return digits[-_PHONE_LENGTH_COMPARED:]


def mail_address(text: str | None) -> str | None:
    """The first mail address in a text."""
    found = _MAIL.search((text or "").strip().lower())
    return found.group(0) if found else None


def mail_domain(address: str | None) -> str | None:
    """The domain, unless anybody may have an address there."""
    domain = (address or "").rpartition("@")[2]
    if not domain or domain in FREE_MAIL_DOMAINS or domain.split(".")[0] in FREE_MAIL_DOMAINS:
        return None
    return domain


def country_code(text: str | None) -> str | None:
    """Two letters where the country is known, else what stands there in capitals."""
    kept = " ".join(plain_words(text or ""))
    return COUNTRIES.get(kept, kept.upper()) or None


def tax_number(text: str | None, country: str | None = None) -> tuple[str, str] | None:
    """Country prefix (empty when none is written) and national part of a tax or VAT id.

    Args:
        text: as a system holds it, with any prefix, blanks, dots and dashes.
        country: of the record; a prefix is only split off when it is a VAT prefix.
    """
    kept = identifier(text)
    if kept is None:
        return None
    prefix = kept[:2]
    if prefix == "CH" and kept.startswith("CHE"):
        return "CH", re.sub(r"(?:MWST|TVA|IVA)$", "", kept[3:])
    if prefix in VAT_PREFIXES or (prefix == country and prefix.isalpha()):
        national = kept[2:]
        if sum(one.isdigit() for one in national) >= _IDENTIFIER_LENGTH_MIN:
            return (("GR" if prefix == "EL" else prefix), national)
    return "", kept


def identifier(text: str | None) -> str | None:
    """Capitals and digits of an identifier (tax, DUNS, LEI); None for a placeholder."""
    stripped = re.sub(r"\.0+$", "", (text or "").strip().upper())
    if not stripped or _NO_IDENTIFIER.fullmatch(stripped):
        return None
    kept = re.sub(r"[^0-9A-Z]", "", stripped)
    digits = re.sub(r"\D", "", kept)
    if len(kept) < _IDENTIFIER_LENGTH_MIN or not digits or _is_made_up(digits):
        return None
    return kept


def customer_number(text: str | None) -> str | None:
    """A customer number without lost or added leading zeros; None when empty."""
    kept = re.sub(r"\.0+$", "", (text or "").strip().upper())
    if not kept or _NO_IDENTIFIER.fullmatch(kept):
        return None
    return (kept.lstrip("0") or None) if kept.isdigit() else kept


def _is_made_up(digits: str) -> bool:
    """All digits the same, or counted up or down."""
    if len(set(digits)) == 1:
        return True
    steps = {(int(after) - int(before)) % 10 for before, after in pairwise(digits)}
    return steps in ({1}, {9})
