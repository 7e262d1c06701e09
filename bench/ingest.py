"""Ingestion of SAP-like open items: CPU microseconds and rows per second, beside its peers.

``python -m bench.ingest`` measures, each in a process of its own and the median of three:

* ours: SapClient over a real socket → Arrow → dlt → DuckDB, first load and unchanged re-read;
* DuckDB alone: ``read_json`` of the same pages as local files (no HTTP), then MERGE; and the same
  on pages stripped to bare arrays beforehand, which it reads ten times faster;
* Arrow alone: our page reader on the same files (no HTTP), then CTAS and MERGE;
* dlt's ``rest_api_source`` over the same socket, parquet, merge (100k rows only).

Imports are not counted for anyone. Only the client's process is.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from bench.common import Figure, cpu_seconds, medians, peak_rss_mb, run_child, write_figures
from ingestion.common.objects import FieldType
from ingestion.sap_s4hana.settings import OBJECTS, PAGE_STYLE

QUICK_ARGUMENTS = ("--sizes", "100k", "--runs", "1")

RUNS = 3
LIMIT_CPU_US_PER_ROW = 12.0
SIZES = {"100k": 100_000, "1m": 1_000_000}
SPEC = next(one for one in OBJECTS if one.name == "operational_items")
#: Peers of 100 CPU microseconds a row and more: measured once.
SLOW = frozenset({"duckdb_read_json_merge", "dlt_rest_api_source"})


@contextmanager
def _counted(rows: int) -> Iterator[dict[str, float]]:
    """Count CPU, wall time and memory of the block into the dictionary it yields."""
    found: dict[str, float] = {}
    cpu, wall = cpu_seconds(), time.perf_counter()
    yield found
    used, took = cpu_seconds() - cpu, time.perf_counter() - wall
    found["cpu_us_per_row"] = used / rows * 1e6
    found["rows_per_s"] = rows / took
    found["peak_rss_mb"] = peak_rss_mb()


def ours(rows: int, source: str, folder: Path) -> dict[str, float]:
    """The product's own read of one object, twice: first load, then nothing changed."""
    import ingestion.common.pipeline  # noqa: F401
    from ingestion import sap_s4hana
    from ingestion.common import arrow_pages, reading  # noqa: F401
    from ingestion.common.config import System

    system = System(
        system_id="sap_bench",
        kind="sap_s4hana",
        base_url=f"{source}/first/{rows}",
        credentials={"username": "bench", "password": "bench"},
    )
    warehouse = folder / "warehouse.duckdb"

    def read() -> int:
        report = sap_s4hana.read(
            system, warehouse, run_started_at=datetime.now(UTC), only_objects=[SPEC.name]
        )
        return report.rows_changed

    # dlt imports 600 modules when it first loads; imports are nobody's figure.
    warm = system.model_copy(update={"base_url": f"{source}/first/5000"})
    sap_s4hana.read(
        warm, folder / "warm.duckdb", run_started_at=datetime.now(UTC), only_objects=[SPEC.name]
    )

    with _counted(rows) as first:
        changed = read()
    assert changed == rows, f"{changed} of {rows} rows arrived"
    _check(warehouse, "sap_s4hana_raw.operational_items", rows)
    with _counted(rows) as again:
        changed = read()
    assert changed == 0, f"{changed} unchanged rows were loaded again"
    return {**first, "unchanged_cpu_us_per_row": again["cpu_us_per_row"]}


def duckdb_read_json(rows: int, source: str, folder: Path) -> dict[str, float]:
    """DuckDB reading the pages as served, from disk, by itself; converting, merging."""
    columns = f"{{d: 'STRUCT(results STRUCT({_wire_struct()})[])'}}"
    unnested = (
        f"SELECT unnest(d.results, max_depth := 2) FROM read_json('{source}/*.json', "
        f"columns = {columns}, maximum_object_size = 33554432)"
    )
    return _duckdb_merge(rows, unnested, folder)


