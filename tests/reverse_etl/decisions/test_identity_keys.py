"""Strong keys: what links without a person, and what looks as if it should and must not."""

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.decisions_identity_world import make_world
from reverse_etl.decisions.identity_clusters import link_by_keys
from reverse_etl.decisions.identity_policy import IdentityPolicy
from reverse_etl.decisions.identity_records import prepare_records
from tests.reverse_etl.decisions.identity_records import acme

POLICY = IdentityPolicy()


def _decided(
    left: pl.DataFrame, right: pl.DataFrame | None, policy: IdentityPolicy = POLICY
) -> dict[tuple[str, str], str]:
    """Pairs that share a strong key: ``link``, or ``proposal`` where a person must look."""
    records = prepare_records(left, right, policy)
    ids = records["id"].to_list()
    return {
        (ids[pair.left_row], ids[pair.right_row]): "link" if pair.is_link else "proposal"
        for pair in link_by_keys(records, policy)
    }


def test_the_same_tax_id_links_however_both_are_written() -> None:
    crm = acme(crm={"name": "ACME STEEL", "tax_id": "841725934", "street": "12 Main St."})
    assert _decided(crm, acme(erp={})) == {("crm", "erp"): "link"}


def test_a_local_tax_number_beside_a_vat_id_is_no_conflict() -> None:
    german = {"country": "DE", "city": "Köln", "postal_code": "50667"}
    crm = acme(crm={**german, "tax_id": "215/5874/1203"})
    erp = acme(erp={**german, "tax_id": "DE813495425"})
    assert _decided(crm, erp) == {("crm", "erp"): "link"}  # by mail domain, postal code and name


def test_a_tax_id_under_many_names_identifies_nobody() -> None:
    names = ("Borg Foods", "Zeta Paper", "Quill Toys", "Hanse Optics")
    places = [{"name": name, "street": f"{i} Oak St", "phone": "", "email": ""}
              for i, name in enumerate(names)]  # fmt: skip
    erp = acme(**{f"e{i}": {**place, "tax_id": "777000001"} for i, place in enumerate(places)})
    crm = acme(crm={**places[0], "tax_id": "777000001"})
    assert "link" not in _decided(crm, erp).values()


def test_company_mail_postal_code_and_name_link_but_free_mail_does_not() -> None:
    erp = acme(erp={"tax_id": ""})
    crm = acme(crm={"tax_id": "", "email": "sales@acmesteel.com", "phone": ""})
    assert _decided(crm, erp) == {("crm", "erp"): "link"}
    free = {"tax_id": "", "email": "acmesteel@gmail.com"}
    assert _decided(acme(crm=free), acme(erp=free)) == {}


def test_companies_of_a_vat_group_are_not_linked_by_its_shared_number() -> None:
    crm = acme(crm={"name": "Kappa Foods Ltd", "street": "1 Low Road", "phone": ""})
    erp = acme(erp={"name": "Kappa Optics Ltd"})
    assert "link" not in _decided(crm, erp).values()


def test_branches_under_one_tax_id_link_only_at_their_own_address() -> None:
    branch = {"street": "7 Lake Road", "city": "Boston", "postal_code": "02116"}
    erp = acme(main={}, branch=branch)
    decided = _decided(acme(crm=branch), erp)
    assert [pair for pair, decision in decided.items() if decision == "link"] == [("crm", "branch")]
    elsewhere = {"street": "3 Hill Road", "city": "Austin", "postal_code": "73301"}
    assert "link" not in _decided(acme(crm=elsewhere), erp).values()


def test_a_copied_customer_number_does_not_link_to_the_sibling() -> None:
    branch = {"street": "7 Lake Road", "city": "Boston", "postal_code": "02116"}
    erp = acme(main={"erp_customer_id": "0000000010"},
                   branch={**branch, "erp_customer_id": "0000000020"})  # fmt: skip
    crm = acme(crm={**branch, "tax_id": "", "erp_customer_id": "10"})
    assert "link" not in _decided(crm, erp).values()


def test_a_number_stored_in_the_crm_finds_the_record_by_its_id() -> None:
    bare = {"tax_id": "", "email": "", "phone": "", "street": "", "postal_code": "", "city": ""}
    crm = acme(crm={**bare, "erp_customer_id": "4711.0"})
    erp = acme(**{"0000004711": bare, "0000004712": {**bare, "name": "Zeta Paper"}})
    assert _decided(crm, erp) == {("crm", "0000004711"): "link"}


def test_one_account_is_linked_to_one_customer_per_system() -> None:
    twins = acme(a={}, b={})
    assert set(_decided(acme(crm={}), twins).values()) == {"proposal"}
    two_systems = twins.with_columns(pl.Series("system_id", ["sap", "netsuite"]))
    assert set(_decided(acme(crm={}), two_systems).values()) == {"link"}
    several = IdentityPolicy(several_customers_per_account=True)
    assert set(_decided(acme(crm={}), twins, several).values()) == {"link"}


def test_the_stronger_key_survives_a_chain_that_contradicts() -> None:
    """The tax id still links; only the record in between goes to a person."""
    records = acme(one={}, again={"email": ""}, between={"tax_id": ""},
                       two={"tax_id": "84-9999931"})  # fmt: skip
    decided = _decided(records, None)
    assert [pair for pair, how in decided.items() if how == "link"] == [("again", "one")]


def test_in_a_world_of_traps_every_automatic_link_is_right() -> None:
    world = make_world(700, seed=11)
    decided = _decided(world.crm, world.erp)
    links = [pair for pair, how in decided.items() if how == "link"]
    assert len(links) > 500
    assert [
        (crm, erp) for crm, erp in links if world.account_of_crm[crm] != world.account_of_erp[erp]
    ] == []


_TAX = st.sampled_from(["", "841725934", "849999931", "000000000"])
_MAIL = st.sampled_from(["", "ap@acmesteel.com", "x@gmail.com"])
_NAME = st.sampled_from(["Acme Steel", "Acme Steel Inc", "Acme Steel Holding", "Borg Foods"])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(_TAX, _MAIL, _NAME), min_size=2, max_size=7))
def test_no_cluster_of_links_holds_two_tax_ids(drawn: list[tuple[str, str, str]]) -> None:
    changes = {
        f"r{i}": {"tax_id": tax, "email": mail, "name": name}
        for i, (tax, mail, name) in enumerate(drawn)
    }
    decided = _decided(acme(**changes), None)
    cluster = {key: {key} for key in changes}
    for (left, right), how in decided.items():
        if how == "link":
            joined = cluster[left] | cluster[right]
            cluster.update(dict.fromkeys(joined, joined))
    for members in cluster.values():
        real = {changes[one]["tax_id"] for one in members} - {"", "000000000"}
        assert len(real) <= 1
