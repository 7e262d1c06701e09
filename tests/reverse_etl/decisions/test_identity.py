"""Links, vetoes, proposals: what two lists of customers may be told about each other."""

import polars as pl
import pytest

from bench.decisions_identity_world import make_world
from ingestion.common.errors import ConfigError
from reverse_etl.decisions.identity import MATCH_SCHEMA, match_identities
from reverse_etl.decisions.identity_policy import IdentityPolicy
from tests.reverse_etl.decisions.identity_records import acme

POLICY = IdentityPolicy()


def _decided(left: pl.DataFrame, right: pl.DataFrame | None) -> dict[tuple[str, str], str]:
    found = match_identities(left, right, POLICY)
    return {(row["left_id"], row["right_id"]): row["decision"] for row in found.to_dicts()}


def _reason(left: pl.DataFrame, right: pl.DataFrame | None) -> str:
    (row,) = match_identities(left, right, POLICY).to_dicts()
    return str(row["reason"])


def test_a_conflicting_tax_id_vetoes_link_and_proposal() -> None:
    assert _decided(acme(crm={"tax_id": "841725935"}), acme(erp={})) == {}
    numbered = acme(crm={"tax_id": "841725935", "erp_customer_id": "77"})
    assert _decided(numbered, acme(erp={"erp_customer_id": "77"})) == {}


def test_a_placeholder_neither_links_nor_vetoes() -> None:
    crm = acme(crm={"tax_id": "000000000", "email": "", "name": "Borg Foods", "phone": ""})
    other = {"tax_id": "000000000", "name": "Zeta Paper", "street": "9 Oak Street"}
    assert _decided(crm, acme(erp={**other, "email": "", "phone": "", "postal_code": ""})) == {}
    crm = acme(crm={"tax_id": "N/A", "email": ""})
    assert _decided(crm, acme(erp={})) == {("crm", "erp"): "proposal"}


def test_alike_without_a_strong_key_is_a_proposal_with_its_reasons() -> None:
    crm = acme(crm={"tax_id": None, "email": None})
    (row,) = match_identities(crm, acme(erp={}), POLICY).to_dicts()
    assert (row["decision"], row["score"] < 1) == ("proposal", True)
    assert "same name, same street and number" in row["reason"]
    assert "same phone" in row["reason"]


def test_another_legal_form_at_the_same_place_is_a_hierarchy_question() -> None:
    crm = acme(crm={"name": "Acme GmbH", "tax_id": ""})
    erp = acme(erp={"name": "Acme GmbH & Co. KG", "tax_id": ""})
    assert _decided(crm, erp) == {("crm", "erp"): "proposal"}
    assert _reason(crm, erp).startswith("hierarchy question: another legal form")


@pytest.mark.parametrize("child", ["Acme Steel Holding Inc", "Acme Steel Logistics LLC"])
def test_parent_and_child_under_one_tax_id_are_never_merged(child: str) -> None:
    assert _reason(acme(crm={}), acme(erp={"name": child})).startswith("hierarchy question")


def test_a_chain_of_links_never_joins_conflicting_keys() -> None:
    """Two customers with their own tax ids and, between them, a record that matches both."""
    records = acme(one={}, between={"tax_id": ""}, two={"tax_id": "84-9999931"})
    decided = _decided(records, None)
    assert "link" not in decided.values()
    assert set(decided) == {("between", "one"), ("between", "two")}
    assert (
        "would join records with different tax id"
        in match_identities(records, None, POLICY)["reason"].str.join(" ").item()
    )


def test_the_same_name_under_another_number_is_a_question_and_no_merge() -> None:
    plain = {"street": "", "city": "", "postal_code": "", "phone": "", "email": "", "tax_id": ""}
    left = acme(crm={**plain, "name": "Zwickau Optics"})
    right = acme(erp={**plain, "name": "Zwickau Optics"})
    found = match_identities(left, right, IdentityPolicy(proposal_score_min=0.0))
    assert found["decision"].to_list() == ["proposal"]
    assert found["reason"][0].startswith("hierarchy question: only the name agrees")


@pytest.mark.parametrize("count", [0, 1, 2, 10])
def test_small_lists_need_no_training(count: int) -> None:
    world = make_world(20, seed=3)
    found = match_identities(world.crm.head(count), world.erp.head(count), POLICY)
    assert found.schema == MATCH_SCHEMA
    assert match_identities(world.crm.head(count), None, POLICY).schema == MATCH_SCHEMA


def test_columns_that_nobody_filled_do_not_matter() -> None:
    left = pl.DataFrame({"id": [1, 2], "name": ["Acme Steel", None]})
    assert match_identities(left, left, POLICY).schema == MATCH_SCHEMA


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"id": ["1"]}, "identity_column"),
        ({"id": ["1", "1"], "name": ["a", "b"]}, "identity_id"),
        ({"id": ["1", ""], "name": ["a", "b"]}, "identity_id"),
    ],
)
def test_a_list_without_usable_ids_is_refused(frame: dict[str, list[str]], code: str) -> None:
    with pytest.raises(ConfigError) as refused:
        match_identities(pl.DataFrame(frame), None, POLICY)
    assert refused.value.code == code


def test_the_order_of_the_input_changes_nothing_not_even_what_is_learnt() -> None:
    world, policy = make_world(120, seed=5), IdentityPolicy(training_rows_min=100)
    shuffled = world.erp.sample(fraction=1, shuffle=True, seed=1)
    again = match_identities(world.crm.reverse(), shuffled, policy)
    assert again.equals(match_identities(world.crm, world.erp, policy))
    assert {"link", "proposal"} == set(again["decision"])