def duckdb_read_json_bare(rows: int, source: str, folder: Path) -> dict[str, float]:
    """The same, on pages that somebody else has already stripped to bare arrays of rows."""
    columns = f"{{{_wire_struct(colon=True)}}}"
    read = f"FROM read_json('{source}/*.json', columns = {columns}, format = 'array')"
    return _duckdb_merge(rows, read, folder)


def _wire_struct(*, colon: bool = False) -> str:
    """Fields with the types that DuckDB should read from JSON."""
    wire = {FieldType.FLAG: "BOOLEAN", FieldType.MONEY: "DECIMAL(28,6)"}
    kinds = [(one.name, wire.get(one.type, "VARCHAR")) for one in SPEC.fields]
    return ", ".join(f"{name}: '{kind}'" if colon else f'"{name}" {kind}' for name, kind in kinds)


def _duckdb_merge(rows: int, source_sql: str, folder: Path) -> dict[str, float]:
    import duckdb

    columns = ", ".join(
        f'epoch_ms("{one.name}"[7:-3]::BIGINT)::DATE AS "{one.name}"'
        if one.type is FieldType.DATE
        else f'"{one.name}"'
        for one in SPEC.fields
    )
    with _counted(rows) as found:
        connection = duckdb.connect(str(folder / "peer.duckdb"))
        connection.execute(f"CREATE TABLE items ({_columns_sql()})")
        connection.execute(
            f"MERGE INTO items USING (SELECT 'sap_bench' AS system_id, {columns}, "
            f"now() AS _loaded_at FROM ({source_sql})) s USING ({', '.join(SPEC.key_columns)}) "
            "WHEN MATCHED THEN UPDATE WHEN NOT MATCHED THEN INSERT"
        )
        connection.close()
    _check(folder / "peer.duckdb", "items", rows)
    return found


def arrow_merge(rows: int, source: str, folder: Path) -> dict[str, float]:
    """Our page reader, then DuckDB's CTAS and MERGE without dlt."""
    import duckdb
    import pyarrow as pa

    from ingestion.common.arrow_pages import PageReader

    with _counted(rows) as found:
        reader = PageReader(SPEC, PAGE_STYLE, system_id="sap_bench", loaded_at=datetime.now(UTC))
        tables = [reader.read(path.read_bytes()) for path in sorted(Path(source).glob("*.json"))]
        connection = duckdb.connect(str(folder / "peer.duckdb"))
        connection.register("arrived", pa.concat_tables(tables))
        connection.execute("CREATE TABLE staging AS SELECT * FROM arrived")
        connection.execute(f"CREATE TABLE items ({_columns_sql()})")
        connection.execute(
            f"MERGE INTO items USING staging USING ({', '.join(SPEC.key_columns)}) "
            "WHEN MATCHED THEN UPDATE WHEN NOT MATCHED THEN INSERT"
        )
        connection.close()
    _check(folder / "peer.duckdb", "items", rows)
    return found


def dlt_rest_api(rows: int, source: str, folder: Path) -> dict[str, float]:
    """The stock REST source of dlt with declared key, parquet and merge, as its manual shows it."""
    import dlt
    from dlt.sources.rest_api import rest_api_source

    def load(count: int, name: str) -> None:
        stock = rest_api_source(
            {
                "client": {
                    "base_url": f"{source}/first/{count}/",
                    "paginator": {"type": "json_link", "next_url_path": "d.__next"},
                },
                "resources": [
                    {
                        "name": "items",
                        "primary_key": list(SPEC.primary_key),
                        "write_disposition": "merge",
                        "endpoint": {"path": f"x/{SPEC.path}", "data_selector": "d.results"},
                    }
                ],
            }
        )
        pipeline = dlt.pipeline(
            f"bench_{name}",
            pipelines_dir=str(folder / "dlt"),
            destination=dlt.destinations.duckdb(str(folder / f"{name}.duckdb")),
            dataset_name="stock",
        )
        pipeline.run(stock, loader_file_format="parquet")

    load(5000, "warm")
    with _counted(rows) as found:
        load(rows, "peer")
    _check(folder / "peer.duckdb", "stock.items", rows)
    return found


