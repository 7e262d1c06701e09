"""How much CPU the three-way diff costs beside md5 in DuckDB: ``diff.10m.ratio_to_duckdb_md5``.

Both sides hold the same governed object (``salesforce.invoices``), 1 % of the rows changed, and the
ledger acknowledges one field of every row. Ours is ``reverse_etl.planning.diff.compare``, with
classes, actions and acknowledged values; theirs is md5 over the same columns of both tables and a
full outer join, which says only *that* a row differs. Each runs in its own process, on the same
file, with the same threads; CPU is that of the process over the statement, memory its peak.

Run: ``python -m bench.diff [--sizes 1m 10m]``; the median of three runs.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

from bench.common import Figure, cpu_seconds, medians, peak_rss_mb, run_child, write_figures
from reverse_etl.planning.diff import compare
from reverse_etl.planning.governance import TargetObject, load_governance
from reverse_etl.planning.tables import create_tables

QUICK_ARGUMENTS = ("--sizes", "1m", "--runs", "1")

RUNS = 3
THREADS = 2
MEMORY_LIMIT_MB = 2500
SIZES = {"1m": 1_000_000, "10m": 10_000_000}
_SYSTEM = "crm"


def _target() -> TargetObject:
    return load_governance().object("salesforce", "invoices")


def make_tables(path: Path, rows: int) -> None:
    """Desired and observed tables of ``rows`` invoices, every hundredth changed."""
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"set threads = {THREADS}")
        connection.execute("set preserve_insertion_order = false")
        create_tables(connection)
        connection.execute("create schema sync")
        connection.execute("create schema observed")
        for side, changed in (("sync", "false"), ("observed", "i % 100 = 7")):
            connection.execute(f"""
                create table {side}.salesforce__invoices as
                select '{_SYSTEM}' as system_id,
                       'SAP-U001-2020-' || lpad(cast(i as varchar), 10, '0') || '-001'
                           as object_key,
                       '001' || lpad(cast(i % 5000 as varchar), 15, '0') as account_id,
                       'U001' as company_code, 'USD' as currency_code,
                       cast(1930000000 + i as varchar) as invoice_number,
                       cast(i % 900001 / 100 as decimal(28, 6)) as amount,
                       cast(if({changed}, 0, i % 900001 / 100) as decimal(28, 6)) as open_amount,
                       date '2020-01-01' + cast(i % 365 as integer) as invoice_date,
                       date '2020-02-01' + cast(i % 365 as integer) as due_date,
                       if({changed}, 'Paid', 'Open') as status,
                       if({changed}, 'Paid', 'Current') as aging_bucket,
                       date '2020-06-01' as as_of_date
                from range({rows}) as t(i)
            """)
        connection.execute(f"""
            insert into ledger.acknowledged
            select '{_SYSTEM}', 'invoices', object_key, 'status', 'Open', '', now()
            from sync.salesforce__invoices
        """)


def _ours(connection: duckdb.DuckDBPyConnection) -> int:
    (sizes,) = compare(connection, _target(), [_SYSTEM])
    return sizes.changed


def _md5(connection: duckdb.DuckDBPyConnection) -> int:
    names = ", ".join(f"coalesce(cast({f.name} as varchar), '')" for f in _target().compared)
    hashed = "select system_id, object_key, md5(concat_ws('|', {})) as h from {}"
    connection.execute(f"""
        create temp table changed as
        select coalesce(d.object_key, o.object_key) as object_key
        from ({hashed.format(names, "sync.salesforce__invoices")}) as d
        full outer join ({hashed.format(names, "observed.salesforce__invoices")}) as o
            on d.system_id = o.system_id and d.object_key = o.object_key
        where d.h is distinct from o.h
    """)
    return int(connection.execute("select count(*) from changed").fetchall()[0][0])


VARIANTS: dict[str, Callable[[duckdb.DuckDBPyConnection], int]] = {
    "ours": _ours,
    "duckdb_md5": _md5,
}


def worker(name: str, path: Path) -> dict[str, float]:
    """One variant in this process: seconds of the statement, peak memory, rows found."""
    with duckdb.connect(str(path), read_only=True) as connection:
        connection.execute(f"set threads = {THREADS}")
        connection.execute("set preserve_insertion_order = false")
        connection.execute(f"set memory_limit = '{MEMORY_LIMIT_MB}MB'")
        cpu, wall = cpu_seconds(), time.perf_counter()
        changed = VARIANTS[name](connection)
        used, took = cpu_seconds() - cpu, time.perf_counter() - wall
    return {"cpu_s": used, "wall_s": took, "rss_mb": peak_rss_mb(), "changed": changed}


def measure(size: str, runs: int) -> list[Figure]:
    """The figures of one size.

    Raises:
        AssertionError: the two sides do not find the same number of changed rows.
    """
    with tempfile.TemporaryDirectory(prefix="ledgerloop-bench-") as folder:
        path = Path(folder) / "diff.duckdb"
        run_child("bench.diff", "--make", str(path), str(SIZES[size]))
        found = {
            name: medians(
                [run_child("bench.diff", "--worker", name, str(path)) for _ in range(runs)]
            )
            for name in VARIANTS
        }
    mine, theirs = found["ours"], found["duckdb_md5"]
    assert mine["changed"] == theirs["changed"] > 0, found
    return [
        Figure(
            f"diff.{size}.ratio_to_duckdb_md5",
            mine["cpu_s"] / theirs["cpu_s"],
            "CPU s / CPU s",
            {"limit": 1.0},
        ),
        Figure(f"diff.{size}.cpu_s", mine["cpu_s"], "s", {"duckdb_md5": theirs["cpu_s"]}),
        Figure(f"diff.{size}.wall_s", mine["wall_s"], "s", {"duckdb_md5": theirs["wall_s"]}),
        Figure(
            f"diff.{size}.rss_mb",
            mine["rss_mb"],
            "MB",
            {"limit": 3000.0, "duckdb_md5": theirs["rss_mb"]},
        ),
    ]


def main() -> None:
    """Measure and write ``bench/diff.json``, or make the tables or run one variant as a child."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--make", nargs=2, metavar=("FILE", "ROWS"))
    parser.add_argument("--worker", nargs=2, metavar=("VARIANT", "FILE"))
    parser.add_argument("--sizes", nargs="*", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--runs", type=int, default=RUNS)
    chosen = parser.parse_args()
    if chosen.make:
        make_tables(Path(chosen.make[0]), int(chosen.make[1]))
        print(json.dumps({"rows": int(chosen.make[1])}))
    elif chosen.worker:
        print(json.dumps(worker(chosen.worker[0], Path(chosen.worker[1]))))
    else:
        write_figures("diff", [one for size in chosen.sizes for one in measure(size, chosen.runs)])


if __name__ == "__main__":
    main()
