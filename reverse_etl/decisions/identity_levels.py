"""What the model compares, how closely, and what each closeness weighs before it has learnt.

One comparison per field, its levels from the closest down, each with how often it is seen among
pairs of one customer (``m``) and among strangers (``u``). Those of name, street and phone are what
expectation maximisation found on one half (by entity) of a public set of organisations; that set
knows one city and no mail, so the others are set by hand. On larger inputs the model learns its
own. Words and numbers only: nothing here touches data.
"""

from dataclasses import dataclass

__all__ = ["COMPARISONS", "Comparison", "Level"]


@dataclass(frozen=True, slots=True)
class Level:
    """How alike two values are.

    Attributes:
        condition: SQL over ``column_l`` and ``column_r``; ``ELSE`` is the rest.
        words: for the reason of a proposal; empty when it says nothing.
        m: share of this level among pairs of one customer.
        u: share among pairs of strangers.
        rare: column whose rarity makes the level say more.
    """

    condition: str
    words: str
    m: float
    u: float
    rare: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One field: the column that must be filled on both sides, and its levels."""

    name: str
    column: str
    levels: tuple[Level, ...]


def _close(column: str, least: float) -> str:
    return f"jaro_winkler_similarity({column}_l, {column}_r) >= {least}"


_SHARED_WORDS = "len(list_intersect(name_words_l, name_words_r))"
_SHORTER = "least(len(name_words_l), len(name_words_r))"
_LONGER = "greatest(len(name_words_l), len(name_words_r))"

COMPARISONS = (
    Comparison(
        "name",
        "name_key",
        (
            Level("name_key_l = name_key_r", "same name", 0.41, 0.0001, "name_key"),
            Level(
                f"({_SHARED_WORDS} = {_SHORTER} and {_SHORTER} >= 2)"
                f" or {_SHARED_WORDS} >= 0.75 * {_LONGER}",
                "one name contains the other",
                0.26,
                0.0007,
            ),
            Level(
                f"{_close('name_text', 0.92)} or {_SHARED_WORDS} >= 0.5 * {_LONGER}"
                f" or len(list_intersect(rare_words_l, rare_words_r)) >= 1",
                "names alike",
                0.13,
                0.0062,
            ),
            Level(f"{_SHARED_WORDS} >= 1", "names share a word", 0.19, 0.1),
            Level("ELSE", "other name", 0.01, 0.893),
        ),
    ),
    Comparison(
        "street",
        "street_key",
        (
            Level("street_key_l = street_key_r", "same street and number", 0.928, 0.00025),
            Level(
                f"street_number_l = street_number_r and {_close('street_stem', 0.86)}",
                "same number, street spelled alike",
                0.005,
                0.00002,
            ),
            Level(
                "street_stem_l = street_stem_r and"
                " abs(cast(street_number_l as bigint) - cast(street_number_r as bigint)) <= 20",
                "same street, number close by",
                0.01,
                0.0001,
            ),
            Level("street_number_l = street_number_r", "same number, other street", 0.007, 0.0005),
            Level("street_stem_l = street_stem_r", "same street, other number", 0.009, 0.0042),
            Level("ELSE", "other street", 0.041, 0.99493),
        ),
    ),
    Comparison(
        "postal",
        "postal",
        (
            Level("postal_l = postal_r", "same postal code", 0.95, 0.02),
            Level("left(postal_l, 3) = left(postal_r, 3)", "postal codes near", 0.04, 0.1),
            Level("ELSE", "other postal code", 0.01, 0.88),
        ),
    ),
    Comparison(
        "city",
        "city",
        (
            Level("city_l = city_r", "same city", 0.9, 0.05),
            Level(_close("city", 0.9), "city spelled alike", 0.04, 0.01),
            Level("ELSE", "other city", 0.06, 0.94),
        ),
    ),
    Comparison(
        "phone",
        "phone_end",
        (
            Level("phone_end_l = phone_end_r", "same phone", 0.85, 0.0002, "phone_end"),
            Level("left(phone_end_l, 3) = left(phone_end_r, 3)", "", 0.06, 0.03),
            Level("ELSE", "other phone", 0.09, 0.9698),
        ),
    ),
    Comparison(
        "mail",
        "email",
        (
            Level("email_l = email_r", "same e-mail", 0.5, 0.0001),
            Level("domain_l = domain_r", "same e-mail domain", 0.35, 0.001),
            Level("ELSE", "other e-mail", 0.15, 0.9989),
        ),
    ),
)
