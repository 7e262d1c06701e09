import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingestion.common.arrow_pages import PageReader
from ingestion.common.config import System
from ingestion.common.errors import RetryLater
from ingestion.common.objects import ObjectSpec, fields_of
from ingestion.common.page_style import DateStyle, PageStyle
from ingestion.common.reading import Pages, Reading, read_objects
from ingestion.common.report import DriftKind, ReadReport
from ingestion.common.warehouse import open_warehouse

ERP = System(system_id="erp", kind="rest")
GOOD = ObjectSpec("good", "", fields_of("Id Name"), ("Id",))
OTHER = ObjectSpec("other", "", fields_of("Id Name"), ("Id",))
STYLE = PageStyle(("rows",), DateStyle.ISO)


def page(*rows: dict) -> bytes:
    return json.dumps({"rows": list(rows)}).encode()


def read(warehouse: Path, pages: Pages) -> ReadReport:
    async def fetch(reading: Reading) -> None:
        await reading.each_object(pages, concurrent_max=2)

    def reader_of(spec: ObjectSpec) -> PageReader:
        return PageReader(spec, STYLE, system_id="erp", loaded_at=datetime(2026, 1, 1, tzinfo=UTC))

    return read_objects(ERP, warehouse, [GOOD, OTHER], None, fetch, reader_of)


def ids(warehouse: Path, table: str) -> list[str]:
    with open_warehouse(warehouse) as connection:
        rows = connection.execute(f"select Id from rest_raw.{table} order by 1").fetchall()
    return [row[0] for row in rows]


def test_several_pages_of_several_objects_arrive(tmp_path: Path) -> None:
    async def pages(spec: ObjectSpec, since: datetime | None) -> AsyncIterator[bytes]:
        assert since is None
        yield page({"Id": f"{spec.name}1", "Name": ""})
        yield page({"Id": f"{spec.name}2", "Name": ""}, {"Id": f"{spec.name}3", "Name": ""})

    report = read(tmp_path / "w.duckdb", pages)
    assert report.rows == 6
    assert report.rows_changed == 6
    assert not report.stops_writing
    assert [one.pages for one in report.objects] == [2, 2]
    assert report.microseconds_per_row > 0
    assert ids(tmp_path / "w.duckdb", "other") == ["other1", "other2", "other3"]


def test_a_vanished_column_stops_writing_and_keeps_that_table_as_it_was(tmp_path: Path) -> None:
    async def before(spec: ObjectSpec, since: datetime | None) -> AsyncIterator[bytes]:
        yield page({"Id": "1", "Name": "kept"})

    async def after(spec: ObjectSpec, since: datetime | None) -> AsyncIterator[bytes]:
        yield page({"Id": "2"} if spec is GOOD else {"Id": "2", "Name": "new", "Extra": 1})

    read(tmp_path / "w.duckdb", before)
    report = read(tmp_path / "w.duckdb", after)
    assert report.stops_writing
    assert {(one.object_name, one.kind) for one in report.drift} == {
        ("good", DriftKind.VANISHED_COLUMN),
        ("other", DriftKind.NEW_COLUMN),
    }
    assert "Extra" in next(one.message for one in report.drift if one.object_name == "other")
    assert ids(tmp_path / "w.duckdb", "good") == ["1"]
    assert ids(tmp_path / "w.duckdb", "other") == ["2"]


def test_a_read_that_fails_half_way_loads_nothing(tmp_path: Path) -> None:
    async def pages(spec: ObjectSpec, since: datetime | None) -> AsyncIterator[bytes]:
        yield page({"Id": "1", "Name": ""})
        if spec is OTHER:
            raise RetryLater("the vendor is gone", code="503")

    with pytest.raises(RetryLater, match="the vendor is gone"):
        read(tmp_path / "w.duckdb", pages)
    assert ids(tmp_path / "w.duckdb", "good") == []
    assert ids(tmp_path / "w.duckdb", "other") == []
