"""Links by strong keys: exact, corroborated, and vetoed by any strong key that differs.

A strong key alone is not enough for a link that nobody looks at: branches share a tax id, VAT
groups share one among companies, numbers are copied from parent to child. So the name must agree,
and for keys of a legal person the site too. What shares a key and does not pass is handed on as a
proposal with the reason. Nothing here scores or guesses.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import polars as pl

from reverse_etl.decisions.identity_evidence import (
    LEGAL_KEYS,
    Names,
    Site,
    are_in_other_cities,
    compare_names,
    compare_sites,
    conflict_expression,
    have_same_contact,
)

__all__ = ["StrongPair", "Tier", "conflicts_of", "strong_pairs"]

#: Strong keys in the order in which a reason names them.
_KEYS = ("erp", "tax", "vat", "lei", "duns")
_WORDS = {
    "erp": "customer number",
    "tax": "tax id",
    "vat": "VAT id",
    "lei": "LEI",
    "duns": "DUNS number",
    "mail": "e-mail domain, postal code and name",
}
_FIELDS = (
    "row", "side", "system_id", "name_words", "name_forms", "street_number", "street_stem",
    "postal", "city", "phone_end", "email", *_KEYS,
)  # fmt: skip


#: A key, and the list, system and value that it stands in.
_Carried = tuple[str, int, str | None, str]


class Tier(IntEnum):
    """How directly a key points at one account; the lower the stronger."""

    CUSTOMER_NUMBER = 0
    LEGAL_PERSON = 1
    SITE_NUMBER = 2
    MAIL_AND_PLACE = 3


_TIER_OF = {"erp": Tier.CUSTOMER_NUMBER, "duns": Tier.SITE_NUMBER, "mail": Tier.MAIL_AND_PLACE}


@dataclass(frozen=True, slots=True)
class StrongPair:
    """Two records that share a strong key.

    Attributes:
        left_row: row of the left (or first) record.
        right_row: of the right one.
        is_link: the pair may be linked without a person.
        tier: of its strongest key.
        same_site: the addresses agree, which singles an account out of several.
        reason: keys that agree, and why it is no link where it is none.
    """

    left_row: int
    right_row: int
    is_link: bool
    tier: Tier
    same_site: bool
    reason: str


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What two records that share keys have in common beside them."""

    keys: list[str]
    names: Names
    site: Site
    same_contact: bool
    other_city: bool
    is_shared: bool
    has_siblings: bool


def strong_pairs(records: pl.DataFrame) -> list[StrongPair]:
    """Every pair that shares a strong key and is not vetoed, judged; ordered by rows."""
    shared = _shared_keys(records)
    if not shared:
        return []
    fields = records.with_columns(_has_siblings()).select(*_FIELDS, "has_siblings")
    rows = {row["row"]: row for row in fields.iter_rows(named=True)}
    counts = _key_counts(records)
    vetoed = conflicts_of(records, list(shared), _KEYS)
    return [
        _judged(rows[left], rows[right], keys, counts)
        for (left, right), keys in sorted(shared.items())
        if (left, right) not in vetoed
    ]


def _has_siblings() -> pl.Expr:
    """Another record of the same list has the name, the mail domain or a legal key of this one."""
    return pl.any_horizontal(
        (pl.col(one).is_not_null() & (pl.len().over("side", "system_id", one) > 1))
        for one in ("name_key", "domain", *LEGAL_KEYS)
    ).alias("has_siblings")


def conflicts_of(
    records: pl.DataFrame, pairs: Iterable[tuple[int, int]], keys: Iterable[str]
) -> dict[tuple[int, int], str]:
    """Pairs whose strong keys contradict each other, with the first key that does."""
    frame = pl.DataFrame(
        list(pairs), schema={"left_row": pl.UInt32, "right_row": pl.UInt32}, orient="row"
    )
    names = [*_KEYS, "tax_country", "vat_country", "erp_scope"]
    side = records.select(pl.col("row").cast(pl.UInt32), *names)
    joined = frame.join(
        side.rename({one: f"{one}_left" for one in names}), left_on="left_row", right_on="row"
    ).join(side.rename({one: f"{one}_right" for one in names}), left_on="right_row", right_on="row")
    first = pl.coalesce(
        *(pl.when(conflict_expression(one)).then(pl.lit(one)) for one in keys), pl.lit(None)
    )
    found = joined.select("left_row", "right_row", first.alias("key")).drop_nulls()
    return {(left, right): _WORDS[key] for left, right, key in found.iter_rows()}


def _shared_keys(records: pl.DataFrame) -> dict[tuple[int, int], list[str]]:
    """Pairs by rows and the keys they share; across the sides where there are two."""
    shared: dict[tuple[int, int], list[str]] = defaultdict(list)
    mail = pl.concat_str("domain", "postal", "name_key", separator="|")
    keyed = records.with_columns(pl.col("row").cast(pl.UInt32), mail.alias("mail"))
    two_sided = records["side"].n_unique() > 1
    for name in (*_KEYS, "mail"):
        side = keyed.filter(pl.col(name).is_not_null()).select("row", "side", key=pl.col(name))
        _collect(shared, name, side, side, two_sided)
    # A tax id in one system often stands in the other's field for VAT ids.
    tax, vat = (
        keyed.filter(pl.col(one).is_not_null(), pl.col(other).is_null()).select(
            "row", "side", key=pl.col(one)
        )
        for one, other in (("tax", "vat"), ("vat", "tax"))
    )
    _collect(shared, "tax", tax, vat, two_sided)
    _collect(shared, "tax", vat, tax, two_sided)
    return shared


