"""The command line says what, where and what to do."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMMANDS = (
    "sync",
    "deliver",
    "plan",
    "drift",
    "trace",
    "audit",
    "doctor",
    "approve",
    "reject",
    "approvals",
    "exceptions",
    "push",
    "decide",
    "links",
    "assign",
    "refund",
    "debit-memo",
    "disputes",
    "predict",
    "demo",
    "dev",
    "sandbox",
)


def ledgerloop(
    *arguments: str, home: Path, config: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user would, in a process of its own."""
    if config is not None:
        file = home / "ledgerloop.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(config)
        environment["LEDGERLOOP_CONFIG"] = str(file)
    return subprocess.run(
        [sys.executable, "-m", "orchestration.cli", *arguments],
        cwd=ROOT,
        env={**os.environ, "LEDGERLOOP_HOME": str(home), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_help_lists_every_command_with_its_meaning(tmp_path: Path) -> None:
    shown = ledgerloop("--help", home=tmp_path)
    assert shown.returncode == 0
    for name in COMMANDS:
        assert name in shown.stdout


@pytest.mark.parametrize("name", ["sync", "plan", "trace", "approve", "exceptions", "doctor"])
def test_help_of_a_command_has_an_example(name: str, tmp_path: Path) -> None:
    shown = ledgerloop(name, "--help", home=tmp_path)
    assert shown.returncode == 0
    assert f"ledgerloop {name}" in shown.stdout or name == "exceptions"


def test_a_wrong_key_is_named_with_the_nearest_right_one(tmp_path: Path) -> None:
    shown = ledgerloop(
        "doctor", home=tmp_path, config='[systems.sap]\nkind = "sap_s4hana"\nbase_ulr = "x"\n'
    )
    assert shown.returncode == 1
    assert "systems.sap.base_ulr" in shown.stderr
    assert "did you mean 'base_url'" in shown.stderr


def test_plain_http_beyond_this_machine_is_refused(tmp_path: Path) -> None:
    shown = ledgerloop(
        "doctor",
        home=tmp_path,
        config='[systems.sap]\nkind = "sap_s4hana"\nbase_url = "http://erp.example"\n',
    )
    assert shown.returncode == 1
    assert "use https" in shown.stderr


def test_no_configuration_says_where_one_belongs(tmp_path: Path) -> None:
    missing = str(tmp_path / "none.toml")
    shown = ledgerloop("doctor", home=tmp_path, LEDGERLOOP_CONFIG=missing)
    assert shown.returncode == 1
    assert missing in shown.stderr
    assert "LEDGERLOOP_CONFIG" in shown.stderr


def test_an_unknown_system_is_named_with_those_there_are(tmp_path: Path) -> None:
    shown = ledgerloop("sync", "--only", "sap_amer", home=tmp_path)
    assert shown.returncode == 1
    assert "sap_amer" in shown.stderr
    assert "sap_emea" in shown.stderr


def test_a_sandbox_that_is_not_running_says_how_to_start_it(tmp_path: Path) -> None:
    shown = ledgerloop("sync", home=tmp_path)
    assert shown.returncode == 1
    assert "ledgerloop sandbox serve" in shown.stderr


def test_an_empty_operations_database_verifies_and_lists_nothing(tmp_path: Path) -> None:
    assert ledgerloop("audit", "verify", home=tmp_path).returncode == 0
    listed = ledgerloop("exceptions", "list", "--json", home=tmp_path)
    assert listed.returncode == 0
    assert json.loads(listed.stdout) == []


def test_the_demo_refuses_a_home_that_holds_other_state(tmp_path: Path) -> None:
    (tmp_path / "warehouse.duckdb").write_bytes(b"mine")
    shown = ledgerloop("demo", home=tmp_path)
    assert shown.returncode == 1
    assert "LEDGERLOOP_HOME" in shown.stderr
    assert (tmp_path / "warehouse.duckdb").read_bytes() == b"mine"
