"""The build itself: green, fast to parse, and shaped as the house rules say."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from orchestration.dbt_process import HOLDS_DATA
from tests.dbt_project.conftest import PROJECT, Built

MARTS_THAT_READ_DECISIONS = re.compile(
    r"^(rec|ops|sync|observed)_|^int_(receipts_decided|receipts_to_post|\w+_wanted)$"
)
#: Flows that the loop plans; other objects are only pushed and have no view.
LOOP_FLOWS = {
    "cash_posting", "cash_clearing", "deductions", "credit", "order_release", "crm",
}  # fmt: skip
Rows = Callable[[str], list[tuple[Any, ...]]]


def models(built: Built) -> dict[str, dict[str, Any]]:
    nodes = built.manifest["nodes"]
    return {n: node for n, node in nodes.items() if node["resource_type"] == "model"}


def test_a_build_succeeds_and_only_the_ties_of_the_story_warn(built: Built) -> None:
    assert built.returncode == 0, built.output
    warned = set(re.findall(r"WARN \d+ (?!in\b)(\w+)", built.output))
    assert warned == {
        "assert_subledger_ties_to_gl",
        "relationships_fct_open_items_customer_id__customer_id__ref_dim_customers_",
    }


def test_every_rule_holds_in_its_unit_test(built: Built) -> None:
    done = built.dbt("test", "--select", "test_type:unit")
    assert done.returncode == 0, done.stdout
    passed = re.search(r"PASS=(\d+) WARN=0 ERROR=0", done.stdout)
    assert passed is not None
    assert int(passed[1]) >= 44


def test_a_second_build_of_tables_alone_leaves_the_same_truth(built: Built) -> None:
    before = _fingerprint(built)
    done = built.dbt("build", "--select", *HOLDS_DATA)
    assert done.returncode == 0, done.stdout
    assert "view model" not in re.sub(r"Finished running.*", "", done.stdout)
    assert _fingerprint(built) == before


def _fingerprint(built: Built) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(built.warehouse), read_only=True) as connection:
        return connection.execute(
            "select count(*), sum(amount_open), min(item_key) from marts.fct_open_items"
            " union all select count(*), sum(amount_unapplied), min(receipt_id)"
            " from marts.fct_receipts"
        ).fetchall()


def test_a_published_copy_under_another_name_answers_from_its_views(
    built: Built, tmp_path: Path
) -> None:
    copy = tmp_path / "warehouse-20200601T060000.duckdb"
    copy.write_bytes(built.warehouse.read_bytes())
    with duckdb.connect(str(copy), read_only=True) as connection:
        assert connection.execute("select count(*) from marts.rec_target_drift").fetchone() == (1,)
        assert connection.execute('select count(*) from sync."salesforce__accounts"').fetchone()


def test_marts_never_read_decisions_or_plans(built: Built) -> None:
    manifest = built.manifest
    sources = {
        key
        for key, one in manifest["sources"].items()
        if one["source_name"] in {"decisions", "plan"}
    }
    parents: dict[str, list[str]] = manifest["parent_map"]

    def reads_decisions(node: str) -> bool:
        above = parents.get(node, [])
        return bool(sources & set(above)) or any(map(reads_decisions, above))

    wrong = [
        node["name"]
        for key, node in models(built).items()
        if not MARTS_THAT_READ_DECISIONS.match(node["name"]) and reads_decisions(key)
    ]
    assert wrong == []


def test_every_mart_is_public_contracted_grouped_and_documented(built: Built) -> None:
    marts = [n for n in models(built).values() if n["schema"] == "marts"]
    assert len(marts) >= 21
    for mart in marts:
        assert mart["access"] == "public", mart["name"]
        assert mart["contract"]["enforced"], mart["name"]
        assert mart["config"]["group"], mart["name"]
        assert mart["description"], mart["name"]
        assert [c for c, one in mart["columns"].items() if not one["description"]] == []


def test_every_model_is_described(built: Built) -> None:
    assert [n["name"] for n in models(built).values() if not n["description"]] == []


def test_singular_tests_name_the_dagster_asset_they_check(built: Built) -> None:
    singular = [
        node
        for node in built.manifest["nodes"].values()
        if node["resource_type"] == "test" and not node.get("test_metadata")
    ]
    assert len(singular) >= 5
    names = {n["name"] for n in models(built).values()}
    for test in singular:
        assert test["config"]["meta"]["dagster"]["ref"]["name"] in names, test["name"]
        assert test["raw_code"].startswith("-- "), f"{test['name']} opens with its sentence"


def test_each_pair_of_views_holds_exactly_the_governed_fields(built: Built, rows: Rows) -> None:
    governance = yaml.safe_load(
        (PROJECT.parent / "reverse_etl" / "governance.yml").read_text(encoding="utf-8")
    )
    context = [
        "ctx_correlation_id", "ctx_lane", "ctx_customer_id", "ctx_customer_name",
        "ctx_company_code", "ctx_document", "ctx_amount", "ctx_currency_code", "ctx_after_key",
    ]  # fmt: skip
    for kind, tree in governance["kinds"].items():
        for name, target in tree.get("objects", {}).items():
            if target["flow"] not in LOOP_FLOWS:
                continue  # only ever pushed from a table of its own
            fields = [
                field
                for field, rule in target["fields"].items()
                if "filled_from" not in rule and rule.get("owner") != "crm"
            ]
            wanted = ["system_id", "object_key", *fields]
            assert _columns(rows, "sync", f"{kind}__{name}") == sorted([*wanted, *context])
            assert _columns(rows, "observed", f"{kind}__{name}") == sorted([*wanted, "native_id"])
    kept = [n for n in models(built).values() if n["config"]["materialized"] != "view"]
    assert len(kept) < 30, "a no-change loop pays for every table"


def _columns(rows: Rows, schema: str, view: str) -> list[str]:
    found = rows(
        "select column_name from duckdb_columns() "
        f"where schema_name = '{schema}' and table_name = '{view}'"
    )
    return sorted(column for (column,) in found)


@pytest.mark.parametrize("schema", ["sync", "observed"])
def test_compared_values_are_text(rows: Rows, schema: str) -> None:
    wrong = rows(
        "select table_name, column_name from duckdb_columns() "
        f"where schema_name = '{schema}' and data_type <> 'VARCHAR' "
        "and not starts_with(column_name, 'ctx_')"
    )
    assert wrong == []


def test_the_queries_of_the_readme_run_and_its_table_names_every_mart(
    built: Built, rows: Rows
) -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    queries = re.findall(r"```sql\n(.*?)```", readme, re.DOTALL)
    assert len(queries) == 3
    for query in queries:
        rows(query)
    named = set(re.findall(r"^\| `(\w+)` \|", readme, re.MULTILINE))
    assert named == {n["name"] for n in models(built).values() if n["schema"] == "marts"}