def _collect(
    shared: dict[tuple[int, int], list[str]],
    name: str,
    one: pl.DataFrame,
    other: pl.DataFrame,
    two_sided: bool,
) -> None:
    joined = one.join(other, on="key").filter(pl.col("row") < pl.col("row_right"))
    if two_sided:
        joined = joined.filter(pl.col("side") != pl.col("side_right"))
    for left, right in joined.select("row", "row_right").iter_rows():
        if name not in shared[left, right]:
            shared[left, right].append(name)


def _key_counts(records: pl.DataFrame) -> dict[_Carried, int]:
    """How many records of a system carry each value of a legal person's key."""
    counts: dict[_Carried, int] = {}
    for name in LEGAL_KEYS:
        grouped = (
            records.filter(pl.col(name).is_not_null())
            .group_by("side", "system_id", name)
            .agg(count=pl.len())
        )
        counts.update({(name, *row[:3]): row[3] for row in grouped.iter_rows()})
    return counts


def _judged(
    left: Mapping[str, Any],
    right: Mapping[str, Any],
    keys: list[str],
    counts: Mapping[_Carried, int],
) -> StrongPair:
    """Whether what else the records say bears the shared keys out."""
    evidence = _Evidence(
        keys=keys,
        names=compare_names(left["name_words"], right["name_words"]),
        site=compare_sites(left, right),
        same_contact=have_same_contact(left, right),
        other_city=are_in_other_cities(left, right),
        is_shared=_is_shared(left, right, counts),
        has_siblings=left["has_siblings"] or right["has_siblings"],
    )
    tier = min(_TIER_OF.get(key, Tier.LEGAL_PERSON) for key in keys)
    doubt = _other_company(left, right, evidence.names) or _doubt(evidence)
    agreed = f"same {' and '.join(_WORDS[key] for key in keys)}"
    reason = f"{doubt}; {agreed}" if doubt else f"{agreed}; {_borne_out(evidence)}"
    same_site = evidence.site is Site.SAME
    return StrongPair(left["row"], right["row"], not doubt, tier, same_site, reason)


def _is_shared(
    left: Mapping[str, Any],
    right: Mapping[str, Any],
    counts: Mapping[_Carried, int],
) -> bool:
    """Several records of a side carry the legal key: one legal person, several accounts or sites.

    Within one list two records always carry it, so they count as several.
    """
    both = [name for name in LEGAL_KEYS if left[name] is not None and left[name] == right[name]]
    if not both:
        both = [one for one in ("tax", "vat") if left[one] or right[one]]
    return any(
        counts.get((name, record["side"], record["system_id"], record[name] or ""), 0) > 1
        for name in both
        for record in (left, right)
    )


def _other_company(left: Mapping[str, Any], right: Mapping[str, Any], names: Names) -> str:
    """Why the names speak of two companies; empty when they do not."""
    if left["name_forms"] and right["name_forms"] and left["name_forms"] != right["name_forms"]:
        return "hierarchy question: another legal form"
    if names is Names.GROUP:
        return "hierarchy question: names of parent and child, or of two units of a group"
    return ""


def _doubt(evidence: _Evidence) -> str:
    """Why shared keys do not make a link; empty when they do."""
    keys, names, site = evidence.keys, evidence.names, evidence.site
    if names is Names.DIFFERENT:
        return "the names differ"
    if site is Site.SAME:
        if names is Names.EQUAL or not evidence.is_shared:
            return ""
        return "hierarchy question: one of several accounts of a legal person"
    if keys == ["mail"]:
        return "hierarchy question: same company at another address"
    if evidence.is_shared or evidence.has_siblings:
        return "hierarchy question: the company has several accounts, the address does not tell"
    if site is Site.UNKNOWN:
        certain = names is Names.EQUAL or evidence.same_contact
        return "" if certain else "only a part of the name agrees"
    moved_in_town = evidence.same_contact and not evidence.other_city
    if names is Names.EQUAL and (moved_in_town or len(keys) > 1 or keys == ["duns"]):
        return ""
    return "hierarchy question: another address: moved, or another site"


def _borne_out(evidence: _Evidence) -> str:
    """What supports a link beside its keys."""
    told = [
        {Names.EQUAL: "same name", Names.CONTAINED: "one name contains the other"}.get(
            evidence.names, ""
        ),
        {Site.SAME: "same address", Site.DIFFERENT: "another address"}.get(evidence.site, ""),
        "same phone or e-mail" if evidence.same_contact else "",
    ]
    return ", ".join(part for part in told if part) or "nothing contradicts"
