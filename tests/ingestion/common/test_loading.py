from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ingestion.common import pipeline
from ingestion.common.config import System
from ingestion.common.errors import ConfigError
from ingestion.common.loading import (
    chosen_objects,
    cursors,
    load,
    marked_deleted,
    spool_folder,
    stored_keys,
)
from ingestion.common.objects import ObjectSpec, fields_of
from ingestion.common.report import ObjectReport
from ingestion.common.spool import Spool
from ingestion.common.warehouse import open_warehouse

LOADED_AT = datetime(2026, 1, 2, tzinfo=UTC)
ERP = System(system_id="erp", kind="sap_s4hana")
SECOND = System(system_id="erp_two", kind="sap_s4hana")
ITEMS = ObjectSpec(
    "items__c",
    "",
    fields_of("Company Number__c Amount:money Changed:date Note"),
    ("Company", "Number__c"),
    cursor="Changed",
    lag_seconds=26 * 3600,
)
BLOCKS = ObjectSpec("blocks", "", fields_of("Id Reason"), ("Id",))


def item(number: str, amount: str = "1.00", day: int = 1, note: str = "") -> dict[str, Any]:
    return {
        "Company": "U001",
        "Number__c": number,
        "Amount": Decimal(amount),
        "Changed": date(2026, 1, day),
        "Note": note,
    }


def loaded(
    warehouse: Path, spec: ObjectSpec, pages: Sequence[Sequence[dict]], system: System = ERP
) -> ObjectReport:
    cursors(warehouse, system, [spec])
    with spool_folder() as folder:
        spool = Spool(spec, folder)
        for page in pages:
            ours = {"system_id": system.system_id, "_loaded_at": LOADED_AT}
            rows = [{**row, **ours} for row in page]
            spool.add(pa.Table.from_pylist(rows, schema=spec.arrow_schema()))
        spool.close()
        return load(system, warehouse, [spool])[0]


def stored(warehouse: Path, sql: str) -> list[tuple]:
    with open_warehouse(warehouse) as connection:
        return connection.execute(sql).fetchall()


ALL = 'select Number__c, Amount, Note from sap_s4hana_raw."items__c" order by system_id, Number__c'


def test_a_first_load_keeps_the_vendors_names_and_types(tmp_path: Path) -> None:
    warehouse = tmp_path / "w.duckdb"
    report = loaded(warehouse, ITEMS, [[item("1", "1234567890123456.789012")], [item("2")]])
    assert (report.rows_read, report.rows_changed, report.pages) == (2, 2, 2)
    assert stored(warehouse, ALL) == [
        ("1", Decimal("1234567890123456.789012"), ""),
        ("2", Decimal("1.000000"), ""),
    ]
    columns = "select column_name, data_type from duckdb_columns() where table_name = 'items__c' \
        and schema_name = 'sap_s4hana_raw'"
    assert stored(warehouse, columns) == [
        ("system_id", "VARCHAR"),
        ("Company", "VARCHAR"),
        ("Number__c", "VARCHAR"),
        ("Amount", "DECIMAL(28,6)"),
        ("Changed", "DATE"),
        ("Note", "VARCHAR"),
        ("_loaded_at", "TIMESTAMP WITH TIME ZONE"),
    ]


def test_an_unchanged_row_starts_no_pipeline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse = tmp_path / "w.duckdb"
    loaded(warehouse, ITEMS, [[item("1"), item("2")]])
    monkeypatch.setattr(pipeline, "run_pipeline", None)
    assert loaded(warehouse, ITEMS, [[item("1"), item("2")]]).rows_changed == 0
    assert loaded(warehouse, ITEMS, []).rows_changed == 0


def test_only_what_differs_is_merged(tmp_path: Path) -> None:
    warehouse = tmp_path / "w.duckdb"
    loaded(warehouse, ITEMS, [[item("1"), item("2"), item("3", note="keep")]])
    report = loaded(warehouse, ITEMS, [[item("1"), item("2", "2.50"), item("4", "4.00")]])
    assert report.rows_changed == 2
    assert stored(warehouse, ALL) == [
        ("1", Decimal("1.000000"), ""),
        ("2", Decimal("2.500000"), ""),
        ("3", Decimal("1.000000"), "keep"),
        ("4", Decimal("4.000000"), ""),
    ]


