"""``ledgerloop exceptions``: found, shown, retried and resolved by any filter."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orchestration.cli import cli
from reverse_etl.ledger.exceptions import BUSINESS, TECHNICAL, NewException
from reverse_etl.ledger.store import Store


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with three exceptions that were opened three days ago."""
    monkeypatch.setenv("LEDGERLOOP_HOME", str(tmp_path))
    monkeypatch.delenv("LEDGERLOOP_OPS_URL", raising=False)
    opened = datetime.now(UTC) - timedelta(days=3)
    common = {"system_id": "crm", "object_name": "invoices"}
    with Store.open(tmp_path / "ops.sqlite", now=lambda: opened) as store:
        store.open_exception(
            NewException(
                BUSINESS, "BAD_ACCOUNT", "no such account", object_key="I1", region="CA",
                customer_id="SAP-1", customer_name="Bosch", invoice="1930", amount_text="12.345678",
                currency_code="CAD", payload={"amount": "12.345678", "on": "2026-01-31"}, **common,
            )
        )  # fmt: skip
        store.open_exception(
            NewException(BUSINESS, "BAD_ACCOUNT", "no such account", object_key="I2", **common)
        )
        store.open_exception(NewException(TECHNICAL, "timeout", "no answer", system_id="sap"))
    return tmp_path


def call(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["exceptions", *arguments])


def listed(*arguments: str) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(call("list", "--json", *arguments).stdout)
    return found


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        ((), 3),
        (("--class", "business"), 2),
        (("--team", "integration"), 1),
        (("--region", "CA"), 1),
        (("--customer", "SAP-1"), 1),
        (("--invoice", "1930"), 1),
        (("--object", "invoices", "--key", "I2"), 1),
        (("--code", "BAD_ACCOUNT", "--region", "DE"), 0),
    ],
)
def test_a_list_is_narrowed_by_any_filter(arguments: tuple[str, ...], count: int) -> None:
    assert len(listed(*arguments)) == count


@pytest.mark.usefixtures("home")
def test_an_exception_is_told_with_money_age_region_and_its_payload_without_a_loss() -> None:
    (one,) = listed("--region", "CA")
    assert one["payload"] == {"amount": "12.345678", "on": "2026-01-31"}
    assert isinstance(one["age_seconds"], int)
    assert one["age_seconds"] >= 3 * 24 * 3600
    shown = call("list", "--region", "CA").stdout
    for text in ("12.345678 CAD", "3 d", "Bosch", "1930", "accounts_receivable", "CA"):
        assert text in shown


@pytest.mark.usefixtures("home")
def test_many_are_resolved_by_filter_and_stay_in_the_list() -> None:
    done = call("resolve", "--code", "BAD_ACCOUNT", "--reason", "restored", "--as", "ana")
    assert (done.exit_code, "2 of 2 exceptions done" in done.stdout) == (0, True)
    assert len(listed("--state", "open")) == 1
    closed = listed("--state", "closed")
    assert [(one["closed_by"], one["resolution"]) for one in closed] == [("ana", "restored")] * 2


@pytest.mark.usefixtures("home")
def test_nothing_is_chosen_without_an_id_or_a_filter() -> None:
    refused = call("resolve", "--reason", "all of them")
    assert refused.exit_code != 0
    assert len(listed("--state", "open")) == 3
