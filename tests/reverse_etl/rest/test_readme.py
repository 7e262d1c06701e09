"""The worked example of the README runs as it stands there, against a real target."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import duckdb

from tests.reverse_etl.rest.books import Books, Faults
from tests.reverse_etl.rest.support import ROOT

README = ROOT / "reverse_etl" / "rest" / "README.md"
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
SECONDS = re.compile(r", [\d.]+ s$")


def run_block(kind: str, text: str, folder: Path, environment: dict[str, str]) -> None:
    if kind == "sql":
        with duckdb.connect(str(folder / "receivables.duckdb")) as connection:
            connection.execute(text)
        return
    assert kind == "console"
    command, expected = text.strip().removeprefix("$ ").split("\n", 1)
    program, *arguments = shlex.split(command)
    assert program == "ledgerloop"
    done = subprocess.run(
        [sys.executable, "-m", "orchestration.cli", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert SECONDS.sub("", done.stdout.strip()) == expected.strip()


def test_the_worked_example_does_what_it_says(serve_app, tmp_path, monkeypatch) -> None:

    books = Books(Faults(wanted_header=("authorization", "Bearer t0ken")), key="invoice_id")
    url = serve_app(books)
    config = tmp_path / "ledgerloop.toml"
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "LEDGERLOOP_HOME": str(tmp_path / "home"),
        "LEDGERLOOP_CONFIG": str(config),
        "LEDGERLOOP_CREDENTIALS_DESK_TOKEN": "t0ken",
    }
    example = README.read_text(encoding="utf-8").partition("## A worked example")[2]
    blocks = BLOCK.findall(example.partition("\n## ")[0])
    assert [kind for kind, _ in blocks] == ["sql", "toml", "console", "sql", "console"]
    for kind, text in blocks:
        if kind == "toml":
            config.write_text(text.replace("https://desk.example/api", url))
            continue
        for part in re.split(r"\n(?=\$ )", text.strip()) if kind == "console" else [text]:
            run_block(kind, part, tmp_path, environment)
    first, last = books.bodies
    assert {row["invoice_id"] for row in first["rows"]} == {"4711", "4712", "4713"}
    assert last == {"sums": {"open": 0}, "is_open": False}
    assert books.rows["4711"]["dueDate"] == "2026-02-01"
    assert "dueDate" not in books.rows["4713"]