def test_a_value_that_becomes_null_is_a_change(tmp_path: Path) -> None:
    warehouse = tmp_path / "w.duckdb"
    loaded(warehouse, ITEMS, [[item("1", note="x")]])
    assert loaded(warehouse, ITEMS, [[{**item("1"), "Note": None}]]).rows_changed == 1
    assert stored(warehouse, ALL) == [("1", Decimal("1.000000"), None)]


@pytest.mark.parametrize("is_first", [True, False])
def test_a_row_shown_twice_by_moving_pages_is_stored_once_in_its_latest_version(
    tmp_path: Path, is_first: bool
) -> None:
    warehouse = tmp_path / "w.duckdb"
    if not is_first:
        loaded(warehouse, ITEMS, [[item("9")]])
    pages = [
        [item("1", "2.00", day=3), item("2", "1.00")],
        [item("1", "1.00", day=2), item("2", "5.00")],
    ]
    loaded(warehouse, ITEMS, pages)
    assert stored(warehouse, ALL)[:2] == [
        ("1", Decimal("2.000000"), ""),
        ("2", Decimal("5.000000"), ""),
    ]
    assert len(stored(warehouse, ALL)) == (2 if is_first else 3)


def test_rows_that_a_whole_read_no_longer_shows_leave_only_their_own_system(tmp_path: Path) -> None:
    warehouse = tmp_path / "w.duckdb"
    block = {"Id": "1", "Reason": "credit"}
    loaded(warehouse, BLOCKS, [[block, {"Id": "2", "Reason": "credit"}]])
    loaded(warehouse, BLOCKS, [[block]], system=SECOND)
    report = loaded(warehouse, BLOCKS, [[{"Id": "2", "Reason": "credit"}]])
    assert (report.rows_changed, report.rows_vanished) == (0, 1)
    left = "select system_id, Id from sap_s4hana_raw.blocks order by 1"
    assert stored(warehouse, left) == [("erp", "2"), ("erp_two", "1")]
    assert loaded(warehouse, BLOCKS, []).rows_vanished == 1
    assert stored(warehouse, left) == [("erp_two", "1")]


def test_a_cursor_goes_back_by_its_lag_and_is_each_systems_own(tmp_path: Path) -> None:
    warehouse = tmp_path / "w.duckdb"
    assert cursors(warehouse, ERP, [ITEMS, BLOCKS]) == {"items__c": None, "blocks": None}
    loaded(warehouse, ITEMS, [[item("1", day=10), item("2", day=3)]])
    assert cursors(warehouse, ERP, [ITEMS])["items__c"] == datetime(2026, 1, 8, 22, tzinfo=UTC)
    assert cursors(warehouse, SECOND, [ITEMS])["items__c"] is None


def test_deleted_rows_are_marked_and_keep_what_they_held(tmp_path: Path) -> None:
    spec = ObjectSpec(
        "accounts_x",
        "",
        fields_of("Id Name IsDeleted:flag Stamp:timestamp"),
        ("Id",),
        cursor="Stamp",
        lag_seconds=60,
    )
    warehouse = tmp_path / "w.duckdb"
    at = datetime(2026, 1, 5, tzinfo=UTC)
    rows = [{"Id": key, "Name": key.upper(), "IsDeleted": False, "Stamp": at} for key in "abc"]
    loaded(warehouse, spec, [rows])
    later = datetime(2026, 1, 6, tzinfo=UTC)
    gone = {"a": later, "b": None, "z": later}
    marked = marked_deleted(warehouse, ERP, spec, gone, flag="IsDeleted", loaded_at=later)
    assert sorted((r["Id"], r["Name"], r["IsDeleted"], r["Stamp"]) for r in marked.to_pylist()) == [
        ("a", "A", True, later),
        ("b", "B", True, at),
    ]
    assert marked_deleted(warehouse, ERP, spec, {}, flag="IsDeleted", loaded_at=later).num_rows == 0
    assert stored_keys(warehouse, ERP, spec, "NOT IsDeleted") == {"a", "b", "c"}


def test_an_unknown_object_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="nonsense"):
        chosen_objects([ITEMS, BLOCKS], ["blocks", "nonsense"])
    assert chosen_objects([ITEMS, BLOCKS], ["blocks"]) == (BLOCKS,)
    assert chosen_objects([ITEMS, BLOCKS], None) == (ITEMS, BLOCKS)
