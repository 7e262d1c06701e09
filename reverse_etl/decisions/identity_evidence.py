"""What two records agree on, by hand: name, site and contact, and which strong keys conflict.

Only pairs that share a strong key come here. Nothing is decided: the answers are enums and plain
words that ``identity_strong`` judges.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import polars as pl
from rapidfuzz.distance import OSA, JaroWinkler

from reverse_etl.decisions.identity_words import GROUP_WORDS

__all__ = [
    "LEGAL_KEYS",
    "Names",
    "Site",
    "are_in_other_cities",
    "compare_names",
    "compare_sites",
    "conflict_expression",
    "have_same_contact",
]

#: Keys of a legal person: they may stand for several sites and accounts of it.
LEGAL_KEYS = ("tax", "vat", "lei")
_TYPO_LENGTH_MIN = 4
_TWO_TYPOS_LENGTH_MIN = 9
_PREFIX_LENGTH_MIN = 3
_WHOLE_NAME_LIKENESS = 0.95
_STREET_LIKENESS = 0.86
_POSTAL_AREA_LENGTH = 3


class Names(StrEnum):
    """How two names agree."""

    EQUAL = "equal"
    CONTAINED = "contained"
    GROUP = "group"
    DIFFERENT = "different"


class Site(StrEnum):
    """Whether two addresses are one place."""

    SAME = "same"
    UNKNOWN = "unknown"
    DIFFERENT = "different"


def _same_word(one: str, other: str) -> bool:
    """Equal but for a typo or an abbreviation; digits and short words must be equal."""
    if one == other:
        return True
    if any(letter.isdigit() for letter in one + other):
        return False
    if one in GROUP_WORDS or other in GROUP_WORDS:
        return False
    shorter, longer = sorted((one, other), key=len)
    if len(shorter) >= _PREFIX_LENGTH_MIN and longer.startswith(shorter):
        return not any(longer.endswith(word) for word in GROUP_WORDS)
    if len(shorter) < _TYPO_LENGTH_MIN:
        return False
    allowed = 2 if len(shorter) >= _TWO_TYPOS_LENGTH_MIN else 1
    return OSA.distance(one, other, score_cutoff=allowed) <= allowed


def _unmatched(words: Sequence[str], others: Sequence[str]) -> list[str]:
    return [word for word in words if not any(_same_word(word, other) for other in others)]


def compare_names(one: Sequence[str], other: Sequence[str]) -> Names:
    """Names without their legal form.

    Returns:
        ``GROUP`` when the only difference is a word of a group's structure (holding, services,
        south …): parent and child look like this. ``DIFFERENT`` when each has a word of its own.
    """
    if not one or not other:
        return Names.DIFFERENT
    mine, theirs = _unmatched(one, other), _unmatched(other, one)
    if not mine and not theirs:
        return Names.EQUAL
    if _is_one_word_apart("".join(one), "".join(other)):
        return Names.EQUAL
    rest = mine + theirs
    if any(word in GROUP_WORDS or word.isdigit() for word in rest):
        return Names.GROUP
    return Names.DIFFERENT if mine and theirs else Names.CONTAINED


def _is_one_word_apart(one: str, other: str) -> bool:
    """Written together or apart (``micro soft``), or so long that a typo or two is nothing."""
    if any(letter.isdigit() for letter in one + other):
        return one == other
    return bool(OSA.normalized_similarity(one, other) >= _WHOLE_NAME_LIKENESS)


def _same_street(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool | None:
    """None where a side has no street."""
    if not one["street_stem"] or not other["street_stem"]:
        return None
    if one["street_number"] != other["street_number"] and (
        one["street_number"] and other["street_number"]
    ):
        return False
    likeness = JaroWinkler.similarity(one["street_stem"], other["street_stem"])
    return bool(likeness >= _STREET_LIKENESS)


def compare_sites(one: Mapping[str, Any], other: Mapping[str, Any]) -> Site:
    """Whether the addresses of two records are one place."""
    street = _same_street(one, other)
    if street is False:
        return Site.DIFFERENT
    if not one["postal"] or not other["postal"]:
        if are_in_other_cities(one, other):
            return Site.DIFFERENT
        return Site.SAME if street else Site.UNKNOWN
    if one["postal"] == other["postal"]:
        return Site.SAME
    area = one["postal"][:_POSTAL_AREA_LENGTH] == other["postal"][:_POSTAL_AREA_LENGTH]
    same_city = one["city"] is not None and one["city"] == other["city"]
    return Site.SAME if street and (area or same_city) else Site.DIFFERENT


def have_same_contact(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """The same phone or the same mail address."""
    return any(
        one[name] is not None and one[name] == other[name] for name in ("phone_end", "email")
    )


def are_in_other_cities(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Both name a city, and it is not the same."""
    return bool(one["city"] and other["city"] and one["city"] != other["city"])


def conflict_expression(name: str, left: str = "_left", right: str = "_right") -> pl.Expr:
    """True where both sides carry a strong key and it differs.

    Two tax ids are not comparable when one is a VAT id by its prefix, the other has none and they
    are not equally long: a local tax number beside a VAT number contradicts nothing.
    """
    one, other = pl.col(name + left), pl.col(name + right)
    differ = one.is_not_null() & other.is_not_null() & (one != other)
    if name in ("tax", "vat"):
        mine, theirs = pl.col(f"{name}_country{left}"), pl.col(f"{name}_country{right}")
        other_kind = ((mine == "") != (theirs == "")) & (
            one.str.len_chars() != other.str.len_chars()
        )
        other_country = (mine != "") & (theirs != "") & (mine != theirs)
        both = one.is_not_null() & other.is_not_null()
        return (differ & ~other_kind) | (both & other_country)
    if name == "erp":
        scopes = pl.col(f"erp_scope{left}"), pl.col(f"erp_scope{right}")
        return differ & (scopes[0] == scopes[1]).fill_null(value=True)
    return differ
