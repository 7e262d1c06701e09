import signal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingestion.common import pipeline
from ingestion.common.config import System
from ingestion.common.loading import Change
from ingestion.common.objects import declared_kinds, objects_of
from ingestion.common.pipeline import dlt_columns, raw_source, run_pipeline
from ingestion.common.warehouse import open_warehouse


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


def test_ctrl_c_while_dlt_works_is_not_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (spec,) = [one for one in objects_of("salesforce") if one.name == "accounts"]
    schema = spec.arrow_schema()
    row = {name: ["x"] if name in spec.key_columns else [None] for name in schema.names}
    pq.write_table(pa.table(row, schema=schema), tmp_path / "x.parquet")
    mark = pipeline.dlt.mark.with_file_import

    def marked(*arguments: object) -> object:
        signal.raise_signal(signal.SIGINT)
        return mark(*arguments)

    monkeypatch.setattr(pipeline.dlt.mark, "with_file_import", marked)
    system = System(system_id="crm", kind="salesforce")
    change = Change(spec, tmp_path / "x.parquet", 1, is_first=True)
    with pytest.raises(KeyboardInterrupt):
        run_pipeline(system, tmp_path / "warehouse.duckdb", [change])
    with open_warehouse(tmp_path / "warehouse.duckdb") as connection:
        (loaded,) = connection.execute("select count(*) from salesforce_raw.accounts").fetchall()
    assert loaded == (1,)
