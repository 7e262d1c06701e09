"""The identity part of the decide step: unlinked accounts and customers in, proposals out.

Nothing is linked here: strong keys link in dbt, and a proposal takes effect only after a person
accepted it (``ledgerloop links add``). It replaces the whole ``decisions.link_proposals``.
"""

from dataclasses import dataclass
from datetime import date

import duckdb
import polars as pl

from reverse_etl.decisions.identity_links import propose_links
from reverse_etl.decisions.identity_policy import IdentityPolicy
from reverse_etl.planning.policy import Policy
from reverse_etl.planning.tables import TABLES, replace_rows

__all__ = ["LinkSummary", "run_links"]

# A number that customers of several ERPs have is evidence for each of them; of an account that
# names several customers, the number is that of no one ERP.
_ACCOUNTS = """
    with doubtful as (
        select system_id, native_id, min(erp_customer_number) as erp_customer_number
        from marts.ops_link_conflicts
        where conflict = 'several_customers'
        group by all
    )
    select accounts.system_id, accounts.id as native_id, accounts.name,
           accounts.billing_street as street, accounts.billing_city as city,
           accounts.billing_postal_code as postal_code, accounts.billing_country as country,
           accounts.phone,
           coalesce(
               doubtful.erp_customer_number,
               if(contains(accounts.erp_customer_number, ';'), null, accounts.erp_customer_number)
           ) as erp_customer_id
    from staging.stg_salesforce__accounts as accounts
    left join doubtful
        on accounts.system_id = doubtful.system_id and accounts.id = doubtful.native_id
    where not accounts.is_deleted
"""
_CUSTOMERS = """
    select customer_id, system_id, customer as erp_customer_id, name, street, city, postal_code,
           country, tax_id
    from intermediate.int_customers_mapped
    where not is_deleted
"""
_LINKS = """
    select system_id, native_id, customer_id, cast(null as timestamptz) as unlinked_at
    from marts.dim_customer_links where relation = 'account'
    union
    select system_id, native_id, customer_id, unlinked_at
    from ledger.links where relation = 'account' and unlinked_at is not null
"""


@dataclass(frozen=True, slots=True)
class LinkSummary:
    """How many pairs are proposed, of how many accounts."""

    proposals: int
    accounts: int


def run_links(connection: duckdb.DuckDBPyConnection, policy: Policy, as_of: date) -> LinkSummary:
    """Propose links for accounts that have none; costs nothing when there are none."""
    found = propose_links(
        connection.sql(_ACCOUNTS).pl(),
        connection.sql(_CUSTOMERS).pl(),
        connection.sql(_LINKS).pl(),
        IdentityPolicy.of(policy.identity),
    )
    table = TABLES["decisions.link_proposals"]
    rows = found.with_columns(pl.lit(as_of).alias("as_of_date")).select(table.names)
    replace_rows(connection, "decisions.link_proposals", rows.to_arrow().cast(table))
    return LinkSummary(found.height, found.select("system_id", "native_id").n_unique())
