"""How fast statement files are read, and what memory that takes: camt.053, MT940, BAI2.

Each format's file of so many entries is made first, then read in a process of its own; CPU and peak
memory are of parsing and checking alone, the interpreter and its libraries included in memory.

Run: ``python -m bench.bank_files [--entries N]``.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.common import Figure, cpu_seconds, peak_rss_mb, run_child, write_figures

ENTRIES = 100_000
QUICK_ARGUMENTS = ("--entries", "2000")

_ENTRY = (
    '<Ntry><Amt Ccy="EUR">1.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts><BookgDt>'
    "<Dt>2026-01-05</Dt></BookgDt><ValDt><Dt>2026-01-05</Dt></ValDt><AcctSvcrRef>R{0}</AcctSvcrRef><NtryDtls>"
    "<TxDtls><Refs><EndToEndId>E{0}</EndToEndId></Refs><RltdPties><Dbtr><Nm>Payer {0}</Nm></Dbtr>"
    "<DbtrAcct><Id><IBAN>DE02120300000000202051</IBAN></Id></DbtrAcct></RltdPties><RmtInf><Ustrd>"
    "INV {0}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>\n"
)
_BALANCE = (
    '<Bal><Tp><CdOrPrtry><Cd>{0}</Cd></CdOrPrtry></Tp><Amt Ccy="EUR">{1}.00</Amt><CdtDbtInd>CRDT'
    "</CdtDbtInd><Dt><Dt>2026-01-05</Dt></Dt></Bal>"
)


def camt053(entries: int) -> Iterator[str]:
    """A camt.053 of one statement."""
    yield (
        '<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><Stmt>'
        "<Id>S</Id><Acct><Id><IBAN>DE89370400440532013000</IBAN></Id></Acct>"
    )
    yield _BALANCE.format("OPBD", 0) + _BALANCE.format("CLBD", entries)
    for number in range(entries):
        yield _ENTRY.format(number)
    yield "</Stmt></BkToCstmrStmt></Document>"


def mt940(entries: int) -> Iterator[str]:
    """An MT940 of one statement."""
    yield ":20:S\n:25:DE89370400440532013000\n:28C:1/1\n:60F:C260105EUR0,\n"
    for number in range(entries):
        yield f":61:2601050105C1,00NTRFNONREF//R{number}\n"
        yield f":86:166?20EREF+E{number}?21SVWZ+INV {number}?31DE02120300000000202051?32Payer\n"
    yield f":62F:C260105EUR{entries},\n-\n"


def bai2(entries: int) -> Iterator[str]:
    """A BAI2 of one account."""
    total, records = 200 * entries, entries + 2
    yield "01,B,U,260105,0700,1,,,2/\n02,U,B,1,260105,2359,USD,2/\n"
    yield f"03,US001,USD,010,0,,,015,{100 * entries},,/\n"
    for number in range(entries):
        yield f"16,195,100,,R{number},C{number},INV {number}/\n"
    yield f"49,{total},{records}/\n98,{total},1,{records + 2}/\n99,{total},1,{records + 4}/\n"


_MAKERS = {"camt053": camt053, "mt940": mt940, "bai2": bai2}


def measure(path: Path) -> dict[str, float]:
    """Read one file in this process."""
    from ingestion.bank_files.formats import formats, read_content

    formats()
    started, before = cpu_seconds(), peak_rss_mb()
    content = read_content(path)
    used = cpu_seconds() - started
    entries = sum(len(one.entries) for one in content.statements)
    return {"rate": entries / used, "rss": peak_rss_mb(), "rss_before": before}


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the files, read each in a child, write the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.bank_files", description=__doc__)
    parser.add_argument("--entries", type=int, default=ENTRIES)
    parser.add_argument("--child", type=Path, default=None, help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.child is not None:
        print(json.dumps(measure(chosen.child)))
        return 0
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="ledgerloop-bench-") as folder:
        for name, make in _MAKERS.items():
            path = Path(folder) / f"{name}.txt"
            with path.open("w", encoding="utf-8") as file:
                file.writelines(make(chosen.entries))
            found = run_child("bench.bank_files", "--child", str(path))
            size = path.stat().st_size / 1e6
            figures += [
                Figure(f"bank_files.{name}.entries_per_cpu_s", found["rate"], "entries/s"),
                Figure(
                    f"bank_files.{name}.peak_rss_mb",
                    found["rss"],
                    "MB",
                    {"before reading": found["rss_before"], "the file itself": size},
                ),
            ]
    write_figures("bank_files", figures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
