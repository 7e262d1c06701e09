from pathlib import Path

import pytest

from ingestion.common.loading import Change
from ingestion.common.objects import declared_kinds, objects_of
from ingestion.common.pipeline import dlt_columns, raw_source


@pytest.mark.parametrize("kind", [kind for kind in declared_kinds() if objects_of(kind)])
@pytest.mark.parametrize("is_first", [True, False])
def test_every_resource_has_its_key_and_merges_after_the_first_load(
    kind: str, is_first: bool
) -> None:
    specs = objects_of(kind)
    changes = [Change(spec, Path("x.parquet"), 1, is_first) for spec in specs]
    source = raw_source(kind, changes)
    assert set(source.resources) == {spec.name for spec in specs}
    for spec in specs:
        table = source.resources[spec.name].compute_table_schema()
        keys = [name for name, column in table["columns"].items() if column.get("primary_key")]
        assert keys == list(spec.key_columns)
        assert table["write_disposition"] == ("append" if is_first else "merge")
        if not is_first:
            assert table["x-merge-strategy"] == "upsert"


def test_money_is_declared_as_exact_decimal() -> None:
    (spec,) = [one for one in objects_of("sap_s4hana") if one.name == "operational_items"]
    column = dlt_columns(spec)["AmountInTransactionCurrency"]
    assert (column["data_type"], column["precision"], column["scale"]) == ("decimal", 28, 6)
