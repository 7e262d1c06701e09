"""Publishing leaves readers on a whole copy, whatever the loop does meanwhile."""

from pathlib import Path

import duckdb

from orchestration.publish import KEEP, publish


def test_a_reader_that_opened_the_old_copy_keeps_it_and_a_new_one_sees_the_new(
    tmp_path: Path,
) -> None:
    warehouse = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("create table t as select 1 as version")
    link = publish(warehouse, tmp_path, "a")
    old = duckdb.connect(str(link.resolve()), read_only=True)
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("update t set version = 2")
    publish(warehouse, tmp_path, "b")
    assert old.execute("select version from t").fetchall() == [(1,)]
    with duckdb.connect(str(link.resolve()), read_only=True) as fresh:
        assert fresh.execute("select version from t").fetchall() == [(2,)]
    old.close()


def test_only_the_last_copies_stay(tmp_path: Path) -> None:
    warehouse = tmp_path / "warehouse.duckdb"
    duckdb.connect(str(warehouse)).close()
    for number in range(KEEP + 3):
        link = publish(warehouse, tmp_path, f"run-{number}")
    copies = sorted(p.name for p in (tmp_path / "published").glob("warehouse-*.duckdb"))
    assert copies == [f"warehouse-run-{n}.duckdb" for n in range(3, KEEP + 3)]
    assert link.resolve().name == copies[-1]