def _columns_sql() -> str:
    """The stored columns as DDL."""
    return ", ".join(f'"{one.name}" {one.type.sql}' for one in SPEC.columns)


def _check(path: Path, table: str, rows: int) -> None:
    """Every variant must have loaded every row, else its figure means nothing."""
    import duckdb

    with duckdb.connect(str(path)) as connection:
        found = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    assert found is not None
    assert found[0] == rows, f"{table}: {found[0]} of {rows} rows"


VARIANTS: dict[str, Callable[[int, str, Path], dict[str, float]]] = {
    "ours": ours,
    "duckdb_read_json_merge": duckdb_read_json,
    "duckdb_read_json_bare_merge": duckdb_read_json_bare,
    "arrow_ctas_merge": arrow_merge,
    "dlt_rest_api_source": dlt_rest_api,
}


@contextmanager
def _server(rows: int) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.page_server", str(rows)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.stdin.close()
        process.wait(timeout=30)
        process.stdout.close()


def measure(size: str, url: str, runs: int) -> list[Figure]:
    """All variants at one size."""
    from bench.page_server import write_pages

    rows = SIZES[size]
    results: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="ledgerloop-bench-") as folder:
        wrapped, bare = Path(folder) / "wrapped", Path(folder) / "bare"
        wrapped.mkdir()
        bare.mkdir()
        write_pages(rows, wrapped, bare)
        bytes_per_row = sum(path.stat().st_size for path in wrapped.iterdir()) / rows
        sources = dict.fromkeys(VARIANTS, str(wrapped))
        sources |= {
            "ours": url,
            "dlt_rest_api_source": url,
            "duckdb_read_json_bare_merge": str(bare),
        }
        for name in VARIANTS:
            if name == "dlt_rest_api_source" and size != "100k":
                continue
            times = 1 if name in SLOW else runs
            results[name] = medians(
                [
                    run_child("bench.ingest", "--worker", name, str(rows), sources[name])
                    for _ in range(times)
                ]
            )
    mine = results.pop("ours")

    def beside(key: str) -> dict[str, float]:
        return {name: found[key] for name, found in results.items()}

    limit = {"limit": LIMIT_CPU_US_PER_ROW} if size == "1m" else {}
    return [
        Figure(
            f"ingest.cpu_us_per_row.{size}",
            mine["cpu_us_per_row"],
            "CPU us/row",
            {**limit, **beside("cpu_us_per_row")},
        ),
        Figure(f"ingest.rows_per_s.{size}", mine["rows_per_s"], "rows/s", beside("rows_per_s")),
        Figure(f"ingest.peak_rss_mb.{size}", mine["peak_rss_mb"], "MB", beside("peak_rss_mb")),
        Figure(
            f"ingest.unchanged_cpu_us_per_row.{size}",
            mine["unchanged_cpu_us_per_row"],
            "CPU us/row",
        ),
        Figure(f"ingest.bytes_per_row.{size}", bytes_per_row, "bytes"),
    ]


def main() -> None:
    """Measure and write ``bench/ingest.json``, or run one variant as a child."""
    parser = argparse.ArgumentParser(prog="python -m bench.ingest", description=__doc__)
    parser.add_argument("--worker", nargs=3, metavar=("VARIANT", "ROWS", "SOURCE"))
    parser.add_argument("--sizes", nargs="*", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--runs", type=int, default=RUNS)
    chosen = parser.parse_args()
    if chosen.worker:
        variant, rows, source = chosen.worker
        with tempfile.TemporaryDirectory(prefix="ledgerloop-bench-") as folder:
            print(json.dumps(VARIANTS[variant](int(rows), source, Path(folder))))
        return
    figures: list[Figure] = []
    with _server(max(SIZES[size] for size in chosen.sizes)) as url:
        for size in chosen.sizes:
            figures += measure(size, url, chosen.runs)
    write_figures("ingest", figures)


if __name__ == "__main__":
    main()
