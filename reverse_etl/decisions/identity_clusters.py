"""Keeps automatic links consistent: one account to one customer, no cluster with two identities.

Links are transitive, so a link is only as good as all that hang together by links. Where a chain
would join records with conflicting strong keys, its weakest kind of link is left to a person, then
the next, until nothing contradicts. The outcome does not depend on the order of the input.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import polars as pl

from reverse_etl.decisions.identity_policy import IdentityPolicy
from reverse_etl.decisions.identity_strong import StrongPair, Tier, conflicts_of, strong_pairs

__all__ = ["link_by_keys"]

#: A chain longer than this says that a key is no key; all its links go to a person.
_CLUSTER_RECORDS_MAX = 200
_CLUSTER_KEYS = ("erp", "tax", "vat", "lei", "duns")


def link_by_keys(records: pl.DataFrame, policy: IdentityPolicy) -> list[StrongPair]:
    """Every pair that shares a strong key, judged by itself and by what else would be linked.

    Args:
        records: of ``prepare_records``.
        policy: whether an account may have several customers of one system.
    """
    pairs = strong_pairs(records)
    if records["side"].n_unique() > 1 and not policy.several_customers_per_account:
        pairs = _single_valued(pairs, dict(records.select("row", "system_id").iter_rows()))
    keys = _CLUSTER_KEYS[1:] if policy.several_customers_per_account else _CLUSTER_KEYS
    return _consistent(pairs, records, keys)


def _single_valued(
    pairs: Sequence[StrongPair], systems: Mapping[int, str | None]
) -> list[StrongPair]:
    """At most one automatic link from a left record into each system of the right side.

    The strongest key decides; among equals the one at the same address; else none is automatic.

    Args:
        pairs: judged pairs across two sides.
        systems: system of each right row.
    """
    by_target: dict[tuple[int, str | None], list[StrongPair]] = defaultdict(list)
    for pair in pairs:
        if pair.is_link:
            by_target[pair.left_row, systems.get(pair.right_row)].append(pair)
    kept = {
        (chosen.left_row, chosen.right_row)
        for rivals in by_target.values()
        if (chosen := _single(rivals)) is not None
    }
    return [
        pair
        if not pair.is_link or (pair.left_row, pair.right_row) in kept
        else _doubted(pair, "several records of the other side share the key")
        for pair in pairs
    ]


def _single(rivals: Sequence[StrongPair]) -> StrongPair | None:
    strongest = min(pair.tier for pair in rivals)
    best = [pair for pair in rivals if pair.tier == strongest]
    if len(best) > 1:
        best = [pair for pair in best if pair.same_site]
    return best[0] if len(best) == 1 else None


def _consistent(
    pairs: Sequence[StrongPair], records: pl.DataFrame, keys: Sequence[str]
) -> list[StrongPair]:
    """Leave to a person every link whose cluster would hold conflicting strong keys."""
    links = [pair for pair in pairs if pair.is_link]
    doubted: dict[tuple[int, int], str] = {}
    for tier in sorted(Tier, reverse=True):
        conflicts = _conflicting_clusters(links, records, keys)
        if not conflicts:
            break
        for pair in links:
            if pair.tier == tier and pair.left_row in conflicts:
                doubted[pair.left_row, pair.right_row] = conflicts[pair.left_row]
        links = [pair for pair in links if (pair.left_row, pair.right_row) not in doubted]
    return [
        _doubted(pair, doubted[pair.left_row, pair.right_row])
        if (pair.left_row, pair.right_row) in doubted
        else pair
        for pair in pairs
    ]


def _doubted(pair: StrongPair, why: str) -> StrongPair:
    return replace(pair, is_link=False, reason=f"{why}; {pair.reason}")


def _conflicting_clusters(
    links: Sequence[StrongPair], records: pl.DataFrame, keys: Sequence[str]
) -> dict[int, str]:
    """Rows of clusters that contradict themselves, with what contradicts."""
    found: dict[int, str] = {}
    clusters = _clusters((pair.left_row, pair.right_row) for pair in links)
    inside = [
        (one, other)
        for cluster in clusters
        if len(cluster) <= _CLUSTER_RECORDS_MAX
        for position, one in enumerate(cluster)
        for other in cluster[position + 1 :]
    ]
    contradicting = conflicts_of(records, inside, keys)
    for cluster in clusters:
        why = ""
        if len(cluster) > _CLUSTER_RECORDS_MAX:
            why = f"would join {len(cluster)} records"
        else:
            told = {
                contradicting[one, other]
                for position, one in enumerate(cluster)
                for other in cluster[position + 1 :]
                if (one, other) in contradicting
            }
            if told:
                why = f"would join records with different {' and '.join(sorted(told))}"
        if why:
            found.update(dict.fromkeys(cluster, why))
    return found


def _clusters(links: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Records that hang together by links, each cluster ordered."""
    parent: dict[int, int] = {}

    def root(row: int) -> int:
        parent.setdefault(row, row)
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for one, other in links:
        first, second = sorted((root(one), root(other)))
        parent[second] = first
    members: dict[int, list[int]] = defaultdict(list)
    for row in sorted(parent):
        members[root(row)].append(row)
    return [cluster for _, cluster in sorted(members.items()) if len(cluster) > 1]
