"""Proposals of the loop: unlinked accounts, unlinked customers, nobody's word undone."""

import subprocess
import sys
from datetime import UTC, datetime

import polars as pl

from reverse_etl.decisions.identity_links import PROPOSAL_SCHEMA, propose_links
from reverse_etl.decisions.identity_policy import IdentityPolicy
from tests.reverse_etl.decisions.identity_records import acme

POLICY = IdentityPolicy()
LINKS = pl.Schema(
    [
        ("system_id", pl.String()),
        ("native_id", pl.String()),
        ("customer_id", pl.String()),
        ("unlinked_at", pl.Datetime(time_zone="UTC")),
    ]
)
CUSTOMERS = acme(erp={"tax_id": ""}).select(
    pl.exclude("id"), customer_id=pl.lit("SAP-7"), system_id=pl.lit("sap")
)
ACCOUNTS = acme(crm={"tax_id": ""}).select(
    pl.exclude("id"), native_id=pl.lit("001A"), system_id=pl.lit("crm")
)


def _links(*rows: tuple[str, str, str, datetime | None]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=LINKS, orient="row")


def test_even_a_certain_match_waits_for_a_person_and_keeps_its_id() -> None:
    proposed = propose_links(ACCOUNTS, CUSTOMERS, _links(), POLICY)
    assert proposed.schema == PROPOSAL_SCHEMA
    (row,) = proposed.to_dicts()
    assert (row["system_id"], row["native_id"], row["customer_id"]) == ("crm", "001A", "SAP-7")
    assert (row["decision"], row["relation"], row["score"]) == ("proposal", "account", 1.0)
    assert row["reason"].startswith("strong keys agree: same e-mail domain")
    assert propose_links(ACCOUNTS, CUSTOMERS, _links(), POLICY).equals(proposed)


def test_what_a_person_took_apart_is_not_proposed_again() -> None:
    unlinked = _links(("crm", "001A", "SAP-7", datetime(2020, 1, 1, tzinfo=UTC)))
    assert propose_links(ACCOUNTS, CUSTOMERS, unlinked, POLICY).is_empty()


def test_a_linked_account_or_customer_is_left_alone_within_its_erp() -> None:
    other = CUSTOMERS.with_columns(customer_id=pl.lit("SAP-8"))
    both = pl.concat([CUSTOMERS, other])
    assert propose_links(ACCOUNTS, both, _links(("crm", "001A", "SAP-8", None)), POLICY).is_empty()
    taken = _links(("crm", "001B", "SAP-7", None))
    assert propose_links(ACCOUNTS, CUSTOMERS, taken, POLICY).is_empty()
    second_erp = other.with_columns(customer_id=pl.lit("NS-8"), system_id=pl.lit("netsuite"))
    proposed = propose_links(
        ACCOUNTS, pl.concat([CUSTOMERS, second_erp]), _links(("crm", "001A", "SAP-7", None)), POLICY
    )
    assert proposed["customer_id"].to_list() == ["NS-8"]


def test_a_number_that_two_erps_have_is_proposed_for_each_and_linked_for_none() -> None:
    account = ACCOUNTS.with_columns(erp_customer_id=pl.lit("77"))
    customers = [
        CUSTOMERS.with_columns(
            customer_id=pl.lit(customer_id), system_id=pl.lit(erp), erp_customer_id=pl.lit(number)
        )
        for customer_id, erp, number in (
            ("SAP-0000000077", "sap", "0000000077"),
            ("NS-77", "netsuite", "77"),
        )
    ]
    proposed = propose_links(account, pl.concat(customers), _links(), POLICY)
    assert set(proposed["customer_id"]) == {"SAP-0000000077", "NS-77"}
    assert set(proposed["decision"]) == {"proposal"}


def test_a_loop_with_everything_linked_does_not_even_load_the_model() -> None:
    code = """
import sys, polars as pl
from tests.reverse_etl.decisions.test_identity_links import ACCOUNTS, CUSTOMERS, POLICY, _links
from reverse_etl.decisions.identity_links import propose_links
assert propose_links(ACCOUNTS, CUSTOMERS, _links(("crm", "001A", "SAP-7", None)), POLICY).is_empty()
assert "splink" not in sys.modules
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)
