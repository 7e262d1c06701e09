"""Proposals of the loop: which unlinked CRM account may be which unlinked customer.

Only what has no link yet is compared, and nothing that a person took apart is proposed again, so a
loop with everything linked pays nothing. Every row waits for a person, however certain: links by
number are SQL in the warehouse, all others are people's. Pure; it must not link.
"""

import hashlib

import polars as pl

from reverse_etl.decisions.identity import match_identities
from reverse_etl.decisions.identity_policy import IdentityPolicy

__all__ = ["PROPOSAL_SCHEMA", "propose_links"]

#: Columns of ``decisions.link_proposals`` but for ``as_of_date``, which the caller knows.
PROPOSAL_SCHEMA = pl.Schema(
    {
        "decision_id": pl.String,
        "system_id": pl.String,
        "native_id": pl.String,
        "customer_id": pl.String,
        "relation": pl.String,
        "decision": pl.String,
        "score": pl.Float64,
        "reason": pl.String,
    }
)

_RELATION = "account"
_ID_SEPARATOR = "\x1f"
_DECISION_ID_LENGTH = 20
_ACCOUNT_COLUMNS = ("system_id", "native_id")
_CUSTOMER_COLUMNS = ("system_id", "customer_id")


def propose_links(
    accounts: pl.DataFrame,
    customers: pl.DataFrame,
    existing_links: pl.DataFrame,
    policy: IdentityPolicy,
) -> pl.DataFrame:
    """Compare CRM accounts and customers that have no link, ERP by ERP.

    Args:
        accounts: live CRM accounts: ``system_id``, ``native_id``, ``name`` and what is known of
            ``street, city, postal_code, country, phone, email, tax_id, erp_customer_id``.
        customers: live hub customers: ``customer_id``, ``system_id`` (the ERP), ``name`` and the
            same others; ``erp_customer_id`` is the ERP's own number.
        existing_links: ``system_id``, ``native_id``, ``customer_id``, ``unlinked_at`` (null while
            the link holds), links by number as well as people's.
        policy: thresholds; ``loop_pairs_max`` bounds the comparison.

    Returns:
        ``PROPOSAL_SCHEMA``, best first for each account, ``decision`` always ``proposal``.
    """
    active = existing_links.filter(pl.col("unlinked_at").is_null())
    free = customers.join(active, on="customer_id", how="anti")
    of_system = customers.select("customer_id", erp="system_id")
    linked_to = active.join(of_system, on="customer_id").select(*_ACCOUNT_COLUMNS, "erp")
    found = [PROPOSAL_SCHEMA.to_frame()]
    for erp in free["system_id"].unique().sort().to_list():
        here = linked_to.filter(pl.col("erp") == erp)
        unlinked = accounts.join(here, on=list(_ACCOUNT_COLUMNS), how="anti")
        if unlinked.height:
            found.append(_proposed(unlinked, free.filter(pl.col("system_id") == erp), policy))
    proposed = pl.concat(found)
    taken_apart = existing_links.filter(pl.col("unlinked_at").is_not_null())
    keys = ["system_id", "native_id", "customer_id"]
    return proposed.join(taken_apart, on=keys, how="anti").sort(
        "system_id", "native_id", "score", "customer_id", descending=[False, False, True, False]
    )


def _proposed(
    accounts: pl.DataFrame, customers: pl.DataFrame, policy: IdentityPolicy
) -> pl.DataFrame:
    """Matches of unlinked accounts with the unlinked customers of one ERP, as proposals."""
    left = accounts.with_columns(
        pl.concat_str(*_ACCOUNT_COLUMNS, separator=_ID_SEPARATOR).alias("id")
    ).drop("system_id")
    right = customers.with_columns(pl.col("customer_id").alias("id"))
    matched = match_identities(left, right, policy.for_loop())
    parts = pl.col("left_id").str.split_exact(_ID_SEPARATOR, 1)
    named = matched.select(
        parts.struct.field("field_0").alias("system_id"),
        parts.struct.field("field_1").alias("native_id"),
        pl.col("right_id").alias("customer_id"),
        pl.lit(_RELATION).alias("relation"),
        pl.lit("proposal").alias("decision"),
        "score",
        pl.when(pl.col("decision") == "link")
        .then(pl.concat_str(pl.lit("strong keys agree: "), pl.col("reason")))
        .otherwise("reason")
        .alias("reason"),
    )
    ids = [
        _decision_id(row) for row in named.select("system_id", "native_id", "customer_id").rows()
    ]
    return named.with_columns(pl.Series("decision_id", ids, dtype=pl.String)).select(
        PROPOSAL_SCHEMA.names()
    )


def _decision_id(key: tuple[str, ...]) -> str:
    """The same proposal has the same id in every run."""
    text = _ID_SEPARATOR.join(("link", *key))
    return hashlib.sha256(text.encode()).hexdigest()[:_DECISION_ID_LENGTH]
