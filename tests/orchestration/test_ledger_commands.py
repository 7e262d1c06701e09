"""What auditors and people in receivables ask of the log: the chain, its head, one exception."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from orchestration.cli import cli
from orchestration.delivering import open_store
from reverse_etl.ledger.exceptions import BUSINESS, NewException

WRONG_AMOUNT = NewException(
    BUSINESS, "BAD_ROW", "is negative", field="amount", system_id="desk", object_name="invoices",
    object_key="INV-1", customer_name="Bergström AB", region="SE", invoice="1930438491",
    amount_text="-12.50", currency_code="EUR",
)  # fmt: skip


@pytest.fixture
def home(home: Path) -> Path:
    with open_store(home) as store:
        store.open_exception(WRONG_AMOUNT)
    return home


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def test_an_exception_reads_as_people_speak_and_whole_as_json(home: Path) -> None:
    shown = run("exceptions", "show", "E1").output
    for text in ("amount: is negative", "Bergström AB", "1930438491", "-12.50 EUR", "SE"):
        assert text in shown
    assert json.loads(run("exceptions", "show", "E1", "--json").output)["region"] == "SE"
    assert "amount: is negative" in run("exceptions", "list", "--region", "SE").output


def test_an_exported_head_tells_a_log_that_was_made_anew(home: Path, tmp_path: Path) -> None:
    key, head = Ed25519PrivateKey.generate(), tmp_path / "head.json"
    pem = tmp_path / "key.pem"
    pem.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    signer = key.public_key().public_bytes_raw().hex()
    assert run("audit", "export", "--key", str(pem), "--out", str(head)).exit_code == 0
    check = ("audit", "verify", "--head", str(head), "--public-key")
    assert run(*check, signer).exit_code == 0
    other = run(*check, "0" * 64)
    assert (other.exit_code, "signed with another key" in other.output) == (1, True)
    for file in home.glob("ops.sqlite*"):
        file.unlink()
    anew = run(*check, signer)
    assert (anew.exit_code, "no longer in the log" in anew.output) == (1, True)
