"""Files over SFTP: lines per second and memory, beside what does less.

``python -m bench.sftp`` measures, each in a process of its own, against one server on loopback:

* push: 50,000 and 500,000 lines as commands give them → file, control file, delivery, the
  acknowledgement read back and matched by key; once undisturbed and once cut three times;
* raw: asyncssh's own ``put`` of the finished file, and OpenSSH's ``sftp`` program where there is
  one: both without form, control file, rename or acknowledgement;
* pull: an extract of as many paid items → download, checks, ``erp_files_raw``; beside DuckDB's
  ``read_csv`` of the same file on disk, which refuses nothing and checks nothing.

Imports are not counted. The other side answers every document without booking it.
"""

import argparse
import asyncio
import csv
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from bench.common import Figure, cpu_seconds, peak_rss_mb, run_child, write_figures

QUICK_ARGUMENTS = ("--sizes", "50k")
SIZES = {"50k": 50_000, "500k": 500_000}
MADE_AT = datetime(2026, 11, 22, tzinfo=UTC)
COLUMNS = ("BUKRS", "BLART", "BLDAT", "BUDAT", "XBLNR", "WAERS", "KONTO", "SHKZG", "WRBTR", "SGTXT")


# -- the other side ------------------------------------------------------------------------------


async def _serve(folder: Path) -> None:
    """Serve ``folder`` and answer every pushed file, until the standard input ends."""
    from sandbox.sftp.faults import FileFaults
    from sandbox.sftp.keys import server_keys
    from sandbox.sftp.server import FileServer

    root = folder / "files"
    for name in ("inbox", "outbox", "extracts"):
        (root / name).mkdir(parents=True, exist_ok=True)

    async def arrived(path: Path) -> None:
        if path.name.endswith(".ctl"):
            await asyncio.to_thread(_answer, root, path.name.removesuffix(".ctl"))

    faults = FileFaults()
    server = FileServer(root, server_keys(folder), faults=faults, arrived=arrived)
    async with server:
        print(json.dumps(server.credentials()), flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            # Each line asks for cuts at these bytes from now on.
            faults.cut_after_written = [faults.bytes_written + n for n in json.loads(line)]
            print("set", flush=True)


def _answer(root: Path, name: str) -> None:
    """Accept every document of a file."""
    path, answers = root / "inbox" / name, root / "outbox" / f"{name}.ack.csv"
    with path.open(newline="") as lines, answers.open("w", newline="") as target:
        writer = csv.writer(target, delimiter=";", lineterminator="\n")
        writer.writerow(("DOC_KEY", "STATUS", "DOCUMENT", "CODE", "FIELD", "MESSAGE"))
        rows = csv.reader(lines, delimiter=";")
        next(rows)
        writer.writerows((row[0], "ACCEPTED", "U001-2026-1400000001", "", "", "") for row in rows)
    control = json.loads((root / "inbox" / f"{name}.ctl").read_bytes())
    with answers.open("rb") as opened:
        rows_sha256 = hashlib.file_digest(opened, "sha256").hexdigest()
    said = {"file": name, "sha256": control["sha256"], "status": "PROCESSED"}
    beside = root / "outbox" / f"{name}.ack.tmp"
    beside.write_text(json.dumps({**said, "rows_sha256": rows_sha256}))
    beside.replace(root / "outbox" / f"{name}.ack")


@contextmanager
def _server(folder: Path) -> Iterator[tuple[dict[str, str], Callable[[list[int]], None]]]:
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "bench.sftp", "--serve", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    def cut(points: list[int]) -> None:
        stdin.write(json.dumps(points) + "\n")
        stdin.flush()
        stdout.readline()

    try:
        yield json.loads(stdout.readline()), cut
    finally:
        stdin.close()
        process.wait(timeout=30)
        stdout.close()


@contextmanager
def _counted(rows: int) -> Iterator[dict[str, float]]:
    """Count wall time, CPU and memory of the block into the dictionary it yields."""
    found: dict[str, float] = {}
    cpu, wall = cpu_seconds(), time.perf_counter()
    yield found
    took = time.perf_counter() - wall
    found["rows_per_s"] = rows / took
    found["cpu_us_per_row"] = (cpu_seconds() - cpu) / rows * 1e6
    found["peak_rss_mb"] = peak_rss_mb()


# -- variants ------------------------------------------------------------------------------------


def _client(credentials: dict[str, str]) -> Any:
    import asyncssh  # noqa: F401

    from ingestion.common.config import System
    from ingestion.common.sftp import SftpClient
    from ingestion.common.sftp_settings import sftp_of

    folders = {"sftp_push_folder": "inbox", "sftp_ack_folder": "outbox"}
    system = System(system_id="bench", kind="sap_s4hana", credentials={**credentials, **folders})
    settings = sftp_of(system)
    assert settings is not None
    return SftpClient(settings, seed=1)


def _documents(rows: int) -> Iterator[tuple[str, list[Any]]]:
    from reverse_etl.files.forms import Line

    for number in range(rows):
        values = (
            "U001", "DZ", "20261120", "20261121", f"BK{number:012d}", "USD",
            f"{number % 5000:010d}", "S", f"{number % 90000}.{number % 100:02d}",
            "Payment of a customer",
        )  # fmt: skip
        amount = Decimal(f"{number % 90000}.{number % 100:02d}")
        yield f"KEY{number:017d}", [Line(values, "USD", amount)]


def push(rows: int, credentials: dict[str, str], folder: Path) -> dict[str, float]:
    """Lines to a delivered and acknowledged file, every answer matched by its key."""
    import reverse_etl.files.wrapper
    from reverse_etl.files.control import read_ack_rows
    from reverse_etl.files.exchange import FileExchange
    from reverse_etl.files.spool import Record, Spool, State, write_lines

    assert reverse_etl.files.wrapper is not None
    spool = Spool(folder / "spool")

    async def run() -> tuple[int, int]:
        name = f"bench-{rows}-{folder.name}.csv"
        control = write_lines(
            spool.data_path(name), "bench", COLUMNS, _documents(rows),
            created_at=MADE_AT, correlation_id="file-bench",
        )  # fmt: skip
        record = Record(name, "journal_entries", "post", State.SENDING, control, "")
        spool.record(record)
        async with _client(credentials) as client:
            exchange = FileExchange(client, spool, lambda: MADE_AT)
            delivered = await exchange.deliver(record)
            # The other side is another process: no event of ours can tell of its answer.
            while await exchange.acknowledgement(delivered.record) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        # A sender matches by key a file at a time; here the file is the whole volume.
        keys = sum(1 for _ in read_ack_rows(spool.answers_path(name)))
        return keys, len(delivered.resumed_from)

    with _counted(rows) as found:
        keys, resumed = asyncio.run(run())
    assert keys == rows, f"{keys} of {rows} documents were answered"
    found["resumed"] = resumed
    return found


def raw_put(rows: int, credentials: dict[str, str], folder: Path) -> dict[str, float]:
    """The library's own copy of the same bytes: no form, check, rename or answer."""
    path = _written(rows, folder)

    async def run() -> None:
        async with _client(credentials) as client:
            session = await client._opened()  # noqa: SLF001 - the peer is the bare library
            await session.put(str(path), f"inbox/raw-{folder.name}.csv")

    with _counted(rows) as found:
        asyncio.run(run())
    return found


def openssh_put(rows: int, credentials: dict[str, str], folder: Path) -> dict[str, float]:
    """OpenSSH's program copying the same bytes."""
    path, known_hosts = _written(rows, folder), folder / "known_hosts"
    host, port = credentials["sftp_host"], credentials["sftp_port"]
    known_hosts.write_text(f"[{host}]:{port} {credentials['sftp_host_key']}\n")
    command = ["sftp", "-q", "-b", "-", "-P", port, "-F", "none"]
    for option in (
        f"UserKnownHostsFile={known_hosts}",
        "StrictHostKeyChecking=yes",
        f"IdentityFile={credentials['sftp_private_key_file']}",
        "IdentitiesOnly=yes",
    ):
        command += ["-o", option]
    target = f"{credentials['sftp_user']}@{host}"
    started = time.perf_counter()
    subprocess.run(
        [*command, target],
        input=f"put {path} inbox/openssh-{folder.name}.csv\n",
        text=True,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return {"rows_per_s": rows / (time.perf_counter() - started)}


def _written(rows: int, folder: Path) -> Path:
    from reverse_etl.files.spool import write_lines

    path = folder / "raw.csv"
    write_lines(
        path, "bench", COLUMNS, _documents(rows), created_at=MADE_AT, correlation_id="file-bench"
    )
    return path


def pull(rows: int, credentials: dict[str, str], folder: Path) -> dict[str, float]:
    """An extract from the server into the warehouse."""
    import ingestion.common.pipeline  # noqa: F401
    from ingestion import erp_files
    from ingestion.common.config import System

    inbox = folder / "inbox"
    inbox.mkdir()
    system = System(
        system_id="extracts",
        kind="erp_files",
        base_url=inbox.as_uri(),
        options={"erp_system": "sap", "sftp_pull_folder": "extracts", "sftp_taken": "remember"},
        credentials=credentials,
    )
    with _counted(rows) as found:
        report = erp_files.read(system, folder / "warehouse.duckdb", run_started_at=MADE_AT)
    taken = next(one for one in report.objects if one.name == "sap_cleared_items")
    assert taken.rows_changed == rows, f"{taken.rows_changed} of {rows} rows arrived"
    return found


def duckdb_read_csv(rows: int, credentials: dict[str, str], folder: Path) -> dict[str, float]:
    """DuckDB reading the same file from disk by itself."""
    import duckdb

    assert credentials
    path = folder.parent / "server" / "files" / "extracts" / "bsad.csv"
    with _counted(rows) as found:
        connection = duckdb.connect(str(folder / "peer.duckdb"))
        connection.execute(f"CREATE TABLE items AS FROM read_csv('{path}')")
        connection.close()
    return found


def write_extract(path: Path, rows: int) -> None:
    """Paid items as SAP's BSAD gives them, amounts with their minus behind."""
    with path.open("w", encoding="utf-8", newline="") as target:
        target.write("BUKRS;KUNNR;GJAHR;BELNR;BUZEI;BLDAT;NETDT;AUGDT;AUGBL;WAERS;WRBTR;XBLNR\n")
        for number in range(rows):
            minus = "-" if number % 20 == 0 else ""
            target.write(
                f"U001;{140000000 + number % 5000};{2015 + number % 5};{1800000000 + number};1;"
                f"2019{number % 12 + 1:02d}01;2019{number % 12 + 1:02d}16;"
                f"2019{number % 12 + 1:02d}20;{1400000000 + number};USD;"
                f"{number % 90 + 1},{number % 1000:03d}.{number % 100:02d}{minus};INV{number}\n"
            )


VARIANTS: dict[str, Callable[[int, dict[str, str], Path], dict[str, float]]] = {
    "push": push,
    "push_cut": push,
    "asyncssh_put": raw_put,
    "openssh_sftp_put": openssh_put,
    "pull": pull,
    "duckdb_read_csv": duckdb_read_csv,
}


def measure(size: str) -> list[Figure]:
    """All variants at one size."""
    rows = SIZES[size]
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="ledgerloop-bench-") as name:
        folder = Path(name)
        with _server(folder / "server") as (credentials, cut):
            write_extract(folder / "server" / "files" / "extracts" / "bsad.csv", rows)
            (folder / "server" / "files" / "extracts" / "bsad.csv.done").touch()
            for variant in VARIANTS:
                if variant == "openssh_sftp_put" and shutil.which("sftp") is None:
                    continue
                given = credentials
                if variant == "push_cut":
                    cut([rows * share for share in (30, 50, 80)])
                    given = {**credentials, "sftp_window_bytes": str(1024 * 1024)}
                work = folder / variant
                work.mkdir()
                found[variant] = run_child(
                    "bench.sftp", "--worker", variant, str(rows), json.dumps(given), str(work)
                )
    assert found["push_cut"]["resumed"] > 0, "no cut struck"
    bare = {n: found[n]["rows_per_s"] for n in ("asyncssh_put", "openssh_sftp_put") if n in found}
    return [
        Figure(
            f"sftp.push_lines_per_s.{size}",
            found["push"]["rows_per_s"],
            "lines/s",
            {"cut three times": found["push_cut"]["rows_per_s"], **bare},
        ),
        Figure(
            f"sftp.push_cpu_us_per_line.{size}",
            found["push"]["cpu_us_per_row"],
            "CPU us/line",
            {"asyncssh_put": found["asyncssh_put"]["cpu_us_per_row"]},
        ),
        Figure(
            f"sftp.push_peak_rss_mb.{size}",
            found["push"]["peak_rss_mb"],
            "MB",
            {
                "cut three times": found["push_cut"]["peak_rss_mb"],
                "asyncssh_put": found["asyncssh_put"]["peak_rss_mb"],
            },
        ),
        Figure(
            f"sftp.pull_lines_per_s.{size}",
            found["pull"]["rows_per_s"],
            "lines/s",
            {"duckdb_read_csv": found["duckdb_read_csv"]["rows_per_s"]},
        ),
        Figure(
            f"sftp.pull_cpu_us_per_line.{size}",
            found["pull"]["cpu_us_per_row"],
            "CPU us/line",
            {"duckdb_read_csv": found["duckdb_read_csv"]["cpu_us_per_row"]},
        ),
        Figure(
            f"sftp.pull_peak_rss_mb.{size}",
            found["pull"]["peak_rss_mb"],
            "MB",
            {"duckdb_read_csv": found["duckdb_read_csv"]["peak_rss_mb"]},
        ),
    ]


def main() -> None:
    """Measure and write ``bench/sftp.json``, or be one of its processes."""
    parser = argparse.ArgumentParser(prog="python -m bench.sftp", description=__doc__)
    parser.add_argument("--serve", type=Path)
    parser.add_argument("--worker", nargs=4, metavar=("VARIANT", "ROWS", "CREDENTIALS", "FOLDER"))
    parser.add_argument("--sizes", nargs="*", default=list(SIZES), choices=list(SIZES))
    chosen = parser.parse_args()
    if chosen.serve:
        asyncio.run(_serve(chosen.serve))
    elif chosen.worker:
        variant, rows, credentials, folder = chosen.worker
        found = VARIANTS[variant](int(rows), json.loads(credentials), Path(folder))
        print(json.dumps(found))
    else:
        write_figures("sftp", [one for size in chosen.sizes for one in measure(size)])


if __name__ == "__main__":
    main()
